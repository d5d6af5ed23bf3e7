"""The lexical leg: BM25 over each question, and over each entry's wordings and answer together.

BM25 as in Robertson and Zaragoza 2009 (doi:10.1561/1500000019), computed by bm25s (arXiv:2407.03618). Terms
are words, and for Korean stems, syllables and their pairs (`indexer.words`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.topic import all_runs, known_share, named_elsewhere
from indexer.words import is_syllable, terms

QUESTIONS, ENTRIES, RUNS = "questions", "entries", "runs.npy"
TABLE = ("terms", "starts", "holders", "shares", "size")
# A visitor's words stand as often in the answer as in the stored question. Chosen on the dev messages of
# data/queries.csv: R@1 of Korean .40 without the entries, .56 at 1, .62 at 2, .63 at 3.
ENTRY_WEIGHT = 2.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a query's words say of every row."""

    rows: NDArray[np.float32]  # (rows,) BM25 of the question and of its entry, per unit of the query's weight
    weights: Mapping[str, float]  # the query's terms, syllables aside, with their rarity


class Bm25:
    """BM25 over some texts, mapped from disk: of each term the texts that hold it, and what it adds to their score.

    bm25s computes the table. Reading it needs no more than NumPy, and bm25s would cost a fifth of a cold start.
    """

    def __init__(self, folder: Path) -> None:
        self.terms, self.starts, self.holders, self.shares, size = (
            np.asarray(np.load(folder / f"{name}.npy", "r", allow_pickle=False)) for name in TABLE
        )
        self.size = int(size[0])

    def numbers(self, asked: Sequence[str]) -> list[int]:
        """Give the places of terms in the table; -1 for one that no text holds."""
        if not asked or not len(self.terms):
            return [-1] * len(asked)
        names = _names(asked)
        at = np.minimum(self.terms.searchsorted(names), len(self.terms) - 1)
        return [int(place) for place in np.where(self.terms[at] == names, at, -1)]

    def scores(self, asked: Sequence[str]) -> NDArray[np.float32]:
        """Score every text, (size,)."""
        scores = np.zeros(self.size, dtype=np.float32)
        for number in self.numbers(asked):
            if number >= 0:
                part = slice(self.starts[number], self.starts[number + 1])
                scores[self.holders[part]] += self.shares[part]
        return scores

    def rarities(self, asked: Sequence[str]) -> list[float]:
        """Weigh terms by how few texts hold them; one that no text holds weighs most."""
        held = np.array([len(self._holding(number)) for number in self.numbers(asked)])
        return [float(weight) for weight in np.log1p((self.size - held + 0.5) / (held + 0.5))]

    def hold(self, texts: NDArray[np.int32], asked: Sequence[str]) -> NDArray[np.bool_]:
        """Tell which texts hold which terms, (terms, texts)."""
        found = np.zeros((len(asked), len(texts)), dtype=np.bool_)
        for row, number in zip(found, self.numbers(asked), strict=True):
            holding = self._holding(number)
            if len(holding):
                row[:] = holding[np.minimum(holding.searchsorted(texts), len(holding) - 1)] == texts
        return found

    def _holding(self, number: int) -> NDArray[np.int32]:
        return self.holders[self.starts[number] : self.starts[number + 1]] if number >= 0 else self.holders[:0]


class Lexical:
    """The leg: both BM25 indexes, the entry of each row, and the runs of letters that the sheet holds."""

    def __init__(self, questions: Bm25, entries: Bm25, entry_of: NDArray[np.int32], runs: NDArray[np.uint64]) -> None:
        self.questions, self.entries, self.entry_of, self.runs = questions, entries, entry_of, runs

    def evidence(self, query: str) -> Evidence:
        """Weigh a query's words against every row."""
        asked = terms(query)
        scores = self.questions.scores(asked) + ENTRY_WEIGHT * self.entries.scores(asked)[self.entry_of]
        rarities = dict(zip(asked, self.entries.rarities(asked), strict=True))
        weights = {term: weight for term, weight in rarities.items() if not is_syllable(term)}
        total = sum(rarities.values()) or 1.0
        return Evidence((scores / total).astype(np.float32), weights)

    def coverage(self, entries: NDArray[np.int32], evidence: Evidence) -> NDArray[np.float64]:
        """Give the share of the query's weight that each of some entries, (n,), holds, 0 to 1."""
        weights = np.array(list(evidence.weights.values()))
        held: NDArray[np.float64] = weights @ self.entries.hold(entries, list(evidence.weights))
        return held / (weights.sum() or 1.0)

    def known(self, query: str) -> float:
        """Give the share of the query's runs of letters that the sheet holds anywhere, 0 to 1."""
        return known_share(query, self.runs)

    def foreign(self, query: str) -> bool:
        """Tell whether the query names something from elsewhere that the sheet does not hold."""
        return bool(named_elsewhere(query, lambda term: self.entries.numbers([term]) != [-1]))


def build_lexical(questions: Sequence[str], answers: Sequence[str], entry_of: NDArray[np.int32], folder: Path) -> None:
    """Write the leg's files."""
    held: dict[int, dict[str, None]] = {}  # each entry's wordings, and its answer once
    for question, answer, entry in zip(questions, answers, entry_of.tolist(), strict=True):
        held.setdefault(entry, {}).update({question: None, answer: None})
    _write([terms(question) for question in questions], folder / QUESTIONS)
    _write([terms(" ".join(held[entry])) for entry in range(len(held))], folder / ENTRIES)
    np.save(folder / RUNS, all_runs(" ".join(texts) for texts in held.values()), allow_pickle=False)


def load_lexical(folder: Path, entry_of: NDArray[np.int32]) -> Lexical:
    """Map the leg's files."""
    runs = np.load(folder / RUNS, mmap_mode="r", allow_pickle=False)
    return Lexical(Bm25(folder / QUESTIONS), Bm25(folder / ENTRIES), entry_of, runs)


def _write(texts: list[list[str]], folder: Path) -> None:
    import bm25s

    model = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
    model.index([text or [""] for text in texts], show_progress=False)
    found = model.scores
    vocabulary = {term: number for term, number in model.vocab_dict.items() if term}
    names, numbers = _names(list(vocabulary)), np.array(list(vocabulary.values()), dtype=np.int64)
    order = np.argsort(names)
    first = found["indptr"][numbers[order]]
    starts = np.concatenate([[0], np.cumsum(found["indptr"][numbers[order] + 1] - first)])
    # The columns in the order of the names, so that a name's place is its column.
    taken = np.repeat(first - starts[:-1], np.diff(starts)) + np.arange(starts[-1])
    table = (
        names[order],
        starts.astype(np.int64),
        found["indices"][taken].astype(np.int32),
        found["data"][taken].astype(np.float32),
        np.array([found["num_docs"]]),
    )
    folder.mkdir(parents=True)
    for name, part in zip(TABLE, table, strict=True):
        np.save(folder / f"{name}.npy", part, allow_pickle=False)


def _names(found: Sequence[str]) -> NDArray[np.uint64]:
    """Number terms by their hash: looked up in a mapped array, where a dictionary would have to be read first."""
    hashes = b"".join(blake2b(term.encode("utf-8", "surrogatepass"), digest_size=8).digest() for term in found)
    return np.frombuffer(hashes, dtype=np.uint64)
