"""The bot: a message in, one answer out, with everything that the answer rests on."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal

from indexer.confidence import Judgement, judge
from indexer.index import Index
from indexer.manifest import FILE as MANIFEST
from indexer.retrieve import Candidate
from indexer.words import has_hangul

Decision = Literal["answer", "choose", "abstain", "generated", "smalltalk"]
SHOWN = 5  # candidates in an answer
REMEMBERED = 1_000  # answers of a generation that are kept for whoever asks the same
OFFERED = 3  # stored questions offered where the decision is choose
TEXTS: dict[tuple[str, str], str] = {
    ("choose", "en"): "I am not sure which one you mean. Is it one of these?",
    ("choose", "ko"): "어떤 것을 찾으시는지 확실하지 않아요. 혹시 이 중에 있나요?",
    ("abstain", "en"): "I have no answer to that. Could you put it in other words, or ask about something else?",
    ("abstain", "ko"): "그 질문에 맞는 답을 찾지 못했어요. 다른 말로 다시 물어보시거나 다른 것을 물어봐 주세요.",
}


@dataclass(frozen=True, slots=True)
class Source:
    """A stored entry that the text comes from."""

    id: str
    entry: str
    question: str
    url: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What `bot ask --json` and `POST /api/ask` give."""

    decision: Decision
    text: str  # what the person reads
    confidence: float  # probability that the first candidate is right
    candidates: Sequence[Mapping[str, Any]]  # best first: id, entry, question, answer, score, rank_score, ...
    sources: Sequence[Source] = ()
    trace: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {
            "decision": self.decision,
            "text": self.text,
            "confidence": self.confidence,
            "candidates": list(self.candidates),
            "sources": [asdict(source) for source in self.sources],
            "trace": dict(self.trace),
        }


class Bot:
    """Answers from an index folder, and follows it from generation to generation. Safe to share between threads."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._published = self._stamp()
        self._follow(Index.open(self.folder))
        self._info: dict[str, Any] = {}  # of one generation: every page asks for it
        self._swapping = threading.Lock()

    def answer(self, message: str, session: str | None = None) -> Answer:
        """Answer a message; `session` names the conversation that it belongs to."""
        self._keep_up()
        return self._remembered(message)

    def search(self, query: str, k: int = 5) -> list[dict[str, Any]]:
        """Give the k best entries for a query, without a decision."""
        (found,) = self.index.search([query], k)
        return [candidate.to_dict() for candidate in found]

    def info(self) -> dict[str, Any]:
        """Say what the bot answers from, with a few stored questions to begin with."""
        index = self.index
        if self._info.get("generation") != index.facts.generation:
            self._info = {**index.describe(), "examples": examples(index)}
        return self._info

    @property
    def index(self) -> Index:
        """The generation that is published now."""
        self._keep_up()
        return self._index

    def _keep_up(self) -> None:
        """Take a rebuilt index up with the next message."""
        stamp = self._stamp()
        if stamp and stamp != self._published:
            with self._swapping:
                if stamp != self._published:
                    # The old one is not closed: other threads may be in the middle of an answer from it.
                    self._follow(Index.open(self.folder))
                    self._published = stamp

    def _follow(self, index: Index) -> None:
        """Answer from an index from here on, and forget the answers of the one before."""
        self._index = index
        self._remembered = lru_cache(REMEMBERED)(partial(answer_from, index))

    def _stamp(self) -> tuple[int, int] | None:
        """Tell one published manifest from the next, for the price of one look at the folder."""
        try:
            found = (self.folder / MANIFEST).stat()
        except OSError:
            return None  # gone: go on answering from what is open
        return found.st_mtime_ns, found.st_ino


def answer_from(index: Index, message: str) -> Answer:
    """Answer a message from one generation."""
    (found,) = index.search([message], SHOWN)
    return compose(message, found, judge(message, found, index.calibration), index)


def compose(message: str, found: Sequence[Candidate], judgement: Judgement, index: Index) -> Answer:
    """Put an answer together: the stored text verbatim, or a sentence that asks back."""
    language = "ko" if has_hangul(message) else "en"
    given = found[: {"answer": 1, "choose": OFFERED}.get(judgement.decision, 0)]
    text = given[0].row.answer if judgement.decision == "answer" else TEXTS[judgement.decision, language]
    return Answer(
        decision=judgement.decision,
        text=text,
        confidence=round(judgement.probability, 4),
        candidates=[candidate.to_dict() for candidate in found],
        sources=[_source(candidate) for candidate in given],
        trace={
            "rule": judgement.rule,
            "right": round(judgement.probability, 4),
            "on_topic": round(judgement.on_topic, 4),
            "answer_from": index.calibration.answer,
            "refuse_below": index.calibration.refuse,
            "risk": index.calibration.risk,
            "promised": index.calibration.promised,
            "stale": index.stale,
            "legs": found[0].ranked.legs if found else "",
            "margin": round(_margin(found), 4),
            "lang": language,
            "encoder": index.facts.encoder,
            "retrieval": index.facts.retrieval,
            "generation": index.facts.generation,
        },
    )


def examples(index: Index, each: int = 3) -> list[str]:
    """Pick short stored questions from different categories, in each language."""
    picked: dict[tuple[bool, str], str] = {}
    for row in index.database.rows(index.facts.generation):
        slot = (has_hangul(row.question), str(row.extra.get("category", row.entry)))
        if slot not in picked and 8 <= len(row.question) <= 60:
            picked[slot] = row.question
    korean = [question for (hangul, _), question in picked.items() if hangul]
    english = [question for (hangul, _), question in picked.items() if not hangul]
    return korean[:each] + english[:each]


def _source(candidate: Candidate) -> Source:
    row = candidate.row
    return Source(row.id, row.entry, row.question, str(row.extra.get("url", "")))


def _margin(found: Sequence[Candidate]) -> float:
    return found[0].ranked.rank_score - found[1].ranked.rank_score if len(found) > 1 else 0.0
