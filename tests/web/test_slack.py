"""Slack: real signed requests in, a fake Slack on loopback out; each answer once, whatever breaks."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import waitress
from fake_bot import ABSTAIN, ANSWERS, CHOOSE, EVIL, REFUND, FakeBot
from fake_slack import SECRET, TOKEN, FakeSlack, objects, signature, until
from flask import Flask
from flask.testing import FlaskClient
from waitress import wasyncore

from bot.answer import Answer
from bot.settings import Settings
from indexer.errors import UserError
from web import create_app, slack_send, slack_work
from web.gate import Gate
from web.lanes import Lanes

BOT = "U0BOT"
HERE = Path(__file__).parent


@dataclass
class FakeJournal:
    """Remembers what it was told."""

    records: list[tuple[str, str]] = field(default_factory=list)
    votes: list[tuple[str, str]] = field(default_factory=list)
    choices: list[tuple[str, str]] = field(default_factory=list)

    def record(self, message: str, answer: Answer, channel: str, session: str | None, ms: float) -> str:
        self.records.append((message, channel))
        return f"x{len(self.records)}"

    def vote(self, exchange: str, vote: str) -> bool:
        self.votes.append((exchange, vote))
        return True

    def choose(self, exchange: str, row: str) -> bool:
        self.choices.append((exchange, row))
        return True


@dataclass
class Desk:
    """An application, and Slack's side of it."""

    app: Flask
    inbox: Path

    @property
    def client(self) -> FlaskClient:
        return self.app.test_client()

    def event(self, body: dict[str, Any], **headers: str) -> Any:
        raw = json.dumps(body)
        sent = {"Content-Type": "application/json", **signature(raw), **headers}
        return self.client.post("/slack/events", data=raw, headers=sent)

    def form(self, path: str, fields: dict[str, Any]) -> Any:
        raw = urlencode(fields)
        headers = {"Content-Type": "application/x-www-form-urlencoded", **signature(raw)}
        return self.client.post(path, data=raw, headers=headers)

    def click(self, body: dict[str, Any]) -> Any:
        return self.form("/slack/interactions", {"payload": json.dumps(body)})

    def rows(self, columns: str = "*") -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.inbox)) as db:
            return db.execute(f"SELECT {columns} FROM events ORDER BY rowid").fetchall()

    def settled(self, number: int) -> None:
        until(lambda: sum(done is not None for (done,) in self.rows("done")) >= number, f"{number} settled")

    def close(self) -> None:
        if "slack_work" in self.app.extensions:
            self.app.extensions["slack_work"].close()
        else:
            self.app.extensions["slack_inbox"].close()


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSlack]:
    fake = FakeSlack()
    monkeypatch.setattr(slack_send, "API", fake.api)
    monkeypatch.setattr(slack_work, "BACKOFF", 0.02)
    monkeypatch.setattr(slack_work, "LOOK", 0.1)
    yield fake
    fake.close()


@pytest.fixture
def start(slack: FakeSlack, bot: FakeBot, tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    """Start an application; all of them share one inbox."""
    started: list[Desk] = []

    def begin(journal: FakeJournal | None = None, token: str = TOKEN) -> Desk:
        inbox = tmp_path / "slack.db"
        settings = Settings(slack_signing_secret=SECRET, slack_bot_token=token, slack_inbox=inbox)
        desk = Desk(create_app(bot, settings), inbox)
        desk.app.extensions["journal"] = journal
        started.append(desk)
        return desk

    yield begin
    if bot.gate is not None:
        bot.gate.set()
    slack.go_on.set()
    for desk in started:
        desk.close()


@pytest.fixture
def desk(start: Callable[..., Desk]) -> Desk:
    return start()


def mention(text: str, ts: str = "1700000000.000100", **more: Any) -> dict[str, Any]:
    event = {"type": "app_mention", "user": "U1", "text": f"<@{BOT}> {text}", "ts": ts, "channel": "C1"}
    return wrapped(event | {"event_ts": ts} | more)


def direct(text: str, ts: str = "1700000000.000100", **more: Any) -> dict[str, Any]:
    event = {"type": "message", "channel_type": "im", "user": "U1", "text": text, "ts": ts, "channel": "D1"}
    return wrapped(event | {"event_ts": ts} | more)


def wrapped(event: dict[str, Any], event_id: str = "Ev1") -> dict[str, Any]:
    rights = [{"team_id": "T1", "user_id": BOT, "is_bot": True, "is_enterprise_install": False}]
    outer = {"type": "event_callback", "team_id": "T1", "api_app_id": "A1", "event_id": event_id}
    return outer | {"event": event, "authorizations": rights}


def written(found: Any) -> str:
    """All that a person reads in blocks."""
    return "\n".join(one["text"] for one in objects(found) if one.get("type") in ("mrkdwn", "plain_text"))


def buttons(found: Any) -> list[dict[str, Any]]:
    return [one for one in objects(found) if one.get("type") == "button"]


def clicked(button: dict[str, Any], message: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """What Slack sends for a click; a message that only one person sees is not sent along."""
    place: dict[str, Any] = {"type": "message", "message_ts": "1700009999.000000", "channel_id": "C1"}
    action = {"type": "button", "action_ts": "1700010000.1", "block_id": "thumbs_en"} | button
    body = {"type": "block_actions", "team": {"id": "T1"}, "user": {"id": "U1", "team_id": "T1"}}
    body |= {"channel": {"id": "C1"}, "actions": [action], "trigger_id": "7.7"}
    if message is None:
        return body | {"container": place | {"is_ephemeral": True}} | more
    return body | {"container": place, "message": message} | more


# What comes in


def test_closed_without_a_secret(client: FlaskClient) -> None:
    for path in ("events", "commands", "interactions"):
        raw = json.dumps(mention("hello"))
        closed = client.post(f"/slack/{path}", data=raw, headers=signature(raw, secret=""))
        assert closed.status_code == 404
        assert closed.get_json()["error"]["code"] == "not_found"


def test_slack_makes_sure_that_the_address_is_ours(desk: Desk) -> None:
    body = {
        "type": "url_verification",
        "token": "old",
        "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P",
    }
    answer = desk.event(body)
    assert (answer.status_code, answer.get_json()["challenge"]) == (200, body["challenge"])


def forgeries() -> dict[str, dict[str, str]]:
    raw, now = json.dumps(mention("hello")), time.time()
    good = signature(raw)
    return {
        "another secret": signature(raw, secret="guessed"),
        "another body": signature(raw + " "),
        "six minutes old": signature(raw, at=now - 360),
        "six minutes ahead": signature(raw, at=now + 360),
        "none": {},
        "no time": {"X-Slack-Signature": good["X-Slack-Signature"]},
        "no signature": {"X-Slack-Request-Timestamp": good["X-Slack-Request-Timestamp"]},
        "time in words": good | {"X-Slack-Request-Timestamp": "now"},
        "time that is endless": good | {"X-Slack-Request-Timestamp": "9" * 5_000},
        "another alphabet": good | {"X-Slack-Signature": "v0=\u00e9"},
    }


@pytest.mark.parametrize("name", forgeries())
@pytest.mark.parametrize("path", ["events", "commands", "interactions"])
def test_what_slack_did_not_sign_just_now_is_refused(desk: Desk, name: str, path: str) -> None:
    raw = json.dumps(mention("hello"))
    headers = {"Content-Type": "application/json", **forgeries()[name]}
    refused = desk.client.post(f"/slack/{path}", data=raw, headers=headers)
    assert refused.status_code == 401
    assert refused.get_json()["error"]["code"] == "slack_signature"
    assert desk.rows() == []


@pytest.mark.parametrize("raw", [b"{", b"payload=%7B", b"\xff\xfe{", b"", b"[" * 50_000])
def test_broken_bodies_are_refused_without_a_failure(desk: Desk, raw: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    assert desk.client.post("/slack/events", data=raw, headers=headers).status_code == 401
    signed = desk.client.post("/slack/events", data=raw, headers=headers | signature(raw.decode("utf-8", "replace")))
    assert signed.status_code < 500
    assert desk.rows() == []


def test_a_long_message_that_a_click_carries_is_read(desk: Desk) -> None:
    button = {"action_id": "thumb_up", "value": "x1"}
    body = clicked(button, {"ts": "1", "text": "가" * 30_000, "blocks": []})
    assert desk.click(body).status_code == 200


NOT_FOR_US = {
    "a bot's": {"bot_id": "B2"},
    "our own": {"user": BOT},
    "a notice": {"user": "USLACKBOT"},
    "an edit": {"subtype": "message_changed", "hidden": True},
    "a deletion": {"subtype": "message_deleted"},
    "a bot's message": {"subtype": "bot_message", "user": None},
    "somebody came": {"subtype": "channel_join"},
    "not for us": {"channel_type": "channel", "channel": "C1"},
}


@pytest.mark.parametrize("name", NOT_FOR_US)
def test_what_no_person_wrote_to_the_bot_is_acknowledged_and_left(desk: Desk, bot: FakeBot, name: str) -> None:
    assert desk.event(direct("How do I get a refund?", **NOT_FOR_US[name])).status_code == 200
    assert desk.rows() == []
    assert bot.asked == []


# What goes out


def test_a_mention_is_answered_in_its_thread(desk: Desk, bot: FakeBot, slack: FakeSlack) -> None:
    assert desk.event(mention("How do I get a refund?")).status_code == 200
    (post,) = slack.posted(1)
    assert bot.asked == [("How do I get a refund?", "slack:T1:C1:1700000000.000100")]
    assert (post["channel"], post["thread_ts"]) == ("C1", "1700000000.000100")
    assert (post["unfurl_links"], post["unfurl_media"]) == (False, False)
    lines = written(post["blocks"])
    assert "You can return an item within 14 days.\nWrite to us first: <https://shop.example/returns>, please." in lines
    assert "Quite sure (92\u00a0%) · Source: <https://www.shop.example/help/refunds|How do I get a refund?>" in lines
    assert "*Why this answer?* The first candidate is right with more than 85 %. · Found by: meaning" in lines
    assert buttons(post["blocks"]) == []  # no journal, no thumbs
    assert post["text"].startswith("You can return an item")


def test_a_long_answer_begins_with_its_sentence_and_an_upset_visitor_is_offered_a_person(
    desk: Desk, bot: FakeBot, slack: FakeSlack
) -> None:
    marked = {
        "short": "You can return an item within 14 days.",
        "person": "You can reach a person here: a@shop.example",
    }
    bot.answers["how"] = replace(REFUND, trace={**REFUND.trace, **marked})
    desk.event(mention("how"))
    (post,) = slack.posted(1)
    first, whole, person, *_ = [block["text"]["text"] for block in post["blocks"] if block["type"] == "section"]
    assert first == "*You can return an item within 14 days.*"
    assert whole.startswith("You can return an item within 14 days.\nWrite to us first")  # Slack folds it
    assert person == marked["person"]
    assert post["text"] == marked["short"]


def test_a_short_form_that_a_model_wrote_is_labelled_above_the_stored_answer(
    desk: Desk, bot: FakeBot, slack: FakeSlack
) -> None:
    written_by = {"short": "Returns <within> 14 days.", "short_by": "shortener"}
    bot.answers["how"] = replace(REFUND, trace={**REFUND.trace, **written_by})
    bot.answers["어떻게"] = replace(REFUND, trace={**REFUND.trace, **written_by})
    bot.answers["unnamed"] = replace(REFUND, trace={**REFUND.trace, "short": "Returns within 14 days."})
    for number, text in enumerate(("how", "어떻게", "unnamed"), 11):
        desk.event(direct(text, ts=f"{number}.0"))
    posts = {post["thread_ts"]: post for post in slack.posted(3)}
    for ts, label in (("11.0", "Written by a language model"), ("12.0", "언어 모델이 쓴 답변")):
        short, small, whole, *_ = posts[ts]["blocks"]
        assert short["text"]["text"] == "*Returns &lt;within&gt; 14 days.*"
        assert (small["type"], small["elements"][0]["text"]) == ("context", label)
        assert whole["text"]["text"].startswith("You can return an item within 14 days.\nWrite to us first")
        assert posts[ts]["text"].startswith("You can return an item")  # a notification shows what was stored
    assert posts["13.0"]["blocks"][0]["text"]["text"].startswith("You can return an item")


def test_a_direct_message_in_korean_is_answered_in_korean(desk: Desk, bot: FakeBot, slack: FakeSlack) -> None:
    desk.event(direct("비밀번호를 잊어버렸어요"))
    (post,) = slack.posted(1)
    assert (post["channel"], post["thread_ts"]) == ("D1", "1700000000.000100")
    lines = written(post["blocks"])
    assert "로그인 화면에서 '비밀번호 찾기'를 누르고" in lines
    assert "아마 맞을 거예요 (71%) · 출처: <mailto:help@shop.example|비밀번호를 잊어버렸어요>" in lines
    assert "*왜 이 답변인가요?* 찾은 방법: 똑같은 문장 · 주제에 맞을 확률: 99%" in lines


def test_a_thread_is_one_conversation_and_so_is_a_direct_message(desk: Desk, bot: FakeBot, slack: FakeSlack) -> None:
    desk.event(mention("one", ts="10.1"))
    desk.event(mention("two", ts="10.2", thread_ts="10.1"))
    desk.event(mention("three", ts="10.3"))
    desk.event(direct("four", ts="10.4"))
    desk.event(direct("five", ts="10.5"))
    posts = slack.posted(5)
    assert sorted((post["channel"], post["thread_ts"]) for post in posts) == [
        ("C1", "10.1"), ("C1", "10.1"), ("C1", "10.3"), ("D1", "10.4"), ("D1", "10.5"),
    ]  # fmt: skip
    sessions = dict(bot.asked)
    assert sessions["one"] == sessions["two"] == "slack:T1:C1:10.1"
    assert sessions["three"] == "slack:T1:C1:10.3"
    assert sessions["four"] == sessions["five"] == "slack:T1:D1:direct"


def test_a_thread_is_answered_in_its_order(desk: Desk, bot: FakeBot, slack: FakeSlack) -> None:
    slack.plan["chat.postMessage"] = deque(["500"])
    texts = [f"number {number}" for number in range(12)]
    for number, text in enumerate(texts):
        desk.event(direct(text, ts=f"10.{number:02}"))
    posts = slack.posted(12)
    assert [post["thread_ts"] for post in posts] == [f"10.{number:02}" for number in range(12)]
    assert [message for message, _ in bot.asked] == texts


def test_markup_reaches_the_bot_as_a_person_wrote_it(desk: Desk, bot: FakeBot, slack: FakeSlack) -> None:
    desk.event(
        mention(
            "a &lt;b&gt; &amp;amp; <#C2|general> <https://x.example/a|x.example/a> <mailto:a@b.example|a@b.example>"
        )
    )
    slack.posted(1)
    assert bot.asked[0][0] == "a <b> &amp; #general x.example/a a@b.example"


def test_nothing_stored_or_asked_can_call_a_whole_channel(desk: Desk, bot: FakeBot, slack: FakeSlack) -> None:
    shout = "<!channel> & <@U1> <!subteam^S1> @channel #general"
    source = {"id": "q9", "entry": "e9", "question": shout, "answer": shout, "score": 0.9, "rank_score": 0.9}
    bot.answers[shout] = Answer("answer", shout, 0.9, [source], REFUND.sources, {"rule": shout})
    bot.answers["which"] = Answer("choose", shout, 0.4, [source], (), {})
    desk.event(mention("&lt;!channel&gt; &amp; &lt;@U1&gt; &lt;!subteam^S1&gt; @channel #general", ts="10.1"))
    desk.event(mention("which", ts="10.2"))
    desk.event(mention("evil", ts="10.3"))
    desk.form("/slack/commands", command(slack, "&lt;!channel&gt; &amp; @channel"))
    slack.posted(3)
    until(lambda: slack.whispers)
    assert shout in [message for message, _ in bot.asked]
    for message in [*slack.posts, *slack.whispers]:
        shown = [message["text"], *(one["text"] for one in objects(message["blocks"]) if one.get("type") == "mrkdwn")]
        assert all("<!" not in text and "<@" not in text and "<script" not in text for text in shown)
        assert all(one["verbatim"] for one in objects(message["blocks"]) if one.get("type") == "mrkdwn")
    assert any("&lt;!channel&gt; &amp; &lt;@U1&gt;" in written(post["blocks"]) for post in slack.posts)
    assert not any("javascript" in written(post["blocks"]) for post in slack.posts)
    assert EVIL.text in [answer.text for answer in bot.answers.values()]


def test_a_long_answer_is_cut_into_sections_that_slack_takes(desk: Desk, bot: FakeBot, slack: FakeSlack) -> None:
    bot.answers["long"] = Answer("answer", "갑&을 " * 9_000, 0.9, [], (), {})
    desk.event(mention("long"))
    (post,) = slack.posted(1)  # the fake refuses what is too long
    sections = [block["text"]["text"] for block in post["blocks"] if block["type"] == "section"]
    assert len(sections) == 3
    assert all(len(text) > 2_900 for text in sections)
    assert [text.endswith(" …") for text in sections] == [False, False, True]
    assert not any(text.strip().startswith(("amp;", ";")) for text in sections)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "Write a question after my name"),
        ("\u200b", "Write a question after my name"),
        ("x" * 2_001, "longer than 2,000 characters"),
        ("긴 글 " * 700, "2,000자를 넘습니다"),
    ],
)
def test_what_cannot_be_asked_gets_a_sentence(
    desk: Desk, bot: FakeBot, slack: FakeSlack, text: str, sentence: str
) -> None:
    desk.event(mention(text))
    (post,) = slack.posted(1)
    assert sentence in written(post["blocks"])
    assert bot.asked == []


def command(slack: FakeSlack, text: str, trigger: str = "13345224609.738474920") -> dict[str, str]:
    who = {"team_id": "T1", "channel_id": "C1", "user_id": "U1", "command": "/ask", "text": text}
    return who | {"response_url": f"{slack.base}/response/1", "trigger_id": trigger}


def test_a_slash_command_is_answered_to_whoever_typed_it(start: Callable[..., Desk], slack: FakeSlack) -> None:
    journal = FakeJournal()
    desk = start(journal)
    asked = desk.form("/slack/commands", command(slack, "비밀번호를 잊어버렸어요"))
    assert (asked.status_code, asked.get_data()) == (200, b"")
    until(lambda: slack.whispers)
    (whisper,) = slack.whispers
    assert (whisper["response_type"], whisper["replace_original"]) == ("ephemeral", False)
    assert "*질문:* 비밀번호를 잊어버렸어요" in written(whisper["blocks"])
    assert [button["text"]["text"] for button in buttons(whisper["blocks"])] == [
        "👍 도움이 됐어요",
        "👎 도움이 안 됐어요",
    ]
    desk.form("/slack/commands", command(slack, "비밀번호를 잊어버렸어요"))  # the very same once more
    desk.form("/slack/commands", command(slack, "hello", trigger="2"))
    until(lambda: len(slack.whispers) == 2)
    assert slack.posts == []
    assert journal.records == [("비밀번호를 잊어버렸어요", "slack"), ("hello", "slack")]


# Buttons


def test_a_choice_is_answered_once_in_the_thread_and_written_down(
    start: Callable[..., Desk], bot: FakeBot, slack: FakeSlack
) -> None:
    journal = FakeJournal()
    desk = start(journal)
    desk.event(mention("which one", ts="10.1"))
    (offer,) = slack.posted(1)
    offered = buttons(offer["blocks"])
    assert [json.loads(button["value"])["row"] for button in offered] == ["q1", "q4", "q5"]
    for candidate in CHOOSE.candidates[:3]:
        assert candidate["question"] in written(offer["blocks"])
    message = {"ts": "1700009999.000000", "thread_ts": "10.1", "text": offer["text"], "blocks": offer["blocks"]}
    for number in range(3):
        assert desk.click(clicked(offered[1] | {"action_ts": f"20.{number}"}, message)).status_code == 200
    answer = slack.posted(2)[1]
    assert (answer["channel"], answer["thread_ts"]) == ("C1", "10.1")
    assert "*고른 질문:* 비밀번호를 잊어버렸어요" in written(answer["blocks"])
    assert "'비밀번호 찾기'를 누르고" in written(answer["blocks"])
    assert journal.choices == [("x1", "q4")]
    assert bot.asked[1] == ("비밀번호를 잊어버렸어요", "slack:T1:C1:10.1")
    desk.settled(2)
    assert len(desk.rows()) == 2
    assert len(slack.posts) == 2


def test_a_choice_gets_its_stored_answer_also_where_the_bot_would_ask_back(
    start: Callable[..., Desk], bot: FakeBot, slack: FakeSlack
) -> None:
    bot.answers["How do I get a refund?"] = CHOOSE  # the sheet stores it twice
    desk = start()
    value = json.dumps({"exchange": "", "row": "q1", "question": "How do I get a refund?"})
    desk.click(clicked({"action_id": "choose_1", "value": value}, {"ts": "9.9", "blocks": []}))
    (post,) = slack.posted(1)
    assert "Answer 1." in written(post["blocks"])
    assert "Source: How do I get a refund?" in written(post["blocks"])


def test_a_choice_that_one_person_sees_is_answered_to_this_person(desk: Desk, slack: FakeSlack) -> None:
    value = json.dumps({"exchange": "x1", "row": "q1", "question": "How do I get a refund?"})
    desk.click(clicked({"action_id": "choose_1", "value": value}, response_url=f"{slack.base}/response/2"))
    until(lambda: slack.whispers)
    assert "within 14 days" in written(slack.whispers[0]["blocks"])
    assert slack.posts == []


@pytest.mark.parametrize(
    ("number", "vote", "thanks"), [(0, "up", "👍 Marked as helpful"), (1, "down", "👎 Marked as not")]
)
def test_a_thumb_is_written_down_and_thanked_for(
    start: Callable[..., Desk], slack: FakeSlack, number: int, vote: str, thanks: str
) -> None:
    journal = FakeJournal()
    desk = start(journal)
    desk.event(mention("How do I get a refund?"))
    (post,) = slack.posted(1)
    message = {"ts": "1700009999.000000", "text": post["text"], "blocks": post["blocks"]}
    button = buttons(post["blocks"])[number]
    assert desk.click(clicked(button | {"block_id": "thumbs_en"}, message)).status_code == 200
    until(lambda: slack.updates)
    (update,) = slack.updates
    assert journal.votes == [("x1", vote)]
    assert (update["channel"], update["ts"]) == ("C1", "1700009999.000000")
    assert update["blocks"][:-1] == post["blocks"][:-1]
    assert thanks in written(update["blocks"][-1])
    assert buttons(update["blocks"]) == []


def test_a_thumb_that_one_person_sees_is_thanked_for_there(start: Callable[..., Desk], slack: FakeSlack) -> None:
    journal = FakeJournal()
    button = {"action_id": "thumb_up", "value": "x7", "block_id": "thumbs_ko"}
    start(journal).click(clicked(button, response_url=f"{slack.base}/response/3"))
    until(lambda: slack.whispers)
    assert journal.votes == [("x7", "up")]
    assert written(slack.whispers[0]["blocks"]) == "👍 도움이 됐다고 기록했어요. 고마워요!"
    assert slack.whispers[0]["replace_original"] is False


def test_other_buttons_are_acknowledged(desk: Desk) -> None:
    assert desk.click(clicked({"action_id": "link", "value": "x"}, {"ts": "1"})).status_code == 200
    assert desk.rows() == []


# Once, whatever breaks


def test_eleven_events_of_one_message_are_answered_once(
    start: Callable[..., Desk], bot: FakeBot, slack: FakeSlack
) -> None:
    desk = start()
    bodies = [mention("hello", event_id=f"Ev{number}") | {"event_id": f"Ev{number}"} for number in range(11)]
    statuses: list[int] = []

    def send(number: int) -> None:
        headers = {"X-Slack-Retry-Num": str(number), "X-Slack-Retry-Reason": "http_timeout"}
        statuses.append(desk.event(bodies[number], **headers).status_code)

    threads = [threading.Thread(target=send, args=[number]) for number in range(11)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert statuses == [200] * 11
    desk.settled(1)
    desk.close()
    again = start()  # as after a restart
    again.event(bodies[3])
    again.event(wrapped(mention("hello")["event"] | {"type": "message", "channel_type": "im"}))
    again.event(mention("another", ts="11.1"))
    slack.posted(2)
    assert [post["thread_ts"] for post in slack.posts] == ["1700000000.000100", "11.1"]
    assert len(bot.asked) == 2
    again.settled(2)
    assert [row for row in again.rows("payload, reply")] == [("", "")] * 2  # what was said is forgotten


@contextmanager
def serving(app: Flask, **options: Any) -> Iterator[Any]:
    """A real server in a thread."""
    server = waitress.create_server(app, host="127.0.0.1", port=0, **options)
    running = threading.Thread(target=server.run, daemon=True)
    running.start()
    try:
        yield server
    finally:
        server.trigger.pull_trigger(lambda: wasyncore.close_all(server._map, ignore_all=True))
        server.task_dispatcher.shutdown()
        running.join(30)
    assert not running.is_alive()


def test_acknowledged_while_every_thread_waits_for_the_encoder(desk: Desk, bot: FakeBot, slack: FakeSlack) -> None:
    bot.gate = threading.Event()
    with serving(desk.app, _dispatcher=Lanes(1)) as server:
        ask = [server, "/api/ask", '{"message": "hello"}']
        busy = [threading.Thread(target=over_http, args=ask, daemon=True) for _ in range(2)]
        for thread in busy:
            thread.start()
        until(lambda: len(server.task_dispatcher.queue) == 1, "one at work and one waiting")
        raw = json.dumps(mention("How do I get a refund?"))
        assert over_http(server, "/slack/events", raw, signature(raw)) == 200  # no thread but its own is free
        assert slack.posts == []
        assert not bot.gate.is_set()
        bot.gate.set()
        slack.posted(1)
        for thread in busy:
            thread.join(30)


def over_http(server: Any, path: str, body: str, headers: dict[str, str] | None = None) -> int:
    port = server if isinstance(server, int) else server.effective_port
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", path, body, {"Content-Type": "application/json", **(headers or {})})
    status = connection.getresponse().status
    connection.close()
    return status


def test_too_many_calls_wait_as_long_as_slack_says(desk: Desk, slack: FakeSlack) -> None:
    slack.plan["chat.postMessage"] = deque(["429 1"])
    desk.event(mention("How do I get a refund?"))
    slack.posted(1)
    first, second = (at for method, _, at in slack.calls if method == "chat.postMessage")
    assert second - first >= 0.99
    assert slack.count("conversations.replies") == 0  # it is certain that nothing was posted


@pytest.mark.parametrize("trouble", ["500", "503", "lost", "fatal_error", "500 kept", "unheard"])
def test_a_post_that_may_have_gone_out_is_looked_for_first(desk: Desk, slack: FakeSlack, trouble: str) -> None:
    slack.plan["chat.postMessage"] = deque([trouble])
    slack.plan["conversations.replies"] = deque(["500", "429 0", "lost"])  # the look may fail as well
    desk.event(mention("How do I get a refund?", ts="10.1"))
    desk.settled(1)
    assert len(slack.posts) == 1
    assert slack.count("conversations.replies") >= 4
    assert slack.count("chat.postMessage") == (1 if "kept" in trouble or trouble == "unheard" else 2)


def test_the_look_goes_through_a_long_thread(desk: Desk, slack: FakeSlack) -> None:
    for number in range(5):
        desk.event(mention("hello", ts=f"10.{number + 2}", thread_ts="10.1"))
    desk.settled(5)
    slack.plan["chat.postMessage"] = deque(["unheard"])
    desk.event(mention("How do I get a refund?", ts="10.8", thread_ts="10.1"))
    desk.settled(6)
    assert len(slack.posts) == 6
    assert slack.count("conversations.replies") == 4


def test_a_thread_that_may_not_be_read_is_answered_all_the_same(desk: Desk, slack: FakeSlack) -> None:
    slack.plan["chat.postMessage"] = deque(["lost"])
    slack.plan["conversations.replies"] = deque(["missing_scope"])
    desk.event(mention("How do I get a refund?"))
    slack.posted(1)


def test_what_slack_will_never_take_is_given_up(desk: Desk, slack: FakeSlack, caplog: pytest.LogCaptureFixture) -> None:
    slack.plan["chat.postMessage"] = deque(["is_archived"])
    desk.event(mention("How do I get a refund?", ts="10.1"))
    desk.settled(1)
    desk.event(mention("How do I get a refund?", ts="10.2"))
    slack.posted(1)
    assert slack.count("chat.postMessage") == 2
    assert "gave up message T1:C1:10.1: status 200 is_archived" in caplog.text
    assert "refund" not in caplog.text
    assert TOKEN not in caplog.text


def test_a_day_is_long_enough(desk: Desk, slack: FakeSlack, bot: FakeBot, caplog: pytest.LogCaptureFixture) -> None:
    bot.failure = UserError("no index")
    desk.event(mention("hello", ts="10.1"))
    until(lambda: len(bot.asked) >= 2)  # it is tried again and again
    with closing(sqlite3.connect(desk.inbox, timeout=10)) as db, db:
        db.execute("UPDATE events SET received = received - 90000")
    desk.settled(1)
    assert "gave up message T1:C1:10.1: too old" in caplog.text
    assert slack.posts == []


def test_a_bot_that_cannot_answer_yet_answers_once_it_can(desk: Desk, slack: FakeSlack, bot: FakeBot) -> None:
    bot.failure = UserError("no index")
    desk.event(mention("How do I get a refund?"))
    until(lambda: len(bot.asked) >= 5)
    bot.failure = None
    (post,) = slack.posted(1)
    assert "within 14 days" in written(post["blocks"])


def test_a_message_that_breaks_the_bot_gets_an_apology(desk: Desk, slack: FakeSlack, bot: FakeBot) -> None:
    bot.failure = RuntimeError("broken")
    desk.event(direct("부서진 질문", ts="10.1"))
    (post,) = slack.posted(1)
    assert "서버에 문제가 생겼습니다" in written(post["blocks"])
    assert len(bot.asked) == 3
    bot.failure = None
    desk.event(direct("How do I get a refund?", ts="10.2"))  # and holds nobody up
    assert "within 14 days" in written(slack.posted(2)[1]["blocks"])


def test_a_full_gate_only_delays(desk: Desk, slack: FakeSlack, bot: FakeBot) -> None:
    gate = desk.app.extensions["gate"] = Gate(working=1, waiting=0)
    with gate:
        assert desk.event(mention("How do I get a refund?")).status_code == 200
        until(lambda: desk.rows("attempts, owner") == [(1, "")], "a refusal")
    slack.posted(1)
    assert len(bot.asked) == 1


def test_without_a_token_messages_are_kept_until_there_is_one(
    start: Callable[..., Desk], slack: FakeSlack, caplog: pytest.LogCaptureFixture
) -> None:
    waiting = start(token="")
    assert waiting.event(mention("How do I get a refund?")).status_code == 200
    assert "SLACK_BOT_TOKEN is not set" in caplog.text
    assert len(waiting.rows()) == 1
    start()
    slack.posted(1)


def test_an_inbox_that_cannot_be_used_says_which_setting_to_change(bot: FakeBot, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "text.db"):
        if not path.exists():
            path.write_text("no database " * 100)
        with pytest.raises(UserError, match="MUNDAP_SLACK_INBOX"):
            create_app(bot, Settings(slack_signing_secret=SECRET, slack_inbox=path))


# Several processes


@dataclass
class Child:
    process: subprocess.Popen[str]
    port: int

    def event(self, body: dict[str, Any]) -> int:
        raw = json.dumps(body)
        return over_http(self.port, "/slack/events", raw, signature(raw))

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)


@pytest.fixture
def child(slack: FakeSlack, tmp_path: Path) -> Iterator[Callable[..., Child]]:
    """Start a server in a process of its own, on the same inbox."""
    children: list[Child] = []

    def begin(*how: str) -> Child:
        command = [sys.executable, str(HERE / "slack_child.py"), str(tmp_path / "slack.db"), slack.api, *how]
        path = os.pathsep.join([str(HERE), str(HERE.parents[1])])
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": path})
        assert process.stdout is not None
        children.append(Child(process, int(process.stdout.readline())))
        return children[-1]

    yield begin
    slack.go_on.set()
    for one in children:
        one.kill()
        assert one.process.stdout is not None
        one.process.stdout.close()


def test_killed_before_it_answered(child: Callable[..., Child], start: Callable[..., Desk], slack: FakeSlack) -> None:
    first = child("hold")
    for number in range(5):
        assert first.event(mention("How do I get a refund?", ts=f"10.{number}")) == 200
    first.kill()
    assert slack.posts == []
    desk = start()
    desk.settled(5)
    assert sorted(post["thread_ts"] for post in slack.posts) == [f"10.{number}" for number in range(5)]


def test_killed_after_the_post_and_before_it_knew(
    child: Callable[..., Child], start: Callable[..., Desk], slack: FakeSlack
) -> None:
    first = child()
    slack.plan["chat.postMessage"] = deque(["stall"])
    assert first.event(mention("How do I get a refund?", ts="10.1")) == 200
    assert slack.stalled.wait(30)
    first.kill()
    desk = start()
    desk.settled(1)
    assert [post["thread_ts"] for post in slack.posts] == ["10.1"]
    assert slack.count("chat.postMessage") == 1
    assert slack.count("conversations.replies") == 1


def test_two_processes_share_an_inbox(
    child: Callable[..., Child], start: Callable[..., Desk], slack: FakeSlack
) -> None:
    one, other, desk = child(), child(), start()
    for number in range(15):
        for place in (one, other, one):
            assert place.event(mention("How do I get a refund?", ts=f"10.{number:02}")) == 200
        desk.event(mention("hello", ts=f"11.{number:02}"))
    desk.settled(30)
    threads = sorted(post["thread_ts"] for post in slack.posts)
    assert threads == [f"{start}.{number:02}" for start in (10, 11) for number in range(15)]


FORKED = """
import os, pathlib, sys, time
from fake_bot import FakeBot
from fake_slack import SECRET, TOKEN
from test_slack import Desk, mention, until
from bot.settings import Settings
from web import create_app, slack_send
inbox = pathlib.Path(sys.argv[1])
slack_send.API = sys.argv[2]
settings = Settings(slack_signing_secret=SECRET, slack_bot_token=TOKEN, slack_inbox=inbox)
desk = Desk(create_app(FakeBot(), settings), inbox)
desk.close()  # the parent works no more
children = []
for number in range(2):
    children.append(os.fork())
    if not children[-1]:
        desk.app.extensions["slack_work"]._ended.clear()
        assert desk.event(mention("hello", ts=f"10.{number}")).status_code == 200
        until(lambda: len(desk.rows("done")) == 2 and all(done for (done,) in desk.rows("done")))
        desk.close()
        os._exit(0)
assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
"""


def test_workers_forked_from_a_loaded_application_answer(slack: FakeSlack, tmp_path: Path) -> None:
    """As under `gunicorn --preload`, where the threads of the parent are no use to its children."""
    path = os.pathsep.join([str(HERE), str(HERE.parents[1])])
    command = [sys.executable, "-W", "ignore", "-c", FORKED, str(tmp_path / "slack.db"), slack.api]
    subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, timeout=120, check=True)
    assert sorted(post["thread_ts"] for post in slack.posts) == ["10.0", "10.1"]


# The page


def test_the_manifest_names_what_the_code_uses(root: Path) -> None:
    yaml = pytest.importorskip("yaml")
    manifest = yaml.safe_load((root / "docs/slack-manifest.yaml").read_text("utf-8"))
    scopes = set(manifest["oauth_config"]["scopes"]["bot"])
    assert {"app_mentions:read", "chat:write", "commands", "im:history", "channels:history", "groups:history"} <= scopes
    events = manifest["settings"]["event_subscriptions"]
    assert set(events["bot_events"]) == {"app_mention", "message.im"}
    assert events["request_url"].endswith("/slack/events")
    assert manifest["settings"]["interactivity"]["request_url"].endswith("/slack/interactions")
    assert [one["url"].rpartition("/slack/")[2] for one in manifest["features"]["slash_commands"]] == ["commands"]
    assert manifest["settings"]["socket_mode_enabled"] is False


def test_the_commands_of_the_page_try_it_without_slack(desk: Desk, root: Path) -> None:
    if not all(map(shutil.which, ("bash", "curl", "openssl"))):
        pytest.skip("needs bash, curl and openssl")
    page = (root / "docs/slack.md").read_text("utf-8")
    script = page.split("```bash title=try-slack.sh\n")[1].split("```")[0]
    with serving(desk.app, threads=2) as server:
        environment = os.environ | {"SITE": f"http://127.0.0.1:{server.effective_port}", "no_proxy": "127.0.0.1"}
        for secret, status in ((SECRET, "200"), ("wrong", "401")):
            given = environment | {"SLACK_SIGNING_SECRET": secret}
            done = subprocess.run(["bash", "-c", script], env=given, capture_output=True, text=True, check=True)
            assert status in done.stdout.split()
            assert ("it-works" in done.stdout) is (status == "200")


def test_every_answer_of_the_fake_bot_can_be_shown(desk: Desk, bot: FakeBot, slack: FakeSlack) -> None:
    for number, message in enumerate(ANSWERS):
        desk.event(mention(message, ts=f"10.{number}"))
    desk.settled(len(ANSWERS))
    assert len(slack.posts) == len(ANSWERS)
    assert ABSTAIN.text in "".join(written(post["blocks"]) for post in slack.posts)
