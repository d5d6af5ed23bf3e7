"""The journal: every exchange, vote and choice, in one SQLite file, without ever being in the way of an answer.

A note is written by the thread that answers, so that a process which is killed loses at most the exchange in flight.
Where the file is locked, full or may not be written, notes wait in memory, and a thread of its own tries again.
"""

import atexit
import logging
import os
import sqlite3
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from bot.answer import Answer
from bot.journal.exchange import first_id, new_id, now, row_of, writable
from bot.journal.file import CHUNK, File, Note
from bot.journal.personal import mask as mask_personal
from indexer.errors import UserError

MOST_WAITING = 10_000  # notes in memory while the file cannot be written
PATIENCE_MS = 8  # an answer waits so long for other threads, and again for other processes
RETRY, TICK, HOUR = 0.2, 60.0, 3600.0  # seconds
CHECKPOINT = 1000  # notes
DAY_NS = 24 * 3600 * 10**9
VOTES = ("up", "down", "")
FAULTS = (sqlite3.Error, OSError, UserError)
LOG = logging.getLogger(__name__)
_OPEN: "weakref.WeakSet[Journal]" = weakref.WeakSet()
_FORKING: "list[Journal]" = []


class Journal:
    """Writes what was asked and answered. Safe to share between threads, and over a fork; close() is not its end."""

    _thread: threading.Thread | None
    _unmoved: int  # notes in the log that are not in the file
    _troubled: bool  # the file could not be written, and that was said
    _next_forgetting: float

    def __init__(
        self, path: Path, retention_days: int = 90, mask: bool = True, tagger: Callable[[str], str] | None = None
    ) -> None:
        """Open or make the file; `tagger` masks what the rules of `mask` cannot know, such as names.

        Raises:
            UserError: it is no journal, or of a newer version. One that cannot be written now is none of these.
        """
        self.path, self.retention_days, self.lost = Path(path), retention_days, 0
        more = tagger or str
        self._clean: Callable[[str], str] = (lambda text: more(mask_personal(writable(text)))) if mask else writable
        self._begin()
        try:
            self._file.open()
        except (sqlite3.Error, OSError) as error:
            self._complain(error)
        _OPEN.add(self)
        self._start()

    @property
    def backlog(self) -> int:
        """Count the notes that wait for the file."""
        return len(self._waiting)

    def record(self, message: str, answer: Answer, channel: str, session: str | None, ms: float) -> str:
        """Write an exchange; give its id."""
        exchange = new_id()
        try:
            self._put(exchange, Note("exchanges", row_of(exchange, message, answer, channel, session, ms, self._clean)))
        except Exception as error:  # an answer never fails for its journal
            LOG.error("an exchange could not be written down: %s", type(error).__name__)
        return exchange

    def vote(self, exchange: str, vote: str) -> bool:
        """Write a thumb: `up`, `down`, or `` to take it back; False where there is no such exchange."""
        return vote in VOTES and self._say("votes", exchange, vote)

    def choose(self, exchange: str, row: str) -> bool:
        """Write which of the offered stored questions was clicked, by its row id; False where none such was offered."""
        return self._say("choices", exchange, row)

    def close(self) -> None:
        """Write what waits, and close the file."""
        thread, self._thread = self._thread, None
        self._wake.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(2)
        self._flush()
        if self._waiting:
            LOG.error("the journal %s could not be written: %d notes are lost", self.path, len(self._waiting))
        with self._flushing, self._lock:
            self._close_files()

    def _say(self, table: str, exchange: str, value: str) -> bool:
        """Write what is said of an exchange afterwards."""
        try:
            note = Note(table, {"exchange": writable(exchange), "value": writable(value), "at": now()})
            return self._put(exchange, note)
        except Exception as error:
            LOG.error("a vote could not be written down: %s", type(error).__name__)
            return False

    def _put(self, exchange: str, note: Note) -> bool:
        """Write a note, or let it wait; False where there was nothing to write it to."""
        if self._thread is None:
            self._start()
        if not self._must_wait(exchange, note) and self._lock.acquire(timeout=PATIENCE_MS / 1e3):
            try:
                written = self._file.write([note])
                self._unmoved += 1
                if self._unmoved >= CHECKPOINT:
                    self._wake.set()
                return written > 0
            except FAULTS:
                pass  # the thread says what is wrong, if it cannot write either
            finally:
                self._lock.release()
        return self._let_wait(note)

    def _must_wait(self, exchange: str, note: Note) -> bool:
        """Keep the order: behind whatever waits, but a vote only behind notes of its own exchange."""
        if note.table == "exchanges":
            return bool(self._waiting)
        return any(exchange in (one.values.get("id"), one.values.get("exchange")) for one in list(self._waiting))

    def _let_wait(self, note: Note) -> bool:
        if len(self._waiting) >= MOST_WAITING:
            if not self.lost:
                LOG.error("the journal %s cannot be written, and no more notes fit into memory", self.path)
            self.lost += 1
            return False
        self._waiting.append(note)
        if len(self._waiting) == 1:
            self._wake.set()
        return True

    def _start(self) -> None:
        """Start the thread that writes what waits, moves the log into the file and deletes what is old."""
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while self._thread is threading.current_thread():
            if self._flush():
                self._tidy()
            self._wake.wait(RETRY if self._waiting else TICK)
            self._wake.clear()

    def _flush(self) -> bool:
        """Write what waits; tell whether the file took it."""
        with self._flushing:
            try:
                if self._troubled:
                    self._patient.open()
                while batch := list(islice(self._waiting, CHUNK)):
                    self._patient.write(batch)
                    self._unmoved += len(batch)
                    for _ in batch:  # only now: a vote must find its exchange here or in the file
                        self._waiting.popleft()
            except FAULTS as error:
                self._give_up(error)
                return False
        if self._troubled:
            LOG.warning("the journal %s is written again", self.path)
        self._troubled = False
        return True

    def _tidy(self) -> None:
        try:
            self._forget()
            if self._unmoved:
                self._unmoved = 0
                with self._flushing:
                    self._patient.checkpoint()
        except FAULTS as error:
            self._give_up(error)

    def _forget(self) -> None:
        """Delete what is too old, at most once an hour, in short steps."""
        if not self.retention_days or time.monotonic() < self._next_forgetting:
            return
        before = first_id(max(0, time.time_ns() - self.retention_days * DAY_NS))
        more = 1
        while more:
            with self._flushing:
                more = self._patient.forget(before)
            time.sleep(0.01 if more else 0)  # so that those who answer get their turn
        self._next_forgetting = time.monotonic() + HOUR

    def _give_up(self, error: Exception) -> None:
        """Begin anew with the next try, with both connections: of two files of one name they would share the log."""
        with self._lock:
            self._close_files()
        self._complain(error)

    def _complain(self, error: Exception) -> None:
        """Say once what is wrong."""
        if not self._troubled:
            LOG.warning("the journal %s cannot be written now (%s); notes wait in memory", self.path, error)
        self._troubled = True

    def _begin(self) -> None:
        """Make what a process and its fork must not share: locks, connections, the thread, and what waits."""
        self._lock, self._flushing, self._starting = threading.Lock(), threading.Lock(), threading.Lock()
        self._wake = threading.Event()
        self._file, self._patient = File(self.path, PATIENCE_MS), File(self.path, 1000)
        self._waiting: deque[Note] = deque()
        self._thread = None
        self._unmoved, self._next_forgetting, self._troubled = 0, 0.0, False

    def _close_files(self) -> None:
        self._file.close()
        self._patient.close()

    def _before_fork(self) -> None:
        # A connection must not cross a fork (sqlite.org/howtocorrupt.html, 2.6): the locks would stay with the parent.
        self._flushing.acquire()
        self._lock.acquire()
        self._close_files()

    def _after_fork(self) -> None:
        self._lock.release()
        self._flushing.release()


def _close_all() -> None:
    for journal in list(_OPEN):
        journal.close()


def _before_fork() -> None:
    _FORKING[:] = _OPEN
    for journal in _FORKING:
        journal._before_fork()


def _after_fork(act: Callable[[Journal], None]) -> Callable[[], None]:
    def act_on_all() -> None:
        for journal in _FORKING:
            act(journal)

    return act_on_all


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):  # Windows does not fork
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork(Journal._after_fork),
        after_in_child=_after_fork(Journal._begin),
    )
