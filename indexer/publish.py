"""Publishing: a generation's caches beside the old ones, then the manifest that names them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from indexer import fingerprint
from indexer.database import Database
from indexer.encoders import Encoder, reads_hangul
from indexer.index import ANSWERS, ENTRIES, LEXICAL, QUESTIONS, VECTORS, encoder_folder, generation_folder, remove
from indexer.lexical import build_lexical
from indexer.manifest import Manifest
from indexer.row import Row
from indexer.stores import build_store
from indexer.words import has_hangul

PROBE = "How do I get a refund? 환불은 어떻게 받나요?"


def publish(out: Path, database: Database, encoder: Encoder, facts: Manifest, rows: Sequence[Row]) -> Manifest:
    """Write a generation's caches, then its manifest."""
    final = generation_folder(out, facts.generation)
    partial = final.with_suffix(".partial")
    remove(partial)
    numbers: dict[str, int] = {}
    entry_of = np.array([numbers.setdefault(row.entry, len(numbers)) for row in rows], dtype=np.int32)
    questions, answers = [row.question for row in rows], [row.answer for row in rows]
    # An entry in two languages has two answers; its first stands for it in the answer leg.
    firsts = [readable(answers[at], facts.encoder) for at in np.unique(entry_of, return_index=True)[1]]
    for folder, texts in ((QUESTIONS, questions), (ANSWERS, firsts)):
        (partial / folder).mkdir(parents=True)
        vectors = database.vectors(facts.fingerprint, [fingerprint.of_text(text) for text in texts], encoder.dim)
        np.save(partial / folder / VECTORS, vectors, allow_pickle=False)
        build_store(facts.store, vectors, partial / folder)
    build_lexical(questions, answers, entry_of, partial / LEXICAL)
    np.save(partial / ENTRIES, entry_of, allow_pickle=False)
    remove(final)
    partial.rename(final)
    probe = [round(float(x), 6) for x in encoder.encode([PROBE])[0]]
    facts = replace(facts, dim=encoder.dim, probe_vector=probe, files=_files(out, facts), digest=digest(final))
    facts.write(out)
    return facts


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
