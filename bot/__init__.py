"""Mundap's bot: from a message to an answer."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bot.answer import Bot, Look

__all__ = ["open_bot"]

LOG = logging.getLogger(__name__)


def open_bot(
    index: str | Path = "data/index",
    contact: str = "",
    generator: str = "",
    secret: str = "",
    models: "Look | None" = None,
    entailment: Path | None = None,
) -> "Bot":
    """Open the bot that answers from an index folder; `contact` says where a person can be reached.

    `generator` is the spec of what may write where no stored answer is sure, `secret` the key that it needs, `models`
    what `bot.models.open_models` opened, `entailment` the folder of a pair model that checks what is written.

    Raises:
        UserError: the index is missing or damaged, or the generator cannot be opened; the text says what mends it.
    """
    from bot.answer import Bot

    if entailment and not generator:
        LOG.warning("%s is left closed: it checks what a generator writes, and no generator is set.", entailment)
    return Bot(index, contact, generator, secret, models, entailment)
