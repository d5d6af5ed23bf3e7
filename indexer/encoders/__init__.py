"""Encoders: from texts to vectors, one file each; the file's name is the spec's name.

A file offers two functions. `prepare(folder, argument, texts, *, options) -> fingerprint` writes into a
folder all that serving needs (a trained table, an exported graph); `load(folder)` opens it again, lightly.
"""

import sys
import tempfile
import weakref
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from shutil import rmtree
from types import ModuleType
from typing import Protocol

from indexer import spec as specs
from indexer.errors import UserError
from indexer.vectors import Vectors


class Encoder(Protocol):
    """Turns texts into vectors."""

    dim: int

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode texts to (len(texts), dim), in their order, also for none."""
        ...


def prepare_encoder(spec: str, texts: Sequence[str], folder: Path) -> str:
    """Write what serving a spec needs into a folder; give the fingerprint of what was written.

    Equal fingerprints mean equal vectors, so vectors may be kept by it.
    """
    parsed = specs.parse(spec)
    module = _module(parsed)
    folder.mkdir(parents=True, exist_ok=True)
    fingerprint: str = module.prepare(folder, parsed.argument, texts, **specs.options(parsed, module.prepare))
    return fingerprint


def open_encoder(spec: str, folder: Path) -> Encoder:
    """Open an encoder that was prepared in a folder."""
    encoder: Encoder = _module(specs.parse(spec)).load(folder)
    return encoder


def load_encoder(spec: str, texts: Sequence[str] = ()) -> Encoder:
    """Prepare and open an encoder without an index; word encoders and tfidf learn from `texts`."""
    folder = Path(tempfile.mkdtemp(prefix="encoder-"))
    try:
        prepare_encoder(spec, texts, folder)
        encoder = open_encoder(spec, folder)
    except BaseException:
        rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(encoder, rmtree, folder, ignore_errors=True)
    return encoder


def check_spec(spec: str) -> None:
    """Refuse a spec with an unknown name or option before any work is done."""
    parsed = specs.parse(spec)
    specs.options(parsed, _module(parsed).prepare)


@cache
def reads_hangul(spec: str) -> bool:
    """Tell whether an encoder knows Korean; one that does not leaves Korean messages to the lexical leg."""
    return bool(getattr(_module(specs.parse(spec)), "READS_HANGUL", True))


def _module(spec: specs.Spec) -> ModuleType:
    name = specs.known(sys.modules[__name__], spec, "encoder")
    try:
        return import_module(f"indexer.encoders.{name}")
    except ImportError as error:
        raise UserError(f"encoder {name}: {error}. Install it with: pip install -e .") from error
