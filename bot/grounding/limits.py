"""Limits: what a source says only under a condition, and whether a sentence leaves the condition out.

A limit ("only if the seal is unbroken", "디지털 상품을 제외하고") belongs to the statement that it stands beside, up to
the next semicolon, "but" or the like. Who tells the statement has to tell something of the limit too.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from bot.grounding.content import content, held, share_of
from bot.grounding.facts import facts
from bot.grounding.negation import negated
from bot.grounding.vocabulary import GRANTED, NO_PARTICLE
from indexer.words import has_hangul, plain

WHOLE = 0.6  # share of a statement's words from which a sentence tells it, beside what it tells more of
BOUND = r"(?=,(?!\d)|[;:.!?()]|\s(?:and|but|so)\s|$)"
# What a text says strictly of; then what may merely repeat the situation that is asked about, or come before a step.
STRICT_ENGLISH = re.compile(
    r"\bonly\s(?:if|when|in|for|after|once|while|until|with|by|on|to|from|at|before|as)\b.*?" + BOUND
    + r"|\b(?:unless|except|excepting|excluding|apart from|other than|until|as long as|provided)\b.*?" + BOUND
)  # fmt: skip
CONDITION_ENGLISH = re.compile(
    r"(?<!\bor\s)(?<!\beven\s)(?<!\bas\s)(?<!\bthan\s)(?<!\bsee\s)(?<!\bcheck\s)(?<!\bask\s)"
    r"\b(?:if|when|whenever|before|after|once(?=\s(?:the|you|your|it|we|an?|they|this)\b))\b.*?" + BOUND
)
TOPIC = (
    r"[^\s,;.]*(?:(?<![않받같좋많높얻잃늦읽넣놓남찍적])은|(?<![과와에로하되있없쓰받듣않르싶남넘보오가나주지리])는)\s"
)
# What stands before the marker of a Korean limit: some words, up to the topic or the end of another clause.
CLAUSE_END = r"[^\s,;.]+(?:면|며|고|야|지만|는데)\s"
WORDS_BEFORE = rf"(?:(?!{TOPIC}|{CLAUSE_END})(?:[^\s,;.]|[,.](?=\d))+\s){{0,3}}"
STRICT_KOREAN = re.compile(
    WORDS_BEFORE + r"(?:제외(?:하고|한|하면|되며|됩니다)|(?<=[을를은는]\s)빼고|한해서?(?=[\s,])"
    r"|[^\s,]*지 않는 한(?=[\s,])"
    r"|[^\s,]+(?:까지|(?<![지다미불\d]))만(?:은|이)?(?=[\s,])(?!\s\S+면\s[됩돼되])|[^\s,]*전까지(?:는|만)?(?=[\s,]))"
)  # fmt: skip
CONDITION_KOREAN = re.compile(
    WORDS_BEFORE + r"(?:[^\s,]*[가-힣](?<![화장측표])면(?=[\s,])(?!\s(?:안\s)?(?:됩|돼|되|된|좋))"
    r"|[^\s,]+[어아여해셔]야(?=\s)(?!\s(?:합|해|하|한|할))|경우(?:에|에는|엔)?(?=[\s,])|때(?:는|에는|에|엔)?(?=[\s,])"
    r"|(?<=\s)(?:전|후|뒤)(?:에|에는)?(?=[\s,]))"
)  # fmt: skip
SEGMENT = re.compile(
    r"[;:]\s|[.!?]\s|,?\s\bbut\s|,\s(?:and|so|then)\s"
    r"|(?<=\s뿐),?\s|(?:(?<=[^까]지만)|(?<=으나)|(?<=는데)|(?<=므로)|(?<=[가-힣]니)),?\s"
    r"|(?<=며),?\s|(?<!제외하고)(?<!빼고)(?<!남기고)(?<=고)(?:,\s|\s(?!있|싶|나[면서]|계))"
)
INSTRUCTION = re.compile(r"(?:세요|십시오|바랍니다|면 (?:됩니다|돼요))[.!]?$")


class Limit(NamedTuple):
    """A limit of a text, and the statement that it belongs to."""

    text: str
    statement: str  # without this and the other limits that belong to it
    beside: str  # the statement with those others
    strict: bool  # whether it limits whatever was asked


@lru_cache(8_192)
def limits(text: str) -> tuple[Limit, ...]:
    """Give the limits of a text, those of one statement in their order."""
    return tuple(limit for segment in _segments(text) for limit in _of(segment))


def _segments(text: str) -> list[str]:
    return [one.strip() for one in SEGMENT.split(plain(text)) if one and one.strip()]


def _of(segment: str) -> list[Limit]:
    hangul = has_hangul(segment)
    strict, condition = (STRICT_KOREAN, CONDITION_KOREAN) if hangul else (STRICT_ENGLISH, CONDITION_ENGLISH)
    found = [(one.start(), one[0], True) for one in strict.finditer(segment) if not _is_word(one[0])]
    rest = segment
    for at, text, _ in found:
        rest = f"{rest[:at]}{',' * len(text)}{rest[at + len(text) :]}"
    found += [(one.start(), one[0], False) for one in condition.finditer(rest)]
    for at, text, _ in found:
        rest = f"{rest[:at]}{' ' * len(text)}{rest[at + len(text) :]}"
    statement = " ".join(rest.replace(",,", "").split()).strip(" ,")
    if not content(statement):
        return []
    return [
        Limit(text, statement, f"{segment[:at]} {segment[at + len(text) :]}", hard) for at, text, hard in sorted(found)
    ]


def _is_word(text: str) -> bool:
    """Tell whether 만 is no particle in the last word of a text."""
    return text.split()[-1].removesuffix("만") in NO_PARTICLE


def leaves_out(said: str, source: str, question: str = "") -> bool:
    """Tell whether a sentence says what its source says, without a limit that the source sets to it."""
    words = content(said)
    shares = [(share_of(words, content(segment)), _of(segment)) for segment in _segments(source)]
    best = max((share for share, found in shares if found), default=0.0)
    free = max((share for share, found in shares if not found), default=0.0)
    return any(
        _misses(found, said, question)
        for share, found in shares
        if found and _tells(said, found[0].statement) and (share >= best > free or _holds(words, found[0].statement))
    )


def _tells(said: str, statement: str) -> bool:
    """Tell whether a sentence may say a statement: in Korean, it holds the word at its end, or one side of "A·B"."""
    tail = statement.split()[-3:] if has_hangul(statement) else []
    end = content(" ".join(tail))[-1:]
    sides = next((content(word) for word in tail if "·" in word and end and end[-1] in content(word)), end)
    return not end or any(held(word, content(said)) for word in sides)


def _holds(words: tuple[str, ...], statement: str) -> bool:
    told = content(statement)
    return len(told) > 1 and share_of(told, words) >= WHOLE


def _misses(found: Sequence[Limit], said: str, question: str) -> bool:
    """Tell whether a sentence lacks one of the limits of a statement."""
    inner = False  # a Korean condition before one that is told is a part of that
    for limit in reversed(found):
        if _is_told(limit, said, question):
            inner = inner or (not limit.strict and has_hangul(limit.text))
        elif not (inner and not limit.strict) and not _is_needless(limit, question):
            return True
    return False


def _is_told(limit: Limit, said: str, question: str) -> bool:
    """Tell whether a sentence holds a word or number that only the limit has, or sets a limit about the same."""
    own, numbers = _own(limit)
    if limit.strict and not own and not numbers:  # "until then"
        return STRICT_ENGLISH.search(plain(said)) is not None
    beside = _without(own, content(question)) or own
    words = content(said)
    if any(held(word, words) for word in beside) or numbers & facts(said):
        return True
    return any(held(word, content(other.text)) for other in limits(said) for word in own)


def _is_needless(limit: Limit, question: str) -> bool:
    """Tell whether a limit says nothing, repeats the situation that is asked about, or comes before a step."""
    own, numbers = _own(limit)
    if limit.strict:
        return not own and not numbers and has_hangul(limit.text)
    repeats = all(held(word, content(question)) for word in own) and negated(limit.text) == negated(question)
    return (not own and not numbers) or repeats or _instructs(limit.statement)


def _own(limit: Limit) -> tuple[list[str], frozenset[str]]:
    """Give the words and the numbers that a limit has and the statement beside it has not."""
    words = content(limit.text)
    own = _without(words, content(limit.beside)) or _without(words, content(limit.statement))
    return own, facts(limit.text) - facts(limit.beside)


def _without(some: Sequence[str], others: Sequence[str]) -> list[str]:
    return [word for word in some if not held(word, others)]


def _instructs(statement: str) -> bool:
    """Tell whether a statement asks somebody to do something."""
    return bool((INSTRUCTION if has_hangul(statement) else GRANTED["must"]).search(statement))
