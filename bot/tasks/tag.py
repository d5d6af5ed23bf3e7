"""tag: the spans of a text that are names, dates or numbers (token classification, arXiv:1810.04805, section 5.3).

Reads JSONL {"text", "entities": [[start, end, "TYPE"]]} (characters, end exclusive) or {"tokens", "tags"} (IOB2). Spans
become IOB2 tags of the tokenizer's pieces by their offsets; scores count whole spans, exact to the character.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bot.learning.rows import column, full, read_objects, span_of, text_of
from bot.learning.task import IGNORED, Data, Setup, place
from indexer.errors import UserError

if TYPE_CHECKING:
    from indexer.transformer import BertEncoder

SCORE = "f1"
KIND = "AutoModelForTokenClassification"
OUTSIDE = "O"


class Span(NamedTuple):
    """A part of a text, in characters, end exclusive."""

    start: int
    end: int
    label: str


@dataclass(frozen=True, slots=True)
class Options:
    """What decides about a span's ends."""

    whole_words: bool = field(
        default=False,
        metadata={"help": "A word's first piece decides for all of it (not for Korean, where a name ends in a word)."},
    )


@dataclass(frozen=True, slots=True)
class Example:
    """A text and its spans; `words` are those that it was given in, none where it was a text."""

    where: str
    text: str
    spans: tuple[Span, ...]
    words: tuple[tuple[int, int], ...] = ()


def read(path: Path, options: Options) -> list[Example]:
    """Read a file's texts and spans."""
    found = [_words(where, row) if "tokens" in row else _text(where, row) for where, row in read_objects(path)]
    full(path, found)
    return found


def labels(examples: Sequence[Example], options: Options) -> tuple[str, ...]:
    """Order the tags: O, then B and I of each type."""
    kinds = sorted({span.label for example in examples for span in example.spans})
    if not kinds:
        raise UserError(f"{examples[0].where.rpartition(',')[0]}: no text has an entity. Mark some.")
    return (OUTSIDE, *(f"{part}-{kind}" for kind in kinds for part in "BI"))


def model(encoder: "BertEncoder", setup: Setup) -> Any:
    """Put a classifier on the state of every piece."""
    from bot.learning.learner import head_on, named

    return head_on(encoder, KIND, **named(setup.labels))


def encode(examples: Sequence[Example], setup: Setup) -> list[dict[str, Any]]:
    """Give the ids of each text, a tag's place for each piece, and the pieces' `offsets` and `heads`."""
    texts = [example.text for example in examples]
    found = setup.tokenizer(texts, truncation=True, max_length=setup.max_length, return_offsets_mapping=True)
    return [_feature(example, found, at, setup) for at, example in enumerate(examples)]


def collate(setup: Setup) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
    """Pad to the longest text of a batch."""
    from bot.learning.batches import together

    return partial(together, pad=setup.tokenizer.pad_token_id)


def truth(predictions: Any, data: Data, setup: Setup) -> tuple[Any, Any]:
    """Give the right and the guessed places of tags, piece by piece."""
    import numpy as np

    guessed = predictions.argmax(axis=-1)
    rows = [np.array(feature["labels"]) for feature in data.features]
    told = [row[: len(right)][right != IGNORED] for row, right in zip(guessed, rows, strict=True)]
    return np.concatenate([right[right != IGNORED] for right in rows]), np.concatenate(told)


def metrics(predictions: Any, data: Data, setup: Setup) -> dict[str, float]:
    """Give precision, recall and F1 of whole spans (seqeval), and how many spans truncation cut off."""
    from bot.learning.task import needs

    needs("seqeval")
    from seqeval.metrics import f1_score, precision_score, recall_score

    guessed = predictions.argmax(axis=-1)
    right, found, cut = [], [], 0
    for example, feature, row in zip(data.examples, data.features, guessed, strict=True):
        spans = _spans([setup.labels[at] for at in row[: len(feature["offsets"])]], feature)
        right.append(_letters(example.spans, len(example.text)))
        found.append(_letters(spans, len(example.text)))
        reach = max(end for _, end in feature["offsets"])
        cut += sum(span.end > reach for span in example.spans)
    scores = {"f1": f1_score, "precision": precision_score, "recall": recall_score}
    return {**{name: float(of(right, found, zero_division=0)) for name, of in scores.items()}, "cut": float(cut)}


def predict(trained: Any, setup: Setup, texts: Sequence[str], contexts: Sequence[str]) -> list[dict[str, Any]]:
    """Give the entities of each text, with their characters and the probability of their least sure piece."""
    from bot.learning.task import refuse_contexts

    refuse_contexts(contexts)
    return [{"text": text, "entities": _entities(trained, setup, text)} for text in texts]


def _entities(trained: Any, setup: Setup, text: str) -> list[dict[str, Any]]:
    """Read a long text in windows, each piece in the first that holds it."""
    from bot.learning.batches import outputs, softmax

    found = setup.tokenizer(
        text, truncation=True, max_length=setup.max_length, stride=setup.max_length // 4,
        return_overflowing_tokens=True, return_offsets_mapping=True,
    )  # fmt: skip
    windows = [{name: found[name][at] for name in found} for at in range(len(found["input_ids"]))]
    pieces: dict[tuple[int, int], Any] = {}
    for window, told in zip(windows, outputs(trained, windows, setup.tokenizer.pad_token_id), strict=True):
        for offset, share in zip(window["offset_mapping"], softmax(told["logits"]), strict=False):
            if offset[1] > offset[0]:
                pieces.setdefault(tuple(offset), share)
    places = sorted(pieces)
    heads = _heads(places, text, (), setup)
    spans = _spans([setup.labels[int(pieces[at].argmax())] for at in places], {"offsets": places, "heads": heads})
    return [
        {
            "text": text[span.start : span.end], "label": span.label, "start": span.start, "end": span.end,
            "probability": min(float(pieces[at].max()) for at in places if span.start <= at[0] < span.end),
        }
        for span in spans
    ]  # fmt: skip


def _feature(example: Example, found: Any, at: int, setup: Setup) -> dict[str, Any]:
    tokens = {name: found[name][at] for name in found if name != "offset_mapping"}
    offsets = [tuple(offset) for offset in found["offset_mapping"][at]]
    tags = [_tag(example, offset, setup) for offset in offsets]
    return {**tokens, "labels": tags, "offsets": offsets, "heads": _heads(offsets, example.text, example.words, setup)}


def _tag(example: Example, offset: tuple[int, int], setup: Setup) -> int:
    """Give the tag of a piece by what it overlaps; [CLS] and [SEP] lie nowhere."""
    start, end = offset
    if start == end:
        return IGNORED
    for span in example.spans:
        if start < span.end and span.start < end:
            return place(f"{'B' if start <= span.start else 'I'}-{span.label}", setup, example.where)
    return setup.labels.index(OUTSIDE)


def _heads(
    offsets: Sequence[tuple[int, int]], text: str, words: Sequence[tuple[int, int]], setup: Setup
) -> list[tuple[int, int]]:
    """Give for each piece the part of the text that it decides about: none for [CLS] and for what follows a head."""
    import re

    if not words and setup.options.whole_words:
        words = [found.span() for found in re.finditer(r"\w+|[^\w\s]", text)]
    if not words:
        return list(offsets)
    holding = {letter: word for word in words for letter in range(*word)}
    heads, before = [], None
    for start, end in offsets:
        word = holding.get(start) if end > start else None
        heads.append((0, 0) if word is None or word == before else word)
        before = word or before
    return heads


def _spans(tags: Sequence[str], feature: Mapping[str, Any]) -> list[Span]:
    """Join tags to spans; an I without its B begins one, as conlleval has it."""
    spans: list[Span] = []
    open_kind = ""
    for tag, (start, end) in zip(tags, feature["heads"], strict=False):
        if start == end:
            continue
        part, _, kind = tag.partition("-")
        if part == "I" and kind == open_kind:
            spans[-1] = spans[-1]._replace(end=end)
        elif part != OUTSIDE:
            spans.append(Span(start, end, kind))
        open_kind = kind
    return spans


def _letters(spans: Sequence[Span], length: int) -> list[str]:
    """Write spans as a tag for each character, which makes seqeval exact to the character."""
    tags = [OUTSIDE] * length
    for span in spans:
        tags[span.start : span.end] = [f"B-{span.label}", *[f"I-{span.label}"] * (span.end - span.start - 1)]
    return tags


def _text(where: str, row: Mapping[str, Any]) -> Example:
    text = text_of(where, row, "text")
    entities = column(where, row, "entities")
    if not isinstance(entities, list):
        raise UserError(f"{where}: 'entities' is {entities!r}. Write a list of [start, end, \"TYPE\"].")
    spans = sorted(_span(where, entity, text) for entity in entities)
    for one, other in pairwise(spans):
        if other.start < one.end:
            raise UserError(f"{where}: {list(one)} and {list(other)} overlap. A character has one tag: keep one.")
    return Example(where, text, tuple(spans))


def _span(where: str, entity: Any, text: str) -> Span:
    start, end = span_of(where, entity, text, "the entity")
    if len(entity) != 3 or not isinstance(entity[2], str) or not entity[2].strip():
        raise UserError(f'{where}: the entity {entity!r} has no type. Write [start, end, "TYPE"].')
    part = text[start:end]
    if not part.strip():
        raise UserError(f"{where}: the entity {entity!r} holds nothing but space. Move it, or take it out.")
    return Span(start + len(part) - len(part.lstrip()), end - len(part) + len(part.rstrip()), entity[2].strip())


def _words(where: str, row: Mapping[str, Any]) -> Example:
    tokens, tags = column(where, row, "tokens"), column(where, row, "tags")
    listed = isinstance(tokens, list) and isinstance(tags, list) and all(isinstance(t, str) for t in [*tokens, *tags])
    if not listed or not tokens or len(tokens) != len(tags):
        raise UserError(f"{where}: 'tokens' and 'tags' are not two lists of texts, as long as each other. Mend them.")
    for tag in tags:
        if tag != OUTSIDE and tag[:2] not in ("B-", "I-"):
            raise UserError(f"{where}: the tag {tag!r} is neither O nor B-TYPE nor I-TYPE (IOB2). Mend it.")
    places, start = [], 0
    for token in tokens:
        places.append((start, start + len(token)))
        start += len(token) + 1
    return Example(where, " ".join(tokens), tuple(_spans(tags, {"heads": places})), tuple(places))
