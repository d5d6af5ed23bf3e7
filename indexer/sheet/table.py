"""What a sheet holds, cell for cell."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from indexer.finding import Finding

Report = Callable[[Finding], None]


class Line(NamedTuple):
    """One row of cells; `row` as a spreadsheet program counts, `line` as a text editor does."""

    row: int
    cells: Sequence[str]
    line: int


@dataclass(frozen=True, slots=True)
class Table:
    """A sheet; `lines` are the rows below the header that are not empty, their cells as written."""

    path: Path
    format: str  # csv, tsv, xlsx, jsonl or json
    encoding: str | None
    delimiter: str | None
    header: Line
    lines: list[Line]
    findings: tuple[Finding, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Give the header's cells."""
        return tuple(self.header.cells)
