"""The generic webhook: who may, what is heard, and what a chat program shows."""

import json
from typing import Any

import pytest
from fake_bot import ABSTAIN, CHOOSE, REFUND, FakeBot, candidate
from fake_journal import FakeJournal
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import settings as fewer
from hypothesis import strategies as st

from bot.answer import Answer, Source
from bot.settings import Settings
from web import create_app
from web.webhook import escape, in_markdown, link

TOKEN = "zq7-토큰"
FORM = {
    "token": TOKEN,
    "team_id": "t1",
    "channel_id": "c1",
    "user_id": "u1",
    "user_name": "nari",
    "post_id": "p1",
    "trigger_word": "ask",
    "text": "ask How do I get a refund?",
}


@pytest.fixture
def app(bot: FakeBot) -> Flask:
    app = create_app(bot, Settings(webhook_token=TOKEN))
    app.extensions["journal"] = FakeJournal()
    return app


def code(response: Any) -> tuple[int, str]:
    return response.status_code, response.get_json()["error"]["code"]


# ---- Who may


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_a_token_there_is_no_webhook(bot: FakeBot, method: str) -> None:
    response = create_app(bot).test_client().open("/webhook", method=method, data=FORM)
    assert code(response) == (404, "not_found")
    assert code(create_app(bot).test_client().post("/webhook", data={"token": "", "text": "hi"})) == (404, "not_found")


@pytest.mark.parametrize("wrong", ["", "zq7", TOKEN.upper(), TOKEN + "x", "\ud800", "0"])
def test_a_wrong_token_is_refused_and_nothing_is_asked(client: FlaskClient, bot: FakeBot, wrong: str) -> None:
    body = json.dumps({"token": wrong, "text": "hello"})
    refused = client.post("/webhook", data=body, content_type="application/json")
    assert code(refused) == (401, "token_wrong")
    assert TOKEN not in refused.text
    assert code(client.post("/webhook", data={"text": "hello"})) == (401, "token_wrong")
    assert code(client.post("/webhook", json={"text": "hello", "token": [TOKEN]})) == (401, "token_wrong")
    assert code(client.post("/webhook", json={"text": "hello"}, headers={"Authorization": TOKEN})) == (
        401,
        "token_wrong",
    )
    assert bot.asked == []


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "Token"])
def test_the_token_may_stand_in_the_header(bot: FakeBot, scheme: str) -> None:
    client = create_app(bot, Settings(webhook_token="plain-token")).test_client()
    response = client.post("/webhook", json={"text": "hello"}, headers={"Authorization": f"{scheme} plain-token"})
    assert response.get_json() == {"text": "Hello! Ask me anything.", "response_type": "in_channel"}
    wrong = client.post("/webhook", json={"text": "hello"}, headers={"Authorization": f"{scheme} plain"})
    assert code(wrong) == (401, "token_wrong")


# ---- What is heard


@pytest.mark.parametrize("as_json", [False, True])
def test_a_post_in_mattermost_is_answered_in_its_thread(client: FlaskClient, app: Flask, as_json: bool) -> None:
    response = client.post("/webhook", **({"json": FORM} if as_json else {"data": FORM}))
    assert response.get_json() == {
        "text": "You can return an item within 14 days.\nWrite to us first: https://shop.example/returns, please.\n\n"
        "[Source: How do I get a refund?](https://www.shop.example/help/refunds)",
        "response_type": "comment",
    }
    ((message, channel, session),) = app.extensions["journal"].exchanges
    assert (message, channel) == ("How do I get a refund?", "webhook")
    assert session is not None
    assert session.startswith("webhook:")


@pytest.mark.parametrize(
    ("trigger", "text", "heard"),
    [
        ("ask", "ask hello", "hello"),
        ("ask", "  ASK: hello", "hello"),
        ("ask", "ask\nhello", "hello"),
        ("#faq", "#faq, hello", "hello"),
        ("문답", "문답 비밀번호를 잊어버렸어요", "비밀번호를 잊어버렸어요"),
        ("ask", "asking is free", "asking is free"),
        ("ask", "please ask hello", "please ask hello"),
        ("", "hello", "hello"),
    ],
)
def test_the_trigger_word_is_not_part_of_the_question(
    client: FlaskClient, bot: FakeBot, trigger: str, text: str, heard: str
) -> None:
    client.post("/webhook", data=FORM | {"trigger_word": trigger, "text": text})
    assert [message for message, _ in bot.asked] == [heard]


def test_each_person_in_each_channel_has_a_conversation(client: FlaskClient, bot: FakeBot) -> None:
    for more in ({}, {"post_id": "p2"}, {"user_id": "u2"}, {"channel_id": "c2"}, {"team_id": "t2"}):
        client.post("/webhook", data=FORM | more)
    first, again, *others = [session for _, session in bot.asked]
    assert first == again
    assert len({first, *others}) == 4
    other_token = create_app(bot, Settings(webhook_token="other")).test_client()
    other_token.post("/webhook", data=FORM | {"token": "other"})
    assert bot.asked[-1][1] not in {first, *others}


def test_plain_json_is_a_single_question_or_names_its_conversation(client: FlaskClient, bot: FakeBot) -> None:
    client.post("/webhook", json={"token": TOKEN, "text": "hello"})
    client.post("/webhook", json={"token": TOKEN, "text": "hello", "session": "s-1"})
    assert bot.asked == [("hello", None), ("hello", "s-1")]


@pytest.mark.parametrize("more", [{"user_name": "slackbot"}, {"user_id": "USLACKBOT"}, {"bot_id": "B1"}])
def test_what_another_bot_says_is_not_answered(client: FlaskClient, bot: FakeBot, more: dict[str, str]) -> None:
    response = client.post("/webhook", data=FORM | more)
    assert (response.status_code, response.get_json(), bot.asked) == (200, {}, [])


@pytest.mark.parametrize(("text", "trigger"), [("", ""), (" \u200b", ""), ("ask", "ask"), ("ask:  ", "ask")])
def test_nothing_asked_is_told_how_to_ask(client: FlaskClient, bot: FakeBot, text: str, trigger: str) -> None:
    told = client.post("/webhook", data=FORM | {"text": text, "trigger_word": trigger}).get_json()
    assert told["text"] == (
        f"저를 부르는 말 뒤에 질문을 적어 주세요. 예: {trigger and 'ask '}환불은 어떻게 받나요?\n"
        f"Write your question after the word that calls me, for example: {trigger and 'ask '}How do I get a refund?"
    )
    assert bot.asked == []


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        (b"text=hi", "text/plain", (400, "not_a_form")),
        (b"", "", (400, "not_a_form")),
        (b'{"text": ', "application/json", (400, "not_json")),
        (b'["hi"]', "application/json", (400, "not_an_object")),
        (json.dumps({"token": TOKEN}).encode(), "application/json", (422, "message_missing")),
        (json.dumps({"token": TOKEN, "text": 7}).encode(), "application/json", (422, "message_missing")),
        (json.dumps({"token": TOKEN, "text": "가" * 2001}).encode(), "application/json", (422, "message_too_long")),
        (
            json.dumps({"token": TOKEN, "text": "a", "session": ""}).encode(),
            "application/json",
            (422, "session_invalid"),
        ),
        (b"text=" + b"a" * 70_000, "application/x-www-form-urlencoded", (413, "body_too_large")),
        (json.dumps({"text": "a" * 70_000}).encode(), "application/json", (413, "body_too_large")),
    ],
)
def test_what_cannot_be_read_is_refused(
    client: FlaskClient, bot: FakeBot, body: bytes, content_type: str, expected: tuple[int, str]
) -> None:
    # A browser's Accept header must not turn the refusal into a page.
    response = client.post("/webhook", data=body, content_type=content_type, headers={"Accept": "text/html"})
    assert code(response) == expected
    assert bot.asked == []


@fewer(deadline=None, max_examples=60)
@given(
    body=st.binary(max_size=200), kind=st.sampled_from(["application/json", "application/x-www-form-urlencoded", "x"])
)
def test_any_bytes(body: bytes, kind: str) -> None:
    client = create_app(FakeBot(), Settings(webhook_token=TOKEN)).test_client()
    assert code(client.post("/webhook", data=body, content_type=kind))[0] in (400, 401)


TEXTS = st.none() | st.integers() | st.text(st.characters(codec=None), max_size=20)


@fewer(deadline=None, max_examples=60)
@given(fields=st.dictionaries(st.sampled_from(sorted([*FORM, "command", "bot_id", "session"])), TEXTS))
def test_any_fields(fields: dict[str, Any]) -> None:
    client = create_app(FakeBot(), Settings(webhook_token=TOKEN)).test_client()
    body = json.dumps(fields | {"token": TOKEN})
    response = client.post("/webhook", data=body, content_type="application/json")
    if response.status_code == 200:
        assert set(response.get_json()) in ({"text", "response_type"}, set())
    else:
        assert code(response)[0] == 422


# ---- What is shown


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"command": "/ask", "text": "hello"}, "ephemeral"),
        ({"post_id": "p1", "text": "hello"}, "comment"),
        ({"trigger_word": "ask", "text": "ask hello"}, "comment"),
        ({"text": "hello"}, "in_channel"),
    ],
)
def test_where_the_answer_appears(client: FlaskClient, fields: dict[str, str], kind: str) -> None:
    response = client.post("/webhook", data=fields | {"token": TOKEN})
    assert response.get_json() == {"text": "Hello! Ask me anything.", "response_type": kind}


def test_choices_are_listed() -> None:
    assert in_markdown(CHOOSE, "en") == (
        "Which of these do you mean?\n\n"
        "- How do I get a refund?\n- 비밀번호를 잊어버렸어요\n- Can I change my delivery address?"
    )


def test_an_abstention_lists_what_is_close_if_anything_is() -> None:
    assert in_markdown(ABSTAIN, "ko") == (
        "I have no answer to that.\n\n가장 가까운 저장된 질문으로 물어봐도 돼요.\n\n- How long does a refund take?"
    )
    unrelated = Answer("abstain", "No.", 0.0, [candidate(1, "Q", 0.1)], trace={"on_topic": 0.01})
    assert in_markdown(unrelated, "en") == "No."


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        (
            "2 * 3 * 4 = `24` [x](y) _z_ ~~a~~ a|b \\",
            "2 \\* 3 \\* 4 = \\`24\\` \\[x\\](y) \\_z\\_ \\~\\~a\\~\\~ a\\|b \\\\",
        ),
        ("<!channel> <b> a & b > c < 3 &lt;", "&lt;!channel> &lt;b> a & b > c < 3 &amp;lt;"),
        ("@channel, @All! and @here", "@\u2060channel, @\u2060All! and @\u2060here"),
        ("write to me@all.example or @nari", "write to me@all.example or @nari"),
        ("# not a heading\n > nor a quote\n---", "\\# not a heading\n \\> nor a quote\n\\---"),
        ("see https://a.example/b_c*d?e=1&f=2 there_", "see https://a.example/b_c*d?e=1&f=2 there\\_"),
        ("첫 줄\n- 둘째 줄 1. 셋", "첫 줄\n- 둘째 줄 1. 셋"),
    ],
)
def test_stored_text_is_only_text(stored: str, shown: str) -> None:
    assert escape(stored) == shown


def test_a_link_cannot_be_broken_out_of() -> None:
    assert link("https://a.example/x y)<!here>\n[b](c", "A] b") == (
        "[A\\] b](https://a.example/x%20y%29%3C!here%3E%0A%5Bb%5D%28c)"
    )
    assert link("https://a.example/%ED%95%9C?q=한", "Q") == "[Q](https://a.example/%ED%95%9C?q=%ED%95%9C)"
    assert link("javascript:alert(1)", "Q") == ""
    found = Answer("answer", "A", 1.0, [], [Source("1", "1", "Q", ""), Source("2", "2", "R", "mailto:a@b.example")])
    assert in_markdown(found, "ko") == "A\n\n[출처: R](mailto:a@b.example)"


def test_an_answer_of_the_bot_is_given_whole(client: FlaskClient, bot: FakeBot) -> None:
    bot.answers["long"] = Answer("answer", "가" * 9000, 0.9, REFUND.candidates)
    told = client.post("/webhook", json={"token": TOKEN, "text": "long"}).get_json()
    assert told["text"] == "가" * 9000
