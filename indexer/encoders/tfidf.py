"""tfidf: character n-grams hashed into a fixed number of dimensions, the floor that other encoders must beat.

The hashing trick is Weinberger et al. 2009 (arXiv:0902.2206); the weights are those of scikit-learn.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer import fingerprint
from indexer.errors import UserError
from indexer.spec import refuse_argument
from indexer.vectors import Vectors, unit

WEIGHTS, SETTINGS = "idf.npy", "tfidf.json"


class NgramEncoder:
    """Hashed n-gram counts, weighted by how rare each is in the corpus."""

    def __init__(self, hasher: Any, idf: NDArray[np.float32]) -> None:
        self.hasher, self.idf = hasher, idf
        self.dim = len(idf)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode texts to unit rows."""
        if not texts:
            return np.zeros((0, self.dim), dtype=np.float32)
        counts = self.hasher.transform(texts).toarray()
        # The signed square root damps repeated n-grams and keeps the sign that evens out collisions.
        return unit((np.sign(counts) * np.sqrt(np.abs(counts)) * self.idf).astype(np.float32))


def prepare(
    folder: Path, argument: str, texts: Sequence[str], *, dim: int = 2048, min_n: int = 2, max_n: int = 4
) -> str:
    """Weigh the n-grams of the corpus."""
    refuse_argument("tfidf", argument)
    if dim < 1 or not 1 <= min_n <= max_n:
        raise UserError("tfidf: dim is at least 1, and 1 <= min_n <= max_n.")
    settings = {"dim": dim, "min_n": min_n, "max_n": max_n}
    holding = np.diff((_hasher(settings).transform(texts) != 0).tocsc().indptr) if texts else np.zeros(dim)
    idf = np.log((1 + len(texts)) / (1 + holding)) + 1
    np.save(folder / WEIGHTS, idf.astype(np.float32), allow_pickle=False)
    (folder / SETTINGS).write_text(json.dumps(settings), encoding="utf-8")
    return f"tfidf-{fingerprint.of_files([folder / WEIGHTS, folder / SETTINGS])[:16]}"


def load(folder: Path) -> NgramEncoder:
    """Open the weights."""
    settings = json.loads((folder / SETTINGS).read_text("utf-8"))
    return NgramEncoder(_hasher(settings), np.load(folder / WEIGHTS, allow_pickle=False))


def _hasher(settings: dict[str, int]) -> Any:
    from sklearn.feature_extraction.text import HashingVectorizer

    ngrams = (settings["min_n"], settings["max_n"])
    return HashingVectorizer(analyzer="char_wb", ngram_range=ngrams, n_features=settings["dim"], norm=None)
