import math
import re
from dataclasses import replace

import pytest

from indexer.cells import normalise
from indexer.confidence import ON_TOPIC, RIGHT, Calibration, Model, judge, lead, measures, pair_of
from indexer.queries import read_queries
from indexer.retrieve import Candidate, Ranked, Signs
from indexer.row import Row
from indexer.topic import all_runs, elsewhere, known_share, named_elsewhere, off_topic, runs

LN = math.log


def model(leg, right, on_topic):
    """A model with these weights by name, all others 0."""

    def weights(names, given):
        return [given.get("constant", 0.0), *(given.get(name, 0.0) for name in names)]

    return Model(weights(RIGHT[leg], right), weights(ON_TOPIC[leg], on_topic))


# Of the words alone: right = sigmoid(-1 + 2 rank), on topic = sigmoid(-1 + 4 known - 2 foreign).
PLAIN = Calibration(
    models={
        f"lexical {pair}": model("lexical", {"constant": -1, "rank": 2}, {"constant": -1, "known": 4, "foreign": -2})
        for pair in ("en", "ko-en")
    },
    refuse=0.5,
    answer=0.6,
    risk=0.05,
    promised=False,
)


def found(*scores, exact=0, legs="lexical", **signs):
    """Candidates with these rank scores, the first `exact` of them stored questions."""
    ranked = [Ranked(i, s, s, legs=legs, signs=Signs(**signs)) for i, s in enumerate(scores)]
    return [Candidate(Row(f"r{r.position}", f"e{r.position}", "q", "a"), r, r.position < exact) for r in ranked]


def test_measures_are_of_the_first_and_of_the_message():
    signs = Signs(near=0.7, crowd=0.9, elsewhere=0.2, known=0.6, foreign=True)
    first = Ranked(0, 0.5, 0.8, answer=0.3, coverage=0.4, overlap=0.1, legs="dense+lexical", signs=signs)
    second = Ranked(1, 0.65, 0.6, answer=0.9, coverage=0.9, overlap=0.9, legs="dense+lexical", signs=signs)
    assert measures("how do I pay", [first, second]) == pytest.approx(
        {
            "rank": 0.8,
            "lead": 0.25,
            "near": 0.7,
            "crowd": 0.9,
            "contrast": 0.45,  # the best cosine is the second's
            "answer": 0.3,
            "coverage": 0.4,
            "overlap": 0.1,
            "known": 0.6,
            "foreign": 1.0,
            "length": LN(5),
        }
    )


@pytest.mark.parametrize(
    ("scores", "expected"),
    [((0.8, 0.6), 0.25), ((0.8,), 1.0), ((0.0, 0.0), 0.0), ((0.5, 0.5), 0.0), ((0.2, -0.4), 1.0)],
)
def test_lead(scores, expected):
    assert lead([candidate.ranked for candidate in found(*scores)]) == pytest.approx(expected)


def test_probabilities_are_the_logistic_of_the_weighted_features():
    judgement = judge("how do I pay", found(0.9, 0.2, known=1.0), PLAIN)
    assert judgement.probability == pytest.approx(1 / (1 + math.exp(-0.8)))  # -1 + 2 * 0.9
    assert judgement.on_topic == pytest.approx(1 / (1 + math.exp(-3)))  # -1 + 4 * 1
    foreign = judge("how do I pay", found(0.9, 0.2, known=1.0, foreign=True), PLAIN)
    assert foreign.on_topic == pytest.approx(1 / (1 + math.exp(-1)))  # -1 + 4 * 1 - 2


def test_a_right_answer_is_no_likelier_than_the_message_is_on_topic():
    judgement = judge("pay", found(3.0, 0.2, known=0.3), PLAIN)  # right sigmoid(5), on topic sigmoid(0.2)
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
def test_refuse_comes_before_choose_and_choose_before_answer(scores, known, decision):
    assert judge("pay", found(*scores, known=known), PLAIN).decision == decision


def test_one_stored_question_is_answered_and_twins_are_offered():
    one = judge("pay", found(9.0, 0.9, exact=1, legs="exact"), PLAIN)
    assert (one.probability, one.on_topic, one.decision) == (1.0, 1.0, "answer")
    two = judge("pay", found(9.0, 9.0, 0.9, exact=2, legs="exact"), PLAIN)
    assert (two.probability, two.on_topic, two.decision) == (0.5, 1.0, "choose")


def test_nothing_found_is_refused():
    judgement = judge("zzz", [], PLAIN)
    assert (judgement.probability, judgement.on_topic, judgement.decision) == (0.0, 0.0, "abstain")


def test_a_calibration_survives_the_manifest():
    assert Calibration.from_dict(PLAIN.to_dict()) == PLAIN


def test_the_messages_about_other_things_are_in_both_languages_and_none_is_a_question_of_our_own(root):
    texts = off_topic()
    korean = [text for text in texts if re.search("[가-힣ㄱ-ㅎ]", text)]
    assert min(len(korean), len(texts) - len(korean)) > 120
    assert len(set(texts)) == len(texts)
    judged = {normalise(query.text) for query in read_queries(root / "data/queries.csv", root / "data/qrels.csv")}
    assert not judged & {normalise(text) for text in texts}


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
    assert first.signs.foreign
    assert first.signs.known == pytest.approx(lexical.known("넷플릭스 환불은 어떻게 받나요"))


def test_a_pair_of_languages_is_named_by_the_scripts():
    assert pair_of("refund", "money back") == "en"
    assert pair_of("환불", "환불 받기") == "ko"
    assert pair_of("refund", "환불 받기") == "en-ko"
    assert pair_of("환불 ㅠㅠ", "money back") == "ko-en"


def test_each_pair_of_languages_has_models_of_its_own():
    sure, unsure = (model("dense", {"constant": value}, {"constant": value}) for value in (3, -3))
    known = replace(PLAIN, models={"dense ko": sure, "dense ko-en": unsure})
    candidates = found(0.9, 0.2, legs="dense")
    assert judge("환불", candidates, known).decision == "abstain"  # the stored question is "q"
    korean = [replace(one, row=replace(one.row, question="환불 받기")) for one in candidates]
    assert judge("환불해 주세요", korean, known).decision == "answer"
