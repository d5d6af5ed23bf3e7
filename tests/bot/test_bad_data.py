"""Bad data: for every task an empty or missing file, a missing column, nothing to tell apart, a wrong span."""

import json

import pytest

from bot.tasks import load_task, names
from bot.training.train import Request, train
from indexer.errors import UserError


def lines(*rows):
    return "\n".join(json.dumps(row) for row in rows)


FORMS = {  # the form that a task's file usually has
    "classify": "jsonl", "pair": "tsv", "tag": "jsonl", "read": "jsonl", "relate": "jsonl", "seq2seq": "tsv",
    "choose": "csv", "similarity": "csv", "reply": "csv",
}  # fmt: skip
NO_ANSWER = "no column is known as the answer"
COLUMN = [
    ("classify", lines({"text": "a", "label": 1}, {"text": "b"}), "line 2: there is no 'label', only 'text'"),
    ("classify", lines({"text": "a", "mood": "x"}), "only 'text', 'mood'. Type: --label mood, or add it."),
    ("classify", lines({"label": 1}), "line 1: there is no 'text', only 'label'. Add it."),
    ("pair", "one\tother\nx\ty\n", "line 2: none of the columns score, is_duplicate, label"),
    ("tag", lines({"text": "abc", "entities": []}, {"text": "abc"}), "line 2: there is no 'entities'"),
    ("read", lines({"question": "q", "answers": []}), "line 1: there is no 'context', only 'question', 'answers'"),
    ("relate", lines({"text": "a b", "subject": [0, 1], "label": "x"}), "line 1: there is no 'object', only 'text'"),
    ("relate", lines({"text": "a b", "subject": [0, 1], "object": [2, 3]}), "line 1: there is no 'label'"),
    ("seq2seq", "source\nx\n", "no columns source and target"),
    ("choose", "id,question\n1,a\n", NO_ANSWER),
    ("similarity", "id,question\n1,a\n", NO_ANSWER),
    ("reply", "id,question\n1,a\n", NO_ANSWER),
]
ALIKE = [
    ("classify", lines({"text": "a", "label": "x"}, {"text": "b", "label": "x"}), ", line 1: only 'x' occurs"),
    ("pair", "one\tother\tlabel\na\tb\tx\nc\td\tx\n", ", line 2: only 'x' occurs"),
    ("pair", "one\tother\tscore\na\tb\t1\nc\td\t1\n", ", line 2: every score is 1, from here on. Add pairs of another"),
    ("tag", lines({"text": "abc", "entities": []}), ": no text has an entity"),
    ("read", lines({"question": "q", "context": "abc", "answers": []}), ", line 1: no question has an answer"),
    ("relate", lines({"text": "a b", "subject": [0, 1], "object": [2, 3], "label": "x"}), ", line 1: only 'x' occurs"),
    ("seq2seq", "source\ttarget\nx\t\n", ", line 2: 'target' is ''"),
    ("choose", "question,answer\na,one\nb,two\n", ": no question can be asked"),
    ("similarity", "question,answer\na,one\nb,one\n", ": 2 wordings of 1 entries"),
]
OUTSIDE = [
    ("tag", lines({"text": "a b", "entities": [[2, 9, "X"]]}), "line 1: the entity [2, 9, 'X'] is no part of the text"),
    ("read", lines({"question": "q", "context": "a b", "answers": [["b", 9]]}), "line 1: the answer ['b', 9] does not"),
    (
        "relate",
        lines({"text": "a b", "subject": [0, 1], "object": [2, 9], "label": "x"}),
        "line 1: object [2, 9] is no",
    ),
    ("relate", lines({"text": "a b", "subject": [-1, 1], "object": [2, 3], "label": "x"}), "line 1: subject [-1, 1]"),
]


def refused(task, path):
    """Read a file as `bot train` does, before it loads any model; give what it says."""
    module = load_task(task)
    with pytest.raises(UserError) as caught:
        module.labels(module.read(path, module.Options()), module.Options())
    told = str(caught.value)
    assert told.startswith(str(path)), told
    assert "\n" not in told
    return told


def test_every_task_is_asked():
    assert sorted(FORMS) == names()
    assert {task for task, *_ in COLUMN} == set(FORMS)
    assert {task for task, *_ in ALIKE} == set(FORMS) - {"reply"}  # which test_reply asks


@pytest.mark.parametrize("task", FORMS)
def test_an_empty_file_and_one_that_is_not_there(task, tmp_path):
    path = tmp_path / f"x.{FORMS[task]}"
    module = load_task(task)
    with pytest.raises(UserError, match=r"there is no such file"):
        module.read(path, module.Options())
    for text in ("", " \n\n"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(UserError, match=r"x\.\w+: ([Tt]he file is empty|.* no row below it)"):
            module.read(path, module.Options())


@pytest.mark.parametrize(("task", "text", "told"), [*COLUMN, *ALIKE, *OUTSIDE])
def test_the_row_and_what_is_wrong_with_it_are_named(task, text, told, tmp_path):
    path = tmp_path / f"x.{FORMS[task]}"
    path.write_text(text, encoding="utf-8")
    assert told in refused(task, path)


def test_one_example_cannot_be_learned_from_and_judged_by(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text(lines({"text": "Mira is here", "entities": [[0, 4, "PER"]]}), encoding="utf-8")
    with pytest.raises(UserError, match=r"x\.jsonl: all of it would be held out to judge by. Give more, or --dev"):
        train(Request("tag", path, tmp_path / "out"))
