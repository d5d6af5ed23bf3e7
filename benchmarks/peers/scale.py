"""The stores alone, by number of rows: vectors made once and handed to every rival's own store."""

import shutil
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import process
from .results import Results, percentile
from .rivals import RIVALS, Rival, size

DIM, QUERIES, WARM_UPS, K = 384, 200, 20, 10
STORES = ("tutorial", "sentence-transformers", "langchain", "chroma", "haystack", "txtai", "mundap")
Floats = NDArray[np.float32]


def run(envs: Path, work: Path, names: list[str], sizes: list[int], limits: tuple[float, float], out: Results) -> None:
    """Measure every store at every size, the small sizes first."""
    for rows in sizes:
        folder = work / str(rows)
        if not (folder / "exact.npy").exists():
            write_vectors(folder, rows)
        for name in names:
            print(f"{rows} rows: {name}", file=sys.stderr)
            built = out.measure(name, str(rows), "build", partial(build, RIVALS[name], envs, folder, limits))
            if "failed" not in built:
                out.measure(name, str(rows), "search", partial(search, RIVALS[name], envs, folder, limits))
            shutil.rmtree(folder / name, ignore_errors=True)


def write_vectors(folder: Path, rows: int) -> None:
    """Write unit rows in clusters, as questions are, queries near to some of them, and the exact answers."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = np.random.default_rng(1)
    centres = numbers.standard_normal((max(20, rows // 100), DIM), dtype=np.float32)
    vectors: Floats = np.lib.format.open_memmap(folder / "vectors.npy", "w+", np.float32, (rows, DIM))
    for start in range(0, rows, 50_000):
        count = min(50_000, rows - start)
        near = centres[numbers.integers(len(centres), size=count)]
        vectors[start : start + count] = unit(near + 0.6 * numbers.standard_normal((count, DIM), dtype=np.float32))
    chosen = vectors[numbers.integers(rows, size=QUERIES + WARM_UPS)]
    queries = unit(chosen + 0.02 * numbers.standard_normal(chosen.shape, dtype=np.float32))
    np.save(folder / "queries.npy", queries)
    exact = [np.argsort(-(vectors @ query), kind="stable")[:K] for query in queries[WARM_UPS:]]
    np.save(folder / "exact.npy", np.array(exact))


def unit(vectors: Floats) -> Floats:
    """Give rows of length 1."""
    lengths: Floats = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / lengths


def build(rival: Rival, envs: Path, folder: Path, limits: tuple[float, float]) -> Any:
    """Fill a store."""
    target = folder / rival.name
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    arguments = (folder / "vectors.npy", target)
    seconds, _ = process.run(rival, envs, "build_store", *arguments, limit_s=limits[0], limit_mb=limits[1])
    return {"s": seconds, "disk_mb": size(target)}


def search(rival: Rival, envs: Path, folder: Path, limits: tuple[float, float]) -> Any:
    """Search it, one query at a time, and compare with the exact answers."""
    if not (folder / rival.name).exists():  # built in an earlier run
        build(rival, envs, folder, limits)
    arguments = (folder / rival.name, folder / "queries.npy")
    found, _ = process.run(rival, envs, "search_store", *arguments, limit_s=limits[0], limit_mb=limits[1])
    pairs = zip(found.pop("found"), np.load(folder / "exact.npy").tolist(), strict=True)
    recall = sum(len(set(rows) & set(best)) for rows, best in pairs) / (QUERIES * K)
    times = found.pop("ms")
    return found | {"p50_ms": percentile(times, 50), "p99_ms": percentile(times, 99), "recall": recall}
