"""Confidence: how likely the first candidate is right, how likely the message is on topic, and what to do.

Two logistic models a leg over a few measures. Scores are measured in the sheet's own unit: how far above what
messages about other things get there, so that one model fits many sheets (base.json).
`indexer.calibrate` adapts it to a sheet, and sets the thresholds for the risk that its owner states.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from indexer.retrieve import Candidate, Ranked
from indexer.twins import twin
from indexer.words import has_hangul, words

Decision = Literal["answer", "choose", "abstain"]
Rule = Literal["same-question", "same-question-twice", "nothing-shared", "off-topic", "unsure", "close", "twin", "sure"]
Pair = Literal["en", "ko", "en-ko", "ko-en"]
CLOSE = 0.02  # the lead of the first below which the best two are shown, however good they are

# What each model looks at. Scores are put in the sheet's unit; the others are shares and counts as they are.
SCORES = ("rank", "near", "contrast", "answer", "coverage", "known")
RIGHT: Mapping[str, tuple[str, ...]] = {
    "dense": ("rank", "lead", "near", "crowd", "contrast", "foreign", "known", "length"),
    "lexical": ("rank", "lead", "crowd", "known", "foreign", "overlap", "coverage", "length"),
    "dense+lexical": (
        "rank", "lead", "near", "crowd", "contrast", "foreign", "coverage", "answer", "known", "length",
    ),
}  # fmt: skip
ON_TOPIC: Mapping[str, tuple[str, ...]] = {
    "dense": ("rank", "near", "contrast", "foreign"),
    "lexical": ("rank", "near", "crowd", "known", "foreign"),
    "dense+lexical": ("rank", "near", "contrast", "foreign"),
}


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the candidates of a message are worth."""

    probability: float  # that the first candidate is right
    on_topic: float  # that some entry answers the message
    decision: Decision
    rule: Rule  # which rule decided, for the trace


@dataclass(frozen=True, slots=True)
class Model:
    """Two logistic models over the measures of a leg: the constant, then a weight for each."""

    right: Sequence[float]
    on_topic: Sequence[float]


@dataclass(frozen=True, slots=True)
class Calibration:
    """The models and thresholds of an index, and what is known of the risk that they keep."""

    models: Mapping[str, Model]  # by leg and pair of languages, "dense ko-en"
    refuse: float  # probability of being on topic below which nothing is given
    answer: float  # probability of being right from which the first candidate is given
    risk: float  # the share of given answers that may be wrong
    promised: bool  # the bound is within that risk; otherwise the thresholds are an estimate from the sheet
    judged: int = 0  # messages with a judgement that it was fitted on, those equal to a stored question aside
    answered: int = 0  # of these, answered by models that had not seen them
    wrong: int = 0  # of those answers
    bound: float = 1.0  # upper bound of the risk, at 90 % confidence
    coverage: float = 0.0  # share of the judged on-topic messages that were answered
    missing: int = 0  # judged messages that a promise still lacks, about
    fingerprint: str = ""  # of the encoder
    retrieval: str = ""
    corpus: str = ""  # hash of the rows

    def model(self, leg: str, pair: Pair) -> Model:
        """Give the models of a leg and a pair of languages."""
        return self.models[f"{leg} {pair}"]

    def made_for(self, fingerprint: str, retrieval: str) -> bool:
        """Tell whether it judges what an encoder and a retrieval find: under others its numbers mean nothing."""
        return (self.fingerprint, self.retrieval) == (fingerprint, retrieval)

    def to_dict(self) -> dict[str, Any]:
        """Give the form that the manifest keeps."""
        return asdict(self)

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> "Calibration":
        """Read that form."""
        models = {leg: Model(**model) for leg, model in facts["models"].items()}
        return cls(**{**facts, "models": models})


def judge(text: str, candidates: Sequence[Candidate], calibration: Calibration) -> Judgement:
    """Judge the candidates of a message, best first."""
    if not candidates:
        return Judgement(0.0, 0.0, "abstain", "nothing-shared")
    twins = sum(candidate.exact for candidate in candidates)
    if twins == 1:
        return Judgement(1.0, 1.0, "answer", "same-question")
    if twins:
        return Judgement(1 / twins, 1.0, "choose", "same-question-twice")
    ranked = [candidate.ranked for candidate in candidates]
    model = calibration.model(ranked[0].legs, pair_of(text, candidates[0].row.question))
    right, on_topic = probabilities(text, ranked, model)
    twins_near = twin(text, [c.row.question for c in candidates], [item.rank_score for item in ranked])
    return Judgement(right, on_topic, *_decide(calibration, right, on_topic, lead(ranked), twins_near))


def pair_of(text: str, question: str) -> Pair:
    """Name the languages of a message and of the stored question that it is compared with, by their scripts."""
    if has_hangul(text):
        return "ko" if has_hangul(question) else "ko-en"
    return "en-ko" if has_hangul(question) else "en"


def probabilities(text: str, ranked: Sequence[Ranked], model: Model) -> tuple[float, float]:
    """Give the probabilities that the first is right and that the message is on topic."""
    leg, found = ranked[0].legs, measures(text, ranked)
    on_topic = logistic(model.on_topic, [found[name] for name in ON_TOPIC[leg]])
    right = logistic(model.right, [found[name] for name in RIGHT[leg]])
    return min(right, on_topic), on_topic  # a right answer is on topic


def measures(text: str, ranked: Sequence[Ranked]) -> dict[str, float]:
    """Measure the candidates of a message, best first."""
    first, signs = ranked[0], ranked[0].signs
    return {
        "rank": first.rank_score,
        "lead": lead(ranked),
        "near": signs.near,
        "crowd": signs.crowd,
        "contrast": max(item.score for item in ranked) - signs.elsewhere,
        "answer": first.answer,
        "coverage": first.coverage,
        "overlap": first.overlap,
        "known": signs.known,
        "foreign": float(signs.foreign),
        "length": math.log1p(len(words(text))),
    }


def lead(ranked: Sequence[Ranked]) -> float:
    """Give the first candidate's lead over the second as a share of its score, 0 to 1; 1 without a second."""
    first, second = ranked[0].rank_score, ranked[1].rank_score if len(ranked) > 1 else 0.0
    return min(1.0, (first - second) / first) if first > 0 else 0.0


def logistic(weights: Sequence[float], found: Sequence[float]) -> float:
    """Give the probability of a logistic model, constant first."""
    total = weights[0] + sum(weight * value for weight, value in zip(weights[1:], found, strict=True))
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, total))))


def _decide(
    calibration: Calibration, right: float, on_topic: float, ahead: float, twins: bool
) -> tuple[Decision, Rule]:
    if on_topic < calibration.refuse:
        return "abstain", "off-topic"
    if right < calibration.answer:
        return "choose", "unsure"
    if ahead < CLOSE:
        return "choose", "close"
    if twins:
        return "choose", "twin"
    return "answer", "sure"
