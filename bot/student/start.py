"""A start for the new word pieces: a bag of pieces that gives the teacher's vectors places each among the known ones.

A new piece begins as the mix of the English pieces that lie nearest to it there, in place of noise.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from indexer.progress import Progress, silent

NEAREST = 8
BATCH = 512
RATE = 0.02
SCALE = 20.0  # of cosines in the cross entropy, as in sentence-transformers
SHARPNESS = 10.0  # of the mix


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


def agree(found: Tensor, wanted: Tensor) -> Tensor:
    """Measure how far vectors (B, dim) are from the wanted ones, and from being nearest to them within the batch."""
    alike = SCALE * found @ wanted.T
    same = wanted @ wanted.T > 0.98  # the same sentence twice is no wrong answer
    same.fill_diagonal_(False)
    alike = alike.masked_fill(same, -torch.inf)
    own = torch.arange(len(found), device=found.device)
    near = nn.functional.cross_entropy(alike, own) + nn.functional.cross_entropy(alike.T, own)
    return 3 * (1 - (found * wanted).sum(dim=-1)).mean() + near


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
