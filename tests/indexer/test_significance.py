"""Intervals and tests against exact ones: binomial tails, all samples of three values, all signs."""

from itertools import product
from math import comb

import numpy as np
import pytest

from indexer import significance
from indexer.significance import bootstrap, clopper_pearson, holm, permutation, upper_bound

COUNTS = [(0, 1), (0, 10), (1, 10), (3, 7), (17, 400), (9, 10)]


def at_most(wrong, total, share):
    """The chance of so few wrong ones or fewer."""
    return sum(comb(total, k) * share**k * (1 - share) ** (total - k) for k in range(wrong + 1))


@pytest.mark.parametrize(("wrong", "total"), COUNTS)
@pytest.mark.parametrize("delta", [0.05, 0.1, 1e-6])
def test_upper_bound_leaves_delta_below(wrong, total, delta):
    assert at_most(wrong, total, upper_bound(wrong, total, delta)) == pytest.approx(delta, rel=1e-6)


@pytest.mark.parametrize(("wrong", "total"), COUNTS[1:])
def test_clopper_pearson_leaves_half_of_the_rest_on_each_side(wrong, total):
    low, high = clopper_pearson(wrong, total, 0.9)
    assert at_most(wrong, total, high) == pytest.approx(0.05, rel=1e-6)
    if wrong:
        assert 1 - at_most(wrong - 1, total, low) == pytest.approx(0.05, rel=1e-6)
    else:
        assert low == 0.0


def test_bounds_where_none_or_all_are_wrong():
    assert clopper_pearson(0, 0) == (0.0, 1.0)
    assert clopper_pearson(0, 20) == (0.0, pytest.approx(1 - 0.025 ** (1 / 20)))
    assert clopper_pearson(20, 20) == (pytest.approx(0.025 ** (1 / 20)), 1.0)
    assert upper_bound(0, 59, 0.05) < 0.05 < upper_bound(0, 58, 0.05)  # the 59 of the rule of three
    assert upper_bound(5, 5, 0.05) == upper_bound(0, 0, 0.05) == 1.0
    with pytest.raises(ValueError, match="3 wrong of 2"):
        upper_bound(3, 2, 0.05)


def test_bootstrap_of_a_share_is_the_binomial_s_quantiles():
    chances = np.cumsum([comb(100, k) * 0.3**k * 0.7 ** (100 - k) for k in range(101)])
    low, high = np.searchsorted(chances, [0.025, 0.975]) / 100
    assert bootstrap([1] * 30 + [0] * 70) == (low, high) == (0.21, 0.39)


def test_bootstrap_of_three_values_is_that_of_all_27_samples():
    means = sorted(sum(sample) / 3 for sample in product([0, 1, 5], repeat=3))
    assert means[2] == means[3] == 1 / 3  # 1/27 below, 4/27 up to here: both ends are inside a step
    assert bootstrap([0, 1, 5], level=0.8) == pytest.approx((1 / 3, 11 / 3))
    assert bootstrap([0, 1, 5], level=0.95) == (0.0, 5.0)


def test_bootstrap_is_the_same_again_and_in_small_parts(monkeypatch):
    values = np.random.default_rng(7).normal(size=80)
    whole = bootstrap(values, draws=1000)
    assert whole[0] < values.mean() < whole[1]
    # The normal interval, which the bootstrap's nears for so smooth values.
    assert whole == pytest.approx(values.mean() + np.array([-1.96, 1.96]) * values.std() / 80**0.5, abs=0.03)
    monkeypatch.setattr(significance, "CELLS", 300)
    assert bootstrap(values, draws=1000) == pytest.approx(whole, rel=1e-9)
    assert bootstrap(values, draws=1000, seed=1) != whole


def test_bootstrap_of_one_value_and_of_none():
    assert bootstrap([0.5, 0.5, 0.5]) == (0.5, 0.5)
    assert bootstrap([]) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("one", "other", "p"),
    [
        ([1, 1, 1], [0, 0, 0], 2 / 8),
        ([0] * 5, [1] * 5, 2 / 32),
        ([1, 1, 1, 0], [0, 0, 0, 1], 10 / 16),  # of the signs of four, six sum to 0
        ([3, 2, 0], [0, 0, 1], 4 / 8),  # |3 + 2 - 1| or more: +-(3 + 2 + 1), +-(3 + 2 - 1)
        ([0.1, 0.2, 0.3], [0, 0, 0], 2 / 8),  # sums differ in their last digit by their order
        ([1, 0, 1, 0, 1], [0, 0, 1, 0, 1], 1.0),
        ([1, 0], [1, 0], 1.0),
        ([], [], 1.0),
    ],
)
def test_permutation_by_hand(one, other, p):
    assert permutation(one, other) == permutation(other, one) == p


def test_permutation_drawn_is_near_to_all_signs(monkeypatch):
    random = np.random.default_rng(3)
    one, other = random.integers(1, 9, 12) / 8, random.integers(0, 6, 12) / 7
    exact = permutation(one, other)
    assert 0.02 < exact < 0.5
    monkeypatch.setattr(significance, "ENUMERATED", 3)
    assert permutation(one, other) == pytest.approx(exact, abs=0.02)
    monkeypatch.setattr(significance, "CELLS", 50)
    assert permutation(one, other) == pytest.approx(exact, abs=0.02)


def test_permutation_of_wins_and_losses_is_the_sign_test():
    one, other = [1] * 15 + [0] * 5 + [1] * 100, [0] * 15 + [1] * 5 + [1] * 100
    assert permutation(one, other) == pytest.approx(2 * at_most(5, 20, 0.5), abs=0.006)
    assert permutation([1] * 40, [0] * 40) == 1 / 10_001  # never 0


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
