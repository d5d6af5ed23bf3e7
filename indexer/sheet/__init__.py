"""A file to a table: CSV, TSV, semicolons, XLSX and JSON Lines, told apart by their content."""

import os
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from indexer.errors import UserError
from indexer.finding import Finding
from indexer.sheet.delimited import read_delimited
from indexer.sheet.encoding import decode
from indexer.sheet.jsonl import json_form, read_json_lines, read_json_list
from indexer.sheet.table import Line, Table
from indexer.sheet.workbook import read_workbook

__all__ = ["Line", "Table", "read_table"]

_FOREIGN = {  # how files begin that are not sheets we read
    b"\xd0\xcf\x11\xe0": "an old Excel file (.xls) or a workbook with a password",
    b"%PDF": "a PDF",
    b"\x1f\x8b": "a compressed file (.gz)",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"SQLite format 3": "a database",
    b"<html": "a web page",
    b"<!doc": "a web page",
    b"<table": "a web page",
}


def read_table(path: str | os.PathLike[str]) -> Table:
    """Read a sheet, whatever its format and encoding; raise UserError where it is none."""
    path = Path(path)
    data = _bytes(path)
    findings: list[Finding] = []
    if data.startswith(b"PK\x03\x04"):
        grid, others = read_workbook(data, str(path))
        if others:
            findings.append(Finding("other-sheets", values={"names": ", ".join(others)}))
        rows = (Line(row, cells, row) for row, cells in enumerate(grid, 1))
        return _table(path, "xlsx", None, None, rows, findings)
    text, encoding = decode(data, str(path))
    if encoding != "cp949" and not encoding.startswith("utf"):
        findings.append(Finding("guessed-encoding", values={"encoding": encoding.upper()}))
    if form := json_form(text, path.suffix.lower()):
        read = read_json_list if form == "json" else read_json_lines
        return _table(path, form, encoding, None, read(text, str(path), findings.append), findings)
    delimiter, lines = read_delimited(text, findings.append)
    return _table(path, "tsv" if delimiter == "\t" else "csv", encoding, delimiter, lines, findings)


def _bytes(path: Path) -> bytes:
    if path.is_dir():
        raise UserError(f"{path}: this is a folder; name the sheet inside it")
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file{_nearby(path)}") from None
    except PermissionError:
        raise UserError(f"{path}: may not be read; close it elsewhere or change its permissions") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise UserError(f"{path}: cannot be read ({error}); check the name") from None
    start = data[:512].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for mark, what in _FOREIGN.items():
        if start.startswith(mark.lower()):
            raise UserError(f"{path}: this is {what}; save the sheet as .xlsx or CSV UTF-8 and give that")
    return data


def _nearby(path: Path) -> str:
    if not path.parent.is_dir():
        return f", and no folder {path.parent}; check the name"
    near = get_close_matches(path.name, [other.name for other in path.parent.iterdir()], 1)
    return f"; did you mean {path.parent / near[0]}?" if near else "; check the name and the folder"


def _table(
    path: Path,
    form: str,
    encoding: str | None,
    delimiter: str | None,
    rows: Iterator[Line],
    findings: list[Finding],
) -> Table:
    lines = [line for line in rows if any(line.cells)]
    if not lines:
        why = f"Row {findings[0].row}: {findings[0].message}" if findings else "The file is empty."
        raise UserError(f"{path}: {why} Its first row names the columns: question,answer")
    header, *lines = lines
    if not lines and not any(finding.severity == "mend" for finding in findings):
        raise UserError(f"{path}: there is a header ({', '.join(header.cells)}) but no row below it; add one")
    return Table(path, form, encoding, delimiter, header, lines, tuple(findings))
