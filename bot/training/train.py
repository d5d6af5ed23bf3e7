"""Training: transformers' Trainer, once for all tasks; before and after, pictures, and what makes it repeatable."""

import os
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.learning import runs
from bot.learning.parts import tenth
from bot.learning.task import Data, Setup, needs, scored_by
from bot.training.request import Request as Request
from bot.training.request import facts_of, settled
from indexer.errors import UserError
from indexer.progress import Progress, silent

if TYPE_CHECKING:
    from indexer.transformer import BertEncoder


@dataclass(slots=True)
class Lesson:
    """All that a run works with."""

    request: Request
    task: Any
    encoder: "BertEncoder"
    setup: Setup
    model: Any
    train: Data
    dev: Data


def train(request: Request, progress: Progress = silent) -> dict[str, Any]:
    """Train a task and write the model's folder; give what run.json holds, `before` and `after` among it.

    A run that was killed goes on where it stood when it is started with the same arguments; a finished one is made
    again.

    Raises:
        UserError: data, arguments or the folder cannot be used, or several processes were started.
    """
    needs("accelerate")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserError("bot train learns in one process, and several were started. Leave out accelerate or torchrun.")
    request, task = settled(request)
    started = time.monotonic()
    facts, versions = facts_of(request), runs.versions()
    runs.check(request.out, facts)
    lesson = _lesson(request, task, progress)
    checkpoint = runs.claim(request.out, facts, progress)
    from bot.learning.clock import Clock
    from indexer.transformer import quietly

    clock = Clock(started, checkpoint)
    with runs.threads(), quietly():
        outcome = _run(lesson, checkpoint, clock, progress)
    more = {"labels": list(lesson.setup.labels), "versions": versions, "seconds": clock.seconds()}
    found = {**facts, **outcome, **more}
    runs.finish(request.out, found)
    return found


def _lesson(request: Request, task: Any, progress: Progress) -> Lesson:
    """Read the data, open the encoder and put the head on it."""
    progress(f"Reading {request.train}")
    found = task.read(request.train, request.options)
    labels = task.labels(found, request.options)
    examples, held = _parts(request, task, found)
    from transformers import set_seed

    from bot.learning.learner import load_learner

    progress(f"Opening {request.encoder}")
    encoder = load_learner(request.encoder)
    setup = Setup(encoder.tokenizer, labels, request.options, min(request.max_length, encoder.limit()))
    set_seed(request.seed)
    model = task.model(encoder, setup)
    train, dev = (Data(part, task.encode(part, setup), found) for part in (examples, held))
    return Lesson(request, task, encoder, setup, model, train, dev)


def _parts(request: Request, task: Any, examples: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    """Give what is learned from and what is judged by."""
    draw = random.Random(request.seed)
    if request.dev is not None:
        held = task.read(request.dev, request.options)
    else:
        apart = set(task.apart(examples, draw) if hasattr(task, "apart") else tenth(range(len(examples)), draw))
        held = [example for at, example in enumerate(examples) if at in apart]
        examples = [example for at, example in enumerate(examples) if at not in apart]
        if not examples:
            raise UserError(f"{request.train}: all of it would be held out to judge by. Give more, or --dev FILE.")
    if request.limit and request.limit < len(examples):
        examples = [examples[at] for at in sorted(draw.sample(range(len(examples)), request.limit))]
    return examples, held


def _run(lesson: Lesson, checkpoint: Path | None, clock: Any, progress: Progress) -> dict[str, Any]:
    """Judge, train, judge again, keep the better one where the task says so, and save."""
    from bot.training.frozen import freeze, thaw
    from bot.training.trainer import make_trainer

    request, task, model = lesson.request, lesson.task, lesson.model
    parts = freeze(lesson, progress) if request.frozen else (lesson.train, lesson.dev)
    trainer = make_trainer(lesson, parts, progress)
    trainer.add_callback(clock)
    progress("Scoring the untrained head")
    before, _ = _judged(lesson, parts[1], trainer)
    kept = _copy(model) if getattr(task, "NEVER_WORSE", False) else None
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    score = scored_by(task, lesson.setup)
    progress("Scoring the trained model")
    after, predictions = _judged(lesson, parts[1], trainer)
    saved = "trained"
    if kept is not None and after[score] < before[score]:
        model.load_state_dict(kept)
        saved = "untrained"
    if request.frozen:
        thaw(lesson)
    _save(lesson)
    history = trainer.state.log_history
    resumed = runs.step_of(checkpoint)
    pictures = _pictures(lesson, history, predictions)
    counted = {"train": len(lesson.train.examples), "dev": len(lesson.dev.examples)}
    return {
        "before": before, "after": after, "saved": saved, "examples": counted, "steps": trainer.state.global_step,
        "resumed_from": resumed, "max_length": lesson.setup.max_length, "history": history, "pictures": pictures,
    }  # fmt: skip


def _judged(lesson: Lesson, dev: Data, trainer: Any) -> tuple[dict[str, float], Any]:
    task, setup = lesson.task, lesson.setup
    if hasattr(task, "judge"):
        found, predictions = task.judge(lesson.model, lesson.dev, setup, trainer), None
    else:
        predictions = trainer.predict(dev.features).predictions
        found = task.metrics(predictions, lesson.dev, setup)
    return {name: round(float(value), 4) for name, value in found.items()}, predictions


def _copy(model: Any) -> dict[str, Any]:
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}


def _save(lesson: Lesson) -> None:
    out = lesson.request.out
    runs.reopen(out)
    if hasattr(lesson.task, "save"):
        lesson.task.save(lesson.model, lesson.setup, out)
        return
    lesson.model.save_pretrained(out)
    lesson.setup.tokenizer.save_pretrained(out)


def _pictures(lesson: Lesson, history: Sequence[Mapping[str, Any]], predictions: Any) -> list[str]:
    from bot.training import curves

    out, task, setup = lesson.request.out, lesson.task, lesson.setup
    drawn = {"learning-curve.svg": curves.learning(history, scored_by(task, setup))}
    if hasattr(task, "truth") and setup.labels and predictions is not None:
        true, guessed = task.truth(predictions, lesson.dev, setup)
        drawn["confusion.svg"] = curves.confusion(true, guessed, setup.labels)
    for name, drawing in drawn.items():
        (out / name).write_text(drawing, encoding="utf-8")
    return sorted(drawn)
