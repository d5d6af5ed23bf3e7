"""similarity: what is mined, the loss by hand, the forms of data; by heart, never worse, and the folder elsewhere."""

import json
import math
from dataclasses import replace
from itertools import chain, repeat

import numpy as np
import pytest
from tiny_bert import make_tiny

from bot.learning.task import Data, Setup, pace
from bot.tasks import similarity
from bot.tasks._judging import of_pairs, recall
from bot.tasks._lessons import contrasts, taught
from bot.tasks._mining import first_entries, hard_negatives, nearest_siblings
from bot.tasks._wordings import Asked, Pair, Wording, read_any
from bot.training.train import Request, train
from indexer.build import build_index
from indexer.encoders import load_encoder
from indexer.errors import UserError
from indexer.index import Index

# Wordings of one entry share no word, and each shares one with another entry.
SHEET = """id,entry,question,answer
1,refund,apple red,Ask within a week.
2,refund,river stone,Ask within a week.
3,password,apple green,Press the button.
4,password,cloud stone,Press the button.
5,환불,river 사과,칠일 안에 신청하세요.
6,환불,cloud 구름,칠일 안에 신청하세요.
"""
ANGLES = [0, 9, 20, 90, 95, 180]  # degrees of six wordings
VECTORS = np.array([[math.cos(math.radians(a)), math.sin(math.radians(a))] for a in ANGLES], dtype=np.float32)
ENTRIES = ["a", "b", "a", "b", "c", "c"]


@pytest.fixture(scope="module")
def sheet(tmp_path_factory):
    path = tmp_path_factory.mktemp("similarity") / "sheet.csv"
    path.write_text(SHEET, encoding="utf-8")
    make_tiny(path.parent / "bert", [SHEET])
    return path


@pytest.fixture(scope="module")
def learned(sheet):
    out = sheet.parent / "out"
    request = Request("similarity", sheet, out, sheet, bert(sheet), 40, 6, 5e-3, patience=0)
    return out, train(request)


def bert(sheet):
    return f"bert:{sheet.parent / 'bert'}"


def test_hard_negatives_are_the_best_wordings_of_the_nearest_other_entries():
    assert hard_negatives(VECTORS, ENTRIES, 2) == [[1, 4], [0, 4], [1, 4], [4, 2], [3, 2], [3, 2]]
    assert [len(found) for found in hard_negatives(VECTORS, ENTRIES, 9)] == [2] * 6
    assert hard_negatives(VECTORS, ENTRIES, 0) == [[]] * 6


def test_the_same_text_in_another_entry_is_no_negative():
    same = VECTORS[[0, 0, 1]]
    assert hard_negatives(same, ["a", "b", "c"], 1) == [[2], [2], [0]]


def test_siblings_and_first_entries():
    assert nearest_siblings(VECTORS, [*ENTRIES[:5], "d"]).tolist() == [2, 3, 0, 1, -1, -1]
    assert first_entries(VECTORS[[1, 5]], VECTORS[[0, 3]], ["a", "b"]) == ["a", "b"]


def test_contrasts_name_the_entry_of_every_text():
    wordings = [Wording("", str(at), f"w{at}", entry) for at, entry in enumerate([*ENTRIES[:5], "d"])]
    columns = contrasts(wordings, VECTORS, 2, seed=0)
    assert columns["question"] == ["w0", "w1", "w2", "w3"]  # c and d have one wording each
    assert columns["positive"] == ["w2", "w3", "w0", "w1"]
    assert columns["negative_1"] == ["w1", "w0", "w1", "w4"]
    codes = {entry: code for code, entry in enumerate("abcd")}
    assert columns["label"][0] == [codes["a"], codes["b"], codes["c"]]
    assert columns["label"][3] == [codes["b"], codes["c"], codes["a"]]


def test_the_loss_leaves_out_texts_of_the_own_entry():
    import torch

    from bot.tasks._bi_encoder import EntryLoss

    loss = EntryLoss(lambda features: features, temperature=0.5)
    vectors = torch.tensor(VECTORS)
    # Questions of a (0 deg) and c (95 deg); positives 20 and 180; negatives 9 (b) and 0 (a, the first one's own).
    columns = [{"sentence_embedding": vectors[at]} for at in ([0, 4], [2, 5], [1, 0])]
    found = loss(columns, torch.tensor([[0, 1], [2, 0]])).item()
    first = [math.exp(2 * math.cos(math.radians(a))) for a in (20, 180, 9)]  # without its own at 0
    second = [math.exp(2 * math.cos(math.radians(a))) for a in (85, 75, 86, 95)]  # 180, 20, 9, 0
    expected = -(math.log(first[0] / sum(first)) + math.log(second[0] / sum(second))) / 2
    assert found == pytest.approx(expected, rel=1e-5)


def test_six_wordings_are_learned_by_heart(learned):
    out, found = learned
    assert found["before"]["recall@1"] < 1 == found["after"]["recall@1"] == found["after"]["score"]
    assert found["saved"] == "trained"
    assert json.loads((out / "run.json").read_text("utf-8"))["after"] == found["after"]


def test_the_folder_opens_everywhere_with_the_same_vectors(learned, sheet, tmp_path):
    from sentence_transformers import SentenceTransformer
    from transformers import AutoModel

    out, _ = learned
    texts = ["apple red", "river 사과 cloud"]
    own = SentenceTransformer(str(out), device="cpu").encode(texts)
    assert np.linalg.norm(own, axis=1) == pytest.approx([1, 1], abs=1e-5)
    for spec in ("bert", "sbert"):
        np.testing.assert_allclose(load_encoder(f"{spec}:{out}?precision=fp32").encode(texts), own, atol=1e-5)
    assert AutoModel.from_pretrained(out).config.hidden_size == 32
    assert json.loads((out / "1_Pooling/config.json").read_text("utf-8"))["pooling_mode"] == "mean"

    build_index(sheet, tmp_path / "index", encoder=f"bert:{out}?precision=fp32", retrieval="dense")
    (found,) = Index.open(tmp_path / "index").search(["red apple"], 1)
    assert found[0].entry == "refund"


def test_the_encoder_is_shared_and_frozen_layers_stay(sheet):
    from bot.learning.learner import load_learner

    encoder = load_learner(bert(sheet) + "?pooling=cls")
    model = similarity.model(encoder, Setup(encoder.tokenizer, (), similarity.Options(freeze_layers=1), 32))
    assert model[0].auto_model is encoder.model
    assert model[1].pooling_mode == "cls"
    learns = {name for name, weights in encoder.model.named_parameters() if weights.requires_grad}
    assert not any(name.startswith(("embeddings", "encoder.layer.0")) for name in learns)
    assert any(name.startswith("encoder.layer.1") for name in learns)
    with pytest.raises(UserError, match="--freeze-layers 3: it has 2 layers"):
        similarity.model(encoder, Setup(encoder.tokenizer, (), similarity.Options(freeze_layers=3), 32))


def test_a_model_that_got_worse_is_not_saved(sheet, tmp_path, monkeypatch):
    original = load_encoder(bert(sheet) + "?precision=fp32").encode(["apple red", "cloud 구름"])
    for name, after, moved in (("worse", 0.4, False), ("same", 0.5, True)):
        scores = chain([0.5], repeat(after))
        monkeypatch.setattr(similarity, "judge", lambda *_, scores=scores: {"score": next(scores)})
        found = train(Request("similarity", sheet, tmp_path / name, sheet, bert(sheet), 2, 6, 5e-3, patience=0))
        assert found["saved"].startswith("untrained") is not moved
        kept = load_encoder(f"bert:{tmp_path / name}?precision=fp32").encode(["apple red", "cloud 구름"])
        assert bool(np.abs(kept - original).max() > 1e-6) is moved


def test_a_sheet_with_few_second_wordings_is_judged_on_the_way(sheet, tmp_path):
    """Six of its sixty wordings are learned from: two steps an epoch, of three at a time."""
    rows = [f"{at},e{at},w{at} lone,Nothing.\n" for at in range(7, 61)]
    (tmp_path / "many.csv").write_text(SHEET + "".join(rows), encoding="utf-8")
    found = train(Request("similarity", tmp_path / "many.csv", tmp_path / "out", sheet, bert(sheet), 2, 3, 5e-3))
    assert (found["examples"]["train"], found["steps"]) == (60, 4)
    assert [line["step"] for line in found["history"] if "eval_score" in line] == [1, 2, 3, 4]
    assert [line["step"] for line in found["history"] if "loss" in line] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("given", "warmup", "logging", "judged"),
    [
        ((3, 16, 160), 1, 3, 3),  # 30 steps
        ((2, 32, 6400, 100), 25, 40, 100),  # 400 steps, twice an epoch
        ((0.5, 32, 6400, 300), 6, 10, 100),  # half an epoch: once, at its end
        ((0.1, 8, 3), 0, 1, 1),
    ],
)
def test_dev_is_judged_ten_times_or_less_often_but_once_at_least(given, warmup, logging, judged):
    assert pace(*given) == {
        "warmup_steps": warmup, "logging_steps": logging, "eval_steps": judged, "save_steps": judged
    }  # fmt: skip


def test_a_limit_to_learn_from_leaves_the_sheet_whole_to_search(sheet, tmp_path, monkeypatch):
    searched = []

    def judged(model, asked, corpus, stored):
        searched.append([wording.id for wording in stored])
        return 0.5

    monkeypatch.setattr(similarity, "recall", judged)
    request = Request("similarity", sheet, tmp_path / "out", sheet, bert(sheet), 1, 6, 5e-3, limit=4)
    assert train(request)["examples"] == {"train": 4, "dev": 6}
    assert len(searched) > 1
    assert all(found == list("123456") for found in searched)


def test_a_limit_that_draws_no_two_wordings_of_an_entry_is_told(sheet, tmp_path):
    request = Request("similarity", sheet, tmp_path / "out", sheet, bert(sheet), 1, 6, 5e-3, limit=1)
    with pytest.raises(
        UserError, match=r"sheet\.csv: no two of the wordings .* one entry\. Raise --limit, or add some"
    ):
        train(request)


def test_a_stopped_run_goes_on(sheet, tmp_path, monkeypatch):
    request = Request("similarity", sheet, tmp_path / "out", sheet, bert(sheet), 10, 6, 5e-3, patience=0)
    judge, calls = similarity.judge, iter(range(5))

    def stop(*given):
        if next(calls) == 4:
            raise KeyboardInterrupt
        return judge(*given)

    monkeypatch.setattr(similarity, "judge", stop)
    with pytest.raises(KeyboardInterrupt):
        train(request)
    monkeypatch.undo()
    found = train(request)
    assert 0 < found["resumed_from"] < found["steps"] == 10
    straight = train(replace(request, out=tmp_path / "straight"))
    losses = [[line["loss"] for line in run["history"] if "loss" in line] for run in (found, straight)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    assert found["after"] == straight["after"]


def test_scores_of_pairs_are_learned_in_their_order(sheet, tmp_path):
    pairs = tmp_path / "pairs.tsv"
    rows = [("apple red", "river stone", 5), ("apple red", "apple green", 0), ("cloud 구름", "river 사과", 4),
            ("cloud 구름", "cloud stone", 1), ("river 사과", "stone", 2), ("green", "red", 3)]  # fmt: skip
    pairs.write_text("\n".join("\t".join(map(str, row)) for row in [("one", "other", "score"), *rows]), "utf-8")
    found = train(Request("similarity", pairs, tmp_path / "out", pairs, bert(sheet), 60, 6, 5e-3, patience=0))
    assert found["before"]["spearman"] < 0.9 < found["after"]["spearman"]


def test_messages_learn_the_questions_that_were_clicked_for_them(sheet, tmp_path):
    clicks = tmp_path / "clicks.tsv"
    rows = [("message", "question"), ("green cloud", "apple red"), ("purple green", "apple red"),
            ("red 구름", "river stone"), ("stone", "cloud 구름"), ("사과", "apple green")]  # fmt: skip
    clicks.write_text("\n".join(map("\t".join, rows)), "utf-8")
    found = train(Request("similarity", clicks, tmp_path / "out", clicks, bert(sheet), 40, 5, 5e-3, patience=0))
    assert found["before"]["recall@1"] < 1 == found["after"]["recall@1"]
    assert found["saved"] == "trained"


def test_a_student_learns_its_teachers_vectors(learned, sheet, tmp_path):
    teacher, _ = learned
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("ko\ten\n사과\tapple red\n구름\tcloud stone\n", encoding="utf-8")
    options = similarity.Options(teacher=f"bert:{teacher}?precision=fp32")
    train(Request("similarity", pairs, tmp_path / "out", pairs, bert(sheet), 150, 2, 5e-3, patience=0, options=options))
    student = load_encoder(f"bert:{tmp_path / 'out'}?precision=fp32").encode(["사과", "apple red", "구름"])
    target = load_encoder(options.teacher).encode(["apple red", "apple red", "cloud stone"])
    assert (student * target).sum(axis=1).min() > 0.95  # Korean too has the English side's vector


def test_what_the_teacher_gives(sheet):
    pairs = [Pair("", "사과", "apple red", None), Pair("", "apple", "stone", None), Pair("", "사과", "구름", None)]
    vector = load_encoder(bert(sheet) + "?precision=fp32").encode
    columns = taught(pairs, bert(sheet) + "?precision=fp32", 32)
    assert columns["one"] == ["사과", "apple", "사과"]
    expected = [["apple red", "apple red"], ["apple", "stone"], ["사과", "구름"]]
    for found, texts in zip(columns["label"], expected, strict=True):
        np.testing.assert_allclose(found, vector(texts), atol=1e-6)
    assert np.shape(taught([Wording("", "1", "apple", "a")], bert(sheet), 32)["label"]) == (1, 32)
    with pytest.raises(UserError, match="vectors of 32 numbers, the student of 16"):
        taught(pairs, bert(sheet), 16)


class Table:
    """Encodes wN as the N-th vector."""

    def encode(self, texts, **_):
        return VECTORS[[int(text[1]) for text in texts]]


def test_recall_by_hand():
    stored = [Wording("", f"row{at}", f"w{at}", ENTRIES[at]) for at in (0, 3, 5)]  # a at 0, b at 90, c at 180
    asked = [Wording("", "x", "w1", "b"), Wording("", "y", "w2", "a"), Wording("", "z", "w4", "c")]
    assert recall(Table(), asked, "", stored) == pytest.approx(1 / 3)  # 9 finds a, 20 finds a, 95 finds b
    queries = [Asked("", "w4", frozenset({"row3"})), Asked("", "w1", frozenset({"b", "row0"}))]
    assert recall(Table(), queries, "", stored) == 1
    with pytest.raises(UserError, match="no judged row or entry"):
        recall(Table(), [Asked("q, 1", "w4", frozenset({"elsewhere"}))], "", stored)
    # Nothing in common with what was learned from: each looks among the others, and only 180 finds its own, at 95.
    alone = [Wording("", str(at), f"w{at}", ENTRIES[at]) for at in range(6)]
    assert recall(Table(), alone, "", []) == pytest.approx(1 / 6)
    # A text that is asked does not find itself.
    assert recall(Table(), [Wording("", "n", "w0", "a")], "", [*stored, Wording("", "o", "w4", "a")]) == 0


def test_pairs_by_hand():
    same = [Pair("", "w0", "w1", None), Pair("", "w3", "w4", None), Pair("", "w5", "w2", None)]
    assert of_pairs(Table(), same) == ("recall@1", pytest.approx(2 / 3))
    scored = [Pair("", "w0", "w1", 3.0), Pair("", "w0", "w2", 2.0), Pair("", "w0", "w5", 1.0)]
    assert of_pairs(Table(), scored) == ("spearman", pytest.approx(1))


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.tsv", "one\tother\tscore\na\tb\t3.5\nc\td\t1", Pair("{}, line 2", "a", "b", 3.5)),
        ("a.tsv", "q1\tq2\tis_duplicate\na\tb\t1\nc\td\t0", Pair("{}, line 2", "a", "b", 1.0)),
        ("a.tsv", "ko\ten\na\tb", Pair("{}, line 2", "a", "b", None)),
        (
            "a.tsv", "genre\tfilename\tyear\tid\tscore\tsentence1\tsentence2\nnews\tx.txt\t2015\t7\t3.5\ta\tb\n"
            "news\tx.txt\t2015\t8\t1\tc\td", Pair("{}, line 2", "a", "b", 3.5),
        ),
        ("a.tsv", "id\tSentence2\tSentence1\tScore\n1\tb\ta\t3\n2\td\tc\t1", Pair("{}, line 2", "a", "b", 3.0)),
        (
            "a.tsv", "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n0\t1\t2\ta\tb\t1\n1\t3\t4\tc\td\t0",
            Pair("{}, line 2", "a", "b", 1.0),
        ),
        ("a.tsv", "qid\tsentence1\tsentence2\n5\ta\tb", Pair("{}, line 2", "a", "b", None)),
        ("a.tsv", "id\ttext_a\ttext_b\tscore\n1\ta\tb\t2\n2\tc\td\t1", Pair("{}, line 2", "a", "b", 2.0)),
        ("a.tsv", "en\tno\na\tb", Pair("{}, line 2", "a", "b", None)),
        ("a.tsv", "\tquestion\tanswer\n0\ta\tb", Wording("{}, row 2", "", "a", "")),
        ("a.tsv", "message\tquestion\na\tb", Pair("{}, line 2", "a", "b", None)),
        ("a.tsv", "질문\t답변\na\tb", Wording("{}, row 2", "", "a", "")),
        ("a.csv", "id,entry,question,answer\nx,e,a,b", Wording("{}, row 2", "x", "a", "e")),
        ("a.jsonl", '{"qid": 7, "query": "a", "groups": ["e"]}', Asked("{}, 7", "a", frozenset({"e"}))),
        ("a.jsonl", '{"id": "x", "entry": "e", "question": "a", "answer": "b"}', Wording("{}, row 1", "x", "a", "e")),
    ],
)  # fmt: skip
def test_forms(tmp_path, name, text, expected):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    found = read_any(path)[0]
    assert type(found) is type(expected)
    assert found.where == expected.where.format(path)
    told = {field: getattr(expected, field) for field in expected.__slots__ if field != "where"}
    assert {field: getattr(found, field) for field, value in told.items() if value != ""} == {
        field: value for field, value in told.items() if value != ""
    }


def test_columns_that_are_named_are_read(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("genre\tko\ten\nnews\t빨간 사과\tapple\n", encoding="utf-8")
    (found,) = similarity.read(path, similarity.Options(first="en", second="ko"))
    assert (found.one, found.other, found.score) == ("apple", "빨간 사과", None)
    with pytest.raises(UserError, match=r"line 2: there is no 'de', only .* Type: --second ko, or add it"):
        similarity.read(path, similarity.Options(first="en", second="de"))
    # Dev may be another kind of file, in which those names mean nothing.
    (tmp_path / "dev.tsv").write_text("question\tanswer\na\tb\n", encoding="utf-8")
    assert type(similarity.read(tmp_path / "dev.tsv", similarity.Options(first="en", second="ko"))[0]) is Wording


def test_queries_with_qrels(tmp_path):
    (tmp_path / "q.csv").write_text("id,text\n1,hello\n2,weather\n", encoding="utf-8")
    (tmp_path / "r.csv").write_text("query,document,relevance\n1,x,1\n1,y,0\n2,x,0\n", encoding="utf-8")
    found = read_any(tmp_path / "q.csv", str(tmp_path / "r.csv"))
    assert [(asked.text, asked.right) for asked in found] == [("hello", {"x"})]
    with pytest.raises(UserError, match="judged queries are for --dev"):
        similarity.labels(found, similarity.Options())


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.tsv", "one\tother\tscore\na\tb\t1\nc\td\tmuch", "line 3: score is 'much'"),
        ("a.tsv", "one\tother\tscore\na\tb\t1\nc\t\t2", "line 3: 'other' is ''"),
        ("a.tsv", "one\tother\tscore\na\tb\t1\nc\td\t1", "every score is the same"),
        ("a.tsv", "one\tscore\na\t1", "line 2: there are no two text columns, only 'one', 'score'"),
        (
            "a.tsv", "ko_one\ten_two\tscore\ten_one\nㄱ\tlong b\t1\tlong c\nㄴ\td\t2\te",
            "line 2: the columns 'ko_one', 'en_two', 'en_one' may all be texts, and two are read. "
            "Type: --first en_two --second en_one",
        ),
        ("a.tsv", "one\tother\tscore\na\tb", "line 2: 2 columns, but the header has 3"),
        ("a.csv", "question,answer\na,x\nb,y", "2 wordings of 2 entries"),
        ("a.csv", "question,answer\na,x\nb,x", "2 wordings of 1 entries"),
        ("a.csv", "", "file is empty"),
    ],
)  # fmt: skip
def test_what_cannot_be_learned_from_is_told(tmp_path, name, text, told):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as error:
        similarity.labels(similarity.read(path, similarity.Options()), similarity.Options())
    assert told in str(error.value)


def test_predict_compares_each_with_each(learned):
    out, _ = learned
    setup = Setup(None, (), similarity.Options(), 32)
    model = similarity.load(out, setup)
    found = similarity.predict(model, setup, ["apple red"], ["apple red", "cloud stone"])
    assert found[0]["cosine"] == pytest.approx(1, abs=1e-5)
    assert found[1]["cosine"] < found[0]["cosine"] - 0.01
    with pytest.raises(UserError, match="similarity compares texts"):
        similarity.predict(model, setup, ["apple red"], [])


def test_judge_names_its_figure():
    assert similarity.judge(Table(), Data([Pair("", "w0", "w0", None)], []), None, None) == {"score": 1, "recall@1": 1}
