"""The contract of every store in the folder, against exact NumPy."""

from pathlib import Path

import numpy as np
import pytest

import indexer.stores
from indexer.spec import kinds
from indexer.stores import build_store, faiss, flat, open_store
from indexer.vectors import unit

STORES = kinds(indexer.stores)
DIM = 24


@pytest.fixture
def store(request, tmp_path):
    def make(vectors):
        build_store(request.param, vectors, tmp_path)
        return open_store(request.param, tmp_path)

    return make


def every_store(test):
    return pytest.mark.parametrize("store", STORES, indirect=True)(test)


def rows(number, seed=0, dim=DIM):
    return unit(np.random.default_rng(seed).standard_normal((number, dim)))


def oracle(queries, vectors, k):
    """Give scores and positions by a sort of every inner product, in double precision; ties by position."""
    scores = queries.astype(np.float64) @ vectors.astype(np.float64).T
    # Equal rows have equal scores in exact arithmetic: let the last bits not decide.
    best = np.argsort(-scores.round(9), axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, best, axis=1), best


@every_store
@pytest.mark.parametrize(("number", "k"), [(1, 1), (7, 7), (300, 10), (1003, 100)])
def test_the_nearest_rows_come_first(store, number, k):
    vectors, queries = rows(number), rows(9, seed=1)
    scores, positions = store(vectors).search(queries, k)
    expected, best = oracle(queries, vectors, k)
    np.testing.assert_array_equal(positions, best)
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    assert (scores.dtype, positions.dtype) == (np.float32, np.int64)


@every_store
@pytest.mark.parametrize("k", [1, 4, 30, 101])
def test_equal_scores_come_in_the_order_of_the_rows(store, k):
    """Of each of five vectors there are many equal rows, at scattered positions."""
    vectors = rows(5, dim=384)[np.random.default_rng(2).integers(0, 5, 101)]
    queries = rows(3, seed=3, dim=384)
    opened = store(vectors)
    scores, positions = opened.search(queries, k)
    expected, best = oracle(queries, vectors, k)
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    for row, score in zip(positions, scores, strict=True):
        assert row.tolist() == [at for _, at in sorted(zip(-score, row.tolist(), strict=True))]
        assert len(set(row.tolist())) == k
    # Where the cut goes through equal rows, the exact store takes the first; others may take any.
    if isinstance(opened, flat.FlatStore) or k == 101:
        np.testing.assert_array_equal(positions, best)


@every_store
def test_a_row_finds_itself_with_cosine_one(store):
    vectors = rows(200)
    scores, positions = store(vectors).search(vectors, 3)
    np.testing.assert_array_equal(positions[:, 0], np.arange(200))
    np.testing.assert_allclose(scores[:, 0], 1, atol=1e-6)
    opposite, _ = store(vectors).search(-vectors, 200)
    np.testing.assert_allclose(opposite[:, -1], -1, atol=1e-6)


@every_store
def test_more_than_there_is_fills_up_with_minus_one(store):
    vectors = rows(3)
    scores, positions = store(vectors).search(rows(2, seed=1), 5)
    assert (positions[:, 3:] == -1).all()
    assert np.isneginf(scores[:, 3:]).all()
    np.testing.assert_array_equal(np.sort(positions[:, :3], axis=1), [[0, 1, 2]] * 2)


@every_store
def test_a_zero_query_has_score_zero_to_every_row_and_a_zero_row_to_every_query(store):
    vectors = rows(6)
    vectors[4] = 0
    scores, positions = store(vectors).search(np.zeros((1, DIM), dtype=np.float32), 6)
    assert scores.tolist() == [[0.0] * 6]
    assert positions.tolist() == [[0, 1, 2, 3, 4, 5]]
    scores, positions = store(vectors).search(vectors[:1], 6)
    assert scores[0][positions[0].tolist().index(4)] == 0


@every_store
def test_several_queries_get_what_each_gets_alone(store):
    vectors, queries = rows(500), rows(40, seed=1)
    opened = store(vectors)
    together, positions = opened.search(queries, 10)
    for number, query in enumerate(queries):
        scores, alone = opened.search(query[None], 10)
        np.testing.assert_array_equal(alone[0], positions[number])
        np.testing.assert_allclose(scores[0], together[number], atol=1e-6)


@every_store
def test_no_queries_get_no_rows(store):
    scores, positions = store(rows(5)).search(np.zeros((0, DIM), dtype=np.float32), 3)
    assert scores.shape == positions.shape == (0, 3)


@every_store
def test_queries_in_any_memory_order(store):
    vectors, queries = rows(50), rows(8, seed=1)
    opened = store(vectors)
    expected = opened.search(queries, 5)[1]
    np.testing.assert_array_equal(opened.search(np.asfortranarray(queries), 5)[1], expected)
    np.testing.assert_array_equal(opened.search(np.repeat(queries, 2, axis=0)[::2], 5)[1], expected)


@every_store
def test_the_file_is_mapped_read_only(store, tmp_path):
    """Mapped, not copied: processes that serve one index share its memory, and opening costs nothing."""
    opened = store(rows(4000, dim=64))
    opened.search(rows(1, dim=64), 1)
    (file,) = (path for path in tmp_path.iterdir() if path.is_file())
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("needs Linux")
    rights = [line.split()[1] for line in maps.read_text().splitlines() if line.endswith(str(file))]
    assert rights
    assert not any("w" in right for right in rights)


@pytest.fixture
def small_steps(monkeypatch):
    """Let each kind of FAISS index begin at a size that a test can afford."""
    monkeypatch.setattr(faiss, "EXACT_ROWS", 100)
    monkeypatch.setattr(faiss, "SCAN_ROWS", 3000)


def clustered(number, seed):
    """Rows in clusters, as the wordings of one entry are, and queries near to some of them."""
    numbers = np.random.default_rng(seed)
    centres = numbers.standard_normal((number // 40, 64))
    vectors = unit(centres[numbers.integers(len(centres), size=number)] + 0.6 * numbers.standard_normal((number, 64)))
    queries = unit(vectors[numbers.integers(number, size=100)] + 0.05 * numbers.standard_normal((100, 64)))
    return vectors, queries


@pytest.mark.parametrize(
    ("number", "kind", "recall"),
    [
        (100, "IndexFlat", 1.0),
        (3000, "IndexRefine", 0.99),
        (12_000, "IndexIVFScalarQuantizer", 0.95),
    ],
)
def test_each_kind_of_faiss_index_finds_what_the_oracle_finds(small_steps, tmp_path, number, kind, recall):
    vectors, queries = clustered(number, seed=4)
    build_store("faiss", vectors, tmp_path)
    opened = open_store("faiss", tmp_path)
    assert type(opened.index).__name__.startswith(kind)
    scores, positions = opened.search(queries, 10)
    _, best = oracle(queries, vectors, 10)
    found = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(positions.tolist(), best.tolist(), strict=True)])
    assert found >= recall
    cosines = np.take_along_axis(queries @ vectors.T, positions, axis=1)
    np.testing.assert_allclose(scores, cosines, atol=1e-3)  # half precision
    assert (np.diff(scores, axis=1) <= 0).all()
    own, first = opened.search(vectors[:50], 1)
    np.testing.assert_allclose(own[:, 0], 1, atol=1e-3)
    np.testing.assert_array_equal(first[:, 0], np.arange(50))


@pytest.mark.parametrize("number", [100, 101, 3001])
def test_every_kind_of_faiss_index_is_mapped(small_steps, tmp_path, number):
    vectors, _ = clustered(3001, seed=5)
    build_store("faiss", vectors[:number], tmp_path)
    opened = open_store("faiss", tmp_path)
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("needs Linux")
    assert str(tmp_path / faiss.FILE) in maps.read_text()
    assert opened.search(vectors[:1], 1)[1].tolist() == [[0]]
