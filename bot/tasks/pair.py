"""pair: two texts read together, to a score, a class, or whether they mean the same (arXiv:1810.04805, section 4.1).

Reads a TSV (or CSV, JSONL) with two text columns and `score` (a number), `label` (a class) or `is_duplicate` (0, 1);
the texts are sentence1 and sentence2, question1 and question2, premise and hypothesis, or the only two beside ids.
A model of a score or of `is_duplicate` reranks (`cross:DIR`), one of entailment classifies without examples and checks
what a generator writes (arXiv:1508.05326). A JSONL row may hold one `premise` and, under `entailment`, `neutral` and
`contradiction`, a list of hypotheses each.
"""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.learning.parts import tenth
from bot.learning.rows import column, full, pair_columns, read_delimited, read_objects, text_of
from bot.learning.task import Data, Setup, classes, place
from indexer.errors import UserError

if TYPE_CHECKING:
    from indexer.transformer import BertEncoder

SCORE = "accuracy"  # of classes; see `scored_by`
KIND = "AutoModelForSequenceClassification"
DEFAULTS = {"epochs": 4.0}
TARGETS = ("score", "is_duplicate", "label")
RELATIONS = ("entailment", "neutral", "contradiction")


@dataclass(frozen=True, slots=True)
class Options:
    """How a file is read."""

    first: str = field(default="", metadata={"help": "Column of the first text.  [default: the usual names]"})
    second: str = field(default="", metadata={"help": "Column of the second text.  [default: the usual names]"})


@dataclass(frozen=True, slots=True)
class Example:
    """Two texts, and a number or a label."""

    where: str
    first: str
    second: str
    target: float | str


def read(path: Path, options: Options) -> list[Example]:
    """Read a file's pairs."""
    objects = path.suffix.lower() in (".jsonl", ".json")
    found = []
    for where, row in read_objects(path) if objects else read_delimited(path):
        lists = objects and row.keys() & set(RELATIONS) and not row.keys() & set(TARGETS)
        found += _several(where, row) if lists else [_example(where, row, options)]
    full(path, found)
    return found


def apart(examples: Sequence[Example], draw: random.Random) -> list[int]:
    """Hold out a tenth of the first texts, each with all its pairs: a premise on both sides would flatter."""
    return tenth([example.first for example in examples], draw)


def labels(examples: Sequence[Example], options: Options) -> tuple[str, ...]:
    """Order the labels; none where a number is learned."""
    where = examples[0].where
    if isinstance(examples[0].target, str):
        return classes([str(example.target) for example in examples], where)
    if len({example.target for example in examples}) < 2:
        raise UserError(f"{where}: every score is {examples[0].target:g}, from here on. Add pairs of another score.")
    return ()


def scored_by(setup: Setup) -> str:
    """Choose numbers by their order, classes by how many are right."""
    return SCORE if setup.labels else "spearman"


def model(encoder: "BertEncoder", setup: Setup) -> Any:
    """Put a classifier, or one number, on the encoder's pooled state."""
    from bot.learning.learner import head_on, named

    if setup.labels:
        return head_on(encoder, KIND, **named(setup.labels), problem_type="single_label_classification")
    return head_on(encoder, KIND, **named(("score",)), problem_type="regression")


def encode(examples: Sequence[Example], setup: Setup) -> list[dict[str, Any]]:
    """Give the ids of each pair, and its label's place or its number."""
    tokens = _tokens([(example.first, example.second) for example in examples], setup)
    return [{**found, "labels": _target(example, setup)} for found, example in zip(tokens, examples, strict=True)]


def collate(setup: Setup) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
    """Pad to the longest pair of a batch."""
    from bot.learning.batches import together

    return partial(together, pad=setup.tokenizer.pad_token_id)


def truth(predictions: Any, data: Data, setup: Setup) -> tuple[Any, Any]:
    """Give the right and the guessed places of labels."""
    import numpy as np

    return np.array([feature["labels"] for feature in data.features]), predictions.argmax(axis=1)


def metrics(predictions: Any, data: Data, setup: Setup) -> dict[str, float]:
    """Give Spearman's and Pearson's correlation of numbers, accuracy and macro F1 of classes."""
    if not setup.labels:
        from indexer.sts import pearson, spearman

        right, found = [feature["labels"] for feature in data.features], predictions.reshape(-1)
        return {"spearman": spearman(found, right), "pearson": pearson(found, right)}
    from sklearn.metrics import f1_score

    true, guessed = truth(predictions, data, setup)
    return {
        "accuracy": float((true == guessed).mean()),
        "f1": float(f1_score(true, guessed, average="macro", zero_division=0)),
    }


def predict(trained: Any, setup: Setup, texts: Sequence[str], contexts: Sequence[str]) -> list[dict[str, Any]]:
    """Judge each text with each context: a score, or a label and the probability of every label."""
    from bot.learning.batches import likeliest

    if not contexts:
        raise UserError("this model reads two texts together: give the second with --context TEXT.")
    pairs = [(text, context) for text in texts for context in contexts]
    found = []
    for (text, context), row in zip(pairs, logits(trained, setup, pairs), strict=True):
        said = likeliest(setup.labels, row) if setup.labels else {"score": float(row[0])}
        found.append({"text": text, "context": context, **said})
    return found


def logits(trained: Any, setup: Setup, pairs: Sequence[tuple[str, str]]) -> list[Any]:
    """Give the model's numbers for each pair, (labels,) each."""
    from bot.learning.batches import outputs

    return [row["logits"] for row in outputs(trained, _tokens(pairs, setup), setup.tokenizer.pad_token_id)]


def _tokens(pairs: Sequence[tuple[str, str]], setup: Setup) -> list[dict[str, Any]]:
    first, second = [one for one, _ in pairs], [other for _, other in pairs]
    found = setup.tokenizer(first, second, truncation=True, max_length=setup.max_length)
    return [{name: found[name][at] for name in found} for at in range(len(pairs))]


def _target(example: Example, setup: Setup) -> float | int:
    if isinstance(example.target, str) != bool(setup.labels):
        what = "labels" if setup.labels else "scores"
        raise UserError(f"{example.where}: the model learns {what}, and this file has none. Give one with {what}.")
    return place(example.target, setup, example.where) if isinstance(example.target, str) else example.target


def _example(where: str, row: Mapping[str, Any], options: Options) -> Example:
    named = next((name for name in TARGETS if name in row), "")
    if not named:
        raise UserError(f"{where}: none of the columns {', '.join(TARGETS)} is there. Add the one that is learned.")
    value = str(column(where, row, named)).strip()
    target: float | str = _number(where, value) if named == "score" else value
    if named == "is_duplicate" and value not in ("0", "1"):
        raise UserError(f"{where}: 'is_duplicate' is {value!r}. Write 1 where both mean the same, else 0.")
    if not value:
        raise UserError(f"{where}: {named!r} is empty. Write one there, or take the row out.")
    first, second = pair_columns(where, row, TARGETS, options.first, options.second)
    one = text_of(where, row, first, "--first", (second, *TARGETS))
    return Example(where, one, text_of(where, row, second, "--second", (first, *TARGETS)), target)


def _several(where: str, row: Mapping[str, Any]) -> list[Example]:
    """Give each hypothesis of a premise as a pair."""
    premise, found = text_of(where, row, "premise"), []
    for relation in RELATIONS:
        hypotheses = row.get(relation, [])
        if not isinstance(hypotheses, list) or not all(isinstance(one, str) and one.strip() for one in hypotheses):
            raise UserError(f"{where}: {relation!r} is no list of texts. Write one, empty where there is none.")
        found += [Example(where, premise, one, relation) for one in hypotheses]
    return found


def _number(where: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UserError(f"{where}: the score {value!r} is no number. Write one such as 3.5.")
    return number
