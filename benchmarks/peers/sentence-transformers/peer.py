"""sentence-transformers as its documentation shows it: encode, semantic_search over the saved vectors, Flask."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from plain import MODEL, read_sheet, serve_flask


def bulk() -> Callable[[Sequence[str]], Any]:
    """Encode with the library's own batching, sorted by length."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(MODEL, device="cpu")
    return lambda texts: model.encode(list(texts), show_progress_bar=False)


def build(sheet: Path, folder: Path) -> None:
    """Save the vectors of all questions, and the answers as JSON."""
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
    """Save the matrix."""
    import numpy as np

    np.save(folder / "vectors.npy", vectors)


def open_store(folder: Path) -> Callable[[Any, int], Any]:
    """Search the matrix exactly."""
    import numpy as np
    import torch
    from sentence_transformers.util import dot_score, semantic_search

    vectors = torch.from_numpy(np.load(folder / "vectors.npy"))

    def search(vector: Any, k: int) -> list[Any]:
        # The vectors have length 1: with the default, cosine, all of them would be normalised for each message.
        hits = semantic_search(torch.from_numpy(vector[None]), vectors, top_k=k, score_function=dot_score)
        return [hit["corpus_id"] for hit in hits[0]]

    return search
