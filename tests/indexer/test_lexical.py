"""The lexical leg: BM25 worked out by hand, and sets counted by brute force."""

import math
import random

import numpy as np
import pytest

from indexer.lexical import ENTRY_WEIGHT, build_lexical, load_lexical
from indexer.words import terms

K1, B = 1.2, 0.75


def bm25(texts, query):
    """Score as Lucene does, term by term: idf * tf / (tf + k1 * (1 - b + b * length / mean length))."""
    cut = [terms(text) or [""] for text in texts]
    mean = sum(map(len, cut)) / len(cut)
    scores = [0.0] * len(cut)
    for term in terms(query):
        holding = sum(term in text for text in cut)
        idf = math.log(1 + (len(cut) - holding + 0.5) / (holding + 0.5))
        for at, text in enumerate(cut):
            tf = text.count(term)
            scores[at] += idf * tf / (tf + K1 * (1 - B + B * len(text) / mean))
    return scores


def weight(texts, term):
    """Weigh a term: ln(1 + (N - n + 1/2) / (n + 1/2)) where n of N texts hold it."""
    holding = sum(term in terms(text) for text in texts)
    return math.log(1 + (len(texts) - holding + 0.5) / (holding + 0.5))


def leg(folder, questions, answers=None, entry_of=None):
    answers = answers or [""] * len(questions)
    entry_of = np.array(range(len(questions)) if entry_of is None else entry_of, dtype=np.int32)
    build_lexical(questions, answers, entry_of, folder)
    return load_lexical(folder, entry_of)


TEXTS = ["red apple", "red red pear tree", "blue car", "a tree in a red car park"]


@pytest.mark.parametrize("query", ["red", "red car", "tree tree", "car zebra", "RED, Pear!"])
def test_bm25_is_lucenes(tmp_path, query):
    questions = leg(tmp_path, TEXTS).questions
    found = questions.scores(questions.columns(terms(query)))
    np.testing.assert_allclose(found, bm25(TEXTS, query), rtol=1e-5)


def test_bm25_by_hand(tmp_path):
    """`pear` stands once, in the second of four texts; the mean length is (2 + 4 + 2 + 7) / 4 = 3.75."""
    idf = math.log(1 + 3.5 / 1.5)
    expected = idf * 1 / (1 + 1.2 * (0.25 + 0.75 * 4 / 3.75))
    questions = leg(tmp_path, TEXTS).questions
    found = questions.scores(questions.columns(["pear"]))
    np.testing.assert_allclose(found, [0, expected, 0, 0], rtol=1e-6)


@pytest.mark.parametrize("query", ["zebra", "", "?!"])
def test_unknown_words_say_nothing(tmp_path, query):
    opened = leg(tmp_path, TEXTS)
    evidence = opened.evidence(query)
    assert evidence.rows.tolist() == [0] * 4
    assert opened.known(query) == 0
    assert opened.coverage(np.array([0]), evidence) == [0]


QUESTIONS = ["get a refund", "money back", "forgot password", "수료증은 어디서"]
ANSWERS = ["ask within 7 days", "ask within 7 days", "press reset", "마이페이지에서 받아요"]
ENTRY_OF = [0, 0, 1, 2]
ENTRIES = [
    "get a refund ask within 7 days money back",
    "forgot password press reset",
    "수료증은 어디서 마이페이지에서 받아요",
]


@pytest.mark.parametrize("query", ["refund", "reset my password", "수료증", "money days zebra", "refund 수료증"])
def test_a_row_is_weighed_by_its_question_and_its_entry_per_weight_of_the_query(tmp_path, query):
    evidence = leg(tmp_path, QUESTIONS, ANSWERS, ENTRY_OF).evidence(query)
    question, entry = bm25(QUESTIONS, query), bm25(ENTRIES, query)
    total = sum(weight(ENTRIES, term) for term in set(terms(query)))
    expected = [(q + ENTRY_WEIGHT * entry[e]) / total for q, e in zip(question, ENTRY_OF, strict=True)]
    np.testing.assert_allclose(evidence.rows, expected, rtol=1e-5)
    assert evidence.rows.max() > 0


def test_weights_and_coverage_by_hand(tmp_path):
    """Of three entries each word below stands in one; zebra in none. ln(1 + 2.5/1.5) and ln(1 + 3.5/.5)."""
    opened = leg(tmp_path, QUESTIONS, ANSWERS, ENTRY_OF)
    evidence = opened.evidence("refund password zebra")
    one, none = math.log(1 + 2.5 / 1.5), math.log(1 + 3.5 / 0.5)
    assert evidence.weights == pytest.approx({"refund": one, "password": one, "zebra": none})
    expected = one / (2 * one + none)
    assert opened.coverage(np.arange(3), evidence).tolist() == pytest.approx([expected, expected, 0])


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("Refund!", 1),  # refun, efund
        ("refunding", 2 / 5),  # refun, efund; not fundi, undin, nding
        ("re fund", 1),  # spaces aside
        ("refund zebra", 2 / 7),  # of refundzebra: refun, efund
        ("zebra", 0),
        ("day", 0),  # too short to tell
    ],
)
def test_known_is_the_share_of_runs_of_five_letters(tmp_path, query, expected):
    assert leg(tmp_path, QUESTIONS, ANSWERS, ENTRY_OF).known(query) == pytest.approx(expected)


def test_an_entry_is_covered_by_all_its_wordings_and_its_answer(tmp_path):
    opened = leg(tmp_path, QUESTIONS, ANSWERS, ENTRY_OF)
    evidence = opened.evidence("money refund days")
    assert opened.coverage(np.arange(3), evidence).tolist() == pytest.approx([1, 0, 0])


def test_single_syllables_rank_but_cover_nothing(tmp_path):
    """증수 shares both its syllables with 수료증, but neither stem nor pair."""
    opened = leg(tmp_path, QUESTIONS, ANSWERS, ENTRY_OF)
    evidence = opened.evidence("증수")
    assert set(evidence.weights) == {"증수", "증수_"}
    assert evidence.rows.argmax() == 3
    assert evidence.rows[3] > 0
    assert opened.coverage(np.array([2]), evidence) == [0]


def test_an_answer_of_several_wordings_counts_once(tmp_path):
    """The entry's text holds it once, so its words are no commoner for having many wordings."""
    opened = leg(tmp_path, QUESTIONS, ANSWERS, ENTRY_OF)
    np.testing.assert_allclose(
        opened.entries.scores(opened.entries.columns(["days"])), bm25(ENTRIES, "days"), rtol=1e-5
    )


def test_rows_without_words_are_no_trouble(tmp_path):
    opened = leg(tmp_path, ["?!", "", "refund"])
    assert opened.evidence("refund").rows.argmax() == 2
    assert opened.evidence("refund").rows[:2].tolist() == [0, 0]


def test_one_blank_row(tmp_path):
    assert leg(tmp_path, ["?"]).evidence("refund").rows.tolist() == [0]


def test_who_holds_what_agrees_with_sets(tmp_path):
    """300 random texts in both scripts: every text against every term, and each term's rarity."""
    numbers = random.Random(3)
    vocabulary = [*"abcdefghij", "refund", "환불은", "수료증을", "강의", "7", "결제했어요"]
    texts = [" ".join(numbers.choices(vocabulary, k=numbers.randrange(9))) for _ in range(300)]
    sets = [set(terms(text)) for text in texts]
    opened = leg(tmp_path, texts).questions
    every = sorted(set().union(*sets))
    assert len(every) > 25
    for term in [*every, "zebra", "없는"]:
        assert opened.hold(np.arange(300), opened.columns([term])).tolist() == [[term in held for held in sets]]
        assert opened.rarities(opened.columns([term])) == pytest.approx([weight(texts, term)], rel=1e-6)
