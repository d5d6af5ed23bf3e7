"""reply: an answer written from a message and the entries that were retrieved for it; a small decoder that copies.

The decoder stands on the shared encoder, which stays as it is unless `--fine-tune` is given. From a sheet each wording
is asked and searched for among all the others, so that the model learns to choose the right entry and to copy its
answer; entries that are held out to judge by are not learned from in any wording. The folder is a generator:
`--generator shared:DIR`.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bot.learning.parts import tenth
from bot.learning.task import Data, Setup
from bot.tasks._retrieved import Example, of_queries, of_sheet
from bot.tasks._rouge import lead_sentence, rouge_l, rouge_l_characters
from indexer.errors import UserError
from indexer.words import has_hangul

if TYPE_CHECKING:
    from bot.learning.learner import BertEncoder

SCORE, KIND = "probability", ""  # no Auto class opens it: bot.generators._replying.load does
FREEZES = False  # --frozen is another thing; this encoder is frozen unless --fine-tune
DEFAULTS = {"epochs": 2.0, "batch": 8, "rate": 5e-4, "max_length": 128}
WATCHED = 32  # examples of dev, while it learns
LEAST = 1e-6  # probability, as the loss has it
JAMO = range(0x1100, 0x1200)  # the letters into which some tokenizers cut a Korean syllable


@dataclass(frozen=True, slots=True)
class Options:
    """What `bot train reply` takes besides."""

    candidates: int = field(default=3, metadata={"help": "Retrieved entries that are read."})
    decoder_layers: int = field(default=2, metadata={"help": "Layers of the decoder."})
    target_length: int = field(default=64, metadata={"help": "Tokens that are learned of an answer; it may be longer."})
    search: str = field(default="minilm", metadata={"help": "Encoder that searches the sheet for its own wordings."})
    fine_tune: bool = field(default=False, metadata={"help": "Train the encoder too: build an index by DIR/encoder."})
    index: str = field(default="", metadata={"help": "Index that judged queries in --dev are asked of."})
    qrels: str = field(default="", metadata={"help": "Judgements of --dev, where those are queries in a CSV."})


def read(path: Path, options: Options) -> list[Example]:
    """Read a sheet; or, for dev with `--index`, judged queries."""
    if min(options.decoder_layers, options.candidates) < 1 or options.target_length < 2:
        raise UserError("--decoder-layers and --candidates are at least 1, --target-length at least 2.")
    if options.index and _is_queries(path):
        return of_queries(path, options.qrels, options.index, options.candidates)
    return of_sheet(path, options.search, options.candidates)


def _is_queries(path: Path) -> bool:
    from bot.learning.rows import read_delimited

    if path.is_dir() or path.suffix.lower() == ".jsonl":
        return True
    names = {name.casefold() for name in next(read_delimited(path), ("", {}))[1]}
    return "id" in names and bool(names & {"text", "query"}) and "answer" not in names


def apart(examples: Sequence[Example], draw: random.Random) -> list[int]:
    """Hold whole entries out: no wording of theirs is learned from."""
    found = {example.entry for example in examples if example.found}
    return tenth([example.entry for example in examples], draw, found)


def labels(examples: Sequence[Example], options: Options) -> tuple[str, ...]:
    """Name no outputs: they are texts."""
    return ()


def model(encoder: "BertEncoder", setup: Setup) -> Any:
    """Put a decoder on the encoder itself."""
    from bot.generators._decoder import Reply, Shape

    options = setup.options
    return Reply(encoder, Shape(options.decoder_layers, options.candidates, 1), frozen=not options.fine_tune)


def encode(examples: Sequence[Example], setup: Setup) -> list[dict[str, Any]]:
    """Give the ids of message, questions and answers, the part that each is of, and the right answer's as labels."""
    from bot.generators._replying import labels_of, lay

    found = []
    for example in examples:
        laid = lay(setup.tokenizer, example.message, example.pairs, setup.max_length)
        told = labels_of(setup.tokenizer, example.answer, setup.options.target_length)
        found.append({**laid.features(), "labels": told})
    return found


def collate(setup: Setup) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
    """Pad sources and targets to the longest of a batch."""
    from bot.learning.batches import together

    pad = setup.tokenizer.pad_token_id
    return lambda features: together(features, pad)


def trainer(model: Any, arguments: Mapping[str, Any], data: tuple[Any, Any], *, setup: Setup, **more: Any) -> Any:
    """Make a Trainer that learns where the right answer was found, which is all that can be copied."""
    from transformers import Trainer, TrainingArguments

    train, dev = data
    learned = [one for example, one in zip(train.examples, train.features, strict=True) if example.found]
    if not learned:
        raise UserError(f"{train.examples[0].where}: no search finds the right answer. Try --candidates 5.")
    model.learn_words(_own_words(learned, setup.tokenizer))
    # The whole of dev is judged before and after; in between a part of it, since there reading is most of the work.
    few = slice(None, None, max(1, len(dev.features) // WATCHED))
    watched = Data(dev.examples[few], dev.features[few])
    more["compute_metrics"] = lambda found: metrics(
        found.predictions, watched if len(found.predictions) == len(watched.features) else dev, setup
    )
    return Trainer(model, TrainingArguments(**arguments), train_dataset=learned, eval_dataset=watched.features, **more)


def _own_words(features: Sequence[Mapping[str, Any]], tokenizer: Any) -> list[int]:
    """Give the tokens of two answers or more, which are words of the trade; no letter of a Korean syllable."""
    answers = {tuple(one["labels"]) for one in features}
    counts = np.bincount([token for answer in answers for token in set(answer)])
    pieces = tokenizer.convert_ids_to_tokens(list(range(len(counts))))
    often = [at for at in np.flatnonzero(counts > 1).tolist() if not any(ord(letter) in JAMO for letter in pieces[at])]
    return sorted({*often, tokenizer.sep_token_id})


def metrics(predictions: Any, data: Data, setup: Setup) -> dict[str, float]:
    """Score the next token, those before it being right: its probability, and how often that is more than half.

    The probability is the geometric mean over all tokens, which is 1 / perplexity; of the examples whose right answer
    was retrieved, since no other can be copied.
    """
    found = []
    for line, features, example in zip(np.asarray(predictions, float), data.features, data.examples, strict=True):
        if example.found:
            found.append(line[: len(features["labels"])])
    chances = np.concatenate(found).clip(LEAST, 1) if found else np.array([LEAST])
    return {"probability": float(np.exp(np.log(chances).mean())), "next_token": float((chances > 0.5).mean())}


def judge(model: Any, data: Data, setup: Setup, trainer: Any) -> dict[str, float]:
    """Let it write to dev, greedily; ROUGE-L beside that of the nearest stored answer, and of its first sentence."""
    found = metrics(trainer.predict(data.features).predictions, data, setup)
    asked = [(example.message, example.pairs) for example in data.examples]
    said = _replies(model, setup, asked)
    nearest = [example.pairs[0][1] if example.pairs else "" for example in data.examples]

    def mean(texts: Sequence[str], score: Callable[[str, str], float] = rouge_l, korean: bool | None = None) -> float:
        scores = [
            score(text, example.answer)
            for text, example in zip(texts, data.examples, strict=True)
            if korean is None or has_hangul(example.answer) == korean
        ]
        return float(np.mean(scores)) if scores else 0.0

    return {
        **found,
        "rouge_l": mean(said), "verbatim_rouge_l": mean(nearest), "lead_rouge_l": mean([*map(lead_sentence, nearest)]),
        "rouge_l_ko": mean(said, korean=True), "verbatim_rouge_l_ko": mean(nearest, korean=True),
        "lead_rouge_l_ko": mean([*map(lead_sentence, nearest)], korean=True),
        "rouge_l_characters": mean(said, rouge_l_characters),
        "whole": mean(said, lambda text, right: float(text.split() == right.split())),
        "nearest_is_right": mean(nearest, lambda text, right: float(text == right)),
        "right_is_among": float(np.mean([example.found for example in data.examples])),
    }  # fmt: skip


def save(model: Any, setup: Setup, folder: Path) -> None:
    """Write the decoder, the tokenizer, and the encoder where it was trained too."""
    from bot.generators import _replying as replying

    replying.save(model, folder)
    setup.tokenizer.save_pretrained(folder)


def load(folder: Path, setup: Setup) -> Any:
    """Put the decoder on its encoder again."""
    from bot.generators import _replying as replying
    from bot.generators.shared import facts_of
    from bot.learning import runs
    from bot.learning.learner import load_learner

    own = facts_of(folder)["fine_tuned"]
    spec = f"bert:{folder / replying.ENCODER}" if own else runs.read_run(folder)["arguments"]["encoder"]
    return replying.load(folder, load_learner(spec))


def predict(model: Any, setup: Setup, texts: Sequence[str], contexts: Sequence[str]) -> list[dict[str, Any]]:
    """Write to each text from the contexts, which are stored answers, nearest first."""
    if not contexts:
        raise UserError("reply writes from stored answers. Type: --context ANSWER, once for each")
    pairs = [("", answer) for answer in contexts[: setup.options.candidates]]
    said = _replies(model, setup, [(text, pairs) for text in texts])
    return [{"text": text, "written": reply} for text, reply in zip(texts, said, strict=True)]


def _replies(model: Any, setup: Setup, asked: Sequence[tuple[str, Sequence[tuple[str, str]]]]) -> list[str]:
    """Write to each, from its answers as long as the encoder can read them: longer than what is learned from."""
    from bot.generators import _replying as replying
    from bot.generators._writing import Sampling

    model.eval()
    most = model.encoder.limit()
    sampling = Sampling(no_repeat=replying.NO_REPEAT, max_tokens=most, timeout=600)
    rows = [replying.lay(setup.tokenizer, message, pairs, most) for message, pairs in asked]
    return [replying.text_of(model, row, sampling) if row.answers else "" for row in rows]
