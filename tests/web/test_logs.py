"""Logs: one line a request with what an operator needs, and never a word that a visitor wrote or a secret."""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_bot import FakeBot
from flask import Flask
from flask.testing import FlaskClient

from bot.settings import Settings
from indexer.errors import UserError
from web import create_app

Lines = list[dict[str, Any]]


def logged(capsys: pytest.CaptureFixture[str]) -> Lines:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


@pytest.fixture
def client(bot: FakeBot) -> FlaskClient:
    return create_app(bot, Settings(log="json")).test_client()


def test_a_request_is_one_line(client: FlaskClient, capsys: pytest.CaptureFixture[str]) -> None:
    response = client.post("/api/ask", json={"message": "How do I get a refund?", "session": "s-77"})
    (line,) = logged(capsys)
    assert line.pop("ms") >= 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("timestamp"))
    assert line == {
        "event": "request",
        "level": "info",
        "method": "POST",
        "route": "/api/ask",
        "status": 200,
        "id": response.headers["X-Request-ID"],
        "channel": "api",
        "decision": "answer",
    }


def test_the_page_without_javascript_is_the_channel_chat(
    client: FlaskClient, capsys: pytest.CaptureFixture[str]
) -> None:
    client.post("/", data={"message": "weather on Mars"})
    (line,) = logged(capsys)
    assert (line["route"], line["channel"], line["decision"]) == ("/", "chat", "abstain")


@pytest.mark.parametrize(
    ("path", "route", "status"),
    [
        ("/api/search?q=mysecretquestion", "/api/search", 200),
        ("/api/search?k=mysecretquestion&q=hi", "/api/search", 422),
        ("/mysecretquestion", "none", 404),
        ("/static/mysecretquestion", "/static/<path:filename>", 404),
        ("/?lang=mysecretquestion", "/", 200),
    ],
)
def test_an_address_is_logged_as_its_rule(
    client: FlaskClient, capsys: pytest.CaptureFixture[str], path: str, route: str, status: int
) -> None:
    client.get(path)
    err = capsys.readouterr().err
    assert "mysecretquestion" not in err
    line = json.loads(err)
    assert (line["route"], line["status"]) == (route, status)


def test_a_method_that_nobody_knows_is_neither_logged_nor_sent_back(
    client: FlaskClient, capsys: pytest.CaptureFixture[str]
) -> None:
    response = client.open("/api/ask", method="MYSECRET")
    assert response.status_code == 405
    assert "MYSECRET" not in response.text
    (line,) = logged(capsys)
    assert line["method"] == "OTHER"


@pytest.mark.parametrize("given", ["a", "req-1.2_3", "A" * 64])
def test_a_sane_id_is_taken_over(client: FlaskClient, capsys: pytest.CaptureFixture[str], given: str) -> None:
    response = client.get("/api/nothing", headers={"X-Request-ID": given})
    assert response.headers["X-Request-ID"] == given
    assert response.get_json()["error"]["request_id"] == given
    assert [line["id"] for line in logged(capsys)] == [given]


@pytest.mark.parametrize("given", ["", "A" * 65, "two words", "a=b", '"', "a\tb", "é", "<b>"])
def test_any_other_is_replaced(client: FlaskClient, given: str) -> None:
    ids = {client.get("/api/nothing", headers={"X-Request-ID": given}).headers["X-Request-ID"] for _ in range(2)}
    assert len(ids) == 2
    assert all(re.fullmatch("[0-9a-f]{32}", one) for one in ids)


def test_a_bug_is_logged_with_its_place_and_the_id_of_its_request(
    client: FlaskClient, bot: FakeBot, capsys: pytest.CaptureFixture[str]
) -> None:
    bot.failure = RuntimeError("something broke")
    response = client.post("/api/ask", json={"message": "hello"})
    bug, request = logged(capsys)
    assert "RuntimeError: something broke" in bug["exception"]
    assert "fake_bot.py" in bug["exception"]
    assert (bug["level"], request["level"], request["status"]) == ("error", "error", 500)
    assert bug["id"] == request["id"] == response.get_json()["error"]["request_id"]


def test_visitors_hear_nothing_of_folders_and_operators_all(
    client: FlaskClient, bot: FakeBot, capsys: pytest.CaptureFixture[str]
) -> None:
    bot.failure = UserError("/srv/mundap/index is damaged; type: indexer build /srv/mundap/qa.csv")
    for response in (
        client.post("/api/ask", json={"message": "hello"}),
        client.get("/api/health"),
        client.get("/", headers={"Accept": "text/html"}),
    ):
        assert response.status_code == 503
        assert "/srv" not in response.text
        assert "indexer" not in response.text
    reasons = [line["event"] for line in logged(capsys) if line["event"] != "request"]
    assert reasons == [f"cannot answer: {bot.failure}"] * 3


def test_text_is_a_line_for_people(bot: FakeBot, capsys: pytest.CaptureFixture[str]) -> None:
    create_app(bot, Settings(log="text")).test_client().post("/api/ask", json={"message": "hello"})
    (line,) = capsys.readouterr().err.splitlines()
    for part in ("info", "request", "method=POST", "route=/api/ask", "status=200", "decision=smalltalk"):
        assert part in line
    assert "\x1b" not in line


def test_a_second_application_does_not_write_twice(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        app = create_app(FakeBot(), Settings(log="json"))
    app.test_client().get("/api/health")
    assert len(logged(capsys)) == 1


# ---- Secrets

SECRETS = {
    "slack_signing_secret": "8f742231b10e8888abcd99yyyzzz85a5",
    "slack_bot_token": "xoxb-17653672481-19874698323",
    "webhook_token": "wh-6yhgtrfdeswa",
}
KEY = "mk-0a1b2c3d4e5f"
ALL = [*SECRETS.values(), KEY]


@pytest.fixture
def secretive(bot: FakeBot, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Flask]:
    hashed = (hashlib.sha256(KEY.encode()).hexdigest(),)
    chosen: dict[str, Any] = SECRETS | {"api_keys": hashed, "per_client": "", "slack_inbox": tmp_path / "slack.db"}
    chosen["log"] = request.param
    app = create_app(bot, Settings(**chosen))
    yield app
    app.extensions["slack_work"].close()


def everywhere(client: FlaskClient, secret: str) -> list[str]:
    """Send a secret in every place; give the bodies, but for those that repeat what their sender wrote."""
    headers = {name: secret for name in ("X-Request-ID", "X-API-Key", "X-Page-Token", "User-Agent", "Origin", "X-Any")}
    headers |= {"X-Slack-Signature": secret, "Accept-Language": secret, "X-Forwarded-For": secret}
    bearer = {"Authorization": f"Bearer {secret}"}
    sent = [
        client.get(f"/{secret}"),
        client.get(f"/api/{secret}", headers=headers),
        client.get(f"/static/{secret}", headers=bearer),
        client.get(f"/api/health?{secret}={secret}", headers=headers),
        client.get("/api/search", query_string={"q": "hi", "k": secret}, headers=bearer),
        client.open("/api/ask", method=secret.upper(), headers=bearer),
        client.post("/api/ask", json={"message": "hello", secret: secret, "session": secret}, headers=headers),
        client.post("/api/ask", json={"message": "hello", "session": secret}, headers=bearer),
        client.post("/api/ask", data=secret, headers=bearer),
        client.post("/api/ask", data=secret, content_type=f"text/{secret}", headers=bearer),
        client.post("/api/vote", json={"exchange": secret, "vote": secret}, headers=bearer),
        client.post("/webhook", data={"token": secret, "text": "hello"}, headers=headers),
        client.post("/webhook", json={"text": "hello", "token": secret}, headers=bearer),
        client.post("/slack/events", json={"token": secret, "challenge": "x"}, headers=headers | bearer),
        client.get("/", headers={"Cookie": f"lang={secret}"} | bearer),
        client.get("/metrics", headers=headers),
    ]
    client.post("/api/ask", json={"message": secret}, headers=bearer)
    client.post("/", data={"message": secret})
    client.get("/api/search", query_string={"q": secret}, headers=bearer)
    return [f"{response.headers} {response.text}" for response in sent[1:]] + [sent[0].text]


@pytest.mark.parametrize("secretive", ["text", "json"], indirect=True)
@pytest.mark.parametrize("failing", [False, True])
def test_no_secret_comes_into_a_log_or_an_answer(
    secretive: Flask, bot: FakeBot, capsys: pytest.CaptureFixture[str], failing: bool
) -> None:
    client, bodies = secretive.test_client(), []
    for secret in ALL:
        bot.failure = RuntimeError("it broke") if failing else None
        bodies += everywhere(client, secret)
    captured = capsys.readouterr()
    assert "request" in captured.err
    # An id of the caller's own making comes back to the caller, as ids do; a key fits its form.
    said = [re.sub(r"(X-Request-ID: |\"request_id\": ?\")[^\s\"]+", "", body) for body in bodies]
    err = re.sub(r"(\bid=|\"id\": \")[^\s\"]+", "", captured.err)
    for secret in ALL:
        assert secret not in err
        assert secret.upper() not in err
        assert [body for body in said if secret in body] == []
    for hashed in secretive.extensions["settings"].api_keys:
        assert hashed not in captured.err + "".join(bodies)


@pytest.mark.parametrize("secretive", ["text", "json"], indirect=True)
def test_a_secret_in_the_text_of_an_exception_is_blotted_out(
    secretive: Flask, bot: FakeBot, capsys: pytest.CaptureFixture[str]
) -> None:
    bot.failure = RuntimeError(f"401 for {SECRETS['webhook_token']} at the gate")
    response = secretive.test_client().post("/", data={"message": "hello"})
    err = capsys.readouterr().err
    assert SECRETS["webhook_token"] not in err + response.text
    assert "401 for [secret] at the gate" in err
