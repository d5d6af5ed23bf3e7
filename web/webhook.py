"""The generic webhook: Mattermost's form, a slash command or plain JSON in, `{"text", "response_type"}` out."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from apiflask import APIBlueprint
from flask import current_app, request

from bot.answer import Answer
from web import asking
from web.api import read_object
from web.asking import read_message, read_session, visible
from web.problems import Refused
from web.words import WORDS, text_language

BOTS = frozenset(("slackbot", "USLACKBOT"))
ADDRESS = re.compile(r"https?://[^\s<>]+")
MARKUP = re.compile(r"[\\`*_~\[\]|]")
LINE_MARK = re.compile(r"^(\s*)(#|>|[-+=]{3,})", re.MULTILINE)
EVERYONE = re.compile(r"(?<!\w)@(?=(?:all|channel|here|everyone)\b)", re.IGNORECASE)
TAG, ENTITY = re.compile(r"<(?=[A-Za-z/!?@#])"), re.compile(r"&(?=#?\w+;)")
RELATED = 0.3  # below this probability of being on topic, a suggestion would only puzzle; draw.js has it too

bp = APIBlueprint("webhook", __name__, enable_openapi=False)


@bp.post("/webhook")
def answer() -> dict[str, Any]:
    """Answer the message of a chat program; registered only where a token is set."""
    fields = read_fields()
    check_token(fields.get("token"))
    if from_a_program(fields):
        return {}  # Mattermost posts nothing then, so two bots never talk to each other
    text, kind = question(fields), response_type(fields)
    if not visible(text):
        return {"text": usage(fields), "response_type": kind}
    message = read_message(text, name="text")
    found = asking.answer(message, session(fields), channel="webhook")
    return {"text": in_markdown(found, text_language(message)), "response_type": kind}


# ---- What comes in


def read_fields() -> Mapping[str, Any]:
    """Give the fields of the form or of the JSON object, or refuse the request (400)."""
    if request.mimetype in ("application/x-www-form-urlencoded", "multipart/form-data"):
        return request.form
    if not request.is_json:
        raise Refused("not_a_form")
    return read_object()


def check_token(given: object) -> None:
    """Refuse (401) whoever does not know the token; the comparison takes as long for every wrong one."""
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    sent = [given if isinstance(given, str) else "", credentials if scheme.lower() in ("bearer", "token") else ""]
    secret = current_app.extensions["settings"].webhook_token.encode("utf-8", "surrogatepass")
    if not any([hmac.compare_digest(one.strip().encode("utf-8", "surrogatepass"), secret) for one in sent]):
        raise Refused("token_wrong")


def from_a_program(fields: Mapping[str, Any]) -> bool:
    """Tell whether another bot wrote the message, as far as the form says."""
    named = {str(fields.get("user_name", "")), str(fields.get("user_id", ""))}
    return bool(fields.get("bot_id") or named & BOTS)


def question(fields: Mapping[str, Any]) -> str:
    """Give the text without the trigger word that it begins with, or refuse it (422)."""
    text, trigger = fields.get("text"), fields.get("trigger_word")
    if not isinstance(text, str):
        raise Refused("message_missing", field="text")
    rest = text.strip()
    if not isinstance(trigger, str) or not trigger or not rest.lower().startswith(trigger.lower()):
        return rest
    rest = rest[len(trigger) :]
    # "help" may have been triggered by "helpful": then nothing is cut off.
    return text.strip() if rest[:1].isalnum() and trigger[-1].isalnum() else rest.lstrip(" \t\r\n:,")


def session(fields: Mapping[str, Any]) -> str | None:
    """Name the conversation: one for each person in each channel, so that a follow-up is understood.

    The token goes into the name, so that nobody can join the conversation through `/api/ask`.
    """
    if (given := read_session(fields.get("session"))) is not None:
        return given
    who = [str(fields.get(f"{part}_id") or fields.get(f"{part}_name") or "") for part in ("team", "channel", "user")]
    if not who[2]:
        return None
    secret = current_app.extensions["settings"].webhook_token
    named = "\0".join([secret, *who]).encode("utf-8", "surrogatepass")
    return f"webhook:{hashlib.sha256(named).hexdigest()[:32]}"


# ---- What goes out


def response_type(fields: Mapping[str, Any]) -> str:
    """Choose where the answer appears.

    A slash command is answered to the person alone (`ephemeral`), a post in its thread (`comment`, Mattermost's word),
    anything else in the channel (`in_channel`).
    """
    if fields.get("command"):
        return "ephemeral"
    return "comment" if fields.get("post_id") or fields.get("trigger_word") else "in_channel"


def usage(fields: Mapping[str, Any]) -> str:
    """Say how to ask, in both languages: nothing tells which one the person reads."""
    before = str(fields.get("command") or fields.get("trigger_word") or "").strip()[:100]
    return "\n".join(
        escape(WORDS[lang]["usage"].replace("{example}", f"{before} {WORDS[lang]['usage_example']}".strip()))
        for lang in ("ko", "en")
    )


def in_markdown(found: Answer, lang: str) -> str:
    """Write an answer in Markdown: the text, what is offered, and where it is from."""
    lines, words = [escape(found.text)], WORDS[lang]
    if person := found.trace.get("person"):
        lines += ["", escape(str(person))]
    if offered := offers(found):
        if found.decision == "abstain":
            lines += ["", escape(words["closest_typed"])]
        lines += ["", *(f"- {escape(' '.join(one.split()))}" for one in offered)]
    if found.decision == "generated":
        named = [link(one.url, one.question) or escape(" ".join(one.question.split())) for one in found.sources]
        lines += ["", f"_{words['generated']}_", *(f"{number}\\. {one}" for number, one in enumerate(named, 1))]
    if found.decision == "answer":
        linked = [link(one.url, f"{words['source']}: {one.question}") for one in found.sources]
        lines += ["", *filter(None, linked)] if any(linked) else []
    return "\n".join(lines)


def offers(found: Answer) -> list[str]:
    """Give the stored questions that are offered: a choice, or the closest ones to a message that has some relation."""
    unrelated = found.decision == "abstain" and found.trace.get("on_topic", 1.0) < RELATED
    if found.decision not in ("choose", "abstain") or unrelated:
        return []
    return [str(one["question"]) for one in found.candidates[:3]]


def link(url: str, text: str) -> str:
    """Write a Markdown link, or nothing where the address is not one for people."""
    if not url.lower().startswith(("http://", "https://", "mailto:")):
        return ""
    return f"[{escape(' '.join(text.split()))}]({quote(url, safe=':/?#@!$&*+,;=%~')})"


def escape(text: str) -> str:
    """Make stored text plain in Markdown: no formatting, no link, nobody called; addresses stay as they are."""
    parts, rest = [], 0
    for address in ADDRESS.finditer(text):
        parts += [plain(text[rest : address.start()]), address.group()]
        rest = address.end()
    return "".join([*parts, plain(text[rest:])])


def plain(text: str) -> str:
    """Take the meaning from what Markdown would read as more than letters."""
    lined = LINE_MARK.sub(r"\1\\\2", MARKUP.sub(r"\\\g<0>", text))
    return EVERYONE.sub("@\u2060", TAG.sub("&lt;", ENTITY.sub("&amp;", lined)))
