"""Words, Korean terms and rarity: a few cut by hand."""

import unicodedata

import numpy as np
import pytest

from indexer.words import has_hangul, is_syllable, rarity, stem, terms, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("How do I get a REFUND?", ["how", "do", "i", "get", "a", "refund"]),
        ("snake_case e-mail don't", ["snake", "case", "e", "mail", "don", "t"]),
        ("ＦＵＬＬ width ②", ["full", "width", "2"]),
        ("Straße Ünïcode", ["strasse", "ünïcode"]),
        ("환불은 7일 안에!", ["환불은", "7일", "안에"]),
        ("?! ...", []),
        ("", []),
    ],
)
def test_words_are_cut_and_lower_case(text, expected):
    assert words(text) == expected


def test_decomposed_korean_gives_the_same_words():
    text = "환불은 어떻게 받나요?"
    assert words(unicodedata.normalize("NFD", text)) == words(text) == ["환불은", "어떻게", "받나요"]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("환불은", "환불"),
        ("환불이", "환불"),
        ("강의에서는", "강의"),
        ("수료증을", "수료증"),
        ("취소하면", "취소"),
        ("환불하고싶어요", "환불"),
        ("결제했어요", "결제"),
        ("주세요", "주세요"),  # nothing would be left
        ("나이", "나이"),  # a particle is not cut down to one syllable
        ("환불", "환불"),
    ],
)
def test_a_stem_loses_its_endings_and_its_particle(word, expected):
    assert stem(word) == expected


def test_terms_of_an_english_text_are_its_words():
    assert terms("Get my refund") == ["get", "my", "refund"]


def test_terms_of_a_korean_word_are_its_stem_pairs_and_syllables():
    assert terms("환불은") == ["환불", "환불_", "불은_", "환__", "불__", "은__", "환__", "불__"]


def test_terms_of_mixed_text_keep_the_order_of_words():
    assert terms("PDF 수료증") == ["pdf", "수료증", "수료_", "료증_", *["수__", "료__", "증__"] * 2]


def test_only_single_syllables_are_syllables():
    assert [term for term in terms("환불 a") if is_syllable(term)] == ["환__", "불__"] * 2
    assert not is_syllable("환불_")
    assert not is_syllable("a")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("환불", True),
        (unicodedata.normalize("NFD", "환불"), True),
        ("ㅠㅠ", True),
        ("refund 환", True),
        ("refund", False),
        ("返金", False),
        ("", False),
    ],
)
def test_hangul_is_noticed(text, expected):
    assert has_hangul(text) is expected


def test_rarity_is_smooth_inverse_frequency():
    """a / (a + share), a = 0.001: 900, 99 and 1 of 1,000 words."""
    found = rarity(np.array([900, 99, 1]))
    np.testing.assert_allclose(found, [0.001 / 0.901, 0.001 / 0.1, 0.5], rtol=1e-6)
    assert found.dtype == np.float32
