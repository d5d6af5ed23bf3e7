"""Facts: the numbers with their units, addresses, days, names and turning words that a text states.

Strict on purpose: what is not clearly there counts as absent.
"""

import re
from functools import lru_cache

from bot.grounding.vocabulary import GRANTED, NUMBERS_ENGLISH, NUMBERS_KOREAN, TURNS
from indexer.words import has_hangul, plain

COUNTED = r"(?=\s?(?:번|명|개|달|시간|가지|대|주|장|부|편|단계|차례|과목|자리|사람|배|건|곳|살|해|쪽|줄|회))"
SPELT = {
    "en": re.compile(rf"\b({'|'.join(NUMBERS_ENGLISH)})\b"),
    "ko": re.compile(rf"(?<![가-힣])({'|'.join(sorted(NUMBERS_KOREAN, key=len, reverse=True))}){COUNTED}"),
}
NUMBER = re.compile(r"\d+(?:[.,:/]\d+)*")
UNITS = {
    "day": r"days?|일(?!\d)|영업일", "week": r"weeks?|주(?!\w*소)", "month": r"months?|개월|달|월",
    "year": r"years?|년|해", "hour": r"hours?|시간|hrs?", "minute": r"minutes?|mins?|분",
    "second": r"seconds?|secs?|초", "%": r"%|percent|퍼센트|프로", "krw": r"krw|won|원|만 ?원|천 ?원",
    "usd": r"usd|dollars?|달러",
    "eur": r"eur|euros?|유로", "time": r"times?|번|회", "person": r"people|persons?|명|인", "gb": r"gb|기가",
    "mb": r"mb|메가", "point": r"points?|점|포인트", "piece": r"개(?!월)|장|부|대|건|과목|가지", "age": r"세|살",
    "oclock": r"시(?!간)|am|pm|o'clock",
}  # fmt: skip
UNIT = {
    name: re.compile(rf"\s?(?:business |calendar |full |more |영업)?(?:{forms})", re.I) for name, forms in UNITS.items()
}
CURRENCY = {"$": "usd", "₩": "krw", "€": "eur", "£": "gbp"}
WHOLE_MINUTES = re.compile(r"(\d{1,2})시\s?(\d{1,2})분")

ADDRESS = re.compile(
    r"https?://[^\s)\]>]+|[\w.+*-]+@[\w-]+(?:\.[\w-]+)+|\b(?:[a-z0-9-]+\.)+(?:com|net|org|io|kr|example|me|ly|app|shop|info)\b\S*",
    re.I,
)
CALENDAR = re.compile(
    r"\b(?:january|february|march|april|june|july|august|september|october|november|december"
    r"|monday|tuesday|wednesday|thursday|friday|saturday|sunday|weekends?|today|tomorrow|tonight)s?\b"
    r"|[월화수목금토일]요일|주말|평일|공휴일|명절|오늘|내일|어제|오전|오후|새벽|자정|정오|밤",
    re.IGNORECASE,
)
LATIN = re.compile(r"[A-Za-z][A-Za-z0-9.+-]*")
CAPITAL = re.compile(r"(?<=[a-z0-9,;>'\"’)] )[A-Z][\w-]*")


@lru_cache(8_192)
def facts(text: str) -> frozenset[str]:
    """Give the numbers with their units, the addresses and the days that a text names, each in one spelling."""
    told = plain(text).replace("’", "'")
    found = {one.rstrip(".,;:!?").removeprefix("https://").removeprefix("http://") for one in ADDRESS.findall(told)}
    rest = ADDRESS.sub(" ", told)
    found |= {one.rstrip("s") for one in CALENDAR.findall(rest)}
    return frozenset(found | set(numbers(rest)))


def numbers(text: str) -> list[str]:
    """Give the numbers of a plain text; one with a unit as `14 day`, and without it too."""
    told = in_digits(text)
    told = re.sub(r"\ban? (?=(?:day|week|month|year|hour|minute)\b)", "1 ", told)
    told = WHOLE_MINUTES.sub(r"\1:\2", told)
    told = re.sub(r"(\d+)분의 (\d+)", r"\2/\1", told)
    told = re.sub(r"(\d+)만\s?(?=\d{4}\s?원)", r"\1", re.sub(r"(\d+)만(?=\s?원)", r"\g<1>0000", told))
    found = []
    for one in NUMBER.finditer(told):
        value = _value(one[0])
        sign = CURRENCY.get(told[one.start() - 1 : one.start()], "")
        unit = sign or next((name for name, form in UNIT.items() if form.match(told, one.end())), "")
        found.append(f"{value} {unit}" if unit else value)
    return found


def in_digits(text: str) -> str:
    """Write the numbers of a plain text that are words as digits."""
    return SPELT["ko"].sub(lambda m: NUMBERS_KOREAN[m[1]], SPELT["en"].sub(lambda m: NUMBERS_ENGLISH[m[1]], text))


def beside_numbers(text: str, most: int = 3) -> list[str]:
    """Give each number of a text with up to `most` words before and behind it, and no other number."""
    told = in_digits(plain(text)).split()
    places = [-1, *(at for at, word in enumerate(told) if re.search(r"\d", word)), len(told)]
    around = zip(places, places[1:], places[2:], strict=False)
    return [" ".join(told[max(last + 1, at - most) : min(after, at + most + 1)]) for last, at, after in around]


def _value(written: str) -> str:
    bare = re.sub(r",(?=\d{3}\b)", "", written).lstrip("0") or "0"
    return bare.rstrip("0").rstrip(".") if "." in bare else bare


def missing_facts(said: frozenset[str], known: frozenset[str]) -> frozenset[str]:
    """Give what is said and not known; a number without a unit is known whatever its unit is there."""
    bare = {one.split()[0] for one in known}
    return frozenset(one for one in said if one not in known and (" " in one or one not in bare))


def names(sentence: str) -> list[str]:
    """Give the words that look like names: capitals within a sentence, Latin letters within Korean."""
    told = ADDRESS.sub(" ", sentence)
    return LATIN.findall(told) if has_hangul(told) else CAPITAL.findall(told)


def is_named(name: str, text: str) -> bool:
    """Tell whether a plain text holds a name, maybe with another ending: Korean and Korea."""
    bare = plain(name)
    return bare in text or (
        len(bare) >= 5 and bare.isalpha() and re.search(rf"\b{bare[: max(4, len(bare) - 2)]}", text) is not None
    )


@lru_cache(8_192)
def turns(text: str) -> frozenset[str]:
    """Name the groups of turning words that a text holds."""
    told = plain(text) + " "
    return frozenset(name for name, form in TURNS.items() if form.search(told))


def granted(text: str) -> frozenset[str]:
    """Name the groups whose words a sentence may use of a text: those that it holds, or says without their words."""
    told = plain(text) + " "
    return turns(text) | frozenset(name for name, form in GRANTED.items() if form.search(told))
