"""Haystack: the sentence-transformers embedders and the in-memory document store, saved to disk as JSON."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from plain import MODEL, read_sheet, serve_flask

FILE = "documents.json"


def new_store() -> Any:
    """Make an empty store."""
    from haystack.document_stores.in_memory import InMemoryDocumentStore

    return InMemoryDocumentStore(embedding_similarity_function="dot_product")


def load_store(folder: Path) -> Any:
    """Read a saved store."""
    from haystack.document_stores.in_memory import InMemoryDocumentStore

    return InMemoryDocumentStore.load_from_disk(str(folder / FILE))


def document_embedder() -> Any:
    """Load the embedder of documents."""
    from haystack.utils import ComponentDevice
    from haystack_integrations.components.embedders.sentence_transformers import SentenceTransformersDocumentEmbedder

    embedder = SentenceTransformersDocumentEmbedder(
        model=MODEL, device=ComponentDevice.from_str("cpu"), progress_bar=False
    )
    embedder.warm_up()
    return embedder


def bulk() -> Callable[[Sequence[str]], Any]:
    """Encode as documents."""
    from haystack import Document

    embedder = document_embedder()
    return lambda texts: embedder.run([Document(content=text) for text in texts])


def build(sheet: Path, folder: Path) -> None:
    """Embed every row, write the store."""
    from haystack import Document

    rows = [
        Document(id=row["id"], content=row["question"], meta={"answer": row["answer"]}) for row in read_sheet(sheet)
    ]
    store = new_store()
    store.write_documents(document_embedder().run(rows)["documents"])
    folder.mkdir(parents=True, exist_ok=True)
    store.save_to_disk(str(folder / FILE))


update = build  # the indexing pipeline is run again


def open_index(folder: Path) -> Callable[[str], str]:
    """Embed a message, retrieve the nearest document."""
    from haystack import Pipeline
    from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
    from haystack.utils import ComponentDevice
    from haystack_integrations.components.embedders.sentence_transformers import SentenceTransformersTextEmbedder

    device = ComponentDevice.from_str("cpu")
    pipeline = Pipeline()
    pipeline.add_component("embedder", SentenceTransformersTextEmbedder(model=MODEL, device=device, progress_bar=False))
    pipeline.add_component("retriever", InMemoryEmbeddingRetriever(load_store(folder), top_k=1))
    pipeline.connect("embedder.embedding", "retriever.query_embedding")
    pipeline.warm_up()

    def answer(text: str) -> str:
        return str(pipeline.run({"embedder": {"text": text}})["retriever"]["documents"][0].meta["answer"])

    return answer


def serve(folder: Path, port: int) -> None:
    """Serve with Flask."""
    serve_flask(open_index(folder), port)


def build_store(vectors: Any, folder: Path) -> None:
    """Write documents with given vectors."""
    from haystack import Document

    store = new_store()
    store.write_documents(
        [Document(id=str(row), content=str(row), embedding=vector.tolist()) for row, vector in enumerate(vectors)]
    )
    store.save_to_disk(str(folder / FILE))


def open_store(folder: Path) -> Callable[[Any, int], Any]:
    """Search by vector."""
    store = load_store(folder)
    return lambda vector, k: [document.id for document in store.embedding_retrieval(vector.tolist(), top_k=k)]
