"""classify: one label for one text (sentiment, topic, intent), as in BERT's section 4.1 (arXiv:1810.04805).

Reads JSONL {"text", "label"}, a CSV or TSV with a column of each, and judged queries {"query", "groups", "oos"}, of
which those off topic are left out (`oos`: true, yes or 1).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.learning.rows import column, full, read_delimited, read_objects, text_of
from bot.learning.task import Data, Setup, classes, place, refuse_contexts
from indexer.errors import UserError

if TYPE_CHECKING:
    from indexer.transformer import BertEncoder

SCORE = "accuracy"
KIND = "AutoModelForSequenceClassification"
TRUE, FALSE = ("true", "t", "yes", "y", "1", "1.0"), ("", "false", "f", "no", "n", "0", "0.0", "none")


@dataclass(frozen=True, slots=True)
class Options:
    """How a file is read."""

    text: str = field(default="text", metadata={"help": "Column of the text."})
    label: str = field(default="label", metadata={"help": "Column of the label."})


@dataclass(frozen=True, slots=True)
class Example:
    """A text and its label."""

    where: str
    text: str
    label: str


def read(path: Path, options: Options) -> list[Example]:
    """Read a file's texts and labels."""
    tabular = path.suffix.lower() in (".csv", ".tsv")
    rows = read_delimited(path) if tabular else read_objects(path)
    found = [_example(where, row, options) for where, row in rows if not _off_topic(where, row, options)]
    full(path, found)
    return found


def labels(examples: Sequence[Example], options: Options) -> tuple[str, ...]:
    """Order the labels, numbers by value."""
    return classes([example.label for example in examples], examples[0].where)


def model(encoder: "BertEncoder", setup: Setup) -> Any:
    """Put a classifier on the encoder's pooled state."""
    from bot.learning.learner import head_on, named

    return head_on(encoder, KIND, **named(setup.labels), problem_type="single_label_classification")


def encode(examples: Sequence[Example], setup: Setup) -> list[dict[str, Any]]:
    """Give the ids of each text and its label's place."""
    tokens = _tokens([example.text for example in examples], setup)
    truth = [place(example.label, setup, example.where) for example in examples]
    return [{**found, "labels": label} for found, label in zip(tokens, truth, strict=True)]


def collate(setup: Setup) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
    """Pad to the longest text of a batch."""
    from bot.learning.batches import together

    return partial(together, pad=setup.tokenizer.pad_token_id)


def truth(predictions: Any, data: Data, setup: Setup) -> tuple[Any, Any]:
    """Give the right and the guessed places of labels."""
    import numpy as np

    return np.array([feature["labels"] for feature in data.features]), predictions.argmax(axis=1)


def metrics(predictions: Any, data: Data, setup: Setup) -> dict[str, float]:
    """Give the accuracy, and the mean of the labels' F1 (macro)."""
    from sklearn.metrics import f1_score

    true, guessed = truth(predictions, data, setup)
    return {
        "accuracy": float((true == guessed).mean()),
        "f1": float(f1_score(true, guessed, average="macro", zero_division=0)),
    }


def predict(trained: Any, setup: Setup, texts: Sequence[str], contexts: Sequence[str]) -> list[dict[str, Any]]:
    """Give the likeliest label of each text, and the probability of every label."""
    from bot.learning.batches import likeliest, outputs

    refuse_contexts(contexts)
    told = outputs(trained, _tokens(texts, setup), setup.tokenizer.pad_token_id)
    return [{"text": text, **likeliest(setup.labels, row["logits"])} for text, row in zip(texts, told, strict=True)]


def _tokens(texts: Sequence[str], setup: Setup) -> list[dict[str, Any]]:
    found = setup.tokenizer(list(texts), truncation=True, max_length=setup.max_length)
    return [{name: found[name][at] for name in found} for at in range(len(texts))]


def _example(where: str, row: Mapping[str, Any], options: Options) -> Example:
    if options.text not in row and "query" in row and "groups" in row:
        return Example(where, text_of(where, row, "query"), _group(where, row))
    label = column(where, row, options.label, "--label", (options.text,))
    if isinstance(label, bool) or not isinstance(label, str | int) or not str(label).strip():
        raise UserError(f"{where}: {options.label!r} is {label!r}. A label is a word or a whole number.")
    return Example(where, text_of(where, row, options.text, "--text", (options.label,)), str(label).strip())


def _off_topic(where: str, row: Mapping[str, Any], options: Options) -> bool:
    """Read `oos`, which a CSV says in words, as a truth; where it is missing, empty or learned, a row is on topic."""
    if "oos" in (options.text, options.label):
        return False
    said = str(row.get("oos", "")).strip().casefold()
    if said not in (*TRUE, *FALSE):
        raise UserError(f"{where}: 'oos' is {row['oos']!r}. Write true where a text is off topic, else false.")
    return said in TRUE


def _group(where: str, row: Mapping[str, Any]) -> str:
    groups = row["groups"]
    if not isinstance(groups, list) or not groups or not isinstance(groups[0], str):
        raise UserError(f"{where}: 'groups' is {groups!r}, not a list of labels. Name one, or set 'oos' to true.")
    return str(groups[0])
