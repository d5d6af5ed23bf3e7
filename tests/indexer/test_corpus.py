"""A table to entries: columns, cells, rows that are left out and told, and ids that stay."""

import random
import unicodedata
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.cells import normalise
from indexer.corpus import Corpus, read_corpus
from indexer.errors import UserError
from indexer.finding import KINDS, Finding
from indexer.row import Row


@pytest.fixture
def read(tmp_path: Path):
    def save_and_read(text: str, columns: dict[str, str] | None = None, encoding: str = "utf-8") -> Corpus:
        path = tmp_path / "faq.csv"
        path.write_bytes(text.encode(encoding))
        return read_corpus(path, columns)

    return save_and_read


def found(corpus: Corpus) -> list[tuple[str, int | None]]:
    return [(finding.kind, finding.row) for finding in corpus.findings]


def texts(corpus: Corpus) -> list[tuple[str, str]]:
    return [(row.question, row.answer) for row in corpus.rows]


# --- columns


@pytest.mark.parametrize(
    "header",
    [
        "id,question,answer,entry,category,lang,url",
        "ID,Question,ANSWER,Group,Category,Language,Link",
        "번호,질문,답변,그룹,카테고리,언어,링크",
        "no,q,a,항목,분류,lang,주소",
        "No., Q ,A.,group_id,CATEGORIES,LANG,URI",
        "아이디,질문 내용,답변_내용,entry id,구분,언어,웹 주소",
        "\ufeffid,문의,답,entry,유형,locale,URL",
        "ID,질문 (필수),답변[필수],그룹（선택）,주제,언어,링크",
        unicodedata.normalize("NFD", "번호,질문,답변,그룹,카테고리,언어,링크"),
    ],
)
def test_header_names_are_known_in_two_languages(read, header):
    row = read(f"{header}\n7,Why?,So.,e1,ship,en,https://a.b/\n").rows[0]
    assert row == Row("7", "e1", "Why?", "So.", {"category": "ship", "lang": "en", "url": "https://a.b/"})


def test_other_columns_are_kept_by_their_own_name_in_order(read):
    corpus = read("memo,Q,A,Owner Team,memo,label\nm,q,a,team,n,\n")
    assert list(corpus.rows[0].extra.items()) == [("memo", "m"), ("Owner Team", "team"), ("memo 2", "n")]
    assert corpus.columns == ("memo", "Q", "A", "Owner Team", "memo 2", "label")
    assert corpus.fields == {"question": "Q", "answer": "A"}


def test_the_person_names_the_columns(read):
    text = "question,처리 결과,물어본 것,비고\nnot this,답,진짜 질문,x\n"
    corpus = read(text, {"question": "물어본것", "answer": "처리 결과"})
    assert texts(corpus) == [("진짜 질문", "답")]
    assert corpus.rows[0].extra == {"question 2": "not this", "비고": "x"}


def test_a_surer_name_wins_and_the_other_column_is_kept(read):
    corpus = read("title,question,content,answer\nt,q,c,a\n")
    assert texts(corpus) == [("q", "a")]
    assert corpus.rows[0].extra == {"title": "t", "content": "c"}
    assert texts(read("제목,내용\n질문이에요,답이에요\n")) == [("질문이에요", "답이에요")]


def test_two_question_columns_are_never_chosen_between_silently(read):
    with pytest.raises(UserError, match=r"'질문' and 'question' both look like the question.*--column question=") as e:
        read("질문,답변,question\na,b,c\n")
    assert "\n" not in str(e.value)
    assert texts(read("질문,답변,question\na,b,c\n", {"question": "question"})) == [("c", "b")]
    with pytest.raises(UserError, match="both look like the answer"):
        read("q,a,a\n1,2,3\n")


def test_a_second_column_for_another_field_is_kept_and_noted(read):
    corpus = read("no,id,question,answer\n1,x,q,a\n")
    assert (corpus.rows[0].id, corpus.rows[0].extra) == ("x", {"no": "1"})
    assert found(corpus) == [("spare-column", None)]
    assert corpus.findings[0].column == "no"


def test_an_unknown_header_is_shown_with_how_to_name_it(read):
    with pytest.raises(UserError) as error:
        read("배송은 며칠 걸리나요?,사흘입니다.\n환불되나요?,됩니다.\n")
    for part in (
        "faq.csv: row 1 reads: 배송은 며칠 걸리나요?, 사흘입니다.",
        "--column question=HEADER --column answer=HEADER",
    ):
        assert part in str(error.value)
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match=r"no column is known as the answer; say which it is: --column answer=HEADER;"):
        read("질문,처리\na,b\n")


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"question": "nope"}, "no column is called 'nope'"),
        ({"frage": "q"}, "choose from id, question, answer"),
        ({"question": ""}, "no column"),
        ({"lang": "nope"}, "no column is called 'nope'"),
    ],
)
def test_a_wrong_column_option_is_an_error(read, columns, says):
    with pytest.raises(UserError, match=says):
        read("q,a,\n1,2,3\n", columns)


def test_a_title_above_the_header_is_passed_over(read):
    corpus = read("자주 묻는 질문,,\n2026년 3월,,\n번호,질문,답변\n1,왜?,그냥\n")
    assert corpus.rows == (Row("1", corpus.rows[0].entry, "왜?", "그냥"),)
    assert corpus.numbers == (4,)


def test_cells_under_no_header_are_noted_once(read):
    corpus = read("question,answer,,\nq,a,,\nr,b,stray,\ns,c,,stray\n")
    assert len(corpus.rows) == 3
    assert found(corpus) == [("nameless-column", 3)]
    assert "2 rows" in corpus.findings[0].message


# --- cells


def test_cells_are_trimmed_composed_and_keep_their_inner_lines(read):
    composed = unicodedata.normalize("NFD", "배송은?")
    corpus = read(f'q,a\n\u3000\u00a0{composed} \u200b,"\tone\r\n\r\n  two\rthree\x0bfour\u3164 "\n')
    assert texts(corpus) == [("배송은?", "one\n\n  two\nthree\nfour")]
    assert corpus.findings == ()


def test_text_is_not_folded_beyond_composition(read):
    assert texts(read("q,a\nＡ ㈜ ½ é?,①  two\n")) == [("Ａ ㈜ ½ é?", "①  two")]


def test_nul_and_control_characters_go_with_a_finding(read):
    corpus = read("q,a\na\0b,c\x07d\ne,f\n")
    assert texts(corpus) == [("ab", "cd"), ("e", "f")]
    assert [(f.kind, f.row, f.column) for f in corpus.findings] == [
        ("nul", 2, "q"),
        ("control-characters", 2, "a"),
    ]


def test_half_a_surrogate_pair_cannot_break_what_follows(tmp_path):
    path = tmp_path / "faq.jsonl"
    path.write_text('{"question": "a\\ud83d", "answer": "\\ude00 b", "k\\ud800": "x"}\n')
    row = read_corpus(path).rows[0]
    assert (row.question, row.answer) == ("a\ufffd", "\ufffd b")
    assert "".join(row.extra).encode()


# --- rows left out


def test_findings_stand_in_the_order_of_the_rows(read):
    corpus = read("q,a\nx,1\nx,2\n,\u3000\ny,\nx,1\nz,3,4\n")
    assert found(corpus) == [
        ("conflict", 3),
        ("blank-row", 4),
        ("empty-answer", 5),
        ("duplicate", 6),
        ("too-many-cells", 7),
    ]


def test_rows_without_question_or_answer_are_left_out_and_told(read):
    corpus = read("질문,답변\nq,a\n,b\nr,\n   ,  \ns,c\n\u3000,d\n,\n")
    assert texts(corpus) == [("q", "a"), ("s", "c")]
    assert corpus.numbers == (2, 6)
    assert found(corpus) == [
        ("empty-question", 3),
        ("empty-answer", 4),
        ("blank-row", 5),
        ("empty-question", 7),
    ]
    assert [f.column for f in corpus.findings] == ["질문", "답변", None, "질문"]
    assert len(corpus.skipped) == 4


def test_ragged_rows_are_left_out_only_where_it_matters(read):
    corpus = read("q,a,category\n1,b1\n2\n3,b3,c,extra\n4,b4,c, ,\n")
    assert texts(corpus) == [("1", "b1"), ("4", "b4")]
    assert found(corpus) == [("too-few-cells", 3), ("too-many-cells", 4)]


def test_rows_that_cannot_be_used_leave_an_empty_corpus_with_findings(read):
    corpus = read("q,a\n,x\n")
    assert (corpus.rows, found(corpus)) == ((), [("empty-question", 2)])


# --- duplicates and contradictions


def test_duplicates_collapse_to_the_first_also_after_trim_and_composition(read):
    same = unicodedata.normalize("NFD", "배송은 며칠?")
    corpus = read(
        f"q,a\n배송은 며칠?,사흘.\n 배송은  며칠 ,사흘\n{same},사흘.\nShip?,Yes\nship,yes!\n배송은 며칠?,모름\n"
    )
    assert texts(corpus) == [("배송은 며칠?", "사흘."), ("Ship?", "Yes"), ("배송은 며칠?", "모름")]
    assert found(corpus) == [("duplicate", 3), ("duplicate", 4), ("duplicate", 6), ("conflict", 7)]
    assert [f.values["other"] for f in corpus.findings] == [2, 2, 5, 2]
    assert {f.severity for f in corpus.findings} == {"mend"}


def test_the_same_row_in_another_entry_is_no_duplicate(read):
    corpus = read("q,a,entry\nx,y,e1\nx,y,e2\nx,y,e1\n")
    assert [row.entry for row in corpus.rows] == ["e1", "e2"]
    assert found(corpus) == [("duplicate", 4)]


def test_one_question_with_two_answers_is_a_conflict_unless_it_is_one_entry(read):
    corpus = read("q,a,entry\nx,one,e1\nX?,two,e2\n")
    assert found(corpus) == [("conflict", 3)]
    assert "row 2" in corpus.findings[0].message
    assert "2행" in corpus.findings[0].text("ko")
    assert len(corpus.rows) == 2
    assert found(read("q,a,entry\nx,one,e1\nX?,two,e1\n")) == [("entry-answers", 3)]


def test_a_conflict_is_found_behind_rows_of_its_own_entry(read):
    corpus = read("q,a,entry\nx,one,e1\nx,two,e2\nx,three,e1\n")
    assert [(f.kind, f.row, f.values["other"]) for f in corpus.findings if f.kind == "conflict"] == [
        ("conflict", 3, 2),
        ("conflict", 4, 3),
    ]


def test_answers_of_one_entry_may_differ_by_language_only(read):
    text = "q,a,entry,lang\nhow,Click.,e,en\nhow do I,Click.,e,en\n어떻게,누르세요.,e,ko\n"
    assert found(read(text)) == []
    corpus = read(text + "왜,다른 답.,e,ko\n또,또 다른 답.,e,KO\n")
    assert found(corpus) == [("entry-answers", 5)]
    assert corpus.findings[0].severity == "note"


# --- ids and entries


def test_entries_come_from_their_column_or_from_the_answer(read):
    corpus = read("q,a\none,Same answer.\ntwo,same  ANSWER\nthree,Other\n")
    first, second, third = (row.entry for row in corpus.rows)
    assert first == second != third
    assert first.startswith("e-")
    assert len(first) == 18
    corpus = read("q,a,그룹\none,Same answer.,g\ntwo,Same answer.,\nthree,same answer,\nfour,x,g\n")
    assert [row.entry for row in corpus.rows] == ["g", first, first, "g"]
    assert corpus.entries == 2


SHEET = [f"question {n}?,answer {n % 7}" for n in range(40)]


def test_made_ids_do_not_depend_on_order_or_on_other_rows(read):
    ids = {row.question: row.id for row in read("\n".join(["q,a", *SHEET])).rows}
    shuffled = random.Random(3).sample(SHEET, 25)
    again = {row.question: row.id for row in read("\n".join(["q,a", "a new one,answer 1", *shuffled])).rows}
    assert len(set(ids.values())) == 40
    assert all(again[question] == ids[question] for question in again if question != "a new one")


def test_made_ids_are_the_same_in_every_encoding_and_form(read, tmp_path):
    text = "질문,답변\n배송은 며칠?,사흘\n"
    plain = read(text).rows[0].id
    assert plain == "q-87716d0bb0e9df81"  # SHA-256 of "배송은 며칠\x1f사흘": ids never change between versions
    assert read(text, encoding="cp949").rows[0].id == plain
    assert read(unicodedata.normalize("NFD", text)).rows[0].id == plain
    book = openpyxl.Workbook()
    for line in text.splitlines():
        book.active.append(line.split(","))
    book.save(tmp_path / "faq.xlsx")
    assert read_corpus(tmp_path / "faq.xlsx").rows[0].id == plain


def test_rows_that_share_texts_in_several_entries_get_ids_whatever_their_order(read):
    rows = ["x,y,e1", "x,y,e2", "x,y,"]
    ids = {row.entry: row.id for row in read("\n".join(["q,a,entry", *rows])).rows}
    again = {row.entry: row.id for row in read("\n".join(["q,a,entry", *rows[::-1]])).rows}
    assert ids == again
    assert len(set(ids.values())) == 3


def test_own_ids_are_kept_and_a_repeated_one_is_replaced(read):
    corpus = read("id,q,a\n007,one,x\n7,two,y\n007,three,z\n,four,w\n")
    assert [row.id for row in corpus.rows[:2]] == ["007", "7"]
    assert found(corpus) == [("duplicate-id", 4)]
    made = corpus.rows[2].id
    assert made.startswith("q-")
    assert corpus.findings[0].values == {"id": "007", "other": 2, "made": made}
    assert len({row.id for row in corpus.rows}) == 4


def test_a_made_id_that_someone_wrote_into_another_row_is_not_given_twice(read):
    made = read("q,a\nold question,x\n").rows[0].id
    corpus = read(f"id,q,a\n{made},edited since,x\n,old question,x\n")
    assert corpus.rows[0].id == made
    assert corpus.rows[1].id.startswith(made)
    assert corpus.rows[1].id != made


def test_the_id_of_a_duplicate_leads_to_the_row_that_was_kept(read):
    corpus = read("id,q,a\n1,x,y\n2,X?,y.\n1,x,y\n,x,y\n")
    assert [row.id for row in corpus.rows] == ["1"]
    assert corpus.merged == {"2": "1"}


# --- normalise


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("How do I  pay?", "how do i pay"),
        ("배송은 며칠？", "배송은 며칠"),
        ("환불。", "환불!?"),
        ("ＦＡＱ①", "faq1"),
        ("Straße", "STRASSE"),
        ("a\u200bb\u00ad", "ab"),
        ("줄\n바꿈\t 공백\u3000끝", "줄 바꿈 공백 끝"),
        (unicodedata.normalize("NFD", "한글"), "한글"),
    ],
)
def test_normalise_joins_what_a_person_calls_the_same(one, other):
    assert normalise(one) == normalise(other)


@pytest.mark.parametrize(
    ("one", "other"), [("환불 되나요", "환불 안 되나요"), ("3.5", "35"), ("a?b", "ab"), ("가 나", "가나")]
)
def test_normalise_keeps_apart_what_differs(one, other):
    assert normalise(one) != normalise(other)


def test_normalise_never_empties_a_text_of_marks():
    assert (normalise("???"), normalise(" . "), normalise("")) == ("???", ".", "")


@given(st.text())
def test_normalise_is_its_own_normal_form(text):
    assert normalise(normalise(text)) == normalise(text)


# --- findings


def test_every_kind_is_said_in_two_languages_with_its_values():
    class Any(dict):
        def __missing__(self, key: str) -> str:
            return "…"

    for kind in KINDS:
        finding = Finding(kind, 3, "q", Any())
        assert finding.message != finding.text("ko")
        assert finding.fix != finding.advice("ko")
        assert "{" not in finding.message + finding.text("ko")
        assert any("가" <= letter <= "힣" for letter in finding.text("ko"))
        assert finding.message.isascii() or "“" in finding.message or "…" in finding.message
        assert finding.message.endswith(".")
        assert finding.severity in ("mend", "note")


# --- many rows, and the dirty files


def test_a_hundred_thousand_rows_become_as_many_wordings(read):
    corpus = read("q,a\n" + "".join(f"질문 {n}번?,답변 {n // 4}\n" for n in range(100_000)))
    assert (len(corpus.rows), corpus.entries, corpus.findings) == (100_000, 25_000, ())
    assert len({row.id for row in corpus.rows}) == 100_000


def test_one_question_a_hundred_thousand_times_is_still_read(read):
    corpus = read("q,a,entry\n" + "".join(f"same,{n},one\n" for n in range(100_000)))
    assert (len(corpus.rows), found(corpus)) == (100_000, [("entry-answers", 3)])


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "rows", "findings"),
    [
        ("01_utf8.csv", 80, []),
        ("02_utf8_bom.csv", 80, []),
        ("03_cp949.csv", 80, []),
        ("06_semicolon.csv", 80, []),
        ("08_quotes_newlines.csv", 3, []),
        (
            "09_empty_cells.csv",
            2,
            [("empty-question", 3), ("empty-answer", 4), ("blank-row", 5), ("empty-question", 7)],
        ),
        (
            "10_duplicates.csv",
            3,
            [("duplicate", 3), ("duplicate", 4), ("conflict", 5), ("duplicate", 6), ("duplicate", 8)],
        ),
        ("12_ragged.csv", 2, [("too-few-cells", 3), ("too-many-cells", 4)]),
        ("14_korean_header.csv", 5, []),
        ("15_QA_label_header.csv", 5, []),
    ],
)
def test_the_dirty_files(shared, name, rows, findings):
    corpus = read_corpus(shared / "dirty" / name)
    assert len(corpus.rows) == rows
    assert found(corpus) == findings


@pytest.mark.shared
def test_the_dirty_answers_keep_newline_quote_comma_and_tab(shared):
    answers = [row.answer for row in read_corpus(shared / "dirty" / "08_quotes_newlines.csv").rows]
    assert answers == ['첫 줄\n둘째 줄, 쉼표\n"셋째" 줄', "a\nb", "탭\t문자"]


@pytest.mark.shared
@pytest.mark.parametrize("name", ["13_no_header.csv", "17_zero_bytes.csv", "19_bad_bytes.csv", "27_queries_edge.jsonl"])
def test_the_dirty_files_that_are_no_sheet(shared, name):
    with pytest.raises(UserError, match=name):
        read_corpus(shared / "dirty" / name)
