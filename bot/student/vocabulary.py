"""The student's vocabulary: the teacher's word pieces as they are, and Korean ones behind them."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from indexer.words import has_hangul

SYLLABLES = 3_000  # kept as pieces of their own, so that hardly a Korean word is unknown


def train(texts: Iterable[str], size: int) -> list[str]:
    """Find Korean word pieces, the most useful first (WordPiece; Devlin et al. 2019, arXiv:1810.04805)."""
    from tokenizers import Tokenizer, models, trainers

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    _clean(tokenizer)
    trainer = trainers.WordPieceTrainer(
        vocab_size=size + SYLLABLES, limit_alphabet=SYLLABLES, special_tokens=["[UNK]"], show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    pieces = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    return [piece for piece, _ in pieces if has_hangul(piece)][:size]


def merge(teacher: Path, pieces: Iterable[str]) -> Any:
    """Put Korean pieces behind the vocabulary of a teacher's tokenizer.json; its own pieces keep their numbers.

    Accents are taken off after Hangul is whole again: the usual order would break syllables into letters.
    """
    from tokenizers import Tokenizer

    settings = json.loads(teacher.read_text("utf-8"))
    vocabulary = settings["model"]["vocab"]
    for piece in pieces:
        vocabulary.setdefault(piece, len(vocabulary))
    merged = Tokenizer.from_str(json.dumps({**settings, "truncation": None, "padding": None}))
    _clean(merged)
    return merged


def _clean(tokenizer: Any) -> None:
    from tokenizers import normalizers, pre_tokenizers

    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.BertNormalizer(strip_accents=False, lowercase=True),
            normalizers.NFKD(),
            normalizers.StripAccents(),
            normalizers.NFKC(),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
