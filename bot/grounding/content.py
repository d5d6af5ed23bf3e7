"""Content: the words of a text that carry meaning, cut to their stems, in English and Korean."""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from bot.grounding.facts import ADDRESS, UNIT
from bot.grounding.vocabulary import (
    EMPTY_ENGLISH,
    EMPTY_KOREAN,
    MEANT,
    NUMBERS_ENGLISH,
    NUMBERS_KOREAN,
    PHRASES,
    SAME_ENGLISH,
    SAME_KOREAN,
)
from indexer.words import HANGUL, plain, stem

UNUSED = re.compile(r"미(사용|수강|가입|완료|결제|입금|등록|인증)")  # 미사용: not used
UNDONE = re.compile(
    r"\bun(?=(?:answered|approved|available|confirmed|finished|necessary|needed|opened|paid|read|redeemed|registered"
    r"|signed|spent|submitted|used|verified|watched)\b)"
)
FIRST = re.compile(r"\bfirst(?=\s*(?:[,.;]|$|then\b|and\b))")  # of what comes before something else
SAME_LETTERS = 4  # that two Korean verbs begin with alike: 열려 and 열립니다
FULL = {6: 20, 9: 8, 14: 13}  # ㅕ is ㅣ and ㅓ, ㅘ is ㅗ and ㅏ, ㅝ is ㅜ and ㅓ, by their places in a syllable
SUFFIX = re.compile(r"(?:'s|ments?|ations?|ings?|ies|ied|ers?|ed|es|ly|s|y|e)$")


@lru_cache(8_192)
def content(text: str) -> tuple[str, ...]:
    """Give the words that carry meaning, each cut to its stem; numbers and addresses are looked at elsewhere."""
    told = UNUSED.sub(r"\1", ADDRESS.sub(" ", plain(text).replace("e-mail", "email")))
    told = FIRST.sub(" ", UNDONE.sub("", told))
    for form, meant in zip(PHRASES, MEANT, strict=True):
        told = form.sub(meant, told)
    found = []
    for digits, word in re.findall(r"(\d*)([^\W\d_]+)", told):
        if digits and any(form.match(word) for form in UNIT.values()):
            continue
        cut = _cut(word)
        if cut:
            found.append(cut)
    return tuple(dict.fromkeys(found))


@lru_cache(20_000)
def _cut(word: str) -> str:
    if word in NUMBERS_ENGLISH:
        return ""
    if HANGUL.search(word):
        if word in EMPTY_KOREAN:
            return ""
        bare = stem(word)
        bare = next((SAME_KOREAN[bare[:size]] for size in (3, 2, 1) if bare[:size] in SAME_KOREAN), bare)
        return "" if bare in EMPTY_KOREAN or bare in NUMBERS_KOREAN else _uncontracted(bare)
    bare = _english(word)
    return "" if word in EMPTY_ENGLISH or bare in EMPTY_ENGLISH or len(word) < 2 else bare


def _uncontracted(bare: str) -> str:
    """Take a verb's ending out of its last syllable: 쓰여 -> 쓰이, 바꿨 -> 바꾸."""
    if len(bare) < 2 or not "가" <= bare[-1] <= "힣":
        return bare
    letters = ord(bare[-1]) - ord("가")
    vowel, final = letters // 28 % 21, letters % 28
    if vowel not in FULL or final not in (0, 20):  # 20: ㅆ of the past
        return bare
    return bare[:-1] + chr(ord("가") + (letters // 588 * 21 + FULL[vowel]) * 28)


def _english(word: str) -> str:
    for form in (word, SUFFIX.sub("", word), re.sub(r"s$", "", word)):
        if form in SAME_ENGLISH:
            return SAME_ENGLISH[form]
    bare = word
    for _ in range(2):
        cut = SUFFIX.sub("", bare)
        bare = cut if len(cut) >= 3 else bare
    doubled = len(bare) > 3 and bare[-1] == bare[-2] and bare[-1] != "s"
    if doubled and (bare[-1] != "l" or len(bare) > 5):
        bare = bare[:-1]
    return SAME_ENGLISH.get(bare, bare)


def held(word: str, known: Sequence[str] | frozenset[str]) -> bool:
    """Tell whether a stem is among others, as a whole or with another ending."""
    return word in known or any(_akin(word, other) for other in known)


def _akin(one: str, other: str) -> bool:
    if HANGUL.search(one):
        # 계좌 is what 가상계좌 is too, not the other way round; 신청 and 신청서 begin alike.
        if min(len(one), len(other)) < 2 or one[0] != other[0]:
            return len(one) >= 2 and other.endswith(one)
        return one[:2] == other[:2] or _alike(_letters(one), _letters(other)) >= SAME_LETTERS
    short, long = sorted((one, other), key=len)
    if len(short) >= 4 and long.startswith(short):
        return len(long) - len(short) <= 4
    common = _alike(short, long)
    return common >= 5 and common >= 0.7 * len(long)


def _alike(one: str, other: str) -> int:
    """Count the letters that two words begin with alike."""
    pairs = zip(one, other, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


@lru_cache(20_000)
def _letters(word: str) -> str:
    return unicodedata.normalize("NFD", word)


def share_of(said: Sequence[str], known: Sequence[str] | frozenset[str]) -> float:
    """Give the share of some stems that is among others."""
    return sum(held(word, known) for word in said) / len(said) if said else 0.0
