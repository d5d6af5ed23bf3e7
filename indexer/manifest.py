"""The manifest: what an index was made of. It is written last, so an index without one is half-written."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from shlex import quote
from typing import Any

from indexer.errors import UserError

FILE, FORMAT = "manifest.json", 5
DEFAULTS = {"encoder": "bilingual", "store": "faiss", "retrieval": "hybrid", "morphology": "none"}  # of indexer build


@dataclass(frozen=True, slots=True)
class Manifest:
    """The facts of one published generation."""

    generation: int
    encoder: str  # the spec
    fingerprint: str  # of the encoder: equal means equal vectors
    dim: int
    store: str
    retrieval: str  # dense, lexical or hybrid
    sheet: str
    corpus: str  # hash of the rows
    rows: int
    entries: int
    skipped: int
    languages: Mapping[str, int]  # rows by script: ko holds Hangul, en does not
    probe: str  # fixed sentences, a line each ...
    probe_vector: list[
        float
    ]  # ... and their vectors, one after the other, which notice changed weights under an unchanged name
    files: Mapping[str, int]  # the caches of this generation and its encoder: path within the folder -> bytes
    digest: str  # of the caches' content; the encoder has its probe
    calibration: Mapping[str, Any] = field(default_factory=dict)  # indexer.confidence.Calibration
    versions: Mapping[str, str] = field(default_factory=dict)
    format: int = FORMAT
    morphology: str = "none"  # how the lexical leg cuts Korean (indexer.morphology)

    def rebuild(self, folder: Path) -> str:
        """Give the command that builds this index again as it is."""
        return rebuild(asdict(self), folder)

    def write(self, folder: Path) -> None:
        """Publish: from here on readers see this generation."""
        partial = folder / f"{FILE}.partial"
        with partial.open("w", encoding="utf-8") as file:
            json.dump(asdict(self), file, ensure_ascii=False, indent=1)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(folder / FILE)


def rebuild(facts: Mapping[str, Any], folder: Path) -> str:
    """Give the command that builds an index of these facts; options that have their default are left out."""
    named = {name: facts.get(name) for name in DEFAULTS}
    options = "".join(f" --{name} {quote(value)}" for name, value in named.items() if value and value != DEFAULTS[name])
    return f"indexer build {facts.get('sheet', 'SHEET')} --out {folder}{options}"


def read(folder: Path) -> Manifest:
    """Read a folder's manifest; each fault names the command that mends it."""
    mend = f"Type: indexer build SHEET --out {folder}"
    if not folder.exists():
        raise UserError(f"there is no index at {folder}. {mend}")
    if not folder.is_dir():
        raise UserError(f"{folder} is a file, not an index folder. Name the folder that indexer build wrote.")
    path = folder / FILE
    if not path.exists():
        what = "a build that has not finished" if any(folder.iterdir()) else "an empty folder"
        raise UserError(f"{folder} is {what}, or no index: it has no {FILE}. {mend}")
    try:
        facts: Any = json.loads(path.read_text("utf-8"))
        version = facts["format"]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise UserError(f"{path} cannot be read ({error}). {mend}") from error
    if version != FORMAT:
        raise UserError(f"{path} has format {version}, this version reads {FORMAT}. Type: {rebuild(facts, folder)}")
    try:
        return Manifest(**facts)
    except TypeError as error:
        raise UserError(f"{path} is not a manifest of an index: {error}. {mend}") from error
