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
    told = []
    found = train(killed, lambda stage, done=0, of=0: told.append(stage))
    assert found["resumed_from"] == 8  # of 15: it was killed in the ninth
    assert any("Resuming" in stage for stage in told)
    expected = train(whole)
    assert (expected["steps"], expected["resumed_from"]) == (found["steps"], 0) == (15, 0)
    one, other = (load_file(out / "model.safetensors") for out in (whole.out, killed.out))
    for name, value in one.items():
        np.testing.assert_allclose(other[name], value, atol=1e-6, err_msg=name)
    assert found["after"] == expected["after"]


def test_an_encoder_that_changed_since_the_kill_is_begun_anew(base, tmp_path):
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
    assert train(request)["resumed_from"] == 0


def disturb(folder):
    """Change one number of a model, at the same path and of the same size."""
    weights = load_file(folder / "model.safetensors")
    next(iter(weights.values())).flat[0] += 1
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


@pytest.mark.parametrize("name", ["train", "corpus", "qrels", "encoder", "teacher"])
def test_all_that_a_run_reads_is_known_by_its_content(base, tmp_path, name):
    """What a killed run goes on with; of a model's folder all but what no model is made of."""
    from bot.training.train import _facts, settled

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
    facts = _facts(request)
    (folders["encoder"] / "notes.md").write_text("mine")
    (folders["teacher"] / "checkpoints").mkdir()
    shutil.copy(base / "bert/model.safetensors", folders["teacher"] / "checkpoints")
    assert _facts(request) == facts == json.loads(json.dumps(facts))
    if name in files:
        files[name].write_text("question,answer\na,c\n", encoding="utf-8")
    else:
        disturb(folders[name])
    changed = _facts(request)
    differing = [at for key in ("data", "models") for at, of in changed[key].items() if facts[key][at] != of]
    assert [at.partition(":")[2].partition("?")[0] or at for at in differing] == [str({**files, **folders}[name])]


def test_a_torn_checkpoint_is_passed_over_and_other_arguments_start_anew(tmp_path):
    out, facts, told = tmp_path / "out", {"arguments": {"seed": 1}}, []
    assert runs.claim(out, facts, told.append) is None
    for step in (2, 4):
        (out / f"checkpoints/checkpoint-{step}").mkdir(parents=True)
    (out / "checkpoints/checkpoint-2/trainer_state.json").write_text("{}")
    (out / "checkpoints/checkpoint-4/trainer_state.json").write_text('{"torn')
    assert runs.claim(out, facts, told.append) == out / "checkpoints/checkpoint-2"
    assert not (out / "checkpoints/checkpoint-4").exists()
    assert told == [f"Resuming the unfinished run in {out} at step 2"]
    assert runs.claim(out, {"arguments": {"seed": 2}}, told.append) is None
    assert not (out / "checkpoints").exists()


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
