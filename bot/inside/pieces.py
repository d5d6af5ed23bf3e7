"""How a model cuts a text."""

from typing import Any


def tokens(text: str, model: str) -> dict[str, Any]:
    """Cut a text as a model does: pieces with ids and the characters that they stand for."""
    from bot.pretrain.tokenizer import backend, open_tokenizer

    tokenizer = open_tokenizer(model)
    encoding = backend(tokenizer).encode(text)
    own = backend(tokenizer).encode(text, add_special_tokens=False).ids
    words = len(text.split())
    return {
        "tokens": [
            {"token": token, "id": id, "text": text[begin:end], "unknown": id == tokenizer.unk_token_id}
            for token, id, (begin, end) in zip(encoding.tokens, encoding.ids, encoding.offsets, strict=True)
        ],
        "words": words,
        "tokens_per_word": len(own) / words if words else 0.0,
    }
