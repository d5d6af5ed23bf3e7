"""The bot's decisions, texts and traces, on a small index and on the repository's own sheet."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from bot import open_bot
from bot.answer import TEXTS, Bot, answer_from, compose
from bot.settings import Settings
from bot.smalltalk import reply
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


@pytest.mark.parametrize(
    ("message", "kind", "language"),
    [("Hi!", "greeting", "en"), ("감사합니다", "thanks", "ko"), ("상담원 연결해 주세요", "person", "ko")],
)
def test_small_talk_is_replied_to_without_a_search(bot, monkeypatch, message, kind, language):
    monkeypatch.setattr(Index, "search", lambda *arguments: pytest.fail("searched"))
    answer = bot.answer(message, session="s")
    assert (answer.decision, answer.confidence, answer.candidates, answer.sources) == ("smalltalk", 1.0, [], [])
    assert (answer.trace["rule"], answer.trace["lang"]) == (f"smalltalk-{kind}", language)
    assert answer.text == reply(kind, language)


def test_a_greeting_before_a_question_changes_nothing_of_its_answer(bot):
    plain = bot.answer("How do I get a refund?")
    assert plain.trace["rule"] == "same-question"
    assert bot.answer("Hello there, how do I get a refund?").to_dict() == plain.to_dict()
    assert bot.answer("안녕하세요! 환불은 어떻게 받나요?").text == "7일 안에 신청하시면 됩니다."


def test_small_talk_that_the_sheet_stores_is_answered_from_the_sheet(small, tmp_path):
    more = "h1,hello,안녕,저희 가게에 오신 것을 환영해요.,ko,\nh2,hi,hi there friend,Welcome to our shop.,en,\n"
    small.write_text(small.read_text("utf-8") + more, encoding="utf-8")
    build_index(small, tmp_path / "index", "tfidf?dim=256")
    bot = open_bot(tmp_path / "index")
    assert (bot.answer("안녕!").decision, bot.answer("안녕!").text) == ("answer", "저희 가게에 오신 것을 환영해요.")
    assert bot.answer("Hi there friend").text == "Welcome to our shop."
    assert bot.answer("안녕하세요").decision == "smalltalk"


def test_the_contact_is_named_where_a_person_may_be_needed(bot):
    known = open_bot(bot.folder, contact="help@shop.example")
    for message in ("zzz qqq", "뷁뷁", "talk to a person", "상담원 연결해 주세요", "are you human?"):
        assert "help@shop.example" in known.answer(message).text
        assert "help@shop.example" not in bot.answer(message).text
    for message in ("hi", "How do I get a refund?", "감사합니다"):
        assert known.answer(message).to_dict() == bot.answer(message).to_dict()


def test_a_warm_bot_loads_nothing_for_its_first_visitor(bot):
    bot.warm()
    for late in ("encoder", "legs", "calibration"):
        assert late in vars(bot.index)
    assert bot.info()["generation"] == 1


def test_importing_the_bot_loads_no_torch():
    heavy = "('torch', 'transformers', 'scipy', 'sklearn')"
    loaded = f"import sys, bot.answer; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
