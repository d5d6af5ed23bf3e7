"""Pre-training: a tokenizer, a BERT or a GPT-2 from plain text, from nothing or continued from a checkpoint."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from indexer.errors import UserError


def check_installed() -> None:
    """Refuse to begin where the libraries of training are missing."""
    if find_spec("accelerate") is None:
        raise UserError("training needs the library accelerate. Type: pip install 'mundap[train]'")


def hide_bars() -> None:
    """Keep transformers from drawing bars of its own beside ours."""
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]


@contextmanager
def quietly() -> Iterator[None]:
    """Open a checkpoint without transformers' report on heads that it has and we do not ask for."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(level)


def checkpoint(spec: str) -> str:
    """Give the folder or hub name of a checkpoint named by spec: `minilm`, `bert:NAME`, or a folder itself."""
    from indexer.transformer import local

    hide_bars()
    name, _, argument = spec.strip().partition("?")[0].partition(":")
    if name == "minilm" and not argument:
        from indexer.encoders.minilm import weights

        return str(weights())
    if name in ("bert", "sbert"):
        if not argument:
            raise UserError(f"{spec!r} names no model. Type: {name}:PATH/TO/FOLDER or {name}:klue/bert-base")
        return local(argument)
    return local(spec)
