"""Thumbs and choices: the API, the page, and the page without JavaScript."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_bot import REFUND, FakeBot
from fake_journal import FakeJournal
from flask import Flask
from flask.testing import FlaskClient
from test_web_chat import Chat, barriers, browser_only

from bot.settings import Settings
from web import create_app
from web.words import WORDS

WIDE = {"locale": "en-US", "reduced_motion": "reduce"}


@pytest.fixture
def journal() -> FakeJournal:
    return FakeJournal()


@pytest.fixture
def app(bot: FakeBot, journal: FakeJournal) -> Flask:
    app = create_app(bot)
    app.extensions["journal"] = journal
    return app


def refusal(response: Any) -> tuple[int, str, str]:
    error = response.get_json()["error"]
    return response.status_code, error["code"], error.get("field", "")


# ---- The API


def test_a_thumb_and_a_choice_are_written_down(client: FlaskClient, journal: FakeJournal) -> None:
    exchange = client.post("/api/ask", json={"message": "which one"}).get_json()["trace"]["exchange"]
    for said in ({"vote": "up"}, {"vote": ""}, {"chosen": "q4"}, {"vote": "down", "chosen": "q5"}):
        response = client.post("/api/vote", json={"exchange": exchange} | said)
        assert (response.status_code, response.get_json()) == (200, {"status": "ok"})
    assert journal.notes == [("x1", note) for note in ("vote up", "vote ", "chose q4", "vote down", "chose q5")]


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({}, "id_invalid", "exchange"),
        ({"exchange": 7, "vote": "up"}, "id_invalid", "exchange"),
        ({"exchange": "", "vote": "up"}, "id_invalid", "exchange"),
        ({"exchange": "x" * 201, "vote": "up"}, "id_invalid", "exchange"),
        ({"exchange": "x1"}, "vote_invalid", "vote"),
        ({"exchange": "x1", "vote": "sideways"}, "vote_invalid", "vote"),
        ({"exchange": "x1", "vote": None}, "vote_invalid", "vote"),
        ({"exchange": "x1", "vote": ["up"]}, "vote_invalid", "vote"),
        ({"exchange": "x1", "chosen": ""}, "id_invalid", "chosen"),
        ({"exchange": "x1", "vote": "up", "chosen": 4}, "id_invalid", "chosen"),
    ],
)
def test_a_vote_that_says_nothing_is_refused(
    client: FlaskClient, journal: FakeJournal, body: dict[str, Any], code: str, field: str
) -> None:
    client.post("/api/ask", json={"message": "hello"})
    assert refusal(client.post("/api/vote", json=body)) == (422, code, field)
    assert journal.notes == []


def test_a_vote_for_nothing_is_a_404(client: FlaskClient, app: Flask) -> None:
    assert refusal(client.post("/api/vote", json={"exchange": "x1", "vote": "up"})) == (
        404,
        "unknown_exchange",
        "exchange",
    )
    assert refusal(client.post("/api/vote", data="x"))[:2] == (400, "not_json")
    app.extensions["journal"] = None
    assert "exchange" not in client.post("/api/ask", json={"message": "hello"}).get_json()["trace"]
    assert refusal(client.post("/api/vote", json={"exchange": "x1", "chosen": "q1"}))[:2] == (404, "unknown_exchange")


@pytest.mark.parametrize("channel", [None, "api", "chat", "widget"])
def test_who_asks_may_say_from_where(client: FlaskClient, journal: FakeJournal, channel: str | None) -> None:
    client.post("/api/ask", json={"message": "hello", "session": "s", "channel": channel})
    assert journal.exchanges == [("hello", channel or "api", "s")]
    assert client.post("/api/ask", json={"message": "hello"}).status_code == 200
    assert journal.exchanges[1] == ("hello", "api", None)


@pytest.mark.parametrize("channel", ["slack", "", "Chat", 5, ["api"], {}])
def test_another_channel_is_refused(client: FlaskClient, bot: FakeBot, channel: Any) -> None:
    response = client.post("/api/ask", json={"message": "hello", "channel": channel})
    assert refusal(response) == (422, "channel_invalid", "channel")
    assert bot.asked == []


def test_openapi_declares_votes_and_channels(client: FlaskClient) -> None:
    paths = client.get("/openapi.json").get_json()["paths"]
    vote = paths["/api/vote"]["post"]
    assert {"200", "400", "404", "413", "422"} <= set(vote["responses"])
    schema = vote["requestBody"]["content"]["application/json"]["schema"]
    assert schema["properties"]["vote"]["enum"] == ["up", "down", ""]
    assert schema["anyOf"] == [{"required": ["vote"]}, {"required": ["chosen"]}]
    ask = paths["/api/ask"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert ask["properties"]["channel"]["enum"] == ["api", "chat", "widget", None]


def test_the_journal_itself_takes_them(bot: FakeBot, tmp_path: Path) -> None:
    app = create_app(bot, Settings(journal=tmp_path / "journal.db"))
    client = app.test_client()
    exchange = client.post("/api/ask", json={"message": "which one", "channel": "widget"}).get_json()["trace"][
        "exchange"
    ]
    for said in ({"vote": "up"}, {"chosen": "q4"}):
        assert client.post("/api/vote", json={"exchange": exchange} | said).status_code == 200
    for unknown in ({"exchange": "x1", "vote": "up"}, {"exchange": exchange, "chosen": "q9"}):
        assert refusal(client.post("/api/vote", json=unknown))[:2] == (404, "unknown_exchange")
    app.extensions["journal"].close()
    with closing(sqlite3.connect(tmp_path / "journal.db")) as file:
        assert file.execute("SELECT channel, message FROM exchanges").fetchall() == [("widget", "which one")]
        assert file.execute("SELECT exchange, vote FROM votes").fetchall() == [(exchange, "up")]
        assert file.execute("SELECT exchange, chosen FROM choices").fetchall() == [(exchange, "q4")]


# ---- Without JavaScript


def test_without_javascript_a_thumb_is_a_form(client: FlaskClient, journal: FakeJournal, app: Flask) -> None:
    page = client.post("/", data={"message": "How do I get a refund?"}).text
    assert journal.exchanges == [("How do I get a refund?", "chat", None)]
    assert '<input type="hidden" name="exchange" value="x1">' in page
    thanked = client.post("/vote", data={"exchange": "x1", "vote": "up"}, headers={"Accept-Language": "ko"})
    assert "<dt>Found by</dt><dd>meaning</dd>" in page
    assert "알려 주셔서 고마워요." in thanked.text
    assert journal.notes == [("x1", "vote up")]
    assert client.post("/vote", data={"exchange": "x9", "vote": "up"}).status_code == 404
    assert client.post("/vote", data={"exchange": "x1"}).status_code == 422
    app.extensions["journal"] = None
    assert 'class="thumb' in page
    assert 'class="thumb' not in client.post("/", data={"message": "How do I get a refund?"}).text


@browser_only
def test_without_javascript_thumbs_and_choices_work(browser: Any, site: str, journal: FakeJournal) -> None:
    context = browser.new_context(java_script_enabled=False, locale="en-US")
    page = context.new_page()
    page.goto(site)
    page.fill("#message", "which one")
    page.click(".send")
    page.click("#log button.choice >> text=How do I get a refund?")
    assert "You can return an item" in page.inner_text("#log")
    page.get_by_role("button", name="Not helpful").click()
    assert page.inner_text("h1") == "Thank you for telling us."
    assert journal.notes == [("x1", "chose q1"), ("x2", "vote down")]
    context.close()


# ---- The page


@pytest.fixture
def chat(browser: Any, site: str, request: pytest.FixtureRequest) -> Iterator[Chat]:
    context = browser.new_context(**(WIDE | getattr(request, "param", {})))
    tab = Chat(context.new_page(), site)
    yield tab
    assert tab.complaints == []
    context.close()


def pressed(chat: Chat) -> list[list[str]]:
    """What each pair of thumbs says of itself."""
    groups = chat.page.locator(".thumbs").all()
    return [group.locator("button").evaluate_all("all => all.map(b => b.ariaPressed)") for group in groups]


def click_and_wait(chat: Chat, name: str, number: int = -1) -> None:
    button = chat.page.get_by_role("button", name=name, exact=True)
    with chat.page.expect_response("**/api/vote"):
        (button.last if number < 0 else button.nth(number)).click()


@browser_only
def test_a_thumb_can_be_given_changed_and_taken_back(chat: Chat, journal: FakeJournal) -> None:
    chat.say("How do I get a refund?")
    assert chat.page.get_by_role("group", name="Was this helpful?").count() == 1
    click_and_wait(chat, "Helpful")
    assert pressed(chat) == [["true", "false"]]
    assert chat.page.inner_text("#status") == "Thank you for telling us."
    click_and_wait(chat, "Not helpful")
    assert pressed(chat) == [["false", "true"]]
    click_and_wait(chat, "Not helpful")
    assert pressed(chat) == [["false", "false"]]
    assert chat.page.inner_text("#status") == "Taken back."
    assert journal.notes == [("x1", "vote up"), ("x1", "vote down"), ("x1", "vote ")]


@browser_only
def test_a_thumb_survives_a_reload_and_belongs_to_its_answer(chat: Chat, journal: FakeJournal) -> None:
    chat.say("How do I get a refund?")
    chat.say("hello")
    chat.say("weather on Mars")
    click_and_wait(chat, "Not helpful", 1)
    before = [["false", "false"], ["false", "true"], ["false", "false"]]
    assert pressed(chat) == before
    chat.page.reload()
    assert pressed(chat) == before
    click_and_wait(chat, "Helpful", 2)
    assert journal.notes == [("x2", "vote down"), ("x3", "vote up")]
    assert {channel for _, channel, _ in journal.exchanges} == {"chat"}


@browser_only
@pytest.mark.parametrize("chat", [{"locale": "ko-KR"}], indirect=True)
def test_thumbs_by_keyboard_in_korean(chat: Chat, journal: FakeJournal) -> None:
    chat.say("비밀번호를 잊어버렸어요")
    chat.page.get_by_role("button", name="도움이 됐어요").focus()
    chat.page.keyboard.press("Tab")
    with chat.page.expect_response("**/api/vote"):
        chat.page.keyboard.press("Space")
    assert chat.page.evaluate("document.activeElement.ariaLabel") == "도움이 안 됐어요"
    assert chat.page.inner_text("#status") == "알려 주셔서 고마워요."
    assert journal.notes == [("x1", "vote down")]


@browser_only
def test_a_thumb_that_was_not_written_down_goes_back(chat: Chat, app: Flask, journal: FakeJournal) -> None:
    chat.say("How do I get a refund?")
    click_and_wait(chat, "Helpful")
    app.extensions["journal"] = None
    click_and_wait(chat, "Not helpful")
    chat.page.wait_for_selector("#status:has-text('Could not be written down')", state="attached")
    assert pressed(chat) == [["true", "false"]]
    assert chat.complaints.pop().startswith("Failed to load resource")  # chromium's own line about the 404
    chat.page.reload()
    assert pressed(chat) == [["true", "false"]]


@browser_only
def test_without_a_journal_there_are_no_thumbs(chat: Chat, app: Flask) -> None:
    app.extensions["journal"] = None
    chat.say("How do I get a refund?")
    chat.say("hello")
    chat.say("which one")
    assert chat.page.locator(".thumb").count() == 0
    chat.last().locator("button.choice").first.click()
    chat.page.wait_for_selector(".theirs >> nth=3")  # and a choice is asked all the same


@browser_only
def test_a_choice_is_written_down_before_it_is_asked(chat: Chat, journal: FakeJournal) -> None:
    chat.say("which one")
    sent: list[str] = []
    chat.page.on("request", lambda request: sent.append(request.url.rsplit("/", 1)[1]))
    with chat.page.expect_response("**/api/vote"):
        chat.last().locator("button.choice").nth(1).click()
    chat.page.wait_for_selector(".theirs >> nth=1")
    chat.settle()
    assert sent == ["vote", "ask"]
    assert journal.notes == [("x1", "chose q4")]
    assert [message for message, _, _ in journal.exchanges] == ["which one", "비밀번호를 잊어버렸어요"]


@browser_only
def test_a_starter_is_no_choice(chat: Chat, journal: FakeJournal) -> None:
    chat.page.locator("#welcome button").first.click()
    chat.settle()
    assert (len(journal.exchanges), journal.notes) == (1, [])


@browser_only
def test_small_talk_has_thumbs_but_no_certainty(chat: Chat) -> None:
    chat.say("hello")
    assert chat.last().locator(".footing").locator(".sure, [data-copy]").count() == 0
    assert chat.last().locator(".thumb").count() == 2


@browser_only
@pytest.mark.parametrize("lang", ["en", "ko"])
def test_the_reference_and_what_was_read_together_are_shown(chat: Chat, bot: FakeBot, lang: str) -> None:
    chat.page.goto(f"{chat.site}/?lang={lang}")
    bot.answers["and shoes?"] = replace(REFUND, trace={"followed": "<i>coats</i>", "lang": "en"})
    chat.say("and shoes?")
    chat.last().locator("summary").click()
    names, values = (chat.last().locator(tag).all_inner_texts() for tag in ("dt", "dd"))
    facts = dict(zip(names, values, strict=True))
    assert facts[WORDS[lang]["exchange"]] == "x1"
    assert facts[WORDS[lang]["followed"]] == "<i>coats</i>"


@browser_only
def test_in_a_long_conversation_a_thumb_still_belongs_to_its_answer(chat: Chat, journal: FakeJournal) -> None:
    journal.exchanges += [("old", "chat", None)] * 50
    answer = REFUND.to_dict() | {"trace": {"exchange": "x50"}}
    kept = {"session": "s", "items": [{"question": "old"}, {"answer": answer}] * 40}
    chat.page.evaluate("kept => sessionStorage.setItem('mundap.conversation', kept)", json.dumps(kept))
    chat.page.reload()
    chat.say("hello")
    assert chat.page.locator("#log article").count() == 80
    click_and_wait(chat, "Helpful")
    click_and_wait(chat, "Not helpful", 0)
    assert journal.notes == [("x51", "vote up"), ("x50", "vote down")]
    assert pressed(chat)[0] == ["false", "true"]
    assert pressed(chat)[-1] == ["true", "false"]


@browser_only
@pytest.mark.parametrize(
    "chat", [{"color_scheme": scheme, "locale": "ko-KR"} for scheme in ("light", "dark")], indirect=True
)
def test_axe_finds_no_barrier_in_the_thumbs(chat: Chat) -> None:
    for message in ("How do I get a refund?", "which one", "hello"):
        chat.say(message)
    click_and_wait(chat, WORDS["ko"]["thumb_up"])
    assert barriers(chat.page) == []
