"""Pooling and unit rows: states and vectors worked out by hand, the same in NumPy and torch."""

import numpy as np
import pytest

from indexer.pooling import cls, mean, pool
from indexer.vectors import unit

# Two texts of three tokens, states of size 2; the second text has one token of padding, with a state far off.
STATES = [[[1, 2], [3, 4], [5, 9]], [[2, -2], [4, 8], [1000, -1000]]]
MASK = [[1, 1, 1], [1, 1, 0]]
MEAN = [[3, 5], [3, 3]]  # (1+3+5)/3, (2+4+9)/3; (2+4)/2, (-2+8)/2
CLS = [[1, 2], [2, -2]]


def arrays(library):
    if library == "numpy":
        return np.array(STATES, dtype=np.float32), np.array(MASK, dtype=np.int64)
    import torch

    return torch.tensor(STATES, dtype=torch.float32), torch.tensor(MASK)


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_mean_ignores_padding(library):
    assert mean(*arrays(library)).tolist() == MEAN
    assert pool(*arrays(library), "mean").tolist() == MEAN


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_cls_is_the_first_token(library):
    states, mask = arrays(library)
    assert cls(states).tolist() == CLS
    assert pool(states, mask, "cls").tolist() == CLS


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_more_padding_changes_nothing(library):
    states, mask = arrays(library)
    wide = np.concatenate([np.asarray(states), np.full((2, 5, 2), 77, dtype=np.float32)], axis=1)
    covered = np.concatenate([np.asarray(mask), np.zeros((2, 5), dtype=np.int64)], axis=1)
    assert pool(wide, covered, "mean").tolist() == MEAN
    assert pool(wide, covered, "cls").tolist() == CLS


def test_learning_flows_through_the_kept_tokens_only():

    states, mask = arrays("torch")
    states.requires_grad_()
    pool(states, mask, "mean").sum().backward()
    expected = [[1 / 3] * 3, [0.5, 0.5, 0]]
    np.testing.assert_allclose(states.grad[..., 0].numpy(), expected, rtol=1e-6)


def test_rows_get_length_one_and_zero_stays_zero():
    rows = unit(np.array([[3, 4], [0, 0], [-5, 12], [1e-20, 0]]))
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0, 0], [-5 / 13, 12 / 13], [1, 0]], rtol=1e-6)
    assert rows.dtype == np.float32


def test_no_rows_stay_no_rows():
    assert unit(np.zeros((0, 3), dtype=np.float32)).shape == (0, 3)
