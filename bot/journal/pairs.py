"""Pairs to learn from: what was asked, and the stored question that a visitor showed it to mean."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from bot.journal.personal import FORMS, KINDS, mask
from indexer.cells import normalise
from indexer.row import Row

HEADER = ("message", "question")
MASKS = frozenset((*(form.word for form in FORMS), *KINDS.values()))


def pairs(
    exchanges: Iterable[Mapping[str, Any]], rows: Mapping[str, Row]
) -> tuple[list[tuple[str, str]], Counter[str]]:
    """Give each message with the stored question that was clicked for it, or whose answer got a thumb up, once.

    `rows` are the stored questions by their ids. The second value counts those left out, by the reason.
    """
    found: dict[tuple[str, str], tuple[str, str]] = {}
    left: Counter[str] = Counter()
    for one in exchanges:
        if meant := _meant(one):
            row = rows.get(meant["id"])
            pair = one["message"], row.question if row and row.entry == meant["entry"] else ""
            same = normalise(pair[0]), normalise(pair[1])
            if reason := "repeated" if same in found else _unfit(one, *same):
                left[reason] += 1
            else:
                found[same] = (_on_one_line(pair[0]), _on_one_line(pair[1]))
    return list(found.values()), left


def _meant(one: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Give the candidate that a visitor showed to be the right one; a click says more than a thumb."""
    if one["chosen"]:
        return next((found for found in one["candidates"] if found["id"] == one["chosen"]), None)
    liked = one["vote"] == "up" and one["decision"] == "answer"  # of what a generator wrote, no one question is known
    return one["candidates"][0] if liked and one["candidates"] else None


def _unfit(one: Mapping[str, Any], message: str, question: str) -> str:
    """Say why nothing can be learned from a message, if so."""
    text = mask(one["message"])  # again: masking may have been off
    if any(word in text for word in MASKS):
        return "with personal data"
    if one["trace"].get("followed"):  # "and abroad?" means that question only after another
        return "understood by the message before"
    if not question:
        return "whose question is no longer stored"
    return "that are the stored question itself" if message in ("", question) else ""


def _on_one_line(text: str) -> str:
    return " ".join(text.split())
