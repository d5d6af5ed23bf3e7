"""The exact store in plain NumPy: the oracle that every other store is compared with."""

from pathlib import Path

import numpy as np

from indexer.vectors import Positions, Scores, Vectors

FILE = "vectors.npy"


class FlatStore:
    """All rows in one matrix, mapped from disk."""

    def __init__(self, vectors: Vectors) -> None:
        self.vectors = vectors

    def search(self, queries: Vectors, k: int) -> tuple[Scores, Positions]:
        """Give the k best rows of each query, best first."""
        # One dot product a row: a matrix product rounds equal rows differently, by where they stand.
        scores = np.vecdot(queries[:, None], self.vectors)
        best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        found = np.take_along_axis(scores, best, axis=1)
        missing = ((0, 0), (0, k - best.shape[1]))
        return (
            np.pad(found, missing, constant_values=-np.inf).astype(np.float32),
            np.pad(best, missing, constant_values=-1).astype(np.int64),
        )


def build(vectors: Vectors, folder: Path) -> None:
    """Write the matrix."""
    np.save(folder / FILE, vectors, allow_pickle=False)


def load(folder: Path) -> FlatStore:
    """Map the matrix."""
    return FlatStore(np.load(folder / FILE, mmap_mode="r", allow_pickle=False))
