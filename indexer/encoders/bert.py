"""bert:NAME_OR_PATH, any BERT-like model (BERT, ELECTRA, RoBERTa, ...) with [CLS] or mean pooling."""

from collections.abc import Sequence
from pathlib import Path

from indexer import export, onnx
from indexer.errors import UserError
from indexer.pooling import Pooling


def prepare(
    folder: Path,
    argument: str,
    texts: Sequence[str],
    *,
    pooling: Pooling = "mean",
    max_tokens: int = 256,
    precision: export.Precision = "auto",
) -> str:
    """Export the checkpoint for serving."""
    if not argument:
        raise UserError("bert needs a model: bert:klue/bert-base, or a folder, bert:runs/my-model.")
    if max_tokens < 3:
        raise UserError(f"bert?max_tokens={max_tokens}: [CLS] and [SEP] take two, so it is at least 3.")
    from indexer.transformer import load_bert

    encoder = load_bert(argument, pooling)
    name = f"bert-{encoder.fingerprint()[:16]}-{pooling}-{max_tokens}"
    try:
        taken = export.provide(name, precision, lambda *to: export.of_encoder(encoder, max_tokens, *to), folder)
    except export.UnfaithfulError as error:
        by_torch = f"sbert:{argument}?runtime=torch{' (which pools by the mean)' if pooling == 'cls' else ''}"
        instead = f"bert:{argument}?precision=fp32" if precision == "8bit" else by_torch
        raise export.refused(f"bert:{argument}", error, instead) from error
    return f"{name}-{taken}-{export.FORM}"


def load(folder: Path) -> onnx.OnnxEncoder:
    """Open the exported graph."""
    return onnx.OnnxEncoder(folder)
