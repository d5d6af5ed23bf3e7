"""Grounding: what a generator wrote, sentence by sentence, against the stored entries that it cites.

A sentence is kept where one entry, within one or two neighbouring sentences of its answer, says the same: all its
numbers with their units, addresses, days and names, the words in which meaning turns, the same yes or no, and nearly
all of its words; the index's own encoder must find both near. Citing alone proves nothing (Gao et al. 2023, ALCE,
arXiv:2305.14627), so a citation only narrows what is looked at; who cites nothing gets the entry that says it.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from bot.grounding import support
from bot.grounding.meanings import LIGHT
from bot.prompting import REFUSAL, names_of
from indexer.retrieve import Candidate
from indexer.vectors import Vectors
from indexer.words import has_hangul, plain, words

# Chosen on the half `tune` of data/grounding (benchmarks/grounding.py).
COVERAGE = {"en": 0.75, "ko": 0.7}  # share of a sentence's words that its source holds
NEAR = 0.45  # cosine of a sentence and its source, where the encoder can read it
ITSELF = 0.6  # share of a sentence's words that its source holds without the stored question
AKIN = 0.8  # cosine of a word and a word of the source, from which it counts as said
MOST_UNHELD = 2  # words of a sentence that the source says otherwise
LONGEST = 600  # characters of a sentence
CITED = re.compile(r"\[\s*([^\[\]]{1,90}?)\s*\]")
LIST_MARK = re.compile(r"^\s*(?:[-*•#>]+|\d{1,2}[.)])\s+")
END = re.compile(r"(?<=[^\s\d])([.!?。！？]+[\"'”’)]*)((?:\s*\[[^\[\]\n]{1,90}\])*[.]?)(?=\s|$)|\n")
NOT_AN_END = re.compile(r"(?:\b(?:e\.g|i\.e|etc|vs|no|mr|ms|dr)|\b\d{1,2})$", re.IGNORECASE)

FOLLOWS = re.compile(
    r"(?:it|they|this|these|then|after that|from then on|there|both|either)\b"
    r"|(?:그|이|그러면|그때|그 뒤|이후|연결한|해당)\s",
    re.IGNORECASE,
)

Encode = Callable[[Sequence[str]], Vectors]


class Verdict(NamedTuple):
    """What became of a sentence: its text without citations, the places of the entries that say it, or why not."""

    text: str
    cited: tuple[int, ...]
    reason: str = ""  # of a sentence that is dropped


@dataclass(frozen=True, slots=True)
class Window:
    """What a sentence is held against: a sentence of an answer, or two that go together."""

    text: str
    facts: frozenset[str]
    turns: frozenset[str]
    words: frozenset[str]


class Checker:
    """Checks sentences against the candidates of one message; `encode` is that of the index, or None for words alone.

    `reads_hangul` says whether the encoder knows Korean.
    """

    def __init__(
        self, candidates: Sequence[Candidate], encode: Encode | None = None, reads_hangul: bool = False
    ) -> None:
        self.names = names_of(candidates)
        self._encode, self._reads_hangul = encode, reads_hangul
        self._known = {name.casefold(): place for place, name in reversed(list(enumerate(self.names)))}
        self._known |= {one.row.entry.casefold(): place for place, one in reversed(list(enumerate(candidates)))}
        self._buttons = {label for one in candidates for label in CITED.findall(one.row.answer)}
        self._questions = [one.row.question for one in candidates]
        self._windows = [windows(one.row.answer) for one in candidates]
        self._vectors: list[Vectors] | None = None
        self._words: dict[str, Vectors] = {}
        self._said: set[frozenset[str]] = set()

    def check(self, sentence: str) -> Verdict:
        """Check one sentence."""
        text, cited, unknown = self.cited(sentence)
        if not text or REFUSAL in text.split():
            return Verdict(text, (), "refusal" if text else "empty")
        if unknown:
            return Verdict(text, (), "unknown source")
        if reason := self._unfit(text):
            return Verdict(text, (), reason)
        reasons, supporting = [], []
        for place in cited or range(len(self._windows)):
            reason = self._supports(text, place)
            reasons.append(reason)
            if not reason:
                supporting.append(place)
                if not cited:
                    break
        return Verdict(text, tuple(supporting)) if supporting else Verdict(text, (), reasons[0] if reasons else "empty")

    def cited(self, sentence: str) -> tuple[str, list[int], bool]:
        """Part a sentence from its citations: its text, the places of the entries, and whether it cites others."""
        places, unknown = [], False

        def take(found: re.Match[str]) -> str:
            nonlocal unknown
            if found[1] in self._buttons:
                return found[1]
            for name in re.split(r"\s*[,;]\s*", found[1]):
                place = self._known.get(re.sub(r"^(?:id|entry|source)[:\s]+", "", name.casefold()))
                unknown = unknown or place is None
                if place is not None and place not in places:
                    places.append(place)
            return ""

        text = LIST_MARK.sub("", CITED.sub(take, sentence))
        return re.sub(r"\s+([.,!?])", r"\1", " ".join(text.split())).strip(" *_"), places, unknown

    def _unfit(self, text: str) -> str:
        """Say why a text is no sentence to be checked."""
        said = frozenset(support.content(text))
        if len(text) > LONGEST or len(words(text)) < 2 or not (said or len(support.facts(text)) > 1):
            return "no sentence"
        if text.endswith("?"):
            return "a question"
        if re.search(r"[<>{}`]|\]\(|\*\*", text.replace(" > ", " ")):
            return "markup"
        if said in self._said:
            return "repeated"
        return ""

    def keep(self, text: str) -> None:
        """Remember what was said, so that it is not said twice."""
        self._said.add(frozenset(support.content(text)))

    def _supports(self, text: str, place: int) -> str:
        """Say why an entry does not support a text; nothing where it does."""
        question = self._questions[place]
        if has_hangul(text) != has_hangul(question + "".join(w.text for w in self._windows[place][:1])):
            return "another language"
        said, reason, best = _Said(text), "unsupported", -1.0
        for number, window in enumerate(self._windows[place]):
            found = self._reason(said, window, question)
            if not found and not self._is_near(text, place, number):
                found = "far from its source"
            if not found:
                return ""
            share = _share(said.words, window.words)
            if share > best:
                reason, best = found, share
        return reason

    def _reason(self, said: "_Said", window: Window, question: str) -> str:
        if support.missing_facts(said.facts, window.facts):
            return "facts"
        if said.turns - window.turns:
            return "turning words"
        known = window.words | frozenset(support.content(question))
        told = plain(f"{window.text} {question}")
        if any(plain(name) not in told for name in said.names):
            return "names"
        unheld = [word for word in said.words if not support.held(word, known)]
        if len(said.words) - len(unheld) < COVERAGE[said.language] * len(said.words) or len(unheld) > MOST_UNHELD:
            return "words"
        if _share(said.words, window.words) < ITSELF or any(
            not self._is_said_otherwise(word, known) for word in unheld
        ):
            return "words"
        if support.particles(said.text) - support.particles(window.text) or support.mixed(said.text, window.text):
            return "joined"
        return "" if agree(said, window.text, question) else "negation"

    def _is_said_otherwise(self, word: str, known: frozenset[str]) -> bool:
        """Tell whether an English word stands for one of the source, as the encoder sees it."""
        if has_hangul(word):
            return word in LIGHT
        if self._encode is None:
            return False
        others = sorted(one for one in known if not has_hangul(one))
        missing = [one for one in (word, *others) if one not in self._words]
        if missing:
            self._words.update(zip(missing, self._encode(missing), strict=True))
        return bool(others) and max(float(self._words[word] @ self._words[one]) for one in others) >= AKIN

    def _is_near(self, text: str, place: int, number: int) -> bool:
        if self._encode is None or (has_hangul(text) and not self._reads_hangul):
            return True
        if self._vectors is None:
            texts = [window.text for known in self._windows for window in known]
            found, at = self._encode(texts) if texts else np.zeros((0, 1), np.float32), 0
            self._vectors = []
            for known in self._windows:
                self._vectors.append(found[at : at + len(known)])
                at += len(known)
        (vector,) = self._encode([text])
        return float(self._vectors[place][number] @ vector) >= NEAR


class _Said:
    """What a sentence says, taken apart once."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.language = "ko" if has_hangul(text) else "en"
        self.facts, self.turns, self.words = support.facts(text), support.turns(text), support.content(text)
        self.names, self.negated, self.denied = support.names(text), support.negated(text), support.denied(text)


def agree(said: _Said, source: str, question: str = "") -> bool:
    """Tell whether a sentence says yes and no to what its source says yes and no to."""
    units = support.runs(source)
    subject = [word for word in support.subject(said.text) if support.held(word, support.content(question))]
    told = [word for word in said.words if word not in subject] or said.words
    shares = [_share(told, support.content(unit)) for unit in units]
    best = max(shares, default=0.0)
    if not any(
        support.negated(unit) == said.negated for unit, share in zip(units, shares, strict=True) if share >= best
    ):
        return False
    denied = support.denied(source)
    if said.denied and not any(support.held(word, denied) for word in said.denied):
        return False
    # What the source says no to, everywhere, the sentence may not say yes to.
    affirmed = [unit for unit in units if not support.negated(unit)]
    heard = frozenset(word for unit in affirmed for word in support.content(unit)) | said.denied
    first = support.denied(source, 1)
    return not any(word in first and not support.held(word, heard) for word in said.words)


def _share(said: Sequence[str], known: Sequence[str] | frozenset[str]) -> float:
    return sum(support.held(word, known) for word in said) / len(said) if said else 0.0


def windows(answer: str) -> list[Window]:
    """Give the sentences of an answer, and each with the next where that goes on from it and neither says no."""
    parts = sentences(answer)
    texts = [LIST_MARK.sub("", part) for part in parts]  # the number of a step is no number that it names
    for one, other in pairwise(parts):
        steps = LIST_MARK.match(one) and LIST_MARK.match(other)
        if (steps or FOLLOWS.match(LIST_MARK.sub("", other))) and not support.negated(f"{one} {other}"):
            texts.append(" ".join(LIST_MARK.sub("", part) for part in (one, other)))
    return [Window(text, support.facts(text), support.turns(text), frozenset(support.content(text))) for text in texts]


def sentences(text: str) -> list[str]:
    """Cut a text into sentences, each with the citations that follow it; a line's end ends one too."""
    cutter = Cutter()
    return [*cutter.feed(text), *cutter.rest()]


class Cutter:
    """Cuts a text that comes in pieces; a sentence is given once what follows shows that it is complete."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> Iterator[str]:
        """Take a piece; give the sentences that it completes."""
        self._held += piece
        start = 0
        for found in END.finditer(self._held):
            after = self._held[found.end() :].lstrip()
            if found[0] != "\n" and (not after or after.startswith("[")):
                break  # a citation may be about to come
            if found[0] != "\n" and NOT_AN_END.search(self._held[start : found.start() + 1].rstrip(".")):
                continue
            whole = self._held[start : found.end()].strip()
            start = found.end()
            if whole:
                yield whole
        self._held = self._held[start:]

    def rest(self) -> list[str]:
        """Give what is left at the end of the text."""
        left, self._held = self._held.strip(), ""
        return [left] if left else []
