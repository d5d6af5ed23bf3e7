"""`bot journal pairs`: what clicks and thumbs teach, and that `bot train similarity` reads it."""

import pytest
from click.testing import CliRunner

from bot.answer import Answer
from bot.cli import main
from bot.journal import Journal
from bot.journal.pairs import pairs
from bot.tasks import similarity
from bot.tasks._wordings import Pair
from indexer.build import build_index
from indexer.row import Row

ROWS = {
    "r1": Row("r1", "refund", "How do I get a refund?", "Ask."),
    "p1": Row("p1", "password", "I forgot my password", "Press."),
    "k1": Row("k1", "refund-ko", "환불은 어떻게 받나요?", "신청하세요."),
}
CANDIDATES = [{"id": id, "entry": row.entry, "score": 0.5, "rank_score": 0.5} for id, row in ROWS.items()]


def exchange(message, chosen="", vote="", decision="choose", **more):
    """An exchange as `bot.journal.reading.exchanges` gives it."""
    one = {"message": message, "decision": decision, "vote": vote, "chosen": chosen, "candidates": CANDIDATES}
    return one | {"trace": {}} | more


@pytest.mark.parametrize(
    ("one", "question"),
    [
        (exchange("money back", "r1"), "How do I get a refund?"),
        (exchange("login lost", "p1", decision="abstain"), "I forgot my password"),  # one of the nearest, clicked
        (exchange("money back", vote="up", decision="answer"), "How do I get a refund?"),
        (exchange("login lost", "p1", "up", "answer"), "I forgot my password"),  # the click says more
        (
            exchange("돈 돌려주세요", "k1", "down"),
            "환불은 어떻게 받나요?",
        ),  # the thumb is for the text
    ],
)
def test_a_click_or_a_thumb_up_names_the_stored_question(one, question):
    assert pairs([one], ROWS) == ([(one["message"], question)], {})


@pytest.mark.parametrize(
    "one",
    [
        exchange("money back"),
        exchange("money back", vote="down", decision="answer"),
        exchange("money back", vote="up", decision="generated"),
        exchange("money back", vote="up", decision="choose"),
        exchange("hello", vote="up", decision="smalltalk", candidates=[]),
        exchange("hello", vote="up", decision="answer", candidates=[]),
    ],
)
def test_what_names_no_stored_question_is_no_pair(one):
    assert pairs([one], ROWS) == ([], {})


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (exchange("refund to [email] please", "r1"), "with personal data"),
        (exchange("this is [name], I want a refund", "r1"), "with personal data"),  # by a tagger
        (exchange("refund to kim@example.com please", "r1"), "with personal data"),  # masking was off
        (exchange("and abroad?", "r1", trace={"followed": "refund"}), "understood by the message before"),
        (exchange("old", "x9", candidates=[{"id": "x9", "entry": "gone"}]), "whose question is no longer stored"),
        (exchange("old", "r1", candidates=[{"id": "r1", "entry": "fees"}]), "whose question is no longer stored"),
        (exchange(" how do I get a  REFUND", "r1"), "that are the stored question itself"),
        (exchange(" \n", "r1"), "that are the stored question itself"),
    ],
)
def test_what_cannot_be_learned_from_is_left_out_and_counted(one, reason):
    assert pairs([one, one], ROWS) == ([], {reason: 2})


def test_each_pair_comes_once_and_a_message_may_have_two_questions():
    told = [exchange("My login!", "p1"), exchange("my  login", "p1"), exchange("my login", "r1")]
    assert pairs(told, ROWS) == (
        [("My login!", "I forgot my password"), ("my login", "How do I get a refund?")],
        {"repeated": 1},
    )


@pytest.fixture
def shop(small, tmp_path, monkeypatch):
    """An index and a journal that the settings name, and a way to write into the journal."""
    build_index(small, tmp_path / "index", "tfidf?dim=256")
    monkeypatch.setenv("MUNDAP_INDEX", str(tmp_path / "index"))
    monkeypatch.setenv("MUNDAP_JOURNAL", str(tmp_path / "journal.db"))
    journal = Journal(tmp_path / "journal.db")

    def ask(message, chosen="", vote=""):
        answer = Answer("choose" if chosen else "answer", "Ask.", 0.5, CANDIDATES)
        told = journal.record(message, answer, "chat", None, 1.0)
        assert not chosen or journal.choose(told, chosen)
        assert not vote or journal.vote(told, vote)

    yield ask
    journal.close()


def run(*arguments):
    return CliRunner().invoke(main, ["journal", "pairs", *map(str, arguments)])


def test_what_was_clicked_and_liked_reaches_the_training_of_similarity(shop, tmp_path):
    shop('the "app"\tsays\n=no', "p1")
    shop("돈을 돌려받고 싶어요", "k1")
    shop("my money, please", vote="up")
    shop("call me: 010-1234-5678", vote="up")
    shop("no thumb")
    out = tmp_path / "clicks.tsv"
    told = run(out)
    assert (told.exit_code, told.stdout) == (0, "")
    assert told.stderr == f"3 pairs in {out}; left out: 1 with personal data\n"
    examples = similarity.read(out, similarity.Options())
    assert examples == [
        Pair(f"{out}, line 2", 'the "app" says =no', "I forgot my password", None),
        Pair(f"{out}, line 3", "돈을 돌려받고 싶어요", "환불은 어떻게 받나요?", None),
        Pair(f"{out}, line 4", "my money, please", "How do I get a refund?", None),
    ]
    assert similarity.labels(examples, similarity.Options()) == ()
    assert run().stdout == out.read_text("utf-8")
    assert run("--since", "2999-01-01").exit_code == 2


def test_where_nobody_clicked_yet_it_says_how_that_comes(shop, tmp_path):
    shop("money back")
    shop("call me: 010-1234-5678", vote="up")
    told = run(tmp_path / "clicks.tsv")
    assert (told.exit_code, told.stdout) == (2, "")
    assert told.stderr.startswith(
        f"Error: nothing to learn from in {tmp_path / 'journal.db'} yet; left out: 1 with pers"
    )
    assert told.stderr.endswith("bot journal show --votes\n")
    assert told.stderr.count("\n") == 1
    assert not (tmp_path / "clicks.tsv").exists()


def test_a_mistake_is_one_line(shop, tmp_path):
    for arguments, sentence in (
        (["clicks.csv"], "clicks.csv does not end in .tsv"),
        (["--index", tmp_path / "none"], str(tmp_path / "none")),
        (["--journal", "gone.db"], "there is no journal at gone.db."),
    ):
        told = run(*arguments)
        assert (told.exit_code, told.stdout) == (2, "")
        assert told.stderr.startswith("Error: ")
        assert sentence in told.stderr
        assert told.stderr.count("\n") == 1
