"""Teaching: a student is trained until its Korean sentences lie where the teacher's English ones do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset, SequentialSampler
from transformers import PrinterCallback, Trainer, TrainingArguments

from bot.student.losses import cosent
from bot.student.model import BATCH, Student, encode, vectors_of
from bot.training.follow import Follow
from indexer.progress import Progress, silent
from indexer.sts import Pairs, spearman
from indexer.transformer import BertEncoder

BODY_RATE, PIECES_RATE = 2e-4, 8e-4
SCORED_BATCH = 32
EVERY = 4  # steps from one batch of scored pairs to the next
SORTED = 50  # batches among which texts of near length are put together


@dataclass(frozen=True, slots=True)
class Scored:
    """Scored pairs, cut into pieces."""

    one: Sequence[Sequence[int]]
    other: Sequence[Sequence[int]]
    scores: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Dev:
    """What progress is measured on: scored pairs, and Korean sentences with their English twins' vectors."""

    pairs: Pairs
    korean: Sequence[str]
    wanted: NDArray[np.float32]


@dataclass(frozen=True)
class Lessons(Dataset[dict[str, Any]]):
    """Sentences (piece ids), the teacher's vectors and which of them belongs to which, in the order of teaching."""

    sentences: Sequence[Sequence[int]]
    vectors: NDArray[np.float16]
    places: NDArray[np.int64]  # of each sentence's vector
    order: NDArray[np.int64]

    def __len__(self) -> int:
        """Count what is shown."""
        return len(self.order)

    def __getitem__(self, number: int) -> dict[str, Any]:
        """Give one sentence and its vector."""
        at = self.order[number]
        return {"ids": self.sentences[at], "wanted": self.vectors[self.places[at]]}


def arrange(order: NDArray[np.int64], lengths: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Put texts of near length into one batch, batches in any order; what does not fill a batch is left out."""
    numbers = np.random.default_rng(seed)
    whole = order[: len(order) // BATCH * BATCH]
    batches: list[NDArray[np.int64]] = []
    for start in range(0, len(whole), SORTED * BATCH):
        part = whole[start : start + SORTED * BATCH]
        part = part[np.argsort(lengths[part], kind="stable")].reshape(-1, BATCH)
        batches += list(part[numbers.permutation(len(part))])
    return np.concatenate(batches)


@dataclass(frozen=True)
class Plan:
    """How long and how a student is taught."""

    out: Path
    seed: int = 0
    bf16: bool = False
    measure_every: int = 1500  # steps
    scored: Sequence[Scored] = field(default_factory=tuple)
    mix: float = 0.0  # share of the weights that comes from where the student began


class Lecture(Trainer):
    """transformers' Trainer, in the order of the lessons, with scored pairs in between."""

    def __init__(self, plan: Plan, student: Student, lessons: Lessons, dev: Dev) -> None:
        self.plan, self.student, self.lessons, self.dev = plan, student, lessons, dev
        steps = len(lessons) // BATCH
        arguments = TrainingArguments(
            output_dir=str(plan.out / "checkpoints"),
            per_device_train_batch_size=BATCH,
            num_train_epochs=1,
            warmup_steps=min(500, steps // 10),
            lr_scheduler_type="cosine",
            weight_decay=0.0,
            max_grad_norm=1.0,
            bf16=plan.bf16,
            use_cpu=not torch.cuda.is_available(),
            save_steps=plan.measure_every,
            save_total_limit=1,
            eval_strategy="steps",
            eval_steps=plan.measure_every,
            logging_steps=50,
            seed=plan.seed,
            report_to=[],
            remove_unused_columns=False,
            dataloader_drop_last=True,
            disable_tqdm=True,
        )
        table = student.pieces.weight
        body = [weight for weight in student.parameters() if weight is not table]
        optimiser = torch.optim.AdamW(
            [{"params": body, "lr": BODY_RATE}, {"params": [table], "lr": PIECES_RATE}], weight_decay=0.0, fused=True
        )
        super().__init__(
            model=student,
            args=arguments,
            train_dataset=lessons,
            eval_dataset=lessons,  # only so that it measures: see evaluate
            data_collator=_together,
            optimizers=(optimiser, None),
        )

    def _get_train_sampler(self, *_: Any) -> SequentialSampler:
        return SequentialSampler(self.lessons)

    def compute_loss(self, model: nn.Module, inputs: dict[str, Any], *_: Any, **__: Any) -> Tensor:
        """Add a batch of scored pairs every few steps, by turns from each file."""
        loss: Tensor = model(**inputs)["loss"]
        step = self.state.global_step
        if self.plan.scored and step % EVERY == 0:
            turn = step // EVERY
            scored = self.plan.scored[turn % len(self.plan.scored)]
            chosen = np.random.default_rng((self.plan.seed, turn)).choice(len(scored.scores), SCORED_BATCH)
            one = vectors_of(self.student.encoder, [scored.one[at] for at in chosen])
            other = vectors_of(self.student.encoder, [scored.other[at] for at in chosen])
            loss = loss + cosent(one, other, torch.tensor(scored.scores[chosen], device=one.device))
        return loss

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Measure Spearman on scored pairs and how often a sentence finds its English twin first."""
        found = measure(self.student.encoder, self.dev)
        found = {f"eval_{name}": value for name, value in found.items()}
        self.log(found)
        return found


def measure(encoder: BertEncoder, dev: Dev) -> dict[str, float]:
    """Give the figures of a student."""
    one, other = (encode(encoder, side) for side in (dev.pairs.one, dev.pairs.other))
    korean = encode(encoder, dev.korean)
    first = (korean @ dev.wanted.T).argmax(axis=1) == np.arange(len(korean))
    return {
        "spearman": round(spearman((one * other).sum(axis=1), dev.pairs.scores), 4),
        "recall@1": round(float(first.mean()), 4),
    }


def run(plan: Plan, student: Student, lessons: Lessons, dev: Dev, progress: Progress = silent) -> list[dict[str, Any]]:
    """Teach, and save what came of it as a folder that transformers opens; give the history."""
    lecture = Lecture(plan, student, lessons, dev)
    lecture.add_callback(Follow(progress, "spearman"))
    lecture.remove_callback(PrinterCallback)  # which prints on stdout
    kept = any((plan.out / "checkpoints").glob("checkpoint-*"))
    began = {name: weight.detach().clone() for name, weight in student.state_dict().items()} if plan.mix else {}
    lecture.train(resume_from_checkpoint=kept)
    mix(student, began, plan.mix)
    student.encoder.model.set_input_embeddings(student.pieces.whole())
    student.encoder.model.save_pretrained(plan.out)
    student.encoder.tokenizer.save_pretrained(plan.out)
    history: list[dict[str, Any]] = lecture.state.log_history
    return history


def mix(student: nn.Module, began: Mapping[str, Tensor], share: float) -> None:
    """Move the weights by a share of the way back to where they began, so that what was learned before is kept better.

    WiSE-FT; Wortsman et al. 2022, arXiv:2109.01903.
    """
    weights = student.state_dict()
    for name, weight in began.items():
        if weight.is_floating_point():
            weights[name].lerp_(weight.to(weights[name].device), share)


def _together(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    wanted = torch.tensor(np.stack([row["wanted"] for row in rows]).astype(np.float32))
    return {"ids": [row["ids"] for row in rows], "wanted": wanted}
