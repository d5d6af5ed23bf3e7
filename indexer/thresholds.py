"""Thresholds: from which probability on an answer is given, so that few enough of them are wrong.

The lowest whose risk is bounded by the exact interval of Clopper and Pearson, looked at along two sequences of falling
thresholds, each with half the confidence: fixed sequence testing as in Learn then Test (Angelopoulos and others 2021,
arXiv:2110.01052). Where no threshold is, an estimate, and what it lacks.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.confidence import Calibration
from indexer.significance import upper_bound

DELTA = 0.1  # the promise fails for one sample of judged messages in ten at most
GROWTH = 1.05  # from one point of the grid to the next
DOUBT = 0.3  # of an estimate: likelier kept than not
MOST = 20  # times as many judged messages: beyond that it is not messages that are missing
SURE = 0.999  # the threshold where nothing that the models said was right often enough

Floats = NDArray[np.float64]


def refuse_below(found: Floats, on_topic: NDArray[np.bool_], otherwise: float) -> float:
    """Refuse where that loses as few on-topic messages as it spares off-topic ones: the greatest sum of both shares.

    Too few of either say nothing.
    """
    on, off = np.sort(found[on_topic]), np.sort(found[~on_topic])
    if min(len(on), len(off)) < 20:
        return otherwise
    grid = np.arange(0.05, 0.96, 0.01)
    kept, refused = 1 - np.searchsorted(on, grid) / len(on), np.searchsorted(off, grid) / len(off)
    return round(float(grid[np.argmax(kept + refused)]), 4)


def answer_from(
    sure: Floats, right: NDArray[np.bool_], on_topic: NDArray[np.bool_], known: Calibration, most: int
) -> dict[str, Any]:
    """Find the lowest threshold whose risk is bounded; `sure` descends; `most` messages are on topic."""
    counts = grid_of(sure, known.risk)
    best: dict[str, Any] = {}
    expected = sum(count <= _expected(sure, known.risk) for count in counts)
    for start in {0, max(0, expected - 1)}:
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
    most_answers = int((sure >= known.answer).sum())
    wrong = np.cumsum(~right).tolist()
    ends = [n for n in range(most_answers, 0, -1) if n == len(sure) or sure[n] < sure[n - 1]]
    count = next((n for n in ends if upper_bound(wrong[n - 1], n, DOUBT) <= known.risk), 0)
    found = _facts(right[:count], on_topic[:count], DELTA / 2, most)
    # What is missing is told from the part of the answers that went best, of twenty at least.
    best = min(range(min(20, len(sure)), len(sure) + 1), key=lambda n: (wrong[n - 1] / n if n else 1.0, -n))
    lacking = needed(wrong[best - 1] / best if best else 0.0, known.risk, 2)
    missing = max(1, round(lacking * known.judged / max(1, best)) - known.judged) if lacking else 0
    missing = missing if missing <= MOST * known.judged else 0
    return {"answer": round(float(sure[count - 1]), 6) if count else SURE, "missing": missing, **found}


def _expected(sure: Floats, risk: float) -> int:
    """Count the answers that the models themselves expect to keep half the risk: a start that looks at no judgement."""
    return int((np.cumsum(1 - sure) / np.arange(1, len(sure) + 1) <= risk / 2).sum())


def _facts(right: NDArray[np.bool_], on_topic: NDArray[np.bool_], delta: float, most: int) -> dict[str, Any]:
    """Count some answers, bound their risk, and give the share of the on-topic messages that got one."""
    wrong = int((~right).sum())
    bound = upper_bound(wrong, len(right), delta) if len(right) else 1.0
    coverage = round(int(on_topic.sum()) / max(1, most), 4)
    return {"answered": len(right), "wrong": wrong, "bound": round(bound, 4), "coverage": coverage}


def grid_of(sure: Floats, risk: float) -> list[int]:
    """Give the numbers of answers at which the bound is looked at: from the fewest that could keep a risk."""
    found, count = [], needed(0.0, risk, 2)
    while count < len(sure):
        while count < len(sure) and sure[count] == sure[count - 1]:
            count += 1  # one threshold, one decision
        found.append(count)
        count = max(count + 1, round(count * GROWTH))
    return found + ([len(sure)] if count - 1 < len(sure) * GROWTH and found else [])


def needed(rate: float, risk: float, looks: int) -> int:
    """Give the least number of answers, this share of them wrong, that keep a risk; 0: no number does."""
    count = 10
    while count < 100_000:
        if upper_bound(round(rate * count), count, DELTA / looks) <= risk:
            return count
        count += max(1, count // 100)
    return 0
