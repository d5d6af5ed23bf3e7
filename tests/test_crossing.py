"""data/crossing.csv measures what it says: words avoided or the other language, nothing seen before, clean parts."""

import csv
import hashlib
import re
from collections import Counter, defaultdict
from itertools import pairwise

import pytest

from indexer.cells import normalise
from indexer.words import has_hangul, stem, words

COUNTS = {"avoid": 120, "en-ko": 100, "ko-en": 100}
LANGUAGES = {"avoid": ("ko", "ko"), "en-ko": ("en", "ko"), "ko-en": ("ko", "en")}  # of the message, of the answer
FREE_WORDS = {"어떻게", "언제", "어디", "있나요", "싶어요"}
# Of question words and endings.
FREE_PAIRS = {"나요", "있나", "더니", "어디", "어떻", "떻게", "까지", "어요", "싶어", "나면"}


def read(path):
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture(scope="module")
def crossing(root):
    return read(root / "data/crossing.csv")


@pytest.fixture(scope="module")
def sheet(root):
    return read(root / "data/qa.csv")


@pytest.fixture(scope="module")
def queries(root):
    return read(root / "data/queries.csv")


def pairs(text):
    """The pairs of syllables inside the stems: 바꾸고 and 바꾸려면 share one though their stems differ."""
    return {a + b for word in words(text) if has_hangul(word) for a, b in pairwise(stem(word))}


def shared_words(message, wordings):
    """What a message has in common with the wordings: stems of two syllables or more, and pairs of syllables."""
    found = set()
    for wording in wordings:
        found |= {one for one in map(stem, words(message)) if len(one) > 1} & set(map(stem, words(wording)))
        found |= pairs(message) & pairs(wording)
    return found - FREE_WORDS - FREE_PAIRS


def trigrams(text):
    text = f"  {' '.join(words(text))} "
    return {text[at : at + 3] for at in range(len(text) - 2)}


def likeness(one, other):
    return len(one & other) / len(one | other)


def test_the_checks_see_what_they_are_for():
    assert shared_words("비번을 바꾸고 싶어요", ["주소를 바꾸려면 어떻게 해요"]) == {"바꾸"}
    assert shared_words("환불은요?", ["환불 기간"]) == {"환불"}
    assert shared_words("PDF 있나요", ["pdf로 받을 수 있나요"]) == {"pdf"}
    assert shared_words("돈은 언제 나가요", ["결제일"]) == set()
    assert likeness(trigrams("ab"), trigrams("AB!")) == 1
    assert likeness(trigrams("ab"), trigrams("ac")) == 1 / 5  # "  a", " ab", "ab " and "  a", " ac", "ac "


def test_columns_and_counts(crossing):
    assert list(crossing[0]) == ["id", "text", "lang", "kind", "entry", "split"]
    assert Counter(row["kind"] for row in crossing) == COUNTS
    assert len({row["id"] for row in crossing}) == len(crossing)
    assert all(row["id"].rsplit("-", 1)[0] == row["kind"] for row in crossing)


def test_every_answer_stands_in_the_language_of_its_kind(crossing, sheet):
    languages = {row["entry"]: row["lang"] for row in sheet}
    for row in crossing:
        assert (row["lang"], languages[row["entry"]]) == LANGUAGES[row["kind"]], row
        assert has_hangul(row["text"]) == (row["lang"] == "ko"), row


def test_the_categories_have_equal_shares_and_no_entry_comes_twice(crossing, sheet):
    categories = {row["entry"]: row["category"] for row in sheet}
    for kind, count in COUNTS.items():
        entries = [row["entry"] for row in crossing if row["kind"] == kind]
        assert len(set(entries)) == count
        assert set(Counter(categories[entry] for entry in entries).values()) == {count // 10}


def test_the_parts_are_halves_and_share_no_entry_in_either_language(crossing):
    parts = defaultdict(set)
    for row in crossing:
        parts[row["entry"].removesuffix("-ko").removesuffix("-en")].add(row["split"])
    assert {len(one) for one in parts.values()} == {1}
    halves = Counter((row["kind"], row["split"]) for row in crossing)
    assert halves == {(kind, part): count // 2 for kind, count in COUNTS.items() for part in ("dev", "test")}


def test_an_entry_is_in_the_part_that_it_has_in_the_queries(crossing, root, sheet, queries):
    entries = {row["id"]: row["entry"] for row in sheet}
    parts = {row["id"]: row["split"] for row in queries}
    known = {entries[row["document"]]: parts[row["query"]] for row in read(root / "data/qrels.csv")}
    assert {row["id"] for row in crossing if known[row["entry"]] != row["split"]} == set()


def test_no_message_was_seen_before(crossing, sheet, queries):
    """Neither equal to, nor nearly, a wording, another query or another message of the set."""
    others = {row["id"]: row["question"] for row in sheet} | {row["id"]: row["text"] for row in queries + crossing}
    assert len(others) == len(sheet) + len(queries) + len(crossing)
    grams = {name: trigrams(text) for name, text in others.items()}
    for row in crossing:
        for name, text in others.items():
            if name != row["id"]:
                assert normalise(text) != normalise(row["text"])
                assert likeness(grams[row["id"]], grams[name]) < 0.6, (row["text"], text)


def test_the_avoiding_messages_share_no_word_with_their_entry(crossing, sheet):
    wordings = defaultdict(list)
    for row in sheet:
        wordings[row["entry"]].append(row["question"])
    shared = {
        row["id"]: found
        for row in crossing
        if row["kind"] == "avoid" and (found := shared_words(row["text"], wordings[row["entry"]]))
    }
    assert shared == {}


def test_the_sums_in_the_readme_are_those_of_the_files(root):
    listed = re.findall(r"`([\w./]+)` SHA-256 `(\w{64})`", (root / "data/README.md").read_text(encoding="utf-8"))
    assert {"crossing.csv", "qa.csv", "queries.csv"} <= {name for name, _ in listed}
    for name, digest in listed:
        assert hashlib.sha256((root / "data" / name).read_bytes()).hexdigest() == digest, name
