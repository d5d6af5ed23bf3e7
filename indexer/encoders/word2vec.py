"""word2vec: weighted mean of word vectors learned from the sheet (Mikolov et al. 2013, arXiv:1301.3781)."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from indexer import fingerprint
from indexer.errors import UserError
from indexer.spec import refuse_argument
from indexer.vectors import Vectors, unit
from indexer.words import rarity, words

TABLE, VOCABULARY = "vectors.npy", "vocabulary.json"


class WordEncoder:
    """A table of weighted word vectors; a text is the mean of its known words, zero where none is known."""

    def __init__(self, vocabulary: dict[str, int], table: Vectors) -> None:
        self.vocabulary = vocabulary
        self.table = table
        self.dim: int = table.shape[1]

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode texts to unit rows."""
        means = np.zeros((len(texts), self.dim), dtype=np.float32)
        for row, text in enumerate(texts):
            known = [self.vocabulary[word] for word in words(text) if word in self.vocabulary]
            if known:
                means[row] = self.table[known].mean(axis=0)
        return unit(means)


def prepare(
    folder: Path,
    argument: str,
    texts: Sequence[str],
    *,
    vector_size: int = 100,
    window: int = 5,
    min_count: int = 1,
    sg: int = 0,
    epochs: int = 20,
    seed: int = 1,
) -> str:
    """Train CBOW (sg=0) or skip-gram (sg=1) on the corpus.

    One worker, so that the same corpus gives the same table.
    """
    refuse_argument("word2vec", argument)
    if sg not in (0, 1) or min(vector_size, window, min_count, epochs) < 1 or seed < 0:
        raise UserError("word2vec: sg is 0 or 1, seed at least 0; every other option is at least 1.")
    from gensim.models import Word2Vec

    sentences = [words(text) for text in texts]
    counted = Counter(word for sentence in sentences for word in sentence)
    if max(counted.values(), default=0) < min_count:
        raise UserError(f"word2vec learns its words from the sheet, and none stands there {min_count} times.")
    model = Word2Vec(
        sentences, vector_size=vector_size, window=window, min_count=min_count, sg=sg, epochs=epochs,
        seed=seed, workers=1,
    )  # fmt: skip
    counts = np.array([counted[word] for word in model.wv.index_to_key])
    np.save(folder / TABLE, model.wv.vectors * rarity(counts)[:, None], allow_pickle=False)
    (folder / VOCABULARY).write_text(json.dumps(model.wv.key_to_index, ensure_ascii=False), encoding="utf-8")
    return f"word2vec-{fingerprint.of_files([folder / TABLE, folder / VOCABULARY])[:16]}"


def load(folder: Path) -> WordEncoder:
    """Open the table."""
    table = np.load(folder / TABLE, mmap_mode="r", allow_pickle=False)
    return WordEncoder(json.loads((folder / VOCABULARY).read_text("utf-8")), table)
