"""reply: what is retrieved without the wording itself, the decoder by hand, six answers by heart, a killed run."""

import random
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from serving import assert_serves
from tiny_bert import make_tiny

from bot.generators import _replying as replying
from bot.generators._decoder import MOST, Reply, Shape, follow
from bot.generators._replying import Spelling, labels_of, lay, written
from bot.generators._writing import Sampling
from bot.learning.learner import load_learner
from bot.learning.task import Data, Setup
from bot.tasks import reply
from bot.tasks._retrieved import Example
from bot.training.predict import open_trained
from bot.training.train import Request, train
from indexer import export
from indexer.build import build_index
from indexer.errors import UserError

# Wordings of one entry share no word, and each shares one with another entry: the nearest answer is the wrong one.
SHEET = """id,entry,question,answer
1,refund,apple red,Ask Mira within a week. It is free.
2,refund,river stone,Ask Mira within a week. It is free.
3,password,apple green,Press the GREY button twice.
4,password,cloud stone,Press the GREY button twice.
5,환불,river 사과,칠일 안에 신청하세요.
6,환불,cloud 구름,칠일 안에 신청하세요.
"""
OPTIONS = reply.Options(candidates=3, search="tfidf?dim=256", target_length=32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reply")
    make_tiny(folder / "bert", [SHEET])
    (folder / "sheet.csv").write_text(SHEET, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def request_of(folder):
    sheet = folder / "sheet.csv"
    encoder = f"bert:{folder / 'bert'}"
    return Request("reply", sheet, folder / "out", sheet, encoder, 150, 6, 5e-3, patience=0, options=OPTIONS)


@pytest.fixture(scope="module")
def learned(request_of):
    return train(request_of)


def test_each_wording_is_searched_for_among_the_others(folder):
    examples = reply.read(folder / "sheet.csv", OPTIONS)
    assert [example.message for example in examples] == [line.split(",")[2] for line in SHEET.splitlines()[1:]]
    assert [example.where.rpartition(" ")[2] for example in examples] == list("234567")
    for example in examples:
        assert example.message not in [question for question, _ in example.pairs]
        assert len({answer for _, answer in example.pairs}) == len(example.pairs) == 3
        assert example.found
        assert example.pairs[0][1] != example.answer  # which shares a word, and is wrong


def test_whole_entries_are_held_out():
    examples = [Example("", f"e{at // 3}", f"m{at}", f"a{at // 3}", (("q", f"a{at // 3}"),)) for at in range(60)]
    held = reply.apart(examples, random.Random(1))
    assert len(held) == 6  # two entries of twenty
    entries = {examples[at].entry for at in held}
    assert entries.isdisjoint(example.entry for at, example in enumerate(examples) if at not in held)


def test_judged_queries_are_asked_of_the_index(folder, tmp_path):
    build_index(folder / "sheet.csv", tmp_path / "index", encoder="tfidf?dim=256", retrieval="dense")
    (tmp_path / "queries.csv").write_text("id,text\na,river stone please\nb,nothing\n", encoding="utf-8")
    (tmp_path / "qrels.csv").write_text("query,document,relevance\na,1,1\nb,2,0\n", encoding="utf-8")
    options = replace(OPTIONS, index=str(tmp_path / "index"), qrels=str(tmp_path / "qrels.csv"))
    (example,) = reply.read(tmp_path / "queries.csv", options)
    assert (example.entry, example.message) == ("refund", "river stone please")
    assert example.answer == "Ask Mira within a week. It is free."
    assert example.pairs[0] == ("river stone", example.answer)


@pytest.mark.parametrize(
    ("sheet", "options", "told"),
    [
        ("question,answer\na,one\nb,two\n", OPTIONS, "no wording finds its own entry"),
        (SHEET, replace(OPTIONS, candidates=0), "--candidates are at least 1"),
        (SHEET, replace(OPTIONS, target_length=1), "--target-length at least 2"),
    ],
)
def test_what_cannot_be_learned_is_told(tmp_path, sheet, options, told):
    path = tmp_path / "sheet.csv"
    path.write_text(sheet, encoding="utf-8")
    with pytest.raises(UserError, match=told):
        reply.read(path, options)


def test_places_are_followed_by_hand():
    ids = torch.tensor([[2, 5, 6, 3, 2, 5, 7, 3]])
    start = torch.zeros_like(ids)
    after = follow(start, torch.tensor([[2, 5, 7]]), ids)
    assert after[0].tolist() == [
        [0, 1, 0, 0, 0, 1, 0, 0],  # after 2, both answers begin
        [0, 0, 2, 0, 0, 0, 2, 0],  # after 2 5
        [0, 0, 0, 0, 0, 0, 0, 3],  # after 2 5 7, only the second goes on
    ]
    again = torch.tensor([[5] * (MOST + 4)])
    assert follow(torch.zeros_like(again), again, again)[0, -1].max() == MOST


def test_labels_end_only_where_the_answer_does(folder):
    tokenizer = load_learner(f"bert:{folder / 'bert'}").tokenizer
    whole = labels_of(tokenizer, "press the button", 9)
    assert tokenizer.convert_ids_to_tokens(whole) == ["press", "the", "button", "[SEP]"]
    assert labels_of(tokenizer, "press the button", 3) == whole[:3]
    assert labels_of(tokenizer, "press the button", 4) == whole


def test_probabilities_sum_to_one_and_only_answers_are_copied(folder, learned):
    trained = open_trained(folder / "out")
    model, tokenizer = trained.model, trained.setup.tokenizer
    laid = lay(tokenizer, "apple red", [("apple green", "press the button"), ("river", "ask mira")], 64)
    look = replying._look(model, [2], None, torch.zeros(1, len(laid.ids), dtype=torch.long), _read(model, laid))
    assert look.chances.sum().item() == pytest.approx(1, abs=1e-5)
    copied = {laid.parts[at] for at in np.flatnonzero(look.copied[0].numpy())}
    assert copied == {3, 5}


def _read(model, laid):
    return replying._sources(model, laid, "cpu")


def test_six_answers_are_learned_by_heart(folder, learned):
    before, after = learned["before"], learned["after"]
    assert after["nearest_is_right"] == 0
    assert before["probability"] < 0.9 < after["probability"]
    assert after["whole"] == 1
    assert after["rouge_l"] == after["rouge_l_ko"] == 1
    assert after["next_token"] > 0.95
    assert after["lead_rouge_l"] == after["verbatim_rouge_l"] == 0  # the nearest answers have no word in common
    answers = ["Press the GREY button twice.", "Ask Mira within a week. It is free."]
    (said,) = open_trained(folder / "out").predict(["apple red"], answers)
    assert said["written"] in answers  # as it is written there, capitals and all
    with pytest.raises(UserError, match="--context ANSWER"):
        open_trained(folder / "out").predict(["apple red"])


@pytest.mark.parametrize(
    "sampling", [Sampling(max_tokens=40), Sampling(temperature=1.5, top_p=0.9, max_tokens=40, seed=7)]
)
def test_trying_ahead_changes_nothing(folder, learned, monkeypatch, sampling):
    trained = open_trained(folder / "out")
    pairs = [("apple green", "Press the GREY button twice."), ("river 사과", "칠일 안에 신청하세요.")]
    laid = lay(trained.setup.tokenizer, "cloud stone 구름", pairs, 64)
    quick = list(written(trained.model, laid, sampling))
    monkeypatch.setattr(replying, "AHEAD", 0)
    assert quick == list(written(trained.model, laid, sampling))
    assert len(quick) > 3


def test_no_run_of_tokens_comes_twice(folder):
    encoder = load_learner(f"bert:{folder / 'bert'}")
    torch.manual_seed(1)
    model = Reply(encoder, Shape(1, 1, 1)).eval()
    laid = lay(encoder.tokenizer, "a", [("b", "red red red red red red red red")], 64)
    with torch.no_grad():
        model.spans.copy_(torch.full((MOST + 1,), 0.0))
    said = [token for token, _ in written(model, laid, Sampling(temperature=1.0, no_repeat=2, max_tokens=30))]
    assert len(set(pairwise(said))) == max(0, len(said) - 1)


def test_korean_is_spelled_as_it_stands_however_it_is_cut():
    """With the tokenizer of the default encoder, which takes syllables apart."""
    tokenizer = load_learner("minilm").tokenizer
    answer = "‘설정 > 계정’에서 3일 안에 Reset을 누르세요: https://help.example.com/A?b=1"
    laid = lay(tokenizer, "비밀번호", [("어떻게?", answer)], 200)
    spelling = Spelling(tokenizer, laid)
    places = [at for at, part in enumerate(laid.parts) if part == 3][1:-1]
    assert len(places) > len(answer) / 2
    assert "".join(spelling.piece((laid.ids[at], at)) for at in places) == answer
    assert spelling.source == 0


def test_letters_of_syllables_are_no_own_words():
    tokenizer = load_learner("minilm").tokenizer
    labels = [tokenizer(text)["input_ids"][1:] for text in ("refund 환불", "a refund 환불")]
    words = tokenizer.convert_ids_to_tokens(reply._own_words([{"labels": told} for told in labels], tokenizer))
    assert set(words) == {"[SEP]", "ref", "##und"}


def test_a_killed_run_goes_on_to_the_same_weights(request_of, learned, folder):
    def stop(stage, done=0, of=0):
        if done == 35:
            raise KeyboardInterrupt

    again = replace(request_of, out=folder / "killed")
    with pytest.raises(KeyboardInterrupt):
        train(again, stop)
    found = train(again)
    assert found["resumed_from"] == 30
    assert found["after"] == learned["after"]
    one, other = (load_file(out / replying.WEIGHTS) for out in (folder / "out", folder / "killed"))
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_allclose(other[name], value, atol=1e-5, err_msg=name)


def test_a_frozen_encoder_stays_as_it_was_and_is_not_written(folder, learned):
    model = open_trained(folder / "out").model
    fresh = load_learner(f"bert:{folder / 'bert'}")
    assert model.encoder.fingerprint() == fresh.fingerprint()
    assert not any(name.startswith("encoder.") for name in load_file(folder / "out" / replying.WEIGHTS))
    assert not (folder / "out/encoder").exists()
    other = replying.load(folder / "out", fresh)
    assert other.encoder is fresh
    (folder / "empty").mkdir()
    with pytest.raises(UserError, match=r"no reply\.json.*Type: bot train reply"):
        replying.load(folder / "empty", fresh)


def test_an_encoder_that_learned_too_serves_an_index(request_of, folder, small, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "CACHE", tmp_path / "cache")
    train(replace(request_of, out=tmp_path / "tuned", epochs=2, options=replace(OPTIONS, fine_tune=True)))
    spec = f"bert:{tmp_path / 'tuned' / replying.ENCODER}"
    prints = [open_trained(tmp_path / "tuned").model.encoder.fingerprint(), load_learner(spec).fingerprint()]
    assert prints[0] == prints[1] != load_learner(f"bert:{folder / 'bert'}").fingerprint()
    assert_serves(tmp_path / "tuned" / replying.ENCODER, small, tmp_path / "index")


def test_a_checkpoint_of_another_shape_is_refused(folder, learned, tmp_path):
    make_tiny(tmp_path / "bert", ["other words"], positions=64)
    from transformers import BertConfig, BertModel

    config = BertConfig.from_pretrained(folder / "bert", hidden_size=16)
    encoder = SimpleNamespace(model=BertModel(config))
    real = load_learner(f"bert:{tmp_path / 'bert'}")
    real.model = encoder.model
    with pytest.raises(UserError, match="its decoder cannot be opened"):
        replying.load(folder / "out", real)


def test_metrics_by_hand():
    right, wrong = (Example("", "e", "m", "a", (("q", answer),)) for answer in ("a", "b"))
    data = Data([right, wrong, right], [{"labels": [5, 6, 3]}, {"labels": [7, 3]}, {"labels": [7, 3]}])
    found = reply.metrics([[0.9, 0.4, 0.6], [1e-6, 0.0, -100], [0.5, 1.0, -100]], data, Setup(None, (), OPTIONS, 64))
    assert found == pytest.approx({"probability": (0.9 * 0.4 * 0.6 * 0.5 * 1.0) ** (1 / 5), "next_token": 3 / 5})


def test_the_task_is_made_on_the_module_itself(folder):
    encoder = load_learner(f"bert:{folder / 'bert'}")
    model = reply.model(encoder, Setup(encoder.tokenizer, (), OPTIONS, 64))
    assert model.encoder is encoder
    assert not any(weight.requires_grad for weight in encoder.parameters())
    assert model._table() is encoder.model.get_input_embeddings().weight
