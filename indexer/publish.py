"""Publishing: a generation's caches beside the old ones; the manifest that names them is written last."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from indexer import fingerprint
from indexer.database import Database
from indexer.encoders import Encoder, reads_hangul
from indexer.errors import UserError
from indexer.index import encoder_folder, generation_folder, remove
from indexer.legs import Elsewhere, first_rows, number_entries, write_legs
from indexer.manifest import Manifest
from indexer.row import Row
from indexer.topic import off_topic
from indexer.vectors import Vectors
from indexer.words import has_hangul

Material = tuple[NDArray[np.int32], list[str], list[str], Vectors, Vectors, Elsewhere]
LOCK = ".lock"
# A line in each language: an encoder may have a model for each, and damage to either is to be noticed.
PROBE = "How are refunds given, and when?\n환불은 언제 어떻게 해 주시나요?"


def write_generation(
    out: Path, database: Database, encoder: Encoder, facts: Manifest, rows: Sequence[Row]
) -> tuple[Manifest, Material]:
    """Write a generation's caches; give its manifest, which publishes them once it is written, and what they hold."""
    final = generation_folder(out, facts.generation)
    partial = final.with_suffix(".partial")
    remove(partial)
    made = material(database, facts, encoder.dim, rows)
    write_legs(partial, facts.store, *made, facts.morphology)
    remove(final)
    partial.rename(final)
    probe = [round(float(x), 6) for x in encoder.encode(PROBE.split("\n")).ravel()]
    facts = replace(facts, dim=encoder.dim, probe_vector=probe, files=_files(out, facts), digest=digest(final))
    return facts, made


def material(database: Database, facts: Manifest, dim: int, rows: Sequence[Row]) -> Material:
    """Gather what the legs of some rows are made of; `write_legs` takes it as it is."""
    entry_of = number_entries([row.entry for row in rows])
    questions, answers = [row.question for row in rows], [row.answer for row in rows]
    # An entry in two languages has two answers; its first stands for it in the answer leg.
    firsts = [readable(answers[at], facts.encoder) for at in first_rows(entry_of)]

    def vectors(texts: Sequence[str]) -> Vectors:
        return database.vectors(facts.fingerprint, [fingerprint.of_text(text) for text in texts], dim)

    others = elsewhere(facts.encoder)
    apart = {hangul: vectors([text for text in others if has_hangul(text) == hangul]) for hangul in (False, True)}
    return entry_of, questions, answers, vectors(questions), vectors(firsts), apart


def elsewhere(encoder: str) -> list[str]:
    """List the built-in messages about other things that an encoder can read."""
    return [text for text in off_topic() if readable(text, encoder)]


def readable(answer: str, encoder: str) -> str:
    """Leave out an answer in a script that the encoder does not know: long, costly, and its vector says nothing."""
    return "" if has_hangul(answer) and not reads_hangul(encoder) else answer


def _files(out: Path, facts: Manifest) -> dict[str, int]:
    folders = (generation_folder(out, facts.generation), encoder_folder(out, facts.fingerprint))
    return {f"{folder.relative_to(out)}/{name}": size for folder in folders for name, size in sizes(folder).items()}


def sizes(folder: Path) -> dict[str, int]:
    """Give the bytes of each file below a folder."""
    return {str(path.relative_to(folder)): path.stat().st_size for path in files(folder)}


def digest(folder: Path) -> str:
    """Hash the files below a folder."""
    return fingerprint.of_files(files(folder))


def files(folder: Path) -> list[Path]:
    """List the files below a folder, in order."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


@contextmanager
def only_builder(out: Path) -> Iterator[None]:
    """Let one build at a time write into a folder; the lock goes with the process that holds it."""
    lock = FileLock(out / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise UserError(f"another build is writing {out}. Wait for it, or name another --out.") from error
    try:
        yield
    finally:
        lock.release()
