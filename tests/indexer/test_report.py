"""The report: its numbers by hand, its page on real indexes in both languages, whole also where there is little."""

import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner

from indexer import evaluate as evaluation
from indexer import report
from indexer.build import build_index
from indexer.cli import main
from indexer.confidence import Judgement
from indexer.errors import UserError
from indexer.evaluate import Result, run_queries
from indexer.index import Index
from indexer.queries import Query
from indexer.report import figures, measures, tables
from indexer.retrieve import Candidate, Ranked
from indexer.row import Row

SENTENCES = {lang: json.loads((report.HERE / f"{lang}.json").read_text("utf-8")) for lang in ("en", "ko")}
EN = SENTENCES["en"]
VOID = {"meta", "br"}


def result(text, relevant, found, probability=0.5, on_topic=0.5, decision="answer"):
    """One message: the entries that answer it, those found in order, and what was made of that."""
    candidates = [Candidate(Row(f"row-{e}", e, f"question {e}", "answer"), Ranked(0, 0.5, 0.5)) for e in found]
    judgement = Judgement(probability, on_topic, decision, "sure")
    return Result(Query(text, text, relevant), relevant, candidates, judgement)


RIGHT = result("right", {"a": 1}, ["a", "b"], 0.9, 0.9)
SECOND = result("second", {"a": 1}, ["b", "a"], 0.6, 0.8, "choose")
SURE = result("sure and wrong", {"a": 1}, ["b", "c"], 0.8, 0.7)
AGAIN = result("wrong again", {"b": 1}, ["a"], 0.3, 0.4, "abstain")
FAR = result("off topic", {}, ["a"], 0.1, 0.2, "abstain")
NEAR = result("off topic, answered", {}, ["b"], 0.7, 0.7)
RUN = [RIGHT, SECOND, SURE, AGAIN, FAR, NEAR]


def test_success_counts_on_topic_messages_only():
    shares = measures.success(RUN)
    assert [(share.part, share.whole) for share in shares[:3]] == [(1, 4), (2, 4), (2, 4)]
    low, high = shares[0].interval
    # Clopper and Pearson: P(X >= 1) = 1 - (1 - low)^4 = .025, and P(X <= 1) at the upper end as well.
    assert 1 - (1 - low) ** 4 == pytest.approx(0.025)
    assert (1 - high) ** 4 + 4 * high * (1 - high) ** 3 == pytest.approx(0.025)


def test_the_report_and_the_command_measure_the_same():
    found = evaluation.figures(RUN)
    assert found["ece"] == pytest.approx(measures.reliability(RUN)[1], abs=1e-4)
    assert found["auroc"] == pytest.approx(measures.roc(RUN).area, abs=1e-4)


def test_missed_messages_come_surest_first():
    assert [found.query.text for found in measures.missed(RUN)] == ["sure and wrong", "second", "wrong again"]


def test_reliability_by_hand():
    # Ten messages, two bins: .1 five times with one right; .9 five times with four right.
    low = [result("x", {"a": 1}, ["a" if at == 0 else "b"], 0.1) for at in range(5)]
    high = [result("x", {"a": 1}, ["b" if at == 0 else "a"], 0.9) for at in range(5)]
    bins, gap = measures.reliability([*high, *low])
    assert [(each.mean, each.right.part, each.right.whole) for each in bins] == [
        (pytest.approx(0.1), 1, 5),
        (pytest.approx(0.9), 4, 5),
    ]
    assert gap == pytest.approx(0.5 * abs(0.1 - 0.2) + 0.5 * abs(0.9 - 0.8))


def test_an_answer_to_an_off_topic_message_is_not_right():
    bins, gap = measures.reliability([NEAR])
    assert (bins[0].right.value, gap) == (0, pytest.approx(0.7))


def test_risk_and_coverage_by_hand():
    # Surest first: right .9, wrong .8, off topic .7, wrong .6, wrong .3, off topic .1.
    curve = measures.risk_coverage(RUN)
    assert curve.x == pytest.approx([1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1])
    assert curve.y == pytest.approx([0, 1 / 2, 2 / 3, 3 / 4, 4 / 5, 5 / 6])
    assert curve.area == pytest.approx(np.mean([0, 1 / 2, 2 / 3, 3 / 4, 4 / 5, 5 / 6]))


def test_equal_probabilities_are_answered_together():
    curve = measures.risk_coverage([result("r", {"a": 1}, ["a"], 0.5), result("w", {"a": 1}, ["b"], 0.5)])
    assert (curve.x.tolist(), curve.y.tolist(), curve.area) == ([1], [0.5], 0.5)


def test_roc_by_hand():
    # On topic .9 .8 .7 .4, off topic .2 .7: of 8 pairs 6 in order, 1 tied, 1 not.
    curve = measures.roc(RUN)
    assert curve.area == pytest.approx(6.5 / 8)
    assert list(zip(curve.x.tolist(), curve.y.tolist(), strict=True)) == [
        (0, 0), (0, 0.25), (0, 0.5), (0.5, 0.75), (0.5, 1), (1, 1),
    ]  # fmt: skip


def test_the_plane_is_that_of_the_largest_variance():
    random = np.random.default_rng(0)
    spread = np.array([5.0, 2.0, 0.1, 0.1])
    turn, _ = np.linalg.qr(random.normal(size=(4, 4)))
    points = (random.normal(size=(500, 4)) * spread) @ turn
    _, axes = measures.plane((points + 3).astype(np.float32))
    assert np.abs(turn[:2] @ axes) == pytest.approx(np.eye(2), abs=0.05)
    assert axes[np.abs(axes).argmax(axis=0), [0, 1]].min() > 0
    flat, axes = measures.plane(np.ones((3, 4), dtype=np.float32))
    assert (flat == 1).all()
    assert np.isfinite(axes).all()


def test_the_lead_speaks_of_100_only_where_there_are_enough():
    assert tables.lead(RUN, EN) == [
        "Of the 4 messages on topic, it gives 3 an answer or a choice of answers.",
        "Of the 3 answers given, it gets 2 wrong.",
        "Of the 2 messages off topic, it refuses 1.",
    ]
    assert tables.lead([RIGHT] * 44 + [SURE] * 6, EN)[1] == "Of 100 answers given, it gets 12 wrong."
    assert tables.lead([FAR], EN) == ["Of the 1 messages off topic, it refuses 1."]


def test_tiles_by_hand():
    values = [tile.value for tile in tables.tiles(RUN, EN)]
    assert values == ["25%", "50%", "75%", "50%", "67%", "50%"]
    assert tables.tiles([FAR], EN)[0].interval == EN["none"]


def test_the_worst_table_says_what_was_expected_and_what_came():
    table = tables.worst(RUN, {"a": "refund?", "b": "환불?"}, EN)
    assert table.caption == "3 of 3 messages whose first entry is wrong"
    assert table.rows[0] == ["sure and wrong", "refund?", "question b", "answer", "80%"]
    assert [row[3] for row in table.rows] == ["answer", "choice", "refused"]
    assert tables.strangers(RUN, EN).rows == [["off topic, answered", "question b", "70%"]]


def test_confusions_count_both_directions():
    table = tables.confused(RUN, {"a": "refund?", "b": "환불?"}, EN)
    assert table.rows == [["refund?", "환불?", "3", "sure and wrong"]]


@pytest.mark.parametrize(("value", "text"), [(0, "0%"), (0.004, "0.4%"), (0.0996, "10%"), (0.5, "50%"), (1, "100%")])
def test_small_shares_keep_a_decimal(value, text):
    assert figures.percent(value) == text


def test_both_languages_say_the_same_things():
    assert SENTENCES["en"].keys() == SENTENCES["ko"].keys()
    for name, english in SENTENCES["en"].items():
        fields = [sorted(re.findall(r"{(\w+)}", text)) for text in (english, SENTENCES["ko"][name])]
        assert fields[0] == fields[1], name
    assert not re.search("[가-힣]", " ".join(EN.values()))


NASTY = "<script>alert('환불')</script> & \"more\""
MESSAGES = [
    Query("1", "How do I get a refund?", {"r1": 1}),
    Query("2", "my money was not returned", {"p1": 1}),
    Query("3", "수료증을 받고 싶어요", {"k2": 1}),
    Query("4", "환불 받고 싶어요", {"k2": 1}),
    Query("5", "the lesson stops playing", {"p1": 1}),
    Query("6", "what is the weather like", {}),
    Query("7", "I forgot my password", {}),
]


@pytest.fixture
def index(small, tmp_path):
    build_index(small, tmp_path / "my index", "tfidf?dim=256")
    return Index.open(tmp_path / "my index")


@pytest.fixture
def page(index):
    return report.render(run_queries(index, MESSAGES), index, (0.6, 0.5))


class Outline(HTMLParser):
    """Checks that tags are closed in order, and keeps what a test asks for."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.ids = [], [], []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.ids += [value for name, value in attributes if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))


def test_the_page_is_whole_and_loads_nothing(page):
    outline = Outline(page)
    assert len(outline.ids) == len(set(outline.ids))
    assert {link["href"][1:] for tag, link in outline.tags if tag == "a"} <= set(outline.ids)
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in outline.tags}
    assert not re.search(r"https?:|url\(|@import|src=", page)
    assert [tag for tag, _ in outline.tags].count("h1") == 1


def test_what_was_typed_is_shown_as_text(index):
    nasty = result(NASTY, {"password": 1}, ["refund"])
    page = report.render([nasty], index)
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(&#39;환불&#39;)") == 2  # the worst messages, and the confusion's example
    assert page.count("&lt;script&gt;alert(&#x27;환불&#x27;)") == 1  # the map


def test_every_figure_has_its_words(page):
    drawings = [ElementTree.fromstring(svg) for svg in re.findall(r'<svg[^>]*role="img".*?</svg>', page, re.DOTALL)]
    assert len(drawings) == 7
    for each in drawings:
        assert each.get("role") == "img"
        assert each.find("title").text
        assert len(each.find("desc").text) > 10


def test_tables_have_captions_and_headers_and_cells_their_language(page):
    outline = Outline(page)
    tags = [tag for tag, _ in outline.tags]
    assert tags.count("table") == tags.count("caption") > 1
    heads = [names for tag, names in outline.tags if tag == "th"]
    assert {names["scope"] for names in heads} == {"col", "row"}
    row = re.search(r'<th role="rowheader"[^>]*lang="(\w+)"[^>]*>환불 받고 싶어요</th>', page)
    assert row.group(1) == "ko"


def test_the_page_in_korean(index):
    page = report.render(run_queries(index, MESSAGES), index, (0.6, 0.5), "ko")
    assert '<html lang="ko">' in page
    assert "무엇이 틀렸나" in page
    assert "What went wrong" not in page
    Outline(page)


def test_thresholds_are_drawn_where_they_are_given(index, page):
    assert page.count("refuse below 60%") >= 2  # with the distribution and with the ROC
    assert page.count("answer from 50%") == 1
    without = report.render(run_queries(index, MESSAGES), index)
    assert "refuse below" not in without
    assert without.count(EN["no_threshold"]) == 2


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        (MESSAGES[:1], [EN["no_off_topic"], EN["no_wrong"], EN["no_confused"]]),
        (MESSAGES[5:6], [EN["no_on_topic"], EN["no_off_answered"]]),
        (MESSAGES[2:3], [EN["no_off_topic"]]),
        ([Query("1", "qqq", {"k2": 1}), Query("2", "zzz", {})], [EN["worst_table"].format(shown=1, all=1)]),
    ],
    ids=["one, found", "one, off topic", "one, Korean", "nothing like it"],
)
@pytest.mark.parametrize("lang", ["en", "ko"])
def test_a_run_with_little_in_it_gives_a_page_that_says_so(index, messages, said, lang):
    page = report.render(run_queries(index, messages), index, (0.6, 0.5), lang)
    Outline(page)
    if lang == "en":
        assert all(sentence in page for sentence in said)
    assert "nan" not in re.sub(r"<style>.*</style>", "", page, flags=re.DOTALL).lower()


def test_judgements_of_rows_that_are_gone_are_missed_and_not_drawn(index):
    page = report.render(run_queries(index, [*MESSAGES, Query("8", "a lost row", {"zz": 1})]), index)
    assert ">zz<" in page  # named as it was judged, since the sheet has no question for it


def test_the_map_leaves_out_what_the_encoder_does_not_read(index, monkeypatch):
    monkeypatch.setattr("indexer.encoders.tfidf.READS_HANGUL", False, raising=False)
    from indexer.encoders import reads_hangul

    reads_hangul.cache_clear()
    page = report.render(run_queries(index, MESSAGES), index)
    reads_hangul.cache_clear()
    assert "4 of 6 wordings" in page
    assert "does not read Korean" in page


def test_write_makes_the_folder_and_names_what_is_in_the_way(index, tmp_path):
    results = run_queries(index, MESSAGES)
    report.write(tmp_path / "new" / "report.html", results, index)
    assert (tmp_path / "new" / "report.html").read_text("utf-8").startswith("<!doctype html>")
    with pytest.raises(UserError, match=r"cannot be written .* Name another file with --report"):
        report.write(tmp_path, results, index)
    with pytest.raises(UserError, match="no messages"):
        report.write(tmp_path / "empty.html", [], index)


def test_the_command_writes_a_page_for_each_index(small, tmp_path):
    folders = [tmp_path / "one", tmp_path / "other"]
    for folder in folders:
        build_index(small, folder, "tfidf?dim=256")
    (tmp_path / "queries.csv").write_text("id,text\n1,refund\n2,수료증\n", encoding="utf-8")
    (tmp_path / "qrels.csv").write_text("query,document,relevance\n1,r1,1\n2,k2,1\n", encoding="utf-8")
    judged = ["--queries", str(tmp_path / "queries.csv"), "--qrels", str(tmp_path / "qrels.csv")]
    arguments = ["--index", ",".join(map(str, folders)), "--report", str(tmp_path / "r.html"), "--lang", "ko", "--json"]
    outcome = CliRunner().invoke(main, ["evaluate", *judged, *arguments])
    assert outcome.exit_code == 0, outcome.stderr
    assert len(json.loads(outcome.stdout)) == 2
    pages = [(tmp_path / name).read_text("utf-8") for name in ("r.html", "r-2.html")]
    assert ["<h1>one의" in pages[0], "<h1>other의" in pages[1]] == [True, True]
    assert f"{figures.percent(Index.open(folders[0]).calibration.refuse)} 아래는 답 안 함" in pages[0]
