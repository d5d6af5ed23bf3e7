"""Micro-batching: messages that come while the encoder is at work are encoded together when it is free.

A lone message is encoded at once, on its own thread; there is no window to wait for, and no thread in between.
"""

import threading
from collections import deque
from collections.abc import Sequence

import numpy as np

from indexer.encoders import Encoder
from indexer.vectors import Vectors

MOST = 64  # texts taken along: a batch of more gains nothing and keeps the first one waiting


class Call:
    """The texts of one caller, and their vectors as soon as anybody has made them."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        self.vectors: Vectors | None = None


class Together:
    """An encoder that many threads may share: one of them encodes for all that wait."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.dim = encoder.dim
        self._waiting: deque[Call] = deque()
        self._encoding = threading.Lock()

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode texts, with those of other callers where some wait already."""
        call = Call(texts)
        self._waiting.append(call)
        with self._encoding:
            if call.vectors is None:
                others = self._others(call)
                try:
                    self._encode([call, *others])
                except Exception:
                    if not others:
                        raise
                    self._encode([call])  # one of them may be at fault; each of the others tries alone too
        assert call.vectors is not None
        return call.vectors

    def _others(self, call: Call) -> list[Call]:
        """Take those who wait, as many as fit beside this caller."""
        if call in self._waiting:  # else somebody took it along, and then failed
            self._waiting.remove(call)
        taken: list[Call] = []
        room = MOST - len(call.texts)
        while self._waiting and len(self._waiting[0].texts) <= room:
            taken.append(self._waiting.popleft())
            room -= len(taken[-1].texts)
        return taken

    def _encode(self, calls: Sequence[Call]) -> None:
        vectors = self.encoder.encode([text for call in calls for text in call.texts])
        ends = np.cumsum([len(call.texts) for call in calls])
        for call, part in zip(calls, np.split(vectors, ends[:-1]), strict=True):
            call.vectors = part
