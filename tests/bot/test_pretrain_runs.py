"""Runs of a few seconds: what is learned, what opens afterwards, and what a kill leaves."""

import json
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.numpy import load_file, save_file

from bot.cli import main
from bot.pretrain import checkpoint, running
from bot.pretrain.masking import masker
from bot.pretrain.origin import hash_of
from bot.pretrain.tokenizer import open_tokenizer
from indexer import export
from indexer.build import build_index
from indexer.errors import UserError
from indexer.index import Index

TOPICS = {
    "환불": ("카드", "계좌", "영수증"),
    "배송": ("택배", "주소", "창고"),
    "강의": ("교재", "과제", "수료증"),
    "계정": ("암호", "이메일", "휴대폰"),
}


def write_corpus(path, seed, documents=80):
    """Documents of one topic each: what a sentence is about tells whether it is of the same document."""
    dice = random.Random(seed)
    texts = []
    for _ in range(documents):
        topic, things = dice.choice(list(TOPICS.items()))
        lines = [f"{topic} 때문에 {dice.choice(things)} 확인을 했어요." for _ in range(6)]
        texts.append("\n".join(lines))
    path.write_text("\n\n".join(texts), encoding="utf-8")
    return str(path)


def bot(*arguments):
    return CliRunner().invoke(main, ["pretrain", *map(str, arguments)], catch_exceptions=False)


SIZES = ("--layers", 1, "--hidden", 32, "--heads", 2, "--length", 40, "--batch", 16, "--rate", 5e-3, "--dropout", 0)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A corpus, a tokenizer, and a BERT that learned from it."""
    folder = tmp_path_factory.mktemp("pretrain")
    corpus = write_corpus(folder / "corpus.txt", 1)
    assert bot("tokenizer", corpus, "--out", folder / "tokenizer", "--vocab-size", 200).exit_code == 0
    command = [corpus, "--tokenizer", folder / "tokenizer", "--cache", folder / "cache", *SIZES]
    outcome = bot("bert", *command, "--out", folder / "bert", "--held-out", 0.2, "--steps", 200, "--json")
    (folder / "outcome.json").write_text(outcome.stdout, encoding="utf-8")
    (folder / "stderr.txt").write_text(outcome.stderr, encoding="utf-8")
    return folder


def test_masked_words_and_next_sentences_are_learned(base):
    found = json.loads((base / "outcome.json").read_text("utf-8"))
    before, after = found["before"], found["after"]
    assert before["mlm_accuracy"] < 0.1
    assert after["mlm_accuracy"] > max(0.6, after["mlm_majority"] + 0.2)
    assert after["nsp_accuracy"] > max(0.75, after["nsp_majority"] + 0.2)
    assert (after["nsp_chance"], after["mlm_chance"]) == (0.5, before["mlm_chance"])
    assert after["perplexity"] == pytest.approx(np.exp(after["mlm_loss"]), rel=1e-3)


def test_the_record_names_what_was_done_and_the_checkpoints_are_gone(base):
    record = json.loads((base / "bert/run.json").read_text("utf-8"))
    assert record["arguments"]["rate"] == 5e-3
    assert record["arguments"]["data"] == hash_of(documents_of(base / "corpus.txt"))
    assert set(record["versions"]) == {"python", "torch", "transformers", "tokenizers", "accelerate"}
    assert record["steps"] == 200
    config = json.loads((base / "bert/config.json").read_text("utf-8"))
    sizes = ("num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size", "max_position_embeddings")
    assert [config[name] for name in sizes] == [1, 32, 2, 128, 40]
    assert (config["hidden_dropout_prob"], config["vocab_size"]) == (0, len(open_tokenizer(str(base / "tokenizer"))))
    assert not (base / "bert/checkpoints").exists()
    assert not (base / "bert/plan.json").exists()
    picture = (base / "bert/loss.svg").read_text("utf-8")
    assert picture.startswith("<svg xmlns")
    first, last = (round(entry["eval_loss"], 2) for entry in (evaluated(record)[0], evaluated(record)[-1]))
    assert f"Loss from {first:.2f} to {last:.2f}" in picture


def documents_of(path):
    return [document.split("\n") for document in path.read_text("utf-8").split("\n\n")]


def evaluated(record):
    return [entry for entry in record["history"] if "eval_loss" in entry]


def test_features_are_built_once_and_seen_to_be_reused(base, tmp_path):
    assert (base / "stderr.txt").read_text("utf-8").count("built once") == 2
    command = [base / "corpus.txt", "--tokenizer", base / "tokenizer", "--cache", base / "cache", *SIZES]
    again = bot("bert", *command, "--out", tmp_path / "a", "--held-out", 0.2, "--steps", 1)
    assert (again.stderr.count("built once"), again.stderr.count("reused")) == (0, 2)
    longer = bot("bert", *command, "--out", tmp_path / "b", "--held-out", 0.2, "--steps", 1, "--length", 41)
    assert longer.stderr.count("built once") == 2


def test_the_folder_opens_to_guess_words_and_serves_an_index(base, small, tmp_path, monkeypatch):
    from transformers import AutoModel, AutoTokenizer, BertForMaskedLM

    model, found = BertForMaskedLM.from_pretrained(base / "bert", output_loading_info=True)
    assert not found["missing_keys"]
    tokenizer = AutoTokenizer.from_pretrained(base / "bert")
    batch = tokenizer("배송 [MASK] 택배 확인을 했어요.", return_tensors="pt")
    place = batch["input_ids"][0].tolist().index(tokenizer.mask_token_id)
    with torch.no_grad():
        guess = int(model.eval()(**batch).logits[0, place].argmax())
    assert tokenizer.convert_ids_to_tokens(guess) == "때문에"
    monkeypatch.setattr(export, "CACHE", tmp_path / "exported")
    build_index(small, tmp_path / "index", f"bert:{base / 'bert'}?precision=fp32")
    index = Index.open(tmp_path / "index")
    (found,) = index.search(["환불은 어떻게 받나요?"], 1)
    assert found[0].row.id == "k1"
    text = "배송 때문에 주소 확인을 했어요."
    with torch.no_grad():
        states = AutoModel.from_pretrained(base / "bert").eval()(**tokenizer(text, return_tensors="pt"))[0][0]
    mean = torch.nn.functional.normalize(states.mean(0), dim=0).numpy()
    assert np.allclose(index.encoder.encode([text])[0], mean, atol=1e-4)


def test_going_on_lowers_the_loss_on_a_domain_and_the_encoder_is_one_and_the_same(base, tmp_path):
    from indexer.transformer import load_bert

    domain = tmp_path / "domain.txt"
    domain.write_text("".join(f"대여 기간은 {day} 일 입니다.\n\n" for day in range(1, 60)), encoding="utf-8")
    command = [domain, "--continue-from", f"bert:{base / 'bert'}", "--cache", tmp_path, "--held-out", 0.2]
    outcome = bot("bert", *command, "--out", tmp_path / "more", "--length", 24, "--steps", 60, "--rate", 3e-3, "--json")
    found = json.loads(outcome.stdout)
    assert found["after"]["mlm_loss"] < found["before"]["mlm_loss"] - 1
    assert "nsp_accuracy" not in found["after"]
    prints = {load_bert(str(tmp_path / "more")).fingerprint() for _ in range(2)}
    assert len(prints) == 1
    assert prints != {load_bert(str(base / "bert")).fingerprint()}


def test_masked_words_alone_are_learned_without_next_sentences(base, tmp_path):
    command = [base / "corpus.txt", "--tokenizer", base / "tokenizer", "--cache", tmp_path, *SIZES, "--no-nsp"]
    outcome = bot("bert", *command, "--mask", "token", "--out", tmp_path / "out", "--steps", 60, "--json")
    found = json.loads(outcome.stdout)
    assert found["after"]["mlm_loss"] < found["before"]["mlm_loss"] - 0.5
    assert {name.partition("_")[0] for name in found["after"]} == {"loss", "mlm", "perplexity"}


def test_a_killed_run_goes_on_where_its_last_checkpoint_is(base, tmp_path):
    out = tmp_path / "out"
    command = ["bert", base / "corpus.txt", "--tokenizer", base / "tokenizer", "--cache", tmp_path, *SIZES]
    command = [str(part) for part in (*command, "--out", out, "--steps", 300)]
    code = "from bot.cli import main; main()"
    child = subprocess.Popen([sys.executable, "-c", code, "pretrain", *command], stderr=subprocess.DEVNULL)
    try:
        while not list(out.glob("checkpoints/checkpoint-*/trainer_state.json")):
            assert child.poll() is None, "it ended before it could be killed"
            time.sleep(0.01)
    finally:
        child.kill()
        child.wait()
    assert not (out / "run.json").exists()
    torn = out / "checkpoints/checkpoint-999"  # a kill in the middle of writing leaves one without its state
    torn.mkdir()
    (torn / "trainer_state.json").write_text("{")
    before = json.loads((out / "plan.json").read_text("utf-8"))["before"]
    other = bot(*command, "--rate", 1e-3)
    assert other.exit_code == 2
    assert "unfinished run with rate 0.005, now 0.001" in other.stderr
    last = int(running.last_checkpoint(out / "checkpoints").name.rpartition("-")[2])
    assert 30 <= last < 300
    state = out / f"checkpoints/checkpoint-{last}/trainer_state.json"
    known = json.loads(state.read_text("utf-8"))
    assert known["stateful_callbacks"]["Clock"]["attributes"]["seconds"] > 0
    known["stateful_callbacks"]["Clock"]["attributes"]["seconds"] = 5000.0  # as if the killed process were a slow one
    state.write_text(json.dumps(known), encoding="utf-8")
    again = bot(*command)
    assert again.exit_code == 0
    assert f"going on at step {last}" in again.stderr
    record = json.loads((out / "run.json").read_text("utf-8"))
    assert (record["steps"], record["before"]) == (300, before)
    assert record["seconds"] > 5000
    assert [entry["step"] for entry in evaluated(record)] == [*range(0, 301, 30)]
    assert "finished run" in bot(*command).stderr


@pytest.mark.parametrize(
    ("kind", "source", "told"),
    [
        ("bert", "tokenizer", "whose tokenizer has changed since"),
        ("causal", "tokenizer", "whose tokenizer has changed since"),
        ("bert", "bert", "whose checkpoint to go on from has changed since"),
    ],
)
def test_a_killed_run_does_not_go_on_from_something_else_at_the_same_path(
    base, tmp_path, monkeypatch, kind, source, told
):
    shutil.copytree(base / source, tmp_path / source)
    given = (
        ["--tokenizer", tmp_path / source, *SIZES] if source == "tokenizer" else ["--continue-from", tmp_path / source]
    )
    command = [kind, base / "corpus.txt", *given, "--length", 40, "--cache", tmp_path, "--steps", 2]
    command += ["--out", tmp_path / "out"]
    with monkeypatch.context() as patch:  # as if it were killed before it is written
        patch.setattr(running, "finish", lambda out, *rest: {"after": {}, "before": {}, "steps": 0, "seconds": 0.0})
        assert bot(*command).exit_code == 0
    assert (tmp_path / "out/plan.json").exists()
    if source == "tokenizer":
        bot("tokenizer", base / "corpus.txt", "--out", tmp_path / source, "--kind", "character")
    else:
        weights = load_file(tmp_path / source / "model.safetensors")
        next(iter(weights.values())).flat[0] += 1
        save_file(weights, tmp_path / source / "model.safetensors", {"format": "pt"})
    outcome = bot(*command)
    assert (outcome.exit_code, told in outcome.stderr) == (2, True), outcome.stderr


def test_checkpoints_are_dropped_only_when_the_run_is_written_down(tmp_path, monkeypatch):
    """A disk that is full in the last moment loses no step."""
    (tmp_path / "checkpoints/checkpoint-9").mkdir(parents=True)

    def full(path, value):
        raise OSError("no space left")

    record = {"history": [{"step": 0, "eval_loss": 1.0}], "first": True}
    with monkeypatch.context() as patch:
        patch.setattr(running, "write_json", full)
        with pytest.raises(OSError, match="no space"):
            running.finish(tmp_path, {"arguments": {}}, record, "Loss")
    assert (tmp_path / "checkpoints/checkpoint-9").is_dir()
    running.finish(tmp_path, {"arguments": {}}, record, "Loss")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["loss.svg", "run.json"]


@pytest.mark.parametrize(
    ("name", "told"), [("unfinished.json", "an unfinished run of `bot train`"), ("config.json", "a model")]
)
def test_what_another_command_made_is_left_as_it_is(tmp_path, name, told):
    (tmp_path / name).write_text("{}")
    with pytest.raises(UserError) as error:
        running.begin(tmp_path, {"rate": 1})
    assert str(error.value) == f"{tmp_path} holds {told}. Name another --out, or delete it."
    (tmp_path / name).rename(tmp_path / "notes.json")
    assert running.begin(tmp_path, {"rate": 1}) == {"arguments": {"rate": 1}}


def test_checkpoints_are_limited(base, tmp_path, monkeypatch):
    monkeypatch.setattr(running, "finish", lambda out, *rest: {"after": {}, "before": {}, "steps": 0, "seconds": 0.0})
    command = [base / "corpus.txt", "--tokenizer", base / "tokenizer", "--cache", base / "cache", *SIZES]
    bot("bert", *command, "--out", tmp_path / "out", "--steps", 10)
    assert sorted(path.name for path in (tmp_path / "out/checkpoints").iterdir()) == ["checkpoint-10", "checkpoint-9"]


LENGTHS = [
    *((["--length", length], f"--length {length}: a sequence has at least 8 tokens. Type: --length 128")
      for length in ("0", "1", "2", "7", "-5")),
    (["--held-out", "0"], "--held-out 0: a share between 0 and 1. Type: --held-out 0.05"),
    (["--held-out", "1.5"], "--held-out 1.5: a share between 0 and 1. Type: --held-out 0.05"),
]  # fmt: skip
UNREADABLE = [
    *LENGTHS,
    (["--mask-rate", "15"], "--mask-rate 15: it lies between 0 and 1. Type: --mask-rate 0.15"),
    (["--mask-rate", "0"], "--mask-rate 0: it lies between 0 and 1. Type: --mask-rate 0.15"),
    (["--mask-rate", "nan"], "--mask-rate nan: it lies between 0 and 1. Type: --mask-rate 0.15"),
    (["--copies", "0"], "--copies 0: pairs are drawn at least once. Type: --copies 2"),
]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--tokenizer", "T", "--hidden", "30", "--heads", "4"],
            "--hidden 30 cannot be shared by --heads 4. Type: --heads",
        ),
        (["--tokenizer", "T", "--positions", "16", "--length", "32"], "Type: --length 16"),
        (["--tokenizer", "T", "--dropout", "1"], "--dropout 0.1"),
        (["--tokenizer", "nowhere"], "nowhere: no tokenizer can be opened there"),
        (["--tokenizer", "T", "--continue-from", "B"], "give one of the two"),
        (["--continue-from", "B", "--layers", "2"], "has its own sizes. Leave out --layers"),
        (["--continue-from", "B", "--length", "64"], "Type: --length 40"),
        (["--tokenizer", "T", "--document-per-line"], "--window 20 where the text runs on, or --no-nsp"),
        (["--tokenizer", "T", "--batch", "0"], "above 0"),
        (["--tokenizer", "T", "--held-out", "0.99"], "0.99 of 80 documents leaves 1 to learn from"),
        (["--tokenizer", "T without mask"], "its tokenizer has no mask token. Choose a BERT's, or type: bot pretrain"),
        (["--tokenizer", "T without cls"], "its tokenizer has no cls token"),
        (["--tokenizer", "T without sep"], "its tokenizer has no sep token"),
        (["--tokenizer", "T without pad"], "its tokenizer has no pad token"),
        (["--continue-from", "B without mask", "--length", "32"], "its tokenizer has no mask token"),
        *[
            ([*begun, *given], message)
            for begun in (["--tokenizer", "T"], ["--continue-from", "B"])
            for given, message in UNREADABLE
        ],
    ],
)
def test_what_does_not_fit_together_is_one_line(base, tmp_path, arguments, message):
    named = {"T": base / "tokenizer", "B": base / "bert"}
    for argument in arguments:
        folder, _, kind = argument.partition(" without ")
        if kind:
            named[argument] = without(kind, named[folder], tmp_path / "lacking")
    arguments = [named.get(argument, argument) for argument in arguments]
    outcome = bot("bert", base / "corpus.txt", "--out", tmp_path / "out", "--cache", tmp_path, *arguments)
    assert outcome.exit_code == 2
    assert message in outcome.stderr
    assert "unexpected" not in outcome.stderr


@pytest.mark.parametrize("begun", ["--tokenizer", "--continue-from"])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [*LENGTHS, (["--sample", "0"], "--sample 0: a sample has at least 1 token. Type: --sample 40")],
)
def test_blocks_that_hold_nothing_are_one_line(base, tmp_path, begun, arguments, message):
    # What the checkpoint is comes later: these are refused before anything is opened.
    outcome = bot("causal", base / "corpus.txt", begun, base / "tokenizer", "--out", tmp_path / "out", *arguments)
    assert (outcome.exit_code, outcome.stderr) == (2, f"Error: {message}\n")
    assert not (tmp_path / "out").exists()


def without(kind, source, folder):
    """A folder whose tokenizer lacks one of BERT's tokens."""
    shutil.copytree(source, folder)
    settings = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    del settings[f"{kind}_token"]
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


def test_a_tokenizer_that_ends_no_text_writes_none(base, tmp_path):
    lacking = without("sep", base / "tokenizer", tmp_path / "lacking")
    outcome = bot("causal", base / "corpus.txt", "--tokenizer", lacking, "--out", tmp_path / "out", "--cache", tmp_path)
    assert outcome.exit_code == 2
    assert f"{lacking}: its tokenizer has no end and no sep token" in outcome.stderr


def test_a_vocabulary_of_another_model_is_refused(base, tmp_path):
    mixed = tmp_path / "mixed"
    shutil.copytree(base / "bert", mixed)
    (tmp_path / "many.txt").write_text("".join(map(chr, range(ord("가"), ord("가") + 300))), encoding="utf-8")
    bot("tokenizer", tmp_path / "many.txt", "--out", tmp_path / "larger", "--vocab-size", 4000)
    shutil.copy(tmp_path / "larger/tokenizer.json", mixed)
    outcome = bot("bert", base / "corpus.txt", "--continue-from", mixed, "--out", tmp_path / "out", "--length", 32)
    assert "they are not of one checkpoint" in outcome.stderr


def test_two_processes_train_one_model_and_one_of_them_reports(base, tmp_path):
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    launch += ["--main_process_port", "0"]  # any that is free
    program = Path(sys.executable).with_name("bot")
    told = subprocess.run(
        [*launch, program, "pretrain", "bert", base / "corpus.txt", "--tokenizer", base / "tokenizer", "--cache",
         base / "cache", *map(str, SIZES), "--steps", "10", "--out", tmp_path / "two", "--json"],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr[-2000:]
    found = json.loads(told.stdout)  # one object: the other process is silent
    record = json.loads((tmp_path / "two/run.json").read_text("utf-8"))
    assert (found["processes"], record["processes"], record["steps"]) == (2, 2, 10)
    before = record["before"]  # the mean over both halves, not their sum
    assert before["loss"] == pytest.approx(before["mlm_loss"] + np.log(2), abs=0.1)


def test_without_accelerate_it_says_what_to_install(base, tmp_path, monkeypatch):
    monkeypatch.setattr("bot.pretrain.find_spec", lambda name: None)
    outcome = bot("bert", base / "corpus.txt", "--tokenizer", base / "tokenizer", "--out", tmp_path / "out")
    assert (outcome.exit_code, "pip install 'mundap[train]'" in outcome.stderr) == (2, True)


def test_a_gpt_is_learned_and_goes_on(base, tmp_path):
    sizes = ["--layers", 1, "--hidden", 32, "--heads", 2, "--length", 40, "--batch", 16, "--rate", 5e-3]
    command = [base / "corpus.txt", "--cache", tmp_path, "--prompt", "배송 때문에", "--json", "--steps", 80]
    outcome = bot("causal", *command, *sizes, "--tokenizer", base / "tokenizer", "--out", tmp_path / "gpt")
    found = json.loads(outcome.stdout)
    assert found["before"]["perplexity"] > 50
    assert all(
        np.exp(part["loss"]) == pytest.approx(part["perplexity"], rel=1e-3)
        for part in (found["before"], found["after"])
    )
    assert found["after"]["perplexity"] < 5
    assert found["sample_after"].startswith("배송 때문에")
    assert found["sample_after"] != found["sample_before"]
    assert set(found["sample_after"].split()[2:3]) <= {thing for things in TOPICS.values() for thing in things}
    assert set(open_tokenizer(str(tmp_path / "gpt"))("배송")) == {"input_ids", "attention_mask"}
    command = [base / "corpus.txt", "--cache", tmp_path, "--json", "--steps", 5, "--length", 40]
    outcome = bot("causal", *command, "--continue-from", tmp_path / "gpt", "--out", tmp_path / "more")
    assert json.loads(outcome.stdout)["before"]["perplexity"] == pytest.approx(found["after"]["perplexity"], rel=1e-3)
    outcome = bot("causal", *command, "--continue-from", base / "bert", "--out", tmp_path / "wrong")
    assert "bot pretrain bert --continue-from" in outcome.stderr


def test_new_tokens_stay_whole_and_begin_as_the_mean_of_their_pieces(base, tmp_path):
    from transformers import AutoModel, AutoTokenizer, BertForPreTraining

    old, old_model = AutoTokenizer.from_pretrained(base / "bert"), AutoModel.from_pretrained(base / "bert").eval()
    outcome = bot("extend", base / "bert", "--tokens", "[환불], 환불배송", "--out", tmp_path / "new", "--json")
    found = json.loads(outcome.stdout)
    new, model = AutoTokenizer.from_pretrained(tmp_path / "new"), AutoModel.from_pretrained(tmp_path / "new").eval()
    assert found["vocabulary"] == [len(old), len(old) + 2]
    assert new.tokenize("저 [환불] 환불배송") == [*old.tokenize("저"), "[환불]", "환불배송"]
    table, was = model.get_input_embeddings().weight, old_model.get_input_embeddings().weight
    assert table.shape[0] == len(old) + 2
    assert torch.equal(table[: len(old)], was)
    for token in ("[환불]", "환불배송"):
        pieces = old(token, add_special_tokens=False)["input_ids"]
        assert torch.allclose(table[new.convert_tokens_to_ids(token)], was[pieces].mean(0))
    text = "배송 때문에 주소 확인을 했어요."
    with torch.no_grad():
        assert torch.equal(model(**new(text, return_tensors="pt"))[0], old_model(**old(text, return_tensors="pt"))[0])
    _, info = BertForPreTraining.from_pretrained(tmp_path / "new", output_loading_info=True)
    assert not info["missing_keys"]
    assert (
        "in the vocabulary already" in bot("extend", base / "bert", "--tokens", "환불", "--out", tmp_path / "x").stderr
    )


def test_token_types_for_entities_begin_as_the_first(base, tmp_path):
    from transformers import AutoModel, AutoTokenizer

    bot("extend", base / "bert", "--tokens", "[E1]", "--out", tmp_path / "new", "--types", 4, "--special")
    tokenizer, model = (
        AutoTokenizer.from_pretrained(tmp_path / "new"),
        AutoModel.from_pretrained(tmp_path / "new").eval(),
    )
    added = tokenizer.convert_tokens_to_ids("[E1]")
    assert tokenizer.decode(tokenizer("배송 [E1] 주소")["input_ids"], skip_special_tokens=True) == "배송 주소"
    assert added in masker(tokenizer, 0.15, True).special
    batch = tokenizer("배송 [E1] 주소", return_tensors="pt")
    with torch.no_grad():
        plain = model(**batch)[0]
        batch["token_type_ids"][0, 2] = 3
        assert torch.allclose(model(**batch)[0], plain)
    outcome = bot("extend", base / "bert", "--tokens", "[E1]", "--out", tmp_path / "x", "--types", 2)
    assert "2 token types: the model has 2 of them already" in outcome.stderr


def test_an_unknown_checkpoint_is_one_line(tmp_path):
    outcome = bot("extend", tmp_path, "--tokens", "[E1]", "--out", tmp_path / "x")
    assert (outcome.exit_code, "unexpected" in outcome.stderr) == (2, False)
    with pytest.raises(UserError, match="names no model"):
        checkpoint("bert:")
