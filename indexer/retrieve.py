"""Retrieval: three legs look for entries, and one score orders what they found.

The legs are the cosine of the message and the stored questions, its cosine with the answers, and shared
words. `dense` ranks by the first alone, `lexical` by the last, `hybrid` by

    rank_score = cosine(question) + 0.3 cosine(answer) + 0.1 words (Korean: 0.6) - 0.1 if in another language

where an encoder that cannot read the message's script has no say: then the words alone decide. The weights
are fixed for all sheets (benchmarks/packs.py); `words` is BM25 per unit of the message's weight, so that
long and short messages, large and small sheets are on one scale.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexer.encoders import reads_hangul
from indexer.legs import Legs
from indexer.lexical import Evidence
from indexer.row import Row
from indexer.vectors import Positions, Vectors
from indexer.words import has_hangul

Retrieval = Literal["dense", "lexical", "hybrid"]
ANSWER_WEIGHT, WORDS_WEIGHT = 0.3, 0.1
WORDS_IN_KOREAN = 0.5  # words weigh more there: a stem says much, and the student is not as sure as MiniLM
ACROSS = 0.1  # taken off a question in another language: whoever asks reads the answer best in their own
CROWD, NEAREST = 50, 5  # rows that are looked at around a message; of these, the nearest, for their mean
WIDTH, WIDTH_OF_WORDS = 0.05, 0.5  # a difference of the cosine, or of the words' score, that matters
POOL = 20  # entries that each leg brings, if its best rows hold as many
MOST_WORDINGS = 16  # of an entry, that are asked for at first


@dataclass(frozen=True, slots=True)
class Signs:
    """What tells whether a message is at home in a sheet, beside its candidates."""

    near: float = 0.0  # mean score of the rows nearest to the message, by the leg that leads
    crowd: float = 0.0  # share of the nearest rows that are of the first entry, nearer ones counting more
    elsewhere: float = 0.0  # cosine with the nearest of the built-in messages about other things
    known: float = 0.0  # share of the message's runs of letters that the sheet holds anywhere
    foreign: bool = False  # the message names something from elsewhere


@dataclass(frozen=True, slots=True)
class Ranked:
    """A row that stands for its entry, with what each leg says of it."""

    position: int
    score: float  # cosine of the message and the question
    rank_score: float
    answer: float = 0.0  # cosine of the message and the answer
    words: float = 0.0
    coverage: float = 0.0  # share of the message's weight that the entry holds
    overlap: float = 0.0  # share of the stored question's weight that the message holds
    legs: str = ""  # which legs ranked it: "dense", "lexical" or "dense+lexical"
    signs: Signs = Signs()  # of the message, the same for all its candidates


class _Near(NamedTuple):
    """The rows nearest to a message by one leg, best first."""

    scores: NDArray[np.float32] | NDArray[np.float64]
    rows: Positions


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entry that may answer, shown by its best wording."""

    row: Row
    ranked: Ranked
    exact: bool = False  # the message is this stored question
    rerank_score: float | None = None  # of the reranker that read it

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
            "rerank_score": None if self.rerank_score is None else round(self.rerank_score, 6),
        }


def speaking(retrieval: str, encoder: str, text: str) -> tuple[bool, bool]:
    """Say which legs have a say on a message: the vectors, if the encoder (a spec) can read it, and the words."""
    readable = retrieval != "hybrid" or reads_hangul(encoder) or not has_hangul(text)
    return retrieval != "lexical" and readable, retrieval != "dense"


def rank(legs: Legs, text: str, vector: Vectors, k: int, dense: bool, words: bool) -> list[Ranked]:
    """Rank the entries for a message (vector: (dim,)); `dense` and `words` say which legs have a say."""
    dense = dense and bool(vector.any())  # a text without known words is near to nothing
    evidence = legs.lexical.evidence(text) if words else None
    brought = [np.zeros(0, dtype=np.int64)]
    near, first_asked = _Near(np.zeros(0), brought[0]), max(CROWD, _asked(legs, k))
    if evidence:
        near = _nearest_words(evidence, first_asked)
        brought.append(_best_rows(near, legs, k, lambda n: _nearest_words(evidence, n)))
    if dense:
        near = _nearest_questions(legs, vector, first_asked)
        brought.append(_best_rows(near, legs, k, lambda n: _nearest_questions(legs, vector, n)))
    if dense and words:
        brought.append(_by_answer(legs, vector, k))
    ranked = _weigh(legs, np.unique(np.concatenate(brought)), text, vector, evidence, dense)[:k]
    entries = legs.entry_of[[item.position for item in ranked]]
    coverage = legs.lexical.coverage(entries, evidence).tolist() if evidence else [0.0] * len(ranked)
    signs = _signs(legs, text, vector, near, dense, entries)
    rows = np.array([item.position for item in ranked], dtype=np.int64)
    overlap = legs.lexical.overlap(rows, evidence).tolist() if evidence else coverage
    return [
        replace(item, signs=signs, coverage=share, overlap=both)
        for item, share, both in zip(ranked, coverage, overlap, strict=True)
    ]


def _signs(legs: Legs, text: str, vector: Vectors, near: _Near, dense: bool, entries: NDArray[np.int32]) -> Signs:
    """Look at the rows nearest to a message by the leg that leads, and at what is near to it elsewhere."""
    known, foreign = legs.lexical.known(text), legs.lexical.foreign(text)
    scores, rows = near.scores[:CROWD].astype(np.float64), near.rows[:CROWD]
    if not len(rows):
        return Signs(known=known, foreign=foreign)
    # Equal to the first counts whole, a step of WIDTH further a third of that.
    weights = np.exp((scores - scores[0]) / (WIDTH if dense else WIDTH_OF_WORDS))
    crowd = float(weights[legs.entry_of[rows] == entries[0]].sum() / weights.sum())
    # Cosines across languages run lower, so a message is compared with those in its own.
    elsewhere = float((legs.elsewhere[has_hangul(text)] @ vector).max(initial=0)) if dense else 0.0
    return Signs(float(scores[:NEAREST].mean()), crowd, elsewhere, known, foreign)


def _by_answer(legs: Legs, vector: Vectors, k: int) -> Positions:
    found = legs.answers.search(vector[None], min(max(POOL, k), len(legs.first_row)))[1][0]
    rows: Positions = legs.first_row[found[found >= 0]]
    return rows


def _nearest_questions(legs: Legs, vector: Vectors, n: int) -> _Near:
    """Find the n questions nearest to a message by their cosine."""
    scores, rows = (found[0] for found in legs.questions.search(vector[None], min(n, len(legs.entry_of))))
    return _Near(scores[rows >= 0], rows[rows >= 0])


def _nearest_words(evidence: Evidence, n: int) -> _Near:
    """Find the n rows nearest to a message by its words."""
    scores = evidence.rows
    least = np.partition(scores, -n)[-n] if n < len(scores) else 0
    best = np.flatnonzero((scores >= least) & (scores > 0))
    rows: Positions = best[np.argsort(-scores[best], kind="stable")][:n]
    return _Near(scores[rows], rows)


def _asked(legs: Legs, k: int) -> int:
    """Say how many rows are asked for at first: as many as POOL entries, or k, are likely to have."""
    return max(POOL, k) * min(MOST_WORDINGS, 1 + len(legs.entry_of) // len(legs.first_row))


def _best_rows(near: _Near, legs: Legs, k: int, fetch: Callable[[int], _Near]) -> Positions:
    """Take the best row of up to POOL entries, and of k at least; `fetch(n)` gives the n best rows, best first.

    Where an entry has hundreds of wordings, the best rows may be of few entries: then more are asked for.
    """
    asked = max(CROWD, _asked(legs, k))
    while True:
        first = np.sort(np.unique(legs.entry_of[near.rows], return_index=True)[1])  # of each entry, best first
        if len(first) >= k or len(near.rows) < asked:
            return near.rows[first[: max(POOL, k)]]
        asked *= 4
        near = fetch(asked)


def _weigh(
    legs: Legs, rows: Positions, text: str, vector: Vectors, evidence: Evidence | None, dense: bool
) -> list[Ranked]:
    """Score the rows, (n,), and give the best of each entry, best first."""
    entries = legs.entry_of[rows]
    # One dot product a row: a matrix product rounds equal rows differently, by where they stand.
    cosines = np.vecdot(legs.question_vectors[rows], vector).astype(np.float64).round(6)
    answers = np.vecdot(legs.answer_vectors[entries], vector) if evidence else np.zeros(len(rows))
    words = evidence.rows[rows] if evidence else np.zeros(len(rows))
    totals = words
    if dense:
        korean = has_hangul(text)
        totals = cosines + ANSWER_WEIGHT * answers + (WORDS_IN_KOREAN if korean else WORDS_WEIGHT) * words
        if evidence is not None:
            totals = totals - ACROSS * (legs.hangul[rows] != korean)
    order = np.lexsort((rows, -totals))
    best = order[np.sort(np.unique(entries[order], return_index=True)[1])]
    which = "lexical" if not dense else "dense+lexical" if evidence else "dense"
    columns = (column[best].tolist() for column in (rows, cosines, totals, answers, words))
    return [
        Ranked(row, cosine, total, answer=answer, words=word, legs=which)
        for row, cosine, total, answer, word in zip(*columns, strict=True)
    ]
