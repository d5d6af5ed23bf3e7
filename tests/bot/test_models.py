"""Models at the bot's side: topics in trace and journal, a person for the upset, the answering sentence, masks."""

import json
import sqlite3
import subprocess
import sys
from dataclasses import replace

import pytest
from tiny_bert import make_tiny

from bot import open_bot
from bot.answer import Bot
from bot.composing import Answer, sentence_of
from bot.journal import Journal
from bot.journal.personal import mask_found
from bot.models import Models, open_models, open_tagger, sentence_at
from bot.settings import Settings
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


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An index, and a tiny model of each of the three tasks that knows its six examples by heart."""
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
    assert added == {"topic": "money", "highlight": sentence, "short": sentence}
    assert answer.to_dict() | {"trace": 0} == plain.to_dict() | {"trace": 0}
    korean = bot.answer("환불은 언제 되나요")
    assert korean.trace["highlight"] == "환불은 칠 일 걸려요."
    assert "short" not in korean.trace  # its 24 characters are not long


def test_without_a_reader_a_long_answer_is_shortened_to_its_lead(made, all_of):
    models = open_models(replace(all_of, reader=None, classifier=None, upset=()))
    trace = open_bot(made / "index", models=models).answer("when is my refund").trace
    assert trace["short"] == "Parcels leave at noon."
    assert not trace.keys() & {"highlight", "topic", "person"}


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

    answer = Bot(made / "index", models=Models(broken, (), None, 60)).answer("when is my refund")
    assert (answer.decision, answer.text) == ("answer", LONG)
    assert "a model failed" in caplog.text


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
    ],
)
def test_what_is_set_wrongly_is_said_at_once(made, all_of, more, told):
    more = {name: made / value if name == "classifier" and value else value for name, value in more.items()}
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
