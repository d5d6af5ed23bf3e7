"""Retrieval: three legs look for entries, and one score orders what they found.

The legs are the cosine of the message and the stored questions, its cosine with the answers, and shared
words. `dense` ranks by the first alone, `lexical` by the last, `hybrid` by

    rank_score = cosine(question) + 0.3 cosine(answer) + 0.1 words

where an encoder that cannot read the message's script has no say: then the words alone decide. The weights
are fixed for all sheets (benchmarks/packs.py); `words` is BM25 per unit of the message's weight, so that
long and short messages, large and small sheets are on one scale.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from indexer.corpus import Row
from indexer.lexical import Evidence, Lexical
from indexer.stores import VectorStore
from indexer.vectors import Vectors

Retrieval = Literal["dense", "lexical", "hybrid"]
ANSWER_WEIGHT, WORDS_WEIGHT = 0.3, 0.1
POOL = 20  # entries that each leg brings


@dataclass(frozen=True, slots=True)
class Legs:
    """What a generation is searched with."""

    questions: VectorStore
    answers: VectorStore
    question_vectors: Vectors  # (rows, dim)
    answer_vectors: Vectors  # (entries, dim)
    lexical: Lexical
    entry_of: NDArray[np.int32]  # (rows,)
    first_row: NDArray[np.int64]  # (entries,)


@dataclass(frozen=True, slots=True)
class Ranked:
    """A row that stands for its entry, with what each leg says of it."""

    position: int
    score: float  # cosine of the message and the question
    rank_score: float
    answer: float = 0.0  # cosine of the message and the answer
    words: float = 0.0
    coverage: float = 0.0  # share of the message's weight that the entry holds
    known: float = 0.0  # share of the message's runs of letters that the sheet holds anywhere
    foreign: bool = False  # the message names something from elsewhere
    legs: str = ""  # which legs ranked it: "dense", "lexical" or "dense+lexical"


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entry that may answer, shown by its best wording."""

    row: Row
    ranked: Ranked
    exact: bool = False  # the message is this stored question

    @property
    def entry(self) -> str:
        """The entry's id."""
        return self.row.entry

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form; columns beyond the named ones come as they are in the sheet."""
        ranked = self.ranked
        return {
            **self.row.extra,
            "id": self.row.id,
            "entry": self.row.entry,
            "question": self.row.question,
            "answer": self.row.answer,
            "score": round(ranked.score, 6),
            "rank_score": round(ranked.rank_score, 6),
            "exact": self.exact,
            "legs": ranked.legs,
            "answer_score": round(ranked.answer, 4),
            "words": round(ranked.words, 4),
            "coverage": round(ranked.coverage, 4),
        }


def rank(legs: Legs, text: str, vector: Vectors, k: int, dense: bool, words: bool) -> list[Ranked]:
    """Rank the entries for a message (vector: (dim,)); `dense` and `words` say which legs have a say."""
    dense = dense and bool(vector.any())  # a text without known words is near to nothing
    wanted = max(POOL, k)
    pool: dict[int, list[int]] = {}
    evidence = legs.lexical.evidence(text) if words else None
    if dense:
        _add(pool, legs, _by_question(legs, vector, wanted))
    if dense and words:
        _add(pool, legs, _by_answer(legs, vector, wanted))
    if evidence:
        _add(pool, legs, _by_words(legs, evidence, wanted))
    ranked = [_weigh(legs, rows, vector, evidence, dense) for rows in pool.values()]
    ranked.sort(key=lambda item: (-item.rank_score, item.position))
    known, foreign = legs.lexical.known(text), legs.lexical.foreign(text)
    return [
        replace(item, known=known, foreign=foreign, coverage=_coverage(legs, item, evidence)) for item in ranked[:k]
    ]


def _coverage(legs: Legs, item: Ranked, evidence: Evidence | None) -> float:
    return legs.lexical.coverage(int(legs.entry_of[item.position]), evidence) if evidence else 0.0


def _add(pool: dict[int, list[int]], legs: Legs, rows: Sequence[int]) -> None:
    for row in rows:
        pool.setdefault(int(legs.entry_of[row]), []).append(row)


def _by_question(legs: Legs, vector: Vectors, wanted: int) -> list[int]:
    def fetch(n: int) -> list[int]:
        _, positions = legs.questions.search(vector[None], min(n, len(legs.entry_of)))
        return [int(position) for position in positions[0] if position >= 0]

    return _first_per_entry(fetch, legs.entry_of, wanted)


def _by_answer(legs: Legs, vector: Vectors, wanted: int) -> list[int]:
    _, entries = legs.answers.search(vector[None], min(wanted, len(legs.first_row)))
    return [int(legs.first_row[entry]) for entry in entries[0] if entry >= 0]


def _by_words(legs: Legs, evidence: Evidence, wanted: int) -> list[int]:
    scores = evidence.rows

    def fetch(n: int) -> list[int]:
        least = np.partition(scores, -n)[-n] if n < len(scores) else 0
        best = np.flatnonzero((scores >= least) & (scores > 0))
        return [int(row) for row in best[np.argsort(-scores[best], kind="stable")][:n]]

    return _first_per_entry(fetch, legs.entry_of, wanted)


def _first_per_entry(fetch: Callable[[int], list[int]], entry_of: NDArray[np.int32], wanted: int) -> list[int]:
    """Take the best row of each of the best entries; `fetch(n)` gives the n best rows."""
    asked = 4 * wanted
    while True:
        rows = fetch(asked)
        best: dict[int, int] = {}
        for row in rows:
            best.setdefault(int(entry_of[row]), row)
        if len(best) >= wanted or len(rows) < asked:
            return list(best.values())[:wanted]
        asked *= 4


def _weigh(legs: Legs, rows: Sequence[int], vector: Vectors, evidence: Evidence | None, dense: bool) -> Ranked:
    """Score an entry by the best of the rows that brought it in."""
    cosines = legs.question_vectors[rows] @ vector
    words = evidence.rows[rows] if evidence else np.zeros(len(rows), dtype=np.float32)
    totals = (cosines if dense else 0) + (WORDS_WEIGHT if dense else 1) * words
    at = int(np.argmax(totals))
    row, total = int(rows[at]), float(totals[at])
    score = round(float(cosines[at]), 6)
    if evidence is None:
        return Ranked(row, score, score, legs="dense")
    entry = int(legs.entry_of[row])
    answer = float(legs.answer_vectors[entry] @ vector)
    return Ranked(
        position=row,
        score=score,
        rank_score=total + (ANSWER_WEIGHT * answer if dense else 0.0),
        answer=answer,
        words=float(words[at]),
        legs="dense+lexical" if dense else "lexical",
    )
