"""What 8 bits cost: R@1 of the cosine alone under two precisions of one encoder, pack by pack, with a paired test.

Run: python benchmarks/precision.py [PACK ...] [--packs ../shared/data] [--encoder minilm]
A message counts as won or lost where only one precision puts a right entry first; p is the exact sign test over
those (McNemar 1947, doi:10.1007/BF02295996). `same` says whether every vector is the same, to the last bit, alone
and in batches: the default must be the fastest precision of which that holds and that loses nothing.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from packs import PACKS, load
from scipy.stats import binomtest

from indexer.corpus import read_corpus
from indexer.encoders import Encoder, load_encoder
from indexer.queries import of_rows

PRECISIONS = ("fp32", "8bit")


def main() -> None:
    """Print a line for each pack, and the mean."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=PACKS)
    parser.add_argument("--packs", type=Path, default=Path("../shared/data"))
    parser.add_argument("--encoder", default="minilm")
    arguments = parser.parse_args()
    mark = "&" if "?" in arguments.encoder else "?"
    encoders = [load_encoder(f"{arguments.encoder}{mark}precision={name}") for name in PRECISIONS]
    print(f"{'pack':14} {'queries':>7} {'fp32':>6} {'8bit':>6} {'won':>4} {'lost':>4} {'p':>6}")
    means, texts_of_all = [], []
    for name in arguments.names:
        sheet, queries = load(name, arguments.packs, "dev")
        rows = read_corpus(sheet).rows
        asked = [query for query in of_rows(queries, rows) if query.on_topic]
        texts_of_all += [query.text for query in asked]
        entry_of = {row.id: row.entry for row in rows}
        wanted = [{entry_of[row] for row, value in query.relevance.items() if value > 0} for query in asked]
        first, second = (hits(encoder, rows, [query.text for query in asked], wanted) for encoder in encoders)
        means.append((first.mean(), second.mean()))
        won, lost = int((second & ~first).sum()), int((first & ~second).sum())
        p = binomtest(won, won + lost).pvalue if won + lost else 1.0
        print(
            f"{name:14} {len(asked):7} {first.mean():6.4f} {second.mean():6.4f} {won:4} {lost:4} {p:6.3f}", flush=True
        )
    fp32, eight = np.mean(means, axis=0)
    print(f"{'mean':14} {'':7} {fp32:6.4f} {eight:6.4f}")
    for precision, encoder in zip(PRECISIONS, encoders, strict=True):
        print(f"{precision}: same {alone_and_together(encoder, texts_of_all[:600])}, {speed(encoder, texts_of_all)}")


def hits(encoder: Encoder, rows: Sequence, asked: Sequence[str], wanted: Sequence[set[str]]) -> np.ndarray:
    """Tell of each message whether a right entry is the nearest."""
    stored = encoder.encode([row.question for row in rows])
    queries = encoder.encode(asked)
    first = np.concatenate([(part @ stored.T).argmax(axis=1) for part in np.array_split(queries, 10)])
    return np.array([rows[at].entry in right for at, right in zip(first, wanted, strict=True)])


def alone_and_together(encoder: Encoder, texts: Sequence[str]) -> bool:
    """Compare the vectors of single texts with those of mixed batches."""
    alone = np.concatenate([encoder.encode([text]) for text in texts])
    return all(
        np.array_equal(alone[start : start + size], encoder.encode(texts[start : start + size]))
        for size in (3, 16, 200)
        for start in range(0, len(texts), size)
    )


def speed(encoder: Encoder, texts: Sequence[str]) -> str:
    """Time single texts and all texts at once."""
    times = []
    for text in texts[:300]:
        started = time.perf_counter()
        encoder.encode([text])
        times.append((time.perf_counter() - started) * 1e3)
    some = texts[:3000]
    started = time.perf_counter()
    encoder.encode(some)
    return f"one text {np.median(times):.2f} ms, {len(some) / (time.perf_counter() - started):.0f} texts/s"


if __name__ == "__main__":
    main()
