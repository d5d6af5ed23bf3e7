"""The lexical leg: BM25 over each question, and over each entry's wordings and answer together.

BM25 as in Robertson and Zaragoza 2009 (doi:10.1561/1500000019), computed by bm25s (arXiv:2407.03618). Terms
are words, and for Korean stems, syllables and their pairs (`indexer.words`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.topic import all_runs, known_share, named_elsewhere
from indexer.words import is_syllable, terms

QUESTIONS, ENTRIES, RUNS = "questions", "entries", "runs.npy"
# A visitor's words stand as often in the answer as in the stored question. Chosen on the dev messages of
# data/queries.csv: R@1 of Korean .40 without the entries, .56 at 1, .62 at 2, .63 at 3.
ENTRY_WEIGHT = 2.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a query's words say of every row."""

    rows: NDArray[np.float32]  # (rows,) BM25 of the question and of its entry, per unit of the query's weight
    weights: Mapping[str, float]  # the query's terms, syllables aside, with their rarity


class Bm25:
    """BM25 over some texts, mapped from disk."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.vocabulary: dict[str, int] = model.vocab_dict
        self.size: int = model.scores["num_docs"]

    def scores(self, asked: Sequence[str]) -> NDArray[np.float32]:
        """Score every text, (size,)."""
        known = [self.vocabulary[term] for term in asked if term in self.vocabulary]
        if not known:
            return np.zeros(self.size, dtype=np.float32)
        found: NDArray[np.float32] = self.model.get_scores_from_ids(known)
        return found

    def rarity(self, term: str) -> float:
        """Weigh a term by how few texts hold it; one that no text holds weighs most."""
        holding = len(self._holders(term))
        return float(np.log1p((self.size - holding + 0.5) / (holding + 0.5)))

    def hold(self, texts: NDArray[np.int32], term: str) -> NDArray[np.bool_]:
        """Tell of some texts, (n,), which ones hold a term."""
        holders = self._holders(term)
        if not len(holders):
            return np.zeros(len(texts), dtype=np.bool_)
        at = np.minimum(holders.searchsorted(texts), len(holders) - 1)
        found: NDArray[np.bool_] = holders[at] == texts
        return found

    def _holders(self, term: str) -> NDArray[np.int32]:
        number = self.vocabulary.get(term)
        if number is None:
            return np.zeros(0, dtype=np.int32)
        start, end = self.model.scores["indptr"][number : number + 2]
        holders: NDArray[np.int32] = self.model.scores["indices"][start:end]
        return holders


class Lexical:
    """The leg: both BM25 indexes, the entry of each row, and the runs of letters that the sheet holds."""

    def __init__(self, questions: Bm25, entries: Bm25, entry_of: NDArray[np.int32], runs: NDArray[np.uint64]) -> None:
        self.questions, self.entries, self.entry_of, self.runs = questions, entries, entry_of, runs

    def evidence(self, query: str) -> Evidence:
        """Weigh a query's words against every row."""
        asked = terms(query)
        scores = self.questions.scores(asked) + ENTRY_WEIGHT * self.entries.scores(asked)[self.entry_of]
        rarities = {term: self.entries.rarity(term) for term in asked}
        weights = {term: weight for term, weight in rarities.items() if not is_syllable(term)}
        total = sum(rarities.values()) or 1.0
        return Evidence((scores / total).astype(np.float32), weights)

    def coverage(self, entries: NDArray[np.int32], evidence: Evidence) -> NDArray[np.float64]:
        """Give the share of the query's weight that each of some entries, (n,), holds, 0 to 1."""
        held = np.zeros(len(entries))
        for term, weight in evidence.weights.items():
            held += weight * self.entries.hold(entries, term)
        return held / (sum(evidence.weights.values()) or 1.0)

    def known(self, query: str) -> float:
        """Give the share of the query's runs of letters that the sheet holds anywhere, 0 to 1."""
        return known_share(query, self.runs)

    def foreign(self, query: str) -> bool:
        """Tell whether the query names something from elsewhere that the sheet does not hold."""
        return bool(named_elsewhere(query, self.entries.vocabulary.__contains__))


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
    return Lexical(_read(folder / QUESTIONS), _read(folder / ENTRIES), entry_of, runs)


def _write(texts: list[list[str]], folder: Path) -> None:
    import bm25s

    model = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
    model.index([text or [""] for text in texts], show_progress=False)
    model.save(folder, show_progress=False)


def _read(folder: Path) -> Bm25:
    import bm25s

    model = bm25s.BM25.load(folder, mmap=True, show_progress=False)
    # Plain views of the mapped files: a memmap object is made anew, slowly, at every slice.
    model.scores = {
        name: np.asarray(part) if isinstance(part, np.memmap) else part for name, part in model.scores.items()
    }
    return Bm25(model)
