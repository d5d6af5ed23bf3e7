"""Building: from a sheet to a published generation, beside the old one, which answers until the end.

The order is the safety: rows and vectors into the database, caches into a folder of their own, the manifest
last. Whoever kills a build at any moment leaves the old index, and the vectors made so far.
"""

import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from indexer import fingerprint, manifest
from indexer.corpus import Corpus, read_corpus
from indexer.database import FILE as DATABASE
from indexer.database import Database
from indexer.encoders import Encoder, check_spec, open_encoder, prepare_encoder
from indexer.errors import UserError
from indexer.index import (
    Index,
    encoder_folder,
    generation_folder,
    remove,
)
from indexer.manifest import Manifest
from indexer.morphology import check_morphology, library_versions
from indexer.progress import Progress, silent
from indexer.publish import LOCK, PROBE, elsewhere, only_builder, readable, sizes, write_generation
from indexer.recalibrate import calibrated
from indexer.retrieve import Retrieval
from indexer.row import Row
from indexer.stores import check_store
from indexer.words import has_hangul

SHARE = 512  # texts encoded between two commits
VERSIONS = ("mundap", "faiss-cpu", "onnxruntime")


@dataclass(frozen=True, slots=True)
class Built:
    """What a build did."""

    facts: Manifest
    corpus: Corpus
    encoded: int  # texts that were new
    changed: bool  # False: the index was up to date
    seconds: float


def build_index(
    sheet: str | Path,
    out: str | Path = "data/index",
    encoder: str = "bilingual",
    store: str = "faiss",
    retrieval: Retrieval = "hybrid",
    columns: Mapping[str, str] | None = None,
    progress: Progress = silent,
    morphology: str = "none",
) -> Built:
    """Build an index of a sheet, or bring it up to date: only texts without a vector are encoded."""
    started = time.monotonic()
    _check(encoder, store, morphology)
    progress(f"Reading {sheet}")
    corpus = _usable(sheet, columns)
    out = Path(out)
    _writable(out)
    with only_builder(out):
        for left in (out / "generations").glob("*.partial"):  # of a build that was killed
            remove(left)
        old = _old(out)
        progress(f"Preparing {encoder}")
        name = _provide_encoder(out, encoder, [row.question for row in corpus.rows])
        wanted = _facts(corpus, str(sheet), encoder, name, store, retrieval, morphology)
        if old and _same(old, wanted) and _whole(out, old):
            return Built(old, corpus, 0, False, time.monotonic() - started)
        with closing(_open_truth(out)) as database:
            opened = open_encoder(encoder, encoder_folder(out, name))
            encoded = _encode(database, opened, wanted, corpus.rows, progress)
            progress("Writing the index")
            generation = database.add_generation(corpus.rows)
            wanted = replace(wanted, generation=generation)
            facts, made = write_generation(out, database, opened, wanted, corpus.rows)
            progress("Calibrating")
            facts = calibrated(out, database, opened, facts, made, corpus.rows, old)
            facts.write(out)
            _prune(out, database, [facts] + ([old] if old else []))
    return Built(facts, corpus, encoded, True, time.monotonic() - started)


def repair(folder: Path) -> Manifest:
    """Make the caches of a published generation again from the database."""
    facts = manifest.read(folder)
    with only_builder(folder), closing(Database(folder / DATABASE, readonly=False)) as database:
        rows = database.rows(facts.generation)
        if len(rows) != facts.rows:
            raise UserError(f"{folder}: the database is damaged too. Type: {facts.rebuild(folder)}")
        if _provide_encoder(folder, facts.encoder, [row.question for row in rows]) != facts.fingerprint:
            raise UserError(f"{folder}: {facts.encoder} is not what it was. Type: {facts.rebuild(folder)}")
        encoder = open_encoder(facts.encoder, encoder_folder(folder, facts.fingerprint))
        _encode(database, encoder, facts, rows, silent)
        facts, _ = write_generation(folder, database, encoder, facts, rows)
        facts.write(folder)
        return facts


def _check(encoder: str, store: str, morphology: str) -> None:
    """Refuse a wrong name before any work is done."""
    check_spec(encoder)
    check_store(store)
    check_morphology(morphology)


def _usable(sheet: str | Path, columns: Mapping[str, str] | None) -> Corpus:
    corpus = read_corpus(Path(sheet), columns)
    if not corpus.rows:
        raise UserError(f"{sheet} has no usable row. Type: indexer check {sheet}")
    return corpus


def _encode(database: Database, encoder: Encoder, facts: Manifest, rows: Sequence[Row], progress: Progress) -> int:
    """Encode the questions and answers that have no vector yet; give how many."""
    known = database.known_vectors(facts.fingerprint)
    texts = dict.fromkeys(text for row in rows for text in (row.question, readable(row.answer, facts.encoder)))
    texts.update(dict.fromkeys(elsewhere(facts.encoder)))
    new = {name: text for text in texts if (name := fingerprint.of_text(text)) not in known}
    names = sorted(new, key=lambda name: len(new[name]))  # texts of one length share a batch
    for start in range(0, len(names), SHARE):
        progress("Encoding", start, len(names))
        share = names[start : start + SHARE]
        database.add_vectors(facts.fingerprint, share, encoder.encode([new[name] for name in share]))
    progress("Encoding", len(names), len(names))
    return len(names)


def _provide_encoder(out: Path, spec: str, texts: Sequence[str]) -> str:
    """Prepare an encoder into the index; give its fingerprint."""
    partial = out / "encoders" / "new.partial"
    remove(partial)
    name = prepare_encoder(spec, texts, partial)
    final = encoder_folder(out, name)
    if not _equal(partial, final):
        remove(final)
        partial.rename(final)
    remove(partial)
    return name


def _equal(one: Path, other: Path) -> bool:
    """Compare two folders by content; files that are links to one file need no reading."""
    return sizes(one) == sizes(other) and all(
        (one / name).samefile(other / name) or fingerprint.of_file(one / name) == fingerprint.of_file(other / name)
        for name in sizes(one)
    )


def _facts(
    corpus: Corpus, sheet: str, encoder: str, name: str, store: str, retrieval: str, morphology: str
) -> Manifest:
    rows = corpus.rows
    hangul = sum(has_hangul(row.question) for row in rows)
    content = [[row.id, row.entry, row.question, row.answer, dict(row.extra)] for row in rows]
    return Manifest(
        generation=0,
        encoder=encoder,
        fingerprint=name,
        dim=0,
        store=store,
        retrieval=retrieval,
        sheet=sheet,
        corpus=fingerprint.of_text(json.dumps(content, ensure_ascii=False)),
        rows=len(rows),
        entries=len({row.entry for row in rows}),
        skipped=len(corpus.skipped),
        languages={"ko": hangul, "en": len(rows) - hangul},
        probe=PROBE,
        probe_vector=[],
        files={},
        digest="",
        versions={name: version(name) for name in VERSIONS} | library_versions(morphology),
        morphology=morphology,
    )


def _same(old: Manifest, new: Manifest) -> bool:
    names = ("encoder", "fingerprint", "store", "retrieval", "corpus", "format", "morphology")
    libraries = library_versions(new.morphology)
    return all(getattr(old, name) == getattr(new, name) for name in names) and all(
        old.versions.get(name) == version for name, version in libraries.items()
    )


def _old(out: Path) -> Manifest | None:
    """Read the manifest that is there; a damaged or foreign one counts as none."""
    try:
        return manifest.read(out)
    except UserError:
        return None


def _whole(out: Path, facts: Manifest) -> bool:
    with closing(Index(out, facts)) as index:
        return not index.faults()


def _prune(out: Path, database: Database, kept: Sequence[Manifest]) -> None:
    """Keep this generation and the one before, which readers may still have open."""
    generations = sorted({facts.generation for facts in kept})
    names = sorted({facts.fingerprint for facts in kept})
    database.forget(generations, names)
    live = {generation_folder(out, number) for number in generations} | {encoder_folder(out, name) for name in names}
    for path in [*(out / "generations").iterdir(), *(out / "encoders").iterdir()]:
        if path not in live:
            remove(path)


def _writable(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file. Name another folder with --out.")
    found = {path.name for path in out.iterdir()} - {LOCK} if out.is_dir() else set()
    if found and not found & {DATABASE, manifest.FILE, "encoders"}:
        raise UserError(f"{out} holds other files and is no index. Name another folder with --out.")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{out} cannot be written to ({error.strerror}). Name another folder with --out.") from error


def _open_truth(out: Path) -> Database:
    """Open the database for writing; a damaged one is put aside, since the sheet can make it again."""
    path = out / DATABASE
    try:
        database = Database(path, readonly=False)
        database.generations()
    except sqlite3.DatabaseError:
        path.replace(path.with_suffix(".damaged"))
        for name in ("-wal", "-shm"):
            path.with_name(path.name + name).unlink(missing_ok=True)
        database = Database(path, readonly=False)
    return database
