"""The lexical leg: BM25 over each question, and over each entry's wordings and answer together.

BM25 as in Robertson and Zaragoza 2009 (doi:10.1561/1500000019), with the rarity that Lucene uses, computed for every
term and text beforehand (as in bm25s, arXiv:2407.03618). Terms are words, and for Korean stems, syllables and their
pairs (`indexer.words`), or morphemes too (`indexer.morphology`).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.morphology import Cut, cut_by
from indexer.topic import all_runs, known_share, named_elsewhere
from indexer.words import is_syllable

QUESTIONS, ENTRIES, RUNS, MORPHOLOGY = "questions", "entries", "runs.npy", "morphology.txt"
K1, B = 1.2, 0.75  # how soon a repeated term is enough; how much a long text is held against it
TABLE = ("terms", "starts", "holders", "shares", "weights", "size")
# A visitor's words stand as often in the answer as in the stored question. Chosen on the dev messages of
# data/queries.csv: R@1 of Korean .40 without the entries, .56 at 1, .62 at 2, .63 at 3.
ENTRY_WEIGHT = 2.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a query's words say of every row."""

    rows: NDArray[np.float32]  # (rows,) BM25 of the question and of its entry, per unit of the query's weight
    weights: Mapping[str, float]  # the query's terms, syllables aside, with their rarity
    columns: Sequence[slice]  # and where the entries that hold them stand
    question_columns: Sequence[slice]  # of all terms, where the questions that hold them stand


class Bm25:
    """BM25 over some texts, mapped from disk: of each term the texts that hold it, and what it adds to their score."""

    def __init__(self, folder: Path) -> None:
        self.terms, self.starts, self.holders, self.shares, self.weights, size = (
            np.asarray(np.load(folder / f"{name}.npy", "r", allow_pickle=False)) for name in TABLE
        )
        self.size = int(size[0])

    def columns(self, asked: Sequence[str]) -> list[slice]:
        """Find the terms' columns of the table; one that no text holds has an empty one."""
        if not asked or not len(self.terms):
            return [slice(0, 0)] * len(asked)
        names = _names(asked)
        at = np.minimum(self.terms.searchsorted(names), len(self.terms) - 1)
        starts, ends, found = self.starts[at].tolist(), self.starts[at + 1].tolist(), self.terms[at] == names
        return [slice(start, end if here else start) for start, end, here in zip(starts, ends, found, strict=True)]

    def scores(self, columns: Sequence[slice]) -> NDArray[np.float32]:
        """Score every text, (size,), by the terms of some columns."""
        scores = np.zeros(self.size, dtype=np.float32)
        for column in columns:
            scores[self.holders[column]] += self.shares[column]
        return scores

    def rarities(self, columns: Sequence[slice]) -> list[float]:
        """Weigh terms by how few texts hold them; one that no text holds weighs most."""
        held = (column.stop - column.start for column in columns)
        return [math.log1p((self.size - texts + 0.5) / (texts + 0.5)) for texts in held]

    def hold(self, texts: NDArray[np.int32], columns: Sequence[slice]) -> NDArray[np.bool_]:
        """Tell which texts hold which terms, (terms, texts)."""
        found = np.zeros((len(columns), len(texts)), dtype=np.bool_)
        for row, column in zip(found, columns, strict=True):
            holders = self.holders[column]
            if len(holders):
                row[:] = holders[np.minimum(holders.searchsorted(texts), len(holders) - 1)] == texts
        return found


class Lexical:
    """The leg: both BM25 indexes, the entry of each row, the sheet's runs of letters, and what cuts texts to terms."""

    def __init__(
        self, questions: Bm25, entries: Bm25, entry_of: NDArray[np.int32], runs: NDArray[np.uint64], cut: Cut
    ) -> None:
        self.questions, self.entries, self.entry_of, self.runs, self.cut = questions, entries, entry_of, runs, cut

    def evidence(self, query: str) -> Evidence:
        """Weigh a query's words against every row."""
        asked = self.cut(query)
        columns = self.entries.columns(asked)
        question_columns = self.questions.columns(asked)
        scores = self.questions.scores(question_columns)
        scores += ENTRY_WEIGHT * self.entries.scores(columns)[self.entry_of]
        rarities = dict(zip(asked, zip(self.entries.rarities(columns), columns, strict=True), strict=True))
        scores /= sum(weight for weight, _ in rarities.values()) or 1.0
        said = {term: found for term, found in rarities.items() if not is_syllable(term)}
        weights = {term: weight for term, (weight, _) in said.items()}
        distinct = list(dict(zip(asked, question_columns, strict=True)).values())
        return Evidence(scores, weights, [column for _, column in said.values()], distinct)

    def coverage(self, entries: NDArray[np.int32], evidence: Evidence) -> NDArray[np.float64]:
        """Give the share of the query's weight that each of some entries, (n,), holds, 0 to 1."""
        weights = np.array(list(evidence.weights.values()))
        held: NDArray[np.float64] = weights @ self.entries.hold(entries, evidence.columns)
        return held / (weights.sum() or 1.0)

    def overlap(self, rows: NDArray[np.int64], evidence: Evidence) -> NDArray[np.float64]:
        """Give the share of each stored question's weight that the query holds, (n,), 0 to 1."""
        columns = evidence.question_columns
        holders = self.questions.hold(rows.astype(np.int32), columns)
        held: NDArray[np.float64] = np.array(self.questions.rarities(columns)) @ holders
        shares: NDArray[np.float64] = held / np.maximum(self.questions.weights[rows], 1e-9)
        return shares

    def known(self, query: str) -> float:
        """Give the share of the query's runs of letters that the sheet holds anywhere, 0 to 1."""
        return known_share(query, self.runs)

    def foreign(self, query: str) -> bool:
        """Tell whether the query names something from elsewhere that the sheet does not hold."""
        return bool(named_elsewhere(query, self._held))

    def _held(self, term: str) -> bool:
        (column,) = self.entries.columns([term])
        return bool(column.stop > column.start)


def build_lexical(
    questions: Sequence[str],
    answers: Sequence[str],
    entry_of: NDArray[np.int32],
    folder: Path,
    morphology: str = "none",
) -> None:
    """Write the leg's files."""
    cut = cut_by(morphology)
    held: dict[int, dict[str, None]] = {}  # each entry's wordings, and its answer once
    for question, answer, entry in zip(questions, answers, entry_of.tolist(), strict=True):
        held.setdefault(entry, {}).update({question: None, answer: None})
    _write([cut(question) for question in questions], folder / QUESTIONS)
    _write([cut(" ".join(held[entry])) for entry in range(len(held))], folder / ENTRIES)
    np.save(folder / RUNS, all_runs(" ".join(texts) for texts in held.values()), allow_pickle=False)
    (folder / MORPHOLOGY).write_text(morphology, encoding="utf-8")


def load_lexical(folder: Path, entry_of: NDArray[np.int32]) -> Lexical:
    """Map the leg's files; messages are cut as its texts were."""
    runs = np.load(folder / RUNS, mmap_mode="r", allow_pickle=False)
    named = folder / MORPHOLOGY
    cut = cut_by(named.read_text("utf-8") if named.exists() else "none")  # an index of an earlier version names none
    return Lexical(Bm25(folder / QUESTIONS), Bm25(folder / ENTRIES), entry_of, runs, cut)


def _write(texts: list[list[str]], folder: Path) -> None:
    """Compute what each term adds to the score of each text that holds it."""
    vocabulary: dict[str, int] = {}
    told = np.array([vocabulary.setdefault(term, len(vocabulary)) for text in texts for term in text], dtype=np.int64)
    names = _names(list(vocabulary))
    place = np.empty(len(names), dtype=np.int64)
    place[np.argsort(names)] = np.arange(len(names))
    lengths = np.array([len(text) for text in texts])
    # Term and text as one number: sorted, they are the table's columns in the order of the names.
    pairs, counts = np.unique(place[told] * len(texts) + np.repeat(np.arange(len(texts)), lengths), return_counts=True)
    columns, holders = np.divmod(pairs, len(texts))
    held = np.bincount(columns, minlength=len(names))
    rarities = np.log1p((len(texts) - held + 0.5) / (held + 0.5))
    usual = lengths / max(1.0, lengths.mean())
    shares = rarities[columns] * counts / (counts + K1 * (1 - B + B * usual[holders]))
    table = (
        np.sort(names),
        np.concatenate([[0], np.cumsum(held)]),
        holders.astype(np.int32),
        shares.astype(np.float32),
        np.bincount(holders, weights=rarities[columns], minlength=len(texts)).astype(np.float32),
        np.array([len(texts)]),
    )
    folder.mkdir(parents=True)
    for name, part in zip(TABLE, table, strict=True):
        np.save(folder / f"{name}.npy", part, allow_pickle=False)


def _names(found: Sequence[str]) -> NDArray[np.uint64]:
    """Number terms by their hash: looked up in a mapped array, where a dictionary would have to be read first."""
    hashes = b"".join(blake2b(term.encode("utf-8", "surrogatepass"), digest_size=8).digest() for term in found)
    return np.frombuffer(hashes, dtype=np.uint64)
