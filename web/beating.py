"""Beating: a heartbeat while what grows slowly has nothing new."""

import queue
import threading
from collections.abc import Generator, Iterator
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")
END = object()


def beating(growing: Iterator[T], silence: float) -> Generator[T | None]:
    """Give what comes, and None after each `silence` seconds without anything.

    What comes is read in a thread of its own. Once this is closed, that thread takes no more than the next piece, and
    closes what it reads from.
    """
    come: queue.SimpleQueue[object] = queue.SimpleQueue()
    left = threading.Event()

    def work() -> None:
        try:
            for one in growing:
                come.put(one)
                if left.is_set():
                    break
        except BaseException as error:  # whoever reads raises it
            come.put(_Broken(error))
        finally:
            close = getattr(growing, "close", None)
            if close:
                close()
            come.put(END)

    # With this context, so that what is logged carries the id of the request.
    threading.Thread(target=copy_context().run, args=(work,), name="stream", daemon=True).start()
    try:
        yield from _taken(come, silence)
    finally:
        left.set()


def _taken(come: "queue.SimpleQueue[object]", silence: float) -> Iterator[T | None]:
    while True:
        try:
            one = come.get(timeout=silence)
        except queue.Empty:
            yield None
            continue
        if one is END:
            return
        if isinstance(one, _Broken):
            raise one.error
        yield one  # type: ignore[misc]


class _Broken:
    """What was raised in the thread."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
