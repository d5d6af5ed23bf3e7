"""Bytes to text: UTF-8, UTF-16, CP949 (what Excel writes in Korea), and others only when that is sure."""

import codecs
import re

from indexer.errors import UserError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WESTERN = frozenset("ÀÂÄÅÆÇÈÉÊËÍÎÏÑÓÔÖØÙÚÜàáâãäåæçèéêëìíîïñòóôõöøùúûüßŒœ‘’“”–—…•€£©®™°·«»¿¡´½¼²×\u00a0")
_EAST_ASIAN = frozenset({"cp932", "shift_jis", "euc_jp", "gb18030", "gbk", "gb2312", "big5", "big5hkscs"})
_SAMPLE = 100_000  # characters or bytes that are looked at before a whole file is trusted


def decode(data: bytes, name: str) -> tuple[str, str]:
    """Give the text without its byte order mark, and the encoding.

    Raises UserError, naming line and offset, where no encoding is sure.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _marked(data, encoding, name), encoding
    if guess := _unmarked_utf16(data):
        return _marked(data, guess, name), guess
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError as error:
        return _legacy(data, error, name)


def _marked(data: bytes, encoding: str, name: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise _unreadable(data, error, encoding, f"do not belong in {encoding.upper()}", name) from error


def _unmarked_utf16(data: bytes) -> str | None:
    """Name UTF-16 without a mark: read as such, its many NUL bytes vanish and its line ends appear."""
    head = data[: _SAMPLE // 2 * 2]
    if head.count(0) * 20 < len(head) or len(data) % 2:
        return None
    for encoding in ("utf-16-le", "utf-16-be"):
        text = head.decode(encoding, "replace")[:-1]  # the sample may end within a character
        if "\0" not in text and "\ufffd" not in text and re.search(r"[\r\n]", text):
            return encoding
    return None


def _legacy(data: bytes, utf8: UnicodeDecodeError, name: str) -> tuple[str, str]:
    failed = utf8
    if not _mostly_utf8(data[max(0, utf8.start - _SAMPLE) : utf8.start + _SAMPLE]):
        try:
            text = data.decode("cp949")
            if _korean(text):
                return text, "cp949"
        except UnicodeDecodeError as error:
            failed = error
        if found := _western(data) or _east_asian(data):
            return found
    raise _unreadable(data, failed, failed.encoding, "are neither UTF-8 nor CP949", name)


def _mostly_utf8(around: bytes) -> bool:
    """Tell UTF-8 with a few broken bytes from another encoding."""
    text = around.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    return sum(not c.isascii() for c in text) > 2 * broken


def _korean(text: str) -> bool:
    """Tell Korean from bytes that CP949 merely accepts: common syllables, few rare ones and few Hanja."""
    pairs = "".join(re.findall(r"[^\x00-\x7f]+", text))[:_SAMPLE].encode("cp949")
    common = sum(0xA1 <= lead <= 0xC8 and trail >= 0xA1 for lead, trail in zip(pairs[::2], pairs[1::2], strict=True))
    return common * 8 >= len(pairs) * 3  # three quarters of the pairs


def _western(data: bytes) -> tuple[str, str] | None:
    """Read Excel's Western CSV: CP1252, where every letter beyond ASCII is one that people there write."""
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        return None
    foreign = re.findall(r"[^\x00-\x7f]", text)
    sure = _WESTERN.issuperset(foreign) and len(foreign) * 4 < len(text)
    return (text, "cp1252") if sure else None


def _east_asian(data: bytes) -> tuple[str, str] | None:
    """Ask charset-normalizer, and believe only Japanese or Chinese without a doubt: elsewhere it guesses."""
    from charset_normalizer import from_bytes  # late: few files need it

    best = from_bytes(data[: data.rfind(b"\n", 0, _SAMPLE) + 1] or data).best()
    if best is None or best.encoding not in _EAST_ASIAN or best.chaos:
        return None
    try:
        return data.decode(best.encoding), best.encoding
    except UnicodeDecodeError:
        return None


def _unreadable(data: bytes, error: UnicodeDecodeError, encoding: str, what: str, name: str) -> UserError:
    before = data[: error.start].decode(encoding, "replace")
    line = len(re.findall(r"\r\n|\r|\n", before)) + 1
    bad = data[error.start : error.start + 4].hex(" ").upper()
    return UserError(
        f"{name}: line {line}, byte offset {error.start}: the bytes {bad} {what}; "
        'open the file where it was made and save it as "CSV UTF-8"'
    )
