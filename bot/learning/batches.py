"""Batches: features of any task, padded to the longest among them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from bot.learning.task import IGNORED


def together(features: Sequence[dict[str, Any]], pad: int) -> dict[str, torch.Tensor]:
    """Stack features by name: numbers to (B,), lists to (B, longest), states to (B, longest, H).

    `input_ids` are padded by `pad`, `labels` by what losses ignore, all else by 0.
    """
    fills = {"input_ids": pad, "labels": IGNORED}
    return {
        name: _stack([np.asarray(feature[name]) for feature in features], fills.get(name, 0)) for name in features[0]
    }


def _stack(values: Sequence[Any], fill: int) -> torch.Tensor:
    kind = torch.float32 if values[0].dtype.kind == "f" else torch.int64
    if values[0].ndim == 0:
        return torch.tensor(np.stack(values), dtype=kind)
    longest = max(len(value) for value in values)
    padded = np.full((len(values), longest, *values[0].shape[1:]), fill, dtype=values[0].dtype)
    for row, value in enumerate(values):
        padded[row, : len(value)] = value
    return torch.tensor(padded, dtype=kind)


def outputs(model: Any, features: Sequence[dict[str, Any]], pad: int, size: int = 32) -> list[dict[str, Any]]:
    """Give a model's outputs for each feature, as NumPy arrays by name; what the model does not read is left out."""
    names: list[str] = [name for name in ("input_ids", "attention_mask", "token_type_ids") if name in features[0]]
    read = [{name: feature[name] for name in names} for feature in features]
    found: list[dict[str, Any]] = []
    with torch.inference_mode():
        for start in range(0, len(read), size):
            batch = together(read[start : start + size], pad)
            told = {name: value.float().cpu().numpy() for name, value in model(**batch).items()}
            found += [{name: value[row] for name, value in told.items()} for row in range(len(batch["input_ids"]))]
    return found


def softmax(logits: Any) -> Any:
    """Give probabilities that sum to 1 along the last axis."""
    raised = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


def likeliest(names: Sequence[str], logits: Any) -> dict[str, Any]:
    """Give the best name as `label`, its `probability`, and the `probabilities` of all, best first; logits (names,)."""
    shares = zip(names, softmax(logits).tolist(), strict=True)
    ordered = dict(sorted(shares, key=lambda item: -item[1]))
    best = next(iter(ordered))
    return {"label": best, "probability": ordered[best], "probabilities": ordered}
