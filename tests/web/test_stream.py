"""Answers that grow: over server-sent events, on the page with its stop button, behind waitress and gunicorn."""

import json
import os
import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fake_bot import CHOOSE, GENERATED, REFUND, FakeBot
from flask.testing import FlaskClient

from bot.settings import Settings
from web import create_app
from web.beating import beating

sys.path.insert(0, str(Path(__file__).parents[1] / "bot"))
from stub_llm import serving, wait_until

EVENTS = {"Accept": "text/event-stream, application/json;q=0.5"}
FIRST = replace(GENERATED, text="Returns are free [1].", trace={"lang": "en"})
WHOLE = replace(GENERATED, text="Returns are free [1]. They take 14 days [2].", trace={"lang": "en"})
HONEST = "Ask within 7 days [r1]. Press Forgot password [p2]."
UNSURE = "reset my refund"


def events(body: str) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for block in body.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        if fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


@pytest.fixture
def bot() -> FakeBot:
    made = FakeBot(generates=True)
    made.growing["write something"] = [FIRST, WHOLE]
    made.answers["write something"] = WHOLE
    return made


def test_an_answer_grows_and_the_last_event_is_whole(client: FlaskClient) -> None:
    response = client.post("/api/ask", json={"message": "write something"}, headers=EVENTS)
    assert response.content_type == "text/event-stream; charset=utf-8"
    assert response.headers["X-Accel-Buffering"] == "no"
    found = events(response.text)
    assert [(name, answer["text"]) for name, answer in found] == [
        ("partial", FIRST.text),
        ("partial", WHOLE.text),
        ("partial", WHOLE.text),
        ("answer", WHOLE.text),
    ]


@pytest.mark.parametrize(("message", "answer"), [("How do I get a refund?", REFUND), ("which one", CHOOSE)])
def test_a_stored_answer_is_one_event(client: FlaskClient, message: str, answer: Any) -> None:
    found = events(client.post("/api/ask", json={"message": message}, headers=EVENTS).text)
    assert [(name, one["text"]) for name, one in found] == [("answer", answer.text)]


def test_who_does_not_ask_for_events_gets_json(client: FlaskClient) -> None:
    for accept in ("application/json", "*/*", ""):
        response = client.post("/api/ask", json={"message": "write something"}, headers={"Accept": accept})
        assert response.get_json()["text"] == WHOLE.text


def test_a_refusal_is_a_status_and_not_an_event(client: FlaskClient) -> None:
    response = client.post("/api/ask", json={"message": ""}, headers=EVENTS)
    assert (response.status_code, response.get_json()["error"]["code"]) == (422, "message_empty")


def test_without_a_generator_there_are_no_events() -> None:
    response = create_app(FakeBot()).test_client().post("/api/ask", json={"message": "which one"}, headers=EVENTS)
    assert response.get_json()["text"] == CHOOSE.text


def test_what_grew_is_written_down_once(bot: FakeBot, tmp_path: Path) -> None:
    app = create_app(bot, Settings(journal=tmp_path / "journal.db"))
    found = events(app.test_client().post("/api/ask", json={"message": "write something"}, headers=EVENTS).text)
    assert "exchange" not in found[0][1]["trace"]
    named = found[-1][1]["trace"]["exchange"]
    app.extensions["journal"].close()

    with closing(sqlite3.connect(tmp_path / "journal.db")) as database:
        rows = database.execute("select id, decision, text from exchanges").fetchall()
    assert rows == [(named, "generated", WHOLE.text)]


def test_a_stream_that_breaks_says_so(bot: FakeBot, client: FlaskClient) -> None:
    def breaking() -> Iterator[Any]:
        yield FIRST
        raise RuntimeError

    bot.stream = lambda *_, **__: breaking()  # type: ignore[method-assign]
    body = client.post("/api/ask", json={"message": "write something"}, headers=EVENTS).text
    assert body.endswith("event: error\ndata: {}\n\n")


# ---- While nothing is ready


def test_a_remark_keeps_the_connection_while_nothing_is_ready(
    bot: FakeBot, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold = threading.Event()

    def growing() -> Iterator[Any]:
        assert hold.wait(30)
        yield WHOLE

    bot.stream = lambda *_, **__: growing()  # type: ignore[method-assign]
    monkeypatch.setattr("web.asking.SILENCE", 0.01)
    response = client.post("/api/ask", json={"message": "write something"}, headers=EVENTS)
    sent = response.iter_encoded()
    assert [next(sent) for _ in range(3)] == [b": searching\n\n", *[b": still searching\n\n"] * 2]
    hold.set()
    rest = b"".join(sent).decode()
    response.close()
    assert [(name, one["text"]) for name, one in events(rest)] == [("partial", WHOLE.text), ("answer", WHOLE.text)]


def test_the_line_of_a_stream_is_written_at_its_end_with_its_decision(
    bot: FakeBot, capsys: pytest.CaptureFixture[str]
) -> None:
    client = create_app(bot, Settings(log="json")).test_client()
    with client.post("/api/ask", json={"message": "write something"}, headers=EVENTS) as response:
        assert capsys.readouterr().err == ""
        assert response.text
    (line,) = [json.loads(one) for one in capsys.readouterr().err.splitlines()]
    assert (line["decision"], line["channel"], line["id"]) == ("generated", "api", response.headers["X-Request-ID"])


def test_who_leaves_early_ends_the_work_and_is_written_down(bot: FakeBot, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is taken from the bot after the piece that is on its way."""
    ended, hold, further = threading.Event(), threading.Event(), list[str]()

    def growing() -> Iterator[Any]:
        try:
            yield FIRST
            assert hold.wait(30)
            yield WHOLE
            further.append("nobody listens any more")
        finally:
            ended.set()

    bot.stream = lambda *_, **__: growing()  # type: ignore[method-assign]
    client = create_app(bot, Settings(log="json")).test_client()
    response = client.post("/api/ask", json={"message": "write something"}, headers=EVENTS)
    sent = response.iter_encoded()
    assert b"searching" in next(sent)
    assert FIRST.text.encode() in next(sent)
    response.close()
    hold.set()
    assert ended.wait(30)
    assert further == []
    (line,) = [json.loads(one) for one in capsys.readouterr().err.splitlines()]
    assert line["decision"] == "generated"


def test_what_is_raised_while_it_beats_is_raised_to_who_reads() -> None:
    def growing() -> Iterator[int]:
        yield 1
        raise KeyError("lost")

    read = beating(growing(), 30.0)
    assert next(read) == 1
    with pytest.raises(KeyError, match="lost"):
        next(read)


# ---- Labels


def test_without_javascript_the_reply_is_labelled_with_all_sources(client: FlaskClient) -> None:
    page = client.post("/", data={"message": "write something"}, headers={"Accept": "text/html"}).text
    assert "Written by a language model" in page
    assert page.index("How do I get a refund?</a>") < page.index("How long does a refund take?</li>")


def test_slack_and_the_webhook_label_it(bot: FakeBot) -> None:
    from web.slack_blocks import said
    from web.webhook import in_markdown

    (context,) = [b for b in said(WHOLE, "ko")["blocks"] if "언어 모델이 쓴 답변" in json.dumps(b, ensure_ascii=False)]
    assert "[1] <http://shop.example/a|How do I get a refund?>" in context["elements"][0]["text"]
    assert "[2] How long does a refund take?" in context["elements"][0]["text"]
    assert in_markdown(WHOLE, "en").splitlines()[2:] == [
        "_Written by a language model_",
        "1\\. [How do I get a refund?](http://shop.example/a)",
        "2\\. How long does a refund take?",
    ]


# ---- Real servers


@contextmanager
def started(command: list[str], spec: str, folder: Path) -> Iterator[str]:
    """The address of a server on an index in `folder`."""
    environment = {**os.environ, "MUNDAP_GENERATOR": spec, "MUNDAP_INDEX": str(folder / "index")}
    log = folder / "stderr"
    with log.open("w") as told:
        process = subprocess.Popen(command, env=environment, stderr=told)
    try:
        listening = re.compile(r"Listening \w+:? (http://[\d.:]+)")
        wait_until(lambda: bool(listening.search(log.read_text())) or process.poll() is not None, 60)
        found = listening.search(log.read_text())
        assert found, log.read_text()
        yield found[1]
    finally:
        process.terminate()
        process.wait(60)


WAITRESS = [sys.executable, "-c", "from web.cli import main; main()", "serve", "--port", "0"]
GUNICORN = [sys.executable, "-m", "gunicorn", "--worker-class", "gthread", "--threads", "4", "--bind", "127.0.0.1:0"]


@pytest.mark.parametrize("command", [WAITRESS, [*GUNICORN, "web:create_app()"]], ids=["waitress", "gunicorn"])
def test_a_sentence_arrives_before_the_next_is_written(command: list[str], small: Path, tmp_path: Path) -> None:
    if "gunicorn" in command:
        pytest.importorskip("gunicorn")
    from indexer.build import build_index

    build_index(small, tmp_path / "index", "tfidf?dim=256")
    asked: dict[str, Any] = {"json": {"message": UNSURE}, "headers": EVENTS, "timeout": 30}
    with serving(HONEST, "slow") as stub:
        spec = stub.spec.replace("timeout=5", "timeout=3")
        with started(command, spec, tmp_path) as address, httpx.Client(trust_env=False) as client:
            body = ""
            with client.stream("POST", f"{address}/api/ask", **asked) as reply:
                for text in reply.iter_text():
                    body += text
                    if "event: partial" in body and body.endswith("\n\n"):
                        break
            assert events(body)[0][1]["text"] == "Ask within 7 days [1]."
            assert not stub.let_go.is_set()
            stub.mode = "honest"
            whole = client.post(f"{address}/api/ask", json={"message": UNSURE}, timeout=30).json()
    assert whole["text"] == "Ask within 7 days [1]. Press Forgot password [2]."


# ---- The page


@pytest.fixture
def page(browser: Any, site: str) -> Iterator[Any]:
    context = browser.new_context(locale="en-US", reduced_motion="reduce")
    opened = context.new_page()
    opened.goto(site)
    yield opened
    context.close()


@pytest.mark.browser
def test_the_page_shows_sentences_as_they_come_and_can_be_stopped(page: Any, bot: FakeBot) -> None:
    hold = threading.Event()

    def growing() -> Iterator[Any]:
        yield FIRST
        assert hold.wait(30)
        yield WHOLE

    bot.stream = lambda *_, **__: growing()  # type: ignore[method-assign]
    page.fill("#message", "write something")
    page.keyboard.press("Enter")
    page.wait_for_selector(".theirs .text:has-text('Returns are free')")
    assert page.locator(".theirs .written").inner_text() == "Written by a language model"
    page.click("[data-stop]")
    page.wait_for_selector("#log:not(:has([data-stop])) .theirs")
    assert page.locator(".theirs .text").inner_text() == FIRST.text
    assert page.locator(".theirs .sources li").all_inner_texts() == [
        "How do I get a refund?",
        "How long does a refund take?",
    ]
    hold.set()
    page.fill("#message", "write something")
    page.keyboard.press("Enter")
    page.wait_for_selector("#log:not(:has([data-stop])) .theirs:has-text('They take 14 days')")
    assert page.locator("[data-stop]").count() == 0


@pytest.mark.browser
def test_the_page_can_be_stopped_before_there_is_a_word(page: Any, bot: FakeBot) -> None:
    hold = threading.Event()

    def growing() -> Iterator[Any]:
        assert hold.wait(30)
        yield WHOLE

    bot.stream = lambda *_, **__: growing()  # type: ignore[method-assign]
    page.fill("#message", "write something")
    page.keyboard.press("Enter")
    page.click("[data-stop]")
    page.wait_for_selector(".trouble:has-text('Stopped.')")
    assert page.locator("[data-retry]").count() == 1
    hold.set()
