"""The gate before the bot: how many requests it works on at once, how many wait, and a refusal for the rest.

A queue without an end only makes everybody late. Whoever is refused (503) hears when to come again.
"""

import threading
from types import TracebackType

from web.problems import Refused

# Measured with benchmarks/serving.py: more at work at once answer no faster.
WORKING, WAITING = 8, 56
THREADS = WORKING + WAITING + 8  # of the server: those in the gate, and some for pages, health and refusals


class Gate:
    """A context manager around whatever asks the bot."""

    def __init__(self, working: int = WORKING, waiting: int = WAITING) -> None:
        self._places = threading.Semaphore(working + waiting)
        self._working = threading.Semaphore(working)

    def __enter__(self) -> None:
        """Take a place, and wait for one's turn.

        Raises:
            Refused: all places are taken.
        """
        if not self._places.acquire(blocking=False):
            raise Refused("busy")
        self._working.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the next one in."""
        self._working.release()
        self._places.release()
