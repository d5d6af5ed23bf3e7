"""Micro-batching: who comes while every core encodes is encoded with the others who wait, when one is free.

A lone message is encoded at once, on its own thread; there is no window to wait for, and no thread in between.
"""

import threading
import time
import weakref
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from indexer.encoders import Encoder
from indexer.vectors import Vectors

MOST = 64  # texts taken along: a batch of more gains nothing and keeps the first one waiting


class Watch(Protocol):
    """Whoever wants to know how long encoding takes, a histogram of the server for instance."""

    def observe(self, amount: float) -> None:
        """Take the seconds that one batch took."""
        ...


_watching: list[weakref.ref[Watch]] = []


def watch(watcher: Watch) -> None:
    """Tell a watcher of every batch that this process encodes for callers, for as long as it lives."""
    _watching[:] = [known for known in _watching if known() is not None] + [weakref.ref(watcher)]


class Call:
    """The texts of one caller, and what came of them."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        self.ready = threading.Event()  # the vectors are made, or it is this caller's turn
        self.vectors: Vectors | None = None
        self.error: Exception | None = None
        self.others: list[Call] = []  # who is taken along


class Together:
    """An encoder that many threads may share: some of them encode, for all that wait."""

    def __init__(self, encoder: Encoder, encoding: int) -> None:
        """Let so many threads encode at once, one a core."""
        self.encoder = encoder
        self.dim = encoder.dim
        self._free = encoding
        self._waiting: deque[Call] = deque()
        self._changing = threading.Lock()

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode texts, with those of other callers where some wait already."""
        call = Call(texts)
        if not self._enter(call):
            call.ready.wait()
        if call.vectors is None and call.error is None:
            try:
                self._encode([call, *call.others])
            finally:
                self._leave()
        if call.error is not None:
            raise call.error
        assert call.vectors is not None
        return call.vectors

    def _enter(self, call: Call) -> bool:
        """Take a free core, or wait."""
        with self._changing:
            if self._free:
                self._free -= 1
                return True
            self._waiting.append(call)
            return False

    def _leave(self) -> None:
        """Give the core to the first who waits, who takes along as many as fit."""
        with self._changing:
            if not self._waiting:
                self._free += 1
                return
            first = self._waiting.popleft()
            room = MOST - len(first.texts)
            while self._waiting and len(self._waiting[0].texts) <= room:
                first.others.append(self._waiting.popleft())
                room -= len(first.others[-1].texts)
        first.ready.set()

    def _timed(self, texts: Sequence[str]) -> Vectors:
        started = time.perf_counter()
        vectors = self.encoder.encode(texts)
        for known in list(_watching):
            if watcher := known():
                watcher.observe(time.perf_counter() - started)
        return vectors

    def _encode(self, calls: Sequence[Call]) -> None:
        try:
            vectors = self._timed([text for call in calls for text in call.texts])
            at = 0
            for call in calls:
                call.vectors = vectors[at : at + len(call.texts)]
                at += len(call.texts)
        except Exception:
            for call in calls:  # one of them is at fault; the others must not suffer for it
                try:
                    call.vectors = self.encoder.encode(call.texts)
                except Exception as error:
                    call.error = error
        finally:
            for call in calls:
                call.ready.set()
