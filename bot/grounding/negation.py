"""Negation: whether a text says no, and to what."""

import re
from functools import lru_cache

from bot.grounding.content import UNDONE, UNUSED, content
from indexer.words import has_hangul, plain

NOT = (
    r"not|no|never|without|cannot|can't|cant|won't|don't|doesn't|didn't|isn't|aren't|wasn't|weren't|mustn't|needn't"
    r"|couldn't|shouldn't|unable|none|nothing|nobody|neither|nor|hardly|stops?|impossible|longer"
)
NEGATION_ENGLISH = re.compile(rf"\b(?:{NOT})\b", re.IGNORECASE)
NEGATION_KOREAN = re.compile(
    r"지\s?(?:는\s|도\s)?(?:않|못|마[시세]|말)|(?:^|\s)(?:안|못)\s(?=[가-힣])|안\s?(?:되|돼|됩|될|된)|못\s?(?:하|해|했|합)|없|아니|아닙|아닌"
    r"|불가|금지|어렵|힘들|(?<=[가-힣])[와과]는?\s(?:다르|다릅|달라|별개|무관)"
)
PAUSE = re.compile(r"[,;:.|]|\bbut\b|\band\b")
REGARDLESS = re.compile(r"(?:관계|상관|문제|틀림|빠짐|끊임)\s?없(?:이|는)")


@lru_cache(8_192)
def negated(text: str) -> bool:
    """Tell whether a text says no to something."""
    told = _told(text)
    return bool((NEGATION_KOREAN if has_hangul(told) else NEGATION_ENGLISH).search(told))


@lru_cache(8_192)
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
    if has_hangul(told):
        return REGARDLESS.sub(" ", UNUSED.sub(r"\1하지 않은 ", told))
    return UNDONE.sub("not ", told)
