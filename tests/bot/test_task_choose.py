"""choose: candidates as the search has them, six questions by heart, and the folder as a reranker."""

import random

import numpy as np
import pytest
from serving import assert_serves
from tiny_bert import make_tiny

from bot.learning.task import Setup
from bot.tasks import choose
from bot.training.train import Request, train
from indexer import export
from indexer.build import build_index
from indexer.encoders import load_encoder
from indexer.errors import UserError
from indexer.index import Index
from indexer.rerank import Reranked
from indexer.rerankers import load_reranker
from indexer.row import Row

# Wordings of one entry share no word, and each shares one with another entry: the search alone is wrong.
SHEET = """id,entry,question,answer
1,refund,apple red,Ask within a week.
2,refund,river stone,Ask within a week.
3,password,apple green,Press the button.
4,password,cloud stone,Press the button.
5,환불,river 사과,칠일 안에 신청하세요.
6,환불,cloud 구름,칠일 안에 신청하세요.
"""
OPTIONS = choose.Options(candidates=3)


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("choose")
    make_tiny(folder / "bert", [SHEET])
    sheet = folder / "sheet.csv"
    sheet.write_text(SHEET, encoding="utf-8")
    encoder = f"bert:{folder / 'bert'}"
    return folder, train(
        Request("choose", sheet, folder / "out", sheet, encoder, 60, 6, 5e-3, patience=0, options=OPTIONS)
    )


def test_the_right_one_stands_among_the_nearest_of_other_entries(learned):
    folder, _ = learned
    examples = choose.read(folder / "sheet.csv", OPTIONS)
    assert [example.question for example in examples] == [line.split(",")[2] for line in SHEET.splitlines()[1:]]
    first = examples[0]
    assert first.where.endswith("sheet.csv, row 2")
    assert first.candidates[first.right] == "river stone"
    assert first.candidates[0] == "apple green"  # which shares a word, and is wrong
    assert len(set(first.candidates)) == 3
    whole = choose.read(folder / "sheet.csv", choose.Options(candidates=2, reads="both"))[0]
    assert "river stone Ask within a week." in whole.candidates


def test_an_entry_is_held_out_with_all_its_wordings(learned):
    examples = choose.read(learned[0] / "sheet.csv", OPTIONS)
    held = [set(choose.apart(examples, random.Random(seed))) for seed in range(20)]
    assert {frozenset(one) for one in held} == {frozenset({0, 1}), frozenset({2, 3}), frozenset({4, 5})}


def test_six_questions_are_learned_by_heart(learned):
    folder, found = learned
    assert found["before"]["first_candidate"] == found["after"]["first_candidate"] < 0.5
    assert found["before"]["accuracy"] < 1 == found["after"]["accuracy"]
    model, tokenizer = opened(folder / "out")
    said = choose.predict(model, Setup(tokenizer, (), OPTIONS, 64), ["apple red"], ["apple green", "river stone"])[0]
    assert said["label"] == "river stone"
    assert list(said) == ["text", "label", "probability", "probabilities"]
    assert list(said["probabilities"]) == ["river stone", "apple green"]  # the best first, whatever was typed first
    assert said["probability"] == said["probabilities"]["river stone"]
    assert sum(said["probabilities"].values()) == pytest.approx(1)
    with pytest.raises(UserError, match=r"--context 'apple green' is given twice\. Type each"):
        choose.predict(model, Setup(tokenizer, (), OPTIONS, 64), ["apple red"], ["apple green", "river", "apple green"])
    with pytest.raises(UserError, match="two candidates or more"):
        choose.predict(model, Setup(tokenizer, (), OPTIONS, 64), ["apple red"], ["apple green"])


def test_the_folder_reranks(learned, tmp_path):
    folder, _ = learned
    reranker = load_reranker(f"choose:{folder / 'out'}")
    rows = [
        Row(str(at), "e", question, "") for at, question in enumerate(["apple green", "river stone", "apple green"])
    ]
    scores = reranker.scores("apple red", rows)
    assert scores[0] == scores[2] < scores[1]
    model, tokenizer = opened(folder / "out")
    pairs = [tokenizer("apple red", row.question, return_tensors="pt") for row in rows]
    alone = [model(**{name: ids[None] for name, ids in pair.items()}).logits.item() for pair in pairs]
    np.testing.assert_allclose(scores, alone, atol=1e-5)
    assert reranker.scores("apple red", []).shape == (0,)

    build_index(folder / "sheet.csv", tmp_path / "index", encoder="tfidf?dim=256", retrieval="dense")
    index = Index.open(tmp_path / "index")
    plain = [found[0].entry for found in index.search(["apple red please", "cloud 구름 please"], 3)]
    better = [
        found[0].entry for found in Reranked(index, reranker).search(["apple red please", "cloud 구름 please"], 3)
    ]
    assert plain == ["refund", "환불"]
    assert len(better) == 2


def test_the_fingerprint_follows_weights_and_settings(learned):
    folder, _ = learned
    spec = f"choose:{folder / 'out'}"
    prints = [load_reranker(name).fingerprint for name in (spec, spec, f"{spec}?top=5")]
    assert prints[0] == prints[1] != prints[2]


def test_other_models_are_refused(learned):
    folder, _ = learned
    for spec, told in [
        (f"choose:{folder / 'bert'}", "is no model of `bot train choose`"),
        ("choose:", "choose needs a folder"),
        (f"choose:{folder / 'out'}?top=0", "top is at least 1"),
        (f"choose:{folder}", "no model that transformers can open"),
    ]:
        with pytest.raises(UserError, match=told):
            load_reranker(spec)


def test_the_folder_is_an_encoder(learned):
    folder, _ = learned
    vectors = load_encoder(f"bert:{folder / 'out'}?precision=fp32").encode(["apple red", "cloud 구름"])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1], abs=1e-5)


def test_its_encoder_serves_an_index(learned, small, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "CACHE", tmp_path / "cache")
    assert_serves(learned[0] / "out", small, tmp_path / "index")


@pytest.mark.parametrize(
    ("sheet", "options", "told"),
    [
        ("question,answer\na,one\nb,two\n", OPTIONS, "no question can be asked"),
        (SHEET, choose.Options(candidates=9), "9 entries; this sheet has 3"),
        (SHEET, choose.Options(candidates=1), "--candidates 1"),
        (SHEET, choose.Options(reads="url"), "--reads url: choose one of question, answer, both"),
    ],
)
def test_what_cannot_be_asked_is_told(tmp_path, sheet, options, told):
    path = tmp_path / "sheet.csv"
    path.write_text(sheet, encoding="utf-8")
    with pytest.raises(UserError, match=told):
        choose.read(path, options)


def opened(folder):
    from transformers import AutoModelForMultipleChoice, AutoTokenizer

    return AutoModelForMultipleChoice.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
