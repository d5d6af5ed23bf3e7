"""CSV, TSV and their like to rows of cells; a broken quotation mark costs one line, not the file."""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from io import StringIO

from indexer.finding import Finding
from indexer.sheet.table import Line, Report

_DELIMITERS = ",\t;|"
_TRIED = 50  # lines that a delimiter is judged by


def read_delimited(text: str, report: Report) -> tuple[str, Iterator[Line]]:
    """Find the delimiter (Excel's own `sep=` line, or what fits the first rows) and give the rows."""
    rows = list(StringIO(text, newline=""))
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))  # a cell may be as long as the file
    told = re.fullmatch(r'"?sep=([^\w"\r\n])"?\s*', rows[0], re.IGNORECASE) if rows else None
    delimiter = told[1] if told else max(_DELIMITERS, key=lambda tried: _fit(rows[:_TRIED], tried))
    return delimiter, _records(rows, 1 if told else 0, delimiter, report)


def _fit(rows: Sequence[str], delimiter: str) -> tuple[bool, bool, float, int]:
    widths = [len(cells) for cells in csv.reader(rows, delimiter=delimiter) if cells] or [0]
    usual, times = Counter(widths).most_common(1)[0]
    return usual > 1, widths[0] > 1, times / len(widths), usual


def _records(rows: Sequence[str], start: int, delimiter: str, report: Report) -> Iterator[Line]:
    number = 0
    while start < len(rows):
        reader = csv.reader(map(rows.__getitem__, range(start, len(rows))), delimiter=delimiter, strict=True)
        read = 0
        try:
            for cells in reader:
                number += 1
                yield Line(number, cells, start + read + 1)
                read = reader.line_num
            return
        except csv.Error:
            start += read + 1  # go on below the line where the broken record began
            number += 1
        yield from _broken(rows[start - 1], delimiter, Line(number, (), start), report)


def _broken(text: str, delimiter: str, at: Line, report: Report) -> Iterator[Line]:
    """Read one line as Excel would, unless its quotation mark stays open and would swallow what follows."""
    cells, *closed = csv.reader([text, "the line below"], delimiter=delimiter)
    if closed:
        report(Finding("stray-quote", at.row))
        yield Line(at.row, cells, at.line)
    else:
        report(Finding("unclosed-quote", at.row, values={"line": at.line}))
