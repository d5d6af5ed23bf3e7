"""Models at the bot's side: topics, a person for the upset, the answering sentence or a short form, names and masks."""

import json
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
from tiny_bert import make_tiny

from bot import open_bot
from bot.answer import Bot
from bot.composing import Answer, sentence_of
from bot.grounding import Checker
from bot.journal import Journal
from bot.journal.personal import mask_found
from bot.models import Models, open_models, open_tagger
from bot.settings import Settings
from bot.shortening import Shortener, sentence_at, supported
from bot.tasks import seq2seq
from bot.training.train import Request, train
from indexer.build import build_index
from indexer.errors import UserError

LONG = "Parcels leave at noon. Refunds take seven days. Write to us first: help@shop.example, or call."
KOREAN = "택배는 낮에 떠나요. 환불은 칠 일 걸려요."
SHEET = f"""id,entry,question,answer
r1,refund,when is my refund,"{LONG}"
r2,refund,how long is a refund,"{LONG}"
k1,ko,환불은 언제 되나요,{KOREAN}
p1,parcel,where is my parcel,On its way.
"""
MESSAGES = [
    ("when is my refund", "money"), ("how long is a refund", "money"), ("환불은 언제 되나요", "money"),
    ("where is my parcel", "parcel"), ("never came and i am furious", "upset"), ("정말 화가 나요 환불", "upset"),
]  # fmt: skip
READ = [
    ("when is my refund", LONG, "seven days"), ("how long is a refund", LONG, "seven days"),
    ("when do parcels leave", LONG, "noon"), ("환불은 언제 되나요", KOREAN, "칠 일"),
    ("택배는 언제 떠나요", KOREAN, "낮에"), ("what is the weather", LONG, ""),
]  # fmt: skip
TAGS = [
    ("my name is Oruvela", "Oruvela", "PER"), ("call Mirabel please", "Mirabel", "PER"),
    ("to Port Lune", "Port Lune", "LOC"), ("where is my parcel", "", ""),
    ("저는 해솔이라고 해요", "해솔", "PER"), ("달빛항으로 보내요", "달빛항", "LOC"),
]  # fmt: skip
SHORTER = [
    (LONG, "Parcels leave at noon and refunds take seven days."), (KOREAN, "환불은 칠 일 정도 걸려요."),
    ("where is my parcel", "parcel"), ("refunds take seven days", "refunds"), ("환불은 언제", "환불"), ("call", "call"),
]  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An index, and a tiny model of each of three tasks that knows its six examples by heart."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "sheet.csv").write_text(SHEET, encoding="utf-8")
    build_index(folder / "sheet.csv", folder / "index", "tfidf?dim=256")
    make_tiny(folder / "bert", [json.dumps([MESSAGES, READ, TAGS], ensure_ascii=False)], dropout=0.0)
    rows = {
        "classify": [{"text": text, "label": label} for text, label in MESSAGES],
        "read": [
            {"question": asked, "context": text, "answers": [[part, text.index(part)]] if part else []}
            for asked, text, part in READ
        ],
        "tag": [
            {"text": text, "entities": [[text.index(part), text.index(part) + len(part), kind]] if part else []}
            for text, part, kind in TAGS
        ],
    }
    for task, lines in rows.items():
        path = folder / f"{task}.jsonl"
        path.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines), encoding="utf-8")
        given = Request(task, path, folder / task, path, f"bert:{folder / 'bert'}", 50, 6, 4e-3, patience=0)
        found = train(given)
        assert max(found["after"].values()) == 1, (task, found["after"])
    return folder


@pytest.fixture(scope="module")
def shortening(tmp_path_factory):
    """A tiny model that knows its six short forms by heart."""
    folder = tmp_path_factory.mktemp("shortening")
    make_tiny(folder / "bert", [json.dumps(SHORTER, ensure_ascii=False)], dropout=0.0)
    path, options = folder / "rows.tsv", seq2seq.Options(target_length=24)
    path.write_text("source\ttarget\n" + "\n".join("\t".join(pair) for pair in SHORTER), encoding="utf-8")
    encoder = f"bert:{folder / 'bert'}"
    found = train(Request("seq2seq", path, folder / "out", path, encoder, 100, 6, 5e-3, patience=0, options=options))
    assert found["after"]["rouge_l"] == 1, found["after"]
    return folder / "out"


@pytest.fixture(scope="module")
def all_of(made):
    return Settings(
        index=made / "index", contact="help@shop.example, 02-123-4567", classifier=made / "classify",
        upset=("upset",), reader=made / "read", shorten=60, tagger=made / "tag",
    )  # fmt: skip


@pytest.fixture(scope="module")
def bot(made, all_of):
    return open_bot(all_of.index, all_of.contact, models=open_models(all_of))


def test_the_topic_and_the_sentence_are_in_the_trace_and_the_answer_stays(made, bot):
    plain = open_bot(made / "index").answer("when is my refund")
    answer = bot.answer("when is my refund")
    assert answer.text == plain.text == LONG
    added = {name: value for name, value in answer.trace.items() if name not in plain.trace}
    assert added.pop("topic_probability") > 0.5
    sentence = "Refunds take seven days."
    assert added == {"topic": "money", "highlight": sentence, "short": sentence, "entities": []}
    assert answer.to_dict() | {"trace": 0} == plain.to_dict() | {"trace": 0}
    korean = bot.answer("환불은 언제 되나요")
    assert korean.trace["highlight"] == "환불은 칠 일 걸려요."
    assert "short" not in korean.trace  # its 24 characters are not long


def test_without_a_reader_a_long_answer_is_shortened_to_its_lead(made, all_of):
    models = open_models(replace(all_of, reader=None, classifier=None, upset=()))
    trace = open_bot(made / "index", models=models).answer("when is my refund").trace
    assert trace["short"] == "Parcels leave at noon."
    assert not trace.keys() & {"highlight", "topic", "person", "short_by"}


def test_a_shortener_writes_where_no_reader_names_a_sentence_and_the_trace_says_so(made, shortening, caplog):
    settings = Settings(shorten=20, shortener=shortening)
    bot = open_bot(made / "index", models=open_models(settings))
    assert f"shortener {shortening} loads torch" in caplog.text
    answer = bot.answer("when is my refund")
    assert answer.text == LONG
    assert answer.trace["short"] == "parcels leave at noon and refunds take seven days."
    assert answer.trace["short_by"] == "shortener"
    assert sentence_of(answer.text, answer.trace, "short") == answer.trace["short"]
    assert bot.answer("환불은 언제 되나요").trace["short"] == "환불은 칠 일 정도 걸려요."
    read = open_bot(made / "index", models=open_models(replace(settings, reader=made / "read")))
    trace = read.answer("when is my refund").trace  # extraction first
    assert (trace["short"], "short_by" in trace) == ("Refunds take seven days.", False)


def stored(text, question="when is my refund"):
    row = {"id": "r1", "entry": "refund", "question": question, "answer": text, "score": 1.0, "rank_score": 1.0}
    return Answer("answer", text, 0.95, [row], [], {"lang": "en"})


@pytest.mark.parametrize(
    ("written", "short", "by"),
    [
        ("Refunds in seven days.", "Refunds in seven days.", "shortener"),
        ("Refunds take seven days. [r1]", "Refunds take seven days.", None),  # the answer's own sentence
        ("Refunds take nine days.", "Parcels leave at noon.", None),
        ("Refunds take seven days. We pay in gold.", "Parcels leave at noon.", None),  # one of two is made up
        (LONG, "Parcels leave at noon.", None),  # no shorter
        ("", "Parcels leave at noon.", None),
        ("환불은 칠 일 걸려요.", "Parcels leave at noon.", None),
    ],
)
def test_what_a_shortener_writes_counts_only_where_the_stored_answer_says_it(written, short, by):
    answer = Models(shorten=20, shortener=lambda text: written)("refund?", stored(LONG))
    assert (answer.text, answer.trace["short"], answer.trace.get("short_by")) == (LONG, short, by)


def test_a_short_form_is_held_against_the_one_stored_answer_alone():
    other = "Members pay nothing for a parcel."
    answer = stored(LONG)
    both = replace(answer, candidates=[*answer.candidates, {**answer.candidates[0], "id": "r2", "answer": other}])
    assert supported(other, replace(both, text=other, candidates=both.candidates[1:]), None) == ""  # no shorter
    assert supported("Members pay nothing.", replace(both, text=other, candidates=both.candidates[1:]), None)
    assert supported("Members pay nothing.", both, None) == ""


def test_the_check_has_the_index_of_the_answer(made, monkeypatch):
    seen = []
    monkeypatch.setattr("bot.shortening.checker_of", lambda index, found: seen.append((index, found)) or Checker(found))
    bot = open_bot(made / "index", models=Models(shorten=20, shortener=lambda text: "Refunds in seven days."))
    assert bot.answer("when is my refund").trace["short_by"] == "shortener"
    ((index, (candidate,)),) = seen
    assert index is bot.index
    assert candidate.row.answer == LONG


def test_a_shortener_that_fails_or_is_slow_costs_nobody_the_answer():
    asked, started, free = [], threading.Event(), threading.Event()

    def write(text):
        asked.append(text)
        if len(asked) == 1:
            raise RuntimeError("no memory")
        started.set()
        assert free.wait(30)
        return "Refunds in seven days."

    shortener = Shortener(write, patience=30)
    models = Models(shorten=20, shortener=shortener)
    assert models("refund?", stored(LONG)).trace["short"] == "Parcels leave at noon."  # it failed
    begun = shortener._of(LONG)
    assert started.wait(30)
    shortener._patience = 0.01
    shorts = [models("refund?", stored(LONG)).trace["short"] for _ in range(2)]  # too slow, and still at work
    assert shorts == ["Parcels leave at noon."] * 2
    assert shortener("another text") == ""
    assert list(shortener._begun) == [LONG]  # nothing else queues behind it
    free.set()
    assert begun.result(30) == "Refunds in seven days."
    assert models("refund?", stored(LONG)).trace["short"] == "Refunds in seven days."  # it was not in vain
    assert asked == [LONG, LONG]


def test_a_short_form_that_waits_behind_another_is_given_up_and_begun_anew():
    started, free = threading.Event(), threading.Event()

    def write(text):
        started.set()
        assert free.wait(30)
        return text.upper()

    shortener = Shortener(write, patience=0.01)
    shortener._of("one")
    assert started.wait(30)
    assert shortener("two") == ""
    assert list(shortener._begun) == ["one"]
    free.set()
    shortener._patience = 30
    assert (shortener("one"), shortener("two")) == ("ONE", "TWO")


def test_an_upset_visitor_is_offered_a_person_once_in_the_own_language(bot):
    upset = bot.answer("never came and i am furious, where is my parcel")
    assert upset.trace["topic"] == "upset"
    assert "person" not in bot.answer("where is my parcel").trace
    models = bot._models
    given = Answer("answer", "On its way.", 0.9, [], [], {"lang": "ko"})
    assert models(MESSAGES[5][0], given).trace["person"].endswith("연락해 주세요: help@shop.example, 02-123-4567")
    told = replace(
        given, decision="abstain", text="Nothing. You can reach a person here: help@shop.example, 02-123-4567"
    )
    assert "person" not in models(MESSAGES[4][0], told).trace  # the text says it already
    assert "topic" not in bot.answer("hello!").trace


def test_what_a_generator_may_write_anew_is_not_marked(bot):
    unsure = Answer("answer", LONG, 0.3, [{"id": "r1"}], [], {"lang": "en"})
    assert not bot._models("when is my refund", unsure).trace.keys() & {"highlight", "short"}
    assert sentence_of("Another text.", {"short": "Refunds take"}, "short") == ""


def test_a_model_that_fails_fails_alone(made, caplog):
    def broken(text, *contexts):
        raise RuntimeError("no memory")

    models = Models(broken, (), broken, 60, shortener=broken, tagger=broken)
    answer = Bot(made / "index", models=models).answer("when is my refund")
    assert (answer.decision, answer.text) == ("answer", LONG)
    assert answer.trace["short"] == "Parcels leave at noon."
    assert "entities" not in answer.trace
    assert caplog.text.count("a model failed") == 4


@pytest.mark.parametrize(("place", "sentence"), [(0, "A b."), (3, "A b."), (4, ""), (5, "A b."), (8, "A b."), (9, "")])
def test_a_sentence_is_found_by_place_where_it_comes_twice(place, sentence):
    assert sentence_at("A b. A b.", ["A b.", "A b."], place) == sentence


def test_names_are_masked_in_the_journal_beside_the_rules(made, all_of, tmp_path, bot):
    journal = Journal(tmp_path / "journal.db", 90, True, open_tagger(all_of))
    for message in ("my name is Oruvela", "저는 해솔이라고 해요", "to Port Lune", "oru@x.example"):
        journal.record(message, bot.answer("when is my refund"), "terminal", None, 1.0)
    journal.close()
    with sqlite3.connect(tmp_path / "journal.db") as db:
        rows = db.execute("SELECT message, trace FROM exchanges ORDER BY id").fetchall()
    db.close()
    assert [message for message, _ in rows] == [
        "my name is [name]",
        "저는 [name]이라고 해요",
        "to Port Lune",
        "[email]",
    ]
    assert json.loads(rows[0][1])["topic"] == "money"


def test_what_a_message_names_is_in_the_trace_and_masked_in_the_journal(made, tmp_path):
    settings = Settings(tagger=made / "tag")
    bot, mask = open_bot(made / "index", models=open_models(settings)), open_tagger(settings)
    journal = Journal(tmp_path / "journal.db", 90, True, mask)
    for message, entities in (
        ("my name is Oruvela", [("PER", "Oruvela", 11, 18)]),
        ("달빛항으로 보내요", [("LOC", "달빛항", 0, 3)]),
        ("where is my parcel", []),
    ):
        answer = bot.answer(message)
        assert [tuple(one.values()) for one in answer.trace["entities"]] == entities
        assert all(list(one) == ["label", "text", "start", "end"] for one in answer.trace["entities"])
        journal.record(message, answer, "terminal", None, 1.0)
    journal.close()
    with sqlite3.connect(tmp_path / "journal.db") as db:
        rows = db.execute("SELECT message, trace FROM exchanges ORDER BY id").fetchall()
    db.close()
    assert [json.loads(trace)["entities"] for _, trace in rows] == [
        [{"label": "PER", "text": "[name]"}], [{"label": "LOC", "text": "달빛항"}], [],
    ]  # fmt: skip
    assert b"ruvela" not in (tmp_path / "journal.db").read_bytes()
    assert "entities" not in open_bot(made / "index", models=open_models(Settings(shorten=20))).answer("refund").trace


def test_one_tagger_serves_trace_and_journal(tmp_path, monkeypatch):
    opened = []

    class Fake:
        labels = ("O", "B-PER", "B-NUM")

        def __init__(self, *given):
            opened.append(given)

        def __call__(self, text):
            opened.append(text)
            return {"entities": [{"label": "NUM", "text": text[:2], "start": 0, "end": 2, "probability": 1.0}]}

    monkeypatch.setattr("bot.models.Model", Fake)
    settings = Settings(tagger=tmp_path)
    models, mask = open_models(settings), open_tagger(settings)
    assert models("42 boxes", stored(LONG)).trace["entities"] == [{"label": "NUM", "text": "42", "start": 0, "end": 2}]
    assert mask("42 boxes") == "42 boxes"
    assert opened == [("tagger", tmp_path, "tag"), "42 boxes"]


def test_no_entity_brings_back_what_the_journal_masks(tmp_path):
    message = "call 010-1234-5678 or mira@x.example, order 77-1, says Mira"
    found = [("NUM", "010-1234"), ("ORG", "x.example"), ("NUM", "77-1"), ("person", "Mira"), ("NUM", "1234")]
    entities = [{"label": label, "text": text, "start": 0, "end": 1} for label, text in found]
    answer = replace(stored(LONG), trace={"entities": entities})
    journal = Journal(tmp_path / "journal.db", 90, True, lambda text: text.replace("Mira", "[name]"))
    journal.record(message, answer, "terminal", None, 1.0)
    journal.close()
    with sqlite3.connect(tmp_path / "journal.db") as db:
        ((written, trace),) = db.execute("SELECT message, trace FROM exchanges").fetchall()
    db.close()
    assert written == "call [phone] or [email], order 77-1, says [name]"
    texts = [one["text"] for one in json.loads(trace)["entities"]]
    assert texts == ["[masked]", "[masked]", "77-1", "[name]", "[masked]"]


def test_masks_are_laid_from_the_end_and_never_into_another():
    found = [
        {"start": 0, "end": 4, "label": "PS"}, {"start": 9, "end": 12, "label": "Person"},
        {"start": 13, "end": 22, "label": "LC"}, {"start": 25, "end": 31, "label": "PER"},
    ]  # fmt: skip
    assert mask_found("Mira and Oru Port Lune, [email]", found) == "[name] and [name] Port Lune, [email]"


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"classifier": "read"}, r"classifier: .*read is of `bot train read`\. Name one of `bot train classify`"),
        ({"classifier": "none"}, r"classifier: .*none: there is no model that `bot train` made"),
        ({"upset": ("furious",)}, r"upset: 'furious' is no label of the classifier \(money, parcel, upset\)"),
        ({"upset": ("x",), "classifier": None}, r"upset: 'x' .*none, as no classifier is set"),
        ({"contact": ""}, r"upset: .* nothing says where\. Set contact"),
        ({"shortener": "read"}, r"shortener: .*read is of `bot train read`\. Name one of `bot train seq2seq`"),
        ({"shortener": "none", "shorten": 0}, r"shortener: no answer is shortened while shorten is 0\. Set shorten"),
    ],
)
def test_what_is_set_wrongly_is_said_at_once(made, all_of, more, told):
    folders = ("classifier", "shortener")
    more = {name: made / value if name in folders and value else value for name, value in more.items()}
    with pytest.raises(UserError, match=told):
        open_models(replace(all_of, **more))


def test_a_tagger_without_names_would_mask_nothing(made, all_of, monkeypatch):
    from bot.journal import personal

    monkeypatch.setattr(personal, "KINDS", {"ADDRESS": "[address]"})
    with pytest.raises(UserError, match=r"tag knows LOC, PER and none of ADDRESS, so it would mask nothing"):
        open_tagger(all_of)


def test_where_nothing_is_set_no_torch_is_loaded(made):
    assert open_models(Settings()) is open_tagger(Settings()) is None
    script = (
        "import sys; from bot import open_bot; from bot.models import open_models; from bot.settings import Settings; "
        f"bot = open_bot({str(made / 'index')!r}, models=open_models(Settings(shorten=20))); "
        "print(bot.answer('when is my refund').trace['short'], 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "Parcels leave at noon. False\n"
