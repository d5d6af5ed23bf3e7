import math
from dataclasses import replace

import pytest

from indexer import confidence
from indexer.confidence import Model, features, judge, lead
from indexer.retrieve import Candidate, Ranked
from indexer.row import Row
from indexer.topic import all_runs, elsewhere, known_share, named_elsewhere, runs

LN = math.log
# Of the words alone: right = sigmoid(-1 + 2 score), on topic = sigmoid(-1 + 4 known - 2 foreign).
PLAIN = Model((-1, 2, 0, 0, 0, 0), (-1, 0, 0, -2, 4, 0), refuse=0.5, answer=0.6)


def found(*scores, exact=0, legs="lexical", **measured):
    """Candidates with these rank scores, the first `exact` of them stored questions."""
    return [
        Candidate(Row(f"r{i}", f"e{i}", "q", "a"), Ranked(i, s, s, legs=legs, **measured), exact=i < exact)
        for i, s in enumerate(scores)
    ]


@pytest.fixture
def plain(monkeypatch):
    monkeypatch.setitem(confidence.MODELS, "lexical", PLAIN)


def test_features_are_the_score_the_lead_and_what_is_known_of_the_message():
    candidates = found(0.8, 0.6, known=0.7, foreign=True)
    assert features("how do I pay", candidates) == pytest.approx([0.8, 0.25, 1.0, 0.7, LN(5)])
    with_meaning = found(0.8, 0.6, known=0.7, foreign=True, legs="dense+lexical")
    assert features("how do I pay", with_meaning) == pytest.approx([0.8, 0.25, 1.0])


@pytest.mark.parametrize(
    ("scores", "expected"),
    [((0.8, 0.6), 0.25), ((0.8,), 1.0), ((0.0, 0.0), 0.0), ((0.5, 0.5), 0.0), ((0.2, -0.4), 1.0)],
)
def test_lead(scores, expected):
    assert lead(found(*scores)) == pytest.approx(expected)


def test_probabilities_are_the_logistic_of_the_weighted_features(plain):
    judgement = judge("how do I pay", found(0.9, 0.2, known=1.0))
    assert judgement.probability == pytest.approx(1 / (1 + math.exp(-0.8)))  # -1 + 2 * 0.9
    assert judgement.on_topic == pytest.approx(1 / (1 + math.exp(-3)))  # -1 + 4 * 1
    foreign = judge("how do I pay", found(0.9, 0.2, known=1.0, foreign=True))
    assert foreign.on_topic == pytest.approx(1 / (1 + math.exp(-1)))  # -1 + 4 * 1 - 2


def test_a_right_answer_is_no_likelier_than_the_message_is_on_topic(plain):
    judgement = judge("pay", found(3.0, 0.2, known=0.3))  # right sigmoid(5), on topic sigmoid(0.2)
    assert judgement.probability == judgement.on_topic == pytest.approx(1 / (1 + math.exp(-0.2)))


@pytest.mark.parametrize(
    ("scores", "known", "decision"),
    [
        ((0.71, 0.1), 1.0, "answer"),  # right sigmoid(0.42) = .603
        ((0.69, 0.1), 1.0, "choose"),  # right sigmoid(0.38) = .594
        ((0.71, 0.70), 1.0, "choose"),  # likely right, but the lead is .014
        ((0.71, 0.69), 1.0, "answer"),  # the lead is .028
        ((3.0, 0.1), 0.24, "abstain"),  # on topic sigmoid(-0.04) = .49: refused however good the first is
        ((3.0, 0.1), 0.26, "choose"),  # on topic .51, and right no more than that
    ],
)
def test_refuse_comes_before_choose_and_choose_before_answer(plain, scores, known, decision):
    assert judge("pay", found(*scores, known=known)).decision == decision


def test_one_stored_question_is_answered_and_twins_are_offered():
    one = judge("pay", found(9.0, 0.9, exact=1, legs="exact"))
    assert (one.probability, one.on_topic, one.decision) == (1.0, 1.0, "answer")
    two = judge("pay", found(9.0, 9.0, 0.9, exact=2, legs="exact"))
    assert (two.probability, two.on_topic, two.decision) == (0.5, 1.0, "choose")


def test_nothing_found_is_refused():
    judgement = judge("zzz", [])
    assert (judgement.probability, judgement.on_topic, judgement.decision) == (0.0, 0.0, "abstain")


@pytest.mark.parametrize("legs", ["dense", "lexical", "dense+lexical"])
def test_the_fitted_models_go_the_right_way(legs):
    base = found(0.6, 0.55, legs=legs, known=0.6)
    ahead, known = found(0.6, 0.3, legs=legs, known=0.6), found(0.6, 0.55, legs=legs, known=0.9)
    foreign = [replace(c, ranked=replace(c.ranked, foreign=True)) for c in base]
    middle = judge("how do I pay", base)
    assert 0 < middle.probability <= middle.on_topic < 1
    assert judge("how do I pay", ahead).probability > middle.probability
    assert (judge("how do I pay", known).on_topic > middle.on_topic) == (legs == "lexical")
    assert judge("how do I pay", foreign).on_topic < middle.on_topic - 0.2
    if legs != "lexical":
        assert judge("how do I pay", found(0.9, 0.825, legs=legs, known=0.6)).on_topic > middle.on_topic


def test_runs_ignore_spaces_marks_case_and_letters_that_sound_alike():
    assert set(runs("Log in!").tolist()) == set(runs("LOGIN").tolist())
    assert set(runs("결재 안되요").tolist()) == set(runs("결제안돼요").tolist())
    assert len(runs("login")) == 1
    assert len(runs("logins")) == 2
    assert len(runs("logi")) == 0


def test_known_share_counts_the_runs_that_the_sheet_holds():
    held = all_runs(["my password", "환불"])
    assert known_share("my password", held) == 1.0
    assert known_share("passwordzz", held) == pytest.approx(4 / 6)  # passw asswo sswor sword | wordz ordzz
    assert known_share("zzzzzzz", held) == 0.0
    assert known_share("ok", held) == 0.0
    assert known_share("my password", all_runs([])) == 0.0


def test_a_name_from_elsewhere_counts_unless_the_sheet_holds_it():
    nothing = set().__contains__
    assert named_elsewhere("how do I reset my Gmail password", nothing) == ["gmail"]
    assert named_elsewhere("how do I reset my Gmail password", {"gmail"}.__contains__) == []
    assert named_elsewhere("gmails", nothing) == []
    assert named_elsewhere("택배가 안 와요", nothing) == ["택배"]
    assert named_elsewhere("택배가 안 와요", {"택배_"}.__contains__) == []
    assert named_elsewhere("우리택배", nothing) == []


def test_no_built_in_korean_word_is_one_syllable():
    # 밥, 술 or 왕 begin too many other words.
    assert len(elsewhere()) > 500
    assert not [word for word in elsewhere() if len(word) < 2]


def test_an_index_tells_what_it_does_not_hold(built):
    from indexer.index import Index

    index = Index.open(built)
    lexical = index.legs.lexical
    assert lexical.foreign("넷플릭스 요금이 얼마예요")
    assert not lexical.foreign("환불은 어떻게 받나요")
    stored = index.database.rows(index.facts.generation)[0].question
    assert lexical.known(stored) == 1.0
    assert lexical.known("xylophone quartz jukebox") < 0.3
    first = index.search(["넷플릭스 환불은 어떻게 받나요"], 2)[0][0].ranked
    assert first.foreign
    assert first.known == pytest.approx(lexical.known("넷플릭스 환불은 어떻게 받나요"))
