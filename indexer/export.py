"""Export: from a checkpoint to the files that serving needs, compared with the original before they count.

BERT and its kin are written as one fused graph (`indexer.graph`); torch's own exporter takes the other models.
"""

import json
import logging
import shutil
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from indexer import fingerprint, graph
from indexer.errors import UserError
from indexer.onnx import CONFIG, GRAPH, TOKENIZER, OnnxEncoder
from indexer.vectors import Vectors

if TYPE_CHECKING:
    from indexer.transformer import BertEncoder

Precision = Literal["auto", "8bit", "fp32"]  # auto: 8bit where it stays close to the original
CACHE = Path.home() / ".cache" / "mundap"
FORM = 2  # counts changes of the graphs that change vectors
TOLERANCE = 1e-5  # the largest difference from torch that an exported graph may show
LEAST_COSINE = 0.98  # between a vector in 8 bits and the original
PROOF = (
    "How do I get a refund?",
    "환불은 어떻게 받나요?",
    "a",
    "Can I change the e-mail address of my account after the order, and will the invoice show the new one?",
    "One longer sentence, so that the batch is padded. " * 3,
)


class UnfaithfulError(Exception):
    """An exported graph that differs too much from the original."""


def provide(
    name: str, precision: Precision, write: Callable[[Path, graph.Precision], None], folder: Path
) -> graph.Precision:
    """Put an exported encoder into a folder; it is exported once a machine and linked from there.

    `write(folder, precision)` exports. Give the precision that was taken.
    """
    if precision == "auto":
        try:
            return provide(name, "8bit", write, folder)
        except UnfaithfulError:
            return provide(name, "fp32", write, folder)
    from filelock import FileLock  # late: who answers exports nothing

    try:
        CACHE.mkdir(parents=True, exist_ok=True)
        cached = CACHE / f"{name}-{precision}-{FORM}"
        with FileLock(f"{cached}.lock"):
            _renew(cached, lambda partial: write(partial, precision))
            for file in (CONFIG, TOKENIZER, GRAPH):
                _link(cached / file, folder / file)
    except OSError:  # a home that cannot be written to, or a full one
        write(folder, precision)
    return precision


def of_encoder(encoder: "BertEncoder", max_tokens: int, folder: Path, precision: graph.Precision) -> None:
    """Export a BertEncoder; its own vectors are what the graph is compared with."""
    encoder.float()  # a checkpoint may be kept in 16 bits, which neither the graph nor NumPy has
    config = encoder.model.config.to_dict()
    settings = {
        "dim": encoder.model.config.hidden_size,
        "pooling": encoder.pooling,
        "max_tokens": min(max_tokens, encoder.limit()),
        "pad_id": encoder.tokenizer.pad_token_id or 0,
    }

    def write(path: Path) -> None:
        if graph.fits(config):
            tensors = {name: tensor.numpy() for name, tensor in encoder.model.state_dict().items()}
            graph.write(config, tensors, precision, path)
        elif precision == "fp32":
            by_torch(_states(encoder), encoder.limit(), "states", path)
        else:
            raise UnfaithfulError(f"models of the type {config['model_type']} have no 8-bit graph")

    save(folder, settings, encoder.tokenizer.backend_tokenizer.to_str(), write)
    compare(folder, proof(encoder, settings["max_tokens"]), precision)


def save(folder: Path, settings: Mapping[str, Any], tokenizer: str, write: Callable[[Path], None]) -> None:
    """Write an encoder's three files, the settings last; `write(path)` writes the graph."""
    clear(folder)
    (folder / TOKENIZER).write_text(tokenizer, encoding="utf-8")
    write(folder / GRAPH)
    files = fingerprint.of_files([folder / TOKENIZER, folder / GRAPH])
    (folder / CONFIG).write_text(json.dumps({**settings, "files": files}, indent=1), encoding="utf-8")


def clear(folder: Path) -> None:
    """Remove an encoder's files: writing over links would change them in the cache and in other indexes too."""
    for file in (CONFIG, TOKENIZER, GRAPH):
        (folder / file).unlink(missing_ok=True)


def compare(folder: Path, wanted: Vectors, precision: graph.Precision) -> None:
    """Refuse a graph whose vectors of PROOF are not the wanted ones; a small share of rounding is 8 bits' due."""
    found = OnnxEncoder(folder).encode(PROOF)
    if found.shape != wanted.shape:
        raise UnfaithfulError(f"its graph gives {found.shape[1]} dimensions, the model {wanted.shape[1]}")
    difference, cosine = float(np.abs(found - wanted).max()), float((found * wanted).sum(axis=1).min())
    if precision == "fp32" and not difference <= TOLERANCE:  # so that NaN is refused too
        raise UnfaithfulError(f"its graph differs from torch by {difference:.1e}, more than {TOLERANCE}")
    if precision == "8bit" and not cosine >= LEAST_COSINE:
        raise UnfaithfulError(f"in 8 bits its vectors keep a cosine of only {cosine:.3f} with the original")


def by_torch(module: Any, limit: int, output: str, path: Path) -> None:
    """Export a module of (input_ids, attention_mask) with torch's exporter, for lengths up to a limit."""
    import torch

    batch, tokens = torch.export.Dim("batch", max=4096), torch.export.Dim("tokens", max=limit)
    # Two tensors: the exporter would take one tensor given twice for a single input.
    ids, mask = torch.ones((2, 8), dtype=torch.int64), torch.ones((2, 8), dtype=torch.int64)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter's notes to its own authors
        try:
            program = torch.onnx.export(
                module.eval(),
                (ids, mask),
                input_names=["input_ids", "attention_mask"],
                output_names=[output],
                dynamic_shapes=[{0: batch, 1: tokens}] * 2,
                dynamo=True,
                verbose=False,
            )
            assert program is not None
            program.save(str(path))
        except Exception as error:  # the exporter raises errors of its own for what it cannot follow
            raise UnfaithfulError(str(error).strip().partition("\n")[0][:120]) from error


def refused(spec: str, error: UnfaithfulError, instead: str) -> UserError:
    """Say why a model cannot be served as asked, and what to type."""
    return UserError(f"{spec} cannot be exported for serving: {error}. Type instead: {instead}")


def _states(encoder: "BertEncoder") -> Any:
    """Wrap a model so that it gives its last states alone."""
    import torch

    class States(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = encoder.model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            states: torch.Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            return states

    return States()


def proof(encoder: "BertEncoder", max_tokens: int) -> Vectors:
    """Encode PROOF with torch, text by text."""
    import torch

    found = []
    for text in PROOF:
        tokens = encoder.tokenizer(text, return_tensors="pt", truncation=True, max_length=max_tokens)
        with torch.no_grad():
            _, pooled = encoder(tokens["input_ids"], tokens["attention_mask"])
        found.append(pooled.numpy()[0])
    return np.array(found)


def _renew(cached: Path, write: Callable[[Path], None]) -> None:
    """Export into the cache, unless what is there is whole."""
    if _whole(cached):
        return
    shutil.rmtree(cached, ignore_errors=True)
    partial = Path(tempfile.mkdtemp(dir=cached.parent))
    try:
        write(partial)
        partial.rename(cached)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _whole(folder: Path) -> bool:
    """Tell whether the files are as exported: whoever damages an index's file damages its link here."""
    try:
        config = json.loads((folder / CONFIG).read_text("utf-8"))
        return bool(config["files"] == fingerprint.of_files([folder / TOKENIZER, folder / GRAPH]))
    except (OSError, ValueError, KeyError):
        return False


def _link(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:  # another file system
        shutil.copyfile(source, target)
