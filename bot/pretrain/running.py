"""A run: one model through transformers' Trainer, taken up again after a kill, with its figures and its picture."""

import json
import math
import platform
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.learning import runs
from indexer import drawing
from indexer.errors import UserError
from indexer.progress import Progress

if TYPE_CHECKING:
    from transformers import PreTrainedModel, Trainer

PLAN, RECORD, PICTURE, CHECKPOINTS = "plan.json", "run.json", "loss.svg", "checkpoints"
SHARE = 0.1  # of the steps: so often a checkpoint is written and the held-out part is judged
KEPT = 2  # checkpoints at a time
# Arguments that are hashes, and what they are of.
HASHED = {"data": "text", "vocabulary": "tokenizer", "checkpoint": "checkpoint to go on from"}


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast to learn; `steps` above 0 counts instead of epochs."""

    epochs: float = 3.0
    steps: int = 0
    batch: int = 32
    rate: float = 5e-4
    seed: int = 1
    bf16: bool | None = None  # None: on a GPU that can


@dataclass(frozen=True, slots=True)
class Judged:
    """How held-out predictions become figures."""

    labels: Sequence[str]  # the arguments of the model that are labels
    reduce: Callable[[Any, Any], Any]  # logits and labels of a batch -> what is kept of them
    figures: Callable[[Any], dict[str, float]]  # what was kept of all batches -> figures


def begin(out: Path, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Give the plan of an unfinished run with the same arguments, or a new one.

    Raises:
        UserError: the folder holds a model, or an unfinished run with other arguments or from other contents.
    """
    if (out / RECORD).exists():
        raise UserError(f"{out} holds a finished run. Name another --out, or delete it.")
    if (out / runs.UNFINISHED).exists():
        raise UserError(f"{out} holds an unfinished run of `bot train`. Name another --out, or delete it.")
    if (out / "config.json").exists() and not (out / PLAN).exists():
        raise UserError(f"{out} holds a model. Name another --out, or delete it.")
    if (out / PLAN).exists():
        plan: dict[str, Any] = json.loads((out / PLAN).read_text("utf-8"))
        for name, value in json.loads(json.dumps(dict(arguments))).items():
            before = plan["arguments"].get(name)
            if before != value and name in HASHED:
                raise UserError(
                    f"{out} holds an unfinished run whose {HASHED[name]} has changed since. "
                    f"Put the former one back, name another --out, or delete {out}."
                )
            if before != value:
                raise UserError(
                    f"{out} holds an unfinished run with {name} {before!r}, now {value!r}. "
                    f"Type the same command to go on with it, name another --out, or delete {out}."
                )
        return plan
    return {"arguments": dict(arguments)}


def learn(
    model: "PreTrainedModel",
    data: tuple[Any, Any],
    collate: Callable[..., Any],
    judged: Judged,
    schedule: Schedule,
    out: Path,
    plan: dict[str, Any],
    progress: Progress,
) -> dict[str, Any]:
    """Train on data[0], judge on data[1] before and after; give the figures and the losses on the way.

    A run that was killed goes on from its last whole checkpoint.
    """
    from bot.learning.clock import Clock
    from indexer.transformer import quietly

    last = last_checkpoint(out / CHECKPOINTS)
    clock = Clock(time.monotonic(), last)
    trainer = _trainer(model, data, collate, judged, schedule, out, progress)
    trainer.add_callback(clock)
    with quietly():
        if "before" not in plan:
            plan["before"] = _figures(trainer)
            if trainer.is_world_process_zero():
                write_json(out / PLAN, plan)
        if last:
            progress(f"going on at step {last.name.removeprefix('checkpoint-')}")
        trainer.train(resume_from_checkpoint=str(last) if last else None)
        history = _history(trainer.state.log_history)
        after = _figures(trainer)
    ends = [
        {"step": 0, "eval_loss": plan["before"]["loss"]},
        {"step": trainer.state.global_step, "eval_loss": after["loss"]},
    ]
    return {
        "before": plan["before"],
        "after": after,
        "steps": trainer.state.global_step,
        "seconds": clock.seconds(),
        "history": [ends[0], *history, *(ends[1:] if ends[1] not in history else [])],
        "processes": trainer.args.world_size,
        "first": trainer.is_world_process_zero(),
    }


def _history(logged: Sequence[Mapping[str, float]]) -> list[dict[str, float]]:
    """Keep the losses of what a Trainer logged."""
    named = [{key: round(entry[key], 4) for key in ("step", "loss", "eval_loss") if key in entry} for entry in logged]
    return [entry for entry in named if len(entry) == 2]


def finish(out: Path, plan: Mapping[str, Any], record: Mapping[str, Any], title: str) -> dict[str, Any]:
    """Write the picture and run.json, then drop what only an unfinished run needs; the model is there already."""
    whole = {**plan, **record, "versions": versions()}
    del whole["first"]
    (out / PICTURE).write_text(drawing.standalone(picture(whole["history"], title)), encoding="utf-8")
    write_json(out / RECORD, whole)
    (out / PLAN).unlink(missing_ok=True)
    shutil.rmtree(out / CHECKPOINTS, ignore_errors=True)
    return whole


def last_checkpoint(folder: Path) -> Path | None:
    """Find the latest checkpoint that was written to its end: the Trainer writes its state last."""
    whole = []
    for path in folder.glob("checkpoint-*"):
        try:
            json.loads((path / "trainer_state.json").read_text("utf-8"))
        except (OSError, ValueError):
            continue
        whole.append(path)
    return max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def picture(history: Sequence[Mapping[str, float]], title: str) -> str:
    """Draw the losses of the batches and of the held-out part over the steps."""
    series = [
        [(entry["step"], entry[name]) for entry in history if name in entry and math.isfinite(entry[name])]
        for name in ("loss", "eval_loss")
    ]
    points = [point for line in series for point in line] or [(0.0, 0.0)]
    xs, ys = zip(*points, strict=True)
    frame = drawing.Frame(drawing.numbers(0, max(xs), "steps"), drawing.numbers(min(ys), max(ys), "loss"))
    marks = [drawing.line(frame, line, at) for at, line in enumerate(series, 1) if line]
    marks += [drawing.dot(frame, point, 2) for point in series[1]]
    told = f"Loss from {series[1][0][1]:.2f} to {series[1][-1][1]:.2f} on the held-out part." if series[1] else ""
    return drawing.draw(frame, marks, title, told, [(1, "learned from"), (2, "held out")])


def versions() -> dict[str, str]:
    """Name what made a model."""
    names = ("torch", "transformers", "tokenizers", "accelerate")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write JSON, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    partial.replace(path)


def _figures(trainer: "Trainer") -> dict[str, float]:
    """Judge the held-out part, without an entry in the history."""
    found = trainer.evaluate()
    wanted = {key.removeprefix("eval_"): value for key, value in found.items() if not key.endswith(_TIMES)}
    return {key: round(float(value), 4) for key, value in wanted.items() if key != "epoch"}


_TIMES = ("_runtime", "_per_second", "_preparation_time")


def _trainer(
    model: "PreTrainedModel",
    data: tuple[Any, Any],
    collate: Callable[..., Any],
    judged: Judged,
    schedule: Schedule,
    out: Path,
    progress: Progress,
) -> "Trainer":
    import torch
    from transformers import PrinterCallback, Trainer, TrainingArguments, set_seed

    set_seed(schedule.seed)
    gpu = torch.cuda.is_available()
    arguments = TrainingArguments(
        output_dir=str(out / CHECKPOINTS),
        num_train_epochs=schedule.epochs,
        max_steps=schedule.steps or -1,
        per_device_train_batch_size=schedule.batch,
        per_device_eval_batch_size=schedule.batch,
        learning_rate=schedule.rate,
        warmup_steps=0.1,
        weight_decay=0.01,
        seed=schedule.seed,
        use_cpu=not gpu,
        bf16=runs.in_bf16(schedule.bf16),
        dataloader_pin_memory=gpu,
        eval_strategy="steps",
        eval_steps=SHARE,
        save_strategy="steps",
        save_steps=SHARE,
        save_total_limit=KEPT,
        logging_steps=SHARE / 5,
        label_names=list(judged.labels),
        remove_unused_columns=False,
        disable_tqdm=True,
        report_to="none",
        average_tokens_across_devices=False,  # it multiplies a model's own mean loss by the number of processes
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=data[0],
        eval_dataset=data[1],
        data_collator=collate,
        compute_metrics=judged.figures,
        preprocess_logits_for_metrics=judged.reduce,
        callbacks=[_teller(progress)],
    )
    trainer.remove_callback(PrinterCallback)  # it writes to stdout, where the result belongs
    return trainer


def _teller(progress: Progress) -> Any:
    """Tell a Progress of each step."""
    from transformers import TrainerCallback

    class Teller(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            if state.is_world_process_zero:
                progress("learning", state.global_step, state.max_steps)

        def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **more: Any) -> None:
            if state.is_world_process_zero and metrics:
                told = {key.removeprefix("eval_"): value for key, value in metrics.items() if "_per_" not in key}
                shown = ("loss", "mlm_accuracy", "nsp_accuracy", "perplexity")
                words = ", ".join(f"{key} {told[key]:.3f}" for key in shown if key in told)
                progress(f"held out at step {state.global_step}: {words}")

    return Teller()
