"""A frozen encoder: its states are made once, and a head alone is trained on them.

The head sees a `Remembered` in the encoder's place. What is saved has the encoder back, its weights untouched but for a
pooler, which belongs to the head of a BERT.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers.modeling_outputs import BaseModelOutputWithPooling

from bot.learning.batches import together
from bot.learning.task import Data
from indexer.progress import Progress

if TYPE_CHECKING:
    from bot.training.train import Lesson

BATCH = 64
TOKENS = ("input_ids", "attention_mask", "token_type_ids")


class Remembered(nn.Module):
    """Stands in an encoder's place and hands on the states that it is given."""

    def __init__(self, base: Any) -> None:
        super().__init__()
        self.config = base.config
        self.pooler = getattr(base, "pooler", None)

    def forward(self, input_ids: Any = None, inputs_embeds: Any = None, **_: Any) -> BaseModelOutputWithPooling:
        """Give states (B, T, H) as they are, and what the pooler makes of them."""
        pooled = None if self.pooler is None else self.pooler(inputs_embeds)
        return BaseModelOutputWithPooling(last_hidden_state=inputs_embeds, pooler_output=pooled)


def freeze(lesson: "Lesson", progress: Progress) -> tuple[Data, Data]:
    """Put a `Remembered` in the encoder's place; give the data with states in the place of tokens."""
    model, encoder = lesson.model, lesson.encoder
    # The head of a sentence reads the state of [CLS] alone.
    first = lesson.task.KIND == "AutoModelForSequenceClassification"
    parts = [_remembered(encoder, part, first, progress) for part in (lesson.train, lesson.dev)]
    setattr(model, model.base_model_prefix, Remembered(encoder.model))
    return parts[0], parts[1]


def thaw(lesson: "Lesson") -> None:
    """Put the encoder back."""
    setattr(lesson.model, lesson.model.base_model_prefix, lesson.encoder.model)


def collate_frozen(features: list[dict[str, Any]]) -> dict[str, Any]:
    """Make a batch of states and what is trained with them."""
    return together(features, 0)


def _remembered(encoder: Any, data: Data, first: bool, progress: Progress) -> Data:
    states: dict[int, Any] = {}
    order = sorted(range(len(data.features)), key=lambda at: -len(data.features[at]["input_ids"]))
    encoder.model.eval()
    for start in range(0, len(order), BATCH):
        progress("Encoding once", start, len(order))
        batch = order[start : start + BATCH]
        states.update(zip(batch, _states(encoder, [data.features[at] for at in batch], first), strict=True))
    features = [
        {"inputs_embeds": states[at], **{name: value for name, value in feature.items() if name not in TOKENS}}
        for at, feature in enumerate(data.features)
    ]
    return Data(data.examples, features, data.whole)


def _states(encoder: Any, features: Sequence[dict[str, Any]], first: bool) -> list[Any]:
    tokens = [{name: feature[name] for name in TOKENS if name in feature} for feature in features]
    with torch.no_grad():
        found = encoder.model(**together(tokens, encoder.tokenizer.pad_token_id)).last_hidden_state
    lengths = [1 if first else len(feature["input_ids"]) for feature in features]
    return [row[:length].numpy() for row, length in zip(found, lengths, strict=True)]
