"""Rehearsal: what an index makes of messages whose answer is known, when nothing but its sheet is at hand.

Three kinds of messages, none of which needs encoding: the built-in ones about other things; and, from an index
beside the real one that lacks some wordings and some whole entries, a wording taken out (its entry should come first)
and one of an entry taken out (close to the sheet, yet without an answer).
"""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from indexer.confidence import Pair, pair_of
from indexer.legs import Legs, first_rows, number_entries, open_legs, write_legs
from indexer.manifest import Manifest
from indexer.publish import Material, elsewhere
from indexer.retrieve import Ranked, rank, speaking
from indexer.topic import off_topic
from indexer.vectors import Vectors
from indexer.words import has_hangul

Kind = Literal["wording", "entry", "elsewhere"]
WORDINGS, ENTRIES = 300, 150  # messages of a kind, where the sheet has as many
ROUNDS = 3  # a small sheet is rehearsed again with others taken out
OUT = 0.1  # share of the entries taken out in a round
SAME = 0.999  # cosine of a message with itself, whatever the rounding
DEPTH = 5  # candidates a message


@dataclass(frozen=True, slots=True)
class Trial:
    """A message, what was found for it, and whether that is right."""

    text: str
    ranked: Sequence[Ranked]
    right: bool  # the first candidate is of the message's entry
    on_topic: bool  # the index holds an answer
    twin: bool = False  # a rule turns the answer into a choice (indexer.twins)
    pair: Pair = "en"  # languages of the message and of the first candidate


def rehearse(material: Material, legs: Legs, facts: Manifest) -> dict[Kind, list[Trial]]:
    """Rehearse an index of some material; the same material gives the same trials."""
    found: dict[Kind, list[Trial]] = {"wording": [], "entry": [], "elsewhere": _elsewhere(material, legs, facts)}
    numbers = np.random.default_rng(0)
    for _ in range(ROUNDS):
        out = _entries_out(material[0], numbers)
        held = _wordings_out(material, out, numbers)
        if not len(held) or len(found["wording"]) >= WORDINGS:
            break
        for kind, trial in _round(material, facts, out, held, numbers):
            found[kind].append(trial)
    return found


def _elsewhere(material: Material, legs: Legs, facts: Manifest) -> list[Trial]:
    """Ask the index itself about other things; a message is not held against the list that it comes from."""
    questions, known = material[1], material[5]
    read = sorted(elsewhere(facts.encoder), key=has_hangul)  # as they stand in the material: those with Hangul last
    vectors = dict(zip(read, np.concatenate([known[False], known[True]]), strict=True))
    unread = np.zeros(facts.dim, dtype=np.float32)
    found = []
    for text in off_topic():
        vector = vectors.get(text, unread)
        others = replace(legs, elsewhere={hangul: own[own @ vector < SAME] for hangul, own in known.items()})
        ranked = _ask(others, facts, text, vector)
        found.append(Trial(text, ranked, False, False, pair=_pair(text, ranked, questions)))
    return found


def _round(
    material: Material, facts: Manifest, out: NDArray[np.int64], held: NDArray[np.int64], numbers: Generator
) -> Iterator[tuple[Kind, Trial]]:
    """Take out and ask."""
    entry_of, questions, answers, vectors, answer_vectors, others = material
    gone = np.isin(entry_of, out)
    kept = np.setdiff1d(np.flatnonzero(~gone), held)
    entries = entry_of[kept]
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as name:
        write_legs(
            Path(name),
            facts.store,
            number_entries([str(entry) for entry in entries]),
            [questions[row] for row in kept],
            [answers[row] for row in kept],
            vectors[kept],
            answer_vectors[entries[first_rows(entries)]],
            others,
            facts.morphology,
        )
        legs = open_legs(Path(name), facts.store)
        stored = [questions[row] for row in kept]
        for row in held:
            ranked = _ask(legs, facts, questions[row], vectors[row])
            right = bool(ranked) and bool(entries[ranked[0].position] == entry_of[row])
            yield "wording", Trial(questions[row], ranked, right, True, pair=_pair(questions[row], ranked, stored))
        for row in numbers.permutation(np.flatnonzero(gone))[:ENTRIES]:
            ranked = _ask(legs, facts, questions[row], vectors[row])
            yield "entry", Trial(questions[row], ranked, False, False, pair=_pair(questions[row], ranked, stored))


def _pair(text: str, ranked: Sequence[Ranked], questions: Sequence[str]) -> Pair:
    return pair_of(text, questions[ranked[0].position]) if ranked else pair_of(text, text)


def _ask(legs: Legs, facts: Manifest, text: str, vector: Vectors) -> Sequence[Ranked]:
    return rank(legs, text, vector, DEPTH, *speaking(facts.retrieval, facts.encoder, text))


def _entries_out(entry_of: NDArray[np.int32], numbers: Generator) -> NDArray[np.int64]:
    entries = int(entry_of.max()) + 1
    return numbers.permutation(entries)[: round(entries * OUT)]


def _wordings_out(material: Material, out: NDArray[np.int64], numbers: Generator) -> NDArray[np.int64]:
    """Choose wordings of the entries that stay; each leaves most of its entry's wordings in its script behind."""
    entry_of, questions = material[:2]
    groups: dict[tuple[int, bool], list[int]] = {}
    for row in numbers.permutation(np.flatnonzero(~np.isin(entry_of, out))).tolist():
        groups.setdefault((int(entry_of[row]), has_hangul(questions[row])), []).append(row)
    held = [row for group in groups.values() if len(group) > 1 for row in group[: max(1, len(group) // 10)]]
    return np.array(held[:WORDINGS], dtype=np.int64)
