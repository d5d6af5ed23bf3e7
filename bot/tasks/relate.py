"""relate: which relation holds between two marked entities of a text, such as an order and who placed it.

The entities are set between markers, [E1] and [E2], which become special tokens of their own; what begins with them is
classified (arXiv:1906.03158, arXiv:1905.08284). `bot predict` takes texts with the markers in them.
"""

import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bot.learning.parts import tenth
from bot.learning.rows import column, full, read_objects, span_of, text_of
from bot.learning.tables import add_rows, add_types
from bot.learning.task import Data, Setup, classes, place, refuse_contexts
from indexer.errors import UserError

if TYPE_CHECKING:
    from bot.learning.learner import BertEncoder

SCORE, KIND = "macro_f1", "AutoModel"
FREEZES = False
# Each marker, and the word that its vector begins as.
MARKERS = {"[E1]": "subject", "[/E1]": "end", "[E2]": "object", "[/E2]": "end"}
STARTS = ("[E1]", "[E2]")


@dataclass(frozen=True, slots=True)
class Options:
    """What `bot train relate` takes besides."""

    state: str = field(default="entities", metadata={"help": "What is classified: entities (both starts) or cls."})
    spans: bool = field(default=False, metadata={"help": "Mark every token of both entities, not their ends alone."})


@dataclass(frozen=True, slots=True)
class Example:
    """A text with both entities between their markers, and the relation."""

    where: str
    text: str
    label: str


def read(path: Path, options: Options) -> list[Example]:
    """Read JSONL: text, subject and object as [start, end], label."""
    if options.state not in ("entities", "cls"):
        raise UserError(f"--state {options.state}: choose entities or cls.")
    found = []
    for where, row in read_objects(path):
        text = text_of(where, row, "text")
        spans = [span_of(where, column(where, row, name), text, name) for name in ("subject", "object")]
        found.append(Example(where, marked(where, text, *spans), text_of(where, row, "label")))
    full(path, found)
    return found


def apart(examples: Sequence[Example], draw: random.Random) -> list[int]:
    """Hold out a tenth of the sentences, each with all its pairs: the same words on both sides would flatter."""
    return tenth([plain(example.text) for example in examples], draw)


def plain(text: str) -> str:
    """Take the markers off again, and all spaces, since markers bring some."""
    for marker in MARKERS:
        text = text.replace(marker, "")
    return "".join(text.split())


def marked(where: str, text: str, subject: tuple[int, int], object: tuple[int, int]) -> str:
    """Set both entities between their markers; one may lie within the other."""
    if subject == object:
        raise UserError(f"{where}: subject and object are the same words, {text[slice(*subject)]!r}. Mark two.")
    if held := next((marker for marker in MARKERS if marker in text), None):
        raise UserError(f"{where}: the text holds {held}, which marks an entity. Write it otherwise.")
    _refuse_crossing(where, subject, object)
    opening = sorted([(subject, "1"), (object, "2")], key=lambda found: found[0][0] - found[0][1])  # wider ones outside
    pieces = [(start, 1, f"[E{name}]") for (start, _), name in opening]
    pieces += [(end, 0, f"[/E{name}]") for (_, end), name in reversed(opening)]
    at, parts = 0, []
    for position, _, marker in sorted(pieces, key=lambda piece: piece[:2]):
        parts += [text[at:position], f" {marker} "]
        at = position
    return " ".join("".join([*parts, text[at:]]).split())


def labels(examples: Sequence[Example], options: Options) -> tuple[str, ...]:
    """Name the relations."""
    return classes([example.label for example in examples], examples[0].where)


def model(encoder: "BertEncoder", setup: Setup) -> Any:
    """Add the markers to vocabulary and embeddings, and put the layer on the encoder's own module."""
    from bot.learning.learner import named
    from bot.tasks._relation import RelationModel

    add_markers(encoder)
    config = encoder.model.config
    config.update(named(setup.labels))
    config.relation_state = setup.options.state
    ids = {marker: encoder.tokenizer.convert_tokens_to_ids(marker) for marker in MARKERS}
    config.relation_starts = [ids[marker] for marker in STARTS]
    if setup.options.spans and not getattr(config, "relation_spans", None):  # an earlier training may have had them
        add_types(encoder.model, getattr(config, "type_vocab_size", 0) + len(STARTS))
    spans = [[ids[f"[{name}]"], ids[f"[/{name}]"]] for name in ("E1", "E2")]
    config.relation_spans = spans if setup.options.spans else []
    return RelationModel(config, encoder.model)


def add_markers(encoder: "BertEncoder") -> None:
    """Add the markers as special tokens; each new row begins as the mean of the pieces of a word that describes it."""
    tokenizer: Any = encoder.tokenizer
    new = [marker for marker in MARKERS if marker not in tokenizer.get_vocab()]
    pieces = [tokenizer(MARKERS[marker], add_special_tokens=False).input_ids for marker in new]
    before = len(tokenizer)
    tokenizer.add_special_tokens({"extra_special_tokens": list(MARKERS)}, replace_extra_special_tokens=False)
    if new:
        add_rows(encoder.model, before, pieces)


def encode(examples: Sequence[Example], setup: Setup) -> list[dict[str, Any]]:
    """Give ids and the relation's number."""
    return [
        {**_ids(example.where, example.text, setup), "labels": place(example.label, setup, example.where)}
        for example in examples
    ]


def collate(setup: Setup) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
    """Pad to the longest of a batch."""
    from transformers import DataCollatorWithPadding

    return DataCollatorWithPadding(setup.tokenizer)


def metrics(predictions: Any, data: Data, setup: Setup) -> dict[str, float]:
    """Give macro F1 and accuracy, and the accuracy of always saying the commonest relation."""
    from sklearn.metrics import f1_score

    true, said = truth(predictions, data, setup)
    return {
        "macro_f1": float(f1_score(true, said, average="macro", zero_division=0)),
        "accuracy": float(np.mean(true == said)),
        "majority": max(Counter(true.tolist()).values()) / len(true),
    }


def truth(predictions: Any, data: Data, setup: Setup) -> tuple[Any, Any]:
    """Give the true and the predicted relations' numbers, (n,) each."""
    return np.array([features["labels"] for features in data.features]), np.asarray(predictions).argmax(axis=-1)


def load(folder: Path, setup: Setup) -> Any:
    """Open a trained folder."""
    from bot.tasks._relation import opened
    from indexer.transformer import quietly

    with quietly():
        return opened(str(folder))


def predict(model: Any, setup: Setup, texts: Sequence[str], contexts: Sequence[str]) -> list[dict[str, Any]]:
    """Name the relation in each marked text, with the probabilities of all."""
    from bot.learning.batches import likeliest, outputs

    refuse_contexts(contexts)
    for text in texts:
        if not all(re.search(rf"\[E{name}\].*\[/E{name}\]", text) for name in "12"):
            raise UserError(f'{text[:60]!r}: mark both entities: "[E1] order 7 [/E1] was placed by [E2] Mina [/E2]".')
    told = outputs(model, [_ids(repr(text[:60]), text, setup) for text in texts], setup.tokenizer.pad_token_id)
    return [{"text": text, **likeliest(setup.labels, row["logits"])} for text, row in zip(texts, told, strict=True)]


def _ids(where: str, text: str, setup: Setup) -> dict[str, Any]:
    """Give a marked text's ids; where a marker is cut off, no state stands for its entity, and that is an error."""
    ids = setup.tokenizer(text, truncation=True, max_length=setup.max_length)
    if not all(setup.tokenizer.convert_tokens_to_ids(marker) in ids["input_ids"] for marker in STARTS):
        raise UserError(
            f"{where}: an entity begins behind the first {setup.max_length} tokens. "
            "Cut the text around the entities, or train with a larger --max-length."
        )
    return {**ids}


def _refuse_crossing(where: str, one: tuple[int, int], other: tuple[int, int]) -> None:
    first, second = sorted([one, other])
    if first[0] < second[0] < first[1] < second[1]:
        raise UserError(f"{where}: subject {list(one)} and object {list(other)} overlap. One may lie within the other.")
