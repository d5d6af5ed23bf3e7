"""Mining: the nearest wordings of other entries, which a model must learn to tell from a wording's own entry.

Hard negatives taken from an index of the sheet itself, as in Xiong et al. 2020 (ANCE, arXiv:2007.00808).
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from indexer.vectors import Vectors

SHARE = 256  # wordings compared with all others at a time
SAME = 0.9999  # cosine from which two wordings are one text, and a negative would be a false one


def hard_negatives(vectors: Vectors, entries: Sequence[str], k: int) -> list[list[int]]:
    """Give for each wording, by its unit vector (n, dim), the best wording of each of the k nearest other entries.

    Positions, nearest first; fewer where there are fewer entries. A text that stands in another entry word for word is
    no negative.
    """
    codes = _codes(entries)
    found = []
    for start, scores in _scores(vectors):
        for row, line in enumerate(scores, start):
            line[(codes == codes[row]) | (line > SAME)] = -np.inf
            found.append(_first_of_each(line, codes, k))
    return found


def nearest_siblings(vectors: Vectors, entries: Sequence[str]) -> NDArray[np.int64]:
    """Give for each wording the position of the nearest other one of its entry, (n,); -1 where there is none."""
    codes = _codes(entries)
    nearest = np.full(len(codes), -1, dtype=np.int64)
    for code in np.flatnonzero(np.bincount(codes) > 1):
        rows = np.flatnonzero(codes == code)
        scores = vectors[rows] @ vectors[rows].T
        np.fill_diagonal(scores, -np.inf)
        nearest[rows] = rows[scores.argmax(axis=1)]
    return nearest


def first_entries(queries: Vectors, vectors: Vectors, entries: Sequence[str]) -> list[str]:
    """Give the entry of the nearest wording of each query, by exact cosine."""
    found = []
    for start in range(0, len(queries), SHARE):
        found += [entries[at] for at in (queries[start : start + SHARE] @ vectors.T).argmax(axis=1)]
    return found


def _first_of_each(scores: NDArray[np.float32], codes: NDArray[np.int64], k: int) -> list[int]:
    best: dict[int, int] = {}
    for at in np.argsort(-scores, kind="stable"):
        if len(best) == k or scores[at] == -np.inf:
            break
        best.setdefault(int(codes[at]), int(at))
    return list(best.values())


def _scores(vectors: Vectors) -> Iterator[tuple[int, NDArray[np.float32]]]:
    for start in range(0, len(vectors), SHARE):
        yield start, vectors[start : start + SHARE] @ vectors.T


def _codes(entries: Sequence[str]) -> NDArray[np.int64]:
    return np.unique(np.asarray(entries), return_inverse=True)[1].astype(np.int64)
