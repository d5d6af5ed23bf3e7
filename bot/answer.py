"""One answer: a decision, the text a person reads, and everything it rests on."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Decision = Literal["answer", "choose", "abstain", "generated", "smalltalk"]


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
        return asdict(self)
