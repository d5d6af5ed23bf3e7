"""Extending: new tokens for a model that is there, their vectors made of the pieces that stood for them.

Entity markers such as [E1] are those of Baldini Soares et al. 2019 (arXiv:1906.03158); beginning from the mean of the
pieces is Hewitt 2021 ("Initializing New Word Embeddings for Pretrained Language Models") for each token by itself.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bot.learning.tables import add_rows, add_types
from bot.pretrain import checkpoint
from bot.pretrain.bert import with_pooler
from bot.pretrain.tokenizer import backend, open_tokenizer
from indexer.errors import UserError


def extend(spec: str, tokens: Sequence[str], out: Path, special: bool = False, types: int = 0) -> dict[str, Any]:
    """Write a model that keeps the tokens whole; `types` gives it so many token types for entity types beside markers.

    Every old token keeps its vector, so a text without the new ones is read as before.

    Raises:
        UserError: a token is there already, or holds no letter; the folder is taken; the model has no token types.
    """
    if (out / "config.json").exists():
        raise UserError(f"{out} holds a model. Name another --out, or delete it.")
    from indexer.transformer import quietly

    tokenizer, model = open_tokenizer(spec), open_whole(checkpoint(spec))
    new = _new(tokenizer, tokens)
    pieces = [backend(tokenizer).encode(token, add_special_tokens=False) for token in new]
    before = len(tokenizer)
    tokenizer.add_tokens(list(new), special_tokens=special)
    add_rows(model, before, [found.ids for found in pieces])
    if types:
        add_types(model, types)
    with quietly():
        model.save_pretrained(str(out), state_dict=with_pooler(model))
    tokenizer.save_pretrained(str(out))
    return {
        "tokens": {token: {"id": before + at, "from": pieces[at].tokens} for at, token in enumerate(new)},
        "vocabulary": [before, len(tokenizer)],
        "types": getattr(model.config, "type_vocab_size", 0),
    }


def open_whole(name: str) -> Any:
    """Open a checkpoint with the heads that it was saved with."""
    import transformers

    from indexer.transformer import quietly

    try:
        config = transformers.AutoConfig.from_pretrained(name)
        kind = getattr(transformers, (config.architectures or ["AutoModel"])[0], transformers.AutoModel)
        with quietly():
            return kind.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise UserError(f"{name}: no model that transformers can open is there ({type(error).__name__}).") from error


def _new(tokenizer: Any, tokens: Sequence[str]) -> list[str]:
    """Check the tokens to add."""
    wanted = list(dict.fromkeys(token.strip() for token in tokens if token.strip()))
    if not wanted:
        raise UserError('no token is named. Type: --tokens "[E1],[/E1],[E2],[/E2]"')
    there = [token for token in wanted if token in tokenizer.get_vocab()]
    if there:
        raise UserError(f"{', '.join(there)}: in the vocabulary already. Leave it out of --tokens.")
    return wanted
