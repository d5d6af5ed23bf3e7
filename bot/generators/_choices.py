"""Reading what an OpenAI-compatible server writes: choices in the events of a stream, or in one whole answer."""

import json
from collections.abc import Iterator

from bot.generators import CutOffError, GeneratorError, whole

WHOLE = frozenset(("stop", "stop_sequence", "eos_token", "end_turn"))  # reasons to end that are a draft's own


def pieces(lines: Iterator[str], several: bool) -> Iterator[str]:
    """Give the text of the first choice as it comes, then that of the others; where there are several, by sentence.

    Raises:
        GeneratorError: it cannot be read, breaks off, or is cut off.
    """
    others: dict[int, list[str]] = {}
    ends: dict[int, str] = {}
    first = _first(lines, others, ends)
    yield from whole(first) if several else first
    for place, written in sorted(others.items()):
        yield from whole(_one("".join(written), ends.get(place, "")))


def _first(lines: Iterator[str], others: dict[int, list[str]], ends: dict[int, str]) -> Iterator[str]:
    """Give the first choice; put down what comes of the others, and how each ended."""
    done = False
    for line in lines:
        text = line.strip()
        data = text.removeprefix("data:").strip() if text.startswith(("data:", "{")) else ""
        if data == "[DONE]":
            done = True
            break
        for place, piece, end in _read(data) if data else ():
            if end:
                ends[place] = end
            if place:
                others.setdefault(place, []).append(piece)
            elif piece:
                yield piece
    if not done and not {0, *others} <= ends.keys():
        raise GeneratorError("the stream broke off")
    _check_end(ends.get(0, ""))


def _one(text: str, end: str) -> Iterator[str]:
    yield text
    _check_end(end)


def _check_end(end: str) -> None:
    """Refuse an end that is not the draft's own: by length, by a filter; a server that says none means its own."""
    if end and end not in WHOLE:
        raise CutOffError(f"cut off (finish_reason {end[:40]!r})")


def _read(data: str) -> list[tuple[int, str, str]]:
    """Read one event: of each choice its place, its text, and why it ended where it did."""
    try:
        event = json.loads(data)
        if "error" in event:
            raise GeneratorError("the server reports an error")
        found = []
        for choice in event.get("choices") or ():
            said = choice.get("delta") or choice.get("message") or {}
            content = said.get("content") or ""
            if not isinstance(content, str):
                raise TypeError("content")
            found.append((int(choice.get("index") or 0), content, str(choice.get("finish_reason") or "")))
        return found
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise GeneratorError("an answer that cannot be read") from error
