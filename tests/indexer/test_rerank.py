"""Reranking: scores against plain transformers, the order against scores by hand, the commands on real indexes."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from indexer import ladder
from indexer.build import build_index
from indexer.cli import main
from indexer.errors import UserError
from indexer.index import Index
from indexer.ladder import Rung, choose, climb
from indexer.queries import Query
from indexer.rerank import Reranked
from indexer.rerankers import check_reranker, load_reranker
from indexer.rerankers.cross import CrossReranker
from indexer.row import Row

ROWS = [
    Row("a", "a", "Where do I find my certificate?", "Open My page and download it."),
    Row("b", "b", "수료증은 어디서 받나요?", "마이페이지에서 내려받으세요."),
    Row("c", "c", "certificate", "Where do I find my certificate? " * 30),  # longer than the model reads
    Row("d", "d", "How do I get a refund?", "Open My page and download it."),
    Row("e", "e", "Where do I find my certificate?", "So."),
]
SPEC = "tfidf?dim=256"


@pytest.fixture(scope="module")
def crosses(models, tmp_path_factory):
    """Random cross-encoders: one number a pair, three, and of RoBERTa."""
    import torch
    from transformers import (
        AutoTokenizer,
        BertConfig,
        BertForSequenceClassification,
        RobertaConfig,
        RobertaForSequenceClassification,
    )

    made = [
        ("one", "bert", BertForSequenceClassification, BertConfig, 1),
        ("three", "bert", BertForSequenceClassification, BertConfig, 3),
        ("roberta", "roberta", RobertaForSequenceClassification, RobertaConfig, 1),
    ]
    folder = tmp_path_factory.mktemp("crosses")
    for seed, (name, base, kind, config, labels) in enumerate(made):
        torch.manual_seed(seed)
        model = kind(config.from_pretrained(models / base, num_labels=labels))
        torch.nn.init.normal_(model.get_parameter(HEAD[base]))  # far from the usual .02: scores that differ
        model.save_pretrained(folder / name)
        AutoTokenizer.from_pretrained(models / base).save_pretrained(folder / name)
    return folder


HEAD = {"bert": "classifier.weight", "roberta": "classifier.out_proj.weight"}


def oracle(folder, message, texts, limit=64):
    """Score each pair alone."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        return [
            model(**tokenizer(message, text, truncation=True, max_length=limit, return_tensors="pt")).logits.item()
            for text in texts
        ]


@pytest.mark.parametrize(
    ("reads", "read"),
    [
        ("question", [row.question for row in ROWS]),
        ("answer", [row.answer for row in ROWS]),
        ("both", [f"{row.question} {row.answer}" for row in ROWS]),
    ],
)
def test_scores_equal_those_of_plain_transformers(crosses, reads, read):
    reranker = load_reranker(f"cross:{crosses / 'one'}?reads={reads}&batch_size=2")
    expected = oracle(crosses / "one", "수료증 certificate please", read)
    assert np.ptp(expected) > 0.1
    assert reranker.scores("수료증 certificate please", ROWS).tolist() == pytest.approx(expected, abs=1e-4)
    assert reranker.scores("certificate", []).shape == (0,)


def test_questions_are_read_where_nothing_else_is_said(crosses):
    plain, questions = (load_reranker(f"cross:{crosses / 'one'}{tail}") for tail in ("", "?reads=question&top=20"))
    assert (plain.scores("refund", ROWS) == questions.scores("refund", ROWS)).all()
    assert plain.top == 20


def test_equal_pairs_are_read_once_and_have_equal_scores():
    class Counting:  # as a model that rounds a pair by where it stands, only more so
        def predict(self, pairs, **_):
            read.append(pairs)
            return np.arange(len(pairs), dtype=np.float32)

    read = []
    scores = CrossReranker(Counting(), 20, 2, "question").scores("refund", [ROWS[0], ROWS[3], ROWS[4], ROWS[3]])
    assert scores.tolist() == [0, 1, 0, 1]
    assert read == [[("refund", ROWS[0].question), ("refund", ROWS[3].question)]]


def test_a_text_longer_than_robertas_positions_is_cut(crosses):
    rows = [Row("c", "c", ROWS[2].answer, "")]
    reranker = load_reranker(f"cross:{crosses / 'roberta'}")
    assert reranker.scores("refund", rows).tolist() == pytest.approx(
        oracle(crosses / "roberta", "refund", [rows[0].question]), abs=1e-4
    )


def test_the_fingerprint_is_of_the_weights_and_of_what_is_read(crosses, tmp_path):
    import torch
    from transformers import AutoModelForSequenceClassification

    shutil.copytree(crosses / "one", tmp_path / "trained")
    spec = f"cross:{crosses / 'one'}"
    before = [load_reranker(spec + tail).fingerprint for tail in ("", "?batch_size=2", "?top=5", "?reads=answer")]
    assert before[0] == before[1]
    assert len(set(before)) == 3
    model = AutoModelForSequenceClassification.from_pretrained(crosses / "one")
    with torch.no_grad():
        model.classifier.bias += 1e-3
    assert load_reranker(f"cross:{tmp_path / 'trained'}").fingerprint == before[0]  # the name does not matter
    model.save_pretrained(tmp_path / "trained")
    assert load_reranker(f"cross:{tmp_path / 'trained'}").fingerprint not in before


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("colbert:x", "unknown reranker 'colbert': choose one of choose, cross."),
        ("cross:x?depth=3", "cross has no option 'depth': its options are batch_size, reads, top."),
        ("cross:x?top=many", "cross?top=many: top takes whole numbers."),
        ("cross:x?reads=title", "cross?reads=title: choose one of question, answer, both."),
    ],
)
def test_a_wrong_spec_is_refused_before_any_work(spec, says):
    for refuse in (check_reranker, load_reranker):
        with pytest.raises(UserError) as raised:
            refuse(spec)
        assert str(raised.value) == says


def test_what_is_no_reranker_is_refused(crosses, models, no_hub):
    for spec, says in [
        ("cross", "cross needs a model: "),
        ("cross:x?top=0", "top is at least 1"),
        ("cross:x?batch_size=0", "batch_size is at least 1"),
        ("cross:no/such/model", "model 'no/such/model' is not on this machine .* cross:PATH/TO/FOLDER"),
        (f"cross:{crosses}", "no model that transformers can open is in this folder"),
        (f"cross:{crosses / 'three'}", "three is no reranker: it gives 3 numbers, not one number"),
        (f"cross:{models / 'bert'}", "bert is no reranker: it is a BertModel, not one number"),
        (f"cross:{models / 'sbert'}", "sbert is no reranker: it is a BertModel, not one number"),
    ]:
        with pytest.raises(UserError, match=says) as raised:
            load_reranker(spec)
        assert "\n" not in str(raised.value)


def test_opening_a_model_says_nothing(crosses, models, capfd):
    load_reranker(f"cross:{crosses / 'one'}")
    with pytest.raises(UserError):
        load_reranker(f"cross:{models / 'sbert'}")
    assert capfd.readouterr() == ("", "")


class ByHand:
    """Scores by row id; remembers what it read."""

    fingerprint = "by hand"

    def __init__(self, top, **scores):
        self.top, self.by_row, self.read = top, scores, []

    def scores(self, message, rows):
        self.read.append((message, [row.id for row in rows]))
        return np.array([self.by_row.get(row.id, 0) for row in rows], dtype=np.float32)


@pytest.fixture
def index(small, tmp_path):
    build_index(small, tmp_path / "index", SPEC)
    return Index.open(tmp_path / "index")


def found(index, message, k=5):
    (candidates,) = index.search([message], k)
    return [candidate.row.id for candidate in candidates]


MESSAGE = "how do I get my password back"


@pytest.fixture
def own(index):
    """The order of the index itself: all four entries."""
    order = found(index, MESSAGE)
    assert len(order) == 4
    return order


def test_higher_scores_come_first(index, own):
    a, b, c, d = own
    reranker = ByHand(20, **{a: 0.1, b: -2, c: 3, d: 1.5})
    (candidates,) = Reranked(index, reranker).search([MESSAGE])
    assert [candidate.row.id for candidate in candidates] == [c, d, a, b]
    assert [candidate.rerank_score for candidate in candidates] == pytest.approx([3, 1.5, 0.1, -2])
    assert reranker.read == [(MESSAGE, own)]
    before = {candidate.row.id: candidate.ranked for candidate in index.search([MESSAGE])[0]}
    assert {candidate.row.id: candidate.ranked for candidate in candidates} == before


def test_the_score_is_shown(index, own):
    (candidates,) = Reranked(index, ByHand(1, **{own[0]: 0.12345678})).search([MESSAGE])
    assert [candidate.to_dict()["rerank_score"] for candidate in candidates] == [0.123457, None, None, None]
    assert index.search([MESSAGE])[0][0].to_dict()["rerank_score"] is None


def test_equal_scores_keep_the_order_of_the_index(index, own):
    a, b, c, d = own
    assert found(Reranked(index, ByHand(20)), MESSAGE) == own
    assert found(Reranked(index, ByHand(20, **{b: 1, d: 1})), MESSAGE) == [b, d, a, c]


def test_only_the_first_are_reordered(index, own):
    a, b, c, d = own
    assert found(Reranked(index, ByHand(2, **{b: 1, d: 9})), MESSAGE) == [b, a, c, d]


def test_a_candidate_beyond_k_may_come_first(index, own):
    reranker = ByHand(20, **{own[3]: 1})
    assert found(Reranked(index, reranker), MESSAGE, 2) == [own[3], own[0]]
    assert found(Reranked(index, ByHand(3, **{own[3]: 1})), MESSAGE, 2) == own[:2]


def test_a_message_that_is_stored_stays_first(index):
    scores = dict.fromkeys(("r1", "p1", "p2", "k1", "k2"), 5) | {"r2": -9}
    first, *rest = Reranked(index, ByHand(20, **scores)).search(["Can I have my money back?"])[0]
    assert (first.row.id, first.exact, first.rerank_score) == ("r2", True, -9)
    assert rest
    assert {candidate.rerank_score for candidate in rest} == {5}


def test_several_messages_broken_text_and_none(index, own):
    reranked = Reranked(index, ByHand(20, **{own[3]: 1}))
    one, two = reranked.search([MESSAGE, "수료증"])
    assert [one, two] == [reranked.search([MESSAGE])[0], reranked.search(["수료증"])[0]]
    assert found(reranked, "refund \ud800") == found(reranked, "refund ?")
    assert reranked.reranker.read[-2][0] == "refund ?"
    assert reranked.search([]) == []
    with pytest.raises(UserError, match="k is 0"):
        reranked.search([MESSAGE], 0)


def test_a_message_that_finds_nothing(crosses, index):
    assert index.search([""]) == [[]]
    assert Reranked(index, load_reranker(f"cross:{crosses / 'one'}")).search([""]) == [[]]


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_the_command_search(crosses, index):
    spec = f"cross:{crosses / 'one'}?top=3"
    outcome = run("search", MESSAGE, "--index", index.folder, "--reranker", spec, "--json")
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    shown = json.loads(outcome.stdout)["candidates"]
    plain = index.search([MESSAGE])[0]
    scores = oracle(crosses / "one", MESSAGE, [candidate.row.question for candidate in plain[:3]])
    expected = [plain[at].row.id for at in np.argsort([-score for score in scores])] + [plain[3].row.id]
    assert [candidate["id"] for candidate in shown] == expected
    assert [c["rerank_score"] for c in shown[:3]] == pytest.approx(sorted(scores, reverse=True), abs=1e-4)
    assert shown[3]["rerank_score"] is None


@pytest.fixture
def judged(tmp_path):
    (tmp_path / "q.csv").write_text(
        f"id,text,lang\n1,{MESSAGE},en\n2,refund please,en\n3,수료증 주세요,ko\n4,weather,en\n", encoding="utf-8"
    )
    (tmp_path / "r.csv").write_text("query,document,relevance\n1,p1,1\n2,r1,1\n3,k2,1\n", encoding="utf-8")
    return ["--queries", tmp_path / "q.csv", "--qrels", tmp_path / "r.csv"]


def test_the_command_evaluate_measures_the_new_order(crosses, index, judged, tmp_path):
    spec = f"cross:{crosses / 'one'}"
    arguments = ["--index", index.folder, *judged, "--reranker", spec, "--run", tmp_path / "run.txt"]
    outcome = run("evaluate", *arguments, "--by", "lang", "--json")
    assert outcome.exit_code == 0, outcome.stderr
    measured = json.loads(outcome.stdout)
    ranks = []
    for message, entry in ((MESSAGE, "password"), ("refund please", "refund"), ("수료증 주세요", "certificate-ko")):
        plain = index.search([message], 10)[0]
        scores = oracle(crosses / "one", message, [candidate.row.question for candidate in plain])
        order = [plain[at].entry for at in np.argsort([-score for score in scores])]
        ranks.append(order.index(entry) + 1 if entry in order else 0)
    assert measured["recall@1"] == pytest.approx(sum(rank == 1 for rank in ranks) / 3, abs=1e-4)
    assert measured["mrr@10"] == pytest.approx(sum(1 / rank for rank in ranks if rank) / 3, abs=1e-4)
    assert (measured["queries"], measured["off_topic"], measured["reranker"]) == (3, 1, spec)
    for part in (measured, measured["by"]["lang"]["en"]):
        assert {part[name] for name in ("answered", "coverage", "risk", "risk_interval", "auroc", "ece")} == {None}
    assert "Decisions are not measured" in outcome.stderr
    assert (tmp_path / "run.txt").read_text("utf-8").startswith("1 Q0 ")


def test_the_command_evaluate_in_columns_and_without_a_reranker(crosses, index, judged):
    table = run("evaluate", "--index", index.folder, *judged, "--reranker", f"cross:{crosses / 'one'}").stdout
    header, line = table.splitlines()
    cells = dict(zip(header.split(), line.split()[1:], strict=True))
    assert (cells["queries"], cells["coverage"], cells["ece"]) == ("3", "-", "-")
    plain = run("evaluate", "--index", index.folder, *judged, "--json")
    measured = json.loads(plain.stdout)
    assert measured["reranker"] is None
    assert None not in (measured["coverage"], measured["risk"], measured["auroc"])
    assert "Decisions" not in plain.stderr


def test_a_report_of_decisions_is_refused(index, judged, tmp_path):
    page = tmp_path / "report.html"
    outcome = run("evaluate", "--index", index.folder, *judged, "--reranker", "cross:x", "--report", page)
    assert outcome.exit_code == 2
    assert "leave out --reranker or --report" in outcome.stderr
    assert not page.exists()


@pytest.mark.parametrize("command", [["search", "refund"], ["evaluate"]])
def test_a_missing_model_is_one_line(command, index, judged, no_hub):
    more = judged if command == ["evaluate"] else []
    outcome = run(*command, "--index", index.folder, *more, "--reranker", "cross:no/such/model")
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    (line,) = outcome.stderr.splitlines()
    assert line.startswith("Error: model 'no/such/model' is not on this machine")


def test_the_last_rung():
    with pytest.raises(UserError, match=r"no rung '\+reranker': .* and \+reranker with --reranker SPEC"):
        choose(["+reranker"])
    with pytest.raises(UserError, match="unknown reranker 'colbert'"):
        choose(reranker="colbert:x")
    all_rungs = choose(reranker="cross:x")
    assert [rung.name for rung in all_rungs] == [*(rung.name for rung in choose()), "+reranker"]
    assert (all_rungs[-1].encoder, all_rungs[-1].retrieval) == (all_rungs[-2].encoder, "hybrid")
    assert choose(["tfidf"], reranker="cross:x") == choose(["tfidf", "+reranker"], reranker="cross:x")
    assert [rung.home for rung in all_rungs[-2:]] == ["hybrid", "hybrid"]
    assert choose()[0].home == "tfidf"


QUERIES = [Query("1", MESSAGE, {"p1": 1}), Query("2", "refund please", {"r1": 1}), Query("3", "수료증", {"k2": 1})]


def test_the_ladder_reorders_the_hybrid_index_and_keeps_the_figures(small, tmp_path, monkeypatch):
    out = tmp_path / "ladder"
    rungs = [Rung("hybrid", SPEC, "hybrid"), Rung("+reranker", SPEC, "hybrid", reranker="cross:x")]
    # The entry that answers no message comes first, then the others in the order of the index.
    by_hand = ByHand(20, k1=1)
    monkeypatch.setattr(ladder, "load_reranker", lambda spec: by_hand)
    hybrid, reranked = climb(small, QUERIES, out, rungs)
    assert hybrid["recall@1"] == 1
    assert (reranked["recall@1"], reranked["mrr@10"], reranked["recall@5"]) == (0, 0.5, 1)
    assert (reranked["before"], reranked["p"]["recall@1"]) == ("hybrid", 2 / 2**3)
    assert (hybrid["reranker"], reranked["reranker"]) == (None, "cross:x")
    assert reranked["build_seconds"] == hybrid["build_seconds"]
    assert not (out / "+reranker").exists()

    read = len(by_hand.read)
    assert [rung["cached"] for rung in climb(small, QUERIES, out, rungs)] == [True, True]
    assert len(by_hand.read) == read
    by_hand.fingerprint, by_hand.by_row = "retrained", {}
    hybrid, reranked = climb(small, QUERIES, out, rungs)
    assert (hybrid["cached"], reranked["cached"], reranked["recall@1"]) == (True, False, 1)


def test_the_command_ladder(crosses, small, judged, tmp_path, monkeypatch, no_hub):
    monkeypatch.setattr(ladder, "RUNGS", (Rung("tfidf", SPEC, "dense"), Rung("hybrid", SPEC, "hybrid")))
    arguments = ["ladder", small, *judged, "--out", tmp_path / "ladder", "--rungs", "tfidf", "--json"]
    outcome = run(*arguments, "--reranker", f"cross:{crosses / 'one'}")
    assert outcome.exit_code == 0, outcome.stderr
    assert [rung["name"] for rung in json.loads(outcome.stdout)["rungs"]] == ["tfidf", "+reranker"]
    assert "+reranker" in (tmp_path / "ladder/ladder.svg").read_text("utf-8")
    missing = run(*arguments, "--reranker", "cross:no/such/model")
    assert missing.exit_code == 0
    assert "+reranker left out: model 'no/such/model' is not on this machine" in missing.stderr


def test_without_a_reranker_no_torch_is_loaded(index):
    code = """
import sys
from indexer.cli import main
import indexer.rerank, indexer.rerankers.cross
main.main(["search", "refund", "--index", sys.argv[1]], standalone_mode=False)
sys.exit(" ".join({"torch", "transformers", "sentence_transformers"} & sys.modules.keys()) or 0)
"""
    subprocess.run([sys.executable, "-c", code, index.folder], check=True, capture_output=True)
