"""cross:NAME_OR_PATH, any cross-encoder that sentence-transformers opens: one number for two texts read together.

Nogueira and Cho 2019 (arXiv:1901.04085). The score is the model's logit, as a sigmoid makes good ones equal.
"""

import logging
import threading
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from indexer import fingerprint
from indexer.errors import UserError
from indexer.row import Row

Reads = Literal["question", "answer", "both"]
YES = ("1", "label_1", "yes", "true", "duplicate", "relevant")


class CrossReranker:
    """A cross-encoder behind the Reranker protocol."""

    def __init__(self, model: Any, top: int, batch_size: int, reads: Reads) -> None:
        self.model = model
        self.top = top
        self.batch_size = batch_size
        self.reads = reads
        self._reading = threading.Lock()  # a tokenizer serves one thread

    def scores(self, message: str, rows: Sequence[Row]) -> NDArray[np.float32]:
        """Score the rows for a message, (len(rows),)."""
        from torch.nn import Identity

        texts = [_text(row, self.reads) for row in rows]
        # Each text once: a model rounds equal pairs differently, by the batch in which they stand.
        distinct = list(dict.fromkeys(texts))
        if not distinct:
            return np.zeros(0, dtype=np.float32)
        with self._reading:
            found = self.model.predict(
                [(message, text) for text in distinct],
                batch_size=self.batch_size, activation_fn=Identity(), show_progress_bar=False,
            )  # fmt: skip
        # Of two numbers, those of "no" and "yes", the difference is the logit of "yes".
        logits = found[:, 1] - found[:, 0] if found.ndim == 2 else found
        score = dict(zip(distinct, logits.tolist(), strict=True))
        return np.array([score[text] for text in texts], dtype=np.float32)

    @cached_property
    def fingerprint(self) -> str:
        """Hash the weights, the settings that they are used with, the tokenizer and what is read of how many rows."""
        from indexer.transformer import tokenizer_text

        model = self.model
        inner = getattr(model.tokenizer, "backend_tokenizer", None)
        vocabulary = tokenizer_text(inner) if hasattr(inner, "to_str") else ""
        settings = f"{self.top} {self.reads} {model.tokenizer.model_max_length} {model.model.config.to_json_string()}"
        return fingerprint.of_weights(model.state_dict(), settings, vocabulary)


def load(argument: str, *, top: int = 20, batch_size: int = 32, reads: Reads = "question") -> CrossReranker:
    """Open a cross-encoder that reads a message with the stored question, its answer, or both, `top` rows a message."""
    if not argument:
        raise UserError("cross needs a model: cross:BAAI/bge-reranker-v2-m3, or a folder, cross:runs/my-reranker.")
    for name, value in (("top", top), ("batch_size", batch_size)):
        if value < 1:
            raise UserError(f"cross?{name}={value}: {name} is at least 1.")
    return CrossReranker(_model(argument), top, batch_size, reads)


def _text(row: Row, reads: Reads) -> str:
    return {"question": row.question, "answer": row.answer, "both": f"{row.question} {row.answer}"}[reads]


def _model(argument: str) -> Any:
    """Open a model that gives one trained number for two texts, or one each for "no" and "yes"."""
    from indexer.transformer import BertEncoder, local

    name = local(argument)
    model = _opened(name)
    kind, trained = type(model.model).__name__, model.model.config.architectures
    # A checkpoint without a head is given a random one, which would shuffle the candidates.
    if not _scores(model.model.config) or (
        kind.endswith("ForSequenceClassification") and kind not in (trained or [kind])
    ):
        what = f"it gives {model.num_labels} numbers" if not _scores(model.model.config) else f"it is a {trained[0]}"
        raise UserError(f"cross:{argument} is no reranker: {what}, not one number for two texts. Name another model.")
    limit = BertEncoder(getattr(model.model, "base_model", model.model), model.tokenizer, "mean").limit()
    model.tokenizer.model_max_length = limit
    return model


def _scores(config: Any) -> bool:
    """Tell whether a model gives one number, or two of which the second is named as the one for "yes"."""
    return config.num_labels == 1 or (config.num_labels == 2 and str(config.id2label[1]).lower() in YES)


def _opened(name: str) -> Any:
    from sentence_transformers import CrossEncoder

    from indexer.transformer import quietly, unavailable

    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)  # what is wrong with a model is said once, and in one line
    try:
        with quietly():
            return CrossEncoder(name)
    except (OSError, ValueError) as error:
        raise UserError(unavailable(name).replace("bert:PATH", "cross:PATH")) from error
    finally:
        logging.disable(disabled)
