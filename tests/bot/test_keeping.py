"""`bot journal show | export`, and the journal of the terminal."""

import csv
import io
import json

import pytest
from click.testing import CliRunner

from bot import answer as answers
from bot.answer import Answer
from bot.cli import main
from bot.commands import journal as keeping
from bot.journal import Journal
from bot.journal.reading import exchanges
from indexer.build import build_index
from indexer.confidence import Judgement, judge


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A journal of four exchanges, which the settings name."""
    path = tmp_path / "journal.db"
    monkeypatch.setenv("MUNDAP_JOURNAL", str(path))
    journal = Journal(path)
    offered = [{"id": "r1", "entry": "refund", "score": 0.5, "rank_score": 0.6}]
    for message, decision, channel in (
        ("환불은 어떻게 받나요?\n두 줄", "answer", "chat"),
        ("=1+1", "abstain", "slack"),
        ("which of these, please? " + "long " * 50, "choose", "api"),
        ("\x1b[31mred\u202e", "abstain", "api"),
    ):
        answer = Answer(decision, "-text", 0.934, offered, (), {"generation": 1})
        exchange = journal.record(message, answer, channel, None, 12.6)
        if decision == "choose":
            journal.choose(exchange, "r1")
        if channel == "slack":
            journal.vote(exchange, "down")
    journal.close()
    return path


def run(*arguments, **options):
    outcome = CliRunner().invoke(main, ["journal", *arguments], **options)
    assert "Traceback" not in outcome.output
    return outcome


def test_the_newest_are_shown_a_line_each(path):
    lines = run("show", "--last", "3", env={"COLUMNS": "90"}).stdout.splitlines()
    assert lines[0].split() == ["time", "(UTC)", "channel", "decision", "sure", "ms", "+-", "message"]
    told = [line.split()[2:] for line in lines[1:4]]
    assert told[0] == ["slack", "abstain", "93%", "13", "-", "=1+1"]
    assert told[1][:8] == ["api", "choose", "93%", "13", "*", "which", "of", "these,"]
    assert told[2] == ["api", "abstain", "93%", "13", "[31mred"]  # what steers a terminal is left out
    assert lines[2].endswith("…")
    assert all(len(line) <= 90 for line in lines)
    assert lines[4] == "* one of the offered questions was clicked"
    assert len(lines) == 5


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        (["--decision", "abstain"], ["=1+1", "\x1b[31mred\u202e"]),
        (["--channel", "chat"], ["환불은 어떻게 받나요?\n두 줄"]),
        (["--channel", "api", "--decision", "abstain"], ["\x1b[31mred\u202e"]),
        (["--votes", "--decision", "abstain"], ["=1+1"]),
        (["--last", "1"], ["\x1b[31mred\u202e"]),
        (["--since", "2999-01-01"], []),
    ],
)
def test_the_exchanges_that_are_shown_can_be_chosen(arguments, messages, path):
    found = json.loads(run("show", "--json", *arguments).stdout)
    assert [one["message"] for one in found] == messages


def test_nothing_to_show_is_said(path):
    outcome = run("show", "--decision", "generated")
    assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (0, "", "No exchange is like that.\n")


def test_hangul_counts_as_two_columns():
    assert keeping.cut("환불은 어떻게", 8) == "환불은…"
    assert keeping.cut("a\nb\tc", 8) == "a b c"


def test_a_csv_is_safe_for_a_spreadsheet_program(path, tmp_path):
    outcome = run("export", str(tmp_path / "out.csv"))
    assert outcome.stderr == f"4 exchanges in {tmp_path / 'out.csv'}\n"
    data = (tmp_path / "out.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbfid,at,channel,session,message,decision,")  # Excel reads UTF-8 by this mark
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
    assert [row["message"] for row in rows[:2]] == ["환불은 어떻게 받나요?\n두 줄", "'=1+1"]
    assert (rows[1]["vote"], rows[2]["chosen"], rows[0]["text"]) == ("down", "r1", "'-text")
    assert json.loads(rows[0]["candidates"])[0]["id"] == "r1"


def test_jsonl_is_exact_and_goes_to_stdout_too(path, tmp_path):
    run("export", str(tmp_path / "out.jsonl"))
    text = (tmp_path / "out.jsonl").read_text("utf-8")
    assert [json.loads(line) for line in text.splitlines()] == list(exchanges(path))
    assert run("export").stdout == text
    assert run("export", "--format", "csv").stdout.startswith("id,at,channel")


@pytest.mark.parametrize(("since", "count"), [("7d", 4), ("2020-01-01T09:00+09:00", 4), ("2999-01-01T00:00", 0)])
def test_an_export_may_begin_at_a_time(since, count, path):
    assert len(run("export", "--since", since).stdout.splitlines()) == count


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["export", "out.txt"], "out.txt ends neither in .csv nor in .jsonl"),
        (["export", "--since", "yesterday"], "--since 'yesterday' is no time. Type for instance: --since 2026-11-21"),
        (["show", "--journal", "gone.db"], "there is no journal at gone.db."),
        (["export", "gone.csv", "--journal", "gone.db"], "there is no journal at gone.db."),
    ],
)
def test_a_mistake_is_one_line(arguments, sentence, path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = run(*arguments)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert outcome.stderr.startswith(f"Error: {sentence}")
    assert outcome.stderr.count("\n") == 1
    assert not (tmp_path / "gone.csv").exists()


def test_a_journal_that_is_switched_off_is_named():
    outcome = run("show", env={"MUNDAP_JOURNAL": "off"})
    assert outcome.stderr.startswith("Error: the journal is switched off in the settings. Name one: --journal")


@pytest.fixture
def index(small, tmp_path):
    build_index(small, tmp_path / "index", "tfidf?dim=256")
    return str(tmp_path / "index")


def talk(*arguments, journal, **options):
    environment = {"MUNDAP_JOURNAL": journal and str(journal)}
    return CliRunner().invoke(main, list(arguments), env=environment, **options)


def test_a_conversation_in_the_terminal_is_kept_with_its_choice(index, tmp_path, monkeypatch):
    def unsure(text, found, known):
        return judge(text, found, known) if found[0].exact else Judgement(0.4, 0.6, "choose", "unsure")

    monkeypatch.setattr(answers, "judge", unsure)
    path = tmp_path / "new" / "journal.db"
    outcome = talk("chat", "--index", index, journal=path, input="password\n1\n\n")
    assert outcome.exit_code == 0
    first, second = exchanges(path)
    assert (first["message"], first["decision"], first["channel"]) == ("password", "choose", "terminal")
    assert (second["message"], second["decision"]) == ("reset password", "answer")
    assert first["chosen"] == second["candidates"][0]["id"] == "p2"
    assert first["session"] == second["session"] != ""


def test_one_question_is_kept_only_where_a_journal_is_named(index, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = talk("ask", "refund?", "--index", index, "--json", journal=None)
    assert "exchange" not in json.loads(outcome.stdout)["trace"]
    assert not (tmp_path / "data").exists()
    outcome = talk("ask", "refund?", "--index", index, "--json", journal=tmp_path / "j.db")
    (found,) = exchanges(tmp_path / "j.db")
    assert json.loads(outcome.stdout)["trace"]["exchange"] == found["id"]


def test_a_conversation_is_kept_by_default(index, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert talk("chat", "--index", index, journal=None, input="refund\n").exit_code == 0
    assert [one["message"] for one in exchanges(tmp_path / "data/journal.db")] == ["refund"]
