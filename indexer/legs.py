"""The legs of a generation: what it is searched with, written into a folder and mapped from there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.lexical import Lexical, build_lexical, load_lexical
from indexer.stores import VectorStore, build_store, open_store
from indexer.vectors import Vectors
from indexer.words import has_hangul

ENTRIES, LEXICAL, QUESTIONS, ANSWERS, VECTORS = "entries.npy", "lexical", "questions", "answers", "vectors.npy"
HANGUL = "hangul.npy"
ELSEWHERE = {False: "elsewhere.npy", True: "elsewhere-hangul.npy"}  # by whether a text holds Hangul

Elsewhere = Mapping[bool, Vectors]


@dataclass(frozen=True, slots=True)
class Legs:
    """What a generation is searched with."""

    questions: VectorStore
    answers: VectorStore
    question_vectors: Vectors  # (rows, dim)
    answer_vectors: Vectors  # (entries, dim)
    elsewhere: Elsewhere  # (messages, dim): of the built-in messages about other things, those with Hangul apart
    lexical: Lexical
    entry_of: NDArray[np.int32]  # (rows,)
    first_row: NDArray[np.int64]  # (entries,)
    hangul: NDArray[np.bool_]  # (rows,): the question holds Hangul


def number_entries(entries: Sequence[str]) -> NDArray[np.int32]:
    """Number the entries of the rows in order of appearance, (rows,)."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(entry, len(numbers)) for entry in entries], dtype=np.int32)


def first_rows(entry_of: NDArray[np.int32]) -> NDArray[np.int64]:
    """Give the first row of each entry, (entries,)."""
    return np.unique(entry_of, return_index=True)[1]


def write_legs(
    folder: Path,
    store: str,
    entry_of: NDArray[np.int32],
    questions: Sequence[str],
    answers: Sequence[str],
    question_vectors: Vectors,
    answer_vectors: Vectors,
    elsewhere: Elsewhere,
    morphology: str = "none",
) -> None:
    """Write the files; vectors of the questions by row, of the answers by entry."""
    for name, vectors in ((QUESTIONS, question_vectors), (ANSWERS, answer_vectors)):
        (folder / name).mkdir(parents=True)
        np.save(folder / name / VECTORS, vectors, allow_pickle=False)
        build_store(store, vectors, folder / name)
    build_lexical(questions, answers, entry_of, folder / LEXICAL, morphology)
    np.save(folder / ENTRIES, entry_of, allow_pickle=False)
    np.save(folder / HANGUL, np.array([has_hangul(question) for question in questions], dtype=bool), allow_pickle=False)
    for hangul, name in ELSEWHERE.items():
        np.save(folder / name, elsewhere[hangul], allow_pickle=False)


def open_legs(folder: Path, store: str) -> Legs:
    """Map the files."""
    entry_of = np.load(folder / ENTRIES, allow_pickle=False)
    # A plain view of the mapped file: a memmap object is made anew, slowly, at every slice.
    vectors = np.asarray(np.load(folder / QUESTIONS / VECTORS, "r", allow_pickle=False))
    return Legs(
        questions=open_store(store, folder / QUESTIONS),
        answers=open_store(store, folder / ANSWERS),
        question_vectors=vectors,
        answer_vectors=np.asarray(np.load(folder / ANSWERS / VECTORS, "r", allow_pickle=False)),
        elsewhere={
            hangul: np.asarray(np.load(folder / name, "r", allow_pickle=False)) for hangul, name in ELSEWHERE.items()
        },
        lexical=load_lexical(folder / LEXICAL, entry_of),
        entry_of=entry_of,
        first_row=first_rows(entry_of),
        hangul=np.load(folder / HANGUL, allow_pickle=False),
    )
