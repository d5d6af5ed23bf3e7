"""The JSON interface: ask, vote, search."""

from collections.abc import Iterator
from typing import Any

from apiflask import APIBlueprint
from flask import Response, current_app, request, stream_with_context
from werkzeug.exceptions import BadRequest

from bot.answer import Answer
from web import asking, openapi
from web.asking import read_message, read_session, readable, the_bot, the_journal
from web.logs import EVENTS
from web.problems import Refused

MOST_RESULTS = 50
CHANNELS = ("api", "chat", "widget")  # that say so themselves; the others have addresses of their own
NAME_LIMIT = 200  # characters of an exchange's or a row's id

bp = APIBlueprint("api", __name__, url_prefix="/api", tag="Mundap")


@bp.post("/ask")
@bp.doc(responses=openapi.ASK_RESPONSES, extensions=openapi.ASK_BODY)
def ask() -> dict[str, Any] | Response:
    """Answer one message; to whoever accepts text/event-stream, sentence by sentence where one is written."""
    body = read_object()
    message, session = read_message(body.get("message")), read_session(body.get("session"))
    channel = read_channel(body.get("channel"))
    if asking.generates() and request.accept_mimetypes.best_match(("application/json", EVENTS)) == EVENTS:
        return as_events(asking.stream(message, session, channel))
    return asking.answer(message, session, channel).to_dict()


def as_events(growing: Iterator[tuple[str, Answer] | None]) -> Response:
    """Send an answer as it grows: `partial` for each checked sentence, `answer` for the last; `error` if it breaks.

    A remark, which nobody shows, keeps proxies from giving up where there is nothing to send yet.
    """

    def events() -> Iterator[str]:
        yield ": searching\n\n"  # so that the headers go out
        try:
            for found in growing:
                yield event(*found) if found else ": still searching\n\n"
        except Exception:  # a page that reads a stream sees no status any more
            current_app.logger.exception("a stream broke off")
            yield "event: error\ndata: {}\n\n"

    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # nginx hands on what comes
    return Response(stream_with_context(events()), content_type=f"{EVENTS}; charset=utf-8", headers=headers)


def event(name: str, answer: Answer) -> str:
    """Write one event; JSON has no line ends of its own."""
    return f"event: {name}\ndata: {current_app.json.dumps(answer.to_dict())}\n\n"


@bp.post("/vote")
@bp.doc(responses=openapi.VOTE_RESPONSES, extensions=openapi.VOTE_BODY)
def vote() -> dict[str, Any]:
    """Say of an answer whether it helped, or which of the offered questions was meant."""
    body = read_object()
    exchange = read_name(body.get("exchange"), "exchange")
    if not body.keys() & {"vote", "chosen"}:
        raise Refused("vote_invalid", field="vote")
    thumb = read_thumb(body["vote"]) if "vote" in body else None
    chosen = read_name(body["chosen"], "chosen") if "chosen" in body else None
    if not write_down(exchange, thumb, chosen):
        raise Refused("unknown_exchange", field="exchange")
    return {"status": "ok"}


def write_down(exchange: str, thumb: str | None = None, chosen: str | None = None) -> bool:
    """Write a vote or a choice, and tell whether the exchange is in the journal."""
    journal = the_journal()
    if journal is None:
        return False
    known = thumb is None or journal.vote(exchange, thumb)
    return bool(known and (chosen is None or journal.choose(exchange, chosen)))


@bp.get("/search")
@bp.doc(responses=openapi.SEARCH_RESPONSES, extensions=openapi.SEARCH_PARAMETERS)
def search() -> dict[str, Any]:
    """Find the stored questions nearest to a query."""
    query, k = read_message(request.args.get("q"), name="q"), read_k(request.args.get("k", "5"))
    return {
        "query": query,
        "generation": the_bot().info()["generation"],
        "candidates": asking.search(query, k),
    }


def read_object() -> dict[str, Any]:
    """Give the JSON object of the request, or refuse it (400)."""
    if not request.is_json:
        raise Refused("not_json")
    try:
        body = request.get_json()
    except (BadRequest, RecursionError) as error:  # deep nesting exhausts Python's own parser
        raise Refused("not_json") from error
    if not isinstance(body, dict):
        raise Refused("not_an_object")
    return body


def read_channel(value: object) -> str:
    """Give the name of the page that asks, or refuse it (422)."""
    if value is None:
        return CHANNELS[0]
    if not isinstance(value, str) or value not in CHANNELS:
        raise Refused("channel_invalid", field="channel")
    return value


def read_thumb(value: object) -> str:
    """Give a vote, or refuse it (422)."""
    if not isinstance(value, str) or value not in ("up", "down", ""):
        raise Refused("vote_invalid", field="vote")
    return value


def read_name(value: object, field: str) -> str:
    """Give the id of an exchange or of a stored row, or refuse it (422)."""
    if not isinstance(value, str) or not 0 < len(value) <= NAME_LIMIT:
        raise Refused("id_invalid", field=field)
    return readable(value)


def read_k(text: str) -> int:
    """Give the number of results, or refuse it (422)."""
    if not (text.isascii() and text.isdigit() and len(text) < 4 and 1 <= int(text) <= MOST_RESULTS):
        raise Refused("k_out_of_range", field="k")
    return int(text)
