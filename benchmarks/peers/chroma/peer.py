"""Chroma: a persistent client with the sentence-transformers embedding function (chroma_onnx uses Chroma's own)."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from plain import MODEL, read_sheet, serve_flask

BATCH = 5000  # Chroma takes at most 5,461 rows at once
SPACE = {"hnsw": {"space": "cosine"}}


def embedding_function() -> Any:
    """Load the embedding function."""
    from chromadb.utils.embedding_functions import SentenceTransformerEmbeddingFunction

    return SentenceTransformerEmbeddingFunction(model_name=MODEL, device="cpu", normalize_embeddings=True)


def bulk() -> Callable[[Sequence[str]], Any]:
    """Encode as a collection does when documents are added."""
    function = embedding_function()
    return lambda texts: function(list(texts))


def collection(folder: Path, function: Any) -> Any:
    """Open the collection in a folder, or make it."""
    import chromadb

    client = chromadb.PersistentClient(str(folder))
    return client.get_or_create_collection("faq", embedding_function=function, configuration=SPACE)


def build(sheet: Path, folder: Path) -> None:
    """Upsert every row: what is there is encoded again, since Chroma cannot know that it is equal."""
    rows = read_sheet(sheet)
    found = collection(folder, embedding_function())
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        found.upsert(
            ids=[row["id"] for row in batch],
            documents=[row["question"] for row in batch],
            metadatas=[{"answer": row["answer"]} for row in batch],
        )


update = build


def open_index(folder: Path) -> Callable[[str], str]:
    """Search by text."""
    found = collection(folder, embedding_function())

    def answer(text: str) -> str:
        return str(found.query(query_texts=[text], n_results=1, include=["metadatas"])["metadatas"][0][0]["answer"])

    return answer


def serve(folder: Path, port: int) -> None:
    """Serve with Flask."""
    serve_flask(open_index(folder), port)


def build_store(vectors: Any, folder: Path) -> None:
    """Add given vectors."""
    found = collection(folder, None)
    for start in range(0, len(vectors), BATCH):
        batch = vectors[start : start + BATCH]
        found.add(ids=[str(row) for row in range(start, start + len(batch))], embeddings=batch)


def open_store(folder: Path) -> Callable[[Any, int], Any]:
    """Search by vector."""
    found = collection(folder, None)
    return lambda vector, k: found.query(query_embeddings=[vector], n_results=k, include=[])["ids"][0]
