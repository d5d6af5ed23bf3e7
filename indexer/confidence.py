"""Confidence: how likely the first candidate is right, how likely the message is on topic, and what to do.

Two logistic models a leg over a few measures, fitted on the dev messages of data/queries.csv by
benchmarks/fit_confidence.py. The thresholds hold for that sheet: on another, the order of the probabilities holds,
not their size.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from indexer.retrieve import Candidate
from indexer.words import words

Decision = Literal["answer", "choose", "abstain"]
Rule = Literal["same-question", "same-question-twice", "nothing-shared", "off-topic", "unsure", "close", "sure"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the candidates of a message are worth."""

    probability: float  # that the first candidate is right
    on_topic: float  # that some entry answers the message
    decision: Decision
    rule: Rule  # which rule decided, for the trace


@dataclass(frozen=True, slots=True)
class Model:
    """Logistic models over the features of one leg, constant first, and their thresholds."""

    right: tuple[float, ...]
    on_topic: tuple[float, ...]
    refuse: float  # probability of being on topic below which nothing is given
    answer: float  # probability of being right from which the first candidate is given


CLOSE = 0.02  # the lead of the first below which the best two are shown, however good they are
# Printed by benchmarks/fit_confidence.py.
MODELS: dict[str, Model] = {
    "dense": Model((-3.08, 3.33, 7.95, -2.35), (-2.14, 7.03, 2.08, -3.01), 0.70, 0.50),
    "lexical": Model((-4.68, 0.22, 5.82, -2.87, 4.23, 0.39), (-4.05, -0.06, 1.91, -3.49, 5.7, 1.09), 0.72, 0.60),
    "dense+lexical": Model((-3.18, 3.1, 7.5, -2.26), (-2.14, 5.04, 3.77, -2.86), 0.69, 0.54),
}


def judge(text: str, candidates: Sequence[Candidate]) -> Judgement:
    """Judge the candidates of a message, best first."""
    if not candidates:
        return Judgement(0.0, 0.0, "abstain", "nothing-shared")
    twins = sum(candidate.exact for candidate in candidates)
    if twins == 1:
        return Judgement(1.0, 1.0, "answer", "same-question")
    if twins:
        return Judgement(1 / twins, 1.0, "choose", "same-question-twice")
    model = MODELS[candidates[0].ranked.legs]
    found = features(text, candidates)
    on_topic = _logistic(model.on_topic, found)
    right = min(_logistic(model.right, found), on_topic)  # a right answer is on topic
    return Judgement(right, on_topic, *_decide(model, right, on_topic, lead(candidates)))


def features(text: str, candidates: Sequence[Candidate]) -> list[float]:
    """Measure the first's score and lead and whether the message names something from elsewhere.

    Where words alone rank, what the sheet knows of the message and its length say more than their score.
    """
    first = candidates[0].ranked
    found = [first.rank_score, lead(candidates), float(first.foreign)]
    if first.legs == "lexical":
        found += [first.known, math.log1p(len(words(text)))]
    return found


def lead(candidates: Sequence[Candidate]) -> float:
    """Give the first candidate's lead over the second as a share of its score, 0 to 1; 1 without a second."""
    first, second = (
        candidates[0].ranked.rank_score,
        candidates[1].ranked.rank_score if len(candidates) > 1 else 0.0,
    )
    return min(1.0, (first - second) / first) if first > 0 else 0.0


def _decide(model: Model, right: float, on_topic: float, ahead: float) -> tuple[Decision, Rule]:
    if on_topic < model.refuse:
        return "abstain", "off-topic"
    if right < model.answer:
        return "choose", "unsure"
    if ahead < CLOSE:
        return "choose", "close"
    return "answer", "sure"


def _logistic(weights: Sequence[float], found: Sequence[float]) -> float:
    total = weights[0] + sum(weight * value for weight, value in zip(weights[1:], found, strict=True))
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, total))))
