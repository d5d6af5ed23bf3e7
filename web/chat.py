"""The chat page: one template, one style sheet, two small modules; it also works without JavaScript."""

import re
from collections.abc import Sequence
from typing import Any

from apiflask import APIBlueprint
from flask import Response, make_response, render_template, request, url_for

from bot.answer import Answer
from web import asking
from web.asking import MESSAGE_LIMIT, read_message, the_bot
from web.problems import Refused
from web.words import LANGUAGES, WORDS, language, text_language

LINK = re.compile(r"(https?://|mailto:)", re.IGNORECASE)
BANDS = ((0.85, "high"), (0.6, "middle"), (0.0, "low"))  # a probability in words; JavaScript reads it too
STARTERS = 4
A_YEAR = 365 * 24 * 3600

bp = APIBlueprint("chat", __name__, enable_openapi=False)


@bp.app_template_filter()
def in_language(text: str) -> str:
    """Give the `lang` attribute of a text."""
    return text_language(text)


@bp.app_template_filter()
def band(probability: float) -> str:
    """Give the band whose words describe a probability."""
    return next(name for least, name in BANDS if probability >= least)


@bp.app_template_filter()
def percent(probability: float) -> int:
    """Give whole percent, 0 and 100 only where they are exact."""
    return int(probability * 100) if probability in (0, 1) else min(99, max(1, round(probability * 100)))


@bp.app_template_filter()
def link(url: str) -> str:
    """Give a URL that may become a link, or nothing: `javascript:` and the like stay text."""
    return url if LINK.match(url) else ""


@bp.get("/")
def page() -> Response:
    """Show the page; `?lang=ko` or `?lang=en` sets its language and is remembered."""
    response = show()
    if request.args.get("lang") in LANGUAGES:
        response.set_cookie("lang", language(), max_age=A_YEAR, httponly=True, samesite="Lax")
    return response


@bp.post("/")
def say() -> Response:
    """Answer a message in a browser without JavaScript."""
    written = [text for text in request.form.getlist("message") if text.strip()]
    try:
        message = read_message(next(iter(written), ""))
        return show(message=message, answer=asking.answer(message))
    except Refused as refused:
        response = show(refusal=refused.sentences()[language() == "ko"], status=refused.code or 422)
        response.headers.update(refused.headers)
        return response


def show(message: str = "", answer: Answer | None = None, refusal: str = "", status: int = 200) -> Response:
    """Render the page with at most one exchange; all else lives in the browser."""
    lang, info = language(), the_bot().info()
    words = WORDS[lang]
    html = render_template(
        "chat.html",
        lang=lang,
        words=words,
        greeting=words["greeting"].replace("{n}", f"{info['entries']:,}"),
        starters=starters(info.get("examples", ()), lang),
        message=message,
        answer=answer and answer.to_dict(),
        refusal=refusal,
        settings=settings(lang, message, answer),
    )
    response = make_response(html, status)
    response.headers["Cache-Control"] = "no-store"
    return response


def starters(examples: Sequence[str], lang: str) -> list[str]:
    """Choose stored questions to start with, in the language of the page where there are any."""
    return ([text for text in examples if text_language(text) == lang] or list(examples))[:STARTERS]


def settings(lang: str, message: str, answer: Answer | None) -> dict[str, Any]:
    """Give what the module reads from the page; an exchange made without it joins the history."""
    return {
        "ask": url_for("api.ask"),
        "home": url_for("chat.page"),
        "lang": lang,
        "words": WORDS[lang],
        "bands": BANDS,
        "limit": MESSAGE_LIMIT,
        "exchange": answer and {"message": message, "answer": answer.to_dict()},
    }
