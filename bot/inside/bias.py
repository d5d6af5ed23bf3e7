"""What a model ties to groups of people: by its guesses, and by its vectors."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.inside.guesses import BLANK, Guesser
from indexer.errors import UserError


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
