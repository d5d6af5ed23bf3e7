"""Where an exact search stops being the best store: build time, bytes, latency and recall by number of rows.

Run: python benchmarks/stores.py [ROWS ...]    (default 1000 10000 20000 100000 200000 500000)
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import faiss
import numpy as np

DIM, QUERIES, K = 384, 100, 10
KINDS = ("Flat", "SQfp16", "RaBitQfs,Refine(SQ8)", "RaBitQfs,Refine(SQfp16)", "HNSW32,SQfp16", "IVF1024,SQfp16")
AGAIN = 10  # times k rows are looked at again with more bits


def main(sizes: list[int]) -> None:
    """Print one line for each kind and size."""
    faiss.omp_set_num_threads(1)
    print(f"{'rows':>8} {'kind':24} {'build s':>8} {'MB':>7} {'p50 ms':>8} {'p90 ms':>8} {'recall@10':>9}")
    for rows in sizes:
        vectors, queries = made(rows)
        exact = np.argsort(-(queries @ vectors.T), axis=1)[:, :K]
        for kind in KINDS:
            if kind.startswith("IVF") and rows < 40_000:
                continue  # FAISS wants 39 rows for each of the 1,024 cells
            print(f"{rows:8} {kind:24} {measure(kind, vectors, queries, exact)}", flush=True)


def made(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Make unit rows in clusters, as questions are, and queries near to some of them."""
    numbers = np.random.default_rng(7)
    centres = numbers.standard_normal((max(10, rows // 50), DIM))
    vectors = centres[numbers.integers(len(centres), size=rows)] + 0.6 * numbers.standard_normal((rows, DIM))
    queries = vectors[numbers.integers(rows, size=QUERIES)] + 0.4 * numbers.standard_normal((QUERIES, DIM))
    return tuple((m / np.linalg.norm(m, axis=1, keepdims=True)).astype(np.float32) for m in (vectors, queries))


def measure(kind: str, vectors: np.ndarray, queries: np.ndarray, exact: np.ndarray) -> str:
    """Build one index, search it query by query as a bot does, and compare with the exact result."""
    faiss.omp_set_num_threads(2)
    started = time.perf_counter()
    index = faiss.index_factory(DIM, kind, faiss.METRIC_INNER_PRODUCT)
    if not index.is_trained:
        index.train(vectors[:50_000])
    index.add(vectors)
    if kind.startswith("IVF"):
        index.nprobe = 32
    if kind.startswith("RaBitQ"):
        index.k_factor = AGAIN
    built = time.perf_counter() - started
    faiss.omp_set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store"
        faiss.write_index(index, str(path))
        size = path.stat().st_size / 1e6
    times, hits = [], 0
    for query, truth in zip(queries, exact, strict=True):
        started = time.perf_counter()
        _, found = index.search(query[None], K)
        times.append((time.perf_counter() - started) * 1e3)
        hits += len(set(found[0]) & set(truth))
    p90 = statistics.quantiles(times, n=10)[-1]
    return f"{built:8.1f} {size:7.1f} {statistics.median(times):8.3f} {p90:8.3f} {hits / exact.size:9.3f}"


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [1_000, 10_000, 20_000, 100_000, 200_000, 500_000])
