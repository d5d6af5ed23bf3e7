"""What `similarity` learns from and is judged by: wordings of a sheet, pairs of texts, judged queries."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bot.learning.rows import full, pair_columns, read_delimited, text_of, usual_pair
from indexer.errors import UserError

if TYPE_CHECKING:
    from indexer.columns import Header

SCORES = ("score", "label", "is_duplicate")


@dataclass(frozen=True, slots=True)
class Wording:
    """A stored question, and the entry that it is one way to ask for."""

    where: str
    id: str
    text: str
    entry: str


@dataclass(frozen=True, slots=True)
class Pair:
    """Two texts; how alike they are, or None where they mean the same and nothing else is known."""

    where: str
    one: str
    other: str
    score: float | None


@dataclass(frozen=True, slots=True)
class Asked:
    """A visitor's message and what answers it: row ids, or entries."""

    where: str
    text: str
    right: frozenset[str]


Example = Wording | Pair | Asked


def read_any(path: Path, qrels: str = "", first: str = "", second: str = "") -> list[Example]:
    """Read a sheet, a TSV of pairs (two columns of text, and score, label or is_duplicate or none), or judged queries.

    A file is what its header says: pairs where a TSV has a column of scores, texts under the usual names (see
    `pair_columns`) or under `first` or `second`, or two columns in all; judged queries where there is a column `text`
    or `query` and none of questions and answers; a sheet otherwise.
    """
    if path.is_dir() or _is_queries(path):
        return _queries(path, qrels)
    if path.suffix.lower() == ".tsv" and _is_pairs(path, {first, second} - {""}):
        return read_pairs(path, first, second)
    return list(read_wordings(path))


def read_wordings(path: Path) -> list[Wording]:
    """Read a sheet's stored questions."""
    from indexer.corpus import read_corpus

    corpus = read_corpus(path)
    return [
        Wording(f"{path}, row {number}", row.id, row.question, row.entry)
        for row, number in zip(corpus.rows, corpus.numbers, strict=True)
    ]


def read_pairs(path: Path, first: str = "", second: str = "") -> list[Example]:
    """Read pairs; without a column of scores, the texts of each mean the same, such as a message and what was clicked.

    Scores of any range will do, since only their order is learned from.
    """
    found: list[Example] = []
    scored = ""
    for where, row in read_delimited(path):
        plain = {name.casefold(): name for name in row}
        scored = next((plain[name] for name in SCORES if name in plain), "")
        one, other = pair_columns(where, row, SCORES, first, second)
        texts = (text_of(where, row, one, "--first", (other, *SCORES)),
                 text_of(where, row, other, "--second", (one, *SCORES)))  # fmt: skip
        found.append(Pair(where, *texts, _number(where, scored, row[scored]) if scored else None))
    full(path, found)
    if scored and len({pair.score for pair in found if isinstance(pair, Pair)}) < 2:
        raise UserError(f"{path}: every {scored} is the same. Pairs that differ in it are needed to learn an order.")
    return found


def _number(where: str, name: str, cell: str) -> float:
    import math

    try:
        score = float(cell)
    except ValueError:
        score = math.nan
    if not math.isfinite(score):
        raise UserError(
            f"{where}: {name} is {cell!r}, expected a number such as 3.5, or 1 for pairs that mean the same."
        )
    return score


def _queries(path: Path, qrels: str) -> list[Example]:
    from indexer.queries import read_queries

    asked: list[Example] = [
        Asked(
            f"{path}, {query.id}", query.text, frozenset(name for name, value in query.relevance.items() if value > 0)
        )
        for query in read_queries(path, qrels or None)
        if query.on_topic
    ]
    if not asked:
        raise UserError(f"{path}: no query has a row or an entry that answers it. Add such judgements.")
    return asked


def _header(path: Path) -> Sequence[str]:
    first = next(iter(read_delimited(path)), None)
    return list(first[1]) if first else []


def _is_pairs(path: Path, chosen: Collection[str]) -> bool:
    names = _header(path)
    known = {name.casefold() for name in names} & set(SCORES) or set(chosen) & set(names) or usual_pair(names)
    return bool(known) or (len(names) == 2 and sheet_header(path) is None)


def sheet_header(path: Path) -> "Header | None":
    """Give the header of a file that an index would take for questions and answers; None where it would not."""
    from indexer.columns import read_header
    from indexer.sheet import read_table

    try:
        return read_header(read_table(path), {})
    except UserError:
        return None


def _is_queries(path: Path) -> bool:
    from bot.learning.rows import read_objects

    kind = path.suffix.lower()
    if kind == ".jsonl":
        return bool({"query", "text"} & set(next(iter(read_objects(path)))[1]))
    if kind != ".csv" or not path.is_file():
        return False
    from indexer.sheet import read_table

    names = [name.strip().casefold() for name in read_table(path).columns]
    return bool({"text", "query"} & set(names)) and "answer" not in names and bool({"id", "qid"} & set(names))
