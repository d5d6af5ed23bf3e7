"""Support: what a sentence says that a stored text must say too, in English and Korean.

Numbers with their units, addresses, names, negation, and the words in which meaning turns. Strict on purpose: what is
not clearly there counts as absent.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from bot.grounding.meanings import IRREGULAR, SAME_KOREAN, STOP_ENGLISH, STOP_KOREAN, TURNS
from indexer.words import HANGUL, has_hangul, plain, stem

# ---- Numbers

ENGLISH_NUMBERS = dict(
    zip(
        [
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "twenty",
            "thirty",
            "forty",
            "fifty",
            "sixty",
            "ninety",
            "hundred",
        ],
        [
            "2",
            "3",
            "4",
            "5",
            "6",
            "7",
            "8",
            "9",
            "10",
            "11",
            "12",
            "13",
            "14",
            "15",
            "20",
            "30",
            "40",
            "50",
            "60",
            "90",
            "100",
        ],
        strict=True,
    )
) | {"twice": "2", "both": "2", "half": "1/2", "halves": "1/2", "third": "1/3", "thirds": "1/3", "quarter": "1/4"}
KOREAN_NUMBERS = {
    "한": "1", "두": "2", "세": "3", "네": "4", "다섯": "5", "여섯": "6", "일곱": "7", "여덟": "8", "아홉": "9",
    "열": "10", "스무": "20",
}  # fmt: skip
COUNTED = r"(?=\s?(?:번|명|개|달|시간|가지|대|주|장|부|편|단계|차례|과목|자리|사람|배|건|곳|살|해|쪽|줄|회))"
SPELT = {
    "en": re.compile(rf"\b({'|'.join(ENGLISH_NUMBERS)})\b"),
    "ko": re.compile(rf"(?<![가-힣])({'|'.join(sorted(KOREAN_NUMBERS, key=len, reverse=True))}){COUNTED}"),
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

# ---- Negation

NOT = (
    r"not|no|never|without|cannot|can't|cant|won't|don't|doesn't|didn't|isn't|aren't|wasn't|weren't|mustn't|needn't"
    r"|couldn't|shouldn't|unable|none|nothing|nobody|neither|nor|hardly|stops?|impossible|longer"
)
NEGATION_ENGLISH = re.compile(rf"\b(?:{NOT})\b", re.IGNORECASE)
NEGATION_KOREAN = re.compile(
    r"지\s?(?:는\s|도\s)?(?:않|못|마[시세]|말)|(?:^|\s)(?:안|못)\s(?=[가-힣])|안\s?(?:되|돼|됩|될|된)|못\s?(?:하|해|했|합)|없|아니|아닙|아닌"
    r"|불가|금지|어렵|힘들"
)
PAUSE = re.compile(r"[,;:.|]|\bbut\b|\band\b")
REGARDLESS = re.compile(r"(?:관계|상관|문제|틀림|빠짐|끊임)\s?없(?:이|는)")
UNUSED = re.compile(r"미(?=(?:사용|수강|가입|완료|결제|입금|등록|인증))")  # 미사용: not used
CLAUSE = re.compile(
    r"[;:,]|\bbut\b|\band\b(?= half| nothing| the rest)|\bhowever\b|\bwhile\b"
    r"|지만|으나(?=\s)|는데(?=\s)|(?<=[가-힣])(?:며|고)(?=[\s,])",
    re.IGNORECASE,
)

# ---- Names, addresses, dates

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


def facts(text: str) -> frozenset[str]:
    """Give the numbers with their units, the addresses and the days that a text names, each in one spelling."""
    told = plain(text).replace("’", "'")
    found = {one.rstrip(".,;:!?").removeprefix("https://").removeprefix("http://") for one in ADDRESS.findall(told)}
    rest = ADDRESS.sub(" ", told)
    found |= {one.rstrip("s") for one in CALENDAR.findall(rest)}
    return frozenset(found | set(numbers(rest)))


def numbers(text: str) -> list[str]:
    """Give the numbers of a plain text; one with a unit as `14 day`, and without it too."""
    told = SPELT["ko"].sub(lambda m: KOREAN_NUMBERS[m[1]], SPELT["en"].sub(lambda m: ENGLISH_NUMBERS[m[1]], text))
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


def turns(text: str) -> frozenset[str]:
    """Name the groups of turning words that a text holds."""
    told = plain(text) + " "
    return frozenset(name for name, form in TURNS.items() if form.search(told))


# ---- Content words

SAME_LETTERS = 4  # that two Korean verbs begin with alike: 열려 and 열립니다
SUFFIX = re.compile(r"(?:'s|ments?|ations?|ings?|ies|ied|ers?|ed|es|ly|s|y|e)$")


def content(text: str) -> list[str]:
    """Give the words that carry meaning, each cut to its stem; numbers and addresses are looked at elsewhere."""
    told = UNUSED.sub("", ADDRESS.sub(" ", plain(text).replace("e-mail", "email")))
    found = []
    for digits, word in re.findall(r"(\d*)([^\W\d_]+)", told):
        if digits and any(form.match(word) for form in UNIT.values()):
            continue
        cut = _cut(word)
        if cut:
            found.append(cut)
    return list(dict.fromkeys(found))


@lru_cache(20_000)
def _cut(word: str) -> str:
    if word in ENGLISH_NUMBERS:
        return ""
    if HANGUL.search(word):
        if word in STOP_KOREAN:
            return ""
        bare = stem(word)
        bare = next((SAME_KOREAN[bare[:size]] for size in (3, 2, 1) if bare[:size] in SAME_KOREAN), bare)
        return "" if bare in STOP_KOREAN or bare in KOREAN_NUMBERS else bare
    bare = _english(word)
    return "" if word in STOP_ENGLISH or bare in STOP_ENGLISH or len(word) < 2 else bare


def _english(word: str) -> str:
    for form in (word, SUFFIX.sub("", word), re.sub(r"s$", "", word)):
        if form in IRREGULAR:
            return IRREGULAR[form]
    bare = word
    for _ in range(2):
        cut = SUFFIX.sub("", bare)
        bare = cut if len(cut) >= 3 else bare
    doubled = len(bare) > 3 and bare[-1] == bare[-2] and bare[-1] != "s"
    if doubled and (bare[-1] != "l" or len(bare) > 5):
        bare = bare[:-1]
    return IRREGULAR.get(bare, bare)


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


# ---- Negation


def negated(text: str) -> bool:
    """Tell whether a text says no to something."""
    told = _told(text)
    return bool((NEGATION_KOREAN if has_hangul(told) else NEGATION_ENGLISH).search(told))


def denied(text: str, most: int = 2) -> frozenset[str]:
    """Give the stems that a text says no to: up to `most` after an English negation, the one before a Korean."""
    told, found = _told(text), set[str]()
    if has_hangul(told):
        for one in NEGATION_KOREAN.finditer(told):
            before = content(" ".join(told[: one.start()].split()[-3:]))
            found.update(content(told[one.end() :])[:1] if one[0].strip() in ("안", "못") else before[-most:])
        return frozenset(found)
    for one in NEGATION_ENGLISH.finditer(told):
        behind = PAUSE.sub("|", told[one.end() :]).split("|")[0]
        ahead = PAUSE.sub("|", told[: one.start()]).split("|")[-1]
        found.update(content(behind)[:most] or content(ahead)[-most:])
        if most > 1:  # who only looks whether both deny the same need not know the order of the words
            found.update(content(behind)[most : most + 1], content(ahead)[-1:])
    return frozenset(found)


def _told(text: str) -> str:
    told = plain(text).replace("’", "'")
    return REGARDLESS.sub(" ", UNUSED.sub("않은 ", told)) if has_hangul(told) else told


# ---- What belongs together

ADDING = re.compile(r"([가-힣]{2,})(도|만)(?=[\s,.]|$)")
NO_ALSO = (
    "정",
    "진",
    "한",
    "아직",
    "온",
    "속",
    "적어",
    "제",
    "용",
    "빈",
    "습",
    "각",
)  # 정도, 진도, 한도, ...: whole words
TOPIC = re.compile(
    r"(?:[가-힣A-Za-z\d]+\s)?[가-힣A-Za-z\d]+(?:은|(?<!에서)(?<!까지)(?<![과와에로])는|이면|라면|다면|으면|되면|하면|지면)(?=[\s,])"
)
SUBJECT = re.compile(
    r"(?:[가-힣A-Za-z\d]+\s){0,2}?[가-힣A-Za-z\d]+(?:은|(?<!에서)(?<!까지)(?<![과와에로])는)(?=\s)"
)  # what a sentence begins with
OPPOSITES = (("full", "part"), ("before", "after"), ("least", "most"))


def particles(text: str) -> frozenset[str]:
    """Give the beginnings of the Korean words that a text adds or singles out: 도, "also" or "even", and 만, "only"."""
    found = ADDING.findall(plain(text))
    return frozenset(f"{word[:2]} {particle}" for word, particle in found if word not in NO_ALSO)


def subject(text: str) -> list[str]:
    """Give the stems of what a Korean sentence begins with and is about."""
    found = SUBJECT.match(text)
    return content(found[0]) if found else []


def runs(text: str) -> list[str]:
    """Give a text, and all runs of neighbouring clauses in it, but no more than some dozens."""
    parts = clauses(text)[:8]
    spans = ((start, end) for start in range(len(parts)) for end in range(start + 1, len(parts) + 1))
    return [text, *(", ".join(parts[start:end]) for start, end in spans)]


def mixed(said: str, source: str) -> bool:
    """Tell whether a sentence joins what stands apart in its source: the topic of one clause, the rest of another."""
    parts = [part for part in clauses(source) if part]
    about, known = subject(said), content(source)
    if about and subject(source) and not any(held(word, known) for word in about):
        return True
    if _unbounded(said, parts):
        return True
    if len(parts) < 2:
        return False
    if any(_swapped(said, parts, pair) for pair in OPPOSITES):
        return True
    if not has_hangul(said) or len(clauses(said)) > 1 or sum(bool(TOPIC.search(part + " ")) for part in parts) < 2:
        return False
    topics = [word for found in TOPIC.findall(said + " ") for word in content(found) or [found]]
    about = [part for part in parts if topics and all(held(t, content(part)) or t in part for t in topics)]
    last = content(said)[-1:]
    return bool(about) and not any(
        not missing_facts(facts(said), facts(part)) and all(held(word, content(part)) for word in last)
        for part in about
    )


def _swapped(said: str, parts: Sequence[str], pair: tuple[str, str]) -> bool:
    """Tell whether a number comes with "full" where all clauses that hold it say "half", and the like."""
    told = turns(said)
    for one, other in (pair, pair[::-1]):
        only_other = (all(other in held_ and one not in held_ for held_ in holding) for holding in _around(said, parts))
        if one in told and other not in told and any(only_other):
            return True
    return False


def _unbounded(said: str, parts: Sequence[str]) -> bool:
    """Tell whether a number is a bound in its source, "up to 30 days", and none in the sentence."""
    told = turns(said)
    return any(
        all(bound in held_ for held_ in holding)
        for bound, other in (("most", "least"), ("least", "most"))
        if bound not in told and other not in told
        for holding in _around(said, parts)
    )


def _around(said: str, parts: Sequence[str]) -> list[list[frozenset[str]]]:
    """Give, for each number of a sentence that its source holds, the turning words of the clauses that hold it."""
    found = []
    for number in (fact for fact in facts(said) if fact[0].isdigit()):
        holding = [turns(part) for part in parts if not missing_facts(frozenset([number]), facts(part))]
        found += [holding] if holding else []
    return found


def clauses(text: str) -> list[str]:
    """Cut a text into its clauses."""
    return [part.strip() for part in CLAUSE.split(text) if part and part.strip()]
