"""data/lessons.tsv and data/entailment.jsonl teach, so they may hold nothing that what they teach is measured on."""

import csv
import json
from collections import Counter

import pytest

from bot.student.lessons import read_pairs
from indexer.words import has_hangul


def letters(text):
    return "".join(filter(str.isalnum, text.casefold()))


def trigrams(text):
    return {text[at : at + 3] for at in range(max(1, len(text) - 2))}


@pytest.fixture(scope="module")
def rows(root):
    lines = (root / "data/lessons.tsv").read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines]


def test_every_line_is_a_korean_and_an_english_sentence_and_its_source(rows, root):
    assert all(len(row) == 3 and all(cell == cell.strip() != "" for cell in row) for row in rows)
    assert all(has_hangul(korean) and not has_hangul(english) for korean, english, _ in rows)
    assert {source for *_, source in rows} == {"own_daily", "own_help", "own_chat"}
    assert max(Counter(map(tuple, rows)).values()) == 1
    assert len(read_pairs(root / "data/lessons.tsv", {})) > 0.98 * len(rows)  # the others are too long or too short


def test_no_sentence_is_or_nearly_is_one_that_the_student_is_measured_on(rows, root):
    measured = set()
    for name, column in (("queries.csv", "text"), ("crossing.csv", "text"), ("qa.csv", "question")):
        with (root / "data" / name).open(encoding="utf-8", newline="") as file:
            measured |= {letters(row[column]) for row in csv.DictReader(file)}
    by_trigram = {}
    for text in measured:
        for gram in trigrams(text):
            by_trigram.setdefault(gram, []).append(text)
    for sentence in {letters(cell) for row in rows for cell in row[:2]}:
        own = trigrams(sentence)
        for text, shared in Counter(text for gram in own for text in by_trigram.get(gram, ())).most_common(3):
            assert text != sentence
            assert len(own) < 4 or shared / len(own | trigrams(text)) < 0.6, (sentence, text)


def test_an_answer_has_sentences_of_each_kind_and_none_is_one_that_the_checker_is_measured_on(root):
    rows = [json.loads(line) for line in (root / "data/entailment.jsonl").read_text(encoding="utf-8").splitlines()]
    for row in rows:
        assert [len(row[kind]) for kind in ("entailment", "neutral", "contradiction")] == [4, 2, 4]
        told = [row["premise"], *row["entailment"], *row["neutral"], *row["contradiction"]]
        assert len({has_hangul(text) for text in told}) == 1, row["premise"]
        assert len(set(told)) == 11, row["premise"]
    assert len({row["premise"] for row in rows}) == len(rows)
    measured = []
    for name, column in (("qa.csv", "answer"), ("grounding/drafts.csv", "draft"), ("grounding/heldout.csv", "draft")):
        with (root / "data" / name).open(encoding="utf-8", newline="") as file:
            measured += [trigrams(letters(row[column])) for row in csv.DictReader(file)]
    for row in rows:
        own = trigrams(letters(row["premise"]))
        assert max(len(own & other) / len(own | other) for other in measured) < 0.5, row["premise"]
