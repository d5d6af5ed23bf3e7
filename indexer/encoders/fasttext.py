"""fasttext: word vectors made of character n-grams, from the sheet (Bojanowski et al., arXiv:1607.04606).

A word that the sheet never held still has n-grams, so typing errors and Korean endings find their neighbours.
"""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from indexer import fingerprint
from indexer.errors import UserError
from indexer.spec import refuse_argument
from indexer.vectors import Vectors, unit
from indexer.words import rarity, words

WORDS, NGRAMS, SETTINGS = "words.npy", "ngrams.npy", "fasttext.json"


class SubwordEncoder:
    """Tables of word and n-gram vectors; a text is the mean of its words."""

    def __init__(self, table: Vectors, ngrams: Vectors, settings: dict[str, Any]) -> None:
        self.table, self.ngrams = table, ngrams
        self.vocabulary: dict[str, int] = settings["vocabulary"]
        self.shape: list[int] = settings["shape"]  # shortest and longest n-gram, number of buckets
        self.dim: int = table.shape[1]

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode texts to unit rows."""
        means = np.zeros((len(texts), self.dim), dtype=np.float32)
        for row, text in enumerate(texts):
            found = [vector for word in words(text) if (vector := self._word(word)) is not None]
            if found:
                means[row] = np.mean(found, axis=0)
        return unit(means)

    def _word(self, word: str) -> Vectors | None:
        if word in self.vocabulary:
            return np.asarray(self.table[self.vocabulary[word]])
        from gensim.models.fasttext import ft_ngram_hashes

        hashes = list(ft_ngram_hashes(word, *self.shape))
        return np.asarray(self.ngrams[hashes].mean(axis=0)) if hashes else None


def prepare(
    folder: Path,
    argument: str,
    texts: Sequence[str],
    *,
    vector_size: int = 100,
    window: int = 5,
    min_count: int = 1,
    sg: int = 0,
    epochs: int = 5,
    min_n: int = 3,
    max_n: int = 6,
    bucket: int = 20_000,
    seed: int = 1,
) -> str:
    """Train on the corpus; few buckets, since a sheet has few n-grams and the table is served from disk."""
    refuse_argument("fasttext", argument)
    least = min(vector_size, window, min_count, epochs, min_n, bucket, seed + 1, max_n - min_n + 1)
    if sg not in (0, 1) or least < 1:
        raise UserError(
            "fasttext: sg is 0 or 1, seed at least 0, max_n at least min_n; every other option is at least 1."
        )
    from gensim.models import FastText

    sentences = [words(text) for text in texts]
    counted = Counter(word for sentence in sentences for word in sentence)
    if max(counted.values(), default=0) < min_count:
        raise UserError(f"fasttext learns its words from the sheet, and none stands there {min_count} times.")
    model = FastText(
        sentences, vector_size=vector_size, window=window, min_count=min_count, sg=sg, epochs=epochs,
        min_n=min_n, max_n=max_n, bucket=bucket, seed=seed, workers=1,
    )  # fmt: skip
    counts = np.array([counted[word] for word in model.wv.index_to_key])
    np.save(folder / WORDS, model.wv.vectors * rarity(counts)[:, None], allow_pickle=False)
    np.save(folder / NGRAMS, model.wv.vectors_ngrams, allow_pickle=False)
    settings = {"vocabulary": model.wv.key_to_index, "shape": [min_n, max_n, bucket]}
    (folder / SETTINGS).write_text(json.dumps(settings, ensure_ascii=False), encoding="utf-8")
    return f"fasttext-{fingerprint.of_files([folder / name for name in (WORDS, NGRAMS, SETTINGS)])[:16]}"


def load(folder: Path) -> SubwordEncoder:
    """Open the tables."""
    table = np.load(folder / WORDS, mmap_mode="r", allow_pickle=False)
    ngrams = np.load(folder / NGRAMS, mmap_mode="r", allow_pickle=False)
    return SubwordEncoder(table, ngrams, json.loads((folder / SETTINGS).read_text("utf-8")))
