"""A start for the new word pieces: a bag of pieces that gives the teacher's vectors places each among the known ones.

A new piece begins as the mix of the English pieces that lie nearest to it there, in place of noise.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from bot.student import vocabulary
from bot.student.lessons import Taught
from bot.student.losses import agree
from bot.student.model import cut_up
from indexer import weights
from indexer.errors import UserError
from indexer.progress import Progress, silent
from indexer.transformer import BertEncoder, load_bert

PLACED = 200_000  # pairs that the new pieces are placed by
OFTEN = 20  # times a known piece must have been seen to lend its embedding,
ENOUGH = 1_000  # if there are as many that were

NEAREST = 8
BATCH = 512
RATE = 0.02
SHARPNESS = 10.0  # of the mix


def begin(
    taught: Taught, pieces: Sequence[str], seed: int, kept: Path, progress: Progress = silent
) -> tuple[BertEncoder, int]:
    """Give the teacher's weights Korean pieces, each placed among the known ones; tell how many were known.

    The table that places them is read from the file `kept`, or made and kept there.
    """
    folder = weights.minilm()
    encoder = load_bert(str(folder))
    known = len(encoder.tokenizer)
    # A BertTokenizer would bring its own normaliser back when it is opened again, and break syllables into letters.
    encoder.tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=vocabulary.merge(folder / "tokenizer.json", pieces), **encoder.tokenizer.special_tokens_map
    )
    encoder.tokenizer.model_max_length = 256
    if not kept.exists():
        np.save(kept, _table(encoder, taught, seed, progress))
    table = np.load(kept, allow_pickle=False)
    embeddings: Any = encoder.model.get_input_embeddings()
    old = embeddings.weight.detach().numpy().copy()
    embeddings = encoder.model.resize_token_embeddings(len(encoder.tokenizer), mean_resizing=False)
    with torch.no_grad():
        embeddings.weight[known:] = torch.tensor(mix(table, old, _usable(encoder, taught, known)))
    return encoder, known


def go_on(folder: Path) -> tuple[BertEncoder, int]:
    """Open a student that was taught before; tell how many of its pieces are the teacher's.

    Raises:
        UserError: the folder holds no student of this teacher.
    """
    encoder = load_bert(str(folder))
    teachers = load_bert(str(weights.minilm())).tokenizer
    known = len(teachers)
    if encoder.tokenizer.convert_ids_to_tokens(list(range(known))) != teachers.convert_ids_to_tokens(
        list(range(known))
    ):
        raise UserError(f"{folder} holds no student: its first {known:,} pieces are not the teacher's.")
    return encoder, known


def _table(encoder: BertEncoder, taught: Taught, seed: int, progress: Progress) -> NDArray[np.float32]:
    chosen = np.random.default_rng(seed).permutation(len(taught.pairs))[:PLACED]
    sentences = [
        ids[1:-1] or ids
        for side in ("korean", "english")
        for ids in cut_up(encoder, [getattr(taught.pairs[at], side) for at in chosen])
    ]
    wanted = np.concatenate([taught.vectors[chosen], taught.vectors[chosen]])
    return fill(sentences, wanted, len(encoder.tokenizer), seed=seed, progress=progress)


def _usable(encoder: BertEncoder, taught: Taught, known: int) -> NDArray[np.int64]:
    """List the known pieces that were seen often enough to be placed."""
    english = cut_up(encoder, [pair.english for pair in taught.pairs[:PLACED]])
    seen = np.bincount(np.concatenate(english), minlength=known)[:known]
    often = OFTEN if (seen >= OFTEN).sum() >= ENOUGH else 1
    usable = np.flatnonzero(seen >= often)
    return usable[usable >= 1000]  # below are special pieces, unused ones and single characters


class Bag(nn.Module):
    """A table of pieces whose mean is a sentence's vector."""

    def __init__(self, pieces: int, dim: int, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.table = nn.EmbeddingBag(pieces, dim, mode="mean", sparse=True)
        nn.init.normal_(self.table.weight, std=0.05)

    def forward(self, pieces: Tensor, offsets: Tensor) -> Tensor:
        """Give unit vectors (B, dim) of sentences whose pieces stand one after the other, from these offsets on."""
        return nn.functional.normalize(self.table(pieces, offsets), dim=-1)


def fill(
    sentences: Sequence[Sequence[int]],
    wanted: NDArray[np.float16],
    pieces: int,
    epochs: int = 2,
    seed: int = 0,
    progress: Progress = silent,
) -> NDArray[np.float32]:
    """Teach a bag that piece ids of sentences give wanted vectors; give its table (pieces, dim)."""
    bag = Bag(pieces, wanted.shape[1], seed)
    optimiser = torch.optim.SparseAdam(bag.parameters(), lr=RATE)
    numbers = np.random.default_rng(seed)
    steps, step = epochs * (len(sentences) // BATCH), 0
    for _ in range(epochs):
        order = numbers.permutation(len(sentences))
        for start in range(0, len(order) - BATCH + 1, BATCH):
            rows = order[start : start + BATCH]
            lengths = [len(sentences[row]) for row in rows]
            flat = torch.tensor(np.concatenate([sentences[row] for row in rows]))
            offsets = torch.tensor(np.concatenate([[0], np.cumsum(lengths)[:-1]]))
            for group in optimiser.param_groups:
                group["lr"] = RATE * (1 - step / steps)
            loss = agree(bag(flat, offsets), torch.tensor(wanted[rows].astype(np.float32)))
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()  # type: ignore[no-untyped-call]
            step += 1
            if step % 20 == 0:
                progress("Placing the new pieces", step, steps)
    return bag.table.weight.detach().numpy()


def mix(table: NDArray[np.float32], known: NDArray[np.float32], usable: NDArray[np.int64]) -> NDArray[np.float32]:
    """Give each new piece the embeddings of the known pieces that are nearest to it in the table.

    table (pieces, dim): known pieces first; known (known pieces, H): their embeddings; usable: the known pieces that
    the sentences held often enough to be placed.
    """
    unit = table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-12)
    cosines = unit[len(known) :] @ unit[usable].T
    best = np.argpartition(-cosines, NEAREST, axis=1)[:, :NEAREST]
    weights = np.exp(SHARPNESS * np.take_along_axis(cosines, best, axis=1))
    weights /= weights.sum(axis=1, keepdims=True)
    mixed: NDArray[np.float32] = np.einsum("nk,nkh->nh", weights, known[usable[best]]).astype(np.float32)
    return mixed
