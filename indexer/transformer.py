"""The learning face of a BERT-like encoder: a torch module on any checkpoint that transformers opens.

Importing this module loads torch; serving does not need it (see `indexer.onnx`).
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from indexer import fingerprint
from indexer.errors import UserError
from indexer.pooling import Pooling, pool

PASSING = ("_name_or_path", "transformers_version", "architectures", "dtype", "torch_dtype")  # change no vector


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
        # RoBERTa and its kin count positions from their padding id, so the first few are never used.
        table = getattr(getattr(self.model, "embeddings", None), "position_embeddings", None)
        padding = getattr(table, "padding_idx", None)
        unused = 0 if padding is None else padding + 1
        return int(min(positions - unused, self.tokenizer.model_max_length))

    def fingerprint(self) -> str:
        """Hash the weights, the settings that they are used with, and the tokenizer."""
        shape = {name: value for name, value in self.model.config.to_dict().items() if name not in PASSING}
        settings = json.dumps(shape, sort_keys=True, default=str)
        vocabulary = tokenizer_text(self.tokenizer.backend_tokenizer)
        # A pooler gives no vector here, and one that a checkpoint lacks is drawn anew each time that it is opened.
        weights = {name: value for name, value in self.model.state_dict().items() if not name.startswith("pooler.")}
        return fingerprint.of_weights(weights, settings, vocabulary)


def load_bert(name: str, pooling: Pooling = "mean") -> BertEncoder:
    """Open a checkpoint by folder or hub name, from this machine's cache where it is there."""
    name = local(name)
    try:
        with quietly():
            model = AutoModel.from_pretrained(name)
            tokenizer = AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise UserError(unavailable(name)) from error
    if not getattr(tokenizer, "is_fast", False):
        raise UserError(f"{name}: its tokenizer has no tokenizer.json, which serving needs. Choose another model.")
    return BertEncoder(model.eval(), tokenizer, pooling)


@contextmanager
def quietly() -> Iterator[None]:
    """Keep transformers' bars, and its notes on heads that are new or not asked for, from being shown."""
    bars, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def local(name: str) -> str:
    """Give a folder's whole path, which holds wherever a program is started; a hub name stays as it is."""
    folder = Path(name).expanduser()
    return str(folder.resolve()) if folder.exists() else name


def tokenizer_text(tokenizer: Any) -> str:
    """Write a tokenizer as text, without the lengths that its last caller left in it."""
    settings = json.loads(tokenizer.to_str())
    return json.dumps({**settings, "truncation": None, "padding": None}, sort_keys=True)


def unavailable(name: str) -> str:
    """Say what to do about a model that cannot be opened."""
    if Path(name).exists():
        return f"{name}: no model that transformers can open is in this folder (config, weights, tokenizer)."
    return (
        f"model {name!r} is not on this machine and could not be fetched. With a network, check the name and "
        f"run again; without one, copy its folder here and give the path: bert:PATH/TO/FOLDER."
    )
