"""Limits: exact counts per client and overall, which client is meant behind a proxy, and a refusal that says when."""

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import waitress
from fake_bot import FakeBot
from flask import Flask
from flask.testing import FlaskClient
from waitress import wasyncore

from bot.settings import Settings
from indexer.errors import UserError
from web import create_app, limits, serving


def app_with(**chosen: Any) -> Flask:
    return create_app(FakeBot(), Settings(**chosen))


def ask(client: FlaskClient, address: str = "198.51.100.1", path: str = "/api/ask", **headers: str) -> int:
    """Ask from an address; give the status."""
    environment = {"REMOTE_ADDR": address}
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(path, json={"message": "hello"}, environ_overrides=environment, headers=sent).status_code


def test_a_client_may_ask_exactly_so_often_over_all_that_counts() -> None:
    client = app_with(per_client="4 per hour").test_client()
    assert client.post("/api/ask", json={"message": "hello"}).status_code == 200
    assert client.get("/api/search?q=hello").status_code == 200
    assert client.post("/api/vote", json={"exchange": "x", "vote": "up"}).status_code == 404
    assert client.post("/", data={"message": "hello"}).status_code == 200
    for refused in (
        client.post("/api/ask", json={"message": "hello"}),
        client.get("/api/search?q=hello"),
        client.post("/api/vote", json={"exchange": "x", "vote": "up"}),
        client.post("/", data={"message": "hello"}),
    ):
        assert refused.status_code == 429
        assert 3590 <= int(refused.headers["Retry-After"]) <= 3600
    assert ask(client, "198.51.100.2") == 200


def test_what_is_not_asking_is_never_limited() -> None:
    client = app_with(per_client="1 per hour", overall="1 per hour").test_client()
    assert client.post("/api/ask", json={"message": "hello"}).status_code == 200
    for path in ("/", "/static/chat.js", "/api/health", "/api/ready", "/openapi.json", "/metrics"):
        for _ in range(3):
            with client.get(path) as response:
                assert response.status_code == 200, path
    assert client.options("/api/ask").status_code == 200
    assert client.get("/nothing").status_code == 404
    assert client.post("/api/ask", json={"message": "hello"}).status_code == 429


def test_the_refusal_has_the_one_shape_in_both_languages() -> None:
    client = app_with(per_client="1 per minute").test_client()
    ask(client)
    refused = client.post("/api/ask", json={"message": "hi"}, environ_overrides={"REMOTE_ADDR": "198.51.100.1"})
    error, seconds = refused.get_json()["error"], refused.headers["Retry-After"]
    assert error["code"] == "too_many"
    assert f"in {seconds} s." in error["message"]
    assert f"{seconds}초 뒤에" in error["message_ko"]
    assert error["request_id"] == refused.headers["X-Request-ID"]


def test_a_person_without_javascript_reads_the_sentence_on_a_page() -> None:
    client = app_with(per_client="1 per minute").test_client()
    client.post("/", data={"message": "hello"})
    headers = {"Accept": "text/html", "Accept-Language": "ko"}
    refused = client.post("/", data={"message": "hello"}, headers=headers)
    assert (refused.status_code, refused.mimetype) == (429, "text/html")
    assert "짧은 시간에 질문이 너무 많았어요." in refused.text


def test_overall_counts_all_clients_together_but_not_who_was_refused() -> None:
    """One client that asks without end uses up its own two, and leaves the rest of the five to the others."""
    client = app_with(per_client="2 per hour", overall="5 per second;5 per hour").test_client()
    noisy = [ask(client, "198.51.100.1") for _ in range(20)]
    assert noisy == [200, 200] + [429] * 18
    others = [ask(client, f"198.51.100.{number}") for number in range(2, 8)]
    assert others == [200, 200, 200, 429, 429, 429]


def test_an_empty_limit_is_none() -> None:
    client = app_with(per_client="", overall="").test_client()
    assert {ask(client) for _ in range(150)} == {200}


def test_limits_of_two_applications_do_not_mix() -> None:
    first, second = (app_with(per_client="1 per hour").test_client() for _ in range(2))
    assert [ask(first), ask(second), ask(first), ask(second)] == [200, 200, 429, 429]


@pytest.mark.parametrize("name", ["per_client", "overall"])
@pytest.mark.parametrize("value", ["often", "120", "120 per fortnight", "-1 per minute"])
def test_a_limit_that_cannot_be_read_is_one_line_at_the_start(name: str, value: str) -> None:
    with pytest.raises(UserError, match=f"MUNDAP_{name.upper()} is '{value}'.*120 per minute") as raised:
        app_with(**{name: value})
    assert "\n" not in str(raised.value)


# ---- Behind a proxy


def test_without_a_proxy_a_forged_header_does_not_escape_the_limit() -> None:
    client = app_with(per_client="1 per hour").test_client()
    statuses = [ask(client, X_Forwarded_For=f"203.0.113.{number}") for number in range(3)]
    assert statuses == [200, 429, 429]


def test_behind_one_proxy_its_word_counts_and_not_what_the_client_wrote_before_it() -> None:
    client = app_with(per_client="1 per hour", proxies=1).test_client()
    assert ask(client, "10.0.0.1", X_Forwarded_For="203.0.113.1") == 200
    assert ask(client, "10.0.0.1", X_Forwarded_For="203.0.113.2") == 200
    assert ask(client, "10.0.0.1", X_Forwarded_For="198.51.100.77, 203.0.113.1") == 429


def test_behind_two_proxies_the_last_but_one_counts() -> None:
    client = app_with(per_client="1 per hour", proxies=2).test_client()
    assert ask(client, "10.0.0.1", X_Forwarded_For="1.1.1.1, 203.0.113.1, 10.0.0.2") == 200
    assert ask(client, "10.0.0.1", X_Forwarded_For="2.2.2.2, 203.0.113.1, 10.0.0.2") == 429


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("198.51.100.1", "198.51.100.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::ffff:198.51.100.1", "198.51.100.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "unknown"),
        ("unix:", "unix:"),
        ("x" * 100, "x" * 64),
    ],
)
def test_a_client_is_an_address_or_a_network_of_ipv6(address: str, name: str) -> None:
    with Flask(__name__).test_request_context(environ_overrides={"REMOTE_ADDR": address}):
        assert limits.client() == name


def test_one_network_of_ipv6_is_one_client() -> None:
    client = app_with(per_client="1 per hour").test_client()
    addresses = ["2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1"]
    assert [ask(client, address) for address in addresses] == [200, 429, 200]


@pytest.fixture
def behind() -> Iterator[int]:
    """The port of a real server as `web serve` starts it, told of one proxy."""
    server = waitress.create_server(
        app_with(per_client="1 per hour", proxies=1), host="127.0.0.1", port=0, threads=1, **serving.OPTIONS
    )
    running = threading.Thread(target=server.run)
    running.start()
    yield server.effective_port
    with suppress(OSError):
        server.trigger.pull_trigger(lambda: wasyncore.close_all(server._map, ignore_all=True))
    server.task_dispatcher.shutdown()
    running.join(30)


def test_the_header_reaches_the_application_through_the_real_server(behind: int) -> None:
    statuses = []
    for address in ("203.0.113.1", "203.0.113.2", "203.0.113.1"):
        connection = http.client.HTTPConnection("127.0.0.1", behind, timeout=30)
        headers = {"Content-Type": "application/json", "X-Forwarded-For": address}
        connection.request("POST", "/api/ask", '{"message": "hello"}', headers)
        statuses.append(connection.getresponse().status)
        connection.close()
    assert statuses == [200, 200, 429]


def test_only_https_behind_a_proxy_promises_https() -> None:
    def promised(proxies: int, proto: str) -> str | None:
        client = app_with(proxies=proxies).test_client()
        return client.get("/", headers={"X-Forwarded-Proto": proto}).headers.get("Strict-Transport-Security")

    assert promised(1, "https") == "max-age=31536000"
    assert promised(1, "http") is None
    assert promised(0, "https") is None


def test_clients_that_went_are_forgotten() -> None:
    """Or else whoever has many addresses would fill the memory."""
    app = app_with(per_client="5 per second")
    client = app.test_client()
    for number in range(50):
        ask(client, f"198.51.100.{number}")
    (limiter,) = app.extensions["limiter"]
    assert len(limiter.storage.storage) == 50
    for _ in range(500):
        ask(client, "203.0.113.1")
        if len(limiter.storage.storage) == 1:
            return
        time.sleep(0.01)
    raise AssertionError("they are still known")
