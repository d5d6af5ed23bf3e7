"""Two lanes into waitress: what only takes something in need not queue behind what the encoder is busy with."""

from collections.abc import Sequence
from typing import Any

from waitress.task import ThreadedTaskDispatcher

QUICK = ("/slack/",)  # Slack repeats what is not acknowledged within three seconds
THREADS = 2  # of the quick lane


class Lanes(ThreadedTaskDispatcher):  # type: ignore[misc]
    """The threads of a server, and a few more for the quick paths."""

    def __init__(self, threads: int, quick: Sequence[str] = QUICK) -> None:
        super().__init__()
        self._paths, self._quick = tuple(quick), ThreadedTaskDispatcher()
        self.set_thread_count(threads)
        self._quick.set_thread_count(THREADS)

    def add_task(self, task: Any) -> None:
        """Put a request into its lane."""
        waiting = getattr(task, "requests", None)
        path = getattr(waiting[0], "path", "") if waiting else ""
        (self._quick.add_task if path.startswith(self._paths) else super().add_task)(task)

    def shutdown(self, cancel_pending: bool = True, timeout: float = 5) -> bool:
        """End both lanes."""
        quick = self._quick.shutdown(cancel_pending, timeout)
        return bool(super().shutdown(cancel_pending, timeout)) and bool(quick)
