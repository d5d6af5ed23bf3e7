"""Rows of training data: JSONL and delimited files, each row with the place that an error names."""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path
from shlex import quote
from typing import Any

from indexer.errors import UserError
from indexer.sheet.encoding import decode

TEXTS = (("sentence1", "sentence2"), ("question1", "question2"), ("premise", "hypothesis"))  # usual names of pairs
# Names of what numbers the rows or the texts; those of NUMBERS only where a number stands below.
IDS = re.compile(
    r"|unnamed: 0|(.*[\W_]|[pqu]|gu|doc|pair|row|question|sentence)?(id|idx|index)\d*|번호|순번|식별자|아이디"
)
NUMBERS = ("no", "num", "number")

Row = tuple[str, Mapping[str, Any]]  # "FILE, line 3" and what stands there


def read_text(path: Path) -> str:
    """Read a file of text in UTF-8, CP949 or UTF-16; an empty or missing one is an error."""
    if not path.is_file():
        raise UserError(f"{path}: there is no such file. Check the path.")
    text = decode(path.read_bytes(), str(path))[0]
    if not text.strip():
        raise UserError(f"{path}: the file is empty. Give one with examples in it.")
    return text


def read_objects(path: Path) -> Iterator[Row]:
    """Read JSONL: one object a line."""
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if line.strip():
            yield f"{path}, line {number}", _object(f"{path}, line {number}", line)


def read_delimited(path: Path) -> Iterator[Row]:
    """Read a CSV, or a TSV (quotes are text there), with a header; every row is as wide as the header."""
    text = read_text(path)
    tabs = path.suffix.lower() == ".tsv" or "\t" in text.split("\n", 1)[0]
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    sheet = StringIO(text, newline="")
    reader = csv.reader(sheet, delimiter="\t", quoting=csv.QUOTE_NONE) if tabs else csv.reader(sheet)
    header = [name.strip() for name in next(reader)]
    for cells in reader:
        if not any(cells):
            continue
        where = f"{path}, line {reader.line_num}"
        if len(cells) != len(header):
            raise UserError(f"{where}: {len(cells)} columns, but the header has {len(header)}. Mend that line.")
        yield where, dict(zip(header, cells, strict=True))


def column(where: str, row: Mapping[str, Any], name: str, option: str = "", others: Sequence[str] = ()) -> Any:
    """Take a column of a row; a missing one is an error that lists those that are there.

    Where an `option` (`--label`) names the column, the error says what to type: the likeliest of those that are
    neither there for something else nor among `others`.
    """
    if name not in row:
        there = ", ".join(map(repr, row)) or "nothing"
        likeliest = _likeliest(row, option, others) if option else ""
        typed = f"Type: {option} {quote(likeliest)}, or add it." if likeliest else "Add it."
        raise UserError(f"{where}: there is no {name!r}, only {there}. {typed}")
    return row[name]


def text_of(where: str, row: Mapping[str, Any], name: str, option: str = "", others: Sequence[str] = ()) -> str:
    """Take a text of a row; a missing (see `column`), blank or other value is an error."""
    value = column(where, row, name, option, others)
    if not isinstance(value, str) or not value.strip():
        raise UserError(f"{where}: {name!r} is {value!r}, not a text. Write one there, or take the row out.")
    return value


def pair_columns(
    where: str, row: Mapping[str, Any], targets: Sequence[str], first: str = "", second: str = ""
) -> tuple[str, str]:
    """Name the two columns of text: those that `first` and `second` name, the usual ones, or the only two there are.

    Ids and `targets` are no texts; nor are numbers, where that leaves two.

    Raises:
        UserError: fewer columns than two may be texts, or more, of which the error names the likeliest two.
    """
    if first and second:
        return first, second
    named = first or second
    wanted = 1 if named else 2
    free = usual_pair(row) or tuple(name for name in row if name.casefold() not in targets and not _is_id(row, name))
    left = [name for name in free if name != named]
    texts = [name for name in left if not _is_number(row[name])]
    left = texts if len(texts) == wanted else left
    if len(left) < wanted:
        raise UserError(f"{where}: there are no two text columns, only {', '.join(map(repr, row))}. Add them.")
    if len(left) > wanted and (not named or named in row):
        raise _ambiguous(where, row, left, first, second)
    if named:
        return (first, left[-1]) if first else (left[0], second)
    return left[0], left[1]


def usual_pair(row: Iterable[str]) -> tuple[str, ...]:
    """Give the two columns of text that bear usual names, in capitals or not; nothing where there are none."""
    named = {name.casefold(): name for name in row}
    return next((tuple(named[name] for name in names) for names in TEXTS if named.keys() >= set(names)), ())


def span_of(where: str, value: Any, text: str, what: str) -> tuple[int, int]:
    """Take [start, end] in characters, end exclusive, that lies within a text."""
    good = isinstance(value, Sequence) and len(value) >= 2 and all(type(part) is int for part in value[:2])
    if not good or not 0 <= value[0] < value[1] <= len(text):
        raise UserError(
            f"{where}: {what} {value!r} is no part of the text, which has {len(text)} characters. "
            "Write [start, end] in characters, the end exclusive."
        )
    return value[0], value[1]


def full(path: Path, examples: Sequence[Any]) -> None:
    """Refuse a file without examples."""
    if not examples:
        raise UserError(f"{path}: there is no example in it. Add some.")


def _is_id(row: Mapping[str, Any], name: str) -> bool:
    plain = name.casefold()
    return bool(IDS.fullmatch(plain)) or (plain in NUMBERS and _is_number(row[name]))


def _is_number(value: Any) -> bool:
    """Tell whether a value is no text: a number, or a list and the like."""
    try:
        float(value)
    except (TypeError, ValueError):
        return not isinstance(value, str)
    return True


def _ambiguous(where: str, row: Mapping[str, Any], left: Sequence[str], first: str, second: str) -> UserError:
    """Say which columns may be texts, and name the longest."""
    longest = sorted(left, key=lambda name: -len(str(row[name])))[: 1 if first or second else 2]
    chosen = [name for name in left if name in longest]
    one, other = first or chosen[0], second or chosen[-1]
    return UserError(
        f"{where}: the columns {', '.join(map(repr, left))} may all be texts, and two are read. "
        f"Type: --first {quote(one)} --second {quote(other)}"
    )


def _likeliest(row: Mapping[str, Any], option: str, others: Sequence[str]) -> str:
    """Guess a column: the one with the longest text; for a label the last one, and not that text."""
    free = [name for name in row if name not in others]
    text = max(free, key=lambda name: len(str(row[name])), default="")
    if option != "--label":
        return text
    left = free if any(name in row for name in others) else [name for name in free if name != text]
    return left[-1] if left else ""


def _object(where: str, line: str) -> Mapping[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: no JSON ({error}). Write one object on each line.") from error
    if not isinstance(value, dict):
        raise UserError(f'{where}: {line[:40]!r} is no object. Write it as {{"name": value}}.')
    return value
