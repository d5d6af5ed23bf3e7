"""The learning face of a BERT-like encoder: a torch module on any checkpoint that transformers opens.

Importing this module loads torch; serving does not need it (see `indexer.onnx`).
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from indexer import fingerprint
from indexer.errors import UserError
from indexer.pooling import Pooling, pool


class BertEncoder(nn.Module):
    """Token states and their pooled, unit-length vector."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, pooling: Pooling) -> None:
        super().__init__()
        self.model = model
        self.tokenizer = tokenizer
        self.pooling: Pooling = pooling

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Give states (B, T, H) and pooled vectors (B, H) for ids and mask (B, T)."""
        states = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        pooled = pool(states, attention_mask, self.pooling)
        return states, nn.functional.normalize(pooled, dim=-1)

    def limit(self) -> int:
        """Give the longest text, in tokens, that the checkpoint has positions for."""
        positions = getattr(self.model.config, "max_position_embeddings", None) or 512
        # RoBERTa counts positions from its padding id, so a few of them are never used.
        offset = (self.model.config.pad_token_id or 0) + 1 if "roberta" in self.model.config.model_type else 0
        return int(min(positions - offset, self.tokenizer.model_max_length))

    def fingerprint(self) -> str:
        """Hash the weights and the tokenizer."""
        return fingerprint.of_weights(self.model.state_dict(), self.tokenizer.backend_tokenizer.to_str())


def load_bert(name: str, pooling: Pooling = "mean") -> BertEncoder:
    """Open a checkpoint by folder or hub name, from this machine's cache where it is there."""
    progress = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        model = AutoModel.from_pretrained(name)
        tokenizer = AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise UserError(unavailable(name)) from error
    finally:
        if progress:
            logging.enable_progress_bar()
    if not getattr(tokenizer, "is_fast", False):
        raise UserError(f"{name}: its tokenizer has no tokenizer.json, which serving needs. Choose another model.")
    return BertEncoder(model.eval(), tokenizer, pooling)


def unavailable(name: str) -> str:
    """Say what to do about a model that cannot be opened."""
    if Path(name).expanduser().exists():
        return f"{name}: this folder holds no model that transformers can open (config.json, weights, tokenizer)."
    return (
        f"model {name!r} is not on this machine and could not be fetched. With a network, check the name and run "
        f"again; without one, copy its folder here and give the path: bert:PATH/TO/FOLDER."
    )
