"""Generating: an answer written from several entries, where no stored answer is sure enough to be given alone.

Off unless a generator is named. Never asked where retrieval abstains, so that it has nothing to invent from. What it
drafts is checked sentence by sentence (`bot.grounding`) before anybody reads it; where nothing is left, or it fails,
the answer stays what it was without it.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from bot.composing import Answer, Source
from bot.generators import GeneratorError, RestingError, kind_of, load_generator
from bot.grounding import Checker, Cutter, Judge, Verdict
from indexer.encoders import reads_hangul
from indexer.index import Index
from indexer.retrieve import Candidate, Ranked
from indexer.row import Row

READ = 4  # entries that a generator sees
UNSURE = 0.6  # probability of being right below which an answer is unsure
AT_ONCE = 2  # drafts at once; whoever comes meanwhile gets the stored questions, and waits for nobody
MOST_KEPT, MOST_DRAFTED = 5, 24  # sentences
MOST_LETTERS, LONGEST = 8_000, 30.0  # of a draft: characters, seconds
BARE_ENDS = ".!?。！？"
MEANING = ("bilingual", "minilm", "bert", "sbert")  # encoders whose cosine tells whether two sentences say the same
LOG = logging.getLogger(__name__)


class Writing:
    """A generator, and what may come of it. Safe to share between threads."""

    def __init__(self, spec: str, index: Index, secret: str = "", entailment: Path | None = None) -> None:
        self._judge = judge_of(entailment)
        self.spec, self.kind, self._secret = spec, kind_of(spec), secret
        self._places, self._opening = threading.BoundedSemaphore(AT_ONCE), threading.Lock()
        self._open(index)

    def answers(self, index: Index, message: str, answer: Answer) -> Iterator[Answer]:
        """Give an answer as it grows, sentence by sentence; the last one counts."""
        if not wanted(answer):
            yield answer
        elif not self._places.acquire(blocking=False):
            yield noted(answer, generator=self.kind, fallback="busy")
        else:
            try:
                yield from self._written(index, message, answer)
            finally:
                self._places.release()

    def _written(self, index: Index, message: str, answer: Answer) -> Iterator[Answer]:
        candidates = read_again(answer)
        checker = checker_of(index, candidates, self._judge)
        asked = f"{answer.trace.get('followed', '')} {message}".strip()
        kept: list[Verdict] = []
        dropped: Counter[str] = Counter()
        problem = ""
        try:
            self._open(index)
            for verdict in verdicts(self._generator(asked, candidates), checker):
                if not verdict.cited:
                    dropped[verdict.reason] += 1
                    continue
                kept.append(verdict)
                yield self._made(answer, candidates, kept, dropped)
                if len(kept) == MOST_KEPT:
                    break
        except GeneratorError as error:
            problem = str(error)
            LOG.log(logging.DEBUG if isinstance(error, RestingError) else logging.WARNING, "%s: %s", self.kind, error)
        except Exception as error:  # a visitor gets an answer, whatever a model does
            problem = type(error).__name__
            LOG.exception("generator %s failed", self.kind)
        if kept:
            yield self._made(answer, candidates, kept, dropped)
        else:
            yield noted(answer, generator=self.kind, drafted=dropped.total(), fallback=problem or "nothing supported")

    def _open(self, index: Index) -> None:
        """Open the generator, and again for another encoder: one of them shares its weights."""
        with self._opening:
            if getattr(self, "_opened_for", None) != index.facts.fingerprint:
                self._generator = load_generator(self.spec, index, self._secret)
                self._opened_for = index.facts.fingerprint

    def _made(
        self, answer: Answer, candidates: Sequence[Candidate], kept: Sequence[Verdict], dropped: Counter[str]
    ) -> Answer:
        """Put the sentences together, each with the numbers of its sources."""
        places = list(dict.fromkeys(place for verdict in kept for place in verdict.cited))
        text = " ".join(marked(one.text, [places.index(place) + 1 for place in one.cited]) for one in kept)
        sources = [source(candidates[place].row) for place in places]
        cited = [" ".join(candidates[place].row.id for place in one.cited) for one in kept]
        drafted = len(kept) + dropped.total()
        made = replace(answer, decision="generated", text=text, sources=sources)
        return noted(made, generator=self.kind, drafted=drafted, supported=len(kept), cited=cited)


def wanted(answer: Answer) -> bool:
    """Tell whether a generator may help: entries were found, and none of them is sure to answer."""
    if not answer.candidates:
        return False
    unsure = answer.decision == "answer" and answer.confidence < UNSURE
    return answer.decision == "choose" or unsure


def verdicts(pieces: Iterator[str], checker: Checker) -> Iterator[Verdict]:
    """Check a draft as it comes; a sentence that breaks off with the stream is not looked at."""
    cutter, letters, number, until = Cutter(), 0, 0, time.monotonic() + LONGEST
    with closing(_closable(pieces)) as drafted:
        for piece in drafted:
            letters += len(piece)
            if letters > MOST_LETTERS or time.monotonic() > until:
                drafted.throw(GeneratorError("a draft without an end"))  # so that it counts as a failure there
            for sentence in cutter.feed(piece):
                yield _checked(checker, sentence)
                number += 1
                if number == MOST_DRAFTED:
                    return
        for sentence in cutter.rest():
            yield _checked(checker, sentence)


def _closable(pieces: Iterator[str]) -> Generator[str]:
    """Make any iterator one that can be closed, and that closes what it reads from."""
    try:
        yield from pieces
    finally:
        close = getattr(pieces, "close", None)
        if close:
            close()


def _checked(checker: Checker, sentence: str) -> Verdict:
    verdict = checker.check(sentence)
    if verdict.cited:
        checker.keep(verdict.text)
    return verdict


def judge_of(folder: Path | None) -> Judge | None:
    """Open a model of entailment; none where no folder is named."""
    if folder is None:
        return None
    from bot.learning.entailment import open_entailment

    return open_entailment(folder)


def checker_of(index: Index, candidates: Sequence[Candidate], judge: Judge | None = None) -> Checker:
    """Make the checker of some candidates, with the index's own encoder where its cosine means something."""
    name = index.facts.encoder.split(":")[0].split("?")[0]
    encode = index.encoder.encode if name in MEANING else None
    # The checker's cosines are those of MiniLM; the student's were not weighed against lies, so Korean goes by words.
    korean = name != "bilingual" and reads_hangul(index.facts.encoder)
    return Checker(candidates, encode, korean, judge)


def read_again(answer: Answer) -> list[Candidate]:
    """Give the entries that a generator sees, from an answer."""
    return [
        Candidate(
            Row(one["id"], one["entry"], one["question"], one["answer"], {"url": str(one.get("url", ""))}),
            Ranked(0, float(one["score"]), float(one["rank_score"])),
        )
        for one in answer.candidates[:READ]
    ]


def marked(text: str, numbers: Sequence[int]) -> str:
    """Put the numbers of its sources at a sentence's end, before the full stop."""
    bare = text.rstrip(BARE_ENDS)
    return f"{bare} [{', '.join(map(str, numbers))}]{text[len(bare) :] or '.'}"


def source(row: Row) -> Source:
    """Name an entry as the source of a sentence."""
    return Source(row.id, row.entry, row.question, str(row.extra.get("url", "")))


def noted(answer: Answer, **facts: object) -> Answer:
    """Add to an answer's trace."""
    return replace(answer, trace={**answer.trace, **facts})
