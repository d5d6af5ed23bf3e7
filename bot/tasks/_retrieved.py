"""What `reply` learns from and is judged by: a message, what a search brings for it, and the answer that is right."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.corpus import Corpus, read_corpus
from indexer.errors import UserError
from indexer.retrieve import ANSWER_WEIGHT
from indexer.row import Row
from indexer.words import has_hangul

Pair = tuple[str, str]  # a stored question and its answer
Scores = NDArray[np.float32]
SHARE = 256  # wordings compared with all others at a time
WORDS = "tfidf"  # for Korean, where the encoder cannot read it
WORDS_WEIGHT = 1.0  # of the answer there: wordings share few words, and answers hold many


@dataclass(frozen=True, slots=True)
class Example:
    """A message, the retrieved entries in their order, and the answer that its own entry has."""

    where: str
    entry: str
    message: str
    answer: str
    pairs: tuple[Pair, ...]

    @property
    def found(self) -> bool:
        """Whether the right answer is among those retrieved."""
        return any(answer == self.answer for _, answer in self.pairs)


def of_sheet(path: Path, search: str, k: int) -> list[Example]:
    """Ask each wording of a sheet, and search for it among all the others: its own row is left out."""
    corpus = read_corpus(path)
    found = []
    for start, scores in _scores(corpus.rows, search):
        for at, line in enumerate(scores, start):
            line[at] = -np.inf
            found.append(_example(corpus, path, at, _best_of_entries(corpus, line, k)))
    if not any(example.found for example in found):
        raise UserError(
            f"{path}: no wording finds its own entry by another one. A reply is learned from entries of two wordings "
            "or more (rows that share `entry` or the answer). Add some, or try --candidates 8."
        )
    return found


def _scores(rows: Sequence[Row], search: str) -> Iterator[tuple[int, Scores]]:
    """Score all rows for each wording, by cosines with question and answer; Korean by what can read it."""
    from indexer.encoders import load_encoder, reads_hangul

    questions, answers = [row.question for row in rows], [row.answer for row in rows]
    distinct = list(dict.fromkeys(answers))
    place = {answer: at for at, answer in enumerate(distinct)}
    of = np.array([place[answer] for answer in answers])
    legs = []
    for spec, weight in ((search, ANSWER_WEIGHT), (WORDS, WORDS_WEIGHT)):
        encoder = load_encoder(spec, [*questions, *distinct])
        legs.append((encoder.encode(questions), weight * encoder.encode(distinct)[of]))
        if reads_hangul(search):
            break
    for start in range(0, len(rows), SHARE):
        share = range(start, min(start + SHARE, len(rows)))
        by_leg = [vectors[share] @ (vectors + told).T for vectors, told in legs]
        yield start, np.stack([by_leg[-1 if has_hangul(questions[at]) else 0][at - start] for at in share])


def of_queries(path: Path, qrels: str, folder: str, k: int) -> list[Example]:
    """Ask judged queries of an index: what a visitor would get; the first right entry holds the answer."""
    from indexer.index import Index
    from indexer.queries import read_queries, refuse_foreign

    asked = [query for query in read_queries(path, qrels or None) if query.on_topic]
    index = Index.open(folder)
    rows = [row for row in index.database.rows(index.facts.generation, list(range(index.facts.rows)))]
    entry_of = {row.id: row.entry for row in rows}
    refuse_foreign(asked, {*entry_of, *entry_of.values()})
    answer_of = {row.entry: row.answer for row in reversed(rows)}
    found = []
    for query, candidates in zip(asked, index.search([query.text for query in asked], k), strict=True):
        right = [entry for entry, value in query.entries(entry_of).items() if value > 0 and entry in answer_of]
        pairs = tuple((candidate.row.question, candidate.row.answer) for candidate in candidates)
        if right and pairs:
            found.append(Example(f"{path}, {query.id}", right[0], query.text, answer_of[right[0]], pairs))
    index.close()
    return found


def _example(corpus: Corpus, path: Path, at: int, best: Sequence[int]) -> Example:
    row = corpus.rows[at]
    pairs = tuple((corpus.rows[other].question, corpus.rows[other].answer) for other in best)
    return Example(f"{path}, row {corpus.numbers[at]}", row.entry, row.question, row.answer, pairs)


def _best_of_entries(corpus: Corpus, scores: Scores, k: int) -> list[int]:
    """Give the best wording of each of the k nearest entries, nearest first."""
    best: dict[str, int] = {}
    for at in _descending(scores):
        best.setdefault(corpus.rows[at].entry, at)
        if len(best) == k:
            break
    return list(best.values())


def _descending(scores: Scores) -> Iterator[int]:
    for at in np.argsort(-scores, kind="stable").tolist():
        if scores[at] == -np.inf:
            return
        yield at
