"""choose:DIR, what `bot train choose` made: a model that weighs the candidates of a message against each other.

Its loss is a softmax over the candidates (ListNet, Cao et al. 2007, doi:10.1145/1273496.1273513); the score of each is
its logit, which depends on message and row alone.
"""

import threading
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer import fingerprint
from indexer.errors import UserError
from indexer.row import Row


class ChooseReranker:
    """A multiple-choice model behind the Reranker protocol."""

    def __init__(self, model: Any, tokenizer: Any, top: int, batch_size: int, limit: int) -> None:
        self.model, self.tokenizer = model, tokenizer
        self.top = top
        self.batch_size = batch_size
        self.limit = limit
        self.reads: str = getattr(model.config, "choose_reads", "question")
        self._reading = threading.Lock()  # a tokenizer serves one thread

    def scores(self, message: str, rows: Sequence[Row]) -> NDArray[np.float32]:
        """Score the rows for a message, (len(rows),)."""
        texts = [self._text(row) for row in rows]
        # Each text once: a model rounds equal pairs differently, by the batch in which they stand.
        distinct = list(dict.fromkeys(texts))
        score: dict[str, float] = {}
        with self._reading:
            for start in range(0, len(distinct), self.batch_size):
                share = distinct[start : start + self.batch_size]
                score.update(zip(share, self._logits(message, share), strict=True))
        return np.array([score[text] for text in texts], dtype=np.float32)

    @cached_property
    def fingerprint(self) -> str:
        """Hash the weights, the settings that they are used with, the tokenizer and how many rows are read."""
        from indexer.transformer import tokenizer_text

        settings = f"{self.top} {self.limit} {self.model.config.to_json_string()}"
        return fingerprint.of_weights(
            self.model.state_dict(), settings, tokenizer_text(self.tokenizer.backend_tokenizer)
        )

    def _logits(self, message: str, texts: Sequence[str]) -> list[float]:
        import torch

        batch = self.tokenizer(
            [message] * len(texts), list(texts),
            truncation=True, max_length=self.limit, padding=True, return_tensors="pt",
        )  # fmt: skip
        with torch.no_grad():
            logits = self.model(**{name: ids.unsqueeze(0) for name, ids in batch.items()}).logits
        found: list[float] = logits[0].tolist()
        return found

    def _text(self, row: Row) -> str:
        return {"question": row.question, "answer": row.answer}.get(self.reads, f"{row.question} {row.answer}")


def load(argument: str, *, top: int = 20, batch_size: int = 32) -> ChooseReranker:
    """Open a trained folder; it reads of a row what it was trained on, `top` rows a message."""
    if not argument:
        raise UserError("choose needs a folder: choose:runs/choose, as `bot train choose --out runs/choose` makes it.")
    for name, value in (("top", top), ("batch_size", batch_size)):
        if value < 1:
            raise UserError(f"choose?{name}={value}: {name} is at least 1.")
    model, tokenizer = _opened(argument)
    from indexer.transformer import BertEncoder

    limit = BertEncoder(model.base_model, tokenizer, "mean").limit()
    return ChooseReranker(model.eval(), tokenizer, top, batch_size, limit)


def _opened(argument: str) -> tuple[Any, Any]:
    from transformers import AutoConfig, AutoModelForMultipleChoice, AutoTokenizer

    from indexer.transformer import local, quietly, unavailable

    name = local(argument)
    try:
        trained = AutoConfig.from_pretrained(name).architectures or []
        # A checkpoint without a head is given a random one, which would shuffle the candidates.
        if not any(kind.endswith("ForMultipleChoice") for kind in trained):
            raise UserError(f"choose:{argument} is no model of `bot train choose`. Name the folder of one.")
        with quietly():
            return AutoModelForMultipleChoice.from_pretrained(name), AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise UserError(unavailable(name).replace("bert:PATH", "choose:PATH")) from error
