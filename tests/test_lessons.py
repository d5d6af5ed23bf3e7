"""data/lessons.tsv and data/entailment.jsonl teach, so they may hold nothing that what they teach is measured on."""

import csv
import json
from collections import Counter, defaultdict

import pytest

from bot.student.lessons import read_pairs
from indexer.words import has_hangul

NEAR = 0.7  # Jaccard of sequences of three letters, from which two sentences are taken for nearly the same


def letters(text):
    return "".join(filter(str.isalnum, text.casefold()))


def trigrams(text):
    return {text[at : at + 3] for at in range(max(1, len(text) - 2))}


def near_ones(taught, measured):
    """List what is taught and nearly the same as what is measured on, with that."""
    by_trigram = defaultdict(list)
    sizes = {text: len(trigrams(text)) for text in map(letters, measured) if text}
    for text in sizes:
        for gram in trigrams(text):
            by_trigram[gram].append(text)
    found = []
    for sentence in {letters(text) for text in taught}:
        own = trigrams(sentence)
        shared = Counter(text for gram in own for text in by_trigram.get(gram, ()))
        found += [(sentence, text) for text, both in shared.items() if both / (len(own) + sizes[text] - both) >= NEAR]
    return found


@pytest.fixture(scope="module")
def read(root):
    def columns(name, *names):
        with (root / "data" / name).open(encoding="utf-8", newline="") as file:
            return [row[column] for row in csv.DictReader(file) for column in names]

    return columns


@pytest.fixture(scope="module")
def lines(root):
    text = (root / "data/lessons.tsv").read_text(encoding="utf-8")
    return [line.split("\t") for line in text.splitlines()]


@pytest.fixture(scope="module")
def answers(root):
    text = (root / "data/entailment.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_every_line_is_a_korean_and_an_english_sentence_and_its_source(lines, root):
    assert all(len(line) == 3 and all(cell == cell.strip() != "" for cell in line) for line in lines)
    assert all(has_hangul(korean) and not has_hangul(english) for korean, english, _ in lines)
    assert {source for *_, source in lines} == {"own_daily", "own_help", "own_chat"}
    assert max(Counter(map(tuple, lines)).values()) == 1
    assert len(read_pairs(root / "data/lessons.tsv", {})) > 0.98 * len(lines)  # the others are too long or too short


def test_no_sentence_is_or_nearly_is_one_that_the_student_is_measured_on(lines, read):
    measured = [*read("queries.csv", "text"), *read("crossing.csv", "text"), *read("qa.csv", "question")]
    measured += read("dialogues.csv", "first", "second")
    assert near_ones([cell for line in lines for cell in line[:2]], measured) == []
    assert near_ones(["환불은 언제 되나요?"], ["환불은 언제 되나요", "로그인"]) == [
        ("환불은언제되나요", "환불은언제되나요")
    ]


def test_an_answer_has_sentences_of_each_kind_in_its_language(answers):
    for row in answers:
        told_freely = {2: 4, 3: 6, 1: 3}[len(row["neutral"])]  # the last: statements about a message
        assert len(row["contradiction"]) == 4
        # Without the premise's own sentences a model learns that whatever repeats its words is false.
        own = row["entailment"][told_freely:]
        assert all(sentence in row["premise"] for sentence in own)
        assert own or told_freely != 4
        told = [row["premise"], *row["entailment"][:told_freely], *row["neutral"], *row["contradiction"]]
        assert len({has_hangul(text) for text in told}) == 1 or told_freely == 3, row["premise"]
        assert len(set(told)) == len(told), row["premise"]
    assert len({row["premise"] for row in answers}) == len(answers)


def test_no_answer_nor_sentence_nearly_is_one_that_the_checker_is_measured_on(answers, read):
    measured = read("qa.csv", "answer")
    for name in ("drafts", "hostile", "heldout"):
        measured += read(f"grounding/{name}.csv", "draft")
    kinds = ("entailment", "neutral", "contradiction")
    taught = [text for row in answers for text in (row["premise"], *(one for kind in kinds for one in row[kind]))]
    assert near_ones(taught, measured) == []
