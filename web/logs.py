"""Logs: one line a request with its id, as text or JSON; never a message, a token, a header or a query string."""

import logging
import re
import time
import uuid
from typing import Any, TextIO, cast

import structlog
from flask import Flask, Response, current_app, g, has_request_context, request
from flask.logging import default_handler, wsgi_errors_stream
from structlog.typing import EventDict, Processor, WrappedLogger

from bot.settings import Settings
from web.problems import METHODS

FLOORS = ("web", "bot", "indexer")
SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
EVENTS = "text/event-stream"
SHORTEST_SECRET = 6  # characters; what is shorter would blot out ordinary words


def init_app(app: Flask, settings: Settings) -> None:
    """Give each request an id and a line; what the floors below log comes out in the same form."""
    write_to_stderr(settings)
    app.extensions["log"] = structlog.wrap_logger(
        logging.getLogger("web.requests"),
        processors=[structlog.stdlib.add_log_level, stamp, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    app.before_request(begin)
    app.after_request(finish)


def note(**facts: object) -> None:
    """Add to the line of this request, where there is one."""
    if has_request_context():
        g.facts.update(facts)


def method() -> str:
    """Give the request's method; one that nobody knows could be anything, a secret too."""
    return request.method if request.method in METHODS else "OTHER"


def route() -> str:
    """Give the rule that the address matched, never the address itself."""
    return request.url_rule.rule if request.url_rule else "none"


def begin() -> None:
    """Take the caller's id where it is sane, or make one."""
    given = request.headers.get("X-Request-ID", "")
    g.request_id = given if SANE_ID.fullmatch(given) else uuid.uuid4().hex
    g.started, g.facts = time.perf_counter(), {}


def seconds() -> float:
    """Give how long this request has taken so far."""
    return float(time.perf_counter() - g.started)


def finish(response: Response) -> Response:
    """Write the line, of a stream when it ends, and tell the caller the id."""
    response.headers["X-Request-ID"] = g.request_id
    log = current_app.extensions["log"]
    write = log.error if response.status_code >= 500 else log.info
    facts = {"method": method(), "route": route(), "status": response.status_code}
    noted, started, named = g.facts, g.started, g.request_id

    def line() -> None:
        took = time.perf_counter() - started
        write("request", **facts, ms=round(took * 1e3, 1), id=named, **noted)

    # What is sent as events grows after this, and what comes of it is noted until it ends.
    response.call_on_close(line) if response.mimetype == EVENTS else line()
    return response


def write_to_stderr(settings: Settings) -> None:
    """Send the records of all floors to stderr, in one form; a second application takes over from the first."""
    handler = logging.StreamHandler(cast(TextIO, wsgi_errors_stream))
    handler.set_name("mundap")
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name, stamp, with_id],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *renderer(settings.log),
                without(
                    settings.slack_signing_secret,
                    settings.slack_bot_token,
                    settings.webhook_token,
                    settings.openai_api_key,
                ),
            ],
        )
    )
    for floor in FLOORS:
        logger = logging.getLogger(floor)
        logger.handlers = [one for one in logger.handlers if one.name != "mundap" and one is not default_handler]
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)


def renderer(form: str) -> list[Processor]:
    """Give what writes a record as `json`, or as text for people; no local variables in tracebacks."""
    if form == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(pad_event_to=0, colors=False, sort_keys=False, exception_formatter=plain)]


def stamp(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Add the time, in UTC."""
    now = time.time()
    event["timestamp"] = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now % 1 * 1e3):03}Z"
    return event


def with_id(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Add the id of the request in which something was logged."""
    if has_request_context() and "request_id" in g:
        event["id"] = g.request_id
    return event


def without(*secrets: str) -> Any:
    """Give the last step: blot out secrets, should one have come into a line, by an exception's text for instance."""
    known = [secret for secret in secrets if len(secret) >= SHORTEST_SECRET]

    def blot(_logger: WrappedLogger, _name: str, line: str) -> str:
        for secret in known:
            line = line.replace(secret, "[secret]")
        return line

    return blot
