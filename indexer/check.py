"""The sheet doctor: what in a sheet will hurt, by row, and how it is told."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from unicodedata import east_asian_width

from indexer.cells import normalise
from indexer.confusable import near_pairs
from indexer.corpus import Corpus
from indexer.finding import Finding, Language
from indexer.row import Row
from indexer.symptoms import CELL, broken_url, other_script, placeholder, unfinished

LONG = 500  # characters of a question
SHOWN = 5  # findings of one kind on the terminal
_EXCERPT = 40

_WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "sheet": "{path}: {rows} rows, {entries} entries ({form})",
        "mend": "To mend: {count}",
        "note": "Notes: {count}",
        "none": "Nothing to mend.",
        "row": "row {row}",
        "file": "sheet",
        "more": "... and {count} more of this kind: see --json",
    },
    "ko": {
        "sheet": "{path}: {rows}행, 항목 {entries}개 ({form})",
        "mend": "고칠 것: {count}",
        "note": "참고: {count}",
        "none": "고칠 것이 없습니다.",
        "row": "{row}행",
        "file": "시트",
        "more": "... 같은 종류가 {count}개 더 있습니다: --json 으로 보세요",
    },
}


def examine(corpus: Corpus) -> list[Finding]:
    """Find what reading found and what a careful eye would, in the order of the rows."""
    findings = [*corpus.findings, *_near_twins(corpus)]
    for number, row in zip(corpus.numbers, corpus.rows, strict=True):
        findings.extend(_row_findings(number, row, corpus.fields))
    return sorted(findings, key=lambda finding: finding.row or 0)


def _row_findings(number: int, row: Row, fields: Mapping[str, str]) -> Iterator[Finding]:
    cells = {"question": row.question, "answer": row.answer, **row.extra}
    for name, text in cells.items():
        for kind, find in CELL.items():
            if found := find(text):
                yield Finding(kind, number, fields.get(name, name), {"text": _excerpt(found)})
    if len(row.question) > LONG:
        yield Finding("long-question", number, fields["question"], {"length": len(row.question)})
    yield from _answer_findings(number, row, fields["answer"])
    if broken_url(row.extra.get("url", "")):
        yield Finding("bad-url", number, fields["url"], {"text": _excerpt(row.extra["url"])})
    lang = row.extra.get("lang", "")
    if other_script(lang, f"{row.question} {row.answer}"):
        yield Finding("lang-mismatch", number, fields["lang"], {"lang": lang})


def _answer_findings(number: int, row: Row, column: str) -> Iterator[Finding]:
    if placeholder(row.answer):
        yield Finding("placeholder-answer", number, column, {"text": _excerpt(row.answer)})
    elif found := unfinished(row.answer):
        yield Finding("unfinished-answer", number, column, {"text": _excerpt(found)})
    elif normalise(row.question) == normalise(row.answer):
        yield Finding("echo-answer", number, column)


def _near_twins(corpus: Corpus) -> Iterator[Finding]:
    """Find nearly the same questions in different entries."""
    # the very same question with two answers is a conflict already
    told = {finding.row for finding in corpus.findings if finding.kind == "conflict"}
    questions = [normalise(row.question) for row in corpus.rows]
    for alike, one, other in near_pairs(questions, [row.entry for row in corpus.rows]):
        number = corpus.numbers[other]
        if alike < 1 or number not in told:
            values = {"other": corpus.numbers[one], "text": _excerpt(corpus.rows[one].question)}
            yield Finding("confusable", number, corpus.fields["question"], values)


def _excerpt(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _EXCERPT else f"{line[: _EXCERPT - 1]}…"


def to_json(corpus: Corpus, findings: Sequence[Finding]) -> dict[str, Any]:
    """Give the form of `indexer check --json`."""
    return {
        "sheet": corpus.path,
        "rows": len(corpus.rows),
        "entries": corpus.entries,
        "encoding": corpus.encoding,
        "format": corpus.format,
        "columns": list(corpus.columns),
        "fields": dict(corpus.fields),
        "findings": [_finding_json(finding) for finding in findings],
        "mend": sum(finding.severity == "mend" for finding in findings),
        "notes": sum(finding.severity == "note" for finding in findings),
    }


def _finding_json(finding: Finding) -> dict[str, Any]:
    return {
        "kind": finding.kind,
        "row": finding.row,
        "column": finding.column,
        "message": finding.text("en"),
        "message_ko": finding.text("ko"),
        "fix": finding.advice("en"),
        "fix_ko": finding.advice("ko"),
        "severity": finding.severity,
    }


def render(corpus: Corpus, findings: Sequence[Finding], lang: Language = "en") -> list[str]:
    """Give the lines for the terminal: what to mend first, by kind, each kind with its fix."""
    words = _WORDS[lang]
    form = ", ".join(part.upper() for part in (corpus.format, corpus.encoding) if part)
    lines = [words["sheet"].format(path=corpus.path, rows=len(corpus.rows), entries=corpus.entries, form=form)]
    for severity in ("mend", "note"):
        chosen = [finding for finding in findings if finding.severity == severity]
        if chosen:
            lines += ["", words[severity].format(count=len(chosen)), *_by_kind(chosen, lang)]
        elif severity == "mend":
            lines.append(words["none"])
    return lines


def _by_kind(findings: Sequence[Finding], lang: Language) -> Iterator[str]:
    kinds: dict[str, list[Finding]] = {}
    for finding in findings:
        kinds.setdefault(finding.kind, []).append(finding)
    shown = [finding for group in kinds.values() for finding in group[:SHOWN]]
    first = max(_width(_place(finding, lang)) for finding in shown)
    second = max(_width(finding.column or "") for finding in shown)
    margin = " " * (first + second + 6)
    for group in kinds.values():
        for finding in group[:SHOWN]:
            place, column = _padded(_place(finding, lang), first), _padded(finding.column or "", second)
            yield f"  {place}  {column}  {finding.text(lang)}"
        if len(group) > SHOWN:
            yield margin + _WORDS[lang]["more"].format(count=len(group) - SHOWN)
        yield f"{margin}-> {group[0].advice(lang)}"


def _place(finding: Finding, lang: Language) -> str:
    words = _WORDS[lang]
    return words["row"].format(row=finding.row) if finding.row else words["file"]


def _width(text: str) -> int:
    """Count the columns of a terminal; Hangul takes two."""
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))
