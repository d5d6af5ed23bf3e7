"""sbert:NAME_OR_PATH, any sentence-transformers model, with whatever modules it has. Serves with torch."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from indexer import fingerprint
from indexer.errors import UserError
from indexer.vectors import Vectors, unit

CONFIG = "encoder.json"


class SentenceEncoder:
    """A sentence-transformers model behind the Encoder protocol."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.dim: int = model.encode(["a"], show_progress_bar=False).shape[1]

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode texts to unit rows; a blank one is zero."""
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        told = [row for row, text in enumerate(texts) if text.strip()]
        if told:
            vectors[told] = unit(self.model.encode([texts[row] for row in told], show_progress_bar=False))
        return vectors


def prepare(folder: Path, argument: str, texts: Sequence[str]) -> str:
    """Keep the model's name and hash its weights and tokenizer."""
    if not argument:
        raise UserError("sbert needs a model: sbert:jhgan/ko-sroberta-multitask, or a folder, sbert:runs/my-model.")
    from indexer.transformer import local, tokenizer_text

    name = local(argument)
    model = _model(name)
    (folder / CONFIG).write_text(json.dumps({"model": name}), encoding="utf-8")
    tokenizer = getattr(model, "tokenizer", None)
    tokenizer = getattr(tokenizer, "backend_tokenizer", tokenizer)
    vocabulary = tokenizer_text(tokenizer) if hasattr(tokenizer, "to_str") else ""
    return f"sbert-{fingerprint.of_weights(model.state_dict(), str(model), vocabulary)[:16]}"


def load(folder: Path) -> SentenceEncoder:
    """Open the model that was named."""
    return SentenceEncoder(_model(json.loads((folder / CONFIG).read_text("utf-8"))["model"]))


def _model(name: str) -> Any:
    from sentence_transformers import SentenceTransformer

    from indexer.transformer import unavailable

    try:
        return SentenceTransformer(name, device="cpu")
    except (OSError, ValueError) as error:
        raise UserError(unavailable(name).replace("bert:PATH", "sbert:PATH")) from error
