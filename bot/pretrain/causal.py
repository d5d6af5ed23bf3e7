"""Causal language models: GPT-2 from nothing, or a checkpoint that goes on with other texts.

Radford et al. 2019, "Language Models are Unsupervised Multitask Learners": the next token from those before it;
documents follow each other, an end token between them, in blocks of one length.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bot.pretrain import bert, check_installed, checkpoint, features, running
from bot.pretrain.documents import Document
from bot.pretrain.origin import hash_of, made_from
from bot.pretrain.tokenizer import backend, open_tokenizer
from indexer import fingerprint
from indexer.errors import UserError
from indexer.progress import Progress, silent

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

MASKED = ("bert", "roberta", "electra", "distilbert", "mpnet", "xlm-roberta")  # read in both directions
LIKELIEST = 40  # tokens that a sample draws from (top-k, Fan et al. 2018, arXiv:1805.04833)


@dataclass(frozen=True, slots=True)
class Blocks:
    """How documents become blocks, and what text the samples begin with."""

    length: int = 128
    held_out: float = 0.05
    prompt: str = ""
    sample: int = 40  # tokens


def pretrain_causal(
    documents: Sequence[Document],
    out: Path,
    tokenizer: str,
    shape: bert.Shape,
    blocks: Blocks,
    schedule: running.Schedule,
    cache: Path = features.CACHE,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Train a GPT-2 from nothing; give the content of run.json: perplexity and a sample, before and after."""
    check_installed()
    check_blocks(blocks)
    bert.check_shape(shape, blocks.length)
    cutter = open_tokenizer(tokenizer)
    end = end_token(cutter, tokenizer)
    arguments = {"tokenizer": tokenizer, **asdict(shape), **asdict(blocks), **asdict(schedule)}
    plan = running.begin(out, arguments | made_from(documents, cutter))
    from transformers import GPT2Config, GPT2LMHeadModel, set_seed

    cutter.model_max_length = shape.positions or blocks.length
    set_seed(schedule.seed)
    config = GPT2Config(
        vocab_size=len(cutter),
        n_embd=shape.hidden,
        n_layer=shape.layers,
        n_head=shape.heads,
        n_inner=shape.intermediate or None,
        n_positions=shape.positions or blocks.length,
        embd_pdrop=shape.dropout,
        attn_pdrop=shape.dropout,
        resid_pdrop=shape.dropout,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
    )
    return _run(GPT2LMHeadModel(config), cutter, documents, out, plan, blocks, schedule, cache, progress)


def continue_causal(
    documents: Sequence[Document],
    out: Path,
    spec: str,
    blocks: Blocks,
    schedule: running.Schedule,
    cache: Path = features.CACHE,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Go on training a causal checkpoint on other texts; give the content of run.json."""
    check_installed()
    check_blocks(blocks)
    cutter = open_tokenizer(spec)
    end_token(cutter, spec)
    name = checkpoint(spec)
    arguments = {"continue_from": spec, **asdict(blocks), **asdict(schedule)}
    plan = running.begin(out, arguments | made_from(documents, cutter, name))
    config, model = open_causal(name, spec)
    limit = getattr(config, "max_position_embeddings", blocks.length)
    if blocks.length > limit:
        raise UserError(
            f"--length {blocks.length} is longer than the {limit} tokens that {spec} reads. Type: --length {limit}"
        )
    return _run(model, cutter, documents, out, plan, blocks, schedule, cache, progress)


def check_blocks(blocks: Blocks) -> None:
    """Refuse what no blocks or samples can be made with, of a model from nothing and of a checkpoint alike."""
    features.check(blocks.length, blocks.held_out)
    if blocks.sample < 1:
        raise UserError(f"--sample {blocks.sample}: a sample has at least 1 token. Type: --sample 40")


def open_causal(name: str, spec: str) -> tuple[Any, "PreTrainedModel"]:
    """Open a checkpoint that writes text."""
    from transformers import AutoConfig, AutoModelForCausalLM

    from indexer.transformer import quietly

    try:
        config = AutoConfig.from_pretrained(name)
        if config.model_type in MASKED:
            raise UserError(
                f"{spec} guesses masked words and writes no text. Type: bot pretrain bert --continue-from {spec}"
            )
        with quietly():
            return config, AutoModelForCausalLM.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise UserError(f"{spec}: no model that writes text can be opened there ({type(error).__name__}).") from error


def end_token(cutter: Any, name: str) -> int:
    """Give the token that ends a document: the tokenizer's own end, or BERT's [SEP]."""
    for found in (cutter.eos_token_id, cutter.sep_token_id):
        if found is not None:
            return int(found)
    raise UserError(
        f"{name}: its tokenizer has no end and no sep token, to end a text. Choose another, or type: "
        "bot pretrain tokenizer FILE --out DIR"
    )


def write_sample(model: Any, cutter: Any, prompt: str, tokens: int, end: int, seed: int) -> str:
    """Let the model write on from a prompt, or from the end of another text; the same seed writes the same."""
    import torch

    from indexer.transformer import quietly

    begun = [end, *backend(cutter).encode(prompt, add_special_tokens=False).ids]
    room = getattr(model.config, "max_position_embeddings", 512) - len(begun)
    if room < 1:
        raise UserError(f"--prompt has {len(begun) - 1} tokens, more than the model reads. Shorten it.")
    ids = torch.tensor([begun], device=model.device)
    model.eval()
    with quietly(), torch.random.fork_rng():
        torch.manual_seed(seed)
        made = model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=True, top_k=LIKELIEST, max_new_tokens=min(tokens, room),
            eos_token_id=end, pad_token_id=end,
        )  # fmt: skip
    return str(cutter.decode(made[0], skip_special_tokens=True)).strip()


@dataclass(frozen=True, slots=True)
class Whole:
    """Puts blocks of one length into a batch; the model itself shifts the labels."""

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, "Tensor"]:
        """Give the arguments of a causal language model."""
        import torch

        ids = torch.from_numpy(np.stack([row["ids"] for row in rows])).long()
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids}


def judge_next() -> running.Judged:
    """Judge guesses of the next token."""
    import torch

    def reduce(logits: Any, labels: Any) -> Any:
        scores = (logits[0] if isinstance(logits, tuple) else logits)[:, :-1]
        lost = torch.nn.functional.cross_entropy(scores.transpose(1, 2).float(), labels[:, 1:], reduction="none")
        return lost, scores.argmax(-1) == labels[:, 1:]

    def figures(kept: Any) -> dict[str, float]:
        lost = float(kept.predictions[0].mean())
        return {"perplexity": float(np.exp(min(lost, 50.0))), "accuracy": float(kept.predictions[1].mean())}

    return running.Judged(["labels"], reduce, figures)


def _run(
    model: "PreTrainedModel",
    cutter: Any,
    documents: Sequence[Document],
    out: Path,
    plan: dict[str, Any],
    blocks: Blocks,
    schedule: running.Schedule,
    cache: Path,
    progress: Progress,
) -> dict[str, Any]:
    from bot.pretrain.masking import Rows
    from indexer.transformer import quietly

    end = end_token(cutter, str(out))
    learned, held = _features(documents, cutter, blocks, end, schedule.seed, cache, progress)

    def sample() -> str:
        return write_sample(model, cutter, blocks.prompt, blocks.sample, end, schedule.seed)

    plan.setdefault("sample_before", sample())
    data = (Rows(learned), Rows(held))
    # GPT-2's class has no such name, and without it the Trainer divides the loss by a token a block too many.
    model.loss_type = "ForCausalLM"
    record = running.learn(model, data, Whole(), judge_next(), schedule, out, plan, progress)
    record |= {"sequences": [len(learned.ids), len(held.ids)], "parameters": model.num_parameters()}
    if not record["first"]:
        return {**plan, **record}
    record["sample_after"] = sample()
    with quietly():
        model.save_pretrained(str(out))
    # GPT-2 would take the segments of a text for words.
    cutter.model_input_names = ["input_ids", "attention_mask"]
    cutter.save_pretrained(str(out))
    return running.finish(out, plan, record, "Language model: loss")


def _features(
    documents: Sequence[Document], cutter: Any, blocks: Blocks, end: int, seed: int, cache: Path, progress: Progress
) -> tuple[features.Features, features.Features]:
    parts = features.split(documents, blocks.held_out, seed)
    cut = backend(cutter)
    text = fingerprint.of_text(cutter.backend_tokenizer.to_str())

    def make(part: int) -> features.Features:
        return features.of_blocks(features.tokenize(parts[part], cut), blocks.length, end)

    made = []
    for part, name in enumerate(("to learn from", "held out")):
        known = ("blocks", hash_of(parts[part]), text, blocks.length, end)
        found, reused = features.kept(cache, known, lambda part=part: make(part))  # type: ignore[misc]
        made.append(found)
        progress(f"features {name}: {len(found.ids):,} blocks, {'reused' if reused else 'built once, kept'} in {cache}")
    return made[0], made[1]
