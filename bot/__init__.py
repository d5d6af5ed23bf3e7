"""Mundap's bot: from a message to an answer."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bot.answer import Bot

__all__ = ["open_bot"]


def open_bot(index: str | Path = "data/index", contact: str = "") -> "Bot":
    """Open the bot that answers from an index folder; `contact` says where a person can be reached.

    Raises:
        UserError: the index is missing or damaged; the text says what mends it.
    """
    from bot.answer import Bot

    return Bot(index, contact)
