"""The same message gets the same decision, with the same probability, on every channel; the journal tells."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from fake_slack import SECRET, TOKEN, FakeSlack, signature, until
from flask import Flask

from bot import cli as bot_cli
from bot.settings import Settings
from indexer import cli
from web import create_app, slack_send

SHEET = """id,question,answer
r1,How do I get a refund?,Write to us within 14 days.
r2,How do I pay in monthly rates?,Choose rates at the checkout.
r3,How do I pay by card?,Choose card at the checkout.
r4,비밀번호를 잊어버렸어요,비밀번호 찾기를 눌러 주세요.
r5,배송은 얼마나 걸리나요?,보통 이틀 걸립니다.
"""
MESSAGES = ("How do I get a refund?", "how do i pay", "배송 얼마나 걸려요", "a recipe for borscht", "고마워요")
TOLD = "message, channel, decision, confidence, generation"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("parity")
    (work / "qa.csv").write_text(SHEET, "utf-8")
    built = CliRunner().invoke(cli.main, ["build", str(work / "qa.csv"), "--out", str(work / "index")])
    assert built.exit_code == 0, built.output
    return work / "index"


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSlack]:
    fake = FakeSlack()
    monkeypatch.setattr(slack_send, "API", fake.api)
    yield fake
    fake.close()


@pytest.fixture
def app(index: Path, slack: FakeSlack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    from bot import open_bot

    settings = Settings(
        journal=tmp_path / "journal.db",
        slack_signing_secret=SECRET,
        slack_bot_token=TOKEN,
        slack_inbox=tmp_path / "slack.db",
        webhook_token="token-of-the-webhook",
    )
    made = create_app(open_bot(index), settings)
    yield made
    made.extensions["slack_work"].close()
    made.extensions["journal"].close()


def mention(client: Any, message: str, number: int) -> None:
    event = {"type": "app_mention", "user": "U1", "text": f"<@U0BOT> {message}", "ts": f"{number}.1", "channel": "C1"}
    body = {"type": "event_callback", "team_id": "T1", "event_id": f"E{number}", "api_app_id": "A1"}
    body |= {"event": event | {"event_ts": event["ts"]}, "authorizations": [{"user_id": "U0BOT", "team_id": "T1"}]}
    raw = json.dumps(body)
    sent = client.post("/slack/events", data=raw, headers={"Content-Type": "application/json", **signature(raw)})
    assert sent.status_code == 200


def test_one_message_one_decision(app: Flask, slack: FakeSlack, index: Path, tmp_path: Path) -> None:
    client = app.test_client()
    terminal = []
    for number, message in enumerate(MESSAGES, 1):
        for channel in ("api", "chat", "widget"):
            assert client.post("/api/ask", json={"message": message, "channel": channel}).status_code == 200
        assert client.post("/", data={"message": message}).status_code == 200
        assert client.post("/webhook", json={"text": message, "token": "token-of-the-webhook"}).status_code == 200
        mention(client, message, number)
        asked = CliRunner().invoke(bot_cli.main, ["ask", message, "--index", str(index), "--json"])
        terminal.append(json.loads(asked.stdout))
    until(lambda: len(slack.posts) == len(MESSAGES), "posts")
    with closing(sqlite3.connect(tmp_path / "journal.db")) as db:
        told = db.execute(f"SELECT {TOLD} FROM exchanges").fetchall()
    assert {channel for _, channel, *_ in told} == {"api", "chat", "widget", "webhook", "slack"}
    for message, answer in zip(MESSAGES, terminal, strict=True):
        found = [(channel, rest) for text, channel, *rest in told if text == message]
        assert len(found) == 6
        wanted = [answer["decision"], answer["confidence"], answer["trace"]["generation"]]
        assert [rest for _, rest in found] == [wanted] * 6
    assert {answer["decision"] for answer in terminal} >= {"answer", "abstain", "smalltalk"}
