"""Fingerprints: short names for content, so that equal content is never computed twice."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def of_text(text: str) -> str:
    """Hash a text (64 hexadecimal digits)."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def of_file(path: Path) -> str:
    """Hash a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def of_files(paths: Iterable[Path]) -> str:
    """Hash the bytes of several files, in the order given."""
    return of_text(" ".join(of_file(path) for path in paths))


def of_weights(weights: Mapping[str, Any], *more: str) -> str:
    """Hash a torch state dict, by name and bytes, and further texts."""
    digest = hashlib.sha256(" ".join(more).encode())
    for name in sorted(weights):
        digest.update(name.encode())
        # Through bytes, because NumPy knows no bfloat16.
        tensor = weights[name].detach().cpu().contiguous().flatten()
        digest.update(tensor.view(dtype=_bytes()).numpy())
    return digest.hexdigest()


def _bytes() -> Any:
    import torch

    return torch.uint8
