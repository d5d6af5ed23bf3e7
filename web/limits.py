"""Limits: how often one client may ask, and all clients together (Flask-Limiter).

A window begins with the first request that counts, so at the seam of two windows up to twice as many may come.
The counts are kept in the memory of a process: with several worker processes each counts for itself, so that a client
may ask as many times as often as there are workers. One worker with threads, as `web serve` is, counts exactly.
"""

import math
import time
from ipaddress import IPv6Address, ip_address, ip_network

from flask import Flask, Response, request
from flask_limiter import ApplicationLimit, Limiter, RateLimitExceeded
from limits import parse_many
from werkzeug.middleware.proxy_fix import ProxyFix

from bot.settings import Settings
from indexer.errors import UserError
from web.problems import Refused, answer_refusal

PER_CLIENT = frozenset(("chat.say", "chat.vote", "api.ask", "api.search", "api.vote"))
# The webhook's caller is one chat server that speaks for many people. Slack's events are counted nowhere: they are
# acknowledged at once and wait in their own queue.
OVERALL = PER_CLIENT | {"webhook.answer"}
WHOLE_NETWORK = 64  # bits; a household or a server has at least that much of IPv6 to itself


def init_app(app: Flask, settings: Settings) -> None:
    """Count the requests of each client by its address, which proxies that are named in the settings may tell.

    Raises UserError where a limit cannot be read.
    """
    if settings.proxies:
        hops = settings.proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=0)  # type: ignore[method-assign]
    for name, value in (("MUNDAP_PER_CLIENT", settings.per_client), ("MUNDAP_OVERALL", settings.overall)):
        check(name, value)
    limiter = Limiter(
        client,
        app=app,
        application_limits=[
            ApplicationLimit(settings.per_client, scope="client", exempt_when=lambda: not counted(PER_CLIENT)),
            ApplicationLimit(
                settings.overall,
                key_function=lambda: "everybody",
                scope="overall",
                exempt_when=lambda: not counted(OVERALL),
                # Or else one client, refused again and again, would use up what all the others may ask.
                deduct_when=lambda response: response.status_code != 429,
            ),
        ],
        storage_uri="memory://",
        # In memory, the moving window never forgets a client, and looks through all of them again and again.
        strategy="fixed-window",
    )

    def answer_too_many(_error: RateLimitExceeded) -> Response:
        """Say when to come again."""
        limit = limiter.current_limit
        wait = math.ceil(limit.window.reset_time - time.time()) if limit else 1
        return answer_refusal(Refused("too_many", retry_after=max(1, wait)))

    app.register_error_handler(RateLimitExceeded, answer_too_many)


def check(name: str, value: str) -> None:
    """Refuse a limit that is not written in the words of Flask-Limiter; an empty one is none."""
    try:
        if value:
            parse_many(value)
    except ValueError as error:
        example = 'write it as "120 per minute" or "20 per second;5000 per day", or off for no limit'
        raise UserError(f"{name} is {value!r}, which is no limit: {example}.") from error


def counted(endpoints: frozenset[str]) -> bool:
    """Tell whether this request counts; a browser's question beforehand (OPTIONS) does not."""
    return request.endpoint in endpoints and request.method != "OPTIONS"


def client() -> str:
    """Name the client: its IPv4 address, or its network of IPv6, in which it has as many addresses as it likes."""
    given = request.remote_addr or "unknown"
    try:
        address = ip_address(given)
    except ValueError:
        return given[:64]  # what a proxy that is believed calls it
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ip_network((int(address), WHOLE_NETWORK), strict=False))
