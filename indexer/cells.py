"""The text of a cell: cleaned for keeping, normalised for comparing."""

import re
import unicodedata

# every space, and what people paste without seeing it: zero widths, marks, the Hangul filler
BLANK = " \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f\x85\xa0\xad\u1680\u2028\u2029\u202f\u205f\u2060\u3000\u3164\ufeff" + "".join(
    map(chr, range(0x2000, 0x2010))
)
_INVISIBLE = re.compile("[\xad\u200b-\u200f\u2060\ufeff\u3164]")
_UNUSUAL = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f]")


def clean(cell: str) -> tuple[str, str | None]:
    """Trim a cell and compose its letters; give the kind of finding where invisible characters were removed.

    Every line end becomes a newline, half a surrogate pair U+FFFD.
    """
    removed = None
    if _UNUSUAL.search(cell):
        cell = re.sub("\r\n|\r|\x0b|\x0c", "\n", cell)
        cell = re.sub("[\ud800-\udfff]", "\ufffd", cell)
        if _CONTROL.search(cell):
            removed = "nul" if "\0" in cell else "control-characters"
            cell = _CONTROL.sub("", cell)
    return unicodedata.normalize("NFC", cell.strip(BLANK)), removed


def normalise(text: str) -> str:
    """Give the form in which texts are compared: no case, variants, extra spaces or closing marks."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text)).casefold()
        text = unicodedata.normalize("NFKC", text)
    text = " ".join(text.casefold().split())
    return text.rstrip(" ?!.。") or text
