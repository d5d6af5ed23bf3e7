"""The command `bot` in the terminal."""

import json

import pytest
from click.testing import CliRunner

from bot.cli import main
from indexer.build import build_index


@pytest.fixture
def index(small, tmp_path):
    build_index(small, tmp_path / "index", "tfidf?dim=256")
    return str(tmp_path / "index")


def test_ask_prints_the_answer_and_its_source(index):
    outcome = CliRunner().invoke(main, ["ask", "How do I get a refund?", "--index", index])
    assert outcome.exit_code == 0
    assert outcome.stdout.splitlines()[0] == "Ask within 7 days."
    assert "https://example.com/refund" in outcome.stdout


def test_ask_json_is_the_answer(index):
    outcome = CliRunner().invoke(main, ["ask", "환불은 어떻게 받나요?", "--index", index, "--json"])
    found = json.loads(outcome.stdout)
    assert (found["decision"], found["text"]) == ("answer", "7일 안에 신청하시면 됩니다.")
    assert "환불" in outcome.stdout  # readable, not escaped


def test_a_number_picks_what_was_offered(index, monkeypatch):
    from bot import answer as answers
    from indexer.confidence import Judgement, judge

    def unsure(text, found, known):
        return judge(text, found, known) if found[0].exact else Judgement(0.4, 0.6, "choose", "unsure")

    monkeypatch.setattr(answers, "judge", unsure)
    outcome = CliRunner().invoke(main, ["chat", "--index", index], input="password\n1\n\n")
    assert outcome.exit_code == 0
    assert "  1. reset password" in outcome.stdout
    assert "(reset password)\nPress Forgot password." in outcome.stdout


def test_the_end_of_the_input_ends_the_conversation(index):
    assert CliRunner().invoke(main, ["chat", "--index", index], input="refund").exit_code == 0


def test_a_missing_index_is_one_line(tmp_path):
    outcome = CliRunner().invoke(main, ["ask", "x", "--index", str(tmp_path / "none")])
    assert outcome.exit_code == 2
    assert outcome.stderr.startswith("Error: there is no index at")
