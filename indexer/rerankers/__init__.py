"""Rerankers: from a message and rows to scores, one file each; the file's name is the spec's name.

A file offers `load(argument, *, options) -> Reranker`. What uses one is `indexer.rerank`.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from indexer import spec as specs
from indexer.row import Row


class Reranker(Protocol):
    """Reads a message and stored rows together."""

    top: int  # candidates of a message that it reads, at most

    @property
    def fingerprint(self) -> str:
        """Name what the scores depend on: equal fingerprints mean equal scores."""
        ...

    def scores(self, message: str, rows: Sequence[Row]) -> NDArray[np.float32]:
        """Score the rows for a message, (len(rows),); higher is better, and equal pairs are exactly equal."""
        ...


def load_reranker(spec: str) -> Reranker:
    """Open a reranker.

    Raises:
        UserError: the name or an option is unknown, or the model cannot be opened or scores no pairs.
    """
    parsed = specs.parse(spec)
    module = _module(parsed)
    reranker: Reranker = module.load(parsed.argument, **specs.options(parsed, module.load))
    return reranker


def check_reranker(spec: str) -> None:
    """Refuse a spec with an unknown name or option before any work is done."""
    parsed = specs.parse(spec)
    specs.options(parsed, _module(parsed).load)


def _module(spec: specs.Spec) -> ModuleType:
    return import_module(f"indexer.rerankers.{specs.known(sys.modules[__name__], spec, 'reranker')}")
