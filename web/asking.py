"""The one way from a request to the bot: what a message may be, and who answers it."""

import re
import time
import unicodedata
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any, Protocol, cast

from flask import current_app

from bot.answer import Answer
from bot.journal import Journal
from web import logs, metrics
from web.beating import beating
from web.gate import Gate
from web.problems import Refused

MESSAGE_LIMIT = 2000  # characters
SESSION_LIMIT = 200  # characters
SILENCE = 10.0  # seconds; proxies give a connection up after 30 to 60 without a word
# Something that a person sees: no space, control, zero-width or filling character. `/openapi.json` says the same.
SEEN = re.compile(
    r"[^\s\u0000-\u001f\u007f-\u00a0\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    r"\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb]"
)


class Bot(Protocol):
    """What the web asks of a bot; several threads call it at once."""

    def answer(self, message: str, session: str | None = None) -> Answer:
        """Answer one message."""
        ...

    def search(self, query: str, k: int = 5) -> Sequence[Mapping[str, Any]]:
        """Find the k best candidates."""
        ...

    def info(self) -> Mapping[str, Any]:
        """Say what the bot answers from."""
        ...


def the_bot() -> Bot:
    """Give the bot of the running application."""
    return cast(Bot, current_app.extensions["bot"])


def answer(message: str, session: str | None = None, channel: str = "api") -> Answer:
    """Let the bot answer, through the gate, and write it down; `trace.exchange` names the exchange for a vote."""
    started = time.perf_counter()
    with cast(Gate, current_app.extensions["gate"]):
        found = the_bot().answer(message, session=session)
    logs.note(channel=channel, decision=found.decision)
    return _written_down(found, message, session, channel, started)


def generates() -> bool:
    """Tell whether the bot has a generator, so that answers may grow."""
    return bool(getattr(the_bot(), "generates", False))


def stream(message: str, session: str | None = None, channel: str = "api") -> Iterator[tuple[str, Answer] | None]:
    """Let the bot search, through the gate, then give each `partial` answer, and the last one as `answer`.

    None each SILENCE seconds while nothing is ready. It is written down; where somebody leaves early, what had been
    shown is.
    """
    started = time.perf_counter()
    with cast(Gate, current_app.extensions["gate"]):
        growing = cast(Any, the_bot()).stream(message, session=session)
    return _growing(beating(growing, SILENCE), message, session, channel, started)


def _growing(
    growing: Generator[Answer | None], message: str, session: str | None, channel: str, started: float
) -> Iterator[tuple[str, Answer] | None]:
    shown: Answer | None = None
    try:
        with closing(growing):
            for found in growing:
                shown = found or shown
                if found is None:
                    yield None
                elif found.decision == "generated":
                    yield "partial", found
    finally:
        if shown is not None:
            logs.note(channel=channel, decision=shown.decision)
            shown = _written_down(shown, message, session, channel, started)
    if shown is not None:
        yield "answer", shown


def _written_down(found: Answer, message: str, session: str | None, channel: str, started: float) -> Answer:
    """Count an answer, and write it down where a journal is kept."""
    metrics.count_answer(channel, found.decision)
    journal = the_journal()
    if journal is None:
        return found
    exchange = journal.record(message, found, channel, session, (time.perf_counter() - started) * 1e3)
    return replace(found, trace={**found.trace, "exchange": exchange})


def the_journal() -> Journal | None:
    """Give the journal of the running application, where it keeps one."""
    return cast("Journal | None", current_app.extensions["journal"])


def search(query: str, k: int) -> Sequence[Mapping[str, Any]]:
    """Let the bot search, through the gate."""
    with cast(Gate, current_app.extensions["gate"]):
        return the_bot().search(query, k)


def read_message(value: object, name: str = "message") -> str:
    """Give a message that the bot can read, or refuse it (422)."""
    if not isinstance(value, str):
        raise Refused("message_missing", field=name)
    message = readable(value)
    if not visible(message):
        raise Refused("message_empty", field=name)
    if len(message) > MESSAGE_LIMIT:
        raise Refused("message_too_long", field=name)
    return message


def read_session(value: object) -> str | None:
    """Give the name of a conversation, or refuse it (422)."""
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= SESSION_LIMIT:
        raise Refused("session_invalid", field="session")
    return readable(value)


def readable(text: str) -> str:
    """Replace what no encoder or database takes: lone surrogates and control characters."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return "".join(" " if unicodedata.category(c) == "Cc" and c not in "\t\n\r" else c for c in whole)


def visible(text: str) -> bool:
    """Tell whether a person sees anything of a text."""
    return SEEN.search(text) is not None
