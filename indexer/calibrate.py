"""Calibration: one model for all sheets, adapted to this one, and thresholds for the risk that its owner states.

Without judged messages the index rehearses with its own sheet, and the thresholds are an estimate. With them the
models are cross-fitted: what sets the thresholds is what each message gets from models that have not seen it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from indexer.confidence import CLOSE, ON_TOPIC, RIGHT, SCORES, Calibration, Model, Pair, lead, measures, probabilities
from indexer.legs import Legs
from indexer.manifest import Manifest
from indexer.publish import Material
from indexer.rehearse import Kind, Trial, rehearse
from indexer.thresholds import answer_from, needed, refuse_below

BASE = Path(__file__).with_name("base.json")  # written by benchmarks/fit_confidence.py
RISK = 0.05  # wrong answers among those given, where the owner states nothing
REFUSE = 0.5  # probability of being on topic, where no judged messages set it
FOLDS = 10  # of the cross-fit
ENOUGH = 50  # wordings of a leg, below which they say too little to adapt to
WEIGHTS: Mapping[Kind, float] = {"wording": 300.0, "entry": 50.0, "elsewhere": 50.0}
ENOUGH_OTHERS = 20  # messages about other things, below which they say too little of a pair of languages
TRUST, TRUST_OF_SHEET = 10.0, 30.0  # in the model at hand, against judged messages and against the rehearsal
FLOORS = {"rank": 0.06, "known": 0.06, "coverage": 0.06}  # least spread of a score that counts as one unit
FLOOR = 0.02
NORMAL = 1.349  # interquartile range of a normal distribution of spread 1

Floats = NDArray[np.float64]
Key = tuple[str, Pair]


@dataclass(frozen=True, slots=True)
class Unit:
    """A leg's scores in the unit of its sheet: from raw measures, (n, names), and back into raw weights."""

    centre: Floats
    spread: Floats

    def of(self, found: Floats) -> Floats:
        """Put measures into the unit."""
        return (found - self.centre) / self.spread

    def raw(self, weights: Floats) -> list[float]:
        """Give the weights for measures as they are."""
        slopes = weights[1:] / self.spread
        return [round(float(weight), 6) for weight in (weights[0] - slopes @ self.centre, *slopes)]


def fit(
    material: Material, legs: Legs, facts: Manifest, judged: Sequence[Trial] = (), risk: float = RISK
) -> Calibration:
    """Calibrate an index; `judged` are messages with a judgement, those equal to a stored question left out."""
    rehearsed = rehearse(material, legs, facts)
    fitted = {(leg, pair): _Leg(leg, pair, rehearsed) for leg in RIGHT for pair in get_args(Pair)}
    known = Calibration(
        models={" ".join(key): found.model() for key, found in fitted.items()},
        refuse=REFUSE,
        answer=max(0.5, 1 - 4 * risk),  # each answer's own risk; their mean is far below (benchmarks/README.md)
        risk=risk,
        promised=False,
        missing=needed(0.0, risk, 2),
        fingerprint=facts.fingerprint,
        retrieval=facts.retrieval,
        corpus=facts.corpus,
    )
    judged = [trial for trial in judged if trial.ranked]
    return _with_judgements(known, fitted, judged) if judged else known


class _Leg:
    """Two models of a leg and a pair of languages, in the sheet's unit; adapted to what rehearsal holds enough of."""

    def __init__(self, leg: str, pair: Pair, rehearsed: Mapping[Kind, Sequence[Trial]]) -> None:
        self.leg, self.key = leg, (leg, pair)
        self.base = base_of(leg, pair)
        here = {kind: [trial for trial in trials if key_of(trial) == self.key] for kind, trials in rehearsed.items()}
        others = others_of(rehearsed["elsewhere"], leg, pair)
        self.units = {name: unit_of(names, others) for name, names in self._names().items()}
        self.weights = {name: np.array(self.base[name]["weights"]) for name in self.units}
        if len(here["wording"]) >= ENOUGH:
            trials = [trial for kind in WEIGHTS for trial in here[kind]]
            shares = [np.full(len(here[kind]), WEIGHTS[kind] / max(1, len(here[kind]))) for kind in WEIGHTS]
            self.weights = self.adapted(trials, np.concatenate(shares), TRUST_OF_SHEET)

    def adapted(self, trials: Sequence[Trial], shares: Floats, trust: float) -> dict[str, Floats]:
        """Adapt both models to some trials, each with its weight."""
        truth = {"right": [trial.right for trial in trials], "on_topic": [trial.on_topic for trial in trials]}
        return {
            name: adapt(
                self.weights[name],
                np.array(self.base[name]["spreads"]),
                unit.of(measured(trials, self._names()[name])),
                np.array(truth[name], dtype=np.float64),
                shares,
                trust,
            )
            for name, unit in self.units.items()
        }

    def model(self, weights: Mapping[str, Floats] | None = None) -> Model:
        """Give the models for measures as they are."""
        taken = weights or self.weights
        return Model(self.units["right"].raw(taken["right"]), self.units["on_topic"].raw(taken["on_topic"]))

    def learned(self, trials: Sequence[Trial]) -> Model:
        """Give the models adapted to judged messages."""
        own = [trial for trial in trials if key_of(trial) == self.key]
        return self.model(self.adapted(own, np.ones(len(own)), TRUST)) if own else self.model()

    def _names(self) -> dict[str, Sequence[str]]:
        return {"right": RIGHT[self.leg], "on_topic": ON_TOPIC[self.leg]}


def _with_judgements(known: Calibration, fitted: Mapping[Key, _Leg], judged: Sequence[Trial]) -> Calibration:
    """Learn from judged messages, and set the thresholds on what models say that had not seen them."""
    folds = np.random.default_rng(0).permutation(len(judged)) % FOLDS
    found = np.zeros((len(judged), 2))  # right, on topic
    for fold in range(FOLDS):
        seen = [trial for trial, number in zip(judged, folds, strict=True) if number != fold]
        models = {key: one.learned(seen) for key, one in fitted.items()}
        for at in np.flatnonzero(folds == fold).tolist():
            found[at] = probabilities(judged[at].text, judged[at].ranked, models[key_of(judged[at])])
    on_topic, right = (np.array([getattr(trial, name) for trial in judged]) for name in ("on_topic", "right"))
    known = replace(
        known,
        models={" ".join(key): one.learned(judged) for key, one in fitted.items()},
        judged=len(judged),
        refuse=refuse_below(found[:, 1], on_topic, known.refuse),
    )
    ahead = np.array([lead(trial.ranked) for trial in judged])
    twins = np.array([trial.twin for trial in judged])
    given = np.flatnonzero((found[:, 1] >= known.refuse) & (ahead >= CLOSE) & ~twins)
    order = given[np.argsort(-found[given, 0], kind="stable")]
    return replace(known, **answer_from(found[order, 0], right[order], on_topic[order], known, int(on_topic.sum())))


def unit_of(names: Sequence[str], elsewhere: Sequence[Trial]) -> Unit:
    """Measure what messages about other things get: the middle is 0, the spread of the middle half is 1."""
    centre, spread = np.zeros(len(names)), np.ones(len(names))
    found = measured(elsewhere, names)
    for at, name in enumerate(names):
        if name in SCORES and len(found):
            low, middle, high = np.quantile(found[:, at], (0.25, 0.5, 0.75))
            centre[at], spread[at] = middle, (high - low) / NORMAL + FLOORS.get(name, FLOOR)
    return Unit(centre, spread)


def measured(trials: Sequence[Trial], names: Sequence[str]) -> Floats:
    """Measure some trials, (trials, names)."""
    found = [measures(trial.text, trial.ranked) for trial in trials]
    return np.array([[one[name] for name in names] for one in found], dtype=np.float64).reshape(-1, len(names))


def adapt(weights: Floats, spreads: Floats, found: Floats, truth: Floats, shares: Floats, trust: float) -> Floats:
    """Fit a logistic model, constant first, by Newton's method under a normal prior around given weights.

    A weight's prior has the precision `trust` for a measure of spread 1; the constant's is 1.
    """
    inputs = np.hstack([np.ones((len(found), 1)), found])
    precision = np.concatenate([[1.0], trust * spreads**2])
    fitted = weights.astype(np.float64)
    for _ in range(50):
        expected = 1 / (1 + np.exp(-np.clip(inputs @ fitted, -30, 30)))
        slope = inputs.T @ (shares * (expected - truth)) + precision * (fitted - weights)
        curve = (inputs * (shares * expected * (1 - expected))[:, None]).T @ inputs + np.diag(precision)
        step = np.linalg.solve(curve, slope)
        fitted = fitted - np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-8:
            break
    return fitted


@cache
def base() -> Any:
    """Read the model for all sheets: by leg and target its weights, and the spreads of the measures behind them."""
    return json.loads(BASE.read_text("utf-8"))


def base_of(leg: str, pair: Pair) -> Any:
    """Give the model for all sheets of a leg and a pair of languages; across languages one serves both ways."""
    kind = "across" if "-" in pair else pair
    return base().get(f"{leg} {kind}") or base()[leg]


def others_of(elsewhere: Sequence[Trial], leg: str, pair: Pair) -> list[Trial]:
    """Choose the messages about other things that a unit is measured on: those of the pair, if there are enough.

    In a sheet in two languages few find a question in the other one; then all in the message's language are taken.
    """
    own = [trial for trial in elsewhere if key_of(trial) == (leg, pair)]
    if len(own) >= ENOUGH_OTHERS:
        return own
    near = [trial for trial in elsewhere if key_of(trial)[0] == leg and trial.pair[:2] == pair[:2]]
    return near or [trial for trial in elsewhere if key_of(trial)[0] == leg]


def key_of(trial: Trial) -> Key:
    """Name the leg that ranked a message first, and the pair of languages."""
    return (trial.ranked[0].legs if trial.ranked else "", trial.pair)
