"""The checker: a sentence against the entries that it cites, and why it is dropped."""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from bot.grounding.clauses import mixed, particles
from bot.grounding.content import content, held, share_of
from bot.grounding.cutting import LIST_MARK
from bot.grounding.facts import facts, is_named, missing_facts
from bot.grounding.limits import leaves_out
from bot.grounding.statements import Said, Window, agree, halves, windows
from bot.grounding.vocabulary import LIGHT_ENGLISH, LIGHT_KOREAN
from bot.prompting import REFUSAL, names_of
from indexer.retrieve import Candidate
from indexer.vectors import Vectors
from indexer.words import has_hangul, plain, words

# Chosen on the half `tune` of data/grounding (benchmarks/grounding.py).
COVERAGE = {"en": 0.75, "ko": 0.7}  # share of a sentence's words that its source holds
NEAR = 0.45  # cosine of a sentence and its source, where the encoder can read it
ITSELF, ITSELF_LEANING = 0.6, 0.4  # share of its words that its source holds without what goes before; of a bare yes
AKIN = 0.8  # cosine of a word and a word of the source, from which it counts as said
MOST_UNHELD = 2  # words of a sentence that the source says otherwise
SAYS_LITTLE = frozenset(content(" ".join(LIGHT_ENGLISH)))
LONGEST = 600  # characters of a sentence
ENTAILED, CONTRADICTED = 0.95, 0.9  # probabilities from an entailment model: one at least, the other exceeded
CITED = re.compile(r"\[\s*([^\[\]]{1,90}?)\s*\]")


Encode = Callable[[Sequence[str]], Vectors]
Judge = Callable[[str, str], tuple[float, float]]  # premise, hypothesis -> entailed, contradicted


class Verdict(NamedTuple):
    """What became of a sentence: its text without citations, the places of the entries that say it, or why not."""

    text: str
    cited: tuple[int, ...]
    reason: str = ""  # of a sentence that is dropped


class Checker:
    """Checks sentences against the candidates of one message; `encode` is that of the index, or None for words alone.

    `reads_hangul` says whether the encoder knows Korean; `judge` is a model of entailment, where there is one.
    """

    def __init__(
        self,
        candidates: Sequence[Candidate],
        encode: Encode | None = None,
        reads_hangul: bool = False,
        judge: Judge | None = None,
    ) -> None:
        self.names = names_of(candidates)
        self._encode, self._reads_hangul, self._judge = encode, reads_hangul, judge
        self._known = {name.casefold(): place for place, name in reversed(list(enumerate(self.names)))}
        self._known |= {one.row.entry.casefold(): place for place, one in reversed(list(enumerate(candidates)))}
        self._buttons = {label for one in candidates for label in CITED.findall(one.row.answer)}
        self._questions = [one.row.question for one in candidates]
        self._answers = [one.row.answer for one in candidates]
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
        if cited and "contradicted" in reasons:
            return Verdict(text, (), "contradicted")
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
        said = frozenset(content(text))
        if len(text) > LONGEST or len(words(text)) < 2 or not (said or len(facts(text)) > 1):
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
        self._said.add(frozenset(content(text)))

    def _supports(self, text: str, place: int) -> str:
        """Say why an entry does not support a text; nothing where it does."""
        if has_hangul(text) != has_hangul(self._questions[place] + "".join(w.text for w in self._windows[place][:1])):
            return "another language"
        said = Said(text)
        reason = self._by_rules(said, place)
        if reason and self._in_two(said, place):
            reason = ""
        in_other_words = reason and self._judge and not self._by_rules(said, place, wording=False)
        if self._judge is None or (reason and not in_other_words):
            return reason
        entailed, contradicted = self._judge(self._answers[place], text)
        if contradicted > CONTRADICTED:
            return "contradicted"
        return "" if entailed >= ENTAILED else reason

    def _by_rules(self, said: Said, place: int, wording: bool = True) -> str:
        """Say why no window of an entry supports a sentence, whatever its words are where `wording` is off."""
        reason, best = "unsupported", -1.0
        for number, window in enumerate(self._windows[place]):
            found = self._reason(said, window, self._questions[place], wording)
            if not found and not self._is_near(said.text, place, number):
                found = "far from its source"
            if not found:
                return ""
            share = share_of(said.words, window.words)
            if share > best:
                reason, best = found, share
        return reason

    def _in_two(self, said: Said, place: int) -> bool:
        """Tell whether two sentences of an entry, one after the other, say the two halves of a sentence."""
        single = [(number, window) for number, window in enumerate(self._windows[place]) if window.single]
        question = self._questions[place]
        return any(
            not self._reason(one, first, question, True)
            and not self._reason(other, second, question, True)
            and self._is_near(one.text, place, at)
            and self._is_near(other.text, place, next_)
            for one, other in halves(said)
            for (at, first), (next_, second) in pairwise(single)
        )

    def _reason(self, said: Said, window: Window, question: str, wording: bool) -> str:
        if missing_facts(said.facts, window.facts):
            return "facts"
        if said.turns - window.turns:
            return "turning words"
        known = window.words | frozenset(content(question))
        told = plain(f"{window.text} {question}")
        if any(not is_named(name, told) for name in said.names):
            return "names"
        if wording and not self._says_it(said, window, known):
            return "words"
        if particles(said.text) - particles(window.text) or mixed(said.text, window.text):
            return "joined"
        if not agree(said, window.text, question):
            return "negation"
        return "limit" if leaves_out(said.text, window.text, question) else ""

    def _says_it(self, said: Said, window: Window, known: frozenset[str]) -> bool:
        """Tell whether a source holds nearly all words of a sentence, and says the others otherwise."""
        unheld = [word for word in said.words if not held(word, known)]
        led = next((word for word in unheld if held(word, window.led)), "")
        unheld = [word for word in unheld if word != led]
        if len(said.words) - len(unheld) < COVERAGE[said.language] * len(said.words) or len(unheld) > MOST_UNHELD:
            return False
        if said.words and share_of(said.words, window.words) < (ITSELF_LEANING if window.leans else ITSELF):
            return False
        return all(self._is_said_otherwise(word, known) for word in unheld)

    def _is_said_otherwise(self, word: str, known: frozenset[str]) -> bool:
        """Tell whether an English word stands for one of the source, as the encoder sees it."""
        if has_hangul(word):
            return word in LIGHT_KOREAN
        if word in SAYS_LITTLE:
            return True
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
