"""An index: one folder that answers queries, opened as one published generation."""

import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from indexer import manifest
from indexer.confidence import Calibration
from indexer.database import FILE as DATABASE
from indexer.database import Database
from indexer.encoders import Encoder, open_encoder
from indexer.errors import UserError
from indexer.legs import Legs, open_legs
from indexer.onnx import cores
from indexer.retrieve import Candidate, Ranked, Signs, rank, speaking
from indexer.together import Together
from indexer.vectors import Vectors

EXACT_RANK = 9.0  # above any rank score: the message is the stored question
HOME = Signs(near=1.0, crowd=1.0, known=1.0)  # of a message that is a stored question
PROBE_TOLERANCE = 1e-3  # other processors round differently; other weights differ by far more


class Index:
    """A published generation, read-only. Safe to share between threads."""

    def __init__(self, folder: Path, facts: manifest.Manifest) -> None:
        self.folder = folder
        self.facts = facts
        self.cache = generation_folder(folder, facts.generation)
        self.database = Database(folder / DATABASE)

    @classmethod
    def open(cls, folder: str | Path) -> "Index":
        """Open an index folder.

        Raises:
            UserError: it is missing, half-written, damaged or of another format; the text says what mends it.
        """
        folder = Path(folder)
        facts = manifest.read(folder)
        index = cls(folder, facts)
        faults = index.faults()
        if faults:
            mend = facts.rebuild(folder) if DATABASE in faults[0] else f"indexer verify --index {folder} --repair"
            raise UserError(f"{folder} is damaged: {faults[0]}. Type: {mend}")
        return index

    def search(self, texts: Sequence[str], k: int = 5) -> list[list[Candidate]]:
        """Find the k best entries of each text, best first."""
        if k < 1:
            raise UserError(f"k is {k}: ask for at least 1 candidate.")
        # Half a character, as a broken client may send, is no text: no library below would take it.
        texts = [text.encode("utf-8", "replace").decode() for text in texts]
        vectors = self.encoder.encode(texts)
        return [self._search(text, vector, k) for text, vector in zip(texts, vectors, strict=True)]

    @cached_property
    def encoder(self) -> Encoder:
        """The index's own encoder, checked to give the vectors that the rows were encoded with."""
        with self._naming_damage("the encoder"):
            encoder = open_encoder(self.facts.encoder, encoder_folder(self.folder, self.facts.fingerprint))
            found = encoder.encode(self.facts.probe.split("\n")).ravel()
        probe = np.array(self.facts.probe_vector, dtype=np.float32)
        difference = float(np.abs(found - probe).max(initial=0))
        if difference > PROBE_TOLERANCE:
            raise UserError(
                f"{self.folder}: the weights of {self.facts.encoder} have changed since the build (by "
                f"{difference:.2g}). Type: {self.facts.rebuild(self.folder)}"
            )
        return Together(encoder, cores())

    @cached_property
    def legs(self) -> Legs:
        """What this generation is searched with, mapped from disk."""
        with self._naming_damage("a cache"):
            return open_legs(self.cache, self.facts.store)

    @cached_property
    def calibration(self) -> Calibration:
        """What its candidates are judged by."""
        found = Calibration.from_dict(self.facts.calibration) if self.facts.calibration else None
        if not found or not found.made_for(self.facts.fingerprint, self.facts.retrieval):
            what = "was made for another encoder or retrieval" if found else "is missing"
            raise UserError(f"{self.folder}: its calibration {what}. Type: indexer calibrate --index {self.folder}")
        return found

    @property
    def stale(self) -> bool:
        """Whether rows have changed since the calibration, too few to fit it anew."""
        return self.calibration.corpus != self.facts.corpus

    def faults(self) -> list[str]:
        """Name what is missing or of the wrong size, without reading it all."""
        facts, found = self.facts, []
        for name, size in facts.files.items():
            path = self.folder / name
            if not path.exists():
                found.append(f"{name} is missing")
            elif path.stat().st_size != size:
                found.append(f"{name} has {path.stat().st_size} bytes, expected {size}")
        return found or self._database_faults()

    @contextmanager
    def _naming_damage(self, what: str) -> Iterator[None]:
        """Turn whatever a library says of a damaged file into the command that mends it."""
        try:
            yield
        except (UserError, ModuleNotFoundError):
            raise
        except Exception as error:  # each library has errors of its own for this
            reason = str(error).strip().splitlines()[0][:120] if str(error).strip() else type(error).__name__
            raise UserError(
                f"{self.folder} is damaged: {what} cannot be read ({reason}). "
                f"Type: indexer verify --index {self.folder} --repair"
            ) from error

    def _database_faults(self) -> list[str]:
        if not (self.folder / DATABASE).exists():
            return [f"{DATABASE} is missing"]
        try:
            known = self.database.generations()
        except sqlite3.DatabaseError as error:
            if not os.access(self.folder, os.W_OK):
                raise UserError(
                    f"{self.folder} may not be written to by this account, which SQLite needs even to read. "
                    f"Type: sudo chown -R ACCOUNT {self.folder}, with the account that serves"
                ) from error
            return [f"{DATABASE} cannot be read ({error})"]
        return [] if self.facts.generation in known else [f"{DATABASE} has no generation {self.facts.generation}"]

    def describe(self) -> dict[str, Any]:
        """Say what the index holds and what it was made of."""
        facts = self.facts
        disk = sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())
        return {
            "index": str(self.folder),
            "generation": facts.generation,
            "sheet": facts.sheet,
            "rows": facts.rows,
            "entries": facts.entries,
            "skipped": facts.skipped,
            "languages": dict(facts.languages),
            "encoder": facts.encoder,
            "fingerprint": facts.fingerprint,
            "dim": facts.dim,
            "store": facts.store,
            "retrieval": facts.retrieval,
            "morphology": facts.morphology,
            "risk": self.calibration.risk,
            "promised": self.calibration.promised,
            "stale": self.stale,
            "bytes": disk,
            "versions": dict(facts.versions),
        }

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    def _search(self, text: str, vector: Vectors, k: int) -> list[Candidate]:
        facts = self.facts
        ranked = rank(self.legs, text, vector, k, *speaking(facts.retrieval, facts.encoder, text))
        same = self._same_question(text, vector)
        # A row that holds the message as it stands goes before all others, and stands for its entry.
        said = {int(self.legs.entry_of[position]) for position in same}
        others = [item for item in ranked if int(self.legs.entry_of[item.position]) not in said]
        best = [*same.values(), *others][:k]
        rows = self.database.rows(facts.generation, [item.position for item in best])
        return [Candidate(row, item, item.position in same) for row, item in zip(rows, best, strict=True)]

    def _same_question(self, text: str, vector: Vectors) -> dict[int, Ranked]:
        """Find the entries that store the message itself, each by one row."""
        found: dict[int, int] = {}
        for position in self.database.same_question(self.facts.generation, text):
            found.setdefault(int(self.legs.entry_of[position]), position)
        cosines = self.legs.question_vectors[list(found.values())] @ vector
        return {
            position: Ranked(position, round(float(cosine), 6), EXACT_RANK, coverage=1.0, legs="exact", signs=HOME)
            for position, cosine in zip(found.values(), cosines, strict=True)
        }


def generation_folder(folder: Path, generation: int) -> Path:
    """Name the folder of a generation's caches."""
    return folder / "generations" / f"{generation:06d}"


def encoder_folder(folder: Path, name: str) -> Path:
    """Name the folder of an encoder's files."""
    return folder / "encoders" / name


def remove(folder: Path) -> None:
    """Delete a folder that nothing refers to."""
    shutil.rmtree(folder, ignore_errors=True)
