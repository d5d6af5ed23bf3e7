"""The chat page in a real browser and without JavaScript: one origin, a silent console, a kept policy."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_bot import ABSTAIN, CHOOSE, REFUND, FakeBot
from flask.testing import FlaskClient

from indexer.errors import UserError
from web.words import WORDS

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text("utf-8")
WATCH_POLICY = "addEventListener('securitypolicyviolation', e => console.error('CSP ' + e.violatedDirective))"
browser_only = pytest.mark.browser


class Chat:
    """One tab, and what a person does in it."""

    def __init__(self, page: Any, site: str) -> None:
        self.page, self.site = page, site
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda told: self.complaints.append(told.text) if told.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.add_init_script(WATCH_POLICY)
        page.goto(site)

    def say(self, message: str) -> None:
        self.page.fill("#message", message)
        self.page.keyboard.press("Enter")
        self.settle()

    def settle(self) -> None:
        self.page.wait_for_selector("#log:not(:has(.waiting)) .theirs:last-child")

    def texts(self) -> list[str]:
        """Everything said, in order."""
        return [text.strip() for text in self.page.locator("#log .text").all_inner_texts()]

    def last(self) -> Any:
        return self.page.locator(".theirs").last

    def focused(self) -> str:
        return str(self.page.evaluate("document.activeElement.id"))


@pytest.fixture
def context(browser: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    options = {"locale": "en-US", "reduced_motion": "reduce"} | getattr(request, "param", {})
    opened = browser.new_context(**options)
    yield opened
    opened.close()


@pytest.fixture
def chat(context: Any, site: str) -> Iterator[Chat]:
    tab = Chat(context.new_page(), site)
    yield tab
    assert tab.complaints == []
    assert [url for url in tab.requests if not url.startswith((f"{site}/", "data:"))] == []


# ---- A conversation


@browser_only
def test_an_answer_with_its_source_and_how_sure_it_is(chat: Chat, bot: FakeBot) -> None:
    assert chat.page.locator("#welcome").is_visible()
    chat.say("How do I get a refund?")
    assert chat.texts() == [
        "How do I get a refund?",
        REFUND.text,
    ]
    assert not chat.page.locator("#welcome").is_visible()
    assert chat.last().locator(".sure").inner_text() == "Quite sure · 92\u00a0%"
    source = chat.last().locator(".source a")
    assert source.inner_text() == "Source: shop.example"
    assert source.get_attribute("href") == "https://www.shop.example/help/refunds"
    assert source.get_attribute("target") == "_blank"
    assert "noopener" in source.get_attribute("rel").split()
    assert chat.page.input_value("#message") == ""
    assert chat.focused() == "message"
    (message, session), *more = bot.asked
    assert (message, len(session or ""), more) == ("How do I get a refund?", 32, [])


@browser_only
def test_an_address_within_an_answer_is_a_link_without_the_comma(chat: Chat) -> None:
    chat.say("How do I get a refund?")
    assert chat.last().locator(".text a").get_attribute("href") == "https://shop.example/returns"


@browser_only
def test_newlines_in_an_answer_are_kept(chat: Chat) -> None:
    chat.say("How do I get a refund?")
    paragraph = chat.last().locator(".text")
    assert paragraph.evaluate("p => getComputedStyle(p).whiteSpace") == "pre-wrap"
    assert "14 days.\nWrite" in paragraph.text_content()


@browser_only
def test_a_choice_is_sent_as_the_next_message(chat: Chat, bot: FakeBot) -> None:
    chat.page.fill("#message", "which one")
    chat.page.click(".send")
    chat.settle()
    choices = chat.last().locator("button.choice")
    assert choices.all_inner_texts() == [one["question"] for one in CHOOSE.candidates[:3]]
    assert choices.nth(1).locator("span").get_attribute("lang") == "ko"
    chat.page.fill("#message", "a draft")
    choices.nth(1).click()
    chat.page.wait_for_selector(".theirs >> nth=1")
    chat.settle()
    assert chat.texts()[2] == "비밀번호를 잊어버렸어요"
    assert [message for message, _ in bot.asked] == ["which one", "비밀번호를 잊어버렸어요"]
    assert len({session for _, session in bot.asked}) == 1
    assert chat.page.input_value("#message") == "a draft"


@browser_only
def test_an_abstention_says_what_to_do_next(chat: Chat) -> None:
    chat.say("weather on Mars")
    assert chat.texts()[-1] == ABSTAIN.text
    assert chat.last().locator(".next").inner_text() == WORDS["en"]["closest_questions"]
    assert chat.last().locator("button.choice").all_inner_texts() == ["How long does a refund take?"]
    assert chat.last().locator(".sure").count() == 0


@browser_only
def test_nothing_is_suggested_for_what_has_no_relation(chat: Chat) -> None:
    chat.say("qqqq")
    assert chat.texts()[-1] == ABSTAIN.text
    assert chat.last().locator(".next").count() == 0
    assert chat.last().locator("button.choice").count() == 0


@browser_only
def test_an_answer_by_a_model_says_so(chat: Chat) -> None:
    chat.say("write something")
    assert chat.last().locator(".written").inner_text() == "Written by a language model"
    assert chat.last().locator(".sure").count() == 0  # the probability is that of a stored answer
    assert chat.last().locator(".sources li").all_inner_texts() == [
        "How do I get a refund?",
        "How long does a refund take?",
    ]
    assert chat.last().locator(".sources a").count() == 1


@browser_only
def test_small_talk_claims_no_certainty(chat: Chat) -> None:
    chat.say("hello")
    assert chat.texts()[-1] == "Hello! Ask me anything."
    assert chat.last().locator(".footing").count() == 0


@browser_only
def test_why_this_answer_shows_what_it_rests_on(chat: Chat) -> None:
    chat.say("How do I get a refund?")
    chat.last().locator("summary").click()
    facts = dict(
        zip(
            chat.last().locator("dt").all_inner_texts(),
            chat.last().locator("dd").all_inner_texts(),
            strict=True,
        )
    )
    assert facts == {
        "Closest stored question": "How do I get a refund?",
        "Probability right": "92\u00a0%",
        "On topic": "98\u00a0%",
        "Rule": "The first candidate is right with more than 85 %.",
        "Found by": "meaning",
        "Matching words": "refund, get",
        "Lead over the second": "0.161",
        "surprise": '{"nested":[1,null,"<b>"]}',
        "Message language": "English",
        "Encoder": "minilm",
        "Index version": "3",
    }
    compared = chat.last().locator(".compared li")
    first = compared.first.locator(".figures").inner_text()
    assert first == "probability 92\u00a0% · similarity 0.87 · rank 0.93"
    widths = compared.locator("i").evaluate_all("bars => bars.map(bar => bar.style.width)")
    assert widths == ["87%", "71%", "55%"]


@browser_only
@pytest.mark.parametrize("context", [{"permissions": ["clipboard-read", "clipboard-write"]}, {}], indirect=True)
def test_copy_copies_and_says_so(chat: Chat, context: Any) -> None:
    chat.say("How do I get a refund?")
    chat.page.clock.install()
    chat.page.clock.pause_at("2100-01-01")  # the feedback goes away by itself; hold the clock to see it
    chat.page.click("[data-copy]")
    chat.page.wait_for_selector("[data-copy] >> text=Copied")
    assert chat.page.inner_text("#status") == "Copied"
    chat.page.clock.run_for(2000)
    assert chat.page.inner_text("[data-copy]") == "Copy"
    assert chat.page.inner_text("#status") == ""
    context.grant_permissions(["clipboard-read"])
    assert chat.page.evaluate("navigator.clipboard.readText()") == REFUND.text


# ---- What is stored is never executed


@browser_only
def test_stored_markup_is_shown_and_not_executed(chat: Chat) -> None:
    chat.say("evil")
    chat.last().locator("summary").click()
    assert "<script>window.hacked = 1</script><img src=x onerror" in chat.texts()[-1]
    assert "</script><script>" in chat.last().locator("dd").last.inner_text()
    chat.page.reload()
    assert "<script>window.hacked = 1</script>" in chat.texts()[-1]
    assert chat.page.evaluate("window.hacked") is None
    assert chat.page.locator("#log script, #log img, #log b, #log u").count() == 0
    assert chat.last().locator("a").count() == 0  # the source is a javascript: URL


@browser_only
def test_typed_markup_is_shown_and_not_executed(chat: Chat) -> None:
    chat.say("</script><img src=x onerror=alert(1)>")
    assert chat.texts()[0] == "</script><img src=x onerror=alert(1)>"
    assert chat.page.locator("#log img").count() == 0


# ---- The keyboard


@browser_only
def test_everything_can_be_reached_by_keyboard(chat: Chat) -> None:
    keys = chat.page.keyboard
    keys.press("Tab")
    assert chat.page.evaluate("document.activeElement.className") == "skip"
    keys.press("Enter")
    assert chat.focused() == "message"
    keys.type("which one")
    keys.press("Enter")
    chat.settle()
    for _ in range(4):  # back over the disclosure and the three choices
        keys.press("Shift+Tab")
    assert chat.page.evaluate("document.activeElement.value") == "How do I get a refund?"
    keys.press("Enter")
    chat.page.wait_for_selector(".theirs >> nth=1")
    chat.settle()
    assert chat.focused() == "message"
    keys.press("Shift+Tab")
    keys.press("Enter")
    assert chat.last().locator("details").get_attribute("open") is not None


@browser_only
def test_shift_enter_starts_a_new_line_and_the_field_grows(chat: Chat, bot: FakeBot) -> None:
    field = chat.page.locator("#message")
    low = field.bounding_box()["height"]
    field.focus()
    for line in ("one", "two", "three"):
        chat.page.keyboard.type(line)
        chat.page.keyboard.press("Shift+Enter")
    assert field.input_value() == "one\ntwo\nthree\n"
    assert field.bounding_box()["height"] > low + 40
    assert bot.asked == []
    chat.page.keyboard.press("Enter")
    chat.settle()
    assert bot.asked[0][0] == "one\ntwo\nthree\n"
    assert field.bounding_box()["height"] == low


@browser_only
@pytest.mark.parametrize("state", ["isComposing: true", "keyCode: 229"])
def test_enter_while_hangul_is_composed_does_not_send(chat: Chat, bot: FakeBot, state: str) -> None:
    chat.page.fill("#message", "환불")
    event = f"new KeyboardEvent('keydown', {{key: 'Enter', bubbles: true, cancelable: true, {state}}})"
    assert chat.page.evaluate(f"document.querySelector('#message').dispatchEvent({event})") is True
    assert chat.page.input_value("#message") == "환불"
    chat.page.keyboard.press("Enter")
    chat.settle()
    assert [message for message, _ in bot.asked] == ["환불"]


@browser_only
def test_nothing_empty_or_too_long_is_sent(chat: Chat, bot: FakeBot) -> None:
    for message in ("", "  \n ", "가" * 2001):
        chat.page.fill("#message", message)
        chat.page.keyboard.press("Enter")
    assert chat.page.inner_text("#count") == "2001 of 2000 characters"
    assert len(chat.page.input_value("#message")) == 2001
    chat.say("😀" * 2000)
    assert [len(message) for message, _ in bot.asked] == [2000]


# ---- Memory


@browser_only
def test_a_reload_keeps_the_conversation_and_new_conversation_ends_it(chat: Chat, bot: FakeBot) -> None:
    chat.say("How do I get a refund?")
    chat.say("weather on Mars")
    before = chat.texts()
    chat.page.reload()
    assert chat.texts() == before
    chat.say("hello")
    assert len({session for _, session in bot.asked}) == 1
    chat.page.click("#new")
    assert chat.texts() == []
    assert chat.page.locator("#welcome").is_visible()
    assert chat.focused() == "message"
    chat.say("hello")
    assert len({session for _, session in bot.asked}) == 2
    chat.page.reload()
    assert chat.texts() == ["hello", "Hello! Ask me anything."]


@browser_only
def test_a_question_that_was_left_is_offered_again(chat: Chat, bot: FakeBot) -> None:
    bot.gate = threading.Event()
    chat.page.fill("#message", "hello")
    chat.page.keyboard.press("Enter")
    chat.page.wait_for_selector(".waiting")
    assert chat.page.inner_text(".waiting") == "Looking for an answer…"
    assert chat.page.get_attribute("#composer", "aria-busy") == "true"
    chat.page.keyboard.type("impatient")
    chat.page.keyboard.press("Enter")
    assert chat.page.input_value("#message") == "impatient"
    chat.page.reload()
    assert chat.texts() == ["hello", WORDS["en"]["interrupted"]]
    bot.gate.set()
    chat.page.click("[data-retry]")
    chat.page.wait_for_selector("text=Hello! Ask me anything.")
    assert chat.texts() == ["hello", "Hello! Ask me anything."]


@browser_only
def test_an_answer_that_comes_after_the_conversation_is_dropped(chat: Chat, bot: FakeBot) -> None:
    bot.gate = threading.Event()
    chat.page.fill("#message", "How do I get a refund?")
    chat.page.keyboard.press("Enter")
    chat.page.wait_for_selector(".waiting")
    chat.page.click("#new")
    bot.gate.set()
    chat.say("hello")
    assert chat.texts() == ["hello", "Hello! Ask me anything."]


@browser_only
def test_a_damaged_memory_is_forgotten(chat: Chat) -> None:
    chat.page.evaluate("sessionStorage.setItem('mundap.conversation', '{\"items\": 5')")
    chat.page.reload()
    assert chat.page.locator("#welcome").is_visible()
    chat.say("hello")
    assert len(chat.texts()) == 2


# ---- Trouble


@browser_only
def test_a_failure_of_the_server_is_said_and_can_be_tried_again(chat: Chat, bot: FakeBot) -> None:
    bot.failure = RuntimeError("inside")
    chat.say("How do I get a refund?")
    assert chat.texts()[-1] == "Something went wrong on our side. Please try again."
    assert chat.complaints.pop().startswith("Failed to load resource")  # chromium's own line about the 500
    bot.failure = None
    chat.page.click("[data-retry]")
    chat.page.wait_for_selector(".sure")
    assert chat.texts()[-1].startswith("You can return an item")
    assert len(chat.texts()) == 2


@browser_only
def test_a_server_out_of_reach_is_said_in_the_language_of_the_page(chat: Chat) -> None:
    chat.page.click("text=한국어")
    chat.page.wait_for_selector("html[lang=ko]")
    chat.page.wait_for_url(f"{chat.site}/")  # the module's last step: before it, the form would be sent without it
    chat.page.route("**/api/ask", lambda route: route.abort())
    chat.say("hello")
    assert chat.texts()[-1] == WORDS["ko"]["offline"]
    assert chat.complaints.pop().startswith("Failed to load resource")
    chat.page.unroute("**/api/ask")
    chat.page.click("text=다시 시도")
    chat.page.wait_for_selector("text=Hello! Ask me anything.")


@browser_only
def test_a_reply_that_is_no_answer_is_said(chat: Chat) -> None:
    chat.page.route("**/api/ask", lambda route: route.fulfill(body="<html>a proxy's page"))
    chat.say("hello")
    assert chat.texts()[-1] == WORDS["en"]["broken"]


# ---- Languages


@browser_only
@pytest.mark.parametrize("context", [{"locale": "ko-KR"}], indirect=True)
def test_a_korean_browser_gets_a_korean_page(chat: Chat) -> None:
    assert chat.page.get_attribute("html", "lang") == "ko"
    starters = chat.page.locator("#welcome button").all_inner_texts()
    assert starters == ["비밀번호를 잊어버렸어요", "배송은 얼마나 걸리나요?", "회원 탈퇴는 어떻게 하나요?"]
    chat.page.locator("#welcome button").first.click()
    chat.settle()
    assert chat.last().locator(".sure").inner_text() == "아마 맞을 거예요 · 71%"
    assert chat.last().locator(".text").get_attribute("lang") == "ko"
    assert chat.last().locator(".source a").get_attribute("href") == "mailto:help@shop.example"
    assert chat.last().locator("summary").inner_text() == "왜 이 답변인가요?"
    chat.say("How do I get a refund?")
    assert chat.last().locator(".text").get_attribute("lang") == "en"


@browser_only
def test_the_language_is_switched_and_remembered_and_the_conversation_stays(chat: Chat) -> None:
    chat.say("How do I get a refund?")
    chat.page.click("text=한국어")
    chat.page.wait_for_selector("html[lang=ko]")
    chat.page.wait_for_url(f"{chat.site}/")  # the module's last step: before it, the form would be sent without it
    assert chat.page.url == f"{chat.site}/"
    assert chat.last().locator(".sure").inner_text() == "꽤 확실해요 · 92%"
    chat.page.reload()
    assert chat.page.get_attribute("html", "lang") == "ko"
    assert chat.page.get_attribute("nav [aria-current]", "lang") == "ko"
    chat.page.click("text=English")
    assert chat.page.get_attribute("html", "lang") == "en"


def test_both_languages_have_the_same_words() -> None:
    assert list(WORDS["en"]) == list(WORDS["ko"])
    for name, text in WORDS["en"].items():
        assert ("{n}" in text, "{limit}" in text) == (
            "{n}" in WORDS["ko"][name],
            "{limit}" in WORDS["ko"][name],
        )


@pytest.mark.parametrize(
    ("query", "cookie", "header", "lang"),
    [
        ("", "", "", "en"),
        ("", "", "fr,de;q=0.5", "en"),
        ("", "", "fr,ko-KR;q=0.5", "ko"),
        ("", "ko", "en", "ko"),
        ("en", "ko", "ko", "en"),
        ("fr", "ko", "en", "ko"),
        ("", "xx", "ko", "ko"),
    ],
)
def test_the_language_of_the_page(client: FlaskClient, query: str, cookie: str, header: str, lang: str) -> None:
    if cookie:
        client.set_cookie("lang", cookie)
    response = client.get("/", query_string={"lang": query} if query else {}, headers={"Accept-Language": header})
    assert f'<html lang="{lang}">' in response.text
    assert ("Set-Cookie" in response.headers) == (query == "en")


def test_the_page_says_that_the_bot_cannot_answer_and_leaves_the_reason_to_the_log(
    client: FlaskClient, bot: FakeBot
) -> None:
    bot.failure = UserError("data/index is damaged; type: indexer build data/qa.csv")
    response = client.get("/", headers={"Accept": "text/html", "Accept-Language": "ko"})
    assert response.status_code == 503
    assert "지금은 답변할 수 없습니다. 나중에 다시 시도해 주세요." in response.text
    assert "data/index" not in response.text


# ---- Without JavaScript


def test_without_javascript_the_form_answers(client: FlaskClient) -> None:
    page = client.post("/", data={"message": "How do I get a refund?"}).text
    assert "You can return an item within 14 days." in page
    assert "Quite sure · 92\u00a0%" in page
    assert 'href="https://www.shop.example/help/refunds"' in page
    assert 'value="비밀번호를 잊어버렸어요"' in client.post("/", data={"message": "which one"}).text


def test_without_javascript_a_chosen_question_is_the_message(client: FlaskClient, bot: FakeBot) -> None:
    client.post("/", data={"message": ["hello", ""]})
    assert bot.asked == [("hello", None)]


def test_without_javascript_markup_stays_text(client: FlaskClient) -> None:
    page = client.post("/", data={"message": "evil"}).text
    assert "<script>window.hacked" not in page
    assert "&lt;script&gt;window.hacked = 1" in page
    assert 'href="javascript:' not in page
    assert page.count("<script") == 2  # the module and its settings


def test_without_javascript_a_refusal_is_said(client: FlaskClient, bot: FakeBot) -> None:
    response = client.post("/", data={"message": " "}, headers={"Accept-Language": "ko"})
    assert response.status_code == 422
    assert "메시지가 비어 있습니다. 질문을 적어 주세요." in response.text
    assert client.post("/", data={"message": "a" * 70_000}).status_code == 413
    assert bot.asked == []


@browser_only
@pytest.mark.parametrize("context", [{"java_script_enabled": False}], indirect=True)
def test_without_javascript_a_choice_can_be_clicked(context: Any, site: str) -> None:
    page = context.new_page()
    page.goto(site)
    page.fill("#message", "which one")
    page.click(".send")
    page.click("#log button.choice >> text=How do I get a refund?")
    assert "You can return an item" in page.inner_text("#log")


# ---- For everyone, on every screen


@browser_only
@pytest.mark.parametrize(
    "context",
    [{"locale": locale, "color_scheme": scheme} for locale in ("en-US", "ko-KR") for scheme in ("light", "dark")],
    indirect=True,
)
def test_axe_finds_no_barrier(chat: Chat) -> None:
    assert barriers(chat.page) == []
    for message in ("How do I get a refund?", "which one", "weather on Mars", "write something", "evil"):
        chat.say(message)
    for summary in chat.page.locator("summary").all():
        summary.click()
    chat.page.route("**/api/ask", lambda route: route.fulfill(body="broken"))
    chat.say("trouble")
    assert barriers(chat.page) == []


def barriers(page: Any) -> list[str]:
    """What axe calls serious or critical, with the first place of each."""
    page.evaluate(AXE)
    found = page.evaluate("axe.run()")
    assert len(found["passes"]) > 20
    grave = [one for one in found["violations"] if one["impact"] in ("serious", "critical")]
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in grave]


@browser_only
@pytest.mark.parametrize("context", [{"viewport": {"width": 360, "height": 740}}], indirect=True)
@pytest.mark.parametrize("lang", ["en", "ko"])
def test_a_phone_never_scrolls_sideways(chat: Chat, lang: str) -> None:
    chat.page.goto(f"{chat.site}/?lang={lang}")
    for message in ("How do I get a refund?", "비밀번호를 잊어버렸어요", "which one", "evil", "w" * 300):
        chat.say(message)
    for summary in chat.page.locator("summary").all():
        summary.click()
    assert chat.page.evaluate("document.documentElement.scrollWidth") == 360
    clipped = "[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > 360.5)"
    assert chat.page.evaluate(f"{clipped}.map(e => e.outerHTML.slice(0, 80))") == []


@browser_only
def test_the_question_just_asked_stays_in_view(chat: Chat) -> None:
    for _ in range(8):
        chat.say("How do I get a refund?")
    box = chat.page.locator(".mine").last.bounding_box()
    assert 50 < box["y"] < chat.page.viewport_size["height"] - 200


MARKED = {
    "short": "You can return an item within 14 days.",
    "highlight": "You can return an item within 14 days.",
    "person": "You can reach a person here: help@shop.example",
}


@browser_only
@pytest.mark.parametrize("context", [{"viewport": {"width": 360, "height": 740}}], indirect=True)
def test_a_long_answer_is_one_sentence_on_a_narrow_page_until_it_is_opened(chat: Chat, bot: FakeBot) -> None:
    bot.answers["how"] = replace(REFUND, trace={**REFUND.trace, **MARKED})
    chat.say("how")
    said, summary = chat.last().locator(".text"), chat.last().locator(".brief summary")
    assert not said.is_visible()
    assert summary.inner_text() == f"{MARKED['short']} More"
    summary.press("Enter")
    assert said.is_visible()
    assert said.inner_text() == REFUND.text
    assert said.locator("mark").inner_text() == MARKED["highlight"]
    assert summary.inner_text().strip() == "Less"
    assert chat.last().locator(".next").inner_text() == MARKED["person"]
    chat.page.set_viewport_size({"width": 1000, "height": 740})
    assert said.is_visible()
    assert not summary.is_visible()


def test_without_javascript_too_the_sentence_comes_first_and_is_marked(client: FlaskClient, bot: FakeBot) -> None:
    bot.answers["how"] = replace(REFUND, trace={**REFUND.trace, **MARKED})
    page = client.post("/", data={"message": "how"}).text
    assert f'<span class="gist" lang="en">{MARKED["short"]}</span>' in page
    assert f"<mark>{MARKED['highlight']}</mark>\nWrite to us first" in page
    assert f'<p class="next" lang="en">{MARKED["person"]}</p>' in page
    assert "<mark>" not in client.post("/", data={"message": "How do I get a refund?"}).text


WRITTEN = {"short": "Returns within 14 days.", "short_by": "shortener"}
NAMED = [
    {"label": "PER", "text": "<b>Oru", "start": 0, "end": 6},
    {"label": "DT", "text": "May 4", "start": 8, "end": 13},
]


@browser_only
@pytest.mark.parametrize("context", [{"viewport": {"width": 360, "height": 740}}], indirect=True)
@pytest.mark.parametrize("lang", ["en", "ko"])
def test_a_short_form_that_a_model_wrote_is_labelled_and_the_stored_answer_is_not(
    chat: Chat, bot: FakeBot, lang: str
) -> None:
    bot.answers["how"] = replace(REFUND, trace={**REFUND.trace, **WRITTEN})
    chat.page.goto(f"{chat.site}/?lang={lang}")
    chat.say("how")
    summary, label = chat.last().locator(".brief summary"), chat.last().locator(".brief .written")
    assert label.inner_text() == WORDS[lang]["generated"]
    assert summary.inner_text() == f"{WRITTEN['short']} {WORDS[lang]['generated']} {WORDS[lang]['more']}"
    summary.press("Enter")
    assert not label.is_visible()
    assert chat.last().locator(".text").inner_text() == REFUND.text
    bot.answers["unnamed"] = replace(REFUND, trace={**REFUND.trace, "short": WRITTEN["short"]})
    chat.say("unnamed")
    assert chat.last().locator(".brief").count() == 0  # no sentence of the answer, and nobody wrote it


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_without_javascript_too_a_written_short_form_is_labelled(client: FlaskClient, bot: FakeBot, lang: str) -> None:
    bot.answers["how"] = replace(REFUND, trace={**REFUND.trace, **WRITTEN, "entities": NAMED})
    bot.answers["unnamed"] = replace(REFUND, trace={**REFUND.trace, "short": WRITTEN["short"], "entities": []})
    page = client.post(f"/?lang={lang}", data={"message": "how"}).text
    label = f'<small class="written" lang="{lang}">{WORDS[lang]["generated"]}</small>'
    assert f'<span class="gist" lang="en">{WRITTEN["short"]} {label}</span>' in page
    assert "You can return an item within 14 days.\nWrite to us first" in page
    assert f"<dt>{WORDS[lang]['short_by']}</dt><dd>{WORDS[lang]['short_by_shortener']}</dd>" in page
    assert f"<dt>{WORDS[lang]['entities']}</dt><dd>&lt;b&gt;Oru (PER), May 4 (DT)</dd>" in page
    page = client.post(f"/?lang={lang}", data={"message": "unnamed"}).text
    assert "gist" not in page
    assert f"<dt>{WORDS[lang]['entities']}</dt><dd>–</dd>" in page


@browser_only
def test_what_a_message_names_is_told_in_words(chat: Chat, bot: FakeBot) -> None:
    bot.answers["how"] = replace(REFUND, trace={**REFUND.trace, "entities": NAMED})
    chat.say("how")
    chat.last().locator(".why summary").click()
    row = chat.last().locator(".why dl div").filter(has_text=WORDS["en"]["entities"])
    assert row.locator("dd").inner_text() == "<b>Oru (PER), May 4 (DT)"
