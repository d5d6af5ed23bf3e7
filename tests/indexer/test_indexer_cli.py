"""The command `indexer`, as a person and as a program use it."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from indexer.cli import main

SPEC = "tfidf?dim=256"


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def index(small, tmp_path):
    folder = tmp_path / "index"
    outcome = run("build", small, "--out", folder, "--encoder", SPEC, "--json")
    assert outcome.exit_code == 0, outcome.stderr
    assert json.loads(outcome.stdout)["rows"] == 6
    return folder


def test_build_names_the_rows_it_leaves_out_and_exits_with_0(tmp_path):
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("question,answer\nHow?,So.\n,No question\nWhat?,\n", encoding="utf-8")
    outcome = run("build", sheet, "--out", tmp_path / "index", "--encoder", SPEC)
    assert outcome.exit_code == 0
    assert "row 3" in outcome.stderr
    assert "row 4" in outcome.stderr
    assert "1 rows, 1 entries, 2 left out" in outcome.stdout


def test_search_json(index):
    outcome = run("search", "I want my money back", "--index", index, "-k", 2, "--json")
    found = json.loads(outcome.stdout)
    assert (found["query"], found["generation"]) == ("I want my money back", 1)
    assert len(found["candidates"]) == 2
    first = found["candidates"][0]
    assert (first["id"], first["entry"], first["answer"]) == ("r2", "refund", "Ask within 7 days.")
    assert {"question", "score", "rank_score", "url", "lang"} <= first.keys()


def test_search_text_shows_korean(index):
    outcome = run("search", "수료증", "--index", index, "-k", 1)
    assert "수료증은 어디서 받나요?" in outcome.stdout


def test_evaluate_one_index_and_several(index, tmp_path):
    (tmp_path / "q.csv").write_text(
        "id,text,lang\n1,How do I get a refund?,en\n2,weather,en\n3,수료증,ko\n", encoding="utf-8"
    )
    (tmp_path / "r.csv").write_text("query,document,relevance\n1,r2,1\n3,k2,1\n", encoding="utf-8")
    judged = ["--queries", tmp_path / "q.csv", "--qrels", tmp_path / "r.csv"]
    one = json.loads(run("evaluate", "--index", index, *judged, "--json").stdout)
    assert (one["queries"], one["off_topic"], one["recall@1"]) == (2, 1, 1.0)
    two = json.loads(run("evaluate", "--index", f"{index},{index}", *judged, "--json", "--by", "lang").stdout)
    assert [item["recall@1"] for item in two] == [1.0, 1.0]
    assert two[0]["by"]["lang"]["ko"]["queries"] == 1
    table = run("evaluate", "--index", index, *judged, "--by", "lang").stdout
    assert "recall@1" in table
    assert "lang=ko" in table


def test_check_exits_with_1_where_a_row_needs_mending(small, tmp_path):
    assert run("check", small).exit_code == 0
    small.write_text(small.read_text("utf-8") + "b1,bad,,no question,en,\n", encoding="utf-8")
    outcome = run("check", small, "--json")
    assert outcome.exit_code == 1
    findings = json.loads(outcome.stdout)["findings"]
    assert [(item["kind"], item["row"]) for item in findings if item["severity"] == "mend"] == [("empty-question", 8)]
    assert "8" in run("check", small, "--lang", "ko").stdout


def test_info_and_verify(index):
    facts = json.loads(run("info", "--index", index, "--json").stdout)
    assert (facts["rows"], facts["entries"], facts["encoder"], facts["languages"]) == (
        6,
        4,
        SPEC,
        {"ko": 2, "en": 4},
    )
    assert "encoder" in run("info", "--index", index).stdout
    whole = run("verify", "--index", index)
    assert whole.exit_code == 0
    assert "is whole: 6 rows" in whole.stdout
    (index / "generations/000001/entries.npy").unlink()
    broken = run("verify", "--index", index)
    assert broken.exit_code == 1
    assert "entries.npy is missing" in broken.stdout
    assert run("verify", "--index", index, "--repair").exit_code == 0
    assert run("search", "refund", "--index", index).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["search", "x", "--index", "nowhere"], "there is no index at nowhere. Type: indexer build"),
        (["build", "nowhere.csv"], "nowhere.csv"),
        (["build", "."], "."),
        (["check", "nowhere.csv"], "nowhere.csv"),
        (["evaluate", "--queries", "nowhere.csv"], "no"),
        (["build"], "Missing argument 'SHEET'"),
        (["serve"], "No such command 'serve'"),
    ],
)
def test_unusable_input_is_one_line_and_exit_code_2(arguments, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = run(*arguments)
    assert outcome.exit_code == 2
    assert says in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert not outcome.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", sorted(main.commands))
def test_every_command_has_help_with_an_example(command):
    text = run(command, "--help").stdout
    assert f"indexer {command}" in text.partition("Example:")[2]


def test_help_loads_nothing_heavy():
    code = """
import sys
from indexer.cli import main
main.main(["--help"], standalone_mode=False)
sys.exit(sorted({"numpy", "torch", "transformers", "sqlite3", "faiss"} & sys.modules.keys()) or 0)
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_a_fault_of_ours_is_one_line_too(index, monkeypatch):
    from indexer.index import Index

    def fail(*_):
        raise ZeroDivisionError("nobody foresaw\nthis")

    monkeypatch.setattr(Index, "search", fail)
    outcome = run("search", "x", "--index", index)
    assert outcome.exit_code == 2
    assert outcome.stderr.splitlines() == [
        "Error: unexpected ZeroDivisionError: nobody foresaw this. Please report this with the command that you typed."
    ]
