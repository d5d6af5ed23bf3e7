"""The sheet doctor: what is planted is found at its row, and a clean sheet has no findings."""

import json
import random
from itertools import combinations
from pathlib import Path

import pytest

from indexer.check import SHOWN, examine, render, to_json
from indexer.confusable import ALIKE, near_pairs, similarity
from indexer.corpus import Corpus, read_corpus
from indexer.finding import Finding
from indexer.symptoms import broken_url, other_script

SHIP = "Two to three days. Orders after 3 p.m. leave the next day."
REFUND = "마이페이지 > 주문내역에서 신청하세요.\n3 < 5일 안에 처리합니다 (#12 창구)."
CLEAN = [
    "id,question,answer,entry,category,lang,url",
    f"1,How long does delivery take?,{SHIP},ship,orders,en,https://shop.example/ship",
    f"2,When will my parcel arrive?,{SHIP},ship,orders,en,",
    "3,배송은 며칠 걸리나요?,보통 2~3일입니다. 3시 이후는 다음 날 나갑니다.,ship-ko,주문,ko,http://shop.example/배송",
    f'4,환불은 어떻게 받나요?,"{REFUND}",refund-ko,환불,ko,mailto:help@shop.example',
    "5,Wi-Fi 비밀번호가 뭐예요?,안내 데스크에 물어보세요... 매일 바뀝니다!,wifi,,ko-KR,",
    "6,What does a = b mean?,It compares; see C++ & R&D notes — “really”. Café: 5 €.,eq,,en,",
    "7,상품 준비 중이면 취소되나요?,준비 중 상태에서는 바로 취소됩니다.,cancel-ko,주문,ko,",
    "8,大学 이름이 뭐예요?,韓國大學校입니다.,uni,,ko,",
]


@pytest.fixture
def read(tmp_path: Path):
    def save_and_read(*lines: str) -> Corpus:
        path = tmp_path / "faq.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return read_corpus(path)

    return save_and_read


def found(corpus: Corpus) -> list[tuple[str, int | None]]:
    return [(finding.kind, finding.row) for finding in examine(corpus)]


def test_a_clean_sheet_has_no_findings(read):
    corpus = read(*CLEAN)
    assert examine(corpus) == []
    assert len(corpus.rows) == 8


PLANTED = [
    ("9,,No question here.,,,,", "empty-question", "mend"),
    ("9,No answer here?,,,,,", "empty-answer", "mend"),
    (
        "9,HOW LONG does delivery take,two to three days. orders after 3 p.m. leave the next day,ship,,,",
        "duplicate",
        "mend",
    ),
    ("9,How long does delivery take?,It depends on the weather.,weather,,en,", "conflict", "mend"),
    ("1,Do you sell gift cards?,We do.,gift,,en,", "duplicate-id", "mend"),
    ("9,How long does a delivery take?,It depends on the weather.,weather,,en,", "confusable", "note"),
    ("9,환불은 어떻게 못 받나요?,비가 오면 못 받습니다.,weather,,ko,", "confusable", "note"),
    ("9,Do you sell gift cards?,TODO: ask Sales,gift,,en,", "placeholder-answer", "mend"),
    ("9,Do you sell gift cards?,TBD,gift,,en,", "placeholder-answer", "mend"),
    ("9,상품권도 파나요?,추후 작성 예정,gift,,ko,", "placeholder-answer", "mend"),
    ("9,상품권도 파나요?,추후,gift,,ko,", "placeholder-answer", "mend"),
    ("9,Do you sell gift cards?,...,gift,,en,", "placeholder-answer", "mend"),
    ("9,TODO,TODO,gift,,,", "placeholder-answer", "mend"),
    ("9,Do you sell gift cards?,Lorem ipsum dolor sit amet.,gift,,en,", "placeholder-answer", "mend"),
    ("9,Do you sell gift cards?,We do. Prices: TBD,gift,,en,", "unfinished-answer", "note"),
    (
        "9,Do you sell gift cards?,We do and you can...,gift,,en,",
        "unfinished-answer",
        "note",
    ),
    ("9,상품권도 파나요?,네. 가격은 추후 안내합니다.,gift,,ko,", "unfinished-answer", "note"),
    ("9,Do you sell gift cards?,do you sell gift cards,gift,,en,", "echo-answer", "note"),
    (f"9,{'Why? ' * 101},So.,gift,,en,", "long-question", "note"),
    ("9,Do you sell gift cards?,We do.,gift,,en,www.shop.example", "bad-url", "mend"),
    ("9,Do you sell gift cards?,We do.,gift,,en,javascript:alert(1)", "bad-url", "mend"),
    ("9,Do you sell gift cards?,We <b>do</b>.,gift,,en,", "html", "note"),
    ("9,Do you sell gift cards?,We&nbsp;do.,gift,,en,", "html", "note"),
    ("9,Do you sell gift cards?,우리는 팝니다. 얼마든지요.,gift,,ko,", None, None),
    ("9,상품권도 파나요?,네. 팝니다.,gift,,en,", "lang-mismatch", "note"),
    ("9,Do you sell gift cards?,We do.,gift,,한국어,", "lang-mismatch", "note"),
    ("9,Do you sell gift cards?,#REF!,gift,,,", "spreadsheet-error", "mend"),
    ("9,Do you sell gift cards?,We do.,gift,#N/A,en,", "spreadsheet-error", "mend"),
    ("9,Do you sell gift cards?,########,gift,,,", "spreadsheet-error", "mend"),
    ('9,Do you sell gift cards?,"=VLOOKUP(A2,B:C,2)",gift,,en,', "formula", "note"),
    ("9,Do you sell gift cards?,We do\ufffd.,gift,,en,", "broken-text", "mend"),
    ("9,Do you sell gift cards?,We donâ€™t.,gift,,en,", "broken-text", "mend"),
    ("9,??? ????,판매합니다 그렇습니다.,gift,,,", "broken-text", "mend"),
    ("9,Do you sell gift cards?,We\0 do.,gift,,en,", "nul", "mend"),
    ("9,Do you sell gift cards?,We do.,gift,,en,,surplus", "too-many-cells", "mend"),
    ("9,Do you sell gift cards?", "too-few-cells", "mend"),
    ('9,"Do you sell gift cards?,We do.,gift,,en,', "unclosed-quote", "mend"),
]


@pytest.mark.parametrize(("line", "kind", "severity"), PLANTED)
def test_what_is_planted_is_found_at_its_row_and_nothing_else(read, line, kind, severity):
    corpus = read(*CLEAN, line)
    findings = examine(corpus)
    assert [(f.kind, f.row, f.severity) for f in findings] == ([(kind, 10, severity)] if kind else [])


@pytest.mark.parametrize("misread", ["cp949", "cp1252", "latin-1"])
def test_korean_that_was_read_in_the_wrong_encoding_is_found(read, misread):
    garbled = "배송은 며칠 걸리나요".encode().decode(misread, "ignore")
    assert found(read("q,a", f"{garbled},Two days")) == [("broken-text", 2)]


def test_findings_stand_in_the_order_of_the_rows(read):
    corpus = read("q,a,url", "one?,TODO,x", ",two,", "three?,#REF!,https://a.b", "one?,other,")
    assert found(corpus) == [
        ("placeholder-answer", 2),
        ("bad-url", 2),
        ("empty-question", 3),
        ("spreadsheet-error", 4),
        ("conflict", 5),
    ]


def test_findings_name_the_column_by_the_sheets_own_header(read):
    corpus = read("질문,답변,링크,언어", "왜요?,#REF!,x,ja")
    assert {(f.kind, f.column) for f in examine(corpus)} == {
        ("spreadsheet-error", "답변"),
        ("bad-url", "링크"),
        ("lang-mismatch", "언어"),
    }


@pytest.mark.parametrize(
    ("url", "broken"),
    [
        ("", False),
        ("https://a.example/b?c=d#e", False),
        ("HTTP://a.example", False),
        ("mailto:a@b.example", False),
        ("https://", True),
        ("https:///x", True),
        ("https://a.example b", True),
        ("mailto:someone", True),
        ("ftp://a.example", True),
        ("/help", True),
        ("data:text/html,x", True),
        ("see https://a.example", True),
    ],
)
def test_only_web_and_mail_addresses_pass(url, broken):
    assert broken_url(url) is broken


@pytest.mark.parametrize(
    ("lang", "text", "other"),
    [
        ("ko", "배송", False),
        ("KO-kr", "delivery", True),
        ("en_US", "배송", True),
        ("English", "Does iPhone 배송 work?", False),
        ("ja", "配送は？", False),
        ("ja", "배송", True),
        ("ru", "доставка", False),
        ("tlh", "배송", False),
        ("", "배송", False),
        ("en", "1234 😀", False),
    ],
)
def test_a_language_is_judged_by_its_letters(lang, text, other):
    assert other_script(lang, text) is other


# --- nearly the same questions


def test_similarity_is_the_jaccard_of_character_pairs():
    assert similarity("ab", "ab") == 1
    assert similarity("ab", "cd") == 0
    assert similarity("abc", "abd") == pytest.approx(2 / 6)  # ^a ab | bc c$ bd d$


def test_near_pairs_agree_with_comparing_all_with_all():
    random_ = random.Random(5)
    words = ["환불", "배송", "취소", "주문", "결제", "카드", "어떻게", "언제", "하나요", "되나요"]
    words += ["how", "when", "order", "cancel", "refund", "deliver", "password", "account"]
    texts = [" ".join(random_.choices(words, k=random_.randint(2, 7))) for _ in range(900)]
    texts = list(dict.fromkeys(texts + [text.replace("취소", "취수") for text in texts[:400]]))
    groups = [str(random_.randrange(300)) for _ in texts]
    best: dict[int, float] = {}
    for one, other in combinations(range(len(texts)), 2):
        alike = similarity(texts[one], texts[other])
        if alike >= ALIKE and groups[one] != groups[other]:
            best[other] = max(alike, best.get(other, 0))
    pairs = near_pairs(texts, groups)
    assert all(similarity(texts[one], texts[other]) == alike >= ALIKE for alike, one, other in pairs)
    assert all(groups[one] != groups[other] and one < other for _, one, other in pairs)
    assert len(best) > 100
    assert len({other for _, _, other in pairs}) >= 0.97 * len(best)
    assert sum(alike == best[other] for alike, _, other in pairs) >= 0.97 * len(best)


def test_near_pairs_of_nothing_and_of_one():
    assert near_pairs([], []) == []
    assert near_pairs(["a"], ["g"]) == []
    assert near_pairs(["a", "a"], ["g", "g"]) == []
    assert near_pairs(["a", "a"], ["g", "h"]) == [(1.0, 0, 1)]


def test_a_text_is_paired_past_its_own_group_and_with_the_most_similar():
    assert near_pairs(["how to pay"] * 3, ["g", "h", "h"]) == [(1.0, 0, 1), (1.0, 0, 2)]
    texts = ["how do i cancel my orders now", "how do i cancel my order now", "how do i cancel my order now"]
    assert near_pairs(texts, ["g", "h", "i"])[1] == (1.0, 1, 2)


def test_wordings_of_one_entry_are_never_confusable(read):
    assert found(read("q,a", "How do I cancel my order?,Here.", "How do I cancel my orders?,Here.")) == []


def test_a_hundred_thousand_twins_do_not_compare_all_with_all(monkeypatch):
    compared = 0

    def count(one: str, other: str) -> float:
        nonlocal compared
        compared += 1
        return similarity(one, other)

    monkeypatch.setattr("indexer.confusable.similarity", count)
    texts = [f"상품 {n}번은 어떻게 환불하나요" for n in range(20_000)]
    pairs = near_pairs(texts, [str(n) for n in range(20_000)])
    assert len(pairs) > 19_000
    assert compared < 20 * 20_000  # all with all would be 200 million


# --- telling it


def test_the_json_form(read):
    corpus = read("질문,답변", "왜?,그냥", ",x", "왜,아무 말")
    value = json.loads(json.dumps(to_json(corpus, examine(corpus)), ensure_ascii=False))
    assert value["sheet"].endswith("faq.csv")
    assert (value["rows"], value["entries"], value["encoding"], value["format"]) == (2, 2, "utf-8", "csv")
    assert (value["columns"], value["fields"]) == (["질문", "답변"], {"question": "질문", "answer": "답변"})
    assert (value["mend"], value["notes"]) == (2, 0)
    assert value["findings"][0] == {
        "kind": "empty-question",
        "row": 3,
        "column": "질문",
        "message": "The question is empty; the row was left out.",
        "message_ko": "질문이 비어 있어 이 행을 제외했습니다.",
        "fix": "Write the question, or delete the row.",
        "fix_ko": "질문을 적거나 행을 지우세요.",
        "severity": "mend",
    }


def test_the_terminal_shows_what_to_mend_first_and_caps_long_lists(read):
    corpus = read("q,a", "Why not?,Since…", *[f",{n}" for n in range(SHOWN + 37)], "last?,<br>")
    assert render(corpus, examine(corpus))[1:] == [
        "",
        "To mend: 42",
        *[f"  row {n}  q  The question is empty; the row was left out." for n in range(3, 8)],
        "            ... and 37 more of this kind: see --json",
        "            -> Write the question, or delete the row.",
        "",
        "Notes: 2",
        "  row 2   a  The answer looks unfinished: “Since…”.",
        "             -> Finish the answer if something is missing.",
        "  row 45  a  HTML is left in the text: “<br>”.",
        "             -> Remove it: it is shown as it is written.",
    ]


def test_korean_lines_are_aligned_by_what_a_terminal_shows(read):
    lines = render(corpus := read("질문,a", ",x", "y,"), examine(corpus), "ko")
    assert lines[0].endswith("faq.csv: 0행, 항목 0개 (CSV, UTF-8)")
    assert lines[2:] == [
        "고칠 것: 2",
        "  2행  질문  질문이 비어 있어 이 행을 제외했습니다.",
        "             -> 질문을 적거나 행을 지우세요.",
        "  3행  a     답변이 비어 있어 이 행을 제외했습니다.",
        "             -> 답변을 적거나 행을 지우세요.",
    ]


def test_a_clean_sheet_is_said_to_be_clean(read):
    corpus = read(*CLEAN)
    assert render(corpus, [])[0].endswith("faq.csv: 8 rows, 7 entries (CSV, UTF-8)")
    assert render(corpus, [])[1:] == ["Nothing to mend."]
    assert render(corpus, [], "ko")[1:] == ["고칠 것이 없습니다."]
    assert render(corpus, [Finding("other-sheets", values={"names": "B"})])[1] == "Nothing to mend."


@pytest.mark.shared
def test_the_dirty_files_show_what_was_planted(shared):
    assert found(read_corpus(shared / "dirty" / "01_utf8.csv")) == []
    assert [row for kind, row in found(read_corpus(shared / "dirty" / "10_duplicates.csv")) if kind == "conflict"] == [
        5
    ]
