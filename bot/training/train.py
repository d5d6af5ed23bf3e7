"""Training: transformers' Trainer, once for all tasks; before and after, pictures, and what makes it repeatable."""

import os
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.learning import runs
from bot.learning.sources import contents
from bot.learning.task import Data, Setup, needs, scored_by
from bot.tasks import load_task
from indexer.errors import UserError
from indexer.progress import Progress, silent

if TYPE_CHECKING:
    from indexer.transformer import BertEncoder

USUAL = {"epochs": 3.0, "batch": 16, "rate": 5e-5, "max_length": 128}
FROZEN = {"epochs": 100.0, "batch": 64, "rate": 2e-3}  # a head alone is quick, and starts from nothing
# Options of tasks that name what a run is made from, besides --train, --dev and --encoder.
FILES, MODELS = ("corpus", "qrels"), ("teacher", "search", "model")
HELD_OUT = 0.1  # of the training examples, where no dev file is given


@dataclass(frozen=True, slots=True)
class Request:
    """What to train and how; 0 stands for the task's own default of the first four numbers."""

    task: str
    train: Path
    out: Path
    dev: Path | None = None
    encoder: str = "minilm"
    epochs: float = 0
    batch: int = 0
    rate: float = 0
    max_length: int = 0
    limit: int = 0  # training examples, drawn by the seed; 0: all
    seed: int = 1
    patience: int = 5  # evaluations without a better score, after which it stops; 0: never
    balanced: bool = False
    frozen: bool = False
    bf16: bool | None = None  # None: on a GPU that can
    options: Any = None  # an `Options` of the task; None: its defaults


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

    A run that was killed goes on where it stood when it is started with the same arguments.

    Raises:
        UserError: data, arguments or the folder cannot be used, or several processes were started.
    """
    needs("accelerate")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserError("bot train learns in one process, and several were started. Leave out accelerate or torchrun.")
    request, task = settled(request)
    started = time.monotonic()
    facts = _facts(request)
    lesson = _lesson(request, task, progress)
    checkpoint = runs.claim(request.out, facts, progress)
    from indexer.transformer import quietly

    with runs.threads(), quietly():
        outcome = _run(lesson, checkpoint, progress)
    versions = runs.versions()
    seconds = round(time.monotonic() - started, 1)
    found = {**facts, **outcome, "labels": list(lesson.setup.labels), "versions": versions, "seconds": seconds}
    runs.finish(request.out, found)
    return found


def settled(request: Request) -> tuple[Request, Any]:
    """Fill in the task's defaults, and refuse numbers that cannot be."""
    task = load_task(request.task)
    if request.frozen and not getattr(task, "FREEZES", True):
        raise UserError(f"--frozen: {request.task} trains the encoder itself. Leave it out.")
    usual = {**USUAL, **getattr(task, "DEFAULTS", {}), **(FROZEN if request.frozen else {})}
    chosen = {name: getattr(request, name) or value for name, value in usual.items()}
    options = request.options if request.options is not None else task.Options()
    request = replace(request, **chosen, options=options)
    for name in ("epochs", "batch", "rate", "limit", "seed", "patience"):
        if getattr(request, name) < 0:
            raise UserError(f"--{name} {getattr(request, name)}: give a number from 0 on.")
    if request.max_length < 8:
        raise UserError(f"--max-length {request.max_length}: give at least 8 tokens.")
    return request, task


def _facts(request: Request) -> dict[str, Any]:
    """Give what a run that goes on must share with the killed one: arguments, and the hashes of all that it reads."""
    arguments = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in asdict(request).items()
        if name not in ("task", "out")
    }
    options = asdict(request.options)
    files = [str(path) for path in (request.train, request.dev) if path is not None]
    files += [options[name] for name in FILES if options.get(name)]
    models = [request.encoder, *(options[name] for name in MODELS if options.get(name))]
    return {"task": request.task, "arguments": arguments, "data": contents(files), "models": contents(models)}


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
    train, dev = (Data(part, task.encode(part, setup)) for part in (examples, held))
    return Lesson(request, task, encoder, setup, model, train, dev)


def _parts(request: Request, task: Any, examples: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    """Give what is learned from and what is judged by."""
    draw = random.Random(request.seed)
    if request.dev is not None:
        held = task.read(request.dev, request.options)
    else:
        if hasattr(task, "apart"):
            apart = set(task.apart(examples, draw))
        else:
            apart = set(draw.sample(range(len(examples)), max(1, round(HELD_OUT * len(examples)))))
        held = [example for at, example in enumerate(examples) if at in apart]
        examples = [example for at, example in enumerate(examples) if at not in apart]
        if not examples:
            raise UserError(f"{request.train}: all of it would be held out to judge by. Give more, or --dev FILE.")
    if request.limit and request.limit < len(examples):
        examples = [examples[at] for at in sorted(draw.sample(range(len(examples)), request.limit))]
    return examples, held


def _run(lesson: Lesson, checkpoint: Path | None, progress: Progress) -> dict[str, Any]:
    """Judge, train, judge again, keep the better one where the task says so, and save."""
    from bot.training.frozen import freeze, thaw
    from bot.training.trainer import make_trainer

    request, task, model = lesson.request, lesson.task, lesson.model
    parts = freeze(lesson, progress) if request.frozen else (lesson.train, lesson.dev)
    trainer = make_trainer(lesson, parts, progress)
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
