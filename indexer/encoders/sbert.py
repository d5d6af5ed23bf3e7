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
        self.dim: int = model.get_embedding_dimension()

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode texts to unit rows."""
        if not texts:
            return np.zeros((0, self.dim), dtype=np.float32)
        return unit(self.model.encode(list(texts), convert_to_numpy=True, show_progress_bar=False))


def prepare(folder: Path, argument: str, texts: Sequence[str]) -> str:
    """Keep the model's name and hash its weights."""
    if not argument:
        raise UserError("sbert needs a model: sbert:jhgan/ko-sroberta-multitask, or a folder, sbert:runs/my-model.")
    model = _model(argument)
    (folder / CONFIG).write_text(json.dumps({"model": argument}), encoding="utf-8")
    return f"sbert-{fingerprint.of_weights(model.state_dict(), str(model))[:16]}"


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
