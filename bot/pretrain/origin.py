"""What a pre-training run is made from, as hashes: what is typed again goes on only where they are the same."""

from collections.abc import Sequence
from typing import Any

from bot.learning.sources import contents
from bot.pretrain.documents import Document
from indexer import fingerprint


def made_from(documents: Sequence[Document], cutter: Any, name: str = "") -> dict[str, str]:
    """Hash what a run is made from: its texts, its tokenizer and, where it goes on from a folder, what is in that."""
    from indexer.transformer import tokenizer_text

    named = "".join(f"\n{kind} {token}" for kind, token in sorted(cutter.special_tokens_map.items()))
    found = {
        "data": hash_of(documents),
        "vocabulary": fingerprint.of_text(tokenizer_text(cutter.backend_tokenizer) + named),
    }
    checkpoint = "".join(contents([name]).values())
    return {**found, "checkpoint": checkpoint} if checkpoint else found


def hash_of(documents: Sequence[Document]) -> str:
    """Hash the sentences of documents, and where documents end."""
    return fingerprint.of_text("\n\n".join("\n".join(document) for document in documents))
