"""The JSON interface: ask, search, health."""

from typing import Any

from apiflask import APIBlueprint
from flask import current_app, request
from werkzeug.exceptions import BadRequest

from indexer.errors import UserError
from web import asking, openapi
from web.asking import read_message, read_session, the_bot
from web.problems import Refused

MOST_RESULTS = 50

bp = APIBlueprint("api", __name__, url_prefix="/api", tag="Mundap")


@bp.post("/ask")
@bp.doc(responses=openapi.ASK_RESPONSES, extensions=openapi.ASK_BODY)
def ask() -> dict[str, Any]:
    """Answer one message."""
    body = read_object()
    message, session = read_message(body.get("message")), read_session(body.get("session"))
    return asking.answer(message, session).to_dict()


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


@bp.get("/health")
@bp.doc(responses=openapi.HEALTH_RESPONSES)
def health() -> dict[str, Any]:
    """Tell whether the bot can answer, by letting it look something up."""
    try:
        the_bot().search("health", 1)
        info = the_bot().info()
    except UserError:
        raise
    except Exception as error:  # whatever broke, a probe must hear 503
        current_app.logger.exception("the bot cannot answer")
        raise Refused("unavailable", reason=type(error).__name__) from error
    return {"status": "ok"} | {key: info[key] for key in ("generation", "entries", "encoder")}


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


def read_k(text: str) -> int:
    """Give the number of results, or refuse it (422)."""
    if not (text.isascii() and text.isdigit() and len(text) < 4 and 1 <= int(text) <= MOST_RESULTS):
        raise Refused("k_out_of_range", field="k")
    return int(text)
