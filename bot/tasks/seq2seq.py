"""seq2seq: one text to another, such as a long answer to its lead sentence, or a translation.

A small decoder is put on the shared encoder (Rothe et al. 2020, arXiv:1907.12461), its vocabulary that of the encoder
and tied to its own output; or a T5 or BART is named, `--model PATH`. Greedy, unless `--beams` says otherwise.
Reads source and target, any two columns, or a sheet (two columns that an index would take for question and answer too),
of which the lead sentences of long answers are learned.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import numpy as np

from bot.learning.rows import read_delimited, read_objects, text_of
from bot.learning.task import IGNORED, Data, Setup, refuse_contexts
from bot.tasks._rouge import lead_sentence, rouge_l, rouge_l_characters
from bot.tasks._wordings import sheet_header
from indexer.errors import UserError

if TYPE_CHECKING:
    from bot.learning.learner import BertEncoder

SCORE, KIND = "rouge_l", "AutoModelForSeq2SeqLM"
FREEZES = False
DEFAULTS = {"epochs": 10.0, "rate": 3e-4}  # the decoder starts from nothing


@dataclass(frozen=True, slots=True)
class Options:
    """What `bot train seq2seq` takes besides."""

    source: str = field(default="", metadata={"help": "Column to read.  [default: source, else the first of two]"})
    target: str = field(default="", metadata={"help": "Column to write.  [default: target, else the second of two]"})
    model: str = field(default="", metadata={"help": "Folder of a T5 or BART, in the place of encoder and decoder."})
    decoder_layers: int = field(default=2, metadata={"help": "Layers of the decoder on the encoder."})
    target_length: int = field(default=64, metadata={"help": "Tokens that are written, at most."})
    beams: int = field(default=1, metadata={"help": "Beams of the search; 1 is greedy."})


@dataclass(frozen=True, slots=True)
class Example:
    """A text and what is to be made of it."""

    where: str
    source: str
    target: str


def read(path: Path, options: Options) -> list[Example]:
    """Read TSV, CSV or JSONL with source and target; or a sheet, whose answers of two sentences give up their first."""
    if min(options.decoder_layers, options.target_length, options.beams) < 1:
        raise UserError("--decoder-layers, --target-length and --beams are at least 1.")
    kind = path.suffix.lower()
    rows = read_delimited(path) if kind in (".csv", ".tsv") else read_objects(path) if kind == ".jsonl" else iter(())
    first = next(rows, None)
    names = _columns(path, first[1], options) if first else None
    if first is None or names is None:
        found = list(_leads(path))
    else:
        found = [Example(where, *(text_of(where, row, name) for name in names)) for where, row in chain([first], rows)]
    if not found:
        raise UserError(
            f"{path}: no answer has two sentences, so there is no lead sentence to learn. Give longer ones."
        )
    return found


def _columns(path: Path, row: Mapping[str, Any], options: Options) -> tuple[str, str] | None:
    """Name the columns to read and to write; None for a sheet, whose two columns an index would take for one."""
    if options.source or options.target:
        return options.source or "source", options.target or "target"
    if "source" in row and "target" in row:
        return "source", "target"
    there = tuple(row)
    return (there[0], there[1]) if len(there) == 2 and not _is_sheet(path) else None


def _is_sheet(path: Path) -> bool:
    """Tell whether a file is a sheet; where its header may mean one or another pair of texts, ask."""
    from indexer.columns import FIELDS

    header = sheet_header(path)
    if header is None:
        return False
    names = {field: header.names[header.fields[field]] for field in ("question", "answer")}
    if all("".join(name.casefold().split()) in FIELDS[field].split() for field, name in names.items()):
        return True
    one, other = (header.names[at] for at in sorted(header.fields[field] for field in names))
    raise UserError(
        f"{path}: {one!r} and {other!r} may head a sheet of questions and answers, or what is read and written. "
        f"Type: --source {quote(one)} --target {quote(other)}, or for a sheet write question and answer there."
    )


def _leads(path: Path) -> Iterator[Example]:
    from indexer.corpus import read_corpus

    try:
        corpus = read_corpus(path)
    except UserError as error:
        raise UserError(
            f"{path}: no columns source and target, and no sheet. Type: --source NAME --target NAME"
        ) from error
    answers = {row.answer: number for row, number in zip(reversed(corpus.rows), reversed(corpus.numbers), strict=True)}
    for answer, number in sorted(answers.items(), key=lambda found: found[1]):
        if (lead := lead_sentence(answer)) != answer.strip():
            yield Example(f"{path}, row {number}", answer, lead)


def labels(examples: Sequence[Example], options: Options) -> tuple[str, ...]:
    """Name no outputs: they are texts."""
    return ()


def model(encoder: "BertEncoder", setup: Setup) -> Any:
    """Put a decoder on the encoder's own module, or open the model that was named."""
    if setup.options.model:
        return _settled(_named_model(setup.options.model), setup)
    from transformers import BertConfig, BertLMHeadModel, EncoderDecoderModel

    learner: Any = encoder.model
    base = learner.config
    config = BertConfig(
        vocab_size=base.vocab_size, hidden_size=base.hidden_size, num_hidden_layers=setup.options.decoder_layers,
        num_attention_heads=base.num_attention_heads, intermediate_size=base.intermediate_size,
        max_position_embeddings=max(setup.options.target_length + 2, 64), pad_token_id=setup.tokenizer.pad_token_id,
        is_decoder=True, add_cross_attention=True, tie_word_embeddings=True,
    )  # fmt: skip
    decoder: Any = BertLMHeadModel(config)
    _begin_as(decoder, learner)
    made = EncoderDecoderModel(encoder=encoder.model, decoder=decoder)
    tokens = {
        "decoder_start_token_id": setup.tokenizer.cls_token_id, "eos_token_id": setup.tokenizer.sep_token_id,
        "pad_token_id": setup.tokenizer.pad_token_id,
    }  # fmt: skip
    for name, value in tokens.items():
        setattr(made.config, name, value)
        setattr(made.generation_config, name, value)
    return _settled(made, setup)


def _begin_as(decoder: Any, learner: Any) -> None:
    """Let a decoder begin as the encoder's embeddings and first layers; what looks at the source is new.

    Rothe et al. 2020 found it the better beginning. Copied, not shared: a folder with one table for both would not open
    elsewhere.
    """
    words, mine = learner.get_input_embeddings().weight.detach(), decoder.get_input_embeddings().weight
    if words.shape == mine.shape:
        mine.data.copy_(words)
    if learner.config.model_type != "bert":
        return
    for one, other in zip(decoder.bert.encoder.layer, learner.encoder.layer, strict=False):
        one.load_state_dict(other.state_dict(), strict=False)
    theirs, own = learner.embeddings, decoder.bert.embeddings
    places = theirs.position_embeddings.weight.detach()[: len(own.position_embeddings.weight)]
    own.position_embeddings.weight.data[: len(places)] = places
    own.LayerNorm.load_state_dict(theirs.LayerNorm.state_dict())


def _settled(made: Any, setup: Setup) -> Any:
    made.generation_config.max_length = None
    made.generation_config.max_new_tokens = setup.options.target_length
    made.generation_config.num_beams = setup.options.beams
    made.generation_config.do_sample = False
    return made


def encode(examples: Sequence[Example], setup: Setup) -> list[dict[str, Any]]:
    """Give ids of the source, and those of the target as labels."""
    tokenizer, found = _tokenizer(setup), []
    for example in examples:
        ids = tokenizer(example.source, truncation=True, max_length=setup.max_length)
        target = tokenizer(text_target=example.target, truncation=True, max_length=setup.options.target_length)
        # A decoder on BERT starts with [CLS] already.
        labels = target["input_ids"] if setup.options.model else target["input_ids"][1:]
        found.append({"input_ids": ids["input_ids"], "attention_mask": ids["attention_mask"], "labels": labels})
    return found


def collate(setup: Setup) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
    """Pad sources and targets to the longest of a batch."""
    from bot.learning.batches import together

    pad = _tokenizer(setup).pad_token_id
    return lambda features: together(features, pad)


def trainer(model: Any, arguments: Mapping[str, Any], data: tuple[Any, Any], *, setup: Setup, **more: Any) -> Any:
    """Make a Seq2SeqTrainer, which judges by what is written rather than by the next word."""
    from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments

    # EncoderDecoderModel warns of weights trained before 2021 at every step.
    warnings.filterwarnings("ignore", "Version v4.12.0 introduces a better way", FutureWarning)
    train, dev = data
    return Seq2SeqTrainer(
        model, Seq2SeqTrainingArguments(**arguments, predict_with_generate=True),
        train_dataset=train.features, eval_dataset=dev.features, **{**more, "processing_class": _tokenizer(setup)},
    )  # fmt: skip


def metrics(predictions: Any, data: Data, setup: Setup) -> dict[str, float]:
    """Give ROUGE-L over words and over characters; beside it the source itself, and its first sentence, as written."""
    tokenizer, examples = _tokenizer(setup), data.examples
    ids = np.where(np.asarray(predictions) == IGNORED, tokenizer.pad_token_id, predictions)
    written = tokenizer.batch_decode(ids, skip_special_tokens=True)
    references = [example.target for example in examples]

    def mean(score: Callable[[str, str], float], texts: Sequence[str]) -> float:
        return float(np.mean([score(text, true) for text, true in zip(texts, references, strict=True)]))

    return {
        "rouge_l": mean(rouge_l, written),
        "rouge_l_characters": mean(rouge_l_characters, written),
        "copy_rouge_l": mean(rouge_l, [example.source for example in examples]),
        "lead_rouge_l": mean(rouge_l, [lead_sentence(example.source) for example in examples]),
    }


def save(model: Any, setup: Setup, folder: Path) -> None:
    """Write model and tokenizer."""
    model.save_pretrained(folder)
    _tokenizer(setup).save_pretrained(folder)
    if not setup.options.model:  # by itself, so that it serves an index: bert:DIR/encoder
        model.encoder.save_pretrained(folder / "encoder")
        setup.tokenizer.save_pretrained(folder / "encoder")


def predict(model: Any, setup: Setup, texts: Sequence[str], contexts: Sequence[str]) -> list[dict[str, Any]]:
    """Write a text for each text."""
    import torch

    refuse_contexts(contexts)
    batch = setup.tokenizer(
        list(texts), truncation=True, max_length=setup.max_length, padding=True, return_tensors="pt"
    )
    with torch.no_grad():
        ids = model.generate(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
    written = setup.tokenizer.batch_decode(ids, skip_special_tokens=True)
    return [{"text": text, "written": made} for text, made in zip(texts, written, strict=True)]


def _tokenizer(setup: Setup) -> Any:
    return _named_tokenizer(setup.options.model) if setup.options.model else setup.tokenizer


@cache
def _named_tokenizer(name: str) -> Any:
    from transformers import AutoTokenizer

    from indexer.transformer import local, unavailable

    try:
        return AutoTokenizer.from_pretrained(local(name))
    except (OSError, ValueError) as error:
        raise UserError(unavailable(name)) from error


def _named_model(name: str) -> Any:
    from transformers import AutoModelForSeq2SeqLM

    from indexer.transformer import local, quietly, unavailable

    try:
        with quietly():
            return AutoModelForSeq2SeqLM.from_pretrained(local(name))
    except (OSError, ValueError) as error:
        raise UserError(unavailable(name).replace("bert:PATH", "--model PATH")) from error
