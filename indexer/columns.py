"""Which column means what: header names in English and Korean, or as the person says."""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from indexer.errors import UserError
from indexer.finding import Finding
from indexer.sheet import Line, Table

FIELDS: Mapping[str, str] = {  # our name -> what sheets call it, the surest first
    "id": "id 아이디 식별자 번호 no number num 순번 연번 faqid questionid docid rowid 질문번호 문서번호",
    "question": "question 질문 questions q 질문내용 질문사항 문의 문의내용 문의사항 물음 질의 userquestion",
    "answer": "answer 답변 answers a 답변내용 답변사항 답 응답 대답 회신 response reply",
    "entry": "entry entryid group groupid 그룹 항목 묶음",
    "category": "category categories 카테고리 분류 구분 유형 주제 topic section 대분류",
    "lang": "lang language 언어 locale",
    "url": "url link 링크 주소 uri 웹주소 href",
}
_FALLBACK: Mapping[str, str] = {  # believed only where no surer name is there
    "question": "query title 제목 subject utterance 발화 prompt 요청",
    "answer": "content contents 내용 본문 body completion text 설명 description",
}
_NEEDED = ("question", "answer")
_SEARCHED = 10  # first lines among which the header is looked for: titles may stand above it


@dataclass(frozen=True, slots=True)
class Header:
    """Where each field stands, and the other named columns, by position; the rows below it."""

    names: tuple[str, ...]
    fields: Mapping[str, int]  # our name -> position
    extras: Mapping[int, str]  # position -> the sheet's own name
    lines: Sequence[Line]
    findings: tuple[Finding, ...] = ()


def read_header(table: Table, chosen: Mapping[str, str]) -> Header:
    """Find the header among the first lines; `chosen` maps our names to the sheet's.

    Raises UserError where no question and answer column is sure, showing what was found.
    """
    if wrong := sorted(set(chosen) - set(FIELDS)):
        raise UserError(f"--column {wrong[0]}=...: there is no such field; choose from {', '.join(FIELDS)}")
    candidates = [table.header, *table.lines[: _SEARCHED - 1]]
    for below, line in enumerate(candidates):
        names = _names(line.cells)
        fields, spare = _match(names, line.cells, chosen, str(table.path))
        if all(field in fields for field in _NEEDED) and set(chosen) <= set(fields):
            extras = {at: _unlike_ours(name) for at, name in enumerate(names) if name}
            for at in fields.values():
                del extras[at]
            return Header(names, fields, extras, table.lines[below:], tuple(spare))
    raise _unrecognised(table, chosen)


def _names(cells: Sequence[str]) -> tuple[str, ...]:
    """Give the header's names on one line each; a name that comes again gets a number."""
    seen: Counter[str] = Counter()
    names = []
    for cell in cells:
        printable = "".join(c if c.isprintable() else " " for c in unicodedata.normalize("NFC", cell))
        name = " ".join(printable.split())
        seen[name] += 1
        names.append(f"{name} {seen[name]}" if name and seen[name] > 1 else name)
    return tuple(names)


def _unlike_ours(name: str) -> str:
    return f"{name} 2" if name in FIELDS else name


def _match(
    names: Sequence[str], cells: Sequence[str], chosen: Mapping[str, str], path: str
) -> tuple[dict[str, int], list[Finding]]:
    """Give each field its column, and a finding for each further column that would do."""
    fields = {field: at for field, name in chosen.items() if (at := _position(name, names)) is not None}
    keys = ["" if at in fields.values() else _key(_bare(cell)) for at, cell in enumerate(cells)]
    findings = []
    for field in [field for field in FIELDS if field not in chosen]:
        found = _columns_for(field, keys)
        if found:
            fields[field] = found[0]
        for other in found[1:]:
            if field in _NEEDED:
                raise _ambiguous(path, field, *(names[at] for at in sorted((found[0], other))))
            values = {"used": names[found[0]], "field": field}
            findings.append(Finding("spare-column", column=names[other], values=values))
    return fields, findings


def _position(name: str, names: Sequence[str]) -> int | None:
    if name in names:
        return names.index(name) if name else None
    keys = [_key(other) for other in names]
    return keys.index(_key(name)) if _key(name) and _key(name) in keys else None


def _columns_for(field: str, keys: Sequence[str]) -> list[int]:
    for known in (FIELDS[field].split(), _FALLBACK.get(field, "").split()):
        found = [at for at, key in enumerate(keys) if key in known]
        if found:
            return sorted(found, key=lambda at: known.index(keys[at]))
    return []


def _bare(cell: str) -> str:
    """Drop what stands in brackets behind a name: 질문 (필수)."""
    return re.sub(r"[(\[（［].*", "", cell, flags=re.DOTALL)


def _key(name: str) -> str:
    """Compare names without case, spaces, marks and Unicode variants."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", name).casefold())


def _ambiguous(path: str, field: str, one: str, other: str) -> UserError:
    return UserError(
        f"{path}: the columns {one!r} and {other!r} both look like the {field}; "
        f'say which it is: --column {field}="{one}"'
    )


def _unrecognised(table: Table, chosen: Mapping[str, str]) -> UserError:
    names = _names(table.columns)
    where = f"row {table.header.row} reads" if table.header.row else "the keys are"
    start = f"{table.path}: {where}: {', '.join(name[:30] for name in names[:8] if name)}; "
    for field, name in chosen.items():
        if _position(name, names) is None:
            return UserError(f"{start}no column is called {name!r}, which --column {field}={name} asks for")
    fields, _ = _match(names, table.columns, chosen, str(table.path))
    missing = [field for field in _NEEDED if field not in fields]
    how = " ".join(f"--column {field}=HEADER" for field in missing)
    return UserError(
        f"{start}no column is known as the {' or the '.join(missing)}; say which it is: {how}; "
        "or write a first row question,answer if there is no header"
    )
