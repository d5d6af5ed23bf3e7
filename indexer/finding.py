"""A finding: one thing in the sheet that its owner should know, said in English and in Korean."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Severity = Literal["mend", "note"]  # a row that needs mending, or only something worth knowing
Language = Literal["en", "ko"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found; `row` is the number a spreadsheet program shows, `column` the sheet's own header."""

    kind: str
    row: int | None = None
    column: str | None = None
    values: Mapping[str, object] = field(default_factory=dict, hash=False)

    @property
    def severity(self) -> Severity:
        """Tell whether the row needs mending."""
        return KINDS[self.kind].severity

    @property
    def left_out(self) -> bool:
        """Tell whether the row is not part of the corpus."""
        return self.kind in _LEFT_OUT

    @property
    def message(self) -> str:
        """Say what was found."""
        return self.text("en")

    @property
    def fix(self) -> str:
        """Say what to do about it."""
        return self.advice("en")

    def text(self, lang: Language) -> str:
        """Say what was found, in a language."""
        kind = KINDS[self.kind]
        return (kind.message if lang == "en" else kind.message_ko).format_map(self.values)

    def advice(self, lang: Language) -> str:
        """Say what to do about it, in a language."""
        kind = KINDS[self.kind]
        return kind.fix if lang == "en" else kind.fix_ko


class Kind(NamedTuple):
    """How a kind of finding is said; messages take the finding's values in braces."""

    severity: Severity
    message: str
    message_ko: str
    fix: str
    fix_ko: str


_LEFT_OUT = frozenset(
    {"unclosed-quote", "broken-json", "blank-row", "empty-question", "empty-answer", "duplicate"}
    | {"too-few-cells", "too-many-cells"}
)

KINDS: Mapping[str, Kind] = {
    # the file
    "unclosed-quote": Kind(
        "mend",
        'A quotation mark (") opens on line {line} and never closes; the row was left out.',
        '{line}번째 줄에서 연 큰따옴표(")가 닫히지 않아 이 행을 제외했습니다.',
        'Close the quotation mark, or write "" for a quotation mark inside the text.',
        '큰따옴표를 닫거나, 글 안의 큰따옴표는 ""로 적으세요.',
    ),
    "stray-quote": Kind(
        "note",
        'Quotation marks (") inside the row are not doubled; the text may have lost some.',
        '행 안의 큰따옴표(")가 두 번 적히지 않아 글에서 빠졌을 수 있습니다.',
        'Write "" for a quotation mark inside the text.',
        '글 안의 큰따옴표는 ""로 적으세요.',
    ),
    "broken-json": Kind(
        "mend",
        "The line is not a JSON object ({reason}); it was left out.",
        "이 줄은 JSON 객체가 아니어서 제외했습니다 ({reason}).",
        'Write one object on each line: {"question": "...", "answer": "..."}.',
        '한 줄에 객체 하나씩 적으세요: {"question": "...", "answer": "..."}.',
    ),
    "other-sheets": Kind(
        "note",
        "Only the first sheet with data was read; not read: {names}.",
        "데이터가 있는 첫 시트만 읽었습니다. 읽지 않은 시트: {names}.",
        "Put all rows on one sheet, or save the other sheets as files of their own.",
        "모든 행을 한 시트에 모으거나 다른 시트를 따로 저장하세요.",
    ),
    "guessed-encoding": Kind(
        "note",
        "The file is neither UTF-8 nor CP949; it was read as {encoding}.",
        "UTF-8도 CP949도 아니어서 {encoding}(으)로 읽었습니다.",
        'If letters look wrong, save the file as "CSV UTF-8".',
        '글자가 깨져 보이면 "CSV UTF-8"로 저장하세요.',
    ),
    # the header
    "spare-column": Kind(
        "note",
        "Column {used} is read as the {field}; this column is kept as it is.",
        "{field} 열로는 {used}을(를) 읽었고 이 열은 그대로 둡니다.",
        "To read this column instead, name it: --column FIELD=HEADER.",
        "이 열을 읽으려면 --column FIELD=머리글 로 지정하세요.",
    ),
    "nameless-column": Kind(
        "note",
        "Cells under an empty header were not read ({count} rows, the first is this one).",
        "머리글이 빈 열의 칸은 읽지 않았습니다 ({count}행, 이 행이 처음입니다).",
        "Give the column a header, or empty it.",
        "열에 머리글을 적거나 열을 비우세요.",
    ),
    # the rows
    "blank-row": Kind(
        "note",
        "The row holds only blanks; it was left out.",
        "공백뿐인 행이라 제외했습니다.",
        "Delete the row.",
        "행을 지우세요.",
    ),
    "empty-question": Kind(
        "mend",
        "The question is empty; the row was left out.",
        "질문이 비어 있어 이 행을 제외했습니다.",
        "Write the question, or delete the row.",
        "질문을 적거나 행을 지우세요.",
    ),
    "empty-answer": Kind(
        "mend",
        "The answer is empty; the row was left out.",
        "답변이 비어 있어 이 행을 제외했습니다.",
        "Write the answer, or delete the row.",
        "답변을 적거나 행을 지우세요.",
    ),
    "too-few-cells": Kind(
        "mend",
        "The row has {found} of {expected} cells and lacks its {field}; it was left out.",
        "칸이 {expected}개여야 하는데 {found}개뿐이고 {field} 칸이 없어 이 행을 제외했습니다.",
        "Add the missing cell.",
        "빠진 칸을 채우세요.",
    ),
    "too-many-cells": Kind(
        "mend",
        "The row has {found} cells where the header has {expected}; it was left out.",
        "머리글은 {expected}칸인데 이 행은 {found}칸이라 제외했습니다.",
        'Put quotation marks (") around a text that holds the separator.',
        '구분 기호가 든 글은 큰따옴표(")로 감싸세요.',
    ),
    "duplicate": Kind(
        "mend",
        "Same question and answer as row {other}; counted once.",
        "{other}행과 질문과 답변이 같아 한 번만 씁니다.",
        "Delete one of the two rows.",
        "두 행 가운데 하나를 지우세요.",
    ),
    "conflict": Kind(
        "mend",
        "Same question as row {other}, but another answer.",
        "{other}행과 질문은 같은데 답변이 다릅니다.",
        "Keep one answer, make the questions differ, or give both rows the same entry.",
        "답변을 하나로 맞추거나 질문을 다르게 쓰거나 두 행에 같은 항목(entry)을 적으세요.",
    ),
    "duplicate-id": Kind(
        "mend",
        "Id {id} is already used in row {other}; this row goes by {made}.",
        "번호 {id}은(는) {other}행에서 이미 썼습니다. 이 행은 {made}(으)로 부릅니다.",
        "Give the row an id of its own, or leave the id empty.",
        "겹치지 않는 번호를 주거나 비워 두세요.",
    ),
    "entry-answers": Kind(
        "note",
        "Entry {entry} has another answer here than in row {other}.",
        "항목 {entry}의 답변이 {other}행과 다릅니다.",
        "If they are different answers, give them different entries.",
        "서로 다른 답변이면 항목을 나누세요.",
    ),
    # the cells
    "nul": Kind(
        "mend",
        "The cell held NUL characters; they were removed.",
        "칸에 NUL 문자가 있어 뺐습니다.",
        "Type the text of the cell anew.",
        "칸의 글을 다시 입력하세요.",
    ),
    "control-characters": Kind(
        "note",
        "The cell held invisible control characters; they were removed.",
        "칸에 보이지 않는 제어 문자가 있어 뺐습니다.",
        "Nothing to do, unless the text looks wrong.",
        "글이 이상하지 않으면 그대로 두어도 됩니다.",
    ),
    "broken-text": Kind(
        "mend",
        "Letters are broken: “{text}”.",
        "글자가 깨졌습니다: “{text}”.",
        'Type the text anew, or save the original file as "CSV UTF-8".',
        '글을 다시 입력하거나 원본 파일을 "CSV UTF-8"로 저장하세요.',
    ),
    "spreadsheet-error": Kind(
        "mend",
        "The cell is a spreadsheet error: “{text}”.",
        "칸이 스프레드시트 오류입니다: “{text}”.",
        "Mend the formula, or type the text.",
        "수식을 고치거나 글을 직접 적으세요.",
    ),
    "formula": Kind(
        "note",
        "The cell starts with = and looks like a formula: “{text}”.",
        "칸이 =로 시작해 수식처럼 보입니다: “{text}”.",
        "If it is a formula, put its result in the cell.",
        "수식이라면 결과 값을 적으세요.",
    ),
    "html": Kind(
        "note",
        "HTML is left in the text: “{text}”.",
        "글에 HTML이 남아 있습니다: “{text}”.",
        "Remove it: it is shown as it is written.",
        "지우세요. 적힌 그대로 보입니다.",
    ),
    "placeholder-answer": Kind(
        "mend",
        "The answer is only a placeholder: “{text}”.",
        "답변 자리만 잡아 둔 글입니다: “{text}”.",
        "Write the answer, or delete the row.",
        "답변을 적거나 행을 지우세요.",
    ),
    "unfinished-answer": Kind(
        "note",
        "The answer looks unfinished: “{text}”.",
        "답변이 덜 쓰인 것 같습니다: “{text}”.",
        "Finish the answer if something is missing.",
        "빠진 내용이 있으면 마저 적으세요.",
    ),
    "echo-answer": Kind(
        "note",
        "The answer only repeats the question.",
        "답변이 질문을 그대로 되풀이합니다.",
        "Write the answer.",
        "답변을 적으세요.",
    ),
    "long-question": Kind(
        "note",
        "The question has {length} characters; long questions are found badly.",
        "질문이 {length}자입니다. 긴 질문은 잘 찾아지지 않습니다.",
        "Write it as a person would ask it, and keep the rest in the answer.",
        "사람이 묻듯이 짧게 쓰고 나머지는 답변에 적으세요.",
    ),
    "bad-url": Kind(
        "mend",
        "Not a web or mail address: “{text}”.",
        "웹 주소도 메일 주소도 아닙니다: “{text}”.",
        "Write the whole address, beginning with https://, http:// or mailto:.",
        "https://, http://, mailto: 로 시작하는 전체 주소를 적으세요.",
    ),
    "lang-mismatch": Kind(
        "note",
        "The language is given as {lang}, but the text is written in another script.",
        "언어가 {lang}(으)로 적혀 있지만 글은 다른 문자입니다.",
        "Correct the language, or leave it empty.",
        "언어를 고치거나 비워 두세요.",
    ),
    "confusable": Kind(
        "note",
        "Nearly the same question as row {other}, but another entry: “{text}”.",
        "{other}행과 질문이 거의 같은데 항목이 다릅니다: “{text}”.",
        "Make the questions differ, or give both rows the same entry.",
        "질문을 다르게 쓰거나 두 행에 같은 항목(entry)을 적으세요.",
    ),
}
