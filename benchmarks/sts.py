"""The classic table: Spearman's correlation of cosine and human score, encoder by encoder, beside what is expected.

Run: python benchmarks/sts.py [ENCODER ...] [--packs ../shared/data]
Reads benchmarks/sts.csv, a command a line: encoder, file below --packs, expected figure, tolerance, where the figure
comes from. Exit code 1 where a figure is off; a file that is not there is skipped.
"""

import argparse
import csv
from functools import cache
from pathlib import Path

from indexer.sts import Pairs, measure, read_pairs

TABLE = Path(__file__).with_suffix(".csv")


def main() -> None:
    """Print a line for each command of the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoders", nargs="*", help="Only these specs; all where left out.")
    parser.add_argument("--packs", type=Path, default=Path("../shared/data"))
    arguments = parser.parse_args()
    rows = [row for row in read_table() if not arguments.encoders or row["encoder"] in arguments.encoders]
    print(f"{'file':18} {'encoder':36} {'measured':>8} {'95 % interval':>16} {'expected':>8} {'+-':>6}")
    off = [row for row in rows if not agrees(row, arguments.packs / row["file"])]
    if off:
        raise SystemExit(1)


def read_table() -> list[dict[str, str]]:
    """Read the commands and what they are expected to give."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def agrees(row: dict[str, str], path: Path) -> bool:
    """Run a command, print its line; tell whether the figure is as expected, or the file is not there."""
    start = f"{row['file']:18} {row['encoder']:36}"
    if not path.exists():
        print(f"{start} skipped, there is no {path}", flush=True)
        return True
    found = measure(pairs(path), row["encoder"])
    expected, tolerance = float(row["spearman"]), float(row["tolerance"])
    agreed = abs(found["spearman"] - expected) <= tolerance
    interval = "{:.3f} .. {:.3f}".format(*found["interval"])
    print(
        f"{start} {found['spearman']:8.4f} {interval:>16} {expected:8.4f} {tolerance:6.4f} "
        f"{'OK' if agreed else 'off'}  ({row['note']})",
        flush=True,
    )
    return agreed


@cache
def pairs(path: Path) -> Pairs:
    """Read a file once."""
    return read_pairs(path)


if __name__ == "__main__":
    main()
