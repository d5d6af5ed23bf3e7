"""Progress: how long work tells whoever started it how far it is."""

from typing import Protocol


class Progress(Protocol):
    """Takes the news."""

    def __call__(self, stage: str, done: int = 0, of: int = 0) -> None:
        """Hear that `done` of `of` are done in a stage; 0 of 0 where there is nothing to count."""
        ...


def silent(stage: str, done: int = 0, of: int = 0) -> None:
    """Tell nobody."""
