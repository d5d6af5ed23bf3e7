"""The journal: every exchange, vote and choice, in one SQLite file."""

from pathlib import Path

from bot.answer import Answer


class Journal:
    """Writes what was asked and answered."""

    def __init__(self, path: Path, retention_days: int = 90, mask: bool = True) -> None:
        raise NotImplementedError  # filled in by the next commit

    def record(self, message: str, answer: Answer, channel: str, session: str | None, ms: float) -> str:
        """Write an exchange; give its id."""
        raise NotImplementedError  # filled in by the next commit

    def vote(self, exchange: str, vote: str) -> None:
        """Write a thumb: `up`, `down`, or `` to take it back."""
        raise NotImplementedError  # filled in by the next commit

    def choose(self, exchange: str, row: str) -> None:
        """Write which of the offered stored questions was clicked, by its row id."""
        raise NotImplementedError  # filled in by the next commit

    def close(self) -> None:
        """Write what waits."""
        raise NotImplementedError  # filled in by the next commit
