"""FAISS, inner product over unit rows: exact while quick, cells above (Douze et al., arXiv:2401.08281)."""

import math
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from indexer.vectors import Positions, Scores, Vectors

FILE = "store.faiss"
# Measured on two cores with 384 dimensions (benchmarks/stores.py). Up to EXACT_ROWS the exact scan takes a quarter
# of a millisecond. Then one bit a dimension is scanned (RaBitQ, arXiv:2405.12497) and the best AGAIN times k rows are
# looked at again in half precision: recall 1.00, a fifth of the time of a half-precision scan, built as quickly. Above
# SCAN_ROWS cells (inverted lists) answer sooner, but take eight times as long to build. A graph (HNSW) was no choice:
# it took longer to build than the cells and found less.
EXACT_ROWS = 10_000
SCAN_ROWS = 300_000
AGAIN = 10
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
    if isinstance(index, faiss.IndexRefine):
        index.k_factor = AGAIN
    if isinstance(index, faiss.IndexIVF):
        index.nprobe = PROBED
    return FaissStore(index)


def _kind(rows: int) -> str:
    if rows <= EXACT_ROWS:
        return "Flat"
    cells = 2 ** round(math.log2(4 * math.sqrt(rows)))  # about 4 square roots, as FAISS advises
    return "RaBitQfs,Refine(SQfp16)" if rows <= SCAN_ROWS else f"IVF{cells},SQfp16"
