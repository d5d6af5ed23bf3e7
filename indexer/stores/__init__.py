"""Vector stores: from query vectors to the nearest rows, one file each.

A file offers `build(vectors, folder)`, which writes the store's files, and `load(folder)`, which opens them.
"""

import sys
from importlib import import_module
from pathlib import Path
from typing import Protocol

from indexer import spec as specs
from indexer.vectors import Positions, Scores, Vectors


class VectorStore(Protocol):
    """Finds the rows with the highest inner product."""

    def search(self, queries: Vectors, k: int) -> tuple[Scores, Positions]:
        """Give the k best rows of each query, best first; equal scores by position.

        Where there are fewer rows, position -1 and score -inf fill up.
        """
        ...


def build_store(name: str, vectors: Vectors, folder: Path) -> None:
    """Write the files of a store."""
    import_module(f"indexer.stores.{check_store(name)}").build(vectors, folder)


def open_store(name: str, folder: Path) -> VectorStore:
    """Open the files of a store."""
    store: VectorStore = import_module(f"indexer.stores.{check_store(name)}").load(folder)
    return store


def check_store(name: str) -> str:
    """Refuse an unknown store with the list of the right ones."""
    parsed = specs.parse(name)
    known = specs.known(sys.modules[__name__], parsed, "store")
    specs.refuse_argument(known, parsed.argument)
    specs.options(parsed, import_module(f"indexer.stores.{known}").build)
    return known
