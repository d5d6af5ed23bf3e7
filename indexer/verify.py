"""Verification: the caches of an index against its database, row by row."""

from pathlib import Path
from typing import Any

import numpy as np

from indexer import fingerprint, manifest
from indexer.errors import UserError
from indexer.index import Index
from indexer.publish import digest

LOOKED_UP = 1_000  # rows, evenly spread: a scan of 100,000 rows for each of them would take minutes
SHARE = 2_000  # rows compared at a time
TOLERANCE = 2e-3  # a store may keep half-precision numbers


def verify(folder: Path) -> dict[str, Any]:
    """Report the faults of an index; an empty list means that it answers from what the database holds."""
    index = Index(folder, manifest.read(folder))
    faults = index.faults()
    if not faults:
        for compare in (_caches, _encoder, _entries, _vectors):
            try:
                faults.extend(compare(index))
            except UserError as error:
                faults.append(str(error))
            except Exception as error:  # a damaged cache makes its library raise anything
                faults.append(f"{compare.__name__.strip('_')}: cannot be read ({error})")
    facts = index.facts
    index.close()
    return {"index": str(folder), "generation": facts.generation, "rows": facts.rows, "faults": faults}


def _caches(index: Index) -> list[str]:
    return [] if digest(index.cache) == index.facts.digest else ["the caches are not as they were written"]


def _encoder(index: Index) -> list[str]:
    """Encode the probe sentence, which raises where the weights have changed."""
    assert index.encoder
    return []


def _entries(index: Index) -> list[str]:
    rows = index.database.rows(index.facts.generation)
    numbers: dict[str, int] = {}
    expected = [numbers.setdefault(row.entry, len(numbers)) for row in rows]
    faults = []
    if index.legs.entry_of.tolist() != expected:
        faults.append("the entries of the rows differ from the database")
    if index.legs.lexical.questions.size != len(rows) or index.legs.lexical.entries.size != len(numbers):
        faults.append("the lexical leg holds other rows than the database")
    return faults


def _vectors(index: Index) -> list[str]:
    """Compare each row's vector with the truth; look a thousand rows up: each must find itself, or its equal."""
    facts = index.facts
    hashes = [fingerprint.of_text(row.question) for row in index.database.rows(facts.generation)]
    step = -(-len(hashes) // LOOKED_UP)
    drifted = lost = 0
    for start in range(0, len(hashes), SHARE):
        vectors = index.database.vectors(facts.fingerprint, hashes[start : start + SHARE], facts.dim)
        cached = index.legs.question_vectors[start : start + SHARE]
        drifted += int((np.abs(cached - vectors).max(axis=1) > 0).sum())
        some = vectors[-start % step :: step]
        scores, positions = index.legs.questions.search(some, 1)
        nearest = np.where(positions[:, 0] >= 0, scores[:, 0], 0)
        lost += int((np.abs(nearest - np.linalg.norm(some, axis=1)) > TOLERANCE).sum())
    found = []
    if drifted:
        found.append(f"{drifted} of {len(hashes)} cached vectors differ from the database")
    if lost:
        found.append(
            f"{lost} of {len(range(0, len(hashes), step))} rows looked up are not found under their own vector"
        )
    return found
