"""The journal: what it keeps and what it leaves out, and that nothing which befalls its file reaches an answer."""

import json
import logging
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from bot import journal as journals
from bot.answer import Answer
from bot.journal import Journal
from bot.journal.reading import exchanges
from indexer.errors import UserError

CANDIDATES = [
    {"id": "r1", "entry": "refund", "question": "How?", "answer": "Ask.", "score": 0.8, "rank_score": 0.9, "x": 1},
    {"id": "k1", "entry": "ko", "question": "환불?", "answer": "비밀", "score": 0.5, "rank_score": float("nan")},
]  # fmt: skip
KEPT = {"rule": "sure", "promised": True, "margin": 0.1, "matched": ["a"]}
TRACE = {**KEPT, "right": 0.9, "on_topic": 0.97, "generation": 3}
ANSWER = Answer("answer", "7일 안에 신청하시면 됩니다.", 0.9, CANDIDATES, (), TRACE)
CHILD = """
import sys
sys.path.insert(0, {here!r})
from pathlib import Path
from test_journal import ANSWER, Journal
journal = Journal(Path(sys.argv[1]))
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "kept" / "journal.db"


@pytest.fixture
def opened(path):
    """Open journals that are closed in the end."""
    made = []

    def open_one(at=path, **options):
        made.append(Journal(at, **options))
        return made[-1]

    yield open_one
    for journal in made:
        journal.close()


def record(journal, message="환불은 어떻게 받나요?", answer=ANSWER, session=None):
    return journal.record(message, answer, "api", session, 12.345)


def ids(path):
    return [one["id"] for one in exchanges(path)]


def until(holds):
    """Wait for another thread or process; one that never does it fails the test."""
    for _ in range(3000):
        if holds():
            return
        time.sleep(0.01)
    pytest.fail("it did not happen within 30 seconds")


@contextmanager
def child(script, *arguments):
    program = CHILD.format(here=str(Path(__file__).parent)) + script
    command = [sys.executable, "-c", program, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def locked(path):
    """Another process that holds the file for itself until the end of the block."""
    script = """
import sqlite3
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
connection.execute("ROLLBACK")
"""
    with child(script.replace("import sqlite3", "journal.close(); import sqlite3"), path) as process:
        assert process.stdout.readline() == "held\n"
        yield
        process.stdin.close()
        process.wait(30)


def test_an_exchange_is_kept_with_all_that_tells_why(opened, path):
    journal = opened()
    exchange = record(journal, session="a browser")
    assert journal.vote(exchange, "up")
    (found,) = exchanges(path)
    assert len(found.pop("at")) == len("2026-11-21T10:30:00.000Z")
    assert found == {
        "id": exchange, "channel": "api", "session": sha256(b"a browser").hexdigest()[:16],
        "message": "환불은 어떻게 받나요?", "decision": "answer", "text": ANSWER.text,
        "confidence": 0.9, "probability": 0.9, "on_topic": 0.97, "generation": 3,
        "ms": 12.35, "vote": "up", "chosen": "",
        "candidates": [
            {"id": "r1", "entry": "refund", "score": 0.8, "rank_score": 0.9},
            {"id": "k1", "entry": "ko", "score": 0.5, "rank_score": None},
        ],
        "trace": KEPT,
    }  # fmt: skip


def test_personal_data_is_masked_wherever_it_is_echoed(opened, path):
    answer = Answer("generated", "You wrote 010-1234-5678.", 0.5, (), (), {"followed": "mail me: kim@example.com"})
    record(opened(), "call 010-1234-5678", answer)
    assert not any(secret in path.read_bytes() + _log(path) for secret in (b"1234-5678", b"kim@"))
    (found,) = exchanges(path)
    assert (found["message"], found["text"]) == ("call [phone]", "You wrote [phone].")
    assert found["trace"] == {"followed": "mail me: [email]"}


def _log(path):
    return path.with_name("journal.db-wal").read_bytes()


def test_masking_can_be_switched_off(opened, path):
    record(opened(mask=False), "call 010-1234-5678")
    assert [one["message"] for one in exchanges(path)] == ["call 010-1234-5678"]


def test_the_file_is_for_its_owner_alone(opened, path):
    record(opened())
    assert [oct(one.stat().st_mode)[-3:] for one in path.parent.iterdir()] == ["600"] * 3


def test_the_last_thumb_counts_and_can_be_taken_back(opened, path):
    journal = opened()
    first, second = record(journal), record(journal)
    for vote in ("up", "down"):
        assert journal.vote(first, vote)
    assert journal.vote(second, "up")
    assert journal.vote(second, "")
    assert [one["vote"] for one in exchanges(path)] == ["down", ""]
    assert [one["id"] for one in exchanges(path, only_voted=True)] == [first]


def test_what_cannot_be_voted_on_is_ignored(opened, path):
    journal = opened()
    exchange = record(journal)
    assert not journal.vote("unknown", "up")
    assert not journal.vote(exchange, "sideways")
    assert not journal.choose("unknown", "r1")
    assert not journal.choose(exchange, "r2")  # was not among its candidates
    assert journal.choose(exchange, "k1")
    assert [(one["vote"], one["chosen"]) for one in exchanges(path)] == [("", "k1")]


def test_ids_are_in_the_order_of_the_exchanges_and_not_to_be_guessed(opened, path):
    journal = opened()
    made = [record(journal) for _ in range(5)]
    assert len({one[16:] for one in made}) == 5
    assert sorted(made) == made == ids(path)
    assert [one["id"] for one in exchanges(path, last=2)] == made[-2:]


@pytest.mark.parametrize(
    ("message", "trace"),
    [
        ("\ud800 half", {}),
        ("\x00", {"right": "high", "generation": [1], "on_topic": float("inf")}),
        ("x" * 10**6, {"long": "y" * 10**6, "nested": {"a": object()}, "many": list(range(10**4)), "big": 10**30}),
        ("", {"\udfff": "\udfff", "none": None}),
    ],
)
def test_whatever_the_message_and_the_trace_an_exchange_is_kept(message, trace, opened, path):
    exchange = record(opened(), message, Answer("abstain", message, float("nan"), (), (), trace))
    (found,) = exchanges(path)
    assert found["id"] == exchange
    assert len(json.dumps(found["trace"])) < 2000


def test_what_is_no_answer_at_all_never_raises(opened, caplog):
    assert len(opened().record("x", None, "api", None, 1.0)) == 32
    assert "could not be written down" in caplog.text


def test_nothing_that_was_recorded_is_lost_with_sigkill(path):
    endless = "while True: print(journal.record('x' * 500, ANSWER, 'api', None, 1.0), flush=True)"
    with child(endless, path) as process:
        told = [process.stdout.readline() for _ in range(200)]
        os.kill(process.pid, signal.SIGKILL)
        told += process.stdout.readlines()
    whole = {line.strip() for line in told if line.endswith("\n")}
    assert len(whole) >= 200
    assert whole <= set(ids(path))
    assert len(set(ids(path)) - whole) <= 1  # the exchange in flight


def test_two_processes_write_one_file(path):
    script = "for _ in range(150): print(journal.record('x', ANSWER, 'api', None, 1.0))\njournal.close()"
    with child(script, path) as one, child(script, path) as other:
        told = [line.strip() for process in (one, other) for line in process.communicate(timeout=60)[0].splitlines()]
    assert len(told) == 300
    assert sorted(told) == sorted(ids(path))


def test_threads_share_a_journal(opened, path):
    journal = opened()
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda number: record(journal, f"message {number}"), range(200)))
        assert all(pool.map(lambda exchange: journal.vote(exchange, "up"), made))
    until(lambda: not journal.backlog)
    found = {one["id"]: (one["message"], one["vote"]) for one in exchanges(path)}
    assert found == {exchange: (f"message {number}", "up") for number, exchange in enumerate(made)}


def test_a_locked_file_holds_up_no_answer_and_loses_nothing(opened, path, caplog):
    journal = opened()
    before = record(journal)
    with locked(path):  # until this block ends: whoever waited for the file would wait for ever
        made = [record(journal) for _ in range(20)]
        assert journal.vote(made[3], "down")
        assert journal.choose(made[4], "k1")
        assert journal.vote(before, "up")
        assert journal.vote(before, "down")
        journal.vote("unknown", "up")
        assert journal.backlog == 25
        assert ids(path) == [before]
    until(lambda: not journal.backlog)
    found = list(exchanges(path))
    assert [one["id"] for one in found] == sorted([before, *made])
    votes = {one["id"]: (one["vote"], one["chosen"]) for one in found if one["vote"] or one["chosen"]}
    assert votes == {made[3]: ("down", ""), made[4]: ("", "k1"), before: ("down", "")}
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM votes").fetchone() == (3,)


def test_trouble_is_told_once_and_so_is_its_end(opened, path, caplog, monkeypatch):
    monkeypatch.setattr(journals, "RETRY", 0.01)
    caplog.set_level(logging.WARNING)
    path.parent.write_text("a file where the folder should be")
    journal = opened()
    made = [record(journal, "call 010-1234-5678") for _ in range(5)]
    time.sleep(0.1)  # several tries
    path.parent.unlink()
    until(lambda: not journal.backlog and len(caplog.records) == 2)
    assert ids(path) == sorted(made)
    first, second = (record.getMessage() for record in caplog.records)
    assert "cannot be written now" in first
    assert "is written again" in second
    assert "5678" not in first + second


def test_a_folder_that_may_not_be_written_to_never_breaks_an_answer(tmp_path):
    """As somebody who is not root, whom no folder refuses."""
    tmp_path.chmod(0o555)
    script = """
import os, sqlite_utils
os.chdir(sys.argv[2])
if os.geteuid() == 0:
    os.setuid(65534)
journal = Journal(Path("journal.db"))
print(len(journal.record("x", ANSWER, "api", None, 1.0)), journal.vote("unknown", "up"), journal.backlog, flush=True)
os._exit(0)
"""
    with child(script, tmp_path / "elsewhere.db" if os.geteuid() == 0 else "/dev/null/x", tmp_path) as process:
        assert process.communicate(timeout=60)[0] == "32 True 2\n"
    assert not (tmp_path / "journal.db").exists()


def test_no_more_waits_than_fits_into_memory(opened, path, monkeypatch, caplog):
    monkeypatch.setattr(journals, "MOST_WAITING", 3)
    journal = opened()
    with locked(path):
        made = [record(journal) for _ in range(5)]
        assert (journal.backlog, journal.lost) == (3, 2)
    until(lambda: not journal.backlog)
    assert ids(path) == sorted(made[:3])
    assert caplog.text.count("no more notes fit into memory") == 1


def test_what_waits_is_written_when_it_is_closed(opened, path, monkeypatch):
    monkeypatch.setattr(journals, "RETRY", 3600)
    journal = opened()
    with locked(path):
        exchange = record(journal)
        until(lambda: journal._troubled)  # the thread has tried, and will not do so again soon
    journal.close()
    assert ids(path) == [exchange]


def test_a_closed_journal_is_opened_again_by_whoever_writes(opened, path):
    journal = opened()
    journal.close()
    assert [record(journal)] == ids(path)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: path.write_text("id,message\n" * 300), "is damaged, or no journal"),
        (lambda path: path.write_bytes(b"SQLite format 3\x00" + b"\x10" * 5000), "is damaged, or no journal"),
        (lambda path: sql(path, "CREATE TABLE rows (id)"), "is a database, but no journal. Name another"),
        (lambda path: sql(path, "PRAGMA user_version = 1"), "is a database, but no journal"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_journal_is_refused_and_left_as_it_is(make, sentence, path):
    path.parent.mkdir()
    make(path)
    before = path.read_bytes()
    with pytest.raises(UserError, match=sentence) as caught:
        Journal(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=sentence.split(",")[0]):
        list(exchanges(path))
    assert path.read_bytes() == before


def sql(path, statement):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"is a folder\. Name a file: MUNDAP_JOURNAL="):
        Journal(tmp_path)


def test_a_journal_of_a_newer_program_is_refused(opened, path):
    opened().close()
    sql(path, "PRAGMA user_version = 2")
    with pytest.raises(UserError, match=r"a newer program \(of version 2, this program knows 1\)"):
        Journal(path)


def test_a_file_that_is_damaged_meanwhile_breaks_no_answer(opened, path, monkeypatch):
    monkeypatch.setattr(journals, "RETRY", 0.01)
    journal = opened()
    record(journal)
    journal.close()
    path.write_bytes(b"x" * 10_000)
    made = [record(journal) for _ in range(3)]
    assert not journal.vote("unknown", "sideways")
    path.rename(path.with_name("damaged.db"))
    until(lambda: not journal.backlog)
    assert ids(path) == sorted(made)


def test_a_file_that_was_moved_away_is_begun_anew(opened, path, monkeypatch):
    monkeypatch.setattr(journals, "RETRY", 0.01)
    journal = opened()
    first = record(journal)
    shutil.rmtree(path.parent)
    made = [record(journal) for _ in range(3)]
    until(lambda: not journal.backlog)
    assert ids(path) == sorted(made)
    assert first not in made


def test_a_fork_shares_the_file_and_nothing_else(path):
    script = """
import os
journal.record("before", ANSWER, "api", None, 1.0)
children = []
for number in range(3):
    pid = os.fork()
    if not pid:
        for _ in range(20):
            journal.record(f"child {number}", ANSWER, "api", None, 1.0)
        journal.close()
        os._exit(0)
    children.append(pid)
for _ in range(20):
    journal.record("parent", ANSWER, "api", None, 1.0)
print([os.waitpid(pid, 0)[1] for pid in children])
"""
    with child(script, path) as process:
        assert process.communicate(timeout=60)[0] == "[0, 0, 0]\n"
    messages = [one["message"] for one in exchanges(path)]
    assert sorted(messages) == sorted(["before"] + 20 * ["parent", "child 0", "child 1", "child 2"])
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_what_is_too_old_is_forgotten_with_its_votes(opened, path, monkeypatch):
    day = 24 * 3600 * 10**9
    with monkeypatch.context() as patched:
        ages = iter([91, 90.01, 89.9])
        patched.setattr(journals, "new_id", lambda: f"{time.time_ns() - int(next(ages) * day):016x}{'0' * 16}")
        journal = opened(retention_days=0)
        made = [record(journal) for _ in range(3)]
    for exchange in made:
        journal.vote(exchange, "up")
        journal.choose(exchange, "r1")
    journal.close()
    assert ids(path) == made
    opened(retention_days=90)
    until(lambda: ids(path) == made[2:])
    with closing(sqlite3.connect(path)) as connection:
        for table in ("votes", "choices"):
            assert connection.execute(f"SELECT exchange FROM {table}").fetchall() == [(made[2],)]


def test_many_old_rows_go_in_short_steps(opened, path, monkeypatch):
    monkeypatch.setattr("bot.journal.file.CHUNK", 7)
    with monkeypatch.context() as patched:
        numbers = iter(range(100))
        patched.setattr(journals, "new_id", lambda: f"{next(numbers):032x}")
        journal = opened(retention_days=0)
        for _ in range(50):
            record(journal)
    journal.close()
    journal = opened(retention_days=1)
    kept = record(journal)
    until(lambda: ids(path) == [kept])


def test_the_log_is_moved_into_the_file_now_and_then(opened, path, monkeypatch):
    monkeypatch.setattr(journals, "CHECKPOINT", 50)
    journal = opened()
    made = [record(journal) for _ in range(60)]
    alone = path.with_name("alone.db")

    def moved():
        made.append(record(journal))
        shutil.copy(path, alone)  # without its log
        try:
            return len(ids(alone)) >= 50
        except sqlite3.DatabaseError:  # copied while the log was being moved: half of it
            return False

    until(moved)
    assert ids(path) == made
