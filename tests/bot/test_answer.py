"""The bot's decisions, texts and traces, on a small index and on the repository's own sheet."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from bot import open_bot
from bot.answer import TEXTS, Bot, answer_from, compose
from bot.settings import Settings
from indexer.build import build_index
from indexer.confidence import Judgement
from indexer.errors import UserError
from indexer.index import Index


@pytest.fixture
def bot(small, tmp_path):
    build_index(small, tmp_path / "index", "tfidf?dim=256")
    return open_bot(tmp_path / "index")


def test_a_stored_question_is_answered_verbatim(bot):
    answer = bot.answer("how do i get a REFUND")
    assert (answer.decision, answer.text) == ("answer", "Ask within 7 days.")
    assert [(s.id, s.entry, s.url) for s in answer.sources] == [("r1", "refund", "https://example.com/refund")]
    assert answer.confidence > 0.9
    assert answer.trace["generation"] == 1


def test_nothing_in_common_is_refused_in_the_language_of_the_message(bot):
    for message, language in (("zzz qqq", "en"), ("뷁뷁", "ko")):
        answer = bot.answer(message)
        assert (answer.decision, answer.text) == ("abstain", TEXTS["abstain", language])
        assert answer.sources == []


@pytest.mark.parametrize(("decision", "given"), [("answer", 1), ("choose", 3), ("abstain", 0)])
def test_an_answer_names_as_many_sources_as_it_gives(bot, decision, given):
    index = bot.index
    (found,) = index.search(["refund password"], 4)
    answer = compose("refund password", found, Judgement(0.4, 0.6, decision, "a rule"), index)
    assert [source.id for source in answer.sources] == [candidate.row.id for candidate in found[:given]]
    assert len(answer.candidates) == 4
    assert answer.text == (found[0].row.answer if decision == "answer" else TEXTS[decision, "en"])
    assert (answer.trace["rule"], answer.trace["on_topic"], answer.confidence) == ("a rule", 0.6, 0.4)


def test_the_json_has_the_contracts_keys(bot):
    assert list(bot.answer("refund").to_dict()) == [
        "decision",
        "text",
        "confidence",
        "candidates",
        "sources",
        "trace",
    ]


def test_a_rebuilt_index_is_taken_up_with_the_next_message(bot, small, tmp_path):
    assert bot.answer("reset password").text == "Press Forgot password."
    small.write_text(small.read_text("utf-8").replace("Press Forgot password.", "Ask an admin."), encoding="utf-8")
    build_index(small, tmp_path / "index", "tfidf?dim=256")
    answer = bot.answer("reset password")
    assert (answer.text, answer.trace["generation"]) == ("Ask an admin.", 2)


def test_the_bot_goes_on_answering_when_the_folder_is_being_replaced(bot, tmp_path):
    (tmp_path / "index/manifest.json").rename(tmp_path / "index/manifest.gone")
    assert bot.answer("reset password").decision == "answer"


def test_examples_are_stored_questions_of_both_languages(bot):
    stored = {row.question for row in bot.index.database.rows(1)}
    examples = bot.info()["examples"]
    assert set(examples) <= stored
    assert any("환불" in text for text in examples)
    assert any(text.isascii() for text in examples)


def test_the_same_message_gets_the_same_answer(bot):
    assert bot.answer("money refund?").to_dict() == bot.answer("money refund?").to_dict()


def test_settings_come_from_the_environment():
    found = Settings.from_environment({"MUNDAP_INDEX": "x/y", "MUNDAP_PORT": "9001"})
    assert (str(found.index), found.host, found.port) == ("x/y", "127.0.0.1", 9001)
    with pytest.raises(UserError, match="MUNDAP_PORT is 'abc'"):
        Settings.from_environment({"MUNDAP_PORT": "abc"})


@pytest.mark.parametrize(
    "message",
    ["", " ", "\x00", "?", "ㅋㅋㅋ", "😀", "a" * 5000, "\u200b", "환" * 3000, "' OR 1=1 --", "\ud800"],
)
def test_any_message_gets_a_decision(bot, message):
    assert bot.answer(message).decision in ("answer", "choose", "abstain")


def test_the_default_index_answers_both_languages(built):
    bot = open_bot(built)
    english, korean = bot.answer("How do I create a Hangyeol Class account?"), bot.answer("가입비가 있나요?")
    assert (english.decision, english.sources[0].entry) == ("answer", "account-create-en")
    assert (korean.decision, korean.sources[0].entry) == ("answer", "account-create-ko")


def test_a_repeated_message_is_remembered_until_the_index_changes(bot, small, monkeypatch):
    first = bot.answer("How do I get a refund?")
    monkeypatch.setattr(Index, "search", lambda *arguments: pytest.fail("searched again"))
    assert bot.answer("How do I get a refund?") is first
    monkeypatch.undo()
    small.write_text(small.read_text("utf-8").replace(first.text, "Another answer."), encoding="utf-8")
    build_index(small, bot.folder, "tfidf?dim=256")
    assert bot.answer("How do I get a refund?").text == "Another answer."


def test_answers_are_the_same_whoever_else_asks(built):
    """With micro-batches of every size: the whole answer, every figure to the last digit."""
    index = Index.open(built)
    rows = index.database.rows(index.facts.generation)
    messages = [" ".join(row.question.split()[1:]) or row.question for row in rows[::9]] + [
        "pizza on Mars",
        "화성 날씨",
    ]
    alone = [answer_from(index, message).to_dict() for message in messages]
    for callers in (2, 7, 16):
        bot = Bot(built)  # which remembers nothing yet
        with ThreadPoolExecutor(callers) as pool:
            together = list(pool.map(lambda message, bot=bot: bot.answer(message).to_dict(), messages))
        assert together == alone
