"""Lines of the sheet to usable rows: cleaned, complete, normalised."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from indexer.cells import BLANK, clean, normalise
from indexer.columns import Header
from indexer.finding import Finding
from indexer.sheet import Line

SHORT = 16  # hexadecimal digits of a made id


@dataclass(slots=True)
class Draft:
    """A usable row, before the others are known."""

    number: int
    id: str
    group: str  # the entry cell
    entry: str
    question: str
    answer: str
    extra: dict[str, str]
    normal: tuple[str, str]  # question and answer, normalised


def read_drafts(header: Header, findings: list[Finding]) -> Iterator[Draft]:
    """Give the usable rows, and a finding for every other."""
    stray = [line.row for line in header.lines if _holds_nameless(line.cells, header.names)]
    if stray:
        findings.append(Finding("nameless-column", stray[0], values={"count": len(stray)}))
    for line in header.lines:
        if _right_width(line, header, findings):
            draft = _draft(line, header, findings)
            if draft:
                yield draft


def _holds_nameless(cells: Sequence[str], names: Sequence[str]) -> bool:
    return "" in names and any(cell and not name for cell, name in zip(cells, names, strict=False))


def _right_width(line: Line, header: Header, findings: list[Finding]) -> bool:
    found, expected = len(line.cells), len(header.names)
    if not any(cell.strip(BLANK) for cell in line.cells):
        findings.append(Finding("blank-row", line.row))
        return False
    values: dict[str, object] = {"found": found, "expected": expected}
    if any(cell.strip(BLANK) for cell in line.cells[expected:]):
        findings.append(Finding("too-many-cells", line.row, values=values))
        return False
    for name in ("question", "answer"):
        if header.fields[name] >= found:
            column = header.names[header.fields[name]]
            findings.append(Finding("too-few-cells", line.row, column, {**values, "field": column}))
            return False
    return True


def _draft(line: Line, header: Header, findings: list[Finding]) -> Draft | None:
    def cell(at: int) -> str:
        text, removed = clean(line.cells[at]) if at < len(line.cells) else ("", None)
        if removed:
            findings.append(Finding(removed, line.row, header.names[at]))
        return text

    ours = {name: cell(at) for name, at in header.fields.items()}
    for name in ("question", "answer"):
        if not ours[name]:
            findings.append(Finding(f"empty-{name}", line.row, header.names[header.fields[name]]))
            return None
    extra = {name: ours[name] for name in ("category", "lang", "url") if ours.get(name)}
    extra |= {name: text for at, name in header.extras.items() if (text := cell(at))}
    normal = normalise(ours["question"]), normalise(ours["answer"])
    group = ours.get("entry", "")
    entry = group or f"e-{digest_of(normal[1])[:SHORT]}"
    return Draft(line.row, ours.get("id", ""), group, entry, ours["question"], ours["answer"], extra, normal)


def digest_of(*parts: str) -> str:
    """Hash texts to hexadecimal digits."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
