"""Answers in Slack's Block Kit, and Slack's message texts as a person wrote them.

Limits: 3,000 characters a section, 75 a button, 2,000 its value, and about 11,000 a message.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bot.answer import Answer
from bot.composing import sentence_of
from web.chat import band, link, percent
from web.problems import PROBLEMS
from web.words import WORDS

SECTION, SECTIONS = 3000, 3  # characters; sections of one answer
CITED = 5  # sources that are named
OFFERED = 3  # stored questions to choose from
SHORT = 150  # characters of what is only quoted
WORTH_A_THUMB = ("answer", "generated", "abstain")

TEXTS: dict[str, dict[str, str]] = {
    "en": {
        "usage": "Write a question after my name, for example: How do I get a refund?",
        "asked": "You asked:",
        "chosen": "Chosen:",
        "choose": "This one",
        "up": "Helpful",
        "down": "Not helpful",
        "thanks_up": "Marked as helpful. Thank you!",
        "thanks_down": "Marked as not helpful. Thank you for telling us!",
    },
    "ko": {
        "usage": "제 이름 뒤에 질문을 적어 주세요. 예: 환불은 어떻게 받나요?",
        "asked": "질문:",
        "chosen": "고른 질문:",
        "choose": "이거예요",
        "up": "도움이 됐어요",
        "down": "도움이 안 됐어요",
        "thanks_up": "도움이 됐다고 기록했어요. 고마워요!",
        "thanks_down": "도움이 안 됐다고 기록했어요. 알려 주셔서 고마워요!",
    },
}

Block = dict[str, Any]
MARKUP = re.compile(r"<([^<>]*)>")
URL = re.compile(r"https?://[^\s<>|\"']+[^\s<>|\"'.,;:!?)\]}…]")
WORD = re.compile(r"\s*\S+|\s+$")


def plain(text: str) -> str:
    """Give the text that a person wrote: mentions taken out, links and channels in words, entities decoded."""
    words = MARKUP.sub(lambda found: _in_words(found[1]), text)
    return " ".join(words.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").split())


def _in_words(markup: str) -> str:
    target, _, label = markup.partition("|")
    if label:
        return ("#" + label) if target.startswith("#") else label
    if target.startswith("!"):
        return "@" + target[1:]
    return "" if target.startswith(("@", "#")) else target


def escape(text: str) -> str:
    """Escape what Slack reads as markup, so that no stored text mentions anybody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def mrkdwn(text: str) -> str:
    """Escape a text and make its web addresses links."""
    parts, end = [], 0
    for found in URL.finditer(text):
        parts += [escape(text[end : found.start()]), f"<{escape(found[0])}>"]
        end = found.end()
    return "".join([*parts, escape(text[end:])])


def sections(text: str) -> list[Block]:
    """Cut a text at words into sections; what is beyond the last is left out, with three dots."""
    shares = [""]
    for word in _words(text):
        if len(shares[-1]) + len(word) > SECTION - 2:
            shares.append("")
            word = word.lstrip()
        shares[-1] += word
    if len(shares) > SECTIONS:
        shares[SECTIONS - 1 :] = [shares[SECTIONS - 1] + " …"]
    return [{"type": "section", "text": _text(share)} for share in shares if share.strip()]


def _words(text: str) -> Iterator[str]:
    """Give the words of a text as Slack reads them, none longer than half a section."""
    for word in WORD.findall(text):
        marked = mrkdwn(word)
        step = SECTION // 10  # an escaped character takes up to five
        yield from (
            [marked]
            if len(marked) <= SECTION // 2
            else (escape(word[start : start + step]) for start in range(0, len(word), step))
        )


def said(answer: Answer, lang: str, above: str = "", heading: str = "") -> dict[str, Any]:
    """Give the text and the blocks of an answer; `heading` names the text that stands above it, in small print."""
    blocks = [context(f"*{TEXTS[lang][heading]}* {mrkdwn(cut(above, SHORT))}")] if heading else []
    short, written = sentence_of(answer.text, answer.trace, "short"), bool(answer.trace.get("short_by"))
    if short:  # Slack itself folds the long section below it, with "See more"
        blocks.append({"type": "section", "text": _text(f"*{mrkdwn(cut(short, SECTION // 5))}*")})
    if short and written:
        blocks.append(context(WORDS[lang]["generated"]))
    blocks += sections(answer.text)
    if person := answer.trace.get("person"):
        blocks += sections(str(person))
    if answer.decision == "choose":
        blocks += choices(answer, lang)
    if answer.decision in ("answer", "generated"):
        blocks.append(context(evidence(answer, lang)))
    if answer.decision != "smalltalk" and (why := reasons(answer.trace, lang)):
        blocks.append(context(f"*{WORDS[lang]['why']}* {why}"))
    if answer.trace.get("exchange") and answer.decision in WORTH_A_THUMB:
        blocks.append(thumbs(str(answer.trace["exchange"]), lang))
    told = answer.text if written else short or answer.text  # a notification has no room for the label
    return {"text": escape(cut(told, SECTION // 5)), "blocks": blocks}


def sentence(text: str) -> dict[str, Any]:
    """Give the text and the block of a sentence of our own."""
    return {"text": escape(text), "blocks": sections(text)}


def refusal(problem: str, lang: str) -> dict[str, Any]:
    """Say why there is no answer."""
    _, english, korean = PROBLEMS[problem]
    texts = {"en": english, "ko": korean}
    return sentence(TEXTS[lang]["usage"] if problem == "message_empty" else texts[lang])


def choices(answer: Answer, lang: str) -> list[Block]:
    """Offer the stored questions, each whole, with a button beside it."""
    return [
        {
            "type": "section",
            "text": _text(mrkdwn(cut(candidate["question"], SECTION // 10))),
            "accessory": button(
                f"choose_{number}",
                TEXTS[lang]["choose"],
                value_of(answer.trace.get("exchange"), candidate),
                f"{TEXTS[lang]['choose']}: {candidate['question']}",
            ),
        }
        for number, candidate in enumerate(answer.candidates[:OFFERED], 1)
    ]


def value_of(exchange: object, candidate: Mapping[str, Any]) -> str:
    """Write what a click on a choice must know; a very long question is cut, the row still names it."""
    known = {"exchange": str(exchange or ""), "row": str(candidate["id"])}
    return json.dumps(known | {"question": cut(candidate["question"], 800)}, ensure_ascii=False)


def evidence(answer: Answer, lang: str) -> str:
    """Say how sure the answer is, and where it is from."""
    words = WORDS[lang]
    share = words["percent"].replace("{n}", str(percent(answer.confidence)))
    sure = words["generated"] if answer.decision == "generated" else words[band(answer.confidence)]
    named = [_link(source.url, cut(source.question, SHORT)) for source in answer.sources[:CITED]]
    if answer.decision == "generated":  # the text names its sources by number
        named = [f"[{number}] {name}" for number, name in enumerate(named, 1)]
    return " · ".join([f"{sure} ({share})", *(f"{words['source']}: {name}" for name in named)])


def reasons(trace: Mapping[str, Any], lang: str) -> str:
    """Say in one line why the answer is what it is."""
    words, rule = WORDS[lang], str(trace.get("rule", ""))
    parts = [escape(cut(words.get(f"rule_{rule}", rule), SHORT))] if rule else []
    if legs := words.get(f"legs_{trace.get('legs')}"):
        parts.append(f"{words['legs']}: {legs}")
    if "followed" in words and trace.get("followed"):
        parts.append(f"{words['followed']}: {escape(cut(str(trace['followed']), SHORT))}")
    if "on_topic" in trace:
        parts.append(f"{words['on_topic']}: {words['percent'].replace('{n}', str(percent(trace['on_topic'])))}")
    return " · ".join(parts)


def thumbs(exchange: str, lang: str) -> Block:
    """Ask whether it helped."""
    texts = TEXTS[lang]
    up = button("thumb_up", f"👍 {texts['up']}", exchange, texts["up"])
    down = button("thumb_down", f"👎 {texts['down']}", exchange, texts["down"])
    return {"type": "actions", "block_id": f"thumbs_{lang}", "elements": [up, down]}


def thanked(blocks: Sequence[Block], vote: str) -> list[Block]:
    """Put thanks in the place of the thumbs."""
    return [
        context(thanks(vote, block["block_id"])) if block.get("block_id", "").startswith("thumbs_") else block
        for block in blocks
    ]


def thanks(vote: str, block_id: str) -> str:
    """Give the thanks for a thumb, in the language of the buttons."""
    texts = TEXTS["ko" if block_id == "thumbs_ko" else "en"]
    return f"{'👍' if vote == 'up' else '👎'} {texts['thanks_' + vote]}"


def button(action: str, label: str, value: str, accessible: str) -> Block:
    """Give a button."""
    text = {"type": "plain_text", "text": cut(label, 75), "emoji": True}
    return {
        "type": "button",
        "action_id": action,
        "text": text,
        "value": value,
        "accessibility_label": cut(accessible, 75),
    }


def context(text: str) -> Block:
    """Give a line in small print."""
    return {"type": "context", "elements": [_text(text)]}


def cut(text: str, length: int) -> str:
    """Shorten a text, with three dots where something is missing."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def _text(marked: str) -> Block:
    # verbatim: Slack would otherwise turn a plain @channel or #general into a mention.
    return {"type": "mrkdwn", "text": marked, "verbatim": True}


def _link(url: str, label: str) -> str:
    shown = escape(" ".join(label.replace("|", " ").split()))
    target = link(url) and url.replace("|", "%7C").replace("<", "%3C").replace(">", "%3E").replace(" ", "%20")
    return f"<{target.replace('&', '&amp;')}|{shown}>" if target else shown
