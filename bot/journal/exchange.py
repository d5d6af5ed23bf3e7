"""An exchange as the journal keeps it: texts cleaned, the session as a hash, of the candidates no answers."""

import hashlib
import json
import math
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from bot.answer import Answer
from bot.journal.personal import KINDS

MOST_IN_TRACE = 300  # characters of a text
MOST_NAMED = 20  # entities of a message
HIDDEN = "[masked]"  # in the place of a part of what is masked, such as half a number
APART = frozenset(("right", "on_topic", "generation"))  # of a trace: columns of their own


def row_of(
    exchange: str,
    message: str,
    answer: Answer,
    channel: str,
    session: str | None,
    ms: float,
    clean: Callable[[str], str],
) -> dict[str, Any]:
    """Give the row of an exchange: texts cleaned, the session as a hash, of the candidates no answers."""
    kept = {key: small(value, clean) for key, value in answer.trace.items() if key not in APART}
    written = clean(message)
    if "entities" in answer.trace:
        kept["entities"] = [entity(one, written) for one in answer.trace["entities"][:MOST_NAMED]]
    return {
        "id": exchange,
        "at": now(),
        "channel": writable(channel),
        "session": hashlib.sha256(session.encode("utf-8", "replace")).hexdigest()[:16] if session else "",
        "message": written,
        "decision": answer.decision,
        "text": clean(answer.text),
        "confidence": number(answer.confidence),
        "candidates": as_json([candidate(one) for one in answer.candidates]),
        "probability": number(answer.trace.get("right")),
        "on_topic": number(answer.trace.get("on_topic")),
        "generation": number(answer.trace.get("generation")),
        "ms": number(round(ms, 2)),
        "trace": as_json(kept),
    }


def candidate(found: Mapping[str, Any]) -> dict[str, Any]:
    """Give what is kept of a candidate."""
    scores = {name: number(found.get(name)) for name in ("score", "rank_score")}
    return {"id": str(found.get("id", "")), "entry": str(found.get("entry", "")), **scores}


def entity(found: Mapping[str, Any], message: str) -> dict[str, str]:
    """Give what is kept of an entity: its text only where it is not personal and the cleaned message holds it too."""
    label, text = str(found["label"]), writable(str(found["text"]))
    shown = KINDS.get(label.upper()) or (text if text in message else HIDDEN)
    return {"label": label, "text": shown[:MOST_IN_TRACE]}


def small(value: Any, clean: Callable[[str], str]) -> Any:
    """Give a value of a trace as it is kept: numbers, short clean texts, short lists of these."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, list | tuple):
        return [small(one, clean) for one in value[:20] if not isinstance(one, list | tuple | dict)]
    return clean(str(value))[:MOST_IN_TRACE]


def number(value: Any) -> float | int | None:
    """Give a number that JSON and SQLite can hold, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) and abs(value) < 2**63 else None


def as_json(value: Any) -> str:
    """Write JSON that keeps Korean readable and can be stored."""
    return writable(json.dumps(value, ensure_ascii=False))


def writable(text: str) -> str:
    """Give a text that UTF-8 can hold: half of a surrogate pair becomes a question mark."""
    return text.encode("utf-8", "replace").decode("utf-8")


def new_id() -> str:
    """Make an id that begins with the time in nanoseconds and cannot be guessed; 32 hexadecimal digits."""
    return first_id(time.time_ns()) + secrets.token_hex(8)


def first_id(ns: int) -> str:
    """Give what the ids of a time begin with: ids that sort before it are older."""
    return f"{ns:016x}"


def now() -> str:
    """Give the time in UTC, so that texts are in the order of the times."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
