"""BERT: masked words and next sentences from nothing, or masked words alone on top of a checkpoint.

Devlin et al. 2019 (arXiv:1810.04805); masking anew in every epoch, and doing without next sentences, are RoBERTa's
(Liu et al. 2019, arXiv:1907.11692); going on with the texts of a domain is Gururangan et al. 2020 (arXiv:2004.10964).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bot.pretrain import check_installed, checkpoint, features, running
from bot.pretrain.documents import Document
from bot.pretrain.origin import hash_of, made_from
from bot.pretrain.tokenizer import backend, open_tokenizer
from indexer import fingerprint
from indexer.errors import UserError
from indexer.progress import Progress, silent

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of a model; 0 for what follows from the others."""

    layers: int = 4
    hidden: int = 256
    heads: int = 4
    intermediate: int = 0  # 4 x hidden
    positions: int = 0  # as long as the sequences
    dropout: float = 0.1  # 0 learns faster where the text is read only a few times


@dataclass(frozen=True, slots=True)
class Reading:
    """How documents become sequences, and which words are masked."""

    length: int = 128  # tokens of a sequence
    copies: int = 2  # times that the pairs are drawn anew
    held_out: float = 0.05  # share of the documents
    mask_rate: float = 0.15
    whole_words: bool = True
    pairs: bool = True  # next sentences beside masked words


def pretrain_bert(
    documents: Sequence[Document],
    out: Path,
    tokenizer: str,
    shape: Shape,
    reading: Reading,
    schedule: running.Schedule,
    cache: Path = features.CACHE,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Train a BERT from nothing; give the content of run.json, with the figures before and after.

    The folder opens as BertForPreTraining, BertForMaskedLM and `bert:FOLDER`.
    """
    check_installed()
    check_reading(reading)
    check_shape(shape, reading.length)
    cutter = open_tokenizer(tokenizer)
    _check_tokens(cutter, tokenizer)
    arguments = {"tokenizer": tokenizer, **asdict(shape), **asdict(reading), **asdict(schedule)}
    plan = running.begin(out, arguments | made_from(documents, cutter))
    from transformers import BertConfig, BertForMaskedLM, BertForPreTraining, set_seed

    cutter.model_max_length = shape.positions or reading.length
    set_seed(schedule.seed)
    config = BertConfig(
        vocab_size=len(cutter),
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.intermediate or 4 * shape.hidden,
        max_position_embeddings=shape.positions or reading.length,
        hidden_dropout_prob=shape.dropout,
        attention_probs_dropout_prob=shape.dropout,
        pad_token_id=cutter.pad_token_id,
    )
    model = (BertForPreTraining if reading.pairs else BertForMaskedLM)(config)
    return _run(model, cutter, documents, out, plan, reading, schedule, cache, progress)


def continue_bert(
    documents: Sequence[Document],
    out: Path,
    spec: str,
    reading: Reading,
    schedule: running.Schedule,
    cache: Path = features.CACHE,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Go on training a checkpoint to guess masked words of other texts; give the content of run.json."""
    check_installed()
    check_reading(reading)
    name = checkpoint(spec)
    cutter = open_tokenizer(spec)
    _check_tokens(cutter, spec)
    arguments = {"continue_from": spec, **asdict(reading), **asdict(schedule)}
    plan = running.begin(out, arguments | made_from(documents, cutter, name))
    model, headless = open_masked(name)
    _check_fit(model, cutter, spec, reading.length)
    if headless:
        progress(f"{spec} has no head that guesses words: a new one is learned")
    return _run(model, cutter, documents, out, plan, reading, schedule, cache, progress)


def open_masked(name: str) -> tuple["PreTrainedModel", bool]:
    """Open a checkpoint to guess masked words; tell whether its head is new, because the checkpoint has none."""
    from transformers import AutoModelForMaskedLM

    from indexer.transformer import quietly

    try:
        with quietly():
            model, found = AutoModelForMaskedLM.from_pretrained(name, output_loading_info=True)
    except (OSError, ValueError) as error:
        raise UserError(f"{name}: no model with masked words can be opened there ({type(error).__name__}).") from error
    own = f"{model.base_model_prefix}."
    return model, any(not key.startswith(own) for key in found["missing_keys"])


def check_reading(reading: Reading) -> None:
    """Refuse what no sequences can be made with, of a model from nothing and of a checkpoint alike."""
    features.check(reading.length, reading.held_out)
    if reading.copies < 1:
        raise UserError(f"--copies {reading.copies}: pairs are drawn at least once. Type: --copies 2")
    if not 0 < reading.mask_rate < 1:
        raise UserError(f"--mask-rate {reading.mask_rate:g}: it lies between 0 and 1. Type: --mask-rate 0.15")


def check_shape(shape: Shape, length: int) -> None:
    """Refuse sizes that do not fit together, or not the length of a sequence."""
    if min(shape.layers, shape.hidden, shape.heads) < 1 or shape.intermediate < 0 or shape.positions < 0:
        raise UserError("--layers, --hidden and --heads are at least 1.")
    if shape.hidden % shape.heads:
        fitting = [heads for heads in range(1, shape.hidden + 1) if shape.hidden % heads == 0]
        near = min(fitting, key=lambda heads: abs(heads - shape.heads))
        raise UserError(f"--hidden {shape.hidden} cannot be shared by --heads {shape.heads}. Type: --heads {near}")
    if not 0 <= shape.dropout < 1:
        raise UserError(f"--dropout {shape.dropout:g}: it is at least 0 and below 1. Type: --dropout 0.1")
    if shape.positions and shape.positions < length:
        raise UserError(
            f"--length {length} is longer than --positions {shape.positions}. Type: --length {shape.positions}"
        )


def make_features(
    documents: Sequence[Document], cutter: Any, reading: Reading, seed: int, cache: Path, progress: Progress
) -> tuple[features.Features, features.Features]:
    """Give the features to learn from and those held out, from the cache where they are there."""
    parts = features.split(documents, reading.held_out, seed)
    cut, text = backend(cutter), cutter.backend_tokenizer.to_str()

    def make(part: int) -> features.Features:
        tokens = features.tokenize(parts[part], cut)
        if not reading.pairs:
            return features.of_texts(tokens, reading.length, cutter)
        copies = 1 if part else reading.copies
        drawn = (features.pairs(tokens, reading.length - 3, 1000 * seed + 2 * copy + part) for copy in range(copies))
        return features.of_pairs([pair for copy in drawn for pair in copy], reading.length, cutter)

    made = []
    for part, name in enumerate(("to learn from", "held out")):
        known = (hash_of(parts[part]), fingerprint.of_text(text), reading.length, reading.pairs, reading.copies, seed)
        found, reused = features.kept(cache, (*known, part), lambda part=part: make(part))  # type: ignore[misc]
        made.append(found)
        progress(
            f"features {name}: {len(found.ids):,} sequences, {'reused' if reused else 'built once, kept'} in {cache}"
        )
    return made[0], made[1]


def judge_words(pairs: bool, often: int, vocabulary: int) -> running.Judged:
    """Judge guesses of words and of next sentences; `often` is the word that a majority guess names."""
    import torch

    def reduce(logits: Any, labels: Any) -> Any:
        words, targets = (logits[0], labels[0]) if pairs else (logits, labels)
        lost = torch.nn.functional.cross_entropy(words.transpose(1, 2).float(), targets, reduction="none")
        return (words.argmax(-1), lost, logits[1].argmax(-1)) if pairs else (words.argmax(-1), lost)

    def figures(kept: Any) -> dict[str, float]:
        targets = kept.label_ids[0] if pairs else kept.label_ids
        asked = targets != -100
        lost = float(kept.predictions[1][asked].mean())
        found = {
            "mlm_loss": lost,
            "perplexity": float(np.exp(min(lost, 50.0))),
            "mlm_accuracy": float((kept.predictions[0] == targets)[asked].mean()),
            "mlm_majority": float((targets[asked] == often).mean()),
            "mlm_chance": 1 / vocabulary,
        }
        if pairs:
            follows = kept.label_ids[1]
            share = float(follows.mean())
            right = float((kept.predictions[2] == follows).mean())
            found |= {"nsp_accuracy": right, "nsp_majority": max(share, 1 - share), "nsp_chance": 0.5}
        return found

    return running.Judged(["labels", "next_sentence_label"] if pairs else ["labels"], reduce, figures)


def _run(
    model: "PreTrainedModel",
    cutter: Any,
    documents: Sequence[Document],
    out: Path,
    plan: dict[str, Any],
    reading: Reading,
    schedule: running.Schedule,
    cache: Path,
    progress: Progress,
) -> dict[str, Any]:
    from bot.pretrain import masking
    from indexer.transformer import quietly

    learned, held = make_features(documents, cutter, reading, schedule.seed, cache, progress)
    mask = masking.masker(cutter, reading.mask_rate, reading.whole_words)
    counts = np.bincount(learned.ids.ravel(), minlength=len(cutter))
    counts[mask.special.numpy()] = 0
    judged = judge_words(reading.pairs, int(counts.argmax()), len(cutter))
    data = (masking.Rows(learned), masking.held_out(held, mask, schedule.seed))
    batch = masking.Batch(mask, reading.pairs)
    record = running.learn(model, data, batch, judged, schedule, out, plan, progress)
    record |= {"sequences": [len(learned.ids), len(held.ids)], "parameters": model.num_parameters()}
    if not record["first"]:
        return {**plan, **record}  # another of several processes writes the files
    with quietly():
        model.save_pretrained(str(out), state_dict=with_pooler(model))
    cutter.save_pretrained(str(out))
    return running.finish(out, plan, record, "Pre-training: loss")


def with_pooler(model: "PreTrainedModel") -> dict[str, Any]:
    """Give the weights with a pooler for BERT, which opens the model with a random one otherwise, anew each time."""
    import torch

    weights = dict(model.state_dict())
    if model.config.model_type == "bert" and not any("pooler." in key for key in weights):
        size = model.config.hidden_size
        weights["bert.pooler.dense.weight"] = torch.eye(size)
        weights["bert.pooler.dense.bias"] = torch.zeros(size)
    return weights


def _check_fit(model: Any, cutter: Any, spec: str, length: int) -> None:
    """Refuse a checkpoint whose vocabulary or positions do not fit."""
    from indexer.transformer import BertEncoder

    rows = model.get_input_embeddings().weight.shape[0]
    if len(cutter) > rows:
        raise UserError(
            f"{spec}: its tokenizer has {len(cutter):,} tokens and its model {rows:,}: they are not of one checkpoint."
        )
    limit = BertEncoder(model.base_model, cutter, "mean").limit()
    if length > limit:
        raise UserError(
            f"--length {length} is longer than the {limit} tokens that {spec} reads. Type: --length {limit}"
        )


def _check_tokens(cutter: Any, name: str) -> None:
    """Refuse a tokenizer without a token that sequences are written with."""
    lacking = [kind for kind in ("mask", "cls", "sep", "pad") if getattr(cutter, f"{kind}_token_id") is None]
    if lacking:
        raise UserError(
            f"{name}: its tokenizer has no {' and no '.join(lacking)} token. Choose a BERT's, or type: "
            "bot pretrain tokenizer FILE --out DIR"
        )
