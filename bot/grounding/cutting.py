"""Cutting: a text, also one that comes in pieces, into sentences with the citations that follow them."""

import re
from collections.abc import Iterator

LIST_MARK = re.compile(r"^\s*(?:[-*•#>]+|\d{1,2}[.)])\s+")
END = re.compile(r"(?<=[^\s\d])([.!?。！？]+[\"'”’)]*)((?:\s*\[[^\[\]\n]{1,90}\])*[.]?)(?=\s|$)|\n")
NOT_AN_END = re.compile(r"(?:\b(?:e\.g|i\.e|etc|vs|no|mr|ms|dr)|\b\d{1,2})$", re.IGNORECASE)


def sentences(text: str) -> list[str]:
    """Cut a text into sentences, each with the citations that follow it; a line's end ends one too."""
    cutter = Cutter()
    return [*cutter.feed(text), *cutter.rest()]


class Cutter:
    """Cuts a text that comes in pieces; a sentence is given once what follows shows that it is complete."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> Iterator[str]:
        """Take a piece; give the sentences that it completes."""
        self._held += piece
        start = 0
        for found in END.finditer(self._held):
            after = self._held[found.end() :].lstrip()
            if found[0] != "\n" and (not after or after.startswith("[")):
                break  # a citation may be about to come
            if found[0] != "\n" and NOT_AN_END.search(self._held[start : found.start() + 1].rstrip(".")):
                continue
            whole = self._held[start : found.end()].strip()
            start = found.end()
            if whole:
                yield whole
        self._held = self._held[start:]

    def rest(self) -> list[str]:
        """Give what is left at the end of the text."""
        left, self._held = self._held.strip(), ""
        return [left] if left else []
