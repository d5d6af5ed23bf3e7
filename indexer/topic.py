"""Whether a message is at home in a sheet: the share of its letters known there, and names from elsewhere.

Letters forgive what words do not: typing errors, missing spaces, an ending glued to a Korean stem.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.words import HANGUL, words

OTHER = re.compile(r"[\W_]+")  # no letter, no digit
SPAN = 5  # letters: a Korean syllable and a half to two
PRIME = np.uint64(1099511628211)
ELSEWHERE, OFF_TOPIC = (Path(__file__).with_name(name) for name in ("elsewhere.txt", "offtopic.txt"))
# Korean letters that sound alike are one letter: 결재 and 결제, 안되 and 안돼 are often mistyped.
ALIKE = str.maketrans("ᅢᅤᅫᅰᄁᄄᄈᄊᄍ", "ᅦᅨᅬᅬᄀᄃᄇᄉᄌ")


def runs(text: str) -> NDArray[np.uint64]:
    """Number every run of letters of a text, (n,): Korean by its jamo, spaces and marks aside."""
    plain = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text).casefold()).translate(ALIKE)
    letters = np.frombuffer(OTHER.sub("", plain).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    found = np.zeros(max(0, len(letters) - SPAN + 1), dtype=np.uint64)
    for offset in range(SPAN):
        found = found * PRIME + letters[offset : offset + len(found)]
    return np.unique(found)


def all_runs(texts: Iterable[str]) -> NDArray[np.uint64]:
    """Number the runs that some texts hold, in order."""
    found = [np.zeros(0, dtype=np.uint64), *(runs(text) for text in dict.fromkeys(texts))]
    return np.unique(np.concatenate(found))


def known_share(text: str, held: NDArray[np.uint64]) -> float:
    """Give the share of a message's runs that a sheet's runs hold, 0 to 1; a shorter message has none: 0."""
    asked = runs(text)
    if not len(asked) or not len(held):
        return 0.0
    at = np.minimum(np.searchsorted(held, asked), len(held) - 1)
    return float(np.mean(held[at] == asked))


def named_elsewhere(text: str, holds: Callable[[str], bool]) -> list[str]:
    """List the words that name something from elsewhere; `holds` tells whether the sheet holds a term."""
    return [name for word in words(text) for name in _names(word) if not _held(name, holds)][:3]


def _names(word: str) -> Iterator[str]:
    """Look a word up; of a Korean one every beginning, longest first."""
    ends = range(len(word), 1, -1) if HANGUL.match(word) else [len(word)]
    return (word[:end] for end in ends if word[:end] in elsewhere())


def _held(name: str, holds: Callable[[str], bool]) -> bool:
    """A Korean name is held by its pairs of syllables, since particles and compounds hide it."""
    if HANGUL.match(name):
        return all(holds(f"{a}{b}_") for a, b in pairwise(name))
    return holds(name)


@cache
def elsewhere() -> frozenset[str]:
    """Read the built-in words."""
    lines = ELSEWHERE.read_text(encoding="utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())


@cache
def off_topic() -> tuple[str, ...]:
    """Read the built-in messages about other things, in both languages."""
    lines = OFF_TOPIC.read_text(encoding="utf-8").splitlines()
    return tuple(line for line in lines if line and not line.startswith("#"))
