"""bert:NAME_OR_PATH, any BERT-like model (BERT, ELECTRA, RoBERTa, ...) with [CLS] or mean pooling."""

from collections.abc import Sequence
from pathlib import Path

from indexer import onnx
from indexer.errors import UserError
from indexer.pooling import Pooling


def prepare(
    folder: Path, argument: str, texts: Sequence[str], *, pooling: Pooling = "mean", max_tokens: int = 256
) -> str:
    """Export the checkpoint for serving."""
    if not argument:
        raise UserError("bert needs a model: bert:klue/bert-base, or a folder, bert:runs/my-model.")
    if max_tokens < 3:
        raise UserError(f"bert?max_tokens={max_tokens}: [CLS] and [SEP] take two, so it is at least 3.")
    from indexer.transformer import load_bert

    encoder = load_bert(argument, pooling)
    name = f"bert-{encoder.fingerprint()[:16]}-{pooling}-{max_tokens}"
    onnx.provide(name, lambda: encoder, folder, max_tokens)
    return name


def load(folder: Path) -> onnx.OnnxEncoder:
    """Open the exported graph."""
    return onnx.OnnxEncoder(folder)
