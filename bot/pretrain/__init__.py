"""Pre-training: a tokenizer, a BERT or a GPT-2 from plain text, from nothing or continued from a checkpoint."""

from importlib.util import find_spec

from indexer.errors import UserError


def check_installed() -> None:
    """Refuse to begin where the libraries of training are missing."""
    if find_spec("accelerate") is None:
        raise UserError("training needs the library accelerate. Type: pip install 'mundap[train]'")


def checkpoint(spec: str) -> str:
    """Give the folder or hub name of a checkpoint named by spec: `minilm`, `bilingual`, `bert:NAME`, or a folder."""
    from indexer.transformer import local

    name, _, argument = spec.strip().partition("?")[0].partition(":")
    if name in ("minilm", "bilingual") and not argument:
        from indexer import weights

        return str(weights.minilm() if name == "minilm" else weights.korean_checkpoint())
    if name in ("bert", "sbert"):
        if not argument:
            raise UserError(f"{spec!r} names no model. Type: {name}:PATH/TO/FOLDER or {name}:klue/bert-base")
        return local(argument)
    return local(spec)
