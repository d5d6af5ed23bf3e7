"""Composing: an answer, put together from what was found for a message and how it was judged."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from bot.smalltalk import reply, with_contact
from indexer.confidence import Judgement
from indexer.index import Index
from indexer.retrieve import Candidate
from indexer.words import has_hangul

Decision = Literal["answer", "choose", "abstain", "generated", "smalltalk"]
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


def compose(
    message: str, found: Sequence[Candidate], judgement: Judgement, index: Index, contact: str = "", followed: str = ""
) -> Answer:
    """Put an answer together: the stored text verbatim, or a sentence that asks back.

    `followed` is the earlier message that the search was made with, `contact` where a person can be reached.
    """
    decision, language = judgement.decision, language_of(message)
    given = found[: {"answer": 1, "choose": OFFERED}.get(decision, 0)]
    text = given[0].row.answer if decision == "answer" else TEXTS[decision, language]
    return Answer(
        decision=decision,
        text=with_contact(text, language, contact) if decision == "abstain" else text,
        confidence=round(judgement.probability, 4),
        candidates=[candidate.to_dict() for candidate in found],
        sources=[_source(candidate) for candidate in given],
        trace={
            "rule": judgement.rule,
            "followed": followed,
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


def small_talk(kind: str, message: str, index: Index, contact: str = "") -> Answer:
    """Reply to a message that asks nothing of the sheet."""
    language = language_of(message)
    trace = {"rule": f"smalltalk-{kind}", "lang": language, "generation": index.facts.generation}
    return Answer("smalltalk", reply(kind, language, contact), 1.0, [], [], trace)


def language_of(message: str) -> str:
    """Give the language to answer in."""
    return "ko" if has_hangul(message) else "en"


def sentence_of(text: str, trace: Mapping[str, Any], name: str) -> str:
    """Give the sentence that a trace has as `highlight` or `short`; nothing where the text does not hold it.

    A short form that `short_by` names the writer of is none of the text's, and must be labelled as written.
    """
    found = str(trace.get(name, ""))
    return found if found in text or (name == "short" and trace.get("short_by")) else ""


def _source(candidate: Candidate) -> Source:
    row = candidate.row
    return Source(row.id, row.entry, row.question, str(row.extra.get("url", "")))


def _margin(found: Sequence[Candidate]) -> float:
    return found[0].ranked.rank_score - found[1].ranked.rank_score if len(found) > 1 else 0.0
