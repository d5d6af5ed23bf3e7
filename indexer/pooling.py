"""Pooling: from the states of a text's tokens to one vector.

[CLS] is the state of the first token (Devlin et al. 2019, arXiv:1810.04805); the mean over the tokens that
are no padding is Sentence-BERT's (Reimers and Gurevych 2019, arXiv:1908.10084). Each function works on NumPy
arrays and on torch tensors alike, so serving and learning share one definition.
"""

from typing import Any, Literal

Pooling = Literal["mean", "cls"]


def pool(states: Any, mask: Any, pooling: str) -> Any:
    """Pool states (B, T, H) under a mask (B, T) of ones and zeros to (B, H); `none` says that it is done."""
    if pooling == "none":
        return states
    return cls(states) if pooling == "cls" else mean(states, mask)


def cls(states: Any) -> Any:
    """Take the state of the first token."""
    return states[:, 0]


def mean(states: Any, mask: Any) -> Any:
    """Average the states of the tokens that the mask keeps."""
    weights = mask[..., None]
    return (states * weights).sum(1) / weights.sum(1)
