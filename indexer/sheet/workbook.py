"""XLSX to cells: the text that the owner sees on the first sheet that holds data."""

import re
import warnings
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from io import BytesIO
from typing import Any
from zipfile import BadZipFile, ZipFile

from indexer.errors import UserError

Grid = list[list[str]]

_NUMBER = re.compile(
    r"""^(?:"(?P<before>[^"]*)"|\[\$(?P<sign>[^-\]]*)[^\]]*\]|(?P<bare>[₩$€£¥]))?
    (?P<comma>\#,\#\#)?0(?:\.(?P<places>0+))?(?P<percent>%)?(?:"(?P<after>[^"]*)")?$""",
    re.VERBOSE,
)


def read_workbook(data: bytes, name: str) -> tuple[Grid, list[str]]:
    """Give the cells of the first visible sheet with data, and the names of others with data."""
    import openpyxl  # late: every start of the bot would pay for it

    _refuse_other_archives(data, name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl warns of styles and extensions, which hold no text
            book = openpyxl.load_workbook(BytesIO(data), read_only=True, data_only=True)
            return _first_with_data(book)
    except Exception as error:  # a damaged workbook can fail anywhere in openpyxl
        raise UserError(f"{name}: the workbook is damaged ({error}); open it in Excel and save it again") from error


def _refuse_other_archives(data: bytes, name: str) -> None:
    try:
        with ZipFile(BytesIO(data)) as archive:
            inside = set(archive.namelist())
    except BadZipFile as error:
        raise UserError(f"{name}: the workbook is cut off or damaged; save it again as .xlsx") from error
    if "xl/workbook.bin" in inside:
        raise UserError(f"{name}: this is an Excel binary workbook (.xlsb); save it as .xlsx or CSV UTF-8")
    if "mimetype" in inside and "content.xml" in inside:
        raise UserError(f"{name}: this is an OpenDocument file (.ods); save it as .xlsx or CSV UTF-8")
    if "word/document.xml" in inside:
        raise UserError(f"{name}: this is a Word document; put the questions and answers in a sheet (.xlsx or CSV)")
    if "[Content_Types].xml" not in inside:
        raise UserError(f"{name}: this is a ZIP archive; unpack it and give the sheet inside")


def _first_with_data(book: Any) -> tuple[Grid, list[str]]:
    sheets = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"] or book.worksheets
    for position, sheet in enumerate(sheets):
        sheet.reset_dimensions()  # the stated size is often wrong
        grid = [_trimmed([_text(cell) for cell in row]) for row in sheet.rows]
        width = max(map(len, grid), default=0)
        if width:
            grid = [row + [""] * (width - len(row)) for row in grid]
            _fill_merged(grid, sheet)
            return grid, [other.title for other in sheets[position + 1 :] if _holds_data(other)]
    return [], []


def _trimmed(row: list[str]) -> list[str]:
    while row and not row[-1]:
        row.pop()
    return row


def _holds_data(sheet: Any) -> bool:
    sheet.reset_dimensions()
    return any(value is not None for row in sheet.iter_rows(max_row=20, values_only=True) for value in row)


def _fill_merged(grid: Grid, sheet: Any) -> None:
    """Write the value of cells merged downwards into each of their rows, as the owner means it."""
    for left, top, _, bottom in _merged_ranges(sheet):
        for row in grid[top:bottom]:
            if left <= len(row):
                row[left - 1] = grid[top - 1][left - 1]


def _merged_ranges(sheet: Any) -> Iterator[tuple[int, int, int, int]]:
    from openpyxl.utils import range_boundaries

    with sheet._get_source() as source:  # openpyxl does not tell of merged cells when it streams
        xml = source.read()
    below = xml[xml.rfind(b"sheetData>") :]
    for reference in re.findall(rb'mergeCell [^>]*?ref="([A-Z]+\d+:[A-Z]+\d+)"', below):
        yield range_boundaries(reference.decode())


def _text(cell: Any) -> str:
    value = cell.value
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int | float):
        return _number(value, cell.number_format)
    return _moment(value)


def _moment(value: date | time | timedelta) -> str:
    if isinstance(value, datetime):
        return str(value.date()) if value.time() == time() else value.isoformat(" ", "minutes")
    return value.isoformat("minutes") if isinstance(value, time) else str(value)


def _number(value: float, form: str) -> str:
    """Write a number in the usual forms (1,200원, 12.5%, 007); others without a form."""
    if re.fullmatch("00+", form):
        return f"{value:0{len(form)}.0f}"
    shape = _NUMBER.match(form.split(";")[0])
    if not shape:
        return str(int(value)) if value == int(value) else format(value, ".15g")
    comma, places = "," if shape["comma"] else "", len(shape["places"] or "")
    before = shape["before"] or shape["sign"] or shape["bare"] or ""
    scaled = value * 100 if shape["percent"] else value
    return f"{before}{scaled:{comma}.{places}f}{shape['percent'] or ''}{shape['after'] or ''}"
