"""FAISS, inner product over unit rows: exact while that is quick, a graph above (Douze et al., arXiv:2401.08281)."""

from pathlib import Path
from typing import Any

import numpy as np

from indexer.vectors import Positions, Scores, Vectors

FILE = "store.faiss"
# Measured on two cores with 384 dimensions (benchmarks/stores.py): up to here the exact search of one query
# takes less than an encoder needs for the query; above, the half-precision scan keeps recall 1.00.
EXACT_ROWS = 20_000
GRAPH_ROWS = 400_000


class FaissStore:
    """A FAISS index mapped from disk."""

    def __init__(self, index: Any) -> None:
        self.index = index

    def search(self, queries: Vectors, k: int) -> tuple[Scores, Positions]:
        """Give the k best rows of each query, best first."""
        scores, positions = self.index.search(np.ascontiguousarray(queries, dtype=np.float32), k)
        return scores, positions


def build(vectors: Vectors, folder: Path) -> None:
    """Write the index that fits the number of rows."""
    import faiss

    index = faiss.index_factory(vectors.shape[1], _kind(len(vectors)), faiss.METRIC_INNER_PRODUCT)
    if not index.is_trained:
        index.train(vectors[:: max(1, len(vectors) // 50_000)])
    index.add(vectors)
    faiss.write_index(index, str(folder / FILE))


def load(folder: Path) -> FaissStore:
    """Map the index."""
    import faiss

    # One query is too little work to share: waking the second thread costs more than it saves.
    faiss.omp_set_num_threads(1)
    return FaissStore(faiss.read_index(str(folder / FILE), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY))


def _kind(rows: int) -> str:
    if rows <= EXACT_ROWS:
        return "Flat"
    return "SQfp16" if rows <= GRAPH_ROWS else "HNSW32,SQfp16"
