"""The short form of a long stored answer: its sentences, which of them answers, and what a model writes of it.

What a model writes counts only where the answer says each of its sentences, as the checker of generated text has it.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from bot.composing import Answer
from bot.generate import checker_of, read_again, wanted
from bot.grounding import Checker, sentences
from indexer.index import Index

PATIENCE = 2.0  # seconds that a visitor waits for a short form
KEPT = 1000  # short forms that are remembered: stored answers come again and again
LOG = logging.getLogger(__name__)


class Shortener:
    """Writes short forms in a thread of its own, each once, so that a slow model holds nobody up for long."""

    def __init__(self, write: Callable[[str], str], patience: float = PATIENCE) -> None:
        self._write, self._patience = write, patience
        self._thread, self._lock = ThreadPoolExecutor(1, "shortener"), threading.Lock()
        self._begun: dict[str, Future[str]] = {}
        self._late: Future[str] | None = None  # what was given up and still runs

    def __call__(self, text: str) -> str:
        """Give a short form of a text; nothing where the model fails, or is not done in time."""
        begun = self._of(text)
        if begun is None:
            return ""
        try:
            return begun.result(self._patience)
        except Exception as error:  # too late is one of them
            LOG.warning("the shortener failed: %s", type(error).__name__)
            with self._lock:
                if begun.cancel() or begun.done():
                    self._begun.pop(text, None)
                else:
                    self._late = begun
            return ""

    def _of(self, text: str) -> Future[str] | None:
        """Begin a short form, unless it was begun; None while one that was given up still runs."""
        with self._lock:
            known = self._begun.get(text)
            if self._late and not self._late.done() and not (known and known.done()):
                return None
            if len(self._begun) >= KEPT:
                self._begun.clear()
            return self._begun.setdefault(text, known or self._thread.submit(self._write, text))


def parts_of(answer: Answer) -> list[str]:
    """Give the sentences of a stored answer that has some; a generator may write another text for an unsure one."""
    stays = answer.decision == "answer" and not wanted(answer)
    parts = sentences(answer.text) if stays else []
    return parts if len(parts) > 1 else []


def supported(text: str, answer: Answer, index: Index | None) -> str:
    """Give a text that is shorter than a stored answer, which says each of its sentences; nothing for another."""
    candidates = read_again(answer)[:1]
    checker = checker_of(index, candidates) if index else Checker(candidates)
    said = []
    for sentence in sentences(text):
        verdict = checker.check(sentence)
        if not verdict.cited:
            return ""
        checker.keep(verdict.text)
        said.append(verdict.text)
    whole = " ".join(said)
    return whole if len(whole) < len(answer.text) else ""


def sentence_at(text: str, parts: Sequence[str], place: int) -> str:
    """Give the sentence of a text that holds a character."""
    end = 0
    for part in parts:
        start = text.index(part, end)
        end = start + len(part)
        if place < end:
            return part if start <= place else ""
    return ""
