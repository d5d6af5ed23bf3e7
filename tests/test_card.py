"""The card of the Korean student, its log, its licence table and the weights that ship are of one training."""

import csv
import hashlib
import json
import re

import pytest

COUNTS = re.compile(r"^\|[^\n]*\(`(\w+)`\)[^\n]*?\| ([\d,]+) \| ([\d,]+) \|", re.MULTILINE)


@pytest.fixture
def card(root):
    return (root / "docs/models/korean.md").read_text(encoding="utf-8")


@pytest.fixture
def run(root):
    return json.loads((root / "docs/models/korean-run.json").read_text(encoding="utf-8"))


def test_the_hashes_are_those_of_the_weights(root, card, run):
    listed = dict(re.findall(r"\| `(korean\.\w+)`[^\n]*\| `(\w{64})` \|", card))
    found = {name: hashlib.sha256((root / "indexer/weights" / name).read_bytes()).hexdigest() for name in listed}
    assert listed == found == run["sha256"]


def test_the_counts_are_those_of_the_log(root, card, run):
    counted = {name: (found["pairs"], found["shown"]) for name, found in run["sources"].items()}
    licence = (root / "indexer/weights/LICENSE-korean.md").read_text(encoding="utf-8")
    for text in (card, licence):
        listed = {name: (number(pairs), number(shown)) for name, pairs, shown in COUNTS.findall(text)}
        assert listed == counted
    assert sum(shown for _, shown in counted.values()) == run["samples"]


def test_every_source_has_its_weight(root, run):
    with (root / "docs/models/sources.csv").open(encoding="utf-8", newline="") as file:
        weights = {row["source"]: float(row["weight"]) for row in csv.DictReader(file)}
    assert set(run["sources"]) == {name for name, weight in weights.items() if weight}


def test_the_figures_watched_in_training_are_the_cards(card, run):
    (told,) = re.findall(r"\| KorSTS dev, Spearman [^|]*\|[^|]*\| \*\*(\.\d+)\*\* \|", card)
    assert float(told) == pytest.approx(run["after"]["spearman"], abs=0.002)  # served in 8 bits


def number(written):
    return int(written.replace(",", ""))
