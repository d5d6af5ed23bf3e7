"""sbert:NAME_OR_PATH, any sentence-transformers model, with whatever modules it has (arXiv:1908.10084).

It is exported like `bert`, pooling and later modules included, so that serving needs no torch. A model that cannot
be exported is served by sentence-transformers itself: `?runtime=torch`.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from indexer import export, fingerprint, graph, onnx
from indexer.errors import UserError
from indexer.vectors import Vectors, unit

LONGEST = 1 << 16  # tokens of a text for a table of token vectors, which itself has no limit


class SentenceEncoder:
    """A sentence-transformers model behind the Encoder protocol."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.dim: int = model.encode(["a"], show_progress_bar=False).shape[1]

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode texts to unit rows; a blank one is zero."""
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        told = [row for row, text in enumerate(texts) if text.strip()]
        if told:
            vectors[told] = unit(self.model.encode([texts[row] for row in told], show_progress_bar=False))
        return vectors


def prepare(
    folder: Path,
    argument: str,
    texts: Sequence[str],
    *,
    precision: export.Precision = "auto",
    runtime: Literal["onnx", "torch"] = "onnx",
) -> str:
    """Export the model, or keep its name for torch to open; give the hash of its weights and tokenizer."""
    if not argument:
        raise UserError("sbert needs a model: sbert:jhgan/ko-sroberta-multitask, or a folder, sbert:runs/my-model.")
    from indexer.transformer import local, tokenizer_text

    name = local(argument)
    model = _model(name)
    vocabulary = tokenizer_text(_tokenizer(model)) if hasattr(_tokenizer(model), "to_str") else ""
    options = json.dumps([_prompt(model), model.truncate_dim])
    known = f"sbert-{fingerprint.of_weights(model.state_dict(), str(model), options, vocabulary)[:16]}"
    if runtime == "torch":
        export.clear(folder)
        (folder / onnx.CONFIG).write_text(json.dumps({"model": name}), encoding="utf-8")
        return f"{known}-torch"
    try:
        taken = export.provide(known, precision, lambda *target: _write(model, *target), folder)
    except export.UnfaithfulError as error:
        instead = f"sbert:{argument}?{'precision=fp32' if precision == '8bit' else 'runtime=torch'}"
        raise export.refused(f"sbert:{argument}", error, instead) from error
    return f"{known}-{taken}-{export.FORM}"


def load(folder: Path) -> onnx.OnnxEncoder | SentenceEncoder:
    """Open the exported graph, or the model that was named."""
    if (folder / onnx.GRAPH).exists():
        return onnx.OnnxEncoder(folder)
    return SentenceEncoder(_model(json.loads((folder / onnx.CONFIG).read_text("utf-8"))["model"]))


def _write(model: Any, folder: Path, precision: graph.Precision) -> None:
    """Export a BERT with plain pooling as `bert` does, any other pipeline as a whole."""
    from indexer.transformer import BertEncoder

    if _prompt(model):  # a short one may change less than the rounding to 8 bits does
        raise export.UnfaithfulError(f"it puts {_prompt(model)!r} before every text, which a graph does not")
    if not hasattr(_tokenizer(model), "to_str"):
        raise export.UnfaithfulError("it has no tokenizer.json")
    model.float()  # as `of_encoder` does
    kinds = [type(module).__name__ for module in model]
    pooling: Any = getattr(model[1], "pooling_mode", "") if len(kinds) > 1 else ""
    plain = kinds in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]) and not model.truncate_dim
    if plain and pooling in ("cls", "mean"):
        encoder = BertEncoder(model[0].auto_model, model.tokenizer, pooling)
        export.of_encoder(encoder, model.max_seq_length or encoder.limit(), folder, precision)
    elif precision == "8bit":
        raise export.UnfaithfulError(f"models of the modules {', '.join(kinds)} have no 8-bit graph")
    else:
        _write_whole(model, folder)
    # Also where the graph is a plain BERT's: casing is the pipeline's own.
    export.compare(folder, SentenceEncoder(model).encode(export.PROOF), precision)


def _write_whole(model: Any, folder: Path) -> None:
    static = type(model[0]).__name__ == "StaticEmbedding"
    limit = LONGEST if static else _limit(model)
    settings = {
        "dim": SentenceEncoder(model).dim,
        "pooling": "none",
        "max_tokens": limit,
        "pad_id": getattr(model.tokenizer, "pad_token_id", None) or 0,
    }
    tokenizer = json.loads(_tokenizer(model).to_str())
    if static:
        tokenizer["post_processor"] = None  # it takes no [CLS] and no [SEP]
    pipeline = _static(model) if static else _pipeline(model)
    export.save(folder, settings, json.dumps(tokenizer), lambda path: export.by_torch(pipeline, limit, "vectors", path))


def _limit(model: Any) -> int:
    """Give the longest text, in tokens: the model's own limit, if it has positions for that."""
    from indexer.transformer import BertEncoder

    most = BertEncoder(model[0].auto_model, model.tokenizer, "mean").limit()
    return min(model.max_seq_length or most, most)


def _prompt(model: Any) -> str:
    """Give what the model puts before every text."""
    return str(model.prompts.get(model.default_prompt_name) or "")


def _pipeline(model: Any) -> Any:
    """Wrap all modules of a model as one, from tokens to vectors."""
    import torch

    class Pipeline(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            features = {"input_ids": input_ids, "attention_mask": attention_mask, "modality": "text"}
            vectors: torch.Tensor = self.model(features)["sentence_embedding"]
            return vectors[:, : model.truncate_dim]

    return Pipeline()


def _static(model: Any) -> Any:
    """Wrap a table of token vectors, whose own module takes all texts in one row, as a mean under a mask."""
    import torch

    class Static(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.rest = model[0].embedding.weight, torch.nn.ModuleList(list(model)[1:])

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            states = torch.nn.functional.embedding(input_ids, self.table)
            told = attention_mask.sum(1, keepdim=True).clamp(min=1)  # a text may have no token at all
            features = {"sentence_embedding": (states * attention_mask[..., None]).sum(1) / told}
            for module in self.rest:
                features = module(features)
            return features["sentence_embedding"][:, : model.truncate_dim]

    return Static()


def _tokenizer(model: Any) -> Any:
    tokenizer = getattr(model, "tokenizer", None)
    return getattr(tokenizer, "backend_tokenizer", tokenizer)


def _model(name: str) -> Any:
    from sentence_transformers import SentenceTransformer

    from indexer.transformer import unavailable

    try:
        return SentenceTransformer(name, device="cpu")
    except (OSError, ValueError) as error:
        raise UserError(unavailable(name).replace("bert:PATH", "sbert:PATH")) from error
