"""The truth: one SQLite file with the rows of each generation and the vectors by content.

Everything else in an index folder is a cache that can be made again from this file.
"""

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from indexer.cells import normalise
from indexer.errors import UserError
from indexer.fingerprint import of_text
from indexer.queries import Query
from indexer.row import Row
from indexer.topic import off_topic
from indexer.vectors import Vectors

FILE = "truth.db"
COLUMNS = {
    "generation": int,
    "position": int,
    "id": str,
    "entry": str,
    "question": str,
    "answer": str,
    "extra": str,  # JSON: the sheet's other columns
    "normal": str,  # the question as same_question compares it
    "question_hash": str,
    "answer_hash": str,
}
CHUNK = 500  # SQLite takes a limited number of parameters a statement


class Database:
    """Rows and vectors. Threads share one connection: a read takes microseconds, a connection a page cache."""

    def __init__(self, path: Path, readonly: bool = True) -> None:
        self.path = path
        self.readonly = readonly
        self._reading = threading.RLock()
        if not readonly:
            self._create()

    @cached_property
    def db(self) -> sqlite3.Connection:
        """The connection."""
        uri = f"{self.path.resolve().as_uri()}?mode={'ro' if self.readonly else 'rwc'}"
        connection = sqlite3.connect(uri, uri=True, check_same_thread=False, timeout=30)
        connection.execute("PRAGMA busy_timeout = 30000")
        return connection

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        with self._reading:
            if "db" in self.__dict__:
                self.__dict__.pop("db").close()

    def generations(self) -> list[int]:
        """List the generations that are whole."""
        return [record[0] for record in self._read("SELECT number FROM generations ORDER BY number")]

    def add_generation(self, rows: Sequence[Row]) -> int:
        """Write the rows of a new generation in one transaction; give its number."""
        number: int = self.db.execute("SELECT coalesce(max(number), 0) + 1 FROM generations").fetchone()[0]
        with self.db:
            self.db.execute("INSERT INTO generations (number, rows) VALUES (?, ?)", [number, len(rows)])
            marks = ",".join("?" * len(COLUMNS))
            self.db.executemany(f"INSERT INTO rows ({','.join(COLUMNS)}) VALUES ({marks})", _records(rows, number))
        return number

    def rows(self, generation: int, positions: Sequence[int] | None = None) -> list[Row]:
        """Read rows of a generation: all in order, or those at the positions, in the positions' order."""
        columns = "SELECT position, id, entry, question, answer, extra FROM rows WHERE generation = ?"
        if positions is None:
            return [_row(record) for record in self._read(f"{columns} ORDER BY position", [generation])]
        found: dict[int, Row] = {}
        for part in _parts(list(positions)):
            query = f"{columns} AND position IN ({','.join('?' * len(part))})"
            found.update((record[0], _row(record)) for record in self._read(query, [generation, *part]))
        return [found[position] for position in positions]

    def same_question(self, generation: int, text: str) -> list[int]:
        """Give the positions whose question equals a text but for case, width, spacing and end marks."""
        # Sorted here: asked to, SQLite would walk all rows in order rather than look the text up.
        query = "SELECT position FROM rows WHERE generation = ? AND normal = ?"
        return sorted(record[0] for record in self._read(query, [generation, normalise(text)]))

    def known_vectors(self, fingerprint: str) -> set[str]:
        """Give the content hashes that an encoder has vectors for."""
        query = "SELECT hash FROM vectors WHERE fingerprint = ?"
        return {record[0] for record in self._read(query, [fingerprint])}

    def add_vectors(self, fingerprint: str, hashes: Sequence[str], vectors: Vectors) -> None:
        """Keep vectors; committed at once, so that a build that was killed goes on from here."""
        blobs = (row.tobytes() for row in np.ascontiguousarray(vectors, dtype="<f4"))
        with self.db:
            self.db.executemany(
                "INSERT OR REPLACE INTO vectors (fingerprint, hash, vector) VALUES (?, ?, ?)",
                ((fingerprint, name, blob) for name, blob in zip(hashes, blobs, strict=True)),
            )

    def vectors(self, fingerprint: str, hashes: Sequence[str], dim: int) -> Vectors:
        """Read the vectors of content hashes, in their order, as (len(hashes), dim)."""
        places: dict[str, list[int]] = {}
        for place, name in enumerate(hashes):
            places.setdefault(name, []).append(place)
        found = np.zeros((len(hashes), dim), dtype=np.float32)
        missing = len(places)
        for part in _parts(list(places)):
            query = f"SELECT hash, vector FROM vectors WHERE fingerprint = ? AND hash IN ({','.join('?' * len(part))})"
            for name, blob in self._read(query, [fingerprint, *part]):
                found[places[name]] = np.frombuffer(blob, dtype="<f4")
                missing -= 1
        if missing:
            raise UserError(f"{self.path}: {missing} vectors are missing. Type: indexer build SHEET")
        return found

    def keep_calibrated(self, rows: Sequence[Row]) -> None:
        """Remember the rows that a calibration was fitted on."""
        with self.db:
            self.db.execute("DELETE FROM calibrated")
            names = {(_content(row),) for row in rows}
            self.db.executemany("INSERT INTO calibrated (hash) VALUES (?)", sorted(names))

    def changed_since(self, rows: Sequence[Row]) -> float:
        """Give the share of rows that were added, removed or changed since those of the calibration."""
        then = {record[0] for record in self._read("SELECT hash FROM calibrated")}
        now = {_content(row) for row in rows}
        return max(len(now - then), len(then - now)) / max(1, len(now))

    def keep_judged(self, queries: Sequence[Query]) -> None:
        """Remember judged queries, in place of those before: a later calibration is fitted on them again."""
        with self.db:
            self.db.execute("DELETE FROM judged")
            records = ((q.id, q.text, json.dumps(dict(q.relevance)), int(q.by_entry)) for q in queries)
            self.db.executemany("INSERT INTO judged (id, text, relevance, by_entry) VALUES (?, ?, ?, ?)", records)

    def judged(self) -> list[Query]:
        """Read the judged queries."""
        query = "SELECT id, text, relevance, by_entry FROM judged ORDER BY rowid"
        return [Query(str(a), str(b), json.loads(c), bool(d)) for a, b, c, d in self._read(query)]

    def forget(self, keep: Sequence[int], fingerprints: Sequence[str]) -> None:
        """Drop the generations that are not kept, and the vectors that no kept row or encoder refers to."""
        with self.db:
            marks = ",".join("?" * len(keep))
            self.db.execute(f"DELETE FROM rows WHERE generation NOT IN ({marks})", list(keep))
            self.db.execute(f"DELETE FROM generations WHERE number NOT IN ({marks})", list(keep))
            marks = ",".join("?" * len(fingerprints))
            self.db.execute(f"DELETE FROM vectors WHERE fingerprint NOT IN ({marks})", list(fingerprints))
            built_in = ["", *off_topic()]  # an answer that cannot be read; the messages about other things
            referred = "SELECT question_hash FROM rows UNION SELECT answer_hash FROM rows"
            marks = ",".join("?" * len(built_in))
            unused = f"hash NOT IN ({referred}) AND hash NOT IN ({marks})"
            self.db.execute(f"DELETE FROM vectors WHERE {unused}", [of_text(text) for text in built_in])

    def _read(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self._reading:
            return list(self.db.execute(query, list(values)))

    def _create(self) -> None:
        from sqlite_utils import Database as Tables  # late: who only reads the rows makes no tables

        self.db.execute("PRAGMA journal_mode = WAL")
        tables = Tables(self.db)
        tables.table("generations").create({"number": int, "rows": int}, pk="number", if_not_exists=True)
        if "rows" in tables.table_names() and tables.table("rows").columns_dict.keys() != COLUMNS.keys():
            # Of another version, whose manifest this one refuses: the sheet gives the rows again, vectors stay.
            tables.table("rows").drop()
        tables.table("calibrated").create({"hash": str}, pk="hash", if_not_exists=True)
        judged = {"id": str, "text": str, "relevance": str, "by_entry": int}
        tables.table("judged").create(judged, if_not_exists=True)
        if "rows" not in tables.table_names():
            tables.table("rows").create(COLUMNS, pk=("generation", "position"))
            tables.table("rows").create_index(["generation", "normal"])
        tables.table("vectors").create(
            {"fingerprint": str, "hash": str, "vector": bytes}, pk=("fingerprint", "hash"), if_not_exists=True
        )


def _records(rows: Sequence[Row], generation: int) -> Iterator[tuple[object, ...]]:
    for position, row in enumerate(rows):
        extra = json.dumps(dict(row.extra), ensure_ascii=False)
        hashes = of_text(row.question), of_text(row.answer)
        yield generation, position, row.id, row.entry, row.question, row.answer, extra, normalise(row.question), *hashes


def _content(row: Row) -> str:
    return of_text(json.dumps([row.entry, row.question, row.answer], ensure_ascii=False))


def _row(record: tuple[object, ...]) -> Row:
    _, id_, entry, question, answer, extra = record
    return Row(str(id_), str(entry), str(question), str(answer), json.loads(str(extra)))


def _parts(items: list[object]) -> Iterable[list[object]]:
    return (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))
