"""Figures for Prometheus: they count what happened, they open to the neighbourhood only, and nothing swells them."""

from typing import Any

import numpy as np
import pytest
from fake_bot import FakeBot
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from bot.settings import Settings
from indexer.errors import UserError
from indexer.together import Together
from web import create_app
from web.gate import Gate

Figures = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(client: FlaskClient) -> Figures:
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response.content_type.startswith("text/plain; version=")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def figure(figures: Figures, name: str, **labels: str) -> float | None:
    return figures.get((name, frozenset(labels.items())))


def test_requests_are_counted_by_rule_method_and_status(client: FlaskClient) -> None:
    for _ in range(3):
        client.post("/api/ask", json={"message": "hello"})
    client.post("/api/ask", json={})
    client.get("/api/search?q=one")
    client.get("/api/search?q=two")
    figures = scrape(client)
    assert figure(figures, "mundap_requests_total", method="POST", route="/api/ask", status="200") == 3
    assert figure(figures, "mundap_requests_total", method="POST", route="/api/ask", status="422") == 1
    assert figure(figures, "mundap_requests_total", method="GET", route="/api/search", status="200") == 2
    assert figure(figures, "mundap_request_seconds_count", route="/api/ask") == 4
    assert figure(figures, "mundap_request_seconds_bucket", route="/api/ask", le="+Inf") == 4


def test_answers_are_counted_by_channel_and_decision(client: FlaskClient) -> None:
    client.post("/api/ask", json={"message": "hello"})
    client.post("/api/ask", json={"message": "weather on Mars"})
    client.post("/api/ask", json={"message": "weather on Mars", "channel": "widget"})
    client.post("/", data={"message": "How do I get a refund?"})
    figures = scrape(client)
    assert figure(figures, "mundap_answers_total", channel="api", decision="smalltalk") == 1
    assert figure(figures, "mundap_answers_total", channel="api", decision="abstain") == 1
    assert figure(figures, "mundap_answers_total", channel="widget", decision="abstain") == 1
    assert figure(figures, "mundap_answers_total", channel="chat", decision="answer") == 1


def test_whoever_guesses_addresses_and_methods_does_not_fill_the_memory(client: FlaskClient) -> None:
    for number in range(20):
        client.get(f"/guess-{number}")
        client.open("/api/ask", method=f"GUESS{number}")
    requests = {labels: value for (name, labels), value in scrape(client).items() if name == "mundap_requests_total"}
    assert len(requests) == 2
    assert set(requests.values()) == {20}


def test_the_index_the_queue_and_the_journal(app: Flask, bot: FakeBot) -> None:
    client = app.test_client()
    figures = scrape(client)
    assert figure(figures, "mundap_index_generation") == 3
    assert figure(figures, "mundap_waiting_requests") == 0
    assert figure(figures, "mundap_journal_backlog") == 0
    gate = app.extensions["gate"] = Gate(working=1, waiting=5)
    gate.queued = lambda: 4
    app.extensions["journal"] = type("Journal", (), {"backlog": 7})()
    bot.info = lambda: {"generation": 8}  # type: ignore[method-assign]
    figures = scrape(client)
    assert figure(figures, "mundap_index_generation") == 8
    assert figure(figures, "mundap_waiting_requests") == 4
    assert figure(figures, "mundap_journal_backlog") == 7


def test_a_figure_that_cannot_be_had_spoils_no_other(client: FlaskClient, bot: FakeBot) -> None:
    bot.failure = UserError("gone")
    figures = scrape(client)
    generation = figure(figures, "mundap_index_generation")
    assert generation is not None
    assert np.isnan(generation)
    assert figure(figures, "mundap_waiting_requests") == 0


def test_the_gate_counts_who_waits_inside() -> None:
    gate = Gate(working=1, waiting=5)
    assert gate.held() == 0
    with gate:
        assert gate.held() == 0
        gate._places.acquire()  # another one, who has taken a place and waits for his turn
        assert gate.held() == 1


def test_each_batch_of_the_encoder_is_timed(client: FlaskClient) -> None:
    class Encoder:
        dim = 2

        def encode(self, texts: Any) -> Any:
            return np.zeros((len(texts), 2), np.float32)

    assert figure(scrape(client), "mundap_encoder_seconds_count") == 0
    together = Together(Encoder(), 1)
    together.encode(["one"])
    together.encode(["two", "three"])
    assert figure(scrape(client), "mundap_encoder_seconds_count") == 2


# ---- Who may look


def status(address: str, settings: Settings | None = None, **headers: str) -> int:
    client = create_app(FakeBot(), settings).test_client()
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.get("/metrics", environ_overrides={"REMOTE_ADDR": address}, headers=sent).status_code


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", 200),
        ("::1", 200),
        ("10.1.2.3", 200),
        ("192.168.0.9", 200),
        ("::ffff:10.1.2.3", 200),
        ("fd00::1", 200),
        ("8.8.8.8", 404),
        ("::ffff:8.8.8.8", 404),
        ("2001:4860:4860::8888", 404),
        ("", 404),
        ("somebody", 404),
    ],
)
def test_only_this_machine_and_private_networks(address: str, expected: int) -> None:
    assert status(address) == expected


def test_what_a_proxy_passes_on_is_from_outside_unless_the_proxy_is_known() -> None:
    assert status("127.0.0.1", X_Forwarded_For="10.0.0.5") == 404
    assert status("127.0.0.1", Forwarded="for=10.0.0.5") == 404
    assert status("127.0.0.1", Settings(proxies=1), X_Forwarded_For="8.8.8.8") == 404
    assert status("127.0.0.1", Settings(proxies=1), X_Forwarded_For="10.0.0.5") == 200
    assert status("127.0.0.1", Settings(proxies=1), X_Forwarded_For="10.0.0.5, 8.8.8.8") == 404
