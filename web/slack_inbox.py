"""The Slack inbox: what was acknowledged, in one SQLite file, until it is answered.

Threads and processes share the file. A row is claimed with a lease; a process that ends without answering (the lock
on its own little file falls with it) loses its claims at once, one that hangs loses them when the lease ends.
"""

import json
import os
import sqlite3
import time
import uuid
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from indexer.errors import UserError

SETTLING = 2.0  # seconds in which a post of a process that was killed becomes visible in Slack
LEASE = 120.0  # seconds that a claim lasts; every step renews it
KEPT = 7 * 24 * 3600.0  # seconds for which an answered event is remembered, without its text, so that repeats are known
SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
  team TEXT, channel TEXT, ts TEXT,       -- what makes an event one and the same
  kind TEXT, session TEXT,
  payload TEXT, reply TEXT,               -- JSON; emptied once it is done
  sent INTEGER DEFAULT 0,                 -- 1: the reply may have gone out
  attempts INTEGER DEFAULT 0,
  owner TEXT DEFAULT '', due REAL,        -- who works on it; when it may be claimed (again)
  received REAL, done REAL,
  PRIMARY KEY (team, channel, ts));
CREATE INDEX IF NOT EXISTS waiting ON events (due) WHERE done IS NULL;
"""
# The first of each conversation: a thread is answered in its order.
FIRST = """
FROM events AS e WHERE done IS NULL AND NOT EXISTS (
  SELECT 1 FROM events AS f WHERE f.done IS NULL AND f.session = e.session AND f.rowid < e.rowid)
"""
CLAIM = f"""
UPDATE events SET owner = ?, due = ?, attempts = attempts + 1
WHERE rowid = (SELECT rowid {FIRST} AND due <= ? ORDER BY rowid LIMIT 1)
RETURNING team, channel, ts, kind, session, payload, reply, sent, attempts, received
"""
MINE = "done IS NULL AND owner = ? AND team = ? AND channel = ? AND ts = ?"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that a person did in Slack."""

    team: str
    channel: str
    ts: str  # the message's own for messages; what is as lasting for commands and clicks
    kind: str  # message, command, choice or thumb
    session: str
    payload: Mapping[str, Any]
    reply: Mapping[str, Any] | None = None
    sent: bool = False
    attempts: int = 0
    received: float = 0.0

    @property
    def key(self) -> str:
        """What the posted answer carries, to be found again."""
        return f"{self.team}:{self.channel}:{self.ts}"


class Inbox:
    """The file. Every call opens it anew, which is cheap and safe across threads, while one connection stays open.

    Without that one SQLite would merge its log into the file, and wait for the disk, after every call. It is closed
    around a fork, which no SQLite connection survives.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        """Open or make the file; raises UserError where it cannot be used."""
        self.path, self._clock = path, clock
        self._held: sqlite3.Connection | None = None
        self._alive: FileLock | None = None
        self.owner = ""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)  # it holds what people wrote
            with self._open() as db:
                db.executescript("PRAGMA journal_mode = WAL;" + SCHEMA)
        except (OSError, sqlite3.Error) as error:
            advice = "set MUNDAP_SLACK_INBOX to a file that may be written"
            raise UserError(f"the Slack inbox {path} cannot be used ({error}); {advice}.") from error
        self.hold()
        follow_forks(self)

    def live(self) -> None:
        """Take a name to claim under, and hold a lock on its file for as long as this process lives."""
        if self._held is None:
            self.hold()
        self.owner = uuid.uuid4().hex
        self._alive = FileLock(self._sign(self.owner), thread_local=False)
        self._alive.acquire(timeout=5)

    def close(self) -> None:
        """Give up all claims; others take them over at once."""
        if self._alive is not None:
            self._alive.release()
            self._free(self.owner)
        self.let_go()

    def hold(self) -> None:
        """Keep a connection open."""
        self._held = sqlite3.connect(self.path, timeout=10, check_same_thread=False)
        self._held.execute("SELECT 1 FROM events LIMIT 1").fetchone()

    def let_go(self) -> bool:
        """Close that connection; tell whether there was one."""
        held, self._held = self._held, None
        if held is not None:
            held.close()
        return held is not None

    def put(self, event: Event) -> bool:
        """Keep an event durably; False where the very same is known already."""
        now = self._clock()
        record = [event.team, event.channel, event.ts, event.kind, event.session]
        with self._open(durably=True) as db:
            added = db.execute(
                "INSERT INTO events (team, channel, ts, kind, session, payload, due, received) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                [*record, json.dumps(event.payload), now, now],
            )
            return added.rowcount == 1

    def claim(self) -> Event | None:
        """Take the next event that is due, for the length of a lease."""
        if self.wait(1.0) > 0:
            return None  # a look does not disturb other writers
        now = self._clock()
        with self._open() as db:
            found = db.execute(CLAIM, [self.owner, now + LEASE, now]).fetchall()
        if not found:
            return None
        team, channel, ts, kind, session, payload, reply, sent, attempts, received = found[0]
        known = json.loads(reply) if reply else None
        return Event(team, channel, ts, kind, session, json.loads(payload), known, bool(sent), attempts, received)

    def wait(self, most: float) -> float:
        """Give the seconds until something can be claimed, at most so many."""
        with self._open() as db:
            (due,) = db.execute(f"SELECT min(due) {FIRST}").fetchone()
        return most if due is None else min(most, max(0.0, due - self._clock()))

    def sending(self, event: Event, reply: Mapping[str, Any]) -> bool:
        """Note that the reply goes out now; False where the event has become somebody else's."""
        return self._change(event, "reply = ?, sent = 1, due = ?", [json.dumps(reply), self._clock() + LEASE], True)

    def later(self, event: Event, seconds: float, sent: bool) -> bool:
        """Put an event back for a while; `sent` says whether its reply may have gone out all the same."""
        return self._change(event, "owner = '', due = ?, sent = ?", [self._clock() + seconds, int(sent)])

    def finish(self, event: Event) -> bool:
        """Note that an event is done, and forget what was said."""
        return self._change(event, "owner = '', payload = '', reply = '', done = ?", [self._clock()])

    def pause(self, team: str, seconds: float) -> None:
        """Let nothing of a workspace be claimed for a while."""
        until = self._clock() + seconds
        with self._open() as db:
            db.execute("UPDATE events SET due = max(due, ?) WHERE done IS NULL AND team = ?", [until, team])

    def take_over(self) -> None:
        """Set free what processes that have ended had claimed."""
        for sign in self.path.parent.glob(f"{self.path.name}.*.alive"):
            owner = sign.name.removeprefix(f"{self.path.name}.").removesuffix(".alive")
            if owner == self.owner:
                continue
            lock = FileLock(sign)
            with suppress(Timeout, OSError), lock.acquire(timeout=0):
                self._free(owner)

    def purge(self) -> None:
        """Drop what is too old to be repeated, or was never worked on."""
        with self._open() as db:
            db.execute("DELETE FROM events WHERE coalesce(done, received) < ?", [self._clock() - KEPT])
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # what was deleted leaves the log too

    def _change(self, event: Event, what: str, values: list[Any], durably: bool = False) -> bool:
        with self._open(durably) as db:
            changed = db.execute(
                f"UPDATE events SET {what} WHERE {MINE}", [*values, self.owner, event.team, event.channel, event.ts]
            )
            return changed.rowcount == 1

    def _free(self, owner: str) -> None:
        with self._open() as db:
            db.execute(
                "UPDATE events SET owner = '', due = ? + ? * sent WHERE done IS NULL AND owner = ?",
                [self._clock(), SETTLING, owner],
            )
        self._sign(owner).unlink(missing_ok=True)

    def _sign(self, owner: str) -> Path:
        return self.path.with_name(f"{self.path.name}.{owner}.alive")

    @contextmanager
    def _open(self, durably: bool = False) -> Iterator[sqlite3.Connection]:
        db = sqlite3.connect(self.path, timeout=10, isolation_level=None)
        try:
            # Acknowledged means kept, also through a power cut. A claim or an end that a power cut undoes is no loss.
            db.execute(f"PRAGMA synchronous = {'FULL' if durably else 'NORMAL'}")
            db.execute("PRAGMA secure_delete = ON")
            yield db
        finally:
            db.close()


def follow_forks(inbox: Inbox) -> None:
    """Close the connection that an inbox keeps open before this process forks, and open another in the parent."""
    known, was_open = weakref.ref(inbox), [False]

    def before() -> None:
        if (one := known()) is not None:
            was_open[0] = one.let_go()

    def after() -> None:
        if was_open[0] and (one := known()) is not None:
            one.hold()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=before, after_in_parent=after)
