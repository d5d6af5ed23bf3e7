"""The chat page in a real browser where the API is limited or keyed: told kindly, and no key needed."""

import hashlib
from typing import Any

import pytest
from fake_bot import REFUND, FakeBot
from flask import Flask

from bot.settings import Settings
from web import create_app

pytestmark = pytest.mark.browser
KEYS = (hashlib.sha256(b"mk-1").hexdigest(),)
SETTLED = "#log:not(:has(.waiting)) .theirs:last-child"


@pytest.fixture
def app(bot: FakeBot) -> Flask:
    return create_app(bot, Settings(api_keys=KEYS, per_client="1 per hour"))


@pytest.mark.parametrize(
    ("locale", "said", "again"), [("en-US", "in a short time", "Try again"), ("ko-KR", "초 뒤에 다시", "다시 시도")]
)
def test_the_page_needs_no_key_and_says_when_it_was_too_much(
    browser: Any, site: str, locale: str, said: str, again: str
) -> None:
    context = browser.new_context(locale=locale, viewport={"width": 390, "height": 740})
    page = context.new_page()
    page.goto(site)
    for _ in range(2):
        page.fill("#message", "How do I get a refund?")
        page.keyboard.press("Enter")
        page.wait_for_selector(SETTLED)
    texts = page.locator(".theirs .text").all_inner_texts()
    assert texts[0].strip() == REFUND.text
    assert said in texts[1]
    assert again in page.locator(".theirs").last.inner_text()
    context.close()
