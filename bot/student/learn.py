"""Teaching: a student is trained until its Korean sentences lie where the teacher's English ones do."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset, SequentialSampler
from transformers import PrinterCallback, Trainer, TrainingArguments

from bot.student.start import agree
from bot.training.follow import Follow
from indexer.progress import Progress, silent
from indexer.sts import Pairs, spearman
from indexer.transformer import BertEncoder

BODY_RATE, PIECES_RATE = 2e-4, 8e-4
BATCH, SCORED_BATCH = 128, 32
EVERY = 4  # steps from one batch of scored pairs to the next
SHARPNESS = 20.0  # of cosines in CoSENT
SORTED = 50  # batches among which texts of near length are put together
LONGEST = 64  # pieces


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


def cosent(one: Tensor, other: Tensor, scores: Tensor) -> Tensor:
    """Punish each two pairs whose cosines stand in the wrong order (CoSENT; Su 2022, kexue.fm/archives/8847)."""
    cosines = SHARPNESS * (one * other).sum(dim=-1)
    wrong = cosines[None, :] - cosines[:, None]  # [i, j]: how far pair j lies above pair i
    wrong = wrong[scores[:, None] > scores[None, :]]
    return torch.logsumexp(torch.cat([wrong.new_zeros(1), wrong]), dim=0)


def vectors_of(encoder: BertEncoder, sentences: Sequence[Sequence[int]]) -> Tensor:
    """Encode sentences of piece ids to unit vectors (B, dim)."""
    width = max(map(len, sentences))
    ids = torch.zeros((len(sentences), width), dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for row, found in enumerate(sentences):
        ids[row, : len(found)] = torch.as_tensor(found)
        mask[row, : len(found)] = 1
    device = encoder.model.device
    pooled: Tensor = encoder(ids.to(device), mask.to(device))[1]
    return pooled.float()


class Pieces(nn.Module):
    """A table of word pieces whose first rows, the teacher's own, stay where they are."""

    kept: Tensor

    def __init__(self, table: Tensor, known: int) -> None:
        super().__init__()
        self.register_buffer("kept", table[:known].detach().clone(), persistent=False)
        self.weight = nn.Parameter(table[known:].detach().clone())

    def forward(self, ids: Tensor) -> Tensor:
        """Give the embeddings of piece ids."""
        new = ids - len(self.kept)
        old = nn.functional.embedding(ids.clamp(max=len(self.kept) - 1), self.kept)
        return torch.where((new < 0)[..., None], old, nn.functional.embedding(new.clamp(min=0), self.weight))

    def whole(self) -> nn.Embedding:
        """Give the plain table."""
        table = nn.Embedding(len(self.kept) + len(self.weight), self.weight.shape[1], padding_idx=0)
        table.weight.data = torch.cat([self.kept, self.weight.detach()])
        return table


class Student(nn.Module):
    """A BertEncoder that knows what it is to learn."""

    def __init__(self, encoder: BertEncoder, known: int) -> None:
        super().__init__()
        self.encoder = encoder
        # On a processor the fused attention's way back takes a third of a step with sentences this short.
        encoder.model.set_attn_implementation("eager")
        table: Any = encoder.model.get_input_embeddings()
        encoder.model.set_input_embeddings(Pieces(table.weight, known))

    @property
    def pieces(self) -> Pieces:
        """Give the table of word pieces, which belongs to the model."""
        found: Any = self.encoder.model.get_input_embeddings()
        return found if isinstance(found, Pieces) else Pieces(found.weight, 0)

    def forward(self, ids: Sequence[Sequence[int]], wanted: Tensor) -> dict[str, Tensor]:
        """Give the loss of a batch."""
        found = vectors_of(self.encoder, ids)
        return {"loss": agree(found, wanted.to(found.device))}


@dataclass(frozen=True)
class Plan:
    """How long and how a student is taught."""

    out: Path
    seed: int = 0
    bf16: bool = False
    measure_every: int = 1500  # steps
    scored: Sequence[Scored] = field(default_factory=tuple)


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


def encode(encoder: BertEncoder, texts: Sequence[str]) -> NDArray[np.float32]:
    """Encode texts, texts of near length together."""
    cut = cut_up(encoder, texts)
    order = np.argsort([len(ids) for ids in cut], kind="stable")
    found = np.zeros((len(texts), encoder.model.config.hidden_size), dtype=np.float32)
    encoder.eval()
    with torch.no_grad():
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            found[rows] = vectors_of(encoder, [cut[row] for row in rows]).cpu().numpy()
    encoder.train()
    return found


def cut_up(encoder: BertEncoder, texts: Sequence[str]) -> list[list[int]]:
    """Cut texts into piece ids."""
    found: list[list[int]] = encoder.tokenizer(list(texts), truncation=True, max_length=LONGEST)["input_ids"]
    return found


def run(plan: Plan, student: Student, lessons: Lessons, dev: Dev, progress: Progress = silent) -> list[dict[str, Any]]:
    """Teach, and save what came of it as a folder that transformers opens; give the history."""
    lecture = Lecture(plan, student, lessons, dev)
    lecture.add_callback(Follow(progress, "spearman"))
    lecture.remove_callback(PrinterCallback)  # which prints on stdout
    kept = any((plan.out / "checkpoints").glob("checkpoint-*"))
    lecture.train(resume_from_checkpoint=kept)
    student.encoder.model.set_input_embeddings(student.pieces.whole())
    student.encoder.model.save_pretrained(plan.out)
    student.encoder.tokenizer.save_pretrained(plan.out)
    history: list[dict[str, Any]] = lecture.state.log_history
    (plan.out / "history.json").write_text(json.dumps(history, indent=1), encoding="utf-8")
    return history


def _together(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    wanted = torch.tensor(np.stack([row["wanted"] for row in rows]).astype(np.float32))
    return {"ids": [row["ids"] for row in rows], "wanted": wanted}
