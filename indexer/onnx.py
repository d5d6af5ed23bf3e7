"""The serving face of a BERT-like encoder: one ONNX graph, one tokenizer file, no torch.

`export` writes them from a BertEncoder; `OnnxEncoder` answers from them (ONNX Runtime, onnxruntime.ai).
"""

import json
import logging
import shutil
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock

from indexer import fingerprint
from indexer.errors import UserError
from indexer.pooling import pool
from indexer.vectors import Vectors, unit

if TYPE_CHECKING:
    from indexer.transformer import BertEncoder

CACHE = Path.home() / ".cache" / "mundap"
GRAPH, TOKENIZER, CONFIG = "model.onnx", "tokenizer.json", "encoder.json"
BATCH = 64
TOLERANCE = 1e-5  # the largest difference from torch that an exported graph may show
PROOF = [
    "How do I get a refund?",
    "환불은 어떻게 받나요?",
    "a",
    "One longer sentence, so that the batch is padded. " * 3,
]


class OnnxEncoder:
    """Encodes with the files of a folder."""

    def __init__(self, folder: Path) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        config = json.loads((folder / CONFIG).read_text("utf-8"))
        self.dim: int = config["dim"]
        self._pooling = config["pooling"]
        self._tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        self._tokenizer.enable_truncation(config["max_tokens"])
        self._tokenizer.enable_padding(pad_id=config["pad_id"], pad_token=config["pad_token"])
        self._session = onnxruntime.InferenceSession(
            str(folder / GRAPH), _session_options(), providers=["CPUExecutionProvider"]
        )

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode texts, near in length together so that little is spent on padding; a blank one is zero."""
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        order = sorted((i for i in range(len(texts)) if texts[i].strip()), key=lambda i: len(texts[i]))
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            vectors[batch] = self._encode([texts[i] for i in batch])
        return vectors

    def _encode(self, texts: list[str]) -> Vectors:
        tokens = self._tokenizer.encode_batch_fast(texts)
        ids = np.array([token.ids for token in tokens], dtype=np.int64)
        mask = np.array([token.attention_mask for token in tokens], dtype=np.int64)
        (states,) = self._session.run(None, {"input_ids": ids, "attention_mask": mask})
        return unit(pool(states, mask, self._pooling))


def export(encoder: "BertEncoder", folder: Path, max_tokens: int) -> None:
    """Write a BertEncoder's graph, tokenizer and settings; the graph is compared with torch first."""
    tokenizer = encoder.tokenizer
    (folder / TOKENIZER).write_text(tokenizer.backend_tokenizer.to_str(), encoding="utf-8")
    config = {
        "dim": encoder.model.config.hidden_size,
        "pooling": encoder.pooling,
        "max_tokens": min(max_tokens, encoder.limit()),
        "pad_id": tokenizer.pad_token_id or 0,
        "pad_token": tokenizer.pad_token or "[PAD]",
    }
    try:
        _export_graph(encoder, folder / GRAPH)
    except Exception as error:  # the exporter raises errors of its own for what it cannot follow
        reason = str(error).strip().partition("\n")[0][:120]
        raise UserError(
            f"this model cannot be exported for serving ({reason}). Serve it by torch instead: sbert:NAME_OR_PATH."
        ) from error
    config["files"] = fingerprint.of_files([folder / TOKENIZER, folder / GRAPH])
    (folder / CONFIG).write_text(json.dumps(config, indent=1), encoding="utf-8")
    difference = _difference(encoder, OnnxEncoder(folder), config["max_tokens"])
    if difference > TOLERANCE:
        (folder / GRAPH).unlink()
        raise UserError(
            f"this model's exported graph differs from torch by {difference:.1e}, more than {TOLERANCE}. "
            "Serve it by torch instead: sbert:NAME_OR_PATH."
        )


def provide(name: str, load: Callable[[], "BertEncoder"], folder: Path, max_tokens: int) -> None:
    """Put an exported encoder into a folder; it is exported once a machine and linked from there."""
    try:
        CACHE.mkdir(parents=True, exist_ok=True)
        with FileLock(CACHE / f"{name}.lock"):
            _renew(CACHE / name, load, max_tokens)
            for file in (CONFIG, TOKENIZER, GRAPH):
                _link(CACHE / name / file, folder / file)
    except OSError:  # a home that cannot be written to, or a full one
        export(load(), folder, max_tokens)


def _renew(cached: Path, load: Callable[[], "BertEncoder"], max_tokens: int) -> None:
    """Export into the cache, unless what is there is whole."""
    if _whole(cached):
        return
    shutil.rmtree(cached, ignore_errors=True)
    partial = Path(tempfile.mkdtemp(dir=cached.parent))
    try:
        export(load(), partial, max_tokens)
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


def _session_options() -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Threads that spin while they wait take the second core from the other requests.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _export_graph(encoder: "BertEncoder", path: Path) -> None:
    import torch

    class States(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = encoder.model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            states: torch.Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            return states

    batch, tokens = torch.export.Dim("batch", max=4096), torch.export.Dim("tokens", max=encoder.limit())
    # Two tensors: the exporter would take one tensor given twice for a single input.
    ids, mask = torch.ones((2, 8), dtype=torch.int64), torch.ones((2, 8), dtype=torch.int64)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter's notes to its own authors
        program = torch.onnx.export(
            States().eval(),
            (ids, mask),
            input_names=["input_ids", "attention_mask"],
            output_names=["states"],
            dynamic_shapes=[{0: batch, 1: tokens}] * 2,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    program.save(str(path))


def _difference(encoder: "BertEncoder", served: OnnxEncoder, max_tokens: int) -> float:
    """Give the largest difference between the two faces on texts of unequal length."""
    import torch

    worst = 0.0
    for text in PROOF:
        tokens = encoder.tokenizer(text, return_tensors="pt", truncation=True, max_length=max_tokens)
        with torch.no_grad():
            _, pooled = encoder(tokens["input_ids"], tokens["attention_mask"])
        worst = max(worst, float(np.abs(pooled.numpy()[0] - served.encode([*PROOF, text])[-1]).max()))
    return worst
