"""Sheets and messages that several benchmarks share: parts of data/qa.csv, the crossing set, translations."""

import csv
from collections.abc import Container, Sequence
from pathlib import Path

from bot.learning.rows import read_delimited
from indexer.queries import Query
from indexer.sts import read_pairs


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
    """Read the Korean and English sentences of a parallel corpus, each once.

    `korsts_dev` are the first sentences of KorSTS and of STS-B, of which it is the translation, row by row.
    """
    if name == "korsts_dev":
        found = list(zip(*(read_pairs(packs / pack / "dev.tsv").one for pack in ("ko_korsts", "en_stsb")), strict=True))
    else:
        found = [(row["ko"], row["en"]) for _, row in read_delimited(packs / "xl_parallel" / f"{name}.tsv")]
    once: dict[str, tuple[str, str]] = {}
    english: set[str] = set()
    for korean, other in found:
        if korean not in once and other not in english:
            once[korean] = (korean, other)
            english.add(other)
    return list(once.values())
