"""JSON to rows of cells: one object on each line, or a list of objects."""

import json
from collections.abc import Iterator, Sequence

from indexer.errors import UserError
from indexer.finding import Finding
from indexer.sheet.table import Line, Report

_EXCERPT = 60  # characters of a wrong value that a message shows
_ENDINGS = (".json", ".jsonl", ".ndjson")


def json_form(text: str, ending: str) -> str | None:
    """Tell JSON, `json` (a list) or `jsonl`: by the ending, otherwise by a first line that is an object."""
    begin = text.lstrip()[:1]
    if ending in _ENDINGS:
        return "json" if begin == "[" else "jsonl" if begin else None
    first = _parse(text.lstrip().split("\n", 1)[0]) if begin == "{" else None
    return "jsonl" if isinstance(first, dict) else None


def read_json_lines(text: str, name: str, report: Report) -> Iterator[Line]:
    """Give the objects as rows below a header of all their keys; a row's number is its line's."""
    found = [(number, _parse(line)) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    return _objects(found, name, report)


def read_json_list(text: str, name: str, report: Report) -> Iterator[Line]:
    """Give the objects as rows below a header of all their keys; a row's number is its place in the list."""
    values = _parse(text)
    if not isinstance(values, list):
        raise UserError(f"{name}: not valid JSON ({values}); write one object on each line, or a list of objects")
    return _objects(list(enumerate(values, 1)), name, report)


def _parse(text: str) -> object:
    """Give the value, or the error as what it is: something that is no object."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        return error


def _objects(found: Sequence[tuple[int, object]], name: str, report: Report) -> Iterator[Line]:
    good = [(number, value) for number, value in found if isinstance(value, dict)]
    if found and not isinstance(found[0][1], dict):
        reason = str(found[0][1])[:_EXCERPT]
        raise UserError(f"{name}: line {found[0][0]} is no JSON object ({reason}); write one object on each line")
    for number, value in found:
        if not isinstance(value, dict):
            report(Finding("broken-json", number, values={"reason": str(value)[:_EXCERPT]}))
    keys = list(dict.fromkeys(key for _, value in good for key in value))
    if good:
        yield Line(0, keys, 0)
    for number, value in good:
        yield Line(number, [_text(value.get(key)) for key in keys], number)


def _text(value: object) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False)
