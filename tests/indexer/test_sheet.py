"""Bytes to cells: every format and encoding gives the same table; what is no sheet says so in one line."""

import csv
import io
import json
import zipfile
from datetime import date, datetime, time
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.errors import UserError
from indexer.sheet import Table, read_table

ROWS = [
    ["question", "answer"],
    ["배송은 며칠 걸리나요?", "보통 2~3일, 늦어도 5일입니다."],
    ["Can I return it?", 'Yes: "within 14 days", free.\nAfter that; no.'],
]


def cells(table: Table) -> list[list[str]]:
    return [list(table.columns), *(list(line.cells) for line in table.lines)]


def kinds(table: Table) -> list[tuple[str, int | None]]:
    return [(finding.kind, finding.row) for finding in table.findings]


def delimited(rows: list[list[str]], delimiter: str = ",") -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(rows)
    return out.getvalue()


@pytest.fixture
def write(tmp_path: Path):
    def save(content: bytes | str, name: str = "faq.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return save


@pytest.mark.parametrize(
    ("encoding", "named"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("cp949", "cp949"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("utf-32", "utf-32"),
    ],
)
def test_every_encoding_gives_the_same_cells(write, encoding, named):
    table = read_table(write(delimited(ROWS), encoding=encoding))
    assert cells(table) == ROWS
    assert (table.encoding, table.format, table.delimiter) == (named, "csv", ",")
    assert table.findings == ()


def test_unmarked_utf16_is_known_whatever_character_the_sample_ends_in(write):
    text = "q,a\n" + "x" * 49_995 + "😀,end\n"
    assert read_table(write(text, encoding="utf-16-le")).lines[0].cells[1] == "end"


def test_utf16_with_the_big_endian_mark(write):
    assert cells(read_table(write(b"\xfe\xff" + delimited(ROWS).encode("utf-16-be")))) == ROWS


@pytest.mark.parametrize(("delimiter", "form"), [(",", "csv"), (";", "csv"), ("|", "csv"), ("\t", "tsv")])
@pytest.mark.parametrize("name", ["faq.csv", "faq.tsv", "faq.txt"])
def test_the_delimiter_is_told_by_the_content_not_the_name(write, delimiter, form, name):
    table = read_table(write(delimited(ROWS, delimiter), name))
    assert cells(table) == ROWS
    assert (table.delimiter, table.format) == (delimiter, form)


def test_a_delimiter_in_the_texts_does_not_mislead(write):
    rows = [["q; kept", "a"], *([f"one; two; {n}", "three; four"] for n in range(9))]
    assert cells(read_table(write(delimited(rows)))) == rows
    rows = [["q", "a"], *([f"one, two, {n}", "three, four"] for n in range(9))]
    assert cells(read_table(write("\r\n".join(";".join(row) for row in rows)))) == rows


def test_excels_sep_line_names_the_delimiter_and_is_no_row(write):
    table = read_table(write("sep=;\r\nq,x;a\r\n1,2;b\r\n"))
    assert cells(table) == [["q,x", "a"], ["1,2", "b"]]
    assert [(line.row, line.line) for line in (table.header, *table.lines)] == [(1, 2), (2, 3)]


def test_a_sep_line_that_names_no_delimiter_is_a_row(write):
    assert cells(read_table(write('sep="\nq,a\n1,2\n'))) == [['sep="'], ["q", "a"], ["1", "2"]]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_is_read(write, end):
    table = read_table(write(end.join(["q,a", "1,2", "", "3,4"])))
    assert cells(table) == [["q", "a"], ["1", "2"], ["3", "4"]]
    assert [line.row for line in table.lines] == [2, 4]  # a blank line is a row in a spreadsheet program


def test_rows_are_counted_as_a_spreadsheet_does_and_lines_as_an_editor_does(write):
    table = read_table(write('q,a\n"one\ntwo\nthree",x\ny,"z\n"\n,\nlast,one\n'))
    assert [(line.row, line.line, line.cells[0]) for line in table.lines] == [
        (2, 2, "one\ntwo\nthree"),
        (3, 5, "y"),
        (5, 8, "last"),
    ]


def test_ragged_rows_keep_the_cells_they_have(write):
    assert cells(read_table(write("q,a\n1,2\n3\n4,5,6\n"))) == [
        ["q", "a"],
        ["1", "2"],
        ["3"],
        ["4", "5", "6"],
    ]


def test_an_unclosed_quote_costs_its_row_only(write):
    table = read_table(write('q,a\n1,2\n3,"never closed\n4,"well closed"\n5,6\n'))
    assert cells(table) == [["q", "a"], ["1", "2"], ["4", "well closed"], ["5", "6"]]
    assert kinds(table) == [("unclosed-quote", 3)]
    assert [line.row for line in table.lines] == [2, 4, 5]
    assert "line 3" in table.findings[0].message


def test_an_unclosed_quote_with_no_later_quote_does_not_swallow_the_file(write):
    rows = [f"{n},{n}\n" for n in range(5000)]
    table = read_table(write("".join(["q,a\n", *rows[:10], '"open,x\n', *rows[10:]])))
    assert len(table.lines) == 5000
    assert kinds(table) == [("unclosed-quote", 12)]


def test_many_unclosed_quotes_are_each_reported(write):
    table = read_table(write("q,a\n" + 'x,"open\n' * 501 + "y,z\n"))
    assert [list(line.cells) for line in table.lines][-1] == ["y", "z"]
    assert all(kind == "unclosed-quote" for kind, _ in kinds(table))


def test_quotes_inside_a_cell_are_read_as_excel_reads_them_and_noted(write):
    table = read_table(write('q,a\n"Hello" he said,5" pipe\n"a", b\n'))
    assert cells(table)[1:] == [["Hello he said", '5" pipe'], ["a", " b"]]
    assert kinds(table) == [("stray-quote", 2)]


def test_very_long_cells_and_nul_bytes_are_kept(write):
    long = "가" * 300_000
    assert cells(read_table(write(f'q,a\n"{long}",b\0c\n')))[1] == [long, "b\0c"]


def test_a_hundred_thousand_rows_are_all_read(write):
    text = "".join(f'"질문 {n}, 번호","답변\n{n}"\r\n' for n in range(100_000))
    table = read_table(write("q,a\r\n" + text, encoding="cp949"))
    assert len(table.lines) == 100_000
    assert table.lines[-1].cells == ["질문 99999, 번호", "답변\n99999"]
    assert (table.lines[-1].row, table.lines[-1].line) == (100_001, 200_000)


# a single NUL-rich cell may look like UTF-16; NUL has tests of its own
ANY_CELL = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


@given(st.lists(st.tuples(ANY_CELL, ANY_CELL, ANY_CELL), min_size=1, max_size=8), st.sampled_from(",;\t|"))
def test_what_the_csv_writer_writes_is_read_back_cell_for_cell(tmp_path_factory, rows, delimiter):
    path = tmp_path_factory.mktemp("any") / "any.csv"
    table = [["id", "question", "answer"], ["1", "always", "here"], *map(list, rows)]
    path.write_bytes(delimited(table, delimiter).encode())
    read = read_table(path)
    assert cells(read) == [row for row in table if any(row)]
    assert read.findings == ()


# --- encodings that are not sure


def test_bad_bytes_name_the_file_the_line_and_the_offset(write):
    path = write(b"question,answer\nabc," + b"\xff\xfe\xfa\n" + "질문?,답변\n".encode())
    with pytest.raises(UserError) as error:
        read_table(path)
    assert str(path) in str(error.value)
    assert "line 2, byte offset 20" in str(error.value)
    assert "FF FE FA" in str(error.value)
    assert "CSV UTF-8" in str(error.value)
    assert "\n" not in str(error.value)


def test_one_broken_byte_in_a_long_utf8_file_is_never_read_as_something_else(write):
    good = ("질문,답변\n" + "배송은 언제 오나요?,사흘 걸립니다.\n" * 500).encode()
    with pytest.raises(UserError, match=r"line 502, byte offset \d+: the bytes EB 6E"):
        read_table(write(good + b"\xebno,x\n"))


def test_damaged_utf8_is_not_taken_for_western_text_that_it_would_also_be(write):
    damaged = ("question,answer\n" + "we don’t know who you are,you don’t either\n" * 20).encode() + b"\x93bad\x94,x\n"
    assert damaged.decode("cp1252").count("â€™") == 40
    with pytest.raises(UserError, match="line 22, byte offset"):
        read_table(write(damaged))


def test_damage_far_down_in_a_mostly_english_file_is_judged_by_what_stands_around_it(write):
    damaged = (
        "question,answer\n" + "plain,text\n" * 20_000 + "we don’t know who you are,you don’t either\n" * 20
    ).encode() + b"\x93bad\x94,x\n"
    with pytest.raises(UserError, match="line 20022, byte offset"):
        read_table(write(damaged))


def test_a_broken_byte_in_cp949_is_located_where_it_is(write):
    content = "질문,답변\n배송은 언제?,사흘 뒤\n".encode("cp949") + b"\xff,x\n"
    with pytest.raises(UserError, match="line 3, byte offset 31: the bytes FF 2C"):
        read_table(write(content))


def test_random_bytes_that_a_chinese_encoding_accepts_are_refused(write):
    noise = bytes.fromhex(
        "e1 46 63 ed a4 97 d4 ca 62 31 52 ec 96 9c b5 9e b2 d5 87 c1 aa 88 85 32 c4 a0 55 8b f8 d9 91"
    )
    noise += bytes.fromhex("59 da f1 e4 a1 f5 98 b2 8e")
    assert noise.decode("gb18030").startswith("酕")
    with pytest.raises(UserError, match="neither UTF-8 nor CP949"):
        read_table(write(b"question,answer\n" + noise + b"\n"))


def test_truncated_utf16_is_an_error_not_a_traceback(write):
    with pytest.raises(UserError, match="UTF-16"):
        read_table(write(delimited(ROWS).encode("utf-16")[:-1]))


def test_short_cp949_is_not_taken_for_anything_else(write):
    table = read_table(write("질문,답변\n네,예\n", encoding="cp949"))
    assert (cells(table), table.encoding) == ([["질문", "답변"], ["네", "예"]], "cp949")


def test_english_from_western_excel_keeps_its_curly_quotes(write):
    text = "question,answer\nCan I pay later?,You can’t – it’s “café” only; that’s £5\n"
    with pytest.raises(UnicodeDecodeError):
        text.encode("cp1252").decode("utf-8")
    table = read_table(write(text, encoding="cp1252"))
    assert table.lines[0].cells[1] == "You can’t – it’s “café” only; that’s £5"
    assert kinds(table) == [("guessed-encoding", None)]


def test_western_bytes_that_cp949_would_accept_are_not_turned_into_korean(write):
    text = "question,answer\nDon’t you ship?,We don’t\n"
    assert "뭪" not in text
    assert text.encode("cp1252").decode("cp949") != text  # CP949 accepts these bytes
    assert read_table(write(text, encoding="cp1252")).lines[0].cells == ["Don’t you ship?", "We don’t"]


@pytest.mark.parametrize(
    ("encoding", "row"),
    [
        ("cp932", ["返品できますか?", "はい、14日以内に返品できます。"]),
        ("gb18030", ["怎么退货?", "您可以在十四天之内退货。"]),
    ],
)
def test_japanese_and_chinese_are_read_right_or_refused_but_never_as_korean(write, encoding, row):
    table = read_table(write(delimited([["question", "answer"], *[row] * 5]), encoding=encoding))
    assert table.lines[0].cells == row
    assert kinds(table) == [("guessed-encoding", None)]


# --- JSON


def test_json_lines_become_rows_numbered_by_line(write):
    lines = [
        '{"question": "왜?", "answer": "그냥", "n": 3}',
        "",
        '{"answer": null, "tags": ["a", "나"], "question": "q\\nr"}',
    ]
    table = read_table(write("\n".join(lines), "faq.jsonl"))
    assert cells(table) == [
        ["question", "answer", "n", "tags"],
        ["왜?", "그냥", "3", ""],
        ["q\nr", "", "", '["a", "나"]'],
    ]
    assert ([line.row for line in table.lines], table.format) == ([1, 3], "jsonl")


def test_a_json_list_becomes_rows_and_the_content_tells_json_lines(write):
    objects = [{"question": "a", "answer": "b"}, {"question": "c", "answer": True}]
    table = read_table(write(json.dumps(objects, indent=1), "faq.json"))
    assert cells(table) == [["question", "answer"], ["a", "b"], ["c", "true"]]
    assert table.format == "json"
    same = read_table(write("\n".join(map(json.dumps, objects)), "faq.txt"))
    assert (cells(same), same.format) == (cells(table), "jsonl")


def test_a_broken_json_line_is_reported_and_the_rest_is_read(write):
    table = read_table(write('{"q": 1}\n{"q": \n[1]\n{"q": 2}\n', "faq.jsonl"))
    assert cells(table) == [["q"], ["1"], ["2"]]
    assert kinds(table) == [("broken-json", 2), ("broken-json", 3)]


@pytest.mark.parametrize("text", ['{"q": \n', "hello\n", "[1, 2]", '[{"a": 1}', "[" * 100_000])
def test_json_without_objects_is_an_error(write, text):
    with pytest.raises(UserError, match="JSON"):
        read_table(write(text, "faq.json"))


# --- workbooks


@pytest.fixture
def workbook(tmp_path: Path):
    def save(*sheets: list[list[object]], change=None) -> Path:
        book = openpyxl.Workbook()
        book.remove(book.active)
        for number, rows in enumerate(sheets, 1):
            sheet = book.create_sheet(f"Sheet {number}")
            for row in rows:
                sheet.append(row)
        if change:
            change(book)
        path = tmp_path / "faq.xlsx"
        book.save(path)
        return path

    return save


def test_a_workbook_gives_the_same_cells(workbook):
    table = read_table(workbook(ROWS))
    assert cells(table) == ROWS
    assert (table.format, table.encoding, table.findings) == ("xlsx", None, ())


def test_the_content_tells_a_workbook_whatever_its_name(workbook):
    path = workbook(ROWS)
    assert cells(read_table(path.rename(path.with_suffix(".csv")))) == ROWS


def test_numbers_and_dates_are_the_text_the_owner_sees(workbook):
    formats = [
        (1200, "General", "1200"),
        (3.0, "General", "3"),
        (0.1 + 0.2, "General", "0.3"),
        (1234567, "#,##0", "1,234,567"),
        (3000, '#,##0"원"', "3,000원"),
        (9.5, '"$"#,##0.00', "$9.50"),
        (1000, "[$₩-412]#,##0", "₩1,000"),
        (0.125, "0.0%", "12.5%"),
        (7, "000", "007"),
        (True, "General", "TRUE"),
        (date(2026, 3, 1), "yyyy-mm-dd", "2026-03-01"),
        (datetime(2026, 3, 1, 9, 30), "yyyy-mm-dd hh:mm", "2026-03-01 09:30"),
        (time(18, 0), "hh:mm", "18:00"),
    ]

    def change(book):
        for at, (_, form, _) in enumerate(formats, 1):
            book.worksheets[0].cell(2, at).number_format = form

    table = read_table(workbook([["c"] * len(formats), [value for value, _, _ in formats]], change=change))
    assert list(table.lines[0].cells) == [text for _, _, text in formats]


def test_blank_rows_and_short_rows_keep_their_numbers_and_width(workbook):
    table = read_table(workbook([[], ["q", "a", None], [], ["1"], [None, "2", None, "beside"]]))
    assert table.header.row == 2
    assert [(line.row, list(line.cells)) for line in table.lines] == [
        (4, ["1", "", "", ""]),
        (5, ["", "2", "", "beside"]),
    ]


def test_the_first_visible_sheet_with_data_is_read_and_others_are_named(workbook):
    def hide(book):
        book.worksheets[1].sheet_state = "hidden"

    table = read_table(workbook([], [["hidden"], ["x"]], ROWS, [["more"]], [], change=hide))
    assert cells(table) == ROWS
    assert table.findings[0].kind == "other-sheets"
    assert "not read: Sheet 4." in table.findings[0].message


def test_an_answer_merged_over_several_rows_belongs_to_each(workbook):
    def merge(book):
        book.worksheets[0].merge_cells("B2:B4")

    table = read_table(workbook([["q", "a"], ["1", "same"], ["2"], ["3"], ["4", "own"]], change=merge))
    assert [list(line.cells) for line in table.lines] == [
        ["1", "same"],
        ["2", "same"],
        ["3", "same"],
        ["4", "own"],
    ]


def test_the_value_of_a_formula_is_read_not_the_formula(workbook):
    path = workbook([["q", "a"], ["sum", "=1+1"]])
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = "xl/worksheets/sheet1.xml"
    assert b"<v />" in parts[name] or b"<v></v>" in parts[name] or b"<v/>" in parts[name]
    for empty in (b"<v />", b"<v></v>", b"<v/>"):
        parts[name] = parts[name].replace(empty, b"<v>2</v>")  # what Excel saves beside the formula
    with zipfile.ZipFile(path, "w") as archive:
        for part, content in parts.items():
            archive.writestr(part, content)
    assert list(read_table(path).lines[0].cells) == ["sum", "2"]


# --- what is no sheet


def zipped(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("old.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), r"old Excel file \(\.xls\)"),
        ("faq.ods", zipped("mimetype", "content.xml"), r"\.ods"),
        ("faq.xlsb", zipped("[Content_Types].xml", "xl/workbook.bin"), r"\.xlsb"),
        ("faq.docx", zipped("[Content_Types].xml", "word/document.xml"), "Word"),
        ("faq.zip", zipped("faq.csv"), "ZIP archive"),
        ("faq.xlsx", zipped("[Content_Types].xml", "xl/workbook.xml"), "damaged"),
        ("cut.xlsx", zipped("[Content_Types].xml")[:40], "cut off or damaged"),
        ("faq.pdf", b"%PDF-1.7\n", "PDF"),
        ("faq.csv.gz", b"\x1f\x8b\x08\x00", "compressed"),
        ("page.xls", b"\n<HTML><table>", "web page"),
        ("empty.csv", b"", "empty"),
        ("blank.csv", b"\xef\xbb\xbf\r\n\r\n", "empty"),
        ("commas.csv", b",,,\n,,,\n", "empty"),
        ("empty.jsonl", b"\n", "empty"),
        ("header.csv", "질문,답변\r\n".encode(), r"a header \(질문, 답변\) but no row"),
        ("quote.csv", b'"question,answer\n', "Row 1: A quotation mark"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",  # an archive's bytes hold the time
)
def test_what_is_no_sheet_says_so_in_one_line(write, name, content, says):
    path = write(content, name)
    with pytest.raises(UserError, match=says) as error:
        read_table(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_an_empty_workbook_is_empty(workbook):
    with pytest.raises(UserError, match="empty"):
        read_table(workbook([]))


def test_a_folder_and_a_missing_file_say_what_to_do(write, tmp_path):
    with pytest.raises(UserError, match="folder"):
        read_table(tmp_path)
    near = write("q,a\n1,2\n", "questions.csv")
    with pytest.raises(UserError, match=r"no such file; did you mean .*questions\.csv\?"):
        read_table(near.with_name("question.csv"))
    with pytest.raises(UserError, match="no folder"):
        read_table(tmp_path / "nowhere" / "faq.csv")
    with pytest.raises(UserError, match="cannot be read"):
        read_table("faq\0.csv")


def test_a_file_that_may_not_be_read(write, monkeypatch):
    path = write("q,a\n1,2\n")

    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(UserError, match=r"faq\.csv: may not be read"):
        read_table(path)


# --- the dirty files


@pytest.mark.shared
def test_the_dirty_files_of_every_encoding_hold_the_same_text(shared):
    plain = cells(read_table(shared / "dirty" / "01_utf8.csv"))
    assert len(plain) == 81
    assert plain[0] == ["question", "answer"]
    for name in ("02_utf8_bom.csv", "03_cp949.csv", "06_semicolon.csv"):
        assert cells(read_table(shared / "dirty" / name)) == plain


@pytest.mark.shared
def test_the_dirty_files_that_cannot_be_read(shared):
    with pytest.raises(UserError, match="empty"):
        read_table(shared / "dirty" / "17_zero_bytes.csv")
    with pytest.raises(UserError, match=r"19_bad_bytes\.csv: line 2, byte offset 20"):
        read_table(shared / "dirty" / "19_bad_bytes.csv")
