"""Entailment: what a pair model changes of a verdict, by exact probabilities; the model itself; its setting."""

import logging
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner
from stub_llm import serving
from tiny_bert import make_tiny

from bot.cli import main
from bot.grounding import Checker
from bot.learning.entailment import open_entailment, place_of
from bot.settings import read
from indexer.build import build_index
from indexer.errors import UserError
from indexer.retrieve import Candidate, Ranked
from indexer.row import Row

LOAN = "You may borrow five books for 21 days. A loan cannot be renewed after the due date."
SAME = "Members may keep five volumes for 21 days"  # in other words
NLI = [
    ("mira sells tea", "mira has tea", "entailment"),
    ("mira sells tea", "mira has no tea", "contradiction"),
    ("mira sells tea", "oru has a hat", "neutral"),
]


def checker(entailed, contradicted, asked=None):
    """A checker of two entries whose model says the same of everything, and whom it was asked."""

    def judge(premise, hypothesis):
        if asked is not None:
            asked.append((premise, hypothesis))
        return entailed, contradicted

    rows = [Row("l-1", "loan", "How long may I keep a book?", LOAN), Row("m-1", "more", "How long?", LOAN)]
    return Checker([Candidate(row, Ranked(0, 0.5, 0.5)) for row in rows], judge=judge)


@pytest.mark.parametrize(
    ("sentence", "entailed", "contradicted", "reason"),
    [
        (f"{SAME} [l-1].", 0.95, 0.0, ""),
        (f"{SAME} [l-1].", 0.94, 0.0, "words"),
        (f"{SAME} [l-1].", 0.05, 0.91, "contradicted"),
        ("You may borrow five books for 21 days [l-1].", 0.0, 0.9, ""),
        ("You may borrow five books for 21 days [l-1].", 0.0, 0.91, "contradicted"),
        ("Members may keep five volumes for 28 days [l-1].", 1.0, 0.0, "facts"),
        ("Members may keep five volumes for 21 days at x.example [l-1].", 1.0, 0.0, "facts"),
        ("A loan can be renewed after the due date [l-1].", 1.0, 0.0, "negation"),
        ("Members may never keep five volumes for 21 days [l-1].", 1.0, 0.0, "turning words"),
    ],
)
def test_a_model_forgives_words_alone_and_may_object_to_all(sentence, entailed, contradicted, reason):
    verdict = checker(entailed, contradicted).check(sentence)
    assert (verdict.reason, bool(verdict.cited)) == (reason, not reason)


def test_what_the_rules_refuse_is_not_asked_and_the_whole_answer_is_the_premise():
    asked = []
    checker(1.0, 0.0, asked).check("You may borrow five books for 28 days [l-1].")
    assert asked == []
    checker(1.0, 0.0, asked).check(f"{SAME} [l-1].")
    assert asked == [(LOAN, f"{SAME}.")]


def test_one_cited_entry_that_contradicts_is_enough():
    one = checker(0.0, 0.0)
    one._judge = lambda premise, hypothesis: (0.0, 0.95 if premise == "b" else 0.0)
    one._answers = ["a", "b"]
    assert one.check("You may borrow five books for 21 days [l-1].").cited == (0,)
    assert one.check("You may borrow five books for 21 days [l-1, m-1].").reason == "contradicted"
    one._answers = ["b", "a"]  # who cites nothing gets the entry that says it
    assert one.check("You may borrow five books for 21 days.").cited == (1,)


@pytest.mark.parametrize(
    ("labels", "entailed", "contradicted"),
    [
        (("contradiction", "entailment", "neutral"), 1, 0),
        (("0", "1", "2"), 0, 2),
        (("함의", "중립", "모순"), 0, 2),
        (("entailment", "not_entailment"), 0, None),
        (("0", "1"), None, None),
    ],
)
def test_the_labels_of_packs(labels, entailed, contradicted):
    assert (place_of(labels, "entailment"), place_of(labels, "contradiction")) == (entailed, contradicted)


# ---- A model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny pair model trained on three labels, and another on two."""
    base = tmp_path_factory.mktemp("entailment")
    make_tiny(base / "bert", [" ".join(row) for row in NLI], dropout=0.0)
    for name, rows in (("nli", NLI), ("same", [(one, other, "01"[n % 2]) for n, (one, other, _) in enumerate(NLI)])):
        column = "label" if name == "nli" else "is_duplicate"
        lines = [("premise", "hypothesis", column), *rows * 3]
        (base / f"{name}.tsv").write_text("\n".join("\t".join(row) for row in lines) + "\n", encoding="utf-8")
        options = ["--encoder", f"bert:{base / 'bert'}", "--dev", str(base / f"{name}.tsv"), "--epochs", "20"]
        options += ["--rate", "0.01", "--max-length", "32", "--out", str(base / name)]
        found = CliRunner().invoke(main, ["train", "pair", "--train", str(base / f"{name}.tsv"), *options])
        assert found.exit_code == 0, found.output
    return base


def test_a_long_premise_is_read_to_its_end(folder):
    judge = open_entailment(folder / "nli")
    told = " ".join(["oru has a hat"] * 12)
    parts = [part["input_ids"] for part in judge._parts(f"{told} mira sells tea", "mira has no tea")]
    assert len(parts) > 2
    assert max(map(len, parts)) <= 32  # what it was trained to read
    tokenizer = judge._tokenizer
    last = tokenizer.decode(parts[-1])
    assert "mira sells tea [SEP] mira has no tea [SEP]" in last
    whole = tokenizer(f"{told} mira sells tea")["input_ids"][1:-1]
    read = [part[1 : part.index(tokenizer.sep_token_id)] for part in parts]
    assert read[0] == whole[: len(read[0])]
    assert all(one[-5:] == other[:5] for one, other in pairwise(read))  # they overlap
    assert judge(f"{told} mira sells tea", "mira has no tea")[1] == pytest.approx(
        max(judge(tokenizer.decode(part), "mira has no tea")[1] for part in read), abs=1e-5
    )
    assert len(judge._parts("mira sells tea", " ".join(["oru has a hat"] * 12))) == 1  # a hypothesis without end


def test_a_trained_model_gives_the_probabilities_of_its_labels(folder, caplog):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    with caplog.at_level(logging.WARNING):
        judge = open_entailment(folder / "nli")
    assert "loads torch" in caplog.text
    model = AutoModelForSequenceClassification.from_pretrained(folder / "nli")
    tokenizer = AutoTokenizer.from_pretrained(folder / "nli")
    for premise, hypothesis, _ in NLI:
        with torch.no_grad():
            shares = model(**tokenizer(premise, hypothesis, return_tensors="pt")).logits[0].softmax(0)
        at = model.config.label2id
        expected = [float(shares[at[name]]) for name in ("entailment", "contradiction")]
        assert judge(premise, hypothesis) == pytest.approx(expected, abs=1e-5)


def test_a_folder_that_is_no_such_model_says_what_to_type(folder, tmp_path):
    with pytest.raises(UserError, match=r"labels: 0, 1\)\. Type: bot train pair --train"):
        open_entailment(folder / "same")
    with pytest.raises(UserError, match="no model that `bot train` made"):
        open_entailment(tmp_path)
    with pytest.raises(UserError, match=r"no entailment model at .*nowhere\. Type: bot train pair .*nowhere"):
        open_entailment(tmp_path / "nowhere")


# ---- The bot


def test_it_is_a_setting_and_an_option_beside_the_generator(folder, small, tmp_path, caplog):
    build_index(small, tmp_path / "index", "tfidf?dim=256")
    assert read({}).settings.entailment is None
    assert read({"MUNDAP_ENTAILMENT": "runs/nli"}).settings.entailment == Path("runs/nli")
    asked = ["ask", "reset my refund", "--index", str(tmp_path / "index")]
    with serving("Ask within 7 days [r1].") as stub:
        wrong = CliRunner().invoke(main, [*asked, "--generator", stub.spec, "--entailment", str(folder / "same")])
        alone = CliRunner().invoke(main, [*asked, "--entailment", str(folder / "same")])  # nothing to check
    assert (wrong.exit_code, alone.exit_code) == (2, 0)
    assert "bot train pair" in wrong.stderr
    assert "is left closed: it checks what a generator writes" in caplog.text
    assert stub.asked == []


@pytest.mark.parametrize(("shares", "text"), [((0.0, 0.95), ""), ((0.0, 0.4), "Ask within 7 days [1].")])
def test_what_the_entry_contradicts_reaches_nobody(small, tmp_path, monkeypatch, shares, text):
    build_index(small, tmp_path / "index", "tfidf?dim=256")
    monkeypatch.setattr("bot.learning.entailment.open_entailment", lambda _: lambda *_: shares)
    asked = ["ask", "reset my refund", "--index", str(tmp_path / "index"), "--entailment", "runs/nli"]
    with serving("Ask within 7 days [r1].") as stub:
        found = CliRunner().invoke(main, [*asked, "--generator", stub.spec])
    assert ("written by a language model" in found.stdout) == bool(text)
    assert (found.stdout.splitlines()[0] == text) == bool(text)
