"""As a blog post would write it: transformers, mean pooling, a flat FAISS index and Flask."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from plain import MODEL, read_sheet, serve_flask

BATCH = 32


def bulk() -> Callable[[Sequence[str]], Any]:
    """Encode in batches, padded to the longest text of each."""
    import numpy as np
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(MODEL), AutoModel.from_pretrained(MODEL).eval()

    def encode_batch(texts: list[str]) -> Any:
        tokens = tokenizer(texts, padding=True, truncation=True, max_length=256, return_tensors="pt")
        with torch.inference_mode():
            states = model(**tokens).last_hidden_state
        mask = tokens["attention_mask"].unsqueeze(-1)
        means = (states * mask).sum(1) / mask.sum(1)
        return torch.nn.functional.normalize(means).numpy()

    def encode(texts: Sequence[str]) -> Any:
        batches = [list(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)]
        return np.concatenate([encode_batch(batch) for batch in batches])

    return encode


def build(sheet: Path, folder: Path) -> None:
    """Encode every question into IndexFlatIP; the answers go beside it as JSON."""
    rows = read_sheet(sheet)
    folder.mkdir(parents=True, exist_ok=True)
    build_store(bulk()([row["question"] for row in rows]), folder)
    (folder / "answers.json").write_text(json.dumps([row["answer"] for row in rows]), encoding="utf-8")


update = build  # the script is run again


def open_index(folder: Path) -> Callable[[str], str]:
    """Encode a message, find the nearest question."""
    encode, search = bulk(), open_store(folder)
    answers = json.loads((folder / "answers.json").read_text("utf-8"))
    return lambda text: str(answers[search(encode([text])[0], 1)[0]])


def serve(folder: Path, port: int) -> None:
    """Serve with Flask."""
    serve_flask(open_index(folder), port)


def build_store(vectors: Any, folder: Path) -> None:
    """Write an exact FAISS index."""
    import faiss

    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    faiss.write_index(index, str(folder / "index.faiss"))


def open_store(folder: Path) -> Callable[[Any, int], Any]:
    """Read it into memory."""
    import faiss

    index = faiss.read_index(str(folder / "index.faiss"))
    return lambda vector, k: index.search(vector[None], k)[1][0]
