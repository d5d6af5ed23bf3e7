"""txtai: its Embeddings with content, found by its SQL, and its own API server."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from plain import MODEL, read_sheet

FIND = "select answer from txtai where similar(:q)"


def bulk() -> Callable[[Sequence[str]], Any]:
    """Encode as an index does."""
    from txtai import Embeddings

    embeddings = Embeddings(path=MODEL)
    return lambda texts: embeddings.batchtransform(list(texts))


def build(sheet: Path, folder: Path) -> None:
    """Index every row with its answer."""
    from txtai import Embeddings

    embeddings = Embeddings(path=MODEL, content=True)
    embeddings.index({"id": row["id"], "text": row["question"], "answer": row["answer"]} for row in read_sheet(sheet))
    embeddings.save(str(folder))


update = build  # upsert would encode every row again too


def open_index(folder: Path) -> Callable[[str], str]:
    """Search by SQL."""
    from txtai import Embeddings

    embeddings = Embeddings()
    embeddings.load(str(folder))
    return lambda text: str(embeddings.search(FIND, 1, parameters={"q": text})[0]["answer"])


def serve(folder: Path, port: int) -> None:
    """Serve with uvicorn, as the documentation says."""
    import os

    import uvicorn

    settings = folder.with_suffix(".yml")
    settings.write_text(f"path: {folder}\nwritable: false\nembeddings:\n", encoding="utf-8")
    os.environ["CONFIG"] = str(settings)
    uvicorn.run("txtai.api:app", host="127.0.0.1", port=port, log_level="error")


def build_store(vectors: Any, folder: Path) -> None:
    """Index given vectors with the default approximate index."""
    from txtai.ann import ANNFactory

    ann = ANNFactory.create({"backend": "faiss", "dimensions": vectors.shape[1]})
    ann.index(vectors)
    ann.save(str(folder / "embeddings"))


def open_store(folder: Path) -> Callable[[Any, int], Any]:
    """Search by vector."""
    import numpy as np
    from txtai.ann import ANNFactory

    ann = ANNFactory.create({"backend": "faiss", "dimensions": 384})
    ann.load(str(folder / "embeddings"))
    return lambda vector, k: [row for row, _ in ann.search(np.atleast_2d(vector), k)[0]]
