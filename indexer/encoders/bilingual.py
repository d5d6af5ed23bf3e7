"""bilingual, the default: English by MiniLM, Korean by a student that MiniLM taught; 384 dimensions, one space.

A text with a Hangul letter goes to the student, which reads the English words in it too; any other text goes to MiniLM
and gets its vector to the last bit. So a message finds stored questions in either language (Reimers and Gurevych 2020,
arXiv:2004.09813; docs/models/korean.md).
"""

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from indexer import export, onnx, weights
from indexer.spec import refuse_argument
from indexer.vectors import Vectors
from indexer.words import has_hangul

READS_HANGUL = True
ENGLISH, KOREAN = "english", "korean"


def prepare(folder: Path, argument: str, texts: Sequence[str], *, precision: export.Precision = "auto") -> str:
    """Export both models once a machine, then link them into the folder."""
    refuse_argument("bilingual", argument, f"For another model: bert:{argument}.")
    for name in (ENGLISH, KOREAN):
        (folder / name).mkdir(exist_ok=True)
    english = weights.put_minilm(folder / ENGLISH, "mean", precision, "bilingual")
    return f"{english}+{weights.put_korean(folder / KOREAN, precision)}"


def load(folder: Path) -> "Bilingual":
    """Open both models, each when the first text in its script comes."""
    return Bilingual(folder)


class Bilingual:
    """Encodes each text by the model of its script."""

    dim = 384

    def __init__(self, folder: Path) -> None:
        self._folder, self._lock = folder, threading.Lock()
        self._opened: dict[str, onnx.OnnxEncoder] = {}

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode texts to (len(texts), dim), in their order."""
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        places: dict[str, list[int]] = {ENGLISH: [], KOREAN: []}
        for place, text in enumerate(texts):
            places[KOREAN if has_hangul(text) else ENGLISH].append(place)
        for name, own in places.items():
            if own:
                vectors[own] = self._model(name).encode([texts[place] for place in own])
        return vectors

    def _model(self, name: str) -> onnx.OnnxEncoder:
        """Open a model, once."""
        with self._lock:
            if name not in self._opened:
                self._opened[name] = onnx.OnnxEncoder(self._folder / name)
            return self._opened[name]
