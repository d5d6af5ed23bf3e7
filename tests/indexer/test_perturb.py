"""Perturbations: exact outcomes by kind, and what must not change."""

import random
import unicodedata

import pytest

from indexer.perturb import KINDS, NEAR, perturb, perturbed

ASKED = "비밀번호를 30일 안에 바꿔야 하나요?"


@pytest.mark.parametrize(
    ("kind", "text", "wanted"),
    [
        ("no spaces", ASKED, "비밀번호를30일안에바꿔야하나요?"),
        ("no particles", "환불은 언제까지 되나요?", "환불 언제까지 되나요"),
        ("plain style", "앱에서 쿠폰이 안 보여요.", "앱에서 쿠폰이 안 보여."),
        ("plain style", "환불이 됩니까?", "환불이 돼?"),
        ("polite style", "환불이 되냐?", "환불이 됩니까?"),
        ("polite style", "취소해줘", "취소해 주십시오"),
        ("latin loanwords", "앱에서 쿠폰이 안 보여요.", "app에서 coupon이 안 보여요."),
        ("numbers spelt", "30일 안에 1204명, 0개, 10개", "삼십일 안에 천이백사명, 영개, 십개"),
        ("numbers spelt", "1.5배, 12,000원, 12345번", "1.5배, 12,000원, 12345번"),
        ("decomposed", "환불", unicodedata.normalize("NFD", "환불")),
    ],
)
def test_a_kind_without_chance_writes_exactly_this(kind, text, wanted):
    assert perturb(text, kind, random.Random(0)) == wanted


def test_a_typo_changes_one_syllable_of_eight_by_one_letter():
    pairs = {frozenset(pair) for pair in NEAR.items()}
    found = {perturb("비밀번호를", "typo", random.Random(seed)) for seed in range(60)}
    assert len(found) > 10
    for text in found - {"비밀번호를"}:
        before, after = (unicodedata.normalize("NFD", whole) for whole in ("비밀번호를", text))
        if len(before) != len(after) or len(text) != 5:
            continue  # a letter was left out, or came late
        changed = [(unicodedata.normalize("NFKC", a), unicodedata.normalize("NFKC", b))
                   for a, b in zip(before, after, strict=True) if a != b]  # fmt: skip
        assert len(changed) == 1
        one = [unicodedata.name(letter).rpartition(" ")[2] for letter in changed[0]]
        assert any({unicodedata.name(x).rpartition(" ")[2] for x in pair} == set(one) for pair in pairs), changed


def test_spaces_move_and_letters_stay():
    for seed in range(20):
        text = perturb(ASKED, "spaces moved", random.Random(seed))
        assert text.replace(" ", "") == ASKED.replace(" ", "")


def test_slang_keeps_the_stem():
    for seed in range(20):
        assert "환불" in perturb("환불 가능한가요?", "chat slang", random.Random(seed))


@pytest.mark.parametrize("kind", KINDS)
def test_english_and_nothing_come_back(kind):
    assert perturb("", kind, random.Random(0)) == "" or kind == "chat slang"
    assert perturbed(["How do I get 3 refunds?"], kind) == []


def test_the_same_seed_writes_the_same_and_only_what_changed_is_given():
    texts = [ASKED, "환불", "앱 오류 3번"]
    for kind in KINDS:
        found = perturbed(texts, kind, seed=1)
        assert found == perturbed(texts, kind, seed=1)
        assert all(text != texts[at] for at, text in found)
    assert [at for at, _ in perturbed(texts, "numbers spelt")] == [0, 2]
