"""Significance: how far figures of a few hundred queries can be trusted, and whether two of them differ.

Methods that assume nothing of the distribution, all with a fixed seed, so that the same figures give the same verdict.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

CELLS = 1 << 20  # numbers drawn at a time, whatever the number of values
ENUMERATED = 12  # pairs whose signs are all tried rather than drawn


def clopper_pearson(wrong: int, total: int, level: float = 0.95) -> tuple[float, float]:
    """Bound a share from both sides: the exact interval, (0, 1) where nothing was counted.

    Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404.
    """
    tail = (1 - level) / 2
    return 1 - upper_bound(total - wrong, total, tail), upper_bound(wrong, total, tail)


def upper_bound(wrong: int, total: int, delta: float) -> float:
    """Bound a share from above, with probability 1 - delta at least: the one-sided bound of Clopper and Pearson.

    The share at which so few wrong ones, or fewer, would come about with probability delta only; 1 where all are wrong.
    """
    if not 0 <= wrong <= total:
        raise ValueError(f"{wrong} wrong of {total}")
    if wrong == total:
        return 1.0
    if not wrong:
        return float(1 - delta ** (1 / total))
    from scipy.special import betaincinv

    return float(betaincinv(wrong + 1, total - wrong, 1 - delta))


def bootstrap(values: ArrayLike, level: float = 0.95, draws: int = 10_000, seed: int = 0) -> tuple[float, float]:
    """Give the percentile bootstrap interval of the mean of values (n,); (0, 0) of none.

    Efron 1979, doi:10.1214/aos/1176344552. How often each distinct value is drawn decides the mean, so it is these
    counts that are drawn.
    """
    distinct, times = np.unique(np.asarray(values, dtype=np.float64), return_counts=True)
    total = int(times.sum())
    if not total:
        return 0.0, 0.0
    random = np.random.default_rng(seed)
    shares = times / total
    means = [random.multinomial(total, shares, size) @ distinct / total for size in _parts(draws, len(distinct))]
    return percentiles(np.concatenate(means), level)


def percentiles(drawn: ArrayLike, level: float) -> tuple[float, float]:
    """Give the ends of the middle part of drawn figures, as a level such as 0.95 states it."""
    tail = (1 - level) / 2
    low, high = np.quantile(np.asarray(drawn), [tail, 1 - tail])
    return float(low), float(high)


def permutation(one: ArrayLike, other: ArrayLike, draws: int = 10_000, seed: int = 0) -> float:
    """Give the two-sided p of the difference of two means over the same queries, both (n,).

    Fisher's randomization test, as Smucker, Allan and Carterette 2007 (doi:10.1145/1321440.1321528) advise for
    retrieval: were both alike, each difference could as well have the other sign. Up to 12 pairs that differ, all
    signs are tried; beyond, `draws` of them, and the observed ones count as one more, so that p is never 0.
    """
    differences = np.asarray(one, dtype=np.float64) - np.asarray(other, dtype=np.float64)
    differences = differences[differences != 0]
    # A little less than observed: the same numbers summed in another order differ in their last digits.
    least = abs(differences.sum()) - 1e-9 * np.abs(differences).sum()
    if len(differences) <= ENUMERATED:
        return float(np.mean(np.abs(_all_signs(len(differences)) @ differences) >= least))
    sizes, times = np.unique(np.abs(differences), return_counts=True)
    random = np.random.default_rng(seed)
    reached = 1
    for part in _parts(draws, len(sizes)):
        positive = random.binomial(times, 0.5, (part, len(sizes)))
        reached += int(np.sum(np.abs((2 * positive - times) @ sizes) >= least))
    return reached / (draws + 1)


def holm(found: Sequence[float]) -> list[float]:
    """Correct several p, given in any order: the chance that any falls below a level by accident stays below it.

    Holm 1979, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6(2).
    """
    corrected, highest = [0.0] * len(found), 0.0
    for tested, at in enumerate(sorted(range(len(found)), key=found.__getitem__)):
        highest = max(highest, min(1.0, found[at] * (len(found) - tested)))
        corrected[at] = highest
    return corrected


def _all_signs(pairs: int) -> NDArray[np.int64]:
    return 2 * (np.arange(1 << pairs)[:, None] >> np.arange(pairs) & 1) - 1


def _parts(draws: int, width: int) -> Iterator[int]:
    step = max(1, CELLS // width)
    for start in range(0, draws, step):
        yield min(step, draws - start)
