"""`indexer calibrate`, `build` and `info` as an owner types them."""

import csv
import json

import pytest
from click.testing import CliRunner

from indexer.cli import main

THINGS = ["invoice", "password", "course", "certificate", "refund", "teacher", "video", "exam", "library", "badge"]


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def index(tmp_path):
    with (tmp_path / "sheet.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "question", "answer"])
        writer.writerows([thing, f"how do I get a {thing}", f"About the {thing}."] for thing in THINGS)
    outcome = run("build", tmp_path / "sheet.csv", "--out", tmp_path / "index", "--encoder", "tfidf")
    assert outcome.exit_code == 0
    assert "Estimate from the sheet alone, for at most 5% wrong answers. About 59 judged messages" in outcome.stderr
    return tmp_path / "index"


def write_queries(folder, count):
    with (folder / "queries.csv").open("w", encoding="utf-8", newline="") as texts:
        csv.writer(texts).writerows(
            [
                ["id", "text"],
                *([number, f"the {THINGS[number % 10]} please, {number} times"] for number in range(count)),
            ]
        )
    with (folder / "qrels.csv").open("w", encoding="utf-8", newline="") as judgements:
        rows = ([number, THINGS[number % 10], 1] for number in range(count))
        csv.writer(judgements).writerows([["query", "document", "relevance"], *rows])
    return "--queries", folder / "queries.csv", "--qrels", folder / "qrels.csv"


def test_judged_messages_make_a_promise(index, tmp_path):
    outcome = run("calibrate", "--index", index, *write_queries(tmp_path, 200))
    assert outcome.exit_code == 0
    assert outcome.stdout.startswith("Promised: at most 5% of the answers given are wrong. 0 of ")
    facts = json.loads(run("calibrate", "--index", index, "--risk", "0.02", "--json").stdout)
    assert (facts["risk"], facts["promised"], facts["judged"], facts["wrong"]) == (0.02, True, 200, 0)
    assert 0 < facts["bound"] <= 0.02
    described = json.loads(run("info", "--index", index, "--json").stdout)
    assert (described["risk"], described["promised"], described["stale"]) == (0.02, True, False)


def test_too_few_messages_are_told_how_many_are_missing(index, tmp_path):
    outcome = run("calibrate", "--index", index, *write_queries(tmp_path, 30))
    assert "No promise of at most 5% wrong answers: 0 of " in outcome.stdout
    assert "more judged messages are missing" in outcome.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--risk", "5"], "--risk 5.0: give the share of answers that may be wrong, 0.001 to 0.5, such as 0.05."),
        (["--qrels", "x.csv"], "--qrels without --queries: name the messages with --queries FILE."),
        (["--queries", "nothing.csv"], "nothing.csv"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_exit_code_2(index, arguments, told):
    outcome = run("calibrate", "--index", index, *arguments)
    assert outcome.exit_code == 2
    assert told in outcome.stderr
    assert len(outcome.stderr.strip().splitlines()) == 1


def test_examples_stand_on_lines_of_their_own():
    assert "\n    indexer build data/qa.csv\n" in run("build", "--help").stdout
