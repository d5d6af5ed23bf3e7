"""Figures for Prometheus at `/metrics`: requests, answers, the encoder, the queue.

Each process has its own: with several workers a scrape meets one of them. One worker with threads, as `web serve` is,
has them all.
"""

from collections.abc import Callable
from ipaddress import ip_address
from typing import cast

from apiflask import APIBlueprint
from flask import Flask, Response, current_app, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from indexer import together
from web import logs
from web.problems import Refused

BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # seconds

bp = APIBlueprint("metrics", __name__, enable_openapi=False)


class Metrics:
    """The figures of one application, in a registry of their own."""

    def __init__(self, app: Flask) -> None:
        self.registry = registry = CollectorRegistry()
        names = ["method", "route", "status"]
        self.requests = Counter("mundap_requests", "Requests answered", names, registry=registry)
        self.seconds = Histogram(
            "mundap_request_seconds", "Time to answer a request", ["route"], registry=registry, buckets=BUCKETS
        )
        self.answers = Counter("mundap_answers", "Answers given", ["channel", "decision"], registry=registry)
        self.encoder = Histogram(
            "mundap_encoder_seconds", "Time to encode one batch", registry=registry, buckets=BUCKETS
        )
        self.watch(Gauge("mundap_index_generation", "Version of the index", registry=registry), generation(app))
        self.watch(Gauge("mundap_waiting_requests", "Requests that wait", registry=registry), waiting(app))
        self.watch(Gauge("mundap_journal_backlog", "Exchanges not written yet", registry=registry), backlog(app))
        together.watch(self.encoder)

    @staticmethod
    def watch(gauge: Gauge, look: Callable[[], float]) -> None:
        """Look when scraped; a figure that cannot be had is no number, and spoils no other."""

        def seen() -> float:
            try:
                return look()
            except Exception:
                return float("nan")

        gauge.set_function(seen)


def init_app(app: Flask) -> None:
    """Count every request from here on."""
    app.extensions["metrics"] = Metrics(app)
    app.after_request(count_request)


def count_request(response: Response) -> Response:
    """Count a request by its rule, never by its address: whoever guesses addresses would fill the memory."""
    figures = the_metrics()
    figures.requests.labels(logs.method(), logs.route(), str(response.status_code)).inc()
    figures.seconds.labels(logs.route()).observe(logs.seconds())
    return response


def count_answer(channel: str, decision: str) -> None:
    """Count an answer."""
    the_metrics().answers.labels(channel, decision).inc()


@bp.get("/metrics")
def scrape() -> Response:
    """Give the figures to this machine and its private network; to others there is nothing here."""
    if not near():
        raise Refused("not_found")
    return Response(generate_latest(the_metrics().registry), content_type=CONTENT_TYPE_LATEST)


def near() -> bool:
    """Tell whether the request is from this machine or a private network.

    A request that a proxy passes on, but whose proxy is not in the settings, could be from anywhere.
    """
    if not current_app.extensions["settings"].proxies and {"X-Forwarded-For", "Forwarded"} & set(
        request.headers.keys()
    ):
        return False
    try:
        address = ip_address(request.remote_addr or "")
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return bool(mapped.is_private or mapped.is_loopback)


def the_metrics() -> Metrics:
    """Give the figures of the running application."""
    return cast(Metrics, current_app.extensions["metrics"])


def generation(app: Flask) -> Callable[[], float]:
    """Give what looks up the version of the index."""
    return lambda: float(app.extensions["bot"].info()["generation"])


def waiting(app: Flask) -> Callable[[], float]:
    """Give what counts the requests before the gate."""
    return lambda: float(app.extensions["gate"].held())


def backlog(app: Flask) -> Callable[[], float]:
    """Give what counts the exchanges that the journal has still to write."""
    return lambda: float(getattr(app.extensions["journal"], "backlog", 0))
