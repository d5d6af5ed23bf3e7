"""Statements: a sentence and its source, each taken apart once, and whether both say yes and no to the same."""

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from bot.grounding.clauses import runs, subject
from bot.grounding.content import content, held, share_of
from bot.grounding.cutting import LIST_MARK, sentences
from bot.grounding.facts import facts, granted, names, turns
from bot.grounding.negation import denied, negated
from indexer.words import has_hangul

FOLLOWS = re.compile(
    r"(?:it|they|this|these|then|after that|from then on|there|both|either)\b"
    r"|(?:그|이|그러면|그때|그 뒤|이후|연결한|해당)\s",
    re.IGNORECASE,
)
JOINT = re.compile(r",?\s+(?:and then|and|then)\s+|;\s+|(?<=[가-힣][고며면]),?\s+")
LEANS = re.compile(r"(?:yes|no|네|예|아니요|아니오)[,.\s]", re.IGNORECASE)  # on its question


@dataclass(frozen=True, slots=True)
class Window:
    """What a sentence is held against: a sentence of an answer, or two that go together."""

    text: str
    facts: frozenset[str]
    turns: frozenset[str]
    words: frozenset[str]
    led: frozenset[str]  # words of the sentence that it comes after
    single: bool  # one sentence, not two

    @property
    def leans(self) -> bool:
        """Whether it answers yes or no, so that half of what it says stands in its question."""
        return LEANS.match(self.text) is not None


class Said:
    """What a sentence says, taken apart once."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.language = "ko" if has_hangul(text) else "en"
        self.facts, self.turns, self.words = facts(text), turns(text), content(text)
        self.names, self.negated, self.denied = names(text), negated(text), denied(text)


@lru_cache(1_024)
def windows(answer: str) -> tuple[Window, ...]:
    """Give the sentences of an answer, then each with the next where that goes on from it and neither says no."""
    parts = sentences(answer)
    bare = [LIST_MARK.sub("", part) for part in parts]  # the number of a step is no number that it names
    found = [window(text, before) for before, text in zip(["", *bare], bare, strict=False)]
    for at, (one, other) in enumerate(pairwise(parts)):
        goes_on = (LIST_MARK.match(one) and LIST_MARK.match(other)) or FOLLOWS.match(bare[at + 1])
        if goes_on and not negated(f"{one} {other}"):
            found.append(window(f"{bare[at]} {bare[at + 1]}", bare[at - 1] if at else "", single=False))
    return tuple(found)


def halves(said: Said) -> list[tuple[Said, Said]]:
    """Cut a sentence in two wherever it may join two statements."""
    cuts = [(said.text[: one.start()], said.text[one.end() :]) for one in JOINT.finditer(said.text)]
    return [(Said(one), Said(other)) for one, other in cuts if content(one) and content(other)]


def window(text: str, before: str = "", single: bool = True) -> Window:
    """Take a stored text apart."""
    led = frozenset() if negated(before) else frozenset(content(before))
    return Window(text, facts(text), granted(text), frozenset(content(text)), led, single)


def agree(said: Said, source: str, question: str = "") -> bool:
    """Tell whether a sentence says yes and no to what its source says yes and no to."""
    units = runs(source)
    about = [word for word in subject(said.text) if held(word, content(question))]
    told = [word for word in said.words if word not in about] or said.words
    shares = [share_of(told, content(unit)) for unit in units]
    best = max(shares, default=0.0)
    if not any(negated(unit) == said.negated for unit, share in zip(units, shares, strict=True) if share >= best):
        return False
    no = denied(source)
    if said.denied and not any(held(word, no) for word in said.denied):
        return False
    # What the source says no to, everywhere, the sentence may not say yes to.
    affirmed = [unit for unit in units if not negated(unit)]
    heard = frozenset(word for unit in affirmed for word in content(unit)) | said.denied
    first = denied(source, 1)
    return not any(word in first and not held(word, heard) for word in said.words)
