"""Ranking: the formula by hand on tiny legs, and the plain cosine neighbour as an oracle."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from indexer.legs import open_legs, write_legs
from indexer.retrieve import Candidate, Ranked, rank
from indexer.row import Row
from indexer.vectors import unit


@pytest.fixture
def legs(tmp_path):
    numbers = itertools.count()

    def make(questions, vectors, entry_of=None, answers=None, answer_vectors=None, store="flat"):
        folder = tmp_path / str(next(numbers))
        vectors = np.asarray(vectors, dtype=np.float32)
        entry_of = np.array(range(len(questions)) if entry_of is None else entry_of, dtype=np.int32)
        entries = int(entry_of.max()) + 1
        if answer_vectors is None:
            answer_vectors = np.zeros((entries, vectors.shape[1]))
        answer_vectors = np.asarray(answer_vectors, dtype=np.float32)
        given = (entry_of, questions, answers or [""] * len(questions), vectors, answer_vectors)
        write_legs(
            folder,
            store,
            *given,
            {hangul: np.zeros((0, vectors.shape[1]), dtype=np.float32) for hangul in (False, True)},
        )
        return open_legs(folder, store)

    return make


def vector(*numbers):
    return np.array(numbers, dtype=np.float32)


# Four rows of three entries in the plane; the answers point elsewhere than their questions.
QUESTIONS = ["get a refund", "money back", "forgot password", "certificate"]
VECTORS = [(1, 0), (0.8, 0.6), (0, 1), (-1, 0)]
ENTRY_OF = [0, 0, 1, 2]
ANSWERS = ["ask us", "ask us", "press reset", "download"]
ANSWER_VECTORS = [(0, 1), (0.6, 0.8), (0, -1)]


@pytest.fixture
def plane(legs):
    return legs(QUESTIONS, VECTORS, ENTRY_OF, ANSWERS, ANSWER_VECTORS)


def test_dense_ranks_by_the_cosine_with_the_question(plane):
    found = rank(plane, "refund", vector(0.6, 0.8), 5, dense=True, words=False)
    # Row 1: .8 * .6 + .6 * .8 = .96; row 2: .8; row 3: -.6. Row 0 (.6) is of row 1's entry.
    assert [item.position for item in found] == [1, 2, 3]
    assert [item.score for item in found] == pytest.approx([0.96, 0.8, -0.6], abs=1e-6)
    assert [item.rank_score for item in found] == [item.score for item in found]
    assert {item.legs for item in found} == {"dense"}


def test_hybrid_adds_the_answer_and_the_words_by_their_weights(plane):
    message, asked = "money refund", vector(0.6, 0.8)
    evidence = plane.lexical.evidence(message)
    found = rank(plane, message, asked, 5, dense=True, words=True)
    # Cosines with the questions, and with the entries' answers (.8, 1, -.8).
    cosines, answers = {0: 0.6, 1: 0.96, 2: 0.8, 3: -0.6}, {0: 0.8, 1: 1.0, 2: -0.8}
    assert {item.position for item in found} == {1, 2, 3}
    for item in found:
        entry, words = ENTRY_OF[item.position], float(evidence.rows[item.position])
        assert item.score == pytest.approx(cosines[item.position], abs=1e-6)
        assert item.answer == pytest.approx(answers[entry], abs=1e-6)
        assert item.words == pytest.approx(words)
        expected = cosines[item.position] + 0.3 * answers[entry] + 0.1 * words
        assert item.rank_score == pytest.approx(expected, abs=1e-6)
        assert item.coverage == pytest.approx(plane.lexical.coverage(np.array([entry]), evidence)[0])
        assert item.signs.known == plane.lexical.known(message) > 0
        assert item.legs == "dense+lexical"
    assert [item.rank_score for item in found] == sorted((item.rank_score for item in found), reverse=True)
    assert found[0].words > 0 == found[1].words


def test_an_answer_alone_can_bring_its_entry_first(legs):
    """Two equal questions: the answer decides."""
    made = legs(["same", "same"], [(1, 0), (1, 0)], answers=["x", "y"], answer_vectors=[(0, 1), (1, 0)])
    found = rank(made, "other", vector(1, 0), 2, dense=True, words=True)
    assert [(item.position, round(item.rank_score, 6)) for item in found] == [
        (1, 1.3),
        (0, 1.0),
    ]


def test_words_alone_rank_by_words_and_still_tell_the_cosine(plane):
    found = rank(plane, "money refund", vector(0, 1), 5, dense=False, words=True)
    rows = plane.lexical.evidence("money refund").rows
    best = max((0, 1), key=lambda row: rows[row])
    assert [item.position for item in found] == [best]  # entries that share no word are not found
    assert found[0].rank_score == pytest.approx(float(rows[best]))
    assert found[0].score == pytest.approx(VECTORS[best][1], abs=1e-6)
    assert found[0].legs == "lexical"


def test_a_zero_vector_leaves_the_words(plane):
    zero = vector(0, 0)
    assert rank(plane, "password", zero, 5, dense=True, words=False) == []
    (found,) = rank(plane, "password", zero, 5, dense=True, words=True)
    assert (found.position, found.score, found.answer, found.legs) == (2, 0, 0, "lexical")


def test_a_message_that_says_nothing_finds_nothing(plane):
    assert rank(plane, "?!", vector(0, 0), 5, dense=True, words=True) == []


def test_an_entry_stands_once_by_its_best_wording(legs):
    vectors = unit(np.random.default_rng(1).standard_normal((60, 8)))
    entry_of = np.arange(60) % 12
    made = legs([f"word{n % 7} text{n % 5}" for n in range(60)], vectors, entry_of)
    for words in (False, True):
        found = rank(made, "word3 text2", vectors[17], 12, dense=True, words=words)
        entries = [int(entry_of[item.position]) for item in found]
        assert sorted(entries) == list(range(12))
    found = rank(made, "", vectors[17], 12, dense=True, words=False)
    for item in found:
        wordings = np.flatnonzero(entry_of == entry_of[item.position])
        assert item.position == wordings[np.argmax(vectors[wordings] @ vectors[17])]


def fan(number):
    """Rows of falling cosine with (1, 0)."""
    angles = np.linspace(0, np.pi / 2, number)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


@pytest.mark.parametrize("store", ["flat", "faiss"])
@pytest.mark.parametrize("crowd", [100, 400])
def test_one_entry_with_all_the_nearest_rows_hides_no_other(legs, store, crowd):
    entry_of = [0] * crowd + list(range(1, 31))
    made = legs(["x"] * len(entry_of), fan(len(entry_of)), entry_of, store=store)
    found = rank(made, "y", vector(1, 0), 10, dense=True, words=False)
    assert [int(entry_of[item.position]) for item in found] == list(range(10))


def test_words_too_look_past_an_entry_with_many_wordings(legs):
    """120 wordings of entry 0 hold the word twice as densely as the only row of each other entry."""
    entry_of = [0] * 120 + list(range(1, 8))
    questions = [*["refund"] * 120, *["refund " + "filler " * n for n in range(1, 8)]]
    made = legs(questions, np.zeros((127, 2)), entry_of)
    found = rank(made, "refund", vector(0, 0), 8, dense=False, words=True)
    assert sorted(int(entry_of[item.position]) for item in found) == list(range(8))
    assert [item.rank_score for item in found] == sorted((item.rank_score for item in found), reverse=True)


@pytest.mark.parametrize("store", ["flat", "faiss"])
def test_dense_alone_is_the_plain_cosine_neighbour(legs, store):
    numbers = np.random.default_rng(2)
    vectors, entry_of = unit(numbers.standard_normal((300, 16))), np.arange(300) // 3
    made = legs([f"text {n}" for n in range(300)], vectors, entry_of, store=store)
    for query in unit(numbers.standard_normal((20, 16))):
        cosines = vectors @ query
        best = np.array([cosines[entry_of == entry].max() for entry in range(100)])
        expected = np.argsort(-best)[:7]
        found = rank(made, "whatever text", query, 7, dense=True, words=False)
        assert [int(entry_of[item.position]) for item in found] == expected.tolist()
        assert [item.score for item in found] == pytest.approx(best[expected].tolist(), abs=1e-6)


@pytest.mark.parametrize("k", [1, 3, 25, 60])
def test_k_asks_for_the_first_of_the_same_ranking(legs, k):
    vectors = unit(np.random.default_rng(3).standard_normal((60, 8)))
    made = legs([f"text {n}" for n in range(60)], vectors, store="faiss")
    cosines = vectors @ vectors[7]
    found = rank(made, "zebra", vectors[7], k, dense=True, words=False)
    assert [item.position for item in found] == np.argsort(-cosines, kind="stable")[:k].tolist()


@pytest.mark.parametrize("words", [False, True])
@pytest.mark.parametrize("store", ["flat", "faiss"])
def test_equal_entries_stand_in_the_order_of_the_sheet(legs, store, words):
    made = legs(["same text"] * 9, [(0.6, 0.8)] * 9, store=store)
    found = rank(made, "same text", vector(0.6, 0.8), 9, dense=True, words=words)
    assert [item.position for item in found] == list(range(9))
    assert len({item.rank_score for item in found}) == 1


def test_equal_words_stand_in_the_order_of_the_sheet_even_beyond_the_pool(legs):
    made = legs(["same text"] * 500, np.zeros((500, 2)))
    found = rank(made, "same", vector(0, 0), 5, dense=False, words=True)
    assert [item.position for item in found] == [0, 1, 2, 3, 4]


def test_a_candidate_as_json_keeps_the_sheets_columns():
    ranked = Ranked(3, 0.12345678, 0.98765432, 0.11119, 0.22229, 0.33339, legs="dense+lexical")
    row = Row("r1", "refund", "How?", "So.", {"lang": "en", "id": "a column of the same name"})
    assert Candidate(row, ranked).to_dict() == {
        "id": "r1", "entry": "refund", "question": "How?", "answer": "So.", "lang": "en", "score": 0.123457,
        "rank_score": 0.987654, "exact": False, "legs": "dense+lexical", "answer_score": 0.1112,
        "words": 0.2223, "coverage": 0.3334, "rerank_score": None,
    }  # fmt: skip
    assert Candidate(row, ranked).entry == "refund"


def test_signs_tell_how_crowded_it_is_around_a_message(plane):
    """Cosines with the rows: .6, .96, .8, -.6; the first entry holds the first two."""
    found = rank(plane, "money refund", vector(0.6, 0.8), 5, dense=True, words=False)
    signs = found[0].signs
    weights = [math.exp((cosine - 0.96) / 0.05) for cosine in (0.6, 0.96, 0.8, -0.6)]
    assert found[0].position == 1
    assert signs.near == pytest.approx((0.6 + 0.96 + 0.8 - 0.6) / 4, abs=1e-6)
    assert signs.crowd == pytest.approx((weights[0] + weights[1]) / sum(weights), abs=1e-5)
    assert all(item.signs == signs for item in found)


def test_signs_by_words_are_of_the_words_scores(plane):
    message = "money refund"
    found = rank(plane, message, vector(0, 0), 5, dense=True, words=True)
    scores = np.sort(plane.lexical.evidence(message).rows)[::-1]
    scores = scores[scores > 0]
    weights = np.exp((scores - scores[0]) / 0.5)
    assert found[0].signs.near == pytest.approx(scores.mean())
    assert found[0].signs.crowd == pytest.approx(weights[:2].sum() / weights.sum())  # two rows of entry 0, none else
    assert found[0].signs.elsewhere == 0


def test_overlap_is_the_share_of_the_stored_questions_weight(plane):
    found = rank(plane, "money please", vector(0.6, 0.8), 5, dense=True, words=True)
    assert found[0].position == 1
    # "money back": both words stand in one of four questions, so each is half of its weight.
    assert found[0].overlap == pytest.approx(0.5)
    assert {item.overlap for item in found[1:]} == {0.0}


def test_elsewhere_is_the_nearest_built_in_message(plane):
    near = np.array([(0.0, 1.0), (1.0, 0.0)], dtype=np.float32)
    others = replace(plane, elsewhere={False: near, True: near[:0]})
    found = rank(others, "money refund", vector(0.6, 0.8), 5, dense=True, words=True)
    assert found[0].signs.elsewhere == pytest.approx(0.8)


def test_of_two_equally_near_the_one_in_the_messages_language_is_first(legs):
    both = legs(["get a refund", "환불 받기"], [(1, 0), (0.999, 0.04)])
    korean = rank(both, "환불해", vector(1, 0), 5, dense=True, words=True)
    assert [item.position for item in korean] == [1, 0]
    assert korean[1].rank_score == pytest.approx(1 - 0.1)  # no word shared, no answer: the cosine, less ACROSS
    english = rank(both, "money", vector(0.999, 0.04), 5, dense=True, words=True)
    assert [item.position for item in english] == [0, 1]
    # One that is clearly nearer is first in any language, and the cosine alone knows no languages.
    assert rank(both, "환불", vector(0.6, -0.8), 5, dense=True, words=False)[0].position == 0


def test_a_message_is_compared_with_those_about_other_things_in_its_own_language(plane):
    near, far = (np.array([given], dtype=np.float32) for given in ((0.0, 1.0), (1.0, 0.0)))
    others = replace(plane, elsewhere={False: near, True: far})
    asked = vector(0.6, 0.8)
    found = [rank(others, text, asked, 5, dense=True, words=True)[0].signs.elsewhere for text in ("refund", "환불")]
    assert found == pytest.approx([0.8, 0.6])
