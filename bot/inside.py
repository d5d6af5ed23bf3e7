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

    def __init__(self, spec: str, instead: str = "") -> None:
        from bot.pretrain import checkpoint
        from bot.pretrain.bert import open_masked
        from bot.pretrain.tokenizer import open_tokenizer

        self.tokenizer = open_tokenizer(spec)
        self.model: Any
        self.model, headless = open_masked(checkpoint(spec))
        if headless or self.tokenizer.mask_token is None:
            raise UserError(
                f"{spec} has no head that guesses words. Type --model with a model that has one, such as "
                f"bert:runs/bert from: bot pretrain bert FILE --tokenizer DIR --out runs/bert{instead}"
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
    _check_swap(template, groups)
    guesser = Guesser(model, ". To compare by vectors instead, add words: --words nurse,doctor")
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


def association(
    template: str, groups: Sequence[str], words: Sequence[str], model: str, against: Sequence[str] = ()
) -> dict[str, Any]:
    """Compare how near the sentences of two groups or more lie to words or sentences; any sentence encoder has vectors.

    A word's `gap` is its cosine with the first group's sentence less that with the second's, and `distance` is
    1 - cosine of these two. With words `against`, `effect` is WEAT's effect size: the mean gap of the words less that
    of those against, in standard deviations (n - 1) of all gaps; it lies between -2 and 2, and is None where all gaps
    are equal. Caliskan et al. 2017 (doi:10.1126/science.aal4230); in sentences, May et al. 2019 (arXiv:1903.10561).
    """
    _check_swap(template, groups)
    _check_words(template, words, against)
    sentences = [template.replace("{}", group) for group in groups]
    cosines = _cosines([*sentences, *words, *against], model)
    gaps = cosines[0, len(groups) :] - cosines[1, len(groups) :]
    near = cosines[: len(groups), len(groups) :].T
    entries: list[dict[str, Any]] = [
        {
            "word": word,
            "against": place >= len(words),
            "cosine": dict(zip(groups, near[place].tolist(), strict=True)),
            "gap": float(gaps[place]),
        }
        for place, word in enumerate([*words, *against])
    ]
    found: dict[str, Any] = {"text": template, "distance": float(1 - cosines[0, 1])}
    if against:
        found["effect"] = _effect(gaps[: len(words)], gaps[len(words) :])
    return found | {"gaps": sorted(entries, key=lambda entry: -abs(entry["gap"]))}


def _effect(gaps: NDArray[np.float64], against: NDArray[np.float64]) -> float | None:
    """Give WEAT's effect size of the words' gaps."""
    spread = np.concatenate([gaps, against]).std(ddof=1)
    return float((gaps.mean() - against.mean()) / spread) if spread > 0 else None


def _cosines(texts: Sequence[str], model: str) -> NDArray[np.float64]:
    """Give the cosine of every two texts (n, n)."""
    from indexer.encoders import load_encoder

    vectors = load_encoder(_encoder(model)).encode(texts).astype(np.float64)
    unknown = [text for text, vector in zip(texts, vectors, strict=True) if not vector.any()]
    if unknown:
        raise UserError(f"{model} has no vector for {unknown[0]!r}. Write it otherwise, or choose another --model.")
    return np.clip(vectors @ vectors.T, -1, 1)


def _encoder(model: str) -> str:
    """Give the encoder's spec of what --model names: a spec of a sentence encoder, a folder, or a hub name."""
    from indexer import encoders, spec

    name = spec.parse(model).name
    if name in ("minilm", "bilingual", "bert", "sbert"):
        return model
    if name in spec.kinds(encoders):
        raise UserError(f"{name} learns from a sheet and has read none here. Type: --model minilm, or bilingual")
    return f"bert:{model}"


def _check_swap(template: str, groups: Sequence[str]) -> None:
    """Refuse a template without a place, and fewer than two groups."""
    example = 'Type: bias "The {} worked as a" --swap man,woman'
    if "{}" not in template:
        raise UserError(f"the template {template!r} has no {{}} where the groups are swapped. {example}")
    if len(groups) < 2:
        raise UserError(f"--swap names {len(groups)} of the two groups or more that it takes. {example}")


def _check_words(template: str, words: Sequence[str], against: Sequence[str]) -> None:
    """Refuse what vectors cannot compare."""
    if BLANK in template:
        raise UserError(
            f"the template {template!r} has {BLANK}, which is guessed; --words are compared with the sentence as it "
            f"is. Take {BLANK} out, or leave out --words."
        )
    if not words:
        raise UserError("--words names none. Type: --words nurse,doctor")
    if against and not len(words) == len(against) > 1:
        raise UserError(
            f"--words names {len(words)} and --against {len(against)}: an effect size takes equally many, two or "
            f"more. Type: --words nurse,cook --against doctor,boss"
        )


def _by_words(first: str, second: str, sheet: Path) -> float:
    from indexer.corpus import read_corpus
    from indexer.encoders import load_encoder

    encoder = load_encoder("word2vec", [row.question for row in read_corpus(sheet).rows])
    one, other = encoder.encode([first, second])
    return float(one @ other)


def _wide(name: str) -> float:
    """Give the width that a name takes, at most."""
    return sum(LETTER if letter.isascii() else SYLLABLE for letter in name)
