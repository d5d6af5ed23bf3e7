"""Confidence: how likely the first candidate is right, how likely the message is on topic, and what to do.

Two logistic models a leg, fitted on the dev messages of data/queries.csv (benchmarks/fit_confidence.py).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from indexer.retrieve import Candidate
from indexer.words import words

Decision = Literal["answer", "choose", "abstain"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the candidates of a message are worth."""

    probability: float  # that the first candidate is right
    on_topic: float  # that some entry answers the message
    decision: Decision
    rule: str  # which rule decided, for the trace


@dataclass(frozen=True, slots=True)
class Model:
    """Logistic models over a leg's features, constant first, and their thresholds."""

    right: tuple[float, ...]
    on_topic: tuple[float, ...]
    answer: float  # probability of being right from which the first candidate is given
    refuse: float  # probability of being on topic below which nothing is


MODELS: dict[str, Model] = {
    "dense": Model((-6.0, 8.0, 12.0), (-6.0, 12.0, 2.0), 0.6, 0.5),
    "lexical": Model((-3.0, 0.5, 2.0, 0.0, 0.0, 3.0), (-3.0, 0.5, 2.0, 1.0, 0.0, 0.0), 0.6, 0.5),
    "dense+lexical": Model((-3.0, 0.5, 2.0, 0.0, 0.0, 3.0, 0, 0), (-3.0, 0.5, 2.0, 1.0, 0.0, 0.0, 0, 0), 0.6, 0.5),
}


def judge(text: str, candidates: Sequence[Candidate]) -> Judgement:
    """Judge the candidates of a message, best first."""
    if not candidates:
        return Judgement(0.0, 0.0, "abstain", "nothing in the sheet shares a word with the message")
    first = candidates[0]
    twins = sum(candidate.exact for candidate in candidates)
    if twins == 1:
        return Judgement(1.0, 1.0, "answer", "the message is a stored question")
    if twins:
        return Judgement(1 / twins, 1.0, "choose", "several entries store this very question")
    model = MODELS[first.ranked.legs]
    found = features(text, candidates)
    right, on_topic = _logistic(model.right, found), _logistic(model.on_topic, found)
    right = min(right, on_topic)  # a right answer is on topic
    if on_topic < model.refuse:
        return Judgement(right, on_topic, "abstain", f"on topic only at {on_topic:.0%}")
    if right >= model.answer:
        return Judgement(right, on_topic, "answer", f"right at {right:.0%}")
    return Judgement(right, on_topic, "choose", f"on topic at {on_topic:.0%}, but the first is right only at {right:.0%}")


def features(text: str, candidates: Sequence[Candidate]) -> list[float]:
    """Measure what the models of the first candidate's legs weigh."""
    first = candidates[0].ranked
    second = candidates[1].ranked.rank_score if len(candidates) > 1 else 0.0
    length = math.log1p(len(words(text)))
    evidence = [first.words * length, first.coverage, first.known, length]
    if first.legs == "dense":
        return [first.score, first.score - second]
    if first.legs == "lexical":
        return [*evidence, (first.rank_score - second) / max(first.rank_score, 1e-9)]
    return [first.score, first.answer, first.rank_score - second, *evidence]


def _logistic(weights: Sequence[float], found: Sequence[float]) -> float:
    total = weights[0] + sum(weight * value for weight, value in zip(weights[1:], found, strict=True))
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, total))))
