"""Sheets and messages that several benchmarks share: parts of data/qa.csv, the crossing set, translations."""

import csv
from collections.abc import Container, Sequence
from pathlib import Path

from indexer.queries import Query


def own_rows(lang: str = "", without: Container[str] = ()) -> list[dict[str, str]]:
    """Read the rows of data/qa.csv, of one language alone or of both, without some entries."""
    with Path("data/qa.csv").open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if lang in ("", row["lang"]) and row["entry"] not in without]


def written(rows: Sequence[dict[str, str]], sheet: Path) -> Path:
    """Write a sheet."""
    with sheet.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return sheet


def crossing(split: str, kind: str) -> list[Query]:
    """Read the messages of a kind in data/crossing.csv."""
    with Path("data/crossing.csv").open(encoding="utf-8", newline="") as file:
        asked = [row for row in csv.DictReader(file) if (row["split"], row["kind"]) == (split, kind)]
    return [Query(row["id"], row["text"], {row["entry"]: 1}, by_entry=True) for row in asked]


def translations(packs: Path, name: str) -> list[tuple[str, str]]:
    """Read the Korean and English sentences of a parallel corpus."""
    with (packs / "xl_parallel" / f"{name}.tsv").open(encoding="utf-8") as file:
        cells = [line.rstrip("\n").split("\t") for line in file][1:]
    return [(row[0], row[1]) for row in cells]
