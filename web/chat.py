"""The chat page: one template, one style sheet, two small modules; it also works without JavaScript."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from apiflask import APIBlueprint
from flask import Response, make_response, render_template, request, url_for

from bot.answer import Answer
from bot.composing import sentence_of
from web import asking
from web.api import read_name, read_thumb, write_down
from web.asking import MESSAGE_LIMIT, read_message, the_bot
from web.keys import page_token
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


@bp.app_template_filter()
def sentence(answer: Mapping[str, Any], name: str) -> str:
    """Give the sentence of an answer that its trace names as `highlight` or `short`, or nothing."""
    return sentence_of(answer["text"], answer["trace"], name)


@bp.app_template_filter()
def entities(found: Sequence[Mapping[str, Any]]) -> str:
    """Name what a tagger found in a message, each with its kind."""
    return ", ".join(f"{one['text']} ({one['label']})" for one in found) or "–"


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
        if "chosen" in request.args:
            exchange, chosen = (read_name(request.args.get(name), name) for name in ("exchange", "chosen"))
            write_down(exchange, chosen=chosen)
        return show(message=message, answer=asking.answer(message, channel="chat"))
    except Refused as refused:
        response = show(refusal=refused.sentences()[language() == "ko"], status=refused.code or 422)
        response.headers.update(refused.headers)
        return response


@bp.post("/vote")
def vote() -> Response:
    """Take a thumb from a browser without JavaScript, and thank for it."""
    exchange, thumb = read_name(request.form.get("exchange"), "exchange"), read_thumb(request.form.get("vote"))
    if not write_down(exchange, thumb):
        raise Refused("unknown_exchange", field="exchange")
    lang = language()
    return make_response(render_template("problem.html", lang=lang, words=WORDS[lang], sentence=WORDS[lang]["thanks"]))


def show(message: str = "", answer: Answer | None = None, refusal: str = "", status: int = 200) -> Response:
    """Render the page with at most one exchange; all else lives in the browser."""
    page = shared(language(), "chat", "mundap.conversation")
    page["settings"] |= {
        "home": url_for("chat.page"),
        "exchange": answer and {"message": message, "answer": answer.to_dict()},
    }
    html = render_template("chat.html", **page, message=message, answer=answer and answer.to_dict(), refusal=refusal)
    response = make_response(html, status)
    response.headers["Cache-Control"] = "no-store"
    return response


def shared(lang: str, channel: str, memory: str) -> dict[str, Any]:
    """Give what a page with a conversation needs; `memory` names where the tab keeps it."""
    info, words = the_bot().info(), WORDS[lang]
    return {
        "lang": lang,
        "words": words,
        "greeting": words["greeting"].replace("{n}", f"{info['entries']:,}"),
        "starters": starters(info.get("examples", ()), lang),
        "settings": {
            "ask": url_for("api.ask"),
            "vote": url_for("api.vote"),
            "streams": asking.generates(),
            "channel": channel,
            "memory": memory,
            "headers": {"X-Page-Token": token} if (token := page_token()) else {},
            "lang": lang,
            "words": words,
            "bands": BANDS,
            "limit": MESSAGE_LIMIT,
        },
    }


def starters(examples: Sequence[str], lang: str) -> list[str]:
    """Choose stored questions to start with, in the language of the page where there are any."""
    return ([text for text in examples if text_language(text) == lang] or list(examples))[:STARTERS]
