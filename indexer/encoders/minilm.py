"""minilm: all-MiniLM-L6-v2 (Wang et al. 2020, arXiv:2002.10957), 384 dimensions, English.

Its files come from the installed package, else the Hugging Face cache, else the hub: always the same bytes.
"""

from collections.abc import Sequence
from pathlib import Path

from indexer import export, onnx, weights
from indexer.pooling import Pooling
from indexer.spec import refuse_argument

READS_HANGUL = False


def prepare(
    folder: Path,
    argument: str,
    texts: Sequence[str],
    *,
    pooling: Pooling = "mean",
    precision: export.Precision = "auto",
) -> str:
    """Export the checked weights once a machine, then link them into the folder."""
    refuse_argument("minilm", argument, f"For another model: bert:{argument}.")
    return weights.put_minilm(folder, pooling, precision)


def load(folder: Path) -> onnx.OnnxEncoder:
    """Open the exported graph."""
    return onnx.OnnxEncoder(folder)
