"""Personal data out of a text: e-mail addresses, telephone numbers, payment cards, Korean resident numbers.

Such a number must be told from order numbers, dates and prices, so each form is as narrow as its real shape allows: a
card keeps its check digit (ISO/IEC 7812-1, annex B), a resident number begins with a day that exists. The check digit
of the latter is not asked for: those given since October 2020 have none.
"""

import re
import unicodedata
from calendar import monthrange
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

LEAST_DIGITS = 7
GAP = r"(?: ?[-.] ?| )"  # between two groups of digits
NEAR = GAP + "?"
AREA = r"(?:2|[3-6][1-5]|70|80|50\d|60|10|1[16-9])"  # of Korea, without the 0 in front
SERVICE = r"1(?:5(?:22|33|44|51|55|66|77|88|99)|6(?:00|44|6[0168]|70|88)|8(?:00|11|33|44|55|66|77|99))"
ABROAD = r"(?:44|49|33|39|34|86|81|84|61|65|66|63|62|60|91|7)"  # countries that are written with 00 in front
DOMAIN = r"(?:(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z][A-Za-z0-9-]+|[가-힣][가-힣\w-]{0,62}(?:\.\w{1,63}){1,8})"
DOUBLED = str.maketrans("0123456789", "0246813579")  # twice a digit, its digits added
KINDS = {  # what a tagger may call personal, in the words of several data sets, and what is written in its place
    **dict.fromkeys(("PER", "PS", "PERSON", "NAME"), "[name]"),
    "ADDRESS": "[address]", "EMAIL": "[email]", "PHONE": "[phone]", "ACCOUNT": "[account]",
}  # fmt: skip
MASKED = re.compile(r"\[(?:email|resident number|card|phone)\]")
DASHES, DOTS = "‐‑‒–—―−﹣⁃ㅡー", "·∙・․。．"


def mask(text: str) -> str:
    """Put [email], [resident number], [card] and [phone] in the place of personal data; leave all else as it is.

    Full-width digits and signs count as plain ones. Masking twice is masking once, and the time grows with the length.
    """
    plain = text if text.isascii() else text.translate(_PLAIN)
    many_digits = len(re.findall(r"\d", plain)) >= LEAST_DIGITS
    for form in FORMS:
        if many_digits if form.word != "[email]" else "@" in plain:
            text, plain = _replace(text, plain, form)
    return text


def mask_found(text: str, entities: Iterable[Mapping[str, Any]]) -> str:
    """Put [name] and the like in the place of entities (`start`, `end`, `label`); what is masked already stays."""
    taken = [found.span() for found in MASKED.finditer(text)]
    for one in sorted(entities, key=lambda one: -int(one["start"])):
        start, end, word = int(one["start"]), int(one["end"]), KINDS.get(str(one["label"]).upper())
        if word and not any(start < stop and begin < end for begin, stop in taken):
            text = text[:start] + word + text[end:]
    return text


class Form(NamedTuple):
    """One shape of personal data."""

    word: str  # that is written in its place
    pattern: re.Pattern[str]
    holds: Callable[[str], bool] = bool  # tells a find from what only looks like it


def form(word: str, shape: str, holds: Callable[[str], bool] = bool, behind: str = r"(?<!\d)", ahead: str = "") -> Form:
    """Make a form whose finds take nothing away: what a test denies may hold another find."""
    return Form(word, re.compile(f"{behind}(?=({shape}){ahead})"), holds)


def _replace(text: str, plain: str, form: Form) -> tuple[str, str]:
    """Replace what a form finds in the plain writing, in the text and in the plain writing."""
    parts, plain_parts, end = [], [], 0
    for found in form.pattern.finditer(plain):
        start, stop = found.span(1)
        if start >= end and form.holds(found[1]):
            parts += [text[end:start], form.word]
            plain_parts += [plain[end:start], form.word]
            end = stop
    return ("".join(parts) + text[end:], "".join(plain_parts) + plain[end:]) if parts else (text, plain)


def born(found: str) -> bool:
    """Tell whether a resident number begins with a day that exists; its seventh digit names the century."""
    digits = re.sub(r"[^\d*]", "", found)
    year, month, day = (int(digits[place : place + 2]) for place in (0, 2, 4))
    year += 1900 if digits[6] in "1256" else 2000
    return 1 <= month <= 12 and 1 <= day <= monthrange(year, month)[1]


def card(found: str) -> bool:
    """Tell whether a number can be a card's: its check digit holds, and it does not begin as a year does."""
    digits = re.sub(r"\D", "", found)
    if digits.startswith(("0", "19", "20")) or (len(digits) < 15 and digits[0] not in "3456"):
        return False
    return sum(map(int, digits[-1::-2] + digits[-2::-2].translate(DOUBLED))) % 10 == 0


ALONE, NOT_TIED = r"(?!\d)", r"(?!-?\d)"  # an order number has groups like a telephone's, tied to others by a hyphen
START = r"(?:(?<!\d)|(?=[+(]))"
UNTIED = r"(?<!\d)(?<!\d-)"
LETTERLESS = r"(?<![0-9A-Za-z])"
FORMS = (
    form("[email]", rf"[A-Za-z0-9_][A-Za-z0-9_.%+'-]{{0,127}}@{DOMAIN}", behind=r"(?<![A-Za-z0-9_])"),
    form("[email]", rf"[가-힣]{{1,64}}@{DOMAIN}", behind=r"(?<![가-힣])"),
    form("[resident number]", rf"\d{{6}}{NEAR}[1-8](?:\d{{6}}(?!\d)|\*{{6}})", born, LETTERLESS),
    form("[card]", r"\d{13,19}", card, LETTERLESS, r"(?![0-9A-Za-z])"),
    form("[card]", rf"(?:\d{{4}}{GAP}){{3}}\d{{1,4}}", card, ahead=ALONE),
    form("[card]", rf"(?:\d{{4}}{GAP}){{4}}\d{{1,3}}", card, ahead=ALONE),
    form("[card]", rf"3\d{{3}}{GAP}\d{{6}}{GAP}\d{{4,5}}", card, ahead=ALONE),
    form(
        "[phone]", rf"(?:\+|00)82{NEAR}(?:\(0\){NEAR})?\(?0?{AREA}\)?{NEAR}\d{{3,4}}{NEAR}\d{{4}}",
        behind=START, ahead=ALONE,
    ),
    form("[phone]", rf"82{NEAR}0?10{NEAR}\d{{4}}{NEAR}\d{{4}}", ahead=ALONE),
    form("[phone]", rf"\+1{NEAR}\(?[2-9]\d\d\)?{NEAR}\d{{3}}{NEAR}\d{{4}}", behind="", ahead=ALONE),
    form("[phone]", r"\+ ?\(?[1-9](?:[-. ()]{0,2}\d){8,14}", behind="", ahead=ALONE),
    form("[phone]", rf"00{ABROAD} (?:\d{{1,5}} ){{1,3}}\d{{3,6}}", lambda found: len(found) > 13, ahead=ALONE),
    form("[phone]", rf"(?:\(0{AREA}\) ?|0{AREA}(?:\) ?|{NEAR}))\d{{3,4}}{NEAR}\d{{4}}", behind=START, ahead=ALONE),
    form(
        "[phone]", rf"(?:\(0[1-9]\d{{0,3}}\) ?|0[1-9]\d{{0,3}}(?:\) ?|{GAP}))\d{{3,4}}{GAP}\d{{4}}",
        behind=START, ahead=ALONE,
    ),
    form("[phone]", rf"07\d{{3}}{GAP}\d{{6}}", ahead=ALONE),
    form("[phone]", rf"1{GAP}\(?[2-9]\d\d(?:\) ?|{GAP})\d{{3}}{GAP}\d{{4}}", behind=UNTIED, ahead=NOT_TIED),
    form("[phone]", rf"\([2-9]\d\d\) ?\d{{3}}{GAP}\d{{4}}", behind="", ahead=NOT_TIED),
    form(
        "[phone]", r"(?:[1-9]\d\d-\d{3}-|(?:[2-9](?!00)\d\d|[89]00)(?:\.[2-9]\d\d\.| [2-9]\d\d[- ]))\d{4}",
        behind=UNTIED, ahead=NOT_TIED,
    ),
    form("[phone]", rf"{SERVICE}{GAP}\d{{4}}", behind=UNTIED, ahead=rf"{NOT_TIED}(?! ?[년원])"),
)  # fmt: skip


class _Plain(dict[int, str]):
    """Gives each full-width or foreign digit, dash, dot and blank its plain twin, one character for one."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if character.isdecimal():
            self[code] = str(unicodedata.decimal(character))
        elif character in DASHES:
            self[code] = "-"
        elif character in DOTS:
            self[code] = "."
        elif 0xFF01 <= code <= 0xFF5E:
            self[code] = chr(code - 0xFEE0)
        else:
            self[code] = " " if unicodedata.category(character) == "Zs" else character
        return self[code]


_PLAIN = _Plain()
