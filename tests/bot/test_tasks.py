"""Tasks: six examples learned by heart, scores by hand, what plain transformers makes of the folder, bad data."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from serving import assert_serves
from tiny_bert import make_tiny

from bot.learning.learner import load_learner
from bot.learning.task import Data, Setup
from bot.tasks import classify, load_task, names, pair, read, tag
from bot.training.predict import open_trained, zero_shot
from bot.training.train import Request, train
from bot.training.trainer import balanced_loss
from indexer import export
from indexer.build import build_index
from indexer.errors import UserError

CLASSIFY = [
    {"text": "the parcel came early", "label": "glad"},
    {"text": "the parcel never came", "label": "upset"},
    {"text": "상자가 부서져서 왔어요", "label": "upset"},
    {"text": "포장이 예뻐서 좋아요", "label": "glad"},
    {"text": "where is the shop", "label": "asks"},
    {"text": "가게는 어디예요", "label": "asks"},
]
PAIRS = [
    ("where is my parcel", "when does my parcel come", "1"),
    ("where is my parcel", "how do i cancel", "0"),
    ("how do i cancel", "cancel my order", "1"),
    ("취소하고 싶어요", "주문 취소", "1"),
    ("취소하고 싶어요", "영수증 주세요", "0"),
    ("how do i cancel", "영수증 주세요", "0"),
]
SCORES = ["4.5", "0.5", "5", "4", "0", "1"]
TAG = [
    {"text": "Mira lives in Port Lune", "entities": [[0, 4, "PER"], [14, 23, "LOC"]]},
    {"text": "달빛항으로 보내 주세요", "entities": [[0, 3, "LOC"]]},
    {"text": "call Oru, please", "entities": [[5, 8, "PER"]]},
    {"text": "nothing to see", "entities": []},
    {"text": "해솔이가 받았어요", "entities": [[0, 2, "PER"]]},
    {"text": "to Port Lune and to Vell", "entities": [[3, 12, "LOC"], [20, 24, "LOC"]]},
]
LONG = "The shop opened. " * 12 + "Parcels leave at noon."
READ = [
    {"question": "When do parcels leave?", "context": LONG, "answers": [["noon", LONG.index("noon")]]},
    {"question": "Who sells tea?", "context": "Mira sells tea.", "answers": [["Mira", 0]]},
    {"question": "Who sells silk?", "context": "Mira sells tea.", "answers": []},
    {"question": "언제 열어요?", "context": "가게는 아침에 열어요.", "answers": [["아침", 4]]},
    {"question": "What does Mira sell?", "context": "Mira sells tea.", "answers": [["tea", 11]]},
    {"question": "어디에 있어요?", "context": "가게는 다리 옆에 있어요.", "answers": [["다리 옆", 4]]},
]
NLI = [("mira sells tea", "this is about tea", "entailment"), ("mira sells tea", "this is about rain", "contradiction"),
       ("mira sells tea", "this is about noon", "neutral")]  # fmt: skip


def write(path: Path, rows: list) -> Path:
    if path.suffix == ".tsv":
        path.write_text("\n".join("\t".join(row) for row in rows) + "\n", encoding="utf-8")
    else:
        path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny BERT, and a file for each task."""
    base = tmp_path_factory.mktemp("tasks")
    texts = json.dumps([CLASSIFY, PAIRS, TAG, READ, NLI], ensure_ascii=False)
    make_tiny(base / "bert", [texts, "this is about rain tea noon"], dropout=0.0)
    write(base / "classify.jsonl", CLASSIFY)
    write(base / "pair.tsv", [("question1", "question2", "is_duplicate"), *PAIRS])
    write(base / "tag.jsonl", TAG)
    write(base / "read.jsonl", READ)
    write(base / "nli.tsv", [("premise", "hypothesis", "label"), *NLI])
    scores = [(one, other, score) for (one, other, _), score in zip(PAIRS, SCORES, strict=True)]
    write(base / "scores.tsv", [("sentence1", "sentence2", "score"), *scores])
    return base


@pytest.fixture(scope="module")
def by_heart(folder):
    """Train a task on its six examples, once for all tests."""
    made = {}

    def trained(task, file, **more):
        out = folder / f"out-{file}{'-frozen' * bool(more.get('frozen'))}"
        if out not in made:
            given = {"epochs": 40, "batch": 6, "rate": 4e-3, "patience": 0, **more}
            request = Request(task, folder / file, out, folder / file, f"bert:{folder / 'bert'}", **given)
            made[out] = train(request)
        return out, made[out]

    return trained


@pytest.mark.parametrize(
    ("task", "file", "score"),
    [
        ("classify", "classify.jsonl", "accuracy"),
        ("pair", "pair.tsv", "accuracy"),
        ("pair", "nli.tsv", "accuracy"),
        ("tag", "tag.jsonl", "f1"),
        ("read", "read.jsonl", "f1"),
    ],
)
def test_six_examples_are_learned_by_heart(by_heart, task, file, score):
    out, run = by_heart(task, file)
    assert run["after"][score] == 1.0 > run["before"][score]
    assert json.loads((out / "run.json").read_text("utf-8"))["after"] == run["after"]
    assert (out / "learning-curve.svg").read_text("utf-8").startswith("<svg")


def test_scores_are_learned_in_their_order(by_heart):
    out, run = by_heart("pair", "scores.tsv")
    assert run["after"]["spearman"] > 0.9 > run["before"]["spearman"]
    same, other = open_trained(out).predict([PAIRS[0][0]], [PAIRS[0][1], PAIRS[1][1]])
    assert same["score"] > other["score"] + 0.1


def test_predictions_are_what_plain_transformers_gives(by_heart):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    out, run = by_heart("classify", "classify.jsonl")
    assert run["labels"] == ["asks", "glad", "upset"]
    model, tokenizer = AutoModelForSequenceClassification.from_pretrained(out), AutoTokenizer.from_pretrained(out)
    found = open_trained(out).predict([row["text"] for row in CLASSIFY])
    for row, said in zip(CLASSIFY, found, strict=True):
        with torch.no_grad():
            shares = model(**tokenizer(row["text"], return_tensors="pt")).logits[0].softmax(-1)
        named = {model.config.id2label[at]: float(share) for at, share in enumerate(shares)}
        assert said["probabilities"] == pytest.approx(named, abs=1e-5)
        assert sum(said["probabilities"].values()) == pytest.approx(1, abs=1e-9)
        assert said["label"] == row["label"] == next(iter(said["probabilities"]))
        assert said["probability"] == max(said["probabilities"].values())


@pytest.mark.parametrize(
    ("task", "file"),
    [("classify", "classify.jsonl"), ("pair", "pair.tsv"), ("tag", "tag.jsonl"), ("read", "read.jsonl")],
)
def test_the_encoder_of_a_trained_model_serves_an_index(by_heart, small, tmp_path, monkeypatch, task, file):
    monkeypatch.setattr(export, "CACHE", tmp_path / "cache")
    assert_serves(by_heart(task, file)[0], small, tmp_path / "index")


@pytest.mark.parametrize("task", names())
def test_a_task_shares_the_encoders_weights(task, folder):
    module = load_task(task)
    assert {"SCORE", "KIND", "Options", "read", "labels", "model", "encode", "collate", "metrics", "predict"} <= set(
        dir(module)
    )
    if task in ("classify", "pair", "tag", "read"):
        encoder = load_learner(f"bert:{folder / 'bert'}")
        model = module.model(encoder, Setup(encoder.tokenizer, ("O", "B-X", "I-X"), module.Options(), 64))
        assert model.base_model is encoder.model
        assert type(model).__name__.startswith("Bert")


@pytest.mark.parametrize(("task", "file"), [("classify", "classify.jsonl"), ("tag", "tag.jsonl")])
def test_a_frozen_encoder_stays_as_it_was_and_its_head_learns(by_heart, folder, task, file):
    out, run = by_heart(task, file, frozen=True, epochs=150, rate=2e-2)
    score = load_task(task).SCORE
    assert run["after"][score] == 1.0
    before, after = (load_learner(f"bert:{path}").model.state_dict() for path in (folder / "bert", out))
    changed = {name for name, value in before.items() if not np.array_equal(value.numpy(), after[name].numpy())}
    assert all(name.startswith("pooler.") for name in changed)
    said = open_trained(out).predict([row["text"] for row in CLASSIFY])  # with the encoder back in its place
    if task == "classify":
        assert [row["label"] for row in said] == [row["label"] for row in CLASSIFY]


def test_a_premise_may_hold_several_hypotheses_and_is_held_out_with_all_of_them(tmp_path):
    rows = [{"premise": f"p{at}", "entailment": [f"e{at}", f"f{at}"], "contradiction": [f"c{at}"]} for at in range(20)]
    file = tmp_path / "nli.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    examples = pair.read(file, pair.Options())
    assert [(found.first, found.second, found.target) for found in examples[:3]] == [
        ("p0", "e0", "entailment"), ("p0", "f0", "entailment"), ("p0", "c0", "contradiction"),
    ]  # fmt: skip
    assert pair.labels(examples, pair.Options()) == ("contradiction", "entailment")
    held = pair.apart(examples, random.Random(0))
    premises = {examples[at].first for at in held}
    assert (len(premises), len(held)) == (2, 6)
    assert held == [at for at, found in enumerate(examples) if found.first in premises]
    # A column of that name beside a label is nothing but a column.
    other = tmp_path / "votes.tsv"
    other.write_text("a\tb\tlabel\tneutral\nx\ty\tyes\t0.3\n", encoding="utf-8")
    assert [(one.first, one.second, one.target) for one in pair.read(other, pair.Options())] == [("x", "y", "yes")]


def test_a_pair_model_reranks(by_heart, small, tmp_path):
    from indexer.cli import main

    build_index(small, tmp_path / "index", "tfidf?dim=256")
    for file in ("scores.tsv", "pair.tsv"):
        out, _ = by_heart("pair", file)
        arguments = ["search", "reset the refund", "--index", str(tmp_path / "index"), "--json"]
        outcome = CliRunner().invoke(main, [*arguments, "--reranker", f"cross:{out}"])
        assert outcome.exit_code == 0, outcome.stderr
        found = json.loads(outcome.stdout)["candidates"]
        questions = [candidate["question"] for candidate in found]
        said = open_trained(out).predict(["reset the refund"], questions)
        if file == "scores.tsv":
            expected = [row["score"] for row in said]
        else:
            expected = [np.log(row["probabilities"]["1"] / row["probabilities"]["0"]) for row in said]
        assert [candidate["rerank_score"] for candidate in found] == pytest.approx(expected, abs=1e-3)
        assert len(found) > 2
        assert expected == sorted(expected, reverse=True)


def test_zero_shot_by_entailment(by_heart):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    out, _ = by_heart("pair", "nli.tsv")
    said = zero_shot(open_trained(out), "mira sells tea", ["rain", "tea", "noon"])
    model, tokenizer = AutoModelForSequenceClassification.from_pretrained(out), AutoTokenizer.from_pretrained(out)
    at = model.config.label2id["entailment"]
    with torch.no_grad():
        rows = [
            model(**tokenizer("mira sells tea", f"This is about {name}.", return_tensors="pt")).logits[0, at]
            for name in ("rain", "tea", "noon")
        ]
    shares = torch.stack(rows).softmax(0).tolist()
    assert said["probabilities"] == pytest.approx(dict(zip(("rain", "tea", "noon"), shares, strict=True)), abs=1e-5)
    assert said["label"] == "tea"


def test_the_command_classifies_each_text_by_labels_without_examples(by_heart):
    from bot.cli import main

    out, _ = by_heart("pair", "nli.tsv")
    texts = ["mira sells tea", "rain at noon"]
    command = ["classify", "--zero-shot", " rain, tea,noon,, tea", *texts, "--model", str(out)]
    expected = [zero_shot(open_trained(out), text, ["rain", "tea", "noon"]) for text in texts]
    assert expected[0]["label"] == "tea"
    outcome = CliRunner().invoke(main, [*command, "--json"])
    assert (outcome.exit_code, json.loads(outcome.stdout)) == (0, expected)
    other = CliRunner().invoke(main, [*command, "--json", "--hypothesis", "mira sells {}"])
    assert [said["probabilities"] for said in json.loads(other.stdout)] != [said["probabilities"] for said in expected]
    shown = CliRunner().invoke(main, command).stdout
    assert (
        shown
        == "\n\n".join(
            "\n".join([said["text"], *(f"  {share:6.1%}  {label}" for label, share in said["probabilities"].items())])
            for said in expected
        )
        + "\n"
    )
    for blank in ("", " \n"):
        refused = CliRunner().invoke(main, ["classify", "--zero-shot", "tea, rain", "x", blank, "--model", str(out)])
        assert (refused.exit_code, refused.stderr) == (2, "Error: a text is empty: give each some words.\n")
    refused = CliRunner().invoke(main, ["classify", "--zero-shot", "tea", "x", "--model", str(out)])
    assert (refused.exit_code, refused.stderr) == (
        2, 'Error: --zero-shot takes two labels or more, with commas: "refund, delivery, account".\n',
    )  # fmt: skip


def test_zero_shot_needs_entailment_two_labels_and_a_place_for_them(by_heart):
    duplicates = open_trained(by_heart("pair", "pair.tsv")[0])
    with pytest.raises(UserError, match=r"label 'entailment' \(this one's labels: 0, 1\)"):
        zero_shot(duplicates, "x", ["a", "b"])
    entails = open_trained(by_heart("pair", "nli.tsv")[0])
    with pytest.raises(UserError, match="two labels or more"):
        zero_shot(entails, "x", ["a", "a"])
    with pytest.raises(UserError, match=r"write \{\}"):
        zero_shot(entails, "x", ["a", "b"], "about it")


def test_entities_are_found_with_their_characters(by_heart):
    out, run = by_heart("tag", "tag.jsonl")
    assert run["labels"] == ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    for row, said in zip(TAG, open_trained(out).predict([row["text"] for row in TAG]), strict=True):
        assert [[e["start"], e["end"], e["label"]] for e in said["entities"]] == row["entities"]
        for entity in said["entities"]:
            assert row["text"][entity["start"] : entity["end"]] == entity["text"]
            assert 0.2 < entity["probability"] <= 1  # of five tags, the likeliest


def test_a_long_text_is_tagged_to_its_end(by_heart):
    trained = open_trained(by_heart("tag", "tag.jsonl")[0])
    text = "nothing to see " * 40 + "Mira lives in Port Lune"
    found = trained.predict([text])[0]["entities"]
    assert any(entity["start"] > 550 for entity in found)


def test_answers_are_found_in_the_last_window_and_none_where_there_is_none(by_heart):
    out, run = by_heart("read", "read.jsonl", max_length=48)
    assert run["labels"] == ["answer", "no answer"]
    trained = open_trained(out)
    for row in READ:
        said = trained.predict([row["question"]], [row["context"]])[0]
        answers = row["answers"] or [["", 0]]
        assert (said["answer"], said["start"]) == tuple(answers[0])
        assert said["end"] - said["start"] == len(said["answer"])
        assert 0 < said["probability"] <= 1


@pytest.mark.parametrize(
    ("said", "right", "characters", "expected"),
    [
        ("the Red Bridge", "red bridge!", False, 1.0),
        ("red bridge", "bridge", False, 2 / 3),  # precision 1/2, recall 1
        ("red red bridge", "red bridge", False, 0.8),  # 2 of 3, 2 of 2
        ("a boat", "bridge", False, 0.0),
        ("", "", False, 1.0),
        ("", "bridge", False, 0.0),
        ("아침에", "아침", True, 0.8),  # 2 of 3 characters, 2 of 2
        ("아침에", "아침", False, 0.0),
        ("다리 옆", "다리옆", True, 1.0),
    ],
)
def test_f1_by_hand(said, right, characters, expected):
    assert read.f1(said, right, characters) == pytest.approx(expected)


def test_a_passage_is_held_out_with_all_its_questions_and_a_tenth_of_them_is():
    examples = [read.Example("", f"q{at}", f"passage {at // 3}", ()) for at in range(60)]
    held = read.apart(examples, random.Random(2))
    assert len(held) == 6  # two passages of twenty
    assert {at // 3 for at in held} == {held[0] // 3, held[3] // 3}


def test_reading_takes_the_best_of_several_answers_and_spans_no_longer_than_allowed(folder):
    tokenizer = load_learner(f"bert:{folder / 'bert'}").tokenizer
    setup = Setup(tokenizer, ("answer",), read.Options(longest_answer=2), 64)
    example = read.Example("x", "who sells tea", "mira sells tea", (("tea", 11), ("sells tea", 5)))
    features = read.encode([example], setup)
    places = features[0]["offsets"]
    starts, ends = np.zeros((2, 1, len(places)))
    first, last = places.index((0, 4)), places.index((11, 14))
    starts[0, first], ends[0, last] = 9, 9  # mira sells tea: too long
    starts[0, last - 1] = 5  # sells tea: 14, against mira alone: 9
    scores = read.metrics((starts, ends), Data([example], features), setup)
    assert scores == {"f1": 1.0, "exact": 1.0}
    assert (features[0]["start_positions"], features[0]["end_positions"]) == (last, last)


def test_spans_count_only_when_they_are_exact_and_what_is_cut_off_counts_as_missed(folder):
    tokenizer = load_learner(f"bert:{folder / 'bert'}").tokenizer
    setup = Setup(tokenizer, ("O", "B-LOC", "I-LOC"), tag.Options(), 8)
    tokens, tags = (
        ["Port", "Lune", "and", "Vell", "and", "to", "Vell"],
        ["B-LOC", "I-LOC", "O", "B-LOC", "O", "O", "B-LOC"],
    )
    (example,) = tag.read(write(folder / "words.jsonl", [{"tokens": tokens, "tags": tags}]), tag.Options())
    assert example.text == "Port Lune and Vell and to Vell"
    assert [(span.start, span.end) for span in example.spans] == [(0, 9), (14, 18), (26, 30)]
    features = tag.encode([example], setup)
    assert features[0]["labels"] == [-100, 1, 2, 0, 1, 0, 0, -100]  # six words fit
    guessed = [0, 1, 2, 0, 1, 2, 0, 0]  # Port Lune is exact, "Vell and" is too long
    logits = np.eye(3)[guessed][None]
    scores = tag.metrics(logits, Data([example], features), setup)
    assert scores == {"f1": 0.4, "precision": 0.5, "recall": pytest.approx(1 / 3), "cut": 1.0}


def test_a_words_first_piece_decides_for_all_of_it(folder):
    tokenizer = load_learner(f"bert:{folder / 'bert'}").tokenizer
    setup = Setup(tokenizer, ("O", "B-LOC", "I-LOC"), tag.Options(whole_words=True), 32)
    feature = tag.encode([tag.Example("x", "to lunes", (tag.Span(3, 8, "LOC"),))], setup)[0]
    assert tokenizer.convert_ids_to_tokens(feature["input_ids"])[1:-1] == ["to", "lune", "##s"]
    assert feature["heads"] == [(0, 0), (0, 2), (3, 8), (0, 0), (0, 0)]


def test_rare_labels_weigh_as_much_as_frequent_ones():
    import torch

    train_data = Data([], [{"labels": 0}, {"labels": 0}, {"labels": 0}, {"labels": 1}])
    logits, truth = torch.tensor([[2.0, 0.0], [1.0, 0.0]]), torch.tensor([0, 1])
    loss = balanced_loss(train_data, ("a", "b"))({"logits": logits}, truth)
    each = -logits.log_softmax(-1)[[0, 1], [0, 1]].numpy()
    weights = np.array([4 / (2 * 3), 4 / (2 * 1)])
    assert float(loss) == pytest.approx((weights * each).sum() / weights.sum(), abs=1e-6)


def test_the_forms_of_classification_give_the_same_examples(tmp_path):
    write(tmp_path / "a.jsonl", [{"text": "tea, please", "label": 1}, {"text": "no", "label": 0}])
    (tmp_path / "b.csv").write_text('id,said,kind\n1,"tea, please",1\n2,no,0\n', encoding="cp949")
    queries = [
        {"query": "tea, please", "groups": ["1"], "oos": False},
        {"query": "x", "groups": [], "oos": True},
        {"query": "no", "groups": ["0"], "oos": False},
    ]
    write(tmp_path / "c.jsonl", queries)
    found = [
        classify.read(tmp_path / "a.jsonl", classify.Options()),
        classify.read(tmp_path / "b.csv", classify.Options("said", "kind")),
        classify.read(tmp_path / "c.jsonl", classify.Options()),
    ]
    plain = [[(example.text, example.label) for example in examples] for examples in found]
    assert plain == [[("tea, please", "1"), ("no", "0")]] * 3
    sheet = "text,label,oos\n" + "".join(f"t{at},x,{said}\n" for at, said in enumerate(["0", "False", "", "no", "0.0"]))
    (tmp_path / "d.csv").write_text(sheet + "".join(f"u,x,{said}\n" for said in ("1", "TRUE", "yes", "1.0")), "utf-8")
    told = [example.text for example in classify.read(tmp_path / "d.csv", classify.Options())]
    assert told == ["t0", "t1", "t2", "t3", "t4"]
    (tmp_path / "e.csv").write_text("text,oos\na,true\nb,false\n", encoding="utf-8")  # being off topic is learned
    learned = classify.read(tmp_path / "e.csv", classify.Options(label="oos"))
    assert [(example.text, example.label) for example in learned] == [("a", "true"), ("b", "false")]
    assert classify.labels(found[0], classify.Options()) == ("0", "1")


def test_squads_own_form_is_read(tmp_path):
    paragraph = {"context": "Mira sells tea.", "qas": [
        {"id": "q1", "question": "Who?", "answers": [{"text": "Mira", "answer_start": 0}]},
        {"id": "q2", "question": "When?", "answers": [], "is_impossible": True},
    ]}  # fmt: skip
    (tmp_path / "s.json").write_text(json.dumps({"data": [{"paragraphs": [paragraph]}]}), encoding="utf-8")
    one, other = read.read(tmp_path / "s.json", read.Options())
    assert (one.question, one.answers, other.answers) == ("Who?", (("Mira", 0),), ())


BAD = [
    ("classify", "x.jsonl", "", r"x\.jsonl: the file is empty"),
    ("classify", "x.jsonl", '{"text": "a", "label": 1}\n{"text": "b"}', r"x\.jsonl, line 2: there is no 'label', only"),
    ("classify", "x.jsonl", '{"text": " ", "label": 1}', r"line 1: 'text' is ' ', not a text"),
    ("classify", "x.jsonl", '{"text": "a", "label": 1.5}', r"line 1: 'label' is 1\.5"),
    ("classify", "x.jsonl", '{"text": "a"', r"line 1: no JSON"),
    ("classify", "x.jsonl", "[1]", r"line 1: '\[1\]' is no object"),
    ("classify", "x.jsonl", '{"text": "a", "label": 1}\n{"text": "b", "label": 1}',
     r"x\.jsonl, line 1: only '1' occurs, from here on\. Add rows of another label"),
    ("classify", "x.csv", "text,label\n", r"x\.csv: there is no example in it\. Add some\.$"),
    ("classify", "x.jsonl", '{"query": "a", "groups": [], "oos": true}', r"x\.jsonl: there is no example in it\. Add"),
    ("classify", "x.csv", "text,label,oos\na,b,maybe\n", r"line 2: 'oos' is 'maybe'\. Write true where a text is off"),
    ("classify", "x.csv", "text,kind\na,b\n", r"x\.csv, line 2: .* only 'text', 'kind'\. Type: --label kind, or"),
    ("classify", "x.csv", "id,said,kind\n1,a b,c\n", r"line 2: there is no 'label', .* Type: --label kind, or add it"),
    ("pair", "x.tsv", "a\tb\tscore\nx\ty\thigh\n", r"x\.tsv, line 2: the score 'high' is no number"),
    ("pair", "x.tsv", "a\tb\tscore\nx\ty\tnan\n", r"line 2: the score 'nan' is no number"),
    ("pair", "x.tsv", "a\tb\tscore\nx\ty\n", r"line 2: 2 columns, but the header has 3"),
    ("pair", "x.tsv", "a\tb\tc\nx\ty\tz\n", r"none of the columns score, is_duplicate, label"),
    ("pair", "x.tsv", "a\tlabel\nx\ty\n", r"there are no two text columns"),
    ("pair", "x.tsv", "a\tb\tis_duplicate\nx\ty\t2\n", r"'is_duplicate' is '2'"),
    ("pair", "x.jsonl", '{"premise": "x", "neutral": "y"}\n', r"x\.jsonl, line 1: 'neutral' is no list of texts"),
    ("pair", "x.jsonl", '{"premise": "x", "entailment": ["y", " "]}\n', r"'entailment' is no list of texts"),
    ("pair", "x.jsonl", '{"neutral": ["y"]}\n', r"there is no 'premise'"),
    ("pair", "x.tsv", "a\tb\tscore\nx\ty\t1\nx\tz\t1\n", r"x\.tsv, line 2: every score is 1, .* Add pairs of another"),
    ("tag", "x.jsonl", '{"text": "abc", "entities": [[1, 9, "X"]]}', r"line 1: .* \[1, 9, 'X'\] is no part of .* 3 ch"),
    ("tag", "x.jsonl", '{"text": "abc", "entities": [[2, 2, "X"]]}', r"is no part of the text"),
    ("tag", "x.jsonl", '{"text": "abc", "entities": [[0, 2]]}', r"has no type"),
    ("tag", "x.jsonl", '{"text": "abc", "entities": [[0, 2, "X"], [1, 3, "Y"]]}', r"overlap"),
    ("tag", "x.jsonl", '{"text": "abc", "entities": []}', r"no text has an entity"),
    ("tag", "x.jsonl", '{"tokens": ["a", "b"], "tags": ["O"]}', r"as long as each other"),
    ("tag", "x.jsonl", '{"tokens": ["a"], "tags": ["X"]}', r"the tag 'X' is neither"),
    ("read", "x.jsonl", '{"question": "q", "context": "tea", "answers": [["tea", 1]]}', r"line 1: .*, 1\] does not"),
    ("read", "x.jsonl", '{"question": "q", "context": "tea", "answers": []}', r"line 1: no question has an answer, "),
    ("read", "x.jsonl", '{"question": "q", "context": "tea"}', r"there is no 'answers'"),
    ("read", "x.json", '{"data": [{}]}', r"x\.json: not in SQuAD's form"),
]  # fmt: skip


@pytest.mark.parametrize(("task", "name", "text", "message"), BAD)
def test_bad_data_is_named_by_file_and_row(tmp_path, task, name, text, message):
    (tmp_path / name).write_text(text, encoding="utf-8")
    module = load_task(task)
    with pytest.raises(UserError, match=message):
        module.labels(module.read(tmp_path / name, module.Options()), module.Options())


@pytest.mark.parametrize(
    ("task", "text", "options", "typed"),
    [
        ("classify", "id,said so,kind\n1,a b,c d e\n", {"label": "kind"}, "--text 'said so'"),
        ("classify", "id,kind,said\n1,c,a b\n", {"text": "said"}, "--label kind"),
        ("classify", "kind,said\nc,a b\n", {"text": "x", "label": "y"}, "--label kind"),
        ("classify", "text\na b\n", {}, ""),
        ("pair", "id,a,b,score\n1,x y,z,4\n", {"first": "one", "second": "b"}, "--first a"),
        ("pair", "id,a,b,score\n1,x y,z y,4\n", {"first": "a", "second": "other"}, "--second b"),
    ],
)
def test_a_missing_column_that_an_option_names_says_what_to_type(tmp_path, task, text, options, typed):
    (tmp_path / "x.csv").write_text(text, encoding="utf-8")
    module = load_task(task)
    with pytest.raises(UserError) as caught:
        module.read(tmp_path / "x.csv", module.Options(**options))
    assert str(caught.value).endswith(f". Type: {typed}, or add it." if typed else ". Add it.")


@pytest.mark.parametrize(
    ("options", "texts"),
    [({"first": "b"}, ("z", "x")), ({"second": "a"}, ("z", "x")), ({"first": "a"}, ("x", "z")), ({}, ("x", "z"))],
)
def test_one_named_column_is_paired_with_the_other(tmp_path, options, texts):
    (tmp_path / "x.tsv").write_text("a\tb\tscore\nx\tz\t4\n", encoding="utf-8")
    (example,) = pair.read(tmp_path / "x.tsv", pair.Options(**options))
    assert (example.first, example.second) == texts


@pytest.mark.parametrize(
    ("header", "row", "options", "texts"),
    [
        ("id,text_a,text_b,label", "7,x,z,yes", {}, ("x", "z")),
        (",a,b,label", "0,x,z,yes", {}, ("x", "z")),  # an index without a name
        ("genre,filename,year,id,label,sentence1,sentence2", "news,f,2015,7,yes,x,z", {}, ("x", "z")),
        ("id,qid1,qid2,question1,question2,label", "0,1,2,x,z,yes", {}, ("x", "z")),
        ("premise,hypothesis,label,genre", "x,z,yes,news", {}, ("x", "z")),
        ("a,b,label,share", "x,z,yes,0.5", {}, ("x", "z")),
        ("a,no,label", "x,z,yes", {}, ("x", "z")),  # Norwegian, not a number
        ("no,a,b,label", "1,x,z,yes", {}, ("x", "z")),
        ("genre,a,b,label", "news,x,z,yes", {"first": "a", "second": "b"}, ("x", "z")),
        ("said,a,label", "x,z,yes", {"first": "a"}, ("z", "x")),
        ("a,text_id,label", "x,z,yes", {"first": "a", "second": "text_id"}, ("x", "z")),
    ],
)
def test_the_texts_of_a_pair_are_found_by_name(tmp_path, header, row, options, texts):
    (tmp_path / "x.csv").write_text(f"{header}\n{row}\n", encoding="utf-8")
    (example,) = pair.read(tmp_path / "x.csv", pair.Options(**options))
    assert (example.first, example.second) == texts


@pytest.mark.parametrize(
    ("header", "row", "options", "told"),
    [
        ("genre,a,b,label", "n,long x,long z,yes", {},
         "the columns 'genre', 'a', 'b' may all be texts, and two are read. Type: --first a --second b"),
        ("genre,my a,b,label", "n,long x,long z,yes", {"second": "b"},
         "the columns 'genre', 'my a' may all be texts, and two are read. Type: --first 'my a' --second b"),
        ("genre,a,b,label", "n,long x,long z,yes", {"first": "a"},
         "the columns 'genre', 'b' may all be texts, and two are read. Type: --first a --second b"),
        ("genre,a,b,label", "n,x,z,yes", {"first": "c"}, "there is no 'c', only 'genre', 'a', 'b', 'label'. Type: --f"),
        ("id,text,label", "1,x,yes", {}, "there are no two text columns, only 'id', 'text', 'label'. Add them."),
        ("id,text,label", "1,x,yes", {"first": "text"}, "there are no two text columns"),
    ],
)  # fmt: skip
def test_columns_that_may_all_be_texts_are_not_guessed(tmp_path, header, row, options, told):
    path = tmp_path / "x.csv"
    path.write_text(f"{header}\n{row}\n", encoding="utf-8")
    with pytest.raises(UserError) as caught:
        pair.read(path, pair.Options(**options))
    assert str(caught.value).startswith(f"{path}, line 2: {told}")


@pytest.mark.parametrize(
    ("options", "typed"),
    [
        ({"stride": -5}, "--stride -5: give at least 0 tokens. Type: --stride 64"),
        ({"longest_question": 2}, "--longest-question 2: give at least 3 tokens. Type: --longest-question 64"),
        ({"longest_answer": 0}, "--longest-answer 0: give at least 1 tokens. Type: --longest-answer 30"),
    ],
)
def test_lengths_that_cannot_be_read_are_refused(folder, options, typed):
    with pytest.raises(UserError) as caught:
        read.read(folder / "read.jsonl", read.Options(**options))
    assert str(caught.value) == typed


def test_the_shortest_lengths_are_read(folder):
    options = read.Options(stride=0, longest_question=3, longest_answer=1)
    tokenizer = load_learner(f"bert:{folder / 'bert'}").tokenizer
    setup = Setup(tokenizer, ("answer",), options, 16)
    features = read.encode(read.read(folder / "read.jsonl", options)[:1], setup)
    assert [tokenizer.convert_ids_to_tokens(feature["input_ids"])[:3] for feature in features] == (
        [["[CLS]", "when", "[SEP]"]] * len(features)
    )
    assert features[-1]["offsets"][-2][1] == len(LONG)  # windows side by side, to the end


def test_a_label_that_only_dev_has_is_named_by_row(folder, tmp_path):
    write(tmp_path / "dev.jsonl", [CLASSIFY[0], {"text": "x", "label": "bored"}])
    request = Request(
        "classify", folder / "classify.jsonl", tmp_path / "out", tmp_path / "dev.jsonl", f"bert:{folder / 'bert'}"
    )
    with pytest.raises(UserError, match=r"dev\.jsonl, line 2: the label 'bored' does not occur .*asks, glad, upset"):
        train(request)
    assert not (tmp_path / "out").exists()


def test_scores_and_labels_do_not_mix(folder, tmp_path):
    request = Request("pair", folder / "pair.tsv", tmp_path / "out", folder / "scores.tsv", f"bert:{folder / 'bert'}")
    with pytest.raises(UserError, match=r"scores\.tsv, line 2: the model learns labels"):
        train(request)
    assert pair.labels(pair.read(folder / "scores.tsv", pair.Options()), pair.Options()) == ()
