"""FAISS, inner product over unit rows: exact while quick, cells above (Douze et al., arXiv:2401.08281)."""

import math
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from indexer.vectors import Positions, Scores, Vectors

FILE = "store.faiss"
# Measured on two cores with 384 dimensions (benchmarks/stores.py): up to EXACT_ROWS the exact scan takes
# about a millisecond; half precision then halves that at recall 1.00 and builds in a second; above SCAN_ROWS
# a scan takes longer than the encoder, and cells (inverted lists) answer in a fraction of a millisecond. A
# graph (HNSW) was no choice: it took several times as long to build as the cells and found less.
EXACT_ROWS = 20_000
SCAN_ROWS = 200_000
PROBED = 32  # cells searched


class FaissStore:
    """A FAISS index mapped from disk."""

    def __init__(self, index: Any) -> None:
        self.index = index

    def search(self, queries: Vectors, k: int) -> tuple[Scores, Positions]:
        """Give the k best rows of each query, best first."""
        # One query is too little work to share: waking the second thread costs more than it saves. OpenMP keeps
        # this for each thread that asks.
        faiss.omp_set_num_threads(1)
        scores, positions = self.index.search(np.ascontiguousarray(queries, dtype=np.float32), k)
        scores[positions < 0] = -np.inf
        if not (scores[:, 1:] == scores[:, :-1]).any():
            return scores, positions
        order = np.lexsort((positions, -scores))  # FAISS gives equal scores in the order of its heap
        return np.take_along_axis(scores, order, axis=1), np.take_along_axis(positions, order, axis=1)


def build(vectors: Vectors, folder: Path) -> None:
    """Write the index that fits the number of rows."""
    index = faiss.index_factory(vectors.shape[1], _kind(len(vectors)), faiss.METRIC_INNER_PRODUCT)
    if not index.is_trained:
        index.train(vectors[:: max(1, len(vectors) // 100_000)])
    index.add(vectors)
    faiss.write_index(index, str(folder / FILE))


def load(folder: Path) -> FaissStore:
    """Map the index."""
    index = faiss.read_index(str(folder / FILE), faiss.IO_FLAG_MMAP_IFC | faiss.IO_FLAG_READ_ONLY)
    if hasattr(index, "nprobe"):
        index.nprobe = PROBED
    return FaissStore(index)


def _kind(rows: int) -> str:
    if rows <= EXACT_ROWS:
        return "Flat"
    cells = 2 ** round(math.log2(4 * math.sqrt(rows)))  # about 4 square roots, as FAISS advises
    return "SQfp16" if rows <= SCAN_ROWS else f"IVF{cells},SQfp16"
