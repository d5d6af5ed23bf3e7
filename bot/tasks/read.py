"""read: the part of a passage that answers a question, or that there is none (SQuAD 2.0, arXiv:1806.03822).

Reads JSONL {"question", "context", "answers": [[text, start]]} (an empty list: no answer) or SQuAD's own JSON. A long
passage is read in overlapping windows. F1 is SQuAD's, over words without articles and punctuation; for Korean passages
it is over characters, as KorQuAD has it (arXiv:1909.07005), since a particle at a word's end is no other answer.
"""

import json
import random
import re
import string
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bot.learning.parts import tenth
from bot.learning.rows import Row, column, full, read_objects, read_text, text_of
from bot.learning.task import Data, Setup
from indexer.errors import UserError
from indexer.words import has_hangul

if TYPE_CHECKING:
    from indexer.transformer import BertEncoder

SCORE = "f1"
KIND = "AutoModelForQuestionAnswering"
DEFAULTS = {"max_length": 256}
ANSWERED, UNANSWERED = "answer", "no answer"
NOWHERE = (0, 0)
STARTS = 20  # likeliest starts, and ends, that are looked at
LEAST = {"stride": 0, "longest_question": 3, "longest_answer": 1}  # [CLS] and [SEP] are of the question


@dataclass(frozen=True, slots=True)
class Options:
    """How long passages and answers may be."""

    stride: int = field(default=64, metadata={"help": "Tokens that two windows of a passage share."})
    longest_question: int = field(default=64, metadata={"help": "Tokens of a question that are read."})
    longest_answer: int = field(default=30, metadata={"help": "Tokens of the longest answer."})


@dataclass(frozen=True, slots=True)
class Example:
    """A question, a passage and the answers that are right: text and start."""

    where: str
    question: str
    context: str
    answers: tuple[tuple[str, int], ...]


class Found(NamedTuple):
    """A part of a passage, in characters; NOWHERE stands for no answer."""

    score: float
    start: int
    end: int


def read(path: Path, options: Options) -> list[Example]:
    """Read a file's questions."""
    _check(options)
    rows = _squad(path) if path.suffix.lower() == ".json" else read_objects(path)
    found = [_example(where, row) for where, row in rows]
    full(path, found)
    return found


def apart(examples: Sequence[Example], draw: random.Random) -> list[int]:
    """Hold out a tenth of the passages, each with all its questions: a passage on both sides would flatter."""
    return tenth([example.context for example in examples], draw)


def labels(examples: Sequence[Example], options: Options) -> tuple[str, ...]:
    """Tell whether the model may say that there is no answer: where the training data has such questions."""
    if not any(example.answers for example in examples):
        raise UserError(f"{examples[0].where}: no question has an answer, from here on. Add some that do.")
    return (ANSWERED,) if all(example.answers for example in examples) else (ANSWERED, UNANSWERED)


def model(encoder: "BertEncoder", setup: Setup) -> Any:
    """Put two numbers on the state of every piece: how likely it begins, and ends, the answer."""
    from bot.learning.learner import head_on

    return head_on(encoder, KIND, num_labels=2)


def encode(examples: Sequence[Example], setup: Setup) -> list[dict[str, Any]]:
    """Give the windows of each passage, and where in them the first answer stands; [CLS] where it does not."""
    return [feature for at, example in enumerate(examples) for feature in _windows(example, at, setup)]


def collate(setup: Setup) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
    """Pad to the longest window of a batch."""
    from bot.learning.batches import together

    return partial(together, pad=setup.tokenizer.pad_token_id)


def metrics(predictions: Any, data: Data, setup: Setup) -> dict[str, float]:
    """Give the means of exact match and F1, each against the answer that fits best."""
    windows: list[list[tuple[Mapping[str, Any], Any, Any]]] = [[] for _ in data.examples]
    for feature, starts, ends in zip(data.features, *predictions[:2], strict=True):
        windows[feature["example"]].append((feature, starts, ends))
    exact = overlap = 0.0
    for example, read_windows in zip(data.examples, windows, strict=True):
        best = _best(read_windows, setup)[0]
        said = example.context[best.start : best.end]
        rights = [text for text, _ in example.answers] or [""]
        exact += max(float(normal(said) == normal(right)) for right in rights)
        overlap += max(f1(said, right, has_hangul(example.context)) for right in rights)
    return {"f1": overlap / len(data.examples), "exact": exact / len(data.examples)}


def predict(trained: Any, setup: Setup, texts: Sequence[str], contexts: Sequence[str]) -> list[dict[str, Any]]:
    """Answer each question from each passage: text, characters and probability; an empty text for no answer."""
    from bot.learning.batches import outputs, softmax

    if not contexts:
        raise UserError("this model reads a question and a passage: give the passage with --context TEXT.")
    import numpy as np

    told = []
    for question, context in ((text, context) for text in texts for context in contexts):
        features = _windows(Example("", question, context, ()), 0, setup)
        found = outputs(trained, features, setup.tokenizer.pad_token_id)
        spans = _best(
            [(f, row["start_logits"], row["end_logits"]) for f, row in zip(features, found, strict=True)], setup
        )
        shares = softmax(np.array([span.score for span in spans]))
        start, end = spans[0].start, spans[0].end
        share = float(shares[0])
        told.append({"text": question, "answer": context[start:end], "start": start, "end": end, "probability": share})
    return told


def normal(text: str) -> str:
    """Write an answer as SQuAD compares it: small letters, no punctuation, no English article, single spaces."""
    text = "".join(letter for letter in text.lower() if letter not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def f1(said: str, right: str, characters: bool) -> float:
    """Give the harmonic mean of precision and recall of the words, or characters, of an answer."""
    one, other = (
        (list("".join(normal(text).split())) if characters else normal(text).split()) for text in (said, right)
    )
    if not one or not other:
        return float(one == other)
    shared = (Counter(one) & Counter(other)).total()
    return 2 * shared / (len(one) + len(other))


def _windows(example: Example, at: int, setup: Setup) -> list[dict[str, Any]]:
    tokenizer, options = setup.tokenizer, setup.options
    longest = min(options.longest_question, setup.max_length // 2)
    asked = tokenizer(example.question, truncation=True, max_length=longest, return_offsets_mapping=True)
    question = example.question[: max(end for _, end in asked["offset_mapping"])] or example.question[:1]
    found = tokenizer(
        question, example.context, truncation="only_second", max_length=setup.max_length,
        stride=min(options.stride, (setup.max_length - longest) // 2), return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )  # fmt: skip
    features = []
    for number in range(len(found["input_ids"])):
        names = [name for name in ("input_ids", "attention_mask", "token_type_ids") if name in found]
        sides = found.sequence_ids(number)
        offsets = found["offset_mapping"][number]
        places = [tuple(o) if side == 1 else NOWHERE for o, side in zip(offsets, sides, strict=True)]
        start, end = _positions(places, example.answers)
        tokens = {name: found[name][number] for name in names}
        features.append({**tokens, "start_positions": start, "end_positions": end, "example": at, "offsets": places})
    return features


def _positions(places: Sequence[tuple[int, int]], answers: Sequence[tuple[str, int]]) -> tuple[int, int]:
    """Give the first and last piece of the first answer; (0, 0), which is [CLS], where it is not whole in here."""
    told = [at for at, (start, end) in enumerate(places) if end > start]
    if not answers or not told:
        return 0, 0
    text, first = answers[0]
    inside = [at for at in told if places[at][0] < first + len(text) and places[at][1] > first]
    whole = inside and places[inside[0]][0] <= first and places[inside[-1]][1] >= first + len(text)
    return (inside[0], inside[-1]) if whole else (0, 0)


def _best(windows: Sequence[tuple[Mapping[str, Any], Any, Any]], setup: Setup) -> list[Found]:
    """Give the likeliest spans over all windows, best first; at least one."""
    spans = [span for window in windows for span in _likely(*window, setup.options.longest_answer)]
    if UNANSWERED in setup.labels or not spans:
        spans.append(Found(min(float(starts[0] + ends[0]) for _, starts, ends in windows), *NOWHERE))
    return sorted(spans, key=lambda span: -span.score)[:STARTS]


def _likely(feature: Mapping[str, Any], starts: Any, ends: Any, longest: int) -> Iterator[Found]:
    places = feature["offsets"]
    told = [at for at, (start, end) in enumerate(places) if end > start]
    likely = [sorted(told, key=lambda at: -side[at])[:STARTS] for side in (starts, ends)]
    for first in likely[0]:
        for last in likely[1]:
            if first <= last < first + longest:
                yield Found(float(starts[first] + ends[last]), places[first][0], places[last][1])


def _check(options: Options) -> None:
    for option in fields(options):
        name, given, least = option.name.replace("_", "-"), getattr(options, option.name), LEAST[option.name]
        if given < least:
            raise UserError(f"--{name} {given}: give at least {least} tokens. Type: --{name} {option.default}")


def _example(where: str, row: Mapping[str, Any]) -> Example:
    context, answers = text_of(where, row, "context"), column(where, row, "answers")
    if not isinstance(answers, list):
        raise UserError(f"{where}: 'answers' is {answers!r}. Write a list of [text, start], empty for no answer.")
    for answer in answers:
        good = isinstance(answer, list) and len(answer) == 2 and isinstance(answer[0], str) and type(answer[1]) is int
        if not good or not answer[0] or answer[1] < 0 or not context.startswith(answer[0], answer[1]):
            raise UserError(
                f"{where}: the answer {answer!r} does not stand there in the context, which has {len(context)} "
                "characters. Write [text, start], the start in characters."
            )
    return Example(where, text_of(where, row, "question"), context, tuple((text, start) for text, start in answers))


def _squad(path: Path) -> Iterator[Row]:
    """Give the questions of SQuAD's own form as rows."""
    try:
        articles = json.loads(read_text(path))["data"]
        for number, article in enumerate(articles, 1):
            for paragraph in article["paragraphs"]:
                for question in paragraph["qas"]:
                    answers = [[a["text"], a["answer_start"]] for a in question["answers"]]
                    where = f"{path}, article {number}, question {question.get('id', question['question'][:40])!r}"
                    yield where, {"question": question["question"], "context": paragraph["context"], "answers": answers}
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not in SQuAD's form ({error!r}). Write JSONL, or data > paragraphs > qas.") from error
