"""Calibration: one model for all sheets, adapted to this one, and thresholds for the risk that its owner states.

Without judged messages the index rehearses with its own sheet, and the thresholds are an estimate. With them the
models are cross-fitted, and the threshold of an answer is the lowest whose risk is bounded by the exact interval of
Clopper and Pearson, looked at along two sequences of falling thresholds, each with half the confidence: fixed sequence
testing as in Learn then Test (Angelopoulos and others 2021, arXiv:2110.01052).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.confidence import CLOSE, ON_TOPIC, RIGHT, SCORES, Calibration, Model, lead, measures, probabilities
from indexer.legs import Legs
from indexer.manifest import Manifest
from indexer.publish import Material
from indexer.rehearse import Kind, Trial, rehearse

BASE = Path(__file__).with_name("base.json")  # written by benchmarks/fit_confidence.py
RISK = 0.05  # wrong answers among those given, where the owner states nothing
REFUSE = 0.5  # probability of being on topic, where no judged messages set it
DELTA = 0.1  # the promise fails for one sample of judged messages in ten at most
FOLDS, GROWTH = 10, 1.05  # of the cross-fit; from one point of the grid to the next
ENOUGH = 50  # wordings of a leg, below which they say too little to adapt to
WEIGHTS: Mapping[Kind, float] = {"wording": 300.0, "entry": 50.0, "elsewhere": 50.0}
TRUST, TRUST_OF_SHEET = 10.0, 30.0  # in the model at hand, against judged messages and against the rehearsal
FLOORS = {"rank": 0.06, "known": 0.06, "coverage": 0.06}  # least spread of a score that counts as one unit
FLOOR = 0.02
DOUBT = 0.3  # of an estimate: likelier kept than not
MOST = 20  # times as many judged messages: beyond that it is not messages that are missing
SURE = 0.999  # the threshold where nothing that the models said was right often enough
NORMAL = 1.349  # interquartile range of a normal distribution of spread 1

Floats = NDArray[np.float64]


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
    fitted = {leg: _Leg(leg, rehearsed) for leg in RIGHT}
    known = Calibration(
        models={leg: found.model() for leg, found in fitted.items()},
        refuse=REFUSE,
        answer=max(0.5, 1 - 4 * risk),  # each answer's own risk; their mean is far below (benchmarks/README.md)
        risk=risk,
        promised=False,
        missing=_needed(0.0, risk, 2),
        fingerprint=facts.fingerprint,
        retrieval=facts.retrieval,
        corpus=facts.corpus,
    )
    judged = [trial for trial in judged if trial.ranked]
    return _with_judgements(known, fitted, judged) if judged else known


class _Leg:
    """One leg's two models in the sheet's unit, adapted to the rehearsal where it holds enough."""

    def __init__(self, leg: str, rehearsed: Mapping[Kind, Sequence[Trial]]) -> None:
        self.leg = leg
        here = {kind: [trial for trial in trials if _leg(trial) == leg] for kind, trials in rehearsed.items()}
        self.units = {name: unit_of(names, here["elsewhere"]) for name, names in self._names().items()}
        self.weights = {name: np.array(base()[leg][name]["weights"]) for name in self.units}
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
                np.array(base()[self.leg][name]["spreads"]),
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
        own = [trial for trial in trials if _leg(trial) == self.leg]
        return self.model(self.adapted(own, np.ones(len(own)), TRUST)) if own else self.model()

    def _names(self) -> dict[str, Sequence[str]]:
        return {"right": RIGHT[self.leg], "on_topic": ON_TOPIC[self.leg]}


def _with_judgements(known: Calibration, fitted: Mapping[str, _Leg], judged: Sequence[Trial]) -> Calibration:
    """Learn from judged messages, and set the thresholds on what models say that had not seen them."""
    folds = np.random.default_rng(0).permutation(len(judged)) % FOLDS
    found = np.zeros((len(judged), 2))  # right, on topic
    for fold in range(FOLDS):
        seen = [trial for trial, number in zip(judged, folds, strict=True) if number != fold]
        models = {leg: one.learned(seen) for leg, one in fitted.items()}
        for at in np.flatnonzero(folds == fold).tolist():
            found[at] = probabilities(judged[at].text, judged[at].ranked, models[_leg(judged[at])])
    on_topic, right = (np.array([getattr(trial, name) for trial in judged]) for name in ("on_topic", "right"))
    known = replace(
        known,
        models={leg: one.learned(judged) for leg, one in fitted.items()},
        judged=len(judged),
        refuse=_refuse(found[:, 1], on_topic, known.refuse),
    )
    ahead = np.array([lead(trial.ranked) for trial in judged])
    twins = np.array([trial.twin for trial in judged])
    given = np.flatnonzero((found[:, 1] >= known.refuse) & (ahead >= CLOSE) & ~twins)
    order = given[np.argsort(-found[given, 0], kind="stable")]
    return replace(known, **_answer(found[order, 0], right[order], on_topic[order], known, int(on_topic.sum())))


def _refuse(found: Floats, on_topic: NDArray[np.bool_], otherwise: float) -> float:
    """Refuse where that loses as few on-topic messages as it spares off-topic ones: the greatest sum of both shares.

    Too few of either say nothing.
    """
    on, off = np.sort(found[on_topic]), np.sort(found[~on_topic])
    if min(len(on), len(off)) < 20:
        return otherwise
    grid = np.arange(0.05, 0.96, 0.01)
    kept, refused = 1 - np.searchsorted(on, grid) / len(on), np.searchsorted(off, grid) / len(off)
    return round(float(grid[np.argmax(kept + refused)]), 4)


def _answer(
    sure: Floats, right: NDArray[np.bool_], on_topic: NDArray[np.bool_], known: Calibration, most: int
) -> dict[str, Any]:
    """Find the lowest threshold whose risk is bounded; `sure` descends; `most` messages are on topic."""
    counts = _grid(sure, known.risk)
    best: dict[str, Any] = {}
    for start in {0, int((np.array(counts) <= _expected(sure, known.risk)).sum())}:
        for count in counts[start:]:  # a sequence ends where it first fails, so its tests need share nothing
            found = _facts(right[:count], on_topic[:count], DELTA / 2, most)
            if found["bound"] > known.risk:
                break
            if count > best.get("answered", 0):
                best = {"answer": round(float(sure[count - 1]), 6), "promised": True, "missing": 0, **found}
    return best or _estimate(sure, right, on_topic, known, most)


def _estimate(
    sure: Floats, right: NDArray[np.bool_], on_topic: NDArray[np.bool_], known: Calibration, most: int
) -> dict[str, Any]:
    """Take the sheet's threshold, or a higher one where the judged messages speak against it; promise nothing."""
    from indexer.significance import upper_bound

    most_answers = int((sure >= known.answer).sum())
    wrong = np.cumsum(~right).tolist()
    ends = [n for n in range(most_answers, 0, -1) if n == len(sure) or sure[n] < sure[n - 1]]
    count = next((n for n in ends if upper_bound(wrong[n - 1], n, DOUBT) <= known.risk), 0)
    found = _facts(right[:count], on_topic[:count], DELTA / 2, most)
    # What is missing is told from the part of the answers that went best, of twenty at least.
    best = min(range(min(20, len(sure)), len(sure) + 1), key=lambda n: (wrong[n - 1] / n if n else 1.0, -n))
    needed = _needed(wrong[best - 1] / best if best else 0.0, known.risk, 2)
    missing = max(1, round(needed * known.judged / max(1, best)) - known.judged) if needed else 0
    missing = missing if missing <= MOST * known.judged else 0
    return {"answer": round(float(sure[count - 1]), 6) if count else SURE, "missing": missing, **found}


def _expected(sure: Floats, risk: float) -> int:
    """Count the answers that the models themselves expect to keep half the risk: a start that looks at no judgement."""
    return int((np.cumsum(1 - sure) / np.arange(1, len(sure) + 1) <= risk / 2).sum())


def _facts(right: NDArray[np.bool_], on_topic: NDArray[np.bool_], delta: float, most: int) -> dict[str, Any]:
    """Count some answers, bound their risk, and give the share of the on-topic messages that got one."""
    from indexer.significance import upper_bound

    wrong = int((~right).sum())
    bound = upper_bound(wrong, len(right), delta) if len(right) else 1.0
    coverage = round(int(on_topic.sum()) / max(1, most), 4)
    return {"answered": len(right), "wrong": wrong, "bound": round(bound, 4), "coverage": coverage}


def _grid(sure: Floats, risk: float) -> list[int]:
    """Give the numbers of answers at which the bound is looked at: from the fewest that could keep a risk."""
    found, count = [], _needed(0.0, risk, 2)
    while count < len(sure):
        while count < len(sure) and sure[count] == sure[count - 1]:
            count += 1  # one threshold, one decision
        found.append(count)
        count = max(count + 1, round(count * GROWTH))
    return found + ([len(sure)] if count - 1 < len(sure) * GROWTH and found else [])


def _needed(rate: float, risk: float, looks: int) -> int:
    """Give the least number of answers, this share of them wrong, that keep a risk; 0: no number does."""
    from indexer.significance import upper_bound

    count = 10
    while count < 100_000:
        if upper_bound(round(rate * count), count, DELTA / looks) <= risk:
            return count
        count += max(1, count // 100)
    return 0


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


def _leg(trial: Trial) -> str:
    return trial.ranked[0].legs if trial.ranked else ""
