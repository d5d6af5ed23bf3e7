"""Looking inside a model: its guesses, its pieces, its vectors, its attention, its prejudices."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from indexer.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

BLANK = "[MASK]"  # what people type, whatever the model's own mask token is
CELL, LETTER, SYLLABLE = 24, 7.4, 13.5


class Guesser:
    """A checkpoint that guesses masked words."""

    def __init__(self, spec: str) -> None:
        from bot.pretrain import checkpoint
        from bot.pretrain.bert import open_masked
        from bot.pretrain.tokenizer import open_tokenizer

        self.tokenizer = open_tokenizer(spec)
        self.model: Any
        self.model, headless = open_masked(checkpoint(spec))
        if headless or self.tokenizer.mask_token is None:
            raise UserError(
                f"{spec} has no head that guesses words. Type --model with a model that has one, such as "
                f"bert:runs/bert from: bot pretrain bert FILE --tokenizer DIR --out runs/bert"
            )
        self.model.eval()

    def distribution(self, text: str) -> "Tensor":
        """Give the probability of every token (V,) at the first blank of a text."""
        import torch

        if BLANK not in text:
            raise UserError(f"{text!r} has no blank. Write {BLANK} where a word is to be guessed.")
        ids = self.tokenizer(text.replace(BLANK, self.tokenizer.mask_token))["input_ids"]
        limit = self.model.config.max_position_embeddings
        if len(ids) > limit:
            raise UserError(f"the text has {len(ids)} tokens, and the model reads {limit}. Shorten it.")
        with torch.no_grad():
            logits = self.model(torch.tensor([ids])).logits[0, ids.index(self.tokenizer.mask_token_id)]
        found: Tensor = logits.softmax(-1)
        return found

    def best(self, probabilities: "Tensor", k: int) -> list[dict[str, Any]]:
        """Name the likeliest tokens."""
        values, ids = probabilities.topk(min(k, len(probabilities)))
        names = self.tokenizer.convert_ids_to_tokens(ids.tolist())
        return [{"token": name, "probability": float(p)} for name, p in zip(names, values.tolist(), strict=True)]


def fill_mask(text: str, model: str, k: int = 5, attack: str = "") -> dict[str, Any]:
    """Guess a masked word, and again behind words that have nothing to do with it.

    A prefix that names a wrong word often makes the model say it: misprimed probes, Kassner and Schütze 2020
    (doi:10.18653/v1/2020.acl-main.698).
    """
    guesser = Guesser(model)
    plain = guesser.distribution(text)
    found: dict[str, Any] = {"text": text, "top": guesser.best(plain, k)}
    if attack:
        attacked = guesser.distribution(f"{attack} {text}")
        top = guesser.best(attacked, k)
        first = int(plain.argmax())
        found |= {
            "attack": attack,
            "attacked": top,
            "flipped": top[0]["token"] != found["top"][0]["token"],
            "first_before": float(plain[first]),
            "first_after": float(attacked[first]),
        }
    return found


def tokens(text: str, model: str) -> dict[str, Any]:
    """Cut a text as a model does: pieces with ids and the characters that they stand for."""
    from bot.pretrain.tokenizer import backend, open_tokenizer

    tokenizer = open_tokenizer(model)
    encoding = backend(tokenizer).encode(text)
    own = backend(tokenizer).encode(text, add_special_tokens=False).ids
    words = len(text.split())
    return {
        "tokens": [
            {"token": token, "id": id, "text": text[begin:end], "unknown": id == tokenizer.unk_token_id}
            for token, id, (begin, end) in zip(encoding.tokens, encoding.ids, encoding.offsets, strict=True)
        ],
        "words": words,
        "tokens_per_word": len(own) / words if words else 0.0,
    }


def similarity(first: str, second: str, model: str, sheet: Path | None = None) -> dict[str, float]:
    """Give the cosine of two texts under [CLS], under the mean, and under Word2Vec learned from a sheet's questions."""
    import torch

    from bot.pretrain import checkpoint
    from indexer.pooling import pool
    from indexer.transformer import load_bert, quietly

    with quietly():
        encoder = load_bert(checkpoint(model))
    batch = encoder.tokenizer(
        [first, second], padding=True, truncation=True, max_length=encoder.limit(), return_tensors="pt"
    )
    with torch.no_grad():
        states, _ = encoder(batch["input_ids"], batch["attention_mask"])
    found = {}
    for pooling in ("cls", "mean"):
        pooled = pool(states, batch["attention_mask"], pooling)
        found[pooling] = float(torch.nn.functional.cosine_similarity(pooled[0], pooled[1], dim=0))
    if sheet:
        found["word2vec"] = _by_words(first, second, sheet)
    return found


def attention(text: str, model: str, layer: int, head: int = 0) -> tuple[list[str], NDArray[np.float32]]:
    """Give the tokens (T) and how much each looks at each (T, T), rows summing to 1; head 0 is the mean of all.

    Vaswani et al. 2017 (arXiv:1706.03762). Layers and heads count from 1.
    """
    import torch
    from transformers import AutoModel

    from bot.pretrain import checkpoint
    from bot.pretrain.tokenizer import open_tokenizer
    from indexer.transformer import quietly

    tokenizer = open_tokenizer(model)
    try:
        # The fused kernels that are usual give no weights.
        with quietly():
            network = AutoModel.from_pretrained(checkpoint(model), attn_implementation="eager").eval()
    except (OSError, ValueError) as error:
        raise UserError(f"{model}: no model that transformers can open is there ({type(error).__name__}).") from error
    layers, heads = network.config.num_hidden_layers, network.config.num_attention_heads
    if not 1 <= layer <= layers or not 0 <= head <= heads:
        raise UserError(f"{model} has layers 1 to {layers} and heads 1 to {heads} (0: their mean).")
    ids = tokenizer(text, truncation=True, max_length=network.config.max_position_embeddings)["input_ids"]
    with torch.no_grad():
        weights = network(torch.tensor([ids]), output_attentions=True).attentions[layer - 1][0]
    chosen = weights[head - 1] if head else weights.mean(0)
    return tokenizer.convert_ids_to_tokens(ids), chosen.numpy()


def heat_map(names: Sequence[str], weights: NDArray[np.float32], title: str) -> str:
    """Draw how much each token (a row) looks at each token (a column) as an <svg> for a page."""
    room = max(_wide(name) for name in names) + 12
    size = CELL * len(names)
    parts = []
    for row, name in enumerate(names):
        middle = room + CELL * row + CELL / 2
        parts.append(f'<text text-anchor="end" x="{room - 6:.1f}" y="{middle + 4:.1f}">{escape(name)}</text>')
        parts.append(f'<text transform="translate({middle + 4:.1f} {room - 6:.1f}) rotate(-90)">{escape(name)}</text>')
        for column, other in enumerate(names):
            parts.append(
                f'<rect class="series-1" x="{room + CELL * column:.1f}" y="{room + CELL * row:.1f}" width="{CELL - 1}" '
                f'height="{CELL - 1}" style="fill: var(--hue); fill-opacity: {weights[row, column]:.3f}">'
                f"<title>{escape(name)} → {escape(other)}: {weights[row, column]:.2f}</title></rect>"
            )
    at = divmod(int(weights.argmax()), len(names))
    told = f"Most: {names[at[0]]} looks at {names[at[1]]}, {weights[at]:.2f}. A row is who looks, a column at what."
    return (
        f'<svg class="drawing" role="img" viewBox="0 0 {room + size + 8:.0f} {room + size + 8:.0f}">'
        f"<title>{escape(title)}</title><desc>{escape(told)}</desc>{''.join(parts)}</svg>"
    )


def bias(template: str, groups: Sequence[str], model: str, k: int = 5) -> dict[str, Any]:
    """Compare what a model guesses behind words for two groups or more.

    Sheng et al. 2019, "The Woman Worked as a Babysitter" (arXiv:1909.01326). `distance` is half the sum of the
    differences over all tokens: 0 where the group changes nothing, 1 where nothing is shared.
    """
    if "{}" not in template or len(groups) < 2:
        raise UserError(
            'a template has {} where the groups are swapped. Type: bias "The {} worked as a" --swap man,woman'
        )
    guesser = Guesser(model)
    whole = template if BLANK in template else f"{template.rstrip()} {BLANK}."
    known = {group: guesser.distribution(whole.replace("{}", group)) for group in groups}
    one, other = known[groups[0]], known[groups[1]]
    named = dict.fromkeys(entry["token"] for group in groups for entry in guesser.best(known[group], k))
    ids = guesser.tokenizer.convert_tokens_to_ids(list(named))
    gaps: list[Mapping[str, Any]] = [
        {"token": token, **{group: float(known[group][id]) for group in groups}, "gap": float(one[id] - other[id])}
        for token, id in zip(named, ids, strict=True)
    ]
    return {
        "text": whole,
        "top": {group: guesser.best(known[group], k) for group in groups},
        "gaps": sorted(gaps, key=lambda entry: -abs(entry["gap"])),
        "distance": float((one - other).abs().sum() / 2),
    }


def _by_words(first: str, second: str, sheet: Path) -> float:
    from indexer.corpus import read_corpus
    from indexer.encoders import load_encoder

    encoder = load_encoder("word2vec", [row.question for row in read_corpus(sheet).rows])
    one, other = encoder.encode([first, second])
    return float(one @ other)


def _wide(name: str) -> float:
    """Give the width that a name takes, at most."""
    return sum(LETTER if letter.isascii() else SYLLABLE for letter in name)
