import pytest

from indexer.confidence import ON_TOPIC, RIGHT, Calibration, Model, judge
from indexer.retrieve import Candidate, Ranked
from indexer.row import Row
from indexer.twins import contradicts, negated, numbers, twin


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("7일 안에 14 days", {"7", "14"}),
        ("at 10:30 for 1,200 or 2.5", {"10:30", "1,200", "2.5"}),
        ("１２", {"12"}),
        ("no", set()),
    ],
)
def test_numbers(text, found):
    assert numbers(text) == found


@pytest.mark.parametrize(
    "text",
    ["I can't log in", "I can’t log in", "is it NOT possible", "without a card", "로그인이 안 돼요", "결제하지 않으면",
     "수강 못 해요", "환불 불가인가요", "카드 없이 결제", "사지 마", "열리지않아요"],
)  # fmt: skip
def test_negated(text):
    assert negated(text)


@pytest.mark.parametrize(
    "text", ["can I log in", "notice of a note", "안내문을 보고 싶어요", "못자리", "환불되나요", "있나요, 없나요"]
)
def test_not_negated(text):
    assert not negated(text)


def test_contradictions():
    assert contradicts("refund after 7 days", "refund after 14 days")
    assert not contradicts("refund after 7 days", "refund after some days")
    assert not contradicts("7 or 14 days", "14 days")
    assert contradicts("can I pay by card", "can I not pay by card")


def test_a_twin_needs_a_rival_that_does_not_contradict():
    message, first, rival = "refund after 7 days", "refund after 14 days", "refund after 7 days?"
    assert twin(message, [first, rival], [1.0, 0.95])
    assert not twin(message, [first, rival], [1.0, 0.85])
    assert not twin(message, [first, "refund after 30 days"], [1.0, 0.99])
    assert not twin(message, [rival, first], [1.0, 0.99])
    assert not twin(message, [], [])


def test_a_twin_is_a_choice():
    texts, scores = ["exam in 3 weeks", "exam in 2 weeks"], [1.0, 0.95]
    ranked = [Ranked(at, score, score, legs="lexical") for at, score in enumerate(scores)]
    candidates = [Candidate(Row(f"r{r.position}", f"e{r.position}", texts[r.position], "a"), r) for r in ranked]
    sure = Model([3.0] + [0.0] * len(RIGHT["lexical"]), [3.0] + [0.0] * len(ON_TOPIC["lexical"]))
    known = Calibration({"lexical en": sure}, refuse=0.1, answer=0.2, risk=0.05, promised=False)
    assert judge("is the exam in 3 weeks", candidates, known).rule == "sure"
    found = judge("is the exam in 2 weeks", candidates, known)
    assert (found.decision, found.rule) == ("choose", "twin")
