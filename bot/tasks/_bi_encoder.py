"""The bi-encoder of `similarity`: a sentence-transformers model on the shared encoder, and its in-batch loss."""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer
from sentence_transformers.base.evaluation import BaseEvaluator
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from torch import Tensor, nn

from indexer.errors import UserError
from indexer.transformer import BertEncoder, quietly


class EntryLoss(nn.Module):
    """Cross-entropy of each question's own positive among all texts of the batch, those of its own entry left out.

    In-batch negatives (Henderson et al. 2017, arXiv:1705.00652) and mined ones, by cosine over a temperature; a text of
    the question's entry is a false negative, and counts as none.
    """

    def __init__(self, model: Any, temperature: float) -> None:
        super().__init__()
        self.model = model
        self.temperature = temperature

    def forward(self, sentence_features: Iterable[Mapping[str, Tensor]], labels: Tensor) -> Tensor:
        """Give the loss of questions, positives and negatives, whose entries are labels (B, 1 + negatives)."""
        questions, *others = (self.model(features)["sentence_embedding"] for features in sentence_features)
        scores = questions @ torch.cat(others).T / self.temperature
        entries = labels[:, : len(others)].T.reshape(-1)  # positives first, then each column of negatives
        right = torch.arange(len(questions), device=scores.device)
        false = labels[:, :1] == entries
        false[right, right] = False
        return nn.functional.cross_entropy(scores.masked_fill(false, -torch.inf), right)


class EntryTrainer(SentenceTransformerTrainer):
    """A trainer that keeps the sheet that it learns from, to search in, and draws no examples for a card."""

    sheet: Sequence[Any] = ()

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """Leave the card out."""


class Dev(BaseEvaluator):
    """Scores the model between its steps by the task's own judge."""

    def __init__(self, judge: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.judge = judge

    def __call__(self, model: Any, output_path: str | None = None, epoch: int = -1, steps: int = -1) -> Any:
        """Give the scores."""
        return self.judge()


def bi_encoder(encoder: "BertEncoder", max_length: int, frozen_layers: int) -> Any:
    """Make a sentence-transformers model whose first module holds the encoder's own, with its pooling."""
    with tempfile.TemporaryDirectory() as folder, quietly():
        encoder.model.save_pretrained(folder)
        encoder.tokenizer.save_pretrained(folder)
        words = Transformer(folder)
    words.model = encoder.model  # read from a folder, since it takes no module, but the weights are one
    pooling = Pooling(encoder.model.config.hidden_size, pooling_mode=encoder.pooling)
    model = SentenceTransformer(modules=[words, pooling, Normalize()], device=str(encoder.model.device))
    model.max_seq_length = max_length
    if frozen_layers:
        _freeze(encoder.model, frozen_layers)
    return model


def opened(folder: Path) -> Any:
    """Open a trained folder."""
    with quietly():
        return SentenceTransformer(str(folder))


def _freeze(base: Any, layers: int) -> None:
    stack = getattr(getattr(base, "encoder", None), "layer", None)
    if stack is None or not 0 < layers <= len(stack):
        has = "its layers cannot be told" if stack is None else f"it has {len(stack)} layers"
        raise UserError(f"--freeze-layers {layers}: {has}. Give 0, or up to as many as there are.")
    for part in (base.embeddings, *stack[:layers]):
        part.requires_grad_(False)
