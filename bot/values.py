"""From what a person wrote to the value of a setting, and back; each refusal says what to write."""

import re
from collections.abc import Mapping
from dataclasses import Field
from pathlib import Path
from typing import Any

from indexer.errors import UserError

WORDS = {"on": True, "true": True, "yes": True, "1": True, "off": False, "false": False, "no": False, "0": False}
LEAST_SHOWN, SHOWN = 13, 4  # of a secret that is long enough, its last characters


def read_value(one: "Field[Any]", raw: object, where: str) -> Any:
    """Read a value as the setting's type has it; `where` is the variable or FILE:KEY that a refusal names."""
    rules: Mapping[str, Any] = one.metadata
    if "off" in rules and (raw is False or (isinstance(raw, str) and raw.strip().lower() in ("off", ""))):
        return rules["off"]
    if one.type is bool:
        return _yes_or_no(raw, where)
    if one.type is int:
        return _number(raw, where, rules)
    if one.type == tuple[str, ...]:
        return _list(raw, where, rules)
    text = _text(raw, where, rules)
    if one.type is str:
        return text
    if not text:
        raise UserError(f"{where} is empty: write a path.")
    return Path(text).expanduser()


def show(one: "Field[Any]", value: Any) -> str:
    """Write a value for people; of a secret no more than tells one from another."""
    if value in ("", None, ()):
        return "off" if "off" in one.metadata else "-"
    if one.metadata.get("secret"):
        return f"{len(value)} set" if isinstance(value, tuple) else masked(value)
    if isinstance(value, bool):
        return "on" if value else "off"
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def masked(secret: str) -> str:
    """Say that a secret is set."""
    return f"set, ends in ...{secret[-SHOWN:]}" if len(secret) >= LEAST_SHOWN else "set"


def _yes_or_no(raw: object, where: str) -> bool:
    if isinstance(raw, bool):
        return raw
    found = WORDS.get(raw.strip().lower()) if isinstance(raw, str) else None
    if found is None:
        raise UserError(f"{where} is {raw!r}: set it to on or off (in TOML: true or false).")
    return found


def _number(raw: object, where: str, rules: Mapping[str, Any]) -> int:
    text = raw.strip() if isinstance(raw, str) else str(raw) if type(raw) is int else ""
    most = rules.get("most", 10**9)
    if text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) <= most:
        return int(text)
    why = (
        " Kubernetes sets it for a service of that name; enableServiceLinks: false stops that." if "://" in text else ""
    )
    raise UserError(f"{where} is {raw!r}: set it to a number from 0 to {most}.{why}")


def _list(raw: object, where: str, rules: Mapping[str, Any]) -> tuple[str, ...]:
    parts = raw.split(",") if isinstance(raw, str) else raw
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise UserError(f'{where} is no list of texts: write words with commas between (in TOML: ["one", "two"]).')
    items = [part.strip() for part in parts if part.strip()]
    for number, item in enumerate(items, 1):
        if "form" in rules and not re.fullmatch(rules["form"], item.lower()):
            what = f"({len(item)} characters)" if rules.get("secret") else f"({item!r})"
            raise UserError(f"{where}, number {number} {what}, cannot be used: write {rules['say']}")
    return tuple(dict.fromkeys(item.lower() if "form" in rules else item for item in items))


def _text(raw: object, where: str, rules: Mapping[str, Any]) -> str:
    if not isinstance(raw, str):
        raise UserError(f"{where} is no text: write it in quotation marks.")
    text = raw.strip()
    shown = "this" if rules.get("secret") else repr(text)
    if any(ord(character) < 32 or 0xD800 <= ord(character) < 0xE000 for character in text):
        raise UserError(f"{where} has a control character in {shown}: write it in one line of plain text.")
    if "choices" in rules and text not in rules["choices"]:
        raise UserError(f"{where} is {shown}: set it to {' or '.join(rules['choices'])}.")
    return text
