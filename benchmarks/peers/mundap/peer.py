"""Mundap itself, from this checkout. PEERS_ENCODER names the encoder's spec."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ENCODER = os.environ.get("PEERS_ENCODER", "minilm")


def bulk() -> Callable[[Sequence[str]], Any]:
    """Encode as a build does."""
    from indexer import load_encoder

    return load_encoder(ENCODER).encode


def build(sheet: Path, folder: Path) -> None:
    """Build with the defaults: questions, answers and words are indexed."""
    from indexer import build_index

    build_index(sheet, folder, ENCODER)


update = build  # a build encodes only what is new


def open_index(folder: Path) -> Callable[[str], str]:
    """Search as the bot does."""
    from indexer import Index

    index = Index.open(folder)
    return lambda text: index.search([text], k=1)[0][0].row.answer


def serve(folder: Path, port: int) -> None:
    """Type: web serve."""
    from web.cli import main

    main(["serve", "--index", str(folder), "--port", str(port)])


def build_store(vectors: Any, folder: Path) -> None:
    """Write the store that fits the number of rows."""
    from indexer.stores import faiss

    faiss.build(vectors, folder)


def open_store(folder: Path) -> Callable[[Any, int], Any]:
    """Map the store."""
    from indexer.stores import faiss

    store = faiss.load(folder)
    return lambda vector, k: store.search(vector[None], k)[1][0]
