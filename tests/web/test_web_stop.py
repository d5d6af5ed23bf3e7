"""Stopping: what is in flight gets its answer, who comes later is refused, and the process ends with 0."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from web.gate import WORKING

HERE = Path(__file__).parent
Outcome = tuple[int, str | None, int]  # status, the header Connection, length of the body


def eventually(what: Callable[[], bool]) -> None:
    for _ in range(6_000):
        if what():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come to pass")


@contextmanager
def serving(folder: Path, command: list[str], **environment: str) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """A server in a process of its own, and its port."""
    chosen = {**os.environ, "SLOW_FOLDER": str(folder), "PYTHONPATH": str(HERE), **environment}
    log = folder / "stderr"
    with log.open("w") as err, subprocess.Popen(command, stderr=err, text=True, env=chosen) as process:
        try:
            eventually(lambda: bool(re.search(r"http://127\.0\.0\.1:(\d+)", log.read_text())))
            found = re.search(r"http://127\.0\.0\.1:(\d+)", log.read_text())
            assert found is not None
            yield process, int(found[1])
        finally:
            process.kill()


WEB_SERVE = [sys.executable, str(HERE / "slow_app.py"), "-"]


def ask(port: int, message: str, outcomes: list[Outcome | str]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/api/ask", f'{{"message": "{message}"}}', headers)
        response = connection.getresponse()
        outcomes.append((response.status, response.headers["Connection"], len(response.read())))
    except OSError as error:
        outcomes.append(repr(error))
    finally:
        connection.close()


def ask_many(port: int, folder: Path, number: int, at_once: int) -> tuple[list[threading.Thread], list[Outcome | str]]:
    """Send requests; come back when as many are at work as may be."""
    outcomes: list[Outcome | str] = []
    threads = [threading.Thread(target=ask, args=(port, str(one), outcomes)) for one in range(number)]
    for thread in threads:
        thread.start()
    eventually(lambda: len(list(folder.glob("asked-*"))) == at_once)
    return threads, outcomes


def refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_those_in_flight_and_those_in_the_queue_are_answered_and_others_refused(tmp_path: Path) -> None:
    with serving(tmp_path, WEB_SERVE) as (process, port):
        silent = socket.create_connection(("127.0.0.1", port))  # a connection kept open must not hold the server
        threads, outcomes = ask_many(port, tmp_path, WORKING + 3, WORKING)
        time.sleep(0.5)  # the others are in the server's queue, which nothing outside tells of
        process.send_signal(signal.SIGTERM)
        eventually(lambda: refused(port))
        assert outcomes == []
        (tmp_path / "answer").touch()
        for thread in threads:
            thread.join(60)
        assert process.wait(60) == 0
        silent.close()
    assert {(outcome[0], outcome[1]) for outcome in outcomes} == {(200, "close")}
    assert len(outcomes) == WORKING + 3
    assert (tmp_path / "closed").exists()


def test_a_long_answer_is_sent_to_its_end(tmp_path: Path) -> None:
    length = 8_000_000  # more than the buffers of the system take at once
    with serving(tmp_path, WEB_SERVE, SLOW_LENGTH=str(length)) as (process, port):
        threads, outcomes = ask_many(port, tmp_path, 1, 1)
        process.send_signal(signal.SIGTERM)
        eventually(lambda: refused(port))
        (tmp_path / "answer").touch()
        threads[0].join(60)
        assert process.wait(60) == 0
    ((status, _, received),) = outcomes
    assert status == 200
    assert int(received) > length


def test_an_answer_that_never_comes_does_not_hold_the_server_for_ever(tmp_path: Path) -> None:
    with serving(tmp_path, WEB_SERVE, SLOW_PATIENCE="0.2") as (process, port):
        threads, outcomes = ask_many(port, tmp_path, 1, 1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        threads[0].join(60)
    assert (tmp_path / "closed").exists()
    assert isinstance(outcomes[0], str)


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    with serving(tmp_path, WEB_SERVE) as (process, port):
        threads, _ = ask_many(port, tmp_path, 1, 1)
        process.send_signal(signal.SIGINT)
        eventually(lambda: refused(port))
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 1
        threads[0].join(60)


def test_gunicorn_answers_what_is_in_flight(tmp_path: Path) -> None:
    pytest.importorskip("gunicorn")
    command = [sys.executable, "-m", "gunicorn", "--worker-class", "gthread", "--threads", "4", "--bind"]
    with serving(tmp_path, [*command, "127.0.0.1:0", "slow_app:create()"]) as (process, port):
        threads, outcomes = ask_many(port, tmp_path, 3, 3)
        process.send_signal(signal.SIGTERM)
        eventually(lambda: "Handling signal: term" in (tmp_path / "stderr").read_text())
        (tmp_path / "answer").touch()
        for thread in threads:
            thread.join(60)
        assert process.wait(60) == 0
    assert [outcome[0] for outcome in outcomes] == [200, 200, 200]


def test_a_client_that_sends_slowly_holds_no_thread(tmp_path: Path) -> None:
    """As many half requests as there are threads and one more: the next whole one is answered."""
    (tmp_path / "answer").touch()
    with serving(tmp_path, WEB_SERVE) as (_, port):
        slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(WORKING + 1)]
        for one in slow:
            one.sendall(
                b"POST /api/ask HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
            )
        outcomes: list[Outcome | str] = []
        ask(port, "hello", outcomes)
        assert outcomes[0][0] == 200
        for one in slow:
            one.close()
