"""The corpus: entries and their wordings, read from a sheet."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from indexer.columns import read_header
from indexer.drafts import SHORT, Draft, digest_of, read_drafts
from indexer.finding import Finding
from indexer.row import Row
from indexer.sheet import read_table


@dataclass(frozen=True, slots=True)
class Corpus:
    """The usable rows of a sheet, and everything found while reading it."""

    rows: tuple[Row, ...]
    numbers: tuple[int, ...]  # of each row, as a spreadsheet program counts
    findings: tuple[Finding, ...]
    merged: Mapping[str, str]  # id of a row that was left out as a duplicate -> id of the row kept for it
    path: str
    format: str
    encoding: str | None
    delimiter: str | None
    columns: tuple[str, ...]  # the header as it stands in the sheet
    fields: Mapping[str, str]  # our name -> the sheet's header

    @property
    def entries(self) -> int:
        """Count the entries."""
        return len({row.entry for row in self.rows})

    @property
    def skipped(self) -> tuple[Finding, ...]:
        """Give the findings that left a row out."""
        return tuple(finding for finding in self.findings if finding.left_out)


_COMPARED = 8  # rows of one question that the next is compared with: enough to name one


def read_corpus(path: str | os.PathLike[str], columns: Mapping[str, str] | None = None) -> Corpus:
    """Read the usable rows of a sheet; `columns` maps our names to its headers.

    Raises UserError where the file or its header cannot be used; what is wrong with a row is a finding.
    """
    table = read_table(path)
    header = read_header(table, columns or {})
    findings = [*table.findings, *header.findings]
    kept, dropped = _without_duplicates(read_drafts(header, findings), findings)
    ids = _ids(kept, findings)
    _compare_answers(kept, findings)
    used = set(ids)
    return Corpus(
        rows=tuple(Row(id, d.entry, d.question, d.answer, d.extra) for id, d in zip(ids, kept, strict=True)),
        numbers=tuple(draft.number for draft in kept),
        findings=tuple(sorted(findings, key=lambda finding: finding.row or 0)),
        merged={old: ids[at] for old, at in dropped if old not in used},
        path=str(path),
        format=table.format,
        encoding=table.encoding,
        delimiter=table.delimiter,
        columns=header.names,
        fields={name: header.names[at] for name, at in header.fields.items()},
    )


def _without_duplicates(drafts: Iterator[Draft], findings: list[Finding]) -> tuple[list[Draft], list[tuple[str, int]]]:
    """Keep the first of rows with the same question, answer and entry; give the ids of the others."""
    kept: list[Draft] = []
    dropped: list[tuple[str, int]] = []
    seen: dict[tuple[str, str, str], int] = {}
    for draft in drafts:
        at = seen.setdefault((*draft.normal, draft.entry), len(kept))
        if at == len(kept):
            kept.append(draft)
            continue
        findings.append(Finding("duplicate", draft.number, values={"other": kept[at].number}))
        if draft.id:
            dropped.append((draft.id, at))
    return kept, dropped


def _ids(drafts: Sequence[Draft], findings: list[Finding]) -> list[str]:
    """Give each row its own id, or one made from its content, the same wherever the row stands."""
    first: dict[str, int] = {}
    for draft in drafts:
        first.setdefault(draft.id, draft.number)
    wordings = Counter(draft.normal for draft in drafts)
    taken = set(first)
    ids = []
    for draft in drafts:
        id = draft.id
        if not id or first[id] != draft.number:
            id = _made_id(draft, wordings[draft.normal] > 1, taken)
            taken.add(id)
        if draft.id and id != draft.id:
            values = {"id": draft.id, "other": first[draft.id], "made": id}
            findings.append(Finding("duplicate-id", draft.number, values=values))
        ids.append(id)
    return ids


def _made_id(draft: Draft, shared: bool, taken: set[str]) -> str:
    """Hash question and answer, and the entry only where rows of several entries share them."""
    digest = digest_of(*draft.normal, *([draft.group] if shared else []))
    return next(id for size in range(SHORT, len(digest)) if (id := f"q-{digest[:size]}") not in taken)


def _compare_answers(drafts: Sequence[Draft], findings: list[Finding]) -> None:
    """Find one question with answers of different entries, and one entry with two answers in a language."""
    questions: dict[str, list[Draft]] = {}
    entries: dict[tuple[str, str], Draft] = {}
    told = set()
    for draft in drafts:
        same = questions.setdefault(draft.normal[0], [])
        for other in same:
            if other.entry != draft.entry and other.normal[1] != draft.normal[1]:
                findings.append(Finding("conflict", draft.number, values={"other": other.number}))
                break
        if len(same) < _COMPARED:
            same.append(draft)
        of = draft.group, draft.extra.get("lang", "").casefold()
        first = entries.setdefault(of, draft)
        if draft.group and first.normal[1] != draft.normal[1] and of not in told:
            told.add(of)
            values = {"entry": draft.group, "other": first.number}
            findings.append(Finding("entry-answers", draft.number, values=values))
