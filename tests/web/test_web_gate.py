"""The gate: a bounded number at work, a bounded number waiting, a clear refusal for the rest."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPConnection
from typing import Any

import pytest
import waitress
from fake_bot import FakeBot
from flask import Flask
from waitress import wasyncore

from web.gate import Gate
from web.problems import Refused


def held(app: Flask, bot: FakeBot, requests: int) -> list[threading.Thread]:
    """Send requests that the bot holds back; come back when each has taken its place."""
    bot.gate = threading.Event()
    gate = app.extensions["gate"]
    threads = [
        threading.Thread(target=lambda: app.test_client().post("/api/ask", json={"message": "refund"}))
        for _ in range(requests)
    ]
    before = gate._places._value
    for thread in threads:
        thread.start()
    for _ in range(5_000):
        if gate._places._value == before - requests:
            return threads
        time.sleep(0.001)
    raise AssertionError("the requests did not come in")


@pytest.fixture
def narrow(app: Flask) -> Flask:
    app.extensions["gate"] = Gate(working=1, waiting=1)
    return app


def test_who_finds_no_place_hears_when_to_come_again(narrow: Flask, bot: FakeBot) -> None:
    threads = held(narrow, bot, 2)
    client = narrow.test_client()
    for refused in (
        client.post("/api/ask", json={"message": "refund"}),
        client.get("/api/search?q=refund"),
        client.post("/", data={"message": "refund"}, headers={"Accept": "text/html"}),
    ):
        assert refused.status_code == 503
        assert refused.headers["Retry-After"] == "1"
    error: dict[str, Any] = client.post("/api/ask", json={"message": "x"}).get_json()["error"]
    assert error["code"] == "busy"
    assert "try again" in error["message"]
    assert "다시 시도" in error["message_ko"]
    assert client.get("/api/health").status_code == 200  # an operator must see through the crowd
    assert client.get("/").status_code == 200
    assert bot.gate is not None
    bot.gate.set()
    for thread in threads:
        thread.join(10)
    assert client.post("/api/ask", json={"message": "refund"}).status_code == 200


def test_a_server_that_lets_too_many_wait_refuses_until_few_enough_do(app: Flask, bot: FakeBot) -> None:
    """One works, five wait where two may: the first and the last three are answered, the two between refused."""
    bot.gate, statuses = threading.Event(), []
    server = waitress.create_server(app, host="127.0.0.1", port=0, threads=1)
    gate = app.extensions["gate"] = Gate(working=1, waiting=2)
    gate.queued = lambda: len(server.task_dispatcher.queue)
    running = threading.Thread(target=server.run)
    running.start()

    def ask() -> None:
        asked = HTTPConnection("127.0.0.1", server.effective_port, timeout=30)
        asked.request("POST", "/api/ask", '{"message": "refund"}', {"Content-Type": "application/json"})
        answer = asked.getresponse()
        answer.read()
        statuses.append((answer.status, answer.headers["Retry-After"]))
        asked.close()

    def until(done: Callable[[], bool]) -> None:
        for _ in range(10_000):
            if done():
                return
            time.sleep(0.001)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    threads[0].start()
    until(lambda: bool(bot.asked))  # otherwise the first would meet a queue too
    for thread in threads[1:]:
        thread.start()
    until(lambda: gate.queued() == 5)
    assert statuses == []
    bot.gate.set()
    for thread in threads:
        thread.join(30)
    with suppress(OSError):
        server.trigger.pull_trigger(lambda: wasyncore.close_all(server._map, ignore_all=True))
    server.task_dispatcher.shutdown()
    running.join(30)
    assert sorted(statuses, key=str) == [(200, None)] * 4 + [(503, "1")] * 2


def test_places_come_back_also_after_failures() -> None:
    gate = Gate(working=1, waiting=0)
    for _ in range(3):
        with pytest.raises(ValueError, match="broken"), gate:
            raise ValueError("broken")
    with gate, pytest.raises(Refused), gate:
        pass
    with gate:
        pass


def test_no_more_work_at_once_than_may() -> None:
    gate, at_work, most = Gate(working=3, waiting=20), [0], [0]
    counting = threading.Lock()

    def work() -> None:
        with gate:
            with counting:
                at_work[0] += 1
                most[0] = max(most[0], at_work[0])
            time.sleep(0.005)
            with counting:
                at_work[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert most[0] == 3
