"""Mundap's indexer: from a sheet of questions and answers to candidates with a probability."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from indexer.build import build_index
    from indexer.encoders import load_encoder
    from indexer.index import Index

__all__ = ["Index", "UserError", "build_index", "load_encoder"]

from indexer.errors import UserError

_HOMES = {"Index": "indexer.index", "build_index": "indexer.build", "load_encoder": "indexer.encoders"}


def __getattr__(name: str) -> Any:
    # Late, so that `import indexer` and `indexer --help` load neither NumPy nor SQLite.
    if name not in _HOMES:
        raise AttributeError(f"module 'indexer' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
