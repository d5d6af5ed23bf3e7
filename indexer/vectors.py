"""Vectors: float32 rows of length 1, so that an inner product is a cosine."""

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]  # (n, dim), each row of length 1, or all zero for a text without known words
Scores = NDArray[np.float32]  # (n, k), best first
Positions = NDArray[np.int64]  # (n, k), row numbers of the corpus; -1 where there are fewer than k


def unit(rows: NDArray[np.floating]) -> Vectors:
    """Scale each row to length 1; a zero row stays zero."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: Vectors = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0).astype(np.float32)
    return scaled
