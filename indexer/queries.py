"""Judged queries: what visitors ask and which entries answer it, read from the forms people keep them in."""

import csv
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from indexer.errors import UserError
from indexer.row import Row


@dataclass(frozen=True, slots=True)
class Query:
    """A message with the documents that were judged for it; off topic where none is relevant."""

    id: str
    text: str
    relevance: Mapping[str, int] = field(default_factory=dict)  # row id (or entry) -> 0 not relevant, 1 and more
    by_entry: bool = False  # the judgements name entries, as a pack's groups do, rather than rows
    fields: Mapping[str, str] = field(default_factory=dict)  # lang, kind, split and every other column

    @property
    def on_topic(self) -> bool:
        """Whether some document answers it."""
        return any(value > 0 for value in self.relevance.values())

    def entries(self, entry_of: Mapping[str, str]) -> dict[str, int]:
        """Give the judgements by entry; `entry_of` maps row ids to theirs."""
        return {name if self.by_entry else entry_of.get(name, name): value for name, value in self.relevance.items()}


def read_queries(queries: str | Path, qrels: str | Path | None = None) -> list[Query]:
    """Read judged queries.

    `queries` is a CSV or TSV with id and text, a pack's JSONL (query, groups, oos), a BEIR queries.jsonl, or a
    BEIR folder; `qrels` a CSV or TSV (query, document, relevance), a BEIR TSV, or a TREC file.
    """
    queries, qrels = Path(queries), Path(qrels) if qrels else None
    if queries.is_dir():
        qrels = qrels or _one(sorted(queries.glob("qrels/*.tsv")), queries / "qrels/test.tsv")
        queries = queries / "queries.jsonl"
    read = _read_jsonl if queries.suffix == ".jsonl" else _read_table
    found = list(read(queries))
    if not found:
        raise UserError(f"{queries} holds no queries. Expected columns id,text, or lines of JSON.")
    if qrels is None:
        if not any(query.relevance for query in found):
            raise UserError(f"{queries} holds no judgements. Name them with --qrels FILE.")
        return found
    return _joined(found, qrels)


def refuse_foreign(queries: Iterable[Query], known: Collection[str]) -> None:
    """Refuse judgements of which none names a row or an entry that is known: they are of another sheet."""
    judged = {name for query in queries for name in query.relevance}
    if judged and judged.isdisjoint(known):
        raise UserError(f"the judgements name rows that the index does not hold, such as {sorted(judged)[:3]}.")


def write_queries(queries: Iterable[Query], folder: Path) -> None:
    """Write queries.csv and qrels.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    queries = list(queries)
    with (
        (folder / "queries.csv").open("w", encoding="utf-8", newline="") as texts,
        (folder / "qrels.csv").open("w", encoding="utf-8", newline="") as judgements,
    ):
        text_writer, judgement_writer = csv.writer(texts), csv.writer(judgements)
        text_writer.writerow(["id", "text"])
        judgement_writer.writerow(["query", "document", "relevance"])
        for query in queries:
            text_writer.writerow([query.id, query.text])
            judgement_writer.writerows([query.id, document, value] for document, value in query.relevance.items())


def of_rows(queries: Iterable[Query], rows: Sequence[Row]) -> list[Query]:
    """Name a row of the sheet where a judgement names an entry."""
    first: dict[str, str] = {}
    for row in rows:
        first.setdefault(row.entry, row.id)
    return [
        replace(
            query,
            relevance={first.get(name, name): value for name, value in query.relevance.items()},
            by_entry=False,
        )
        if query.by_entry
        else query
        for query in queries
    ]


def _read_table(path: Path) -> Iterator[Query]:
    for line, cells in _records(path):
        id_, text = (
            cells.pop("id", None) or cells.pop("qid", None),
            cells.pop("text", None) or cells.pop("query", None),
        )
        if not id_ or not text:
            raise UserError(f"{path}, row {line}: a query needs id and text, found {sorted(cells) or 'an empty row'}.")
        yield Query(id_, text, fields=cells)


def _read_jsonl(path: Path) -> Iterator[Query]:
    for number, line in enumerate(_text(path).splitlines(), 1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
            text = item.get("query", item.get("text"))
            id_ = item.get("qid", item.get("_id", item.get("id", number - 1)))
        except (ValueError, AttributeError) as error:
            raise UserError(f"{path}, line {number}: not a JSON object ({error}).") from error
        if not isinstance(text, str):
            raise UserError(f"{path}, line {number}: no text under 'query' or 'text'.")
        groups = {str(group): 1 for group in item.get("groups") or []}
        fields = {key: str(item[key]) for key in item.keys() - {"query", "text", "qid", "_id", "id", "groups"}}
        yield Query(str(id_), text, groups, bool(groups), fields)


def _joined(queries: list[Query], qrels: Path) -> list[Query]:
    judged: dict[str, dict[str, int]] = {}
    for query, document, value in _judgements(qrels):
        judged.setdefault(query, {})[document] = value
    unknown = judged.keys() - {query.id for query in queries}
    if judged and len(unknown) == len(judged):
        raise UserError(f"{qrels} judges none of the queries: it knows {sorted(unknown)[:3]}, not {queries[0].id!r}.")
    return [Query(query.id, query.text, judged.get(query.id, {}), fields=query.fields) for query in queries]


def _judgements(path: Path) -> Iterator[tuple[str, str, int]]:
    first = _text(path).lstrip("\ufeff").splitlines()[:1]
    if not first:
        raise UserError(f"{path} is empty. Expected columns query,document,relevance.")
    if len(first[0].split()) == 4 and "," not in first[0]:  # TREC: query iteration document relevance
        rows = ((number, line.split()) for number, line in enumerate(_text(path).splitlines(), 1) if line.strip())
        judgements = ((number, [cells[0], *cells[2:]]) for number, cells in rows)
    else:
        judgements = ((number, list(cells.values())[:3]) for number, cells in _records(path))
    for number, cells in judgements:
        try:
            query, document, value = cells
            yield query, document, int(float(value))
        except ValueError as error:
            raise UserError(f"{path}, row {number}: expected query, document, relevance; found {cells}.") from error


def _records(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    text = _text(path).lstrip("\ufeff")
    header = text.partition("\n")[0]
    reader = csv.DictReader(text.splitlines(keepends=True), delimiter="\t" if "\t" in header else ",")
    for number, cells in enumerate(reader, 2):
        if any(cells.values()):
            yield number, {str(key).strip(): (value or "").strip() for key, value in cells.items() if key}


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 (byte {error.start}). Save it as CSV UTF-8.") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}). Check the path.") from error


def _one(paths: list[Path], expected: Path) -> Path:
    named = [path for path in paths if path.name == "test.tsv"] or paths
    if not named:
        raise UserError(f"{expected} is missing: a BEIR folder holds queries.jsonl and qrels/test.tsv.")
    return named[0]
