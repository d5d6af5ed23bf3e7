"""Reading the journal: exchanges with the last vote and choice of each."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bot.journal.file import check
from indexer.errors import UserError

LAST = "coalesce((SELECT {0} FROM {1} WHERE exchange = exchanges.id ORDER BY at DESC, number DESC LIMIT 1), '')"
READ = f"SELECT *, {LAST.format('vote', 'votes')} AS vote, {LAST.format('chosen', 'choices')} AS chosen FROM exchanges"


def exchanges(
    path: Path, since: str = "", decision: str = "", channel: str = "", only_voted: bool = False, last: int = 0
) -> Iterator[dict[str, Any]]:
    """Read exchanges, oldest first, each with its last vote and choice; `last` gives no more than the newest.

    Raises:
        UserError: there is no journal at the path, or it cannot be read.
    """
    if not path.exists():
        raise UserError(f"there is no journal at {path}. It begins with the first message; or name one: --journal FILE")
    wanted = {name: value for name, value in (("decision", decision), ("channel", channel)) if value}
    conditions = " AND ".join(["at >= ?", *(f"{name} = ?" for name in wanted)])
    query = f"SELECT * FROM ({READ} WHERE {conditions})" + (" WHERE vote || chosen != ''" if only_voted else "")
    query += f" ORDER BY id {'DESC' if last else 'ASC'} LIMIT ?"
    values = [since, *wanted.values(), last or -1]
    try:
        yield from _read(path, query, values, newest_first=bool(last))
    except sqlite3.DatabaseError as error:
        raise UserError(f"{path} cannot be read ({error}). Try again; if that does not help, move it away.") from error


def _read(path: Path, query: str, values: list[Any], newest_first: bool) -> Iterator[dict[str, Any]]:
    from sqlite_utils import Database as Tables

    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5)
    try:
        if not check(connection, path):
            return
        rows = Tables(connection).query(query, values)
        for row in reversed(list(rows)) if newest_first else rows:
            yield {**row, "candidates": json.loads(row["candidates"]), "trace": json.loads(row["trace"])}
    finally:
        connection.close()
