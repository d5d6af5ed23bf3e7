"""Packed weights: matrices in 8 bits with a scale a row, and of the word pieces those alone that are new.

Scales by row as in "vector-wise" quantisation (Dettmers et al. 2022, arXiv:2208.07339).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tensors = Mapping[str, NDArray[Any]]
TABLE = "embeddings.word_embeddings.weight"
SCALE = ".scale"
MOST = 127.0


def pack(tensors: Tensors, known: int) -> dict[str, NDArray[Any]]:
    """Round every matrix to bytes; of the table of word pieces leave out the first `known` rows.

    A pooler is left out, since it gives no vector here.
    """
    found: dict[str, NDArray[Any]] = {}
    for name, tensor in tensors.items():
        if name.startswith("pooler."):
            continue
        part = tensor[known:] if name == TABLE else tensor
        if part.ndim != 2:
            found[name] = part.astype(np.float32)
            continue
        scale = np.maximum(np.abs(part).max(axis=1), 1e-12).astype(np.float32) / MOST
        found[name] = np.rint(part / scale[:, None]).astype(np.int8)
        found[name + SCALE] = scale
    return found


def unpack(found: Tensors, known: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
    """Give the tensors in fp32; `known` are the first rows of the table of word pieces."""
    tensors = {}
    for name, part in found.items():
        if name.endswith(SCALE):
            continue
        whole = part * found[name + SCALE][:, None] if part.dtype == np.int8 else part
        tensors[name] = np.concatenate([known, whole]).astype(np.float32) if name == TABLE else whole
    return tensors
