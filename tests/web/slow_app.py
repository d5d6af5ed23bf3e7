"""For the tests of stopping: a bot that says when it is asked and answers when told, in a process of its own.

`python slow_app.py FOLDER` is `web serve`; `gunicorn 'slow_app:create()'` finds FOLDER in SLOW_FOLDER.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

import bot
import bot.journal
from bot.answer import Answer
from bot.settings import Settings

FOLDER = Path(os.environ.get("SLOW_FOLDER") or sys.argv[1])


class SlowBot:
    """Answers once FOLDER/answer is there."""

    def answer(self, message: str, session: str | None = None) -> Answer:
        (FOLDER / f"asked-{message}").touch()
        while not (FOLDER / "answer").exists():
            time.sleep(0.01)
        return Answer("smalltalk", "At last. " + "x" * int(os.environ.get("SLOW_LENGTH", "0")), 1.0, [])

    def search(self, query: str, k: int = 5) -> list[dict[str, Any]]:
        return []

    def warm(self) -> None:
        pass

    def info(self) -> dict[str, Any]:
        return {"generation": 1, "entries": 1, "encoder": "none", "examples": []}


class Journal:
    """Says when it is closed."""

    def __init__(self, *_: object) -> None:
        pass

    def record(self, *_: object) -> str:
        return "exchange"

    def close(self) -> None:
        (FOLDER / "closed").touch()


def create() -> Any:
    from web import create_app

    return create_app(SlowBot(), Settings(per_client=""))


if __name__ == "__main__":
    bot.open_bot = lambda *_: SlowBot()
    bot.journal.Journal = Journal
    Settings.from_environment = staticmethod(lambda *_: Settings(journal=FOLDER / "journal.db", per_client=""))
    from web import serving
    from web.cli import main

    serving.PATIENCE = float(os.environ.get("SLOW_PATIENCE", "60"))
    main(["serve", "--port", "0"])
