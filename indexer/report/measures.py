"""What the report shows, as numbers: from the results of a run to curves."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.evaluate import DEPTH, Result
from indexer.significance import clopper_pearson

Numbers = NDArray[np.float64]
BINS = 10


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many, with the exact interval of Clopper and Pearson (doi:10.1093/biomet/26.4.404)."""

    part: int
    whole: int

    @property
    def value(self) -> float:
        """The share, 0 of none."""
        return self.part / self.whole if self.whole else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval."""
        return clopper_pearson(self.part, self.whole, 0.95)


@dataclass(frozen=True, slots=True)
class Curve:
    """A line of points and the one number that sums it up."""

    x: Numbers
    y: Numbers
    area: float
    cuts: Numbers  # the threshold at each point


@dataclass(frozen=True, slots=True)
class Bin:
    """Messages of like probability: the mean of it, and how many of them were right."""

    mean: float
    right: Share


def on_topic(results: Sequence[Result]) -> list[Result]:
    """Give the results of the messages that some entry answers."""
    return [result for result in results if result.query.on_topic]


def off_topic(results: Sequence[Result]) -> list[Result]:
    """Give the results of the messages that no entry answers."""
    return [result for result in results if not result.query.on_topic]


def missed(results: Sequence[Result]) -> list[Result]:
    """Give the messages whose first entry is wrong, the surest first."""
    wrong = [result for result in on_topic(results) if not result.right(1)]
    return sorted(wrong, key=lambda result: -result.judgement.probability)


def answered(results: Sequence[Result]) -> list[Result]:
    """Give the messages that get an answer."""
    return [result for result in results if result.judgement.decision == "answer"]


def success(results: Sequence[Result]) -> list[Share]:
    """Count, for k = 1 to 10, the on-topic messages with a right entry among the first k."""
    on = on_topic(results)
    return [Share(sum(result.right(k) for result in on), len(on)) for k in range(1, DEPTH + 1)]


def reliability(results: Sequence[Result], bins: int = BINS) -> tuple[list[Bin], float]:
    """Compare the probability of being right with how often it was, in bins of equal count; and give the ECE.

    Expected calibration error: Naeini, Cooper and Hauskrecht 2015 (doi:10.1609/aaai.v29i1.9602).
    """
    if not results:
        return [], 0.0
    ordered = sorted(results, key=lambda result: result.judgement.probability)
    parts: list[Any] = np.array_split(np.arange(len(ordered)), max(1, min(bins, len(ordered) // 5)))
    found = []
    for part in parts:
        members = [ordered[i] for i in part]
        mean = float(np.mean([member.judgement.probability for member in members]))
        found.append(Bin(mean, Share(sum(member.right(1) for member in members), len(members))))
    gap = sum(each.right.whole * abs(each.mean - each.right.value) for each in found) / len(ordered)
    return found, gap


def risk_coverage(results: Sequence[Result]) -> Curve:
    """Give the share of wrong answers (y) as more messages are answered (x), the surest first; area is AURC.

    Geifman and El-Yaniv 2017 (arXiv:1705.08500). An answer to an off-topic message is wrong. Equal probabilities
    are answered together.
    """
    scores = np.array([result.judgement.probability for result in results])
    wrong = np.array([not result.right(1) for result in results], dtype=np.float64)
    cuts, given, total = _cumulated(scores, wrong)
    risk = total / given
    area = float((risk * np.diff(given, prepend=0)).sum() / len(results))
    return Curve(given / len(results), risk, area, cuts)


def roc(results: Sequence[Result]) -> Curve:
    """Give the share of on-topic messages kept (y) by that of off-topic ones kept (x); area is AUROC."""
    scores = np.array([result.judgement.on_topic for result in results])
    on = np.array([result.query.on_topic for result in results], dtype=np.float64)
    cuts, given, kept = _cumulated(scores, on)
    x = np.concatenate([[0.0], (given - kept) / (1 - on).sum()])
    y = np.concatenate([[0.0], kept / on.sum()])
    return Curve(x, y, float(np.trapezoid(y, x)), np.concatenate([[np.inf], cuts]))


def plane(vectors: NDArray[np.float32]) -> tuple[Numbers, Numbers]:
    """Give the mean (dim,) and the two directions (dim, 2) in which vectors differ most (principal components).

    Each points to where its largest weight is positive, so that equal vectors give equal maps.
    """
    mean = vectors.mean(axis=0, dtype=np.float64)
    _, _, directions = np.linalg.svd(vectors - mean, full_matrices=False)
    axes = np.zeros((2, vectors.shape[1]))
    axes[: len(directions[:2])] = directions[:2]
    largest = np.abs(axes).argmax(axis=1)
    axes *= np.where(axes[[0, 1], largest] < 0, -1.0, 1.0)[:, None]
    return mean, axes.T


def _cumulated(scores: Numbers, marked: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Give the distinct scores, highest first, with how many are at or above each and how many of those are marked."""
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.diff(scores[order], append=-np.inf))
    return scores[order][last], (last + 1).astype(np.float64), marked[order].cumsum()[last]
