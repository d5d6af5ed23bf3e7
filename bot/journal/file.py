"""The file of the journal: three tables in one SQLite file, written by several processes at once."""

import os
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from indexer.errors import UserError

VERSION = 1
MARK = 0x4D756E64  # the file's application id: "Mund"
MOVES = 4  # tries to empty the log while others write
CHUNK = 500  # rows that are deleted in one short transaction
EXCHANGES = {
    "id": str,  # begins with the time, so that ids are in the order of the exchanges
    "at": str,  # UTC
    "channel": str,
    "session": str,  # a short SHA-256
    "message": str,
    "decision": str,
    "text": str,
    "confidence": float,
    "candidates": str,  # JSON: id, entry, score, rank_score
    "probability": float,  # that the first candidate is right
    "on_topic": float,
    "generation": int,
    "ms": float,
    "trace": str,  # JSON
}
LATER = {"votes": "vote", "choices": "chosen"}  # what is said of an exchange afterwards; the last counts
OFFERED = (
    "INSERT INTO choices (exchange, chosen, at) SELECT id, :value, :at FROM exchanges WHERE id = :exchange "
    "AND EXISTS (SELECT 1 FROM json_each(candidates) WHERE json_extract(json_each.value, '$.id') = :value)"
)
WRITE = {
    "exchanges": f"INSERT OR IGNORE INTO exchanges ({', '.join(EXCHANGES)}) VALUES (:{', :'.join(EXCHANGES)})",
    "votes": "INSERT INTO votes (exchange, vote, at) SELECT id, :value, :at FROM exchanges WHERE id = :exchange",
    "choices": OFFERED,
}


class Note(NamedTuple):
    """Something to write: an exchange, or a vote or choice of one."""

    table: str
    values: Mapping[str, Any]


class File:
    """One connection; whoever shares it between threads guards it. The file is opened, and made, when it is needed."""

    def __init__(self, path: Path, wait_ms: int) -> None:
        self.path, self._wait_ms = path, wait_ms
        self._connection: sqlite3.Connection | None = None
        self._inode = 0

    def write(self, notes: Sequence[Note]) -> int:
        """Write notes in one transaction; give how many rows that made, for a vote needs its exchange."""
        connection = self.open()
        with connection:
            return sum(connection.execute(WRITE[note.table], note.values).rowcount for note in notes)

    def forget(self, before: str) -> int:
        """Delete the exchanges with smaller ids and what was said of them, a chunk; give how many."""
        connection = self.open()
        old = [row[0] for row in connection.execute("SELECT id FROM exchanges WHERE id < ? LIMIT ?", [before, CHUNK])]
        if old:
            marks = ",".join("?" * len(old))
            with connection:
                for table, key in (("votes", "exchange"), ("choices", "exchange"), ("exchanges", "id")):
                    connection.execute(f"DELETE FROM {table} WHERE {key} IN ({marks})", old)
        return len(old)

    def checkpoint(self) -> None:
        """Move what was written from the log into the file, without holding up those who write.

        The first write into an emptied log waits for the disk while it holds the lock. So it is made here, without
        the wait, and the wait comes after.
        """
        connection = self.open()
        for _ in range(MOVES):
            _, logged, moved = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if logged == moved:
                break
        else:
            return
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("PRAGMA synchronous = NORMAL")
        with self.path.with_name(f"{self.path.name}-wal").open("rb") as log:
            os.fsync(log.fileno())

    def open(self) -> sqlite3.Connection:
        """Give the connection; where the file was deleted or replaced, the call after the one that fails opens it anew.

        Raises:
            UserError: the file is not a journal, or of a newer version.
            sqlite3.Error, OSError: it cannot be opened or made now.
        """
        if self._connection is not None and self._inode_now() != self._inode:
            self.close()
            raise FileNotFoundError(f"{self.path} was moved or deleted")
        if self._connection is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            create(self.path)
            connection = sqlite3.connect(self.path, timeout=self._wait_ms / 1e3, check_same_thread=False)
            try:
                prepare(connection, self.path)
            except BaseException:
                connection.close()
                raise
            self._connection, self._inode = connection, self._inode_now()
        return self._connection

    def _inode_now(self) -> int:
        try:
            return self.path.stat().st_ino
        except FileNotFoundError:
            return 0

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def create(path: Path) -> None:
    """Make an empty file, for its owner alone, where there is none.

    One that is there is not touched: closing it would end the locks that other connections of this process hold on it
    (sqlite.org/howtocorrupt.html, 2.2).
    """
    if path.is_dir():
        raise UserError(f"{path} is a folder. Name a file: MUNDAP_JOURNAL={path}/journal.db")
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables of a new file; check those of an old one."""
    if not check(connection, path):
        from sqlite_utils import Database as Tables  # late: most processes find the tables made

        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(f"PRAGMA application_id = {MARK}")
        tables = Tables(connection)
        tables.table("exchanges").create(EXCHANGES, pk="id", if_not_exists=True)
        for name, said in LATER.items():
            columns = {"number": int, "exchange": str, said: str, "at": str}
            tables.table(name).create(columns, pk="number", if_not_exists=True)
            tables.table(name).create_index(["exchange"], if_not_exists=True)
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.commit()
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")  # it waits for the disk: nobody who asks should
    connection.execute("PRAGMA secure_delete = ON")


def check(connection: sqlite3.Connection, path: Path) -> bool:
    """Tell whether the file is a journal (True) or new (False); refuse any other."""
    elsewhere = "Name another file: MUNDAP_JOURNAL=data/journal.db"
    try:
        mark = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        raise UserError(f"{path} is damaged, or no journal ({error}). Move it away, or name another file.") from error
    if mark != MARK and (tables or version or mark):
        raise UserError(f"{path} is a database, but no journal. {elsewhere}")
    if version > VERSION:
        known = f"of version {version}, this program knows {VERSION}"
        raise UserError(f"{path} is a journal of a newer program ({known}). Update this one, or name another file.")
    return bool(version == VERSION)
