"""`bot train`, `bot predict`, `bot classify`: the folder, a killed run, what is printed and what is refused."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import load_file, save_file
from tiny_bert import make_tiny

from bot.cli import main
from bot.learning import runs
from bot.tasks import similarity
from bot.training import curves
from bot.training.train import Request, train
from indexer import fingerprint
from indexer.errors import UserError

ROWS = [
    ("the parcel came early", "glad"), ("the parcel never came", "upset"), ("상자가 부서졌어요", "upset"),
    ("포장이 예뻐요", "glad"), ("it came broken", "upset"), ("lovely wrapping", "glad"),
]  # fmt: skip
KILLED = """
import os, pickle, signal, sys
from bot.training.train import train

def progress(stage, done=0, of=0):
    if done == 9:
        os.kill(os.getpid(), signal.SIGKILL)

train(pickle.load(sys.stdin.buffer), progress)
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("train")
    make_tiny(folder / "bert", [text for text, _ in ROWS])
    lines = [json.dumps({"text": text, "label": label}, ensure_ascii=False) for text, label in ROWS]
    (folder / "rows.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


@pytest.fixture
def arguments(base, tmp_path):
    rows, out = str(base / "rows.jsonl"), str(tmp_path / "out")
    return ["train", "classify", "--train", rows, "--dev", rows, "--out", out, "--encoder", f"bert:{base / 'bert'}",
            "--epochs", "5", "--batch", "3", "--rate", "0.003", "--patience", "0"]  # fmt: skip


def test_scores_before_and_after_on_stdout_and_in_the_folder(base, arguments, tmp_path):
    outcome = CliRunner().invoke(main, [*arguments, "--json"])
    assert outcome.exit_code == 0, outcome.stderr
    printed = json.loads(outcome.stdout)
    assert list(printed) == ["before", "after"]
    assert "Training" in outcome.stderr
    run = json.loads((tmp_path / "out/run.json").read_text("utf-8"))
    assert {"before": run["before"], "after": run["after"]} == printed
    assert run["data"] == {str(base / "rows.jsonl"): fingerprint.of_file(base / "rows.jsonl")}
    assert (run["task"], run["steps"], run["resumed_from"]) == ("classify", 10, 0)
    assert run["arguments"]["rate"] == 0.003
    assert run["arguments"]["options"] == {"text": "text", "label": "label"}
    assert run["examples"] == {"train": 6, "dev": 6}
    assert set(run["versions"]) >= {"python", "mundap", "torch", "transformers", "accelerate", "datasets"}
    assert run["pictures"] == ["confusion.svg", "learning-curve.svg"]
    for name in run["pictures"]:
        ElementTree.parse(tmp_path / "out" / name)
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert not left & {"checkpoints", "unfinished.json", "unfinished.partial"}


def test_bfloat16_computes_otherwise_and_keeps_whole_weights(arguments, tmp_path):
    """On a CPU too, where it is asked for: other numbers than in float32, from the same seed."""
    assert CliRunner().invoke(main, [*arguments, "--no-bf16"]).exit_code == 0
    other = [str(tmp_path / "half") if word == str(tmp_path / "out") else word for word in arguments]
    outcome = CliRunner().invoke(main, [*other, "--bf16"])
    assert outcome.exit_code == 0, outcome.stderr
    assert [json.loads((tmp_path / name / "run.json").read_text("utf-8"))["arguments"]["bf16"]
            for name in ("out", "half")] == [False, True]  # fmt: skip
    whole, half = (load_file(tmp_path / name / "model.safetensors") for name in ("out", "half"))
    assert {str(value.dtype) for value in half.values()} == {"float32"}
    name = "classifier.weight"
    assert 0 < np.abs(whole[name] - half[name]).max() < 0.1


def test_a_table_before_and_after_for_people(arguments, tmp_path):
    outcome = CliRunner().invoke(main, arguments)
    lines = outcome.stdout.splitlines()
    assert lines[0].split() == ["before", "after"]
    assert [line.split()[0] for line in lines[1:]] == ["accuracy", "f1"]
    shown = CliRunner().invoke(main, ["predict", str(tmp_path / "out"), "it came early", "never"])
    assert shown.exit_code == 0
    assert shown.stdout.startswith("it came early\n")
    assert shown.stdout.count("%  glad") == shown.stdout.count("%  upset") == 2


def test_predictions_as_json_name_every_label(arguments, tmp_path):
    CliRunner().invoke(main, arguments)
    outcome = CliRunner().invoke(main, ["predict", str(tmp_path / "out"), "포장이 예뻐요", "--json"])
    (found,) = json.loads(outcome.stdout)
    assert set(found["probabilities"]) == {"glad", "upset"}
    assert sum(found["probabilities"].values()) == pytest.approx(1)
    assert "포장이" in outcome.stdout


def test_a_killed_run_goes_on_to_the_same_weights(base, tmp_path):
    """Against a run of the same seed that nobody killed; dropout is on, so the state of the draw counts too."""
    import pickle

    rows = base / "rows.jsonl"
    whole = Request("classify", rows, tmp_path / "whole", rows, f"bert:{base / 'bert'}", 5, 2, 3e-3, seed=3, patience=0)
    killed = replace(whole, out=tmp_path / "killed")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.run(
        [sys.executable, "-c", KILLED], input=pickle.dumps(killed), capture_output=True, env=environment, check=False
    )
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()
    with pytest.raises(UserError, match=r"killed: its training was not finished\. Type the same"):
        runs.read_run(killed.out)
    state = killed.out / "checkpoints/checkpoint-8/trainer_state.json"
    known = json.loads(state.read_text("utf-8"))
    spent = known["stateful_callbacks"]["Clock"]["attributes"]
    assert spent["seconds"] > 0
    spent["seconds"] = 5000.0  # as if the killed process had been a slow one
    state.write_text(json.dumps(known), encoding="utf-8")
    told = []
    found = train(killed, lambda stage, done=0, of=0: told.append(stage))
    assert found["resumed_from"] == 8  # of 15: it was killed in the ninth
    assert found["seconds"] > 5000
    assert any("Resuming" in stage for stage in told)
    expected = train(whole)
    assert (expected["steps"], expected["resumed_from"]) == (found["steps"], 0) == (15, 0)
    assert expected["seconds"] < 5000
    one, other = (load_file(out / "model.safetensors") for out in (whole.out, killed.out))
    for name, value in one.items():
        np.testing.assert_allclose(other[name], value, atol=1e-6, err_msg=name)
    assert found["after"] == expected["after"]


def test_an_encoder_that_changed_since_the_kill_is_not_gone_on_with(base, tmp_path):
    def stop(stage, done=0, of=0):
        if done == 5:
            raise KeyboardInterrupt

    rows = base / "rows.jsonl"
    shutil.copytree(base / "bert", tmp_path / "bert")
    request = Request("classify", rows, tmp_path / "out", rows, f"bert:{tmp_path / 'bert'}", 5, 3, 3e-3, patience=0)
    with pytest.raises(KeyboardInterrupt):
        train(request, stop)
    assert (tmp_path / "out/checkpoints/checkpoint-4").is_dir()
    disturb(tmp_path / "bert")
    with pytest.raises(
        UserError, match=r"out: it holds an unfinished run whose bert:\S+bert has changed since\. Go on"
    ):
        train(request)
    assert (tmp_path / "out/checkpoints/checkpoint-4").is_dir()


def disturb(folder):
    """Change one number of a model, at the same path and of the same size."""
    weights = load_file(folder / "model.safetensors")
    next(iter(weights.values())).flat[0] += 1
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


@pytest.mark.parametrize("name", ["train", "corpus", "qrels", "encoder", "teacher"])
def test_all_that_a_run_reads_is_known_by_its_content(base, tmp_path, name):
    """What a killed run goes on with; of a model's folder all but what no model is made of."""
    from bot.training.request import facts_of, settled

    files = {each: tmp_path / f"{each}.csv" for each in ("train", "corpus", "qrels")}
    folders = {each: tmp_path / each for each in ("encoder", "teacher")}
    for path in files.values():
        path.write_text("question,answer\na,b\n", encoding="utf-8")
    for path in folders.values():
        shutil.copytree(base / "bert", path)
    named = {each: str(files[each]) for each in ("corpus", "qrels")}
    options = similarity.Options(teacher=f"bert:{folders['teacher']}?pooling=cls", **named)
    encoder = f"bert:{folders['encoder']}"
    request, _ = settled(Request("similarity", files["train"], tmp_path / "out", encoder=encoder, options=options))
    facts = facts_of(request)
    (folders["encoder"] / "notes.md").write_text("mine")
    (folders["teacher"] / "checkpoints").mkdir()
    shutil.copy(base / "bert/model.safetensors", folders["teacher"] / "checkpoints")
    assert facts_of(request) == facts == json.loads(json.dumps(facts))
    if name in files:
        files[name].write_text("question,answer\na,c\n", encoding="utf-8")
    else:
        disturb(folders[name])
    changed = facts_of(request)
    differing = [at for key in ("data", "models") for at, of in changed[key].items() if facts[key][at] != of]
    assert [at.partition(":")[2].partition("?")[0] or at for at in differing] == [str({**files, **folders}[name])]


def test_a_torn_checkpoint_is_passed_over_and_a_whole_one_is_kept_from_other_arguments(tmp_path):
    out, facts, told = tmp_path / "out", {"arguments": {"seed": 1}}, []
    assert runs.claim(out, facts, told.append) is None
    for step in (2, 4):
        (out / f"checkpoints/checkpoint-{step}").mkdir(parents=True)
    (out / "checkpoints/checkpoint-2/trainer_state.json").write_text("{}")
    (out / "checkpoints/checkpoint-4/trainer_state.json").write_text('{"torn')
    assert runs.claim(out, facts, told.append) == out / "checkpoints/checkpoint-2"
    assert not (out / "checkpoints/checkpoint-4").exists()
    assert told == [f"Resuming the unfinished run in {out} at step 2"]
    with pytest.raises(UserError, match=rf"unfinished run with --seed 1, now --seed 2\. Go on .* or delete {out}\."):
        runs.claim(out, {"arguments": {"seed": 2}}, told.append)
    assert runs.claim(out, facts, told.append) == out / "checkpoints/checkpoint-2"
    (out / "checkpoints/checkpoint-2/trainer_state.json").unlink()
    assert runs.claim(out, {"arguments": {"seed": 2}}, told.append) is None  # no step of it is lost
    assert not (out / "checkpoints").exists()
    assert json.loads((out / "unfinished.json").read_text("utf-8")) == {"arguments": {"seed": 2}}


FACTS = {
    "task": "classify", "arguments": {"dev": None, "rate": 0.1, "frozen": False, "options": {"label": "label"}},
    "data": {"a.tsv": "1"}, "models": {"bert:b": "2"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ({}, ""),
        ({"task": "tag"}, "of `bot train classify`"),
        ({"arguments": {**FACTS["arguments"], "rate": 0.2}}, "with --rate 0.1, now --rate 0.2"),
        ({"arguments": {**FACTS["arguments"], "dev": "d.tsv"}}, "with no --dev, now --dev d.tsv"),
        ({"arguments": {**FACTS["arguments"], "frozen": True}}, "with no --frozen, now --frozen"),
        ({"arguments": {**FACTS["arguments"], "options": {"label": "x_y"}}}, "with --label label, now --label x_y"),
        ({"data": {"a.tsv": "3"}}, "whose a.tsv has changed since"),
        ({"models": {}}, "whose bert:b has changed since"),
    ],
)
def test_what_sets_two_runs_apart_is_named_as_it_is_typed(tmp_path, now, said):
    assert runs.difference(FACTS, {**FACTS, **now}) == said
    runs.finish(tmp_path, {**FACTS, "after": {}})
    if said:
        with pytest.raises(UserError) as error:
            runs.check(tmp_path, {**FACTS, **now})
        known = f"--out {tmp_path}: it holds a finished run {said}. Name another --out, or delete {tmp_path}."
        assert str(error.value) == known
    else:
        runs.check(tmp_path, FACTS)


def test_a_finished_folder_is_made_again_by_its_own_command_alone(arguments, tmp_path):
    """And what is left behind by a kill in its last moment is no place to go on from."""
    out = tmp_path / "out"
    assert CliRunner().invoke(main, arguments).exit_code == 0
    before = (out / "model.safetensors").read_bytes()
    outcome = CliRunner().invoke(main, [*arguments, "--seed", "2"])
    assert outcome.exit_code == 2
    assert f"Error: --out {out}: it holds a finished run with --seed 1, now --seed 2. Name another" in outcome.stderr
    assert (out / "model.safetensors").read_bytes() == before
    (out / "checkpoints/checkpoint-2").mkdir(parents=True)
    (out / "checkpoints/checkpoint-2/trainer_state.json").write_text("{}")
    (out / "model.safetensors").unlink()
    assert CliRunner().invoke(main, arguments).exit_code == 0
    assert (out / "model.safetensors").read_bytes() == before
    assert json.loads((out / "run.json").read_text("utf-8"))["resumed_from"] == 0


@pytest.mark.parametrize("inside", ["", "encoder", ".."])
def test_a_model_is_never_trained_into_the_folder_that_it_is_read_from(base, tmp_path, inside):
    shutil.copytree(base / "bert", tmp_path / "runs/bert")
    before = sorted((tmp_path / "runs").rglob("*"))
    rows, out = base / "rows.jsonl", (tmp_path / "runs/bert" / inside).resolve()
    with pytest.raises(UserError, match=r"^--out \S+ and --encoder bert:\S+: one folder, or one in the other\. Name"):
        train(Request("classify", rows, out, rows, f"bert:{tmp_path / 'runs/bert'}?pooling=cls"))
    options = similarity.Options(teacher=f"bert:{tmp_path / 'runs/bert'}")
    with pytest.raises(UserError, match="--teacher"):
        train(Request("similarity", rows, out, rows, f"bert:{base / 'bert'}", options=options))
    assert sorted((tmp_path / "runs").rglob("*")) == before


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ({"mask_rate": 0.15}, "Fine-tune it: bot train TASK --encoder bert:{} --train FILE --out DIR"),
        ({"sample": 40, "prompt": ""}, "It goes on with texts: --generator causal:{}"),
    ],
)
def test_a_pretrained_folder_is_named_as_what_it_is_and_left_as_it_is(arguments, tmp_path, record, told):
    out = tmp_path / "out"
    out.mkdir()
    (out / "run.json").write_text(json.dumps({"arguments": record, "before": {}, "after": {}}))
    outcome = CliRunner().invoke(main, ["predict", str(out), "hello"])
    assert outcome.exit_code == 2
    assert f"{out}: it holds a model of `bot pretrain`, which has learned no task. {told.format(out)}" in outcome.stderr
    outcome = CliRunner().invoke(main, arguments)
    assert f"--out {out}: it holds a model of `bot pretrain`. Name another --out, or delete {out}." in outcome.stderr
    assert [path.name for path in out.iterdir()] == ["run.json"]


def test_a_folder_with_other_things_is_left_alone(arguments, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.txt").write_text("mine")
    outcome = CliRunner().invoke(main, arguments)
    assert outcome.exit_code == 2
    assert "holds something else than a trained model" in outcome.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]


def test_without_dev_a_tenth_is_held_out_and_a_limit_draws(base, tmp_path):
    rows = tmp_path / "many.jsonl"
    rows.write_text("\n".join([(base / "rows.jsonl").read_text("utf-8")] * 5), encoding="utf-8")
    found = train(Request("classify", rows, tmp_path / "out", None, f"bert:{base / 'bert'}", 1, limit=9, balanced=True))
    assert found["examples"] == {"train": 9, "dev": 3}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["train", "clasify", "--train", "x"], "unknown task 'clasify': choose one of choose, classify, pair"),
        (["train", "classify", "--train", "none.jsonl", "--out", "o"], "none.jsonl: there is no such file"),
        (["predict", "none", "hello"], "none: there is no model that `bot train` made"),
    ],
)
def test_what_cannot_be_is_one_line(more, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = CliRunner().invoke(main, more)
    assert outcome.exit_code == 2
    assert outcome.stderr.splitlines()[-1].startswith(f"Error: {message}")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"max_length": 4}, "--max-length 4: give at least 8"),
        ({"seed": -1}, "--seed -1"),
        ({"encoder": "tfidf"}, "encoder 'tfidf' cannot be fine-tuned: choose minilm, bilingual, bert:PATH or sbert:"),
        ({"encoder": "bert:/nowhere/at/all"}, "model '/nowhere/at/all' is not on this machine"),
    ],
)
def test_arguments_that_cannot_be(base, tmp_path, more, message, monkeypatch):
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    request = Request("classify", base / "rows.jsonl", tmp_path / "out", encoder=f"bert:{base / 'bert'}")
    with pytest.raises(UserError, match=message):
        train(replace(request, **more))


def test_a_package_that_is_not_installed_has_no_version(monkeypatch):
    from importlib import metadata

    def version(name):
        if name in ("datasets", "mundap"):
            raise metadata.PackageNotFoundError(name)
        return "1.2"

    monkeypatch.setattr(metadata, "version", version)
    assert set(runs.versions()) == {"python", "torch", "transformers", "accelerate", "sentence-transformers"}


def test_missing_packages_say_what_to_type(monkeypatch):
    from bot.learning import task

    monkeypatch.setattr(task, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs accelerate, .* pip install 'mundap\[train\]'"):
        task.needs("accelerate")


def test_a_task_of_single_texts_refuses_a_context(arguments, tmp_path):
    CliRunner().invoke(main, arguments)
    outcome = CliRunner().invoke(main, ["predict", str(tmp_path / "out"), "x", "--context", "y"])
    assert (outcome.exit_code, "leave --context out" in outcome.stderr) == (2, True)


def test_help_names_the_tasks_and_their_own_options():
    assert "classify" in CliRunner().invoke(main, ["train", "--help"]).stdout
    shown = CliRunner().invoke(main, ["train", "read", "--help"]).stdout
    assert "--longest-answer INTEGER" in shown
    assert "bot train read --train train.jsonl" in shown


@pytest.mark.parametrize(
    ("task", "shown", "hidden"),
    [
        (
            "classify",
            ["[default: 3; with --frozen 100]", "[default: 16; with --frozen 64]", "5e-05; with --frozen 0.002",
             "of a text. [default: 128]", "--balanced", "--frozen"],
            [],
        ),
        ("pair", ["[default: 4; with --frozen 100]", "--balanced"], []),
        ("read", ["of a text. [default: 256]", "--frozen"], ["--balanced"]),
        ("relate", ["--balanced", "[default: 5e-05]"], ["--frozen"]),
        ("seq2seq", ["data. [default: 10]", "rate. [default: 0.0003]"], ["--balanced", "--frozen"]),
        ("reply", ["data. [default: 2]", "step. [default: 8]", "rate. [default: 0.0005]"], ["--balanced", "--frozen"]),
        (
            "similarity",
            ["data. [default: 2]", "step. [default: 32]", "rate. [default: 2e-05]", "of a text. [default: 64]"],
            ["--balanced", "--frozen"],
        ),
    ],
)  # fmt: skip
def test_help_states_the_defaults_that_the_task_learns_with(task, shown, hidden):
    said = " ".join(CliRunner().invoke(main, ["train", task, "--help"]).stdout.split())
    assert [words for words in shown if words not in said] == []
    assert [words for words in hidden if f"{words} " in said] == []


def test_what_a_task_cannot_do_is_refused_before_anything_is_read(tmp_path):
    request = Request("choose", tmp_path / "none.csv", tmp_path / "out")
    with pytest.raises(UserError, match="--frozen: choose trains the encoder itself"):
        train(replace(request, frozen=True))
    with pytest.raises(UserError, match="--balanced weighs labels, and choose has none"):
        train(replace(request, balanced=True))


def test_the_confusion_matrix_counts_and_shows_the_most_confused():
    picture = curves.confusion([0, 0, 1, 1], [0, 1, 1, 1], ["a & b", "c"])
    assert "a &amp; b → c: 1 of 2" in picture
    assert "3 of 4 are right" in picture
    labels = [f"label {at}" for at in range(50)]
    picture = curves.confusion([*range(50), 48], [*range(50), 3], labels)
    assert "the 20 most confused of 50" in picture
    assert "label 48 → label 3: 1 of 2" in picture
    ElementTree.fromstring(picture)


def test_the_learning_curve_names_its_best_score():
    history = [
        {"step": 1, "loss": 2.0},
        {"step": 1, "eval_loss": 2.5, "eval_f1": 0.25},
        {"step": 2, "eval_loss": 2.0, "eval_f1": 0.5},
    ]
    picture = curves.learning(history, "f1")
    assert "the best f1 is 0.500" in picture
    ElementTree.fromstring(picture)


def test_several_processes_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"text": "a", "label": 1}\n{"text": "b", "label": 0}\n', encoding="utf-8")
    outcome = CliRunner().invoke(main, ["train", "classify", "--train", str(rows), "--out", str(tmp_path / "out")])
    assert outcome.exit_code == 2
    assert "bot train learns in one process, and several were started." in outcome.stderr
    assert not (tmp_path / "out").exists()
