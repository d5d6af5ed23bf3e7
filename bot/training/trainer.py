"""The Trainer of a run: its arguments, what it is told, and its loss."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bot.learning import runs
from bot.learning.task import IGNORED, Data, pace, scored_by
from indexer.errors import UserError
from indexer.progress import Progress

if TYPE_CHECKING:
    from bot.training.train import Lesson, Request


def make_trainer(lesson: "Lesson", parts: tuple[Data, Data], progress: Progress) -> Any:
    """Make the Trainer of a run: the task's own, or transformers' as it is."""
    from transformers import EarlyStoppingCallback, Trainer, TrainingArguments
    from transformers.trainer_callback import PrinterCallback

    from bot.training.follow import Follow
    from bot.training.frozen import collate_frozen

    request, task, setup = lesson.request, lesson.task, lesson.setup
    callbacks: list[Any] = [Follow(progress, scored_by(task, setup))]
    if request.patience:
        callbacks.append(EarlyStoppingCallback(request.patience))
    more = {
        "data_collator": collate_frozen if request.frozen else task.collate(setup),
        "callbacks": callbacks,
        "compute_metrics": lambda found: task.metrics(found.predictions, lesson.dev, setup),
        "compute_loss_func": balanced_loss(lesson.train, setup.labels) if request.balanced else None,
        "processing_class": setup.tokenizer,
    }
    arguments = _arguments(request, scored_by(task, setup), len(parts[0].features))
    if hasattr(task, "trainer"):
        trainer = task.trainer(lesson.model, arguments, parts, setup=setup, **more)
    else:
        trainer = Trainer(
            lesson.model, TrainingArguments(**arguments),
            train_dataset=parts[0].features, eval_dataset=parts[1].features, **more,
        )  # fmt: skip
    trainer.remove_callback(PrinterCallback)  # which prints on stdout
    return trainer


def _arguments(request: "Request", score: str, count: int) -> dict[str, Any]:
    import torch

    gpu = torch.cuda.is_available()
    return {
        "output_dir": str(request.out / runs.CHECKPOINTS), "num_train_epochs": request.epochs,
        "per_device_train_batch_size": request.batch, "per_device_eval_batch_size": max(request.batch, 32),
        "learning_rate": request.rate, "weight_decay": 0.01, "seed": request.seed,
        "eval_strategy": "steps", "save_strategy": "steps", **pace(request.epochs, request.batch, count),
        "save_total_limit": 2, "load_best_model_at_end": True,
        "metric_for_best_model": score, "greater_is_better": True, "report_to": "none", "disable_tqdm": True,
        "use_cpu": not gpu, "bf16": runs.in_bf16(request.bf16), "dataloader_pin_memory": gpu,
    }  # fmt: skip


def balanced_loss(train: Data, labels: Sequence[str]) -> Any:
    """Give a loss in which every label weighs the same, however rare (cross-entropy, weights n / (labels * count))."""
    if not labels or "labels" not in train.features[0]:
        raise UserError("--balanced weighs labels, and this data has none. Leave it out.")
    import numpy as np
    import torch

    places = np.concatenate([np.atleast_1d(feature["labels"]) for feature in train.features])
    counts = np.bincount(places[places != IGNORED], minlength=len(labels))
    weights = torch.tensor(counts.sum() / (len(labels) * np.maximum(counts, 1)), dtype=torch.float32)

    def loss(outputs: Any, truth: Any, num_items_in_batch: Any = None) -> Any:
        logits = outputs["logits"].reshape(-1, len(labels))
        weigh = weights.to(logits.device, logits.dtype)
        return torch.nn.functional.cross_entropy(logits, truth.reshape(-1), weigh, ignore_index=IGNORED)

    return loss
