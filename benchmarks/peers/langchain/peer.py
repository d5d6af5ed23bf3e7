"""LangChain: HuggingFaceEmbeddings and its FAISS store; updates through its indexing API, which skips equal rows."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from plain import MODEL, read_sheet, serve_flask

RECORDS = "records.sqlite"


def embeddings() -> Any:
    """Load the embeddings with vectors of length 1."""
    from langchain_huggingface import HuggingFaceEmbeddings

    return HuggingFaceEmbeddings(
        model_name=MODEL, model_kwargs={"device": "cpu"}, encode_kwargs={"normalize_embeddings": True}
    )


def bulk() -> Callable[[Sequence[str]], Any]:
    """Encode as a store does when documents are added."""
    model = embeddings()
    return lambda texts: model.embed_documents(list(texts))


def documents(sheet: Path) -> list[Any]:
    """Give a document for each row."""
    from langchain_core.documents import Document

    return [
        Document(row["question"], metadata={"answer": row["answer"], "source": row["id"]}) for row in read_sheet(sheet)
    ]


def build(sheet: Path, folder: Path) -> None:
    """Make and save a store of all rows."""
    from langchain_community.vectorstores import FAISS

    FAISS.from_documents(documents(sheet), embeddings()).save_local(str(folder))


def build_for_updates(sheet: Path, folder: Path) -> None:
    """Make a store with a record manager, without which an update would be a rebuild."""
    import faiss
    from langchain_community.docstore.in_memory import InMemoryDocstore
    from langchain_community.vectorstores import FAISS

    folder.mkdir(parents=True, exist_ok=True)
    index_rows(sheet, folder, FAISS(embeddings(), faiss.IndexFlatL2(384), InMemoryDocstore(), {}))


def update(sheet: Path, folder: Path) -> None:
    """Encode the rows that the record manager does not know; delete those that are gone."""
    index_rows(sheet, folder, load(folder))


def index_rows(sheet: Path, folder: Path, store: Any) -> None:
    """Bring a store up to date with a sheet and save it."""
    from langchain_community.indexes._sql_record_manager import SQLRecordManager
    from langchain_core.indexing import index

    records = SQLRecordManager("faq", db_url=f"sqlite:///{folder / RECORDS}")
    records.create_schema()
    index(documents(sheet), records, store, batch_size=1000, cleanup="full", key_encoder="sha256")
    store.save_local(str(folder))


def load(folder: Path) -> Any:
    """Load a saved store."""
    from langchain_community.vectorstores import FAISS

    return FAISS.load_local(str(folder), embeddings(), allow_dangerous_deserialization=True)


def open_index(folder: Path) -> Callable[[str], str]:
    """Search by text."""
    store = load(folder)
    return lambda text: str(store.similarity_search(text, k=1)[0].metadata["answer"])


def serve(folder: Path, port: int) -> None:
    """Serve with Flask."""
    serve_flask(open_index(folder), port)


def build_store(vectors: Any, folder: Path) -> None:
    """Make a store of given vectors; the texts are the row numbers."""
    from langchain_community.vectorstores import FAISS

    pairs = ((str(row), vector) for row, vector in enumerate(vectors))
    FAISS.from_embeddings(pairs, lambda text: [0.0]).save_local(str(folder))


def open_store(folder: Path) -> Callable[[Any, int], Any]:
    """Search by vector."""
    from langchain_community.vectorstores import FAISS

    store = FAISS.load_local(str(folder), lambda text: [0.0], allow_dangerous_deserialization=True)
    return lambda vector, k: [
        document.page_content for document in store.similarity_search_by_vector(vector.tolist(), k=k)
    ]
