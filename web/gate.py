"""The gate before the bot: how many requests it works on at once, how many wait, and a refusal for the rest.

A queue without an end only makes everybody late. Whoever is refused (503) hears when to come again.
"""

import threading
from collections.abc import Callable
from types import TracebackType

from indexer.onnx import cores
from web.problems import Refused

# Measured with benchmarks/serving.py: more at work at once answer no faster, and a thread for each who waits makes all
# slower. So `web serve` has as many threads as may work, and lets the others wait before a thread takes them.
WORKING, WAITING = 2 * cores(), 128


class Gate:
    """A context manager around whatever asks the bot."""

    def __init__(self, working: int = WORKING, waiting: int = WAITING) -> None:
        self._width, self._waiting = working, waiting
        self._places = threading.Semaphore(working + waiting)
        self._working = threading.Semaphore(working)
        self.queued: Callable[[], int] = lambda: 0  # requests that the server itself lets wait

    def __enter__(self) -> None:
        """Take a place, and wait for one's turn.

        Raises:
            Refused: all places are taken.
        """
        if self.queued() > self._waiting or not self._places.acquire(blocking=False):
            raise Refused("busy")
        self._working.acquire()

    def held(self) -> int:
        """Count the requests that wait, here and in the server."""
        inside = self._width + self._waiting - self._places._value
        return self.queued() + max(0, inside - self._width)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the next one in."""
        self._working.release()
        self._places.release()
