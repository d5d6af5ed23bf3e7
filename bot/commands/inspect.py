"""The commands `bot inspect`: what a model guesses, how it cuts, what it holds to be alike, where it looks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from indexer.command import FOLDER, JSON, Commands, echo_json
from indexer.errors import UserError

MODEL = click.option(
    "--model", default="minilm", show_default=True, help="minilm, bilingual (its Korean model), a folder, or bert:NAME."
)
TOP = click.option("-k", "k", default=5, show_default=True, type=click.IntRange(1, 100), help="How many guesses.")


@click.group("inspect", cls=Commands)
def inspect_group() -> None:
    """Look inside a model."""


@inspect_group.command("fill-mask")
@click.argument("text")
@MODEL
@click.option("--attack", default="", help="Words put in front, that have nothing to do with the answer.")
@TOP
@JSON
def fill_mask(text: str, model: str, attack: str, k: int, as_json: bool) -> None:
    r"""Guess the word at [MASK] in TEXT, and again behind an attack.

    \b
    Example:
      bot inspect fill-mask "오늘 영화 정말 [MASK]" --model bert:runs/bert --attack "지루해요?"
    """
    from bot.inside import guesses

    found = guesses.fill_mask(text, model, k, attack)
    if as_json:
        echo_json(found)
        return
    click.echo(text)
    _show(found["top"])
    if attack:
        click.echo(f"\n{attack} {text}")
        _show(found["attacked"])
        word = found["top"][0]["token"]
        change = f"{word}: {found['first_before']:.1%} -> {found['first_after']:.1%}"
        click.echo(f"\n{'flipped' if found['flipped'] else 'held'} ({change})")


@inspect_group.command()
@click.argument("text")
@MODEL
@JSON
def tokens(text: str, model: str, as_json: bool) -> None:
    r"""Show how a model cuts TEXT.

    \b
    Example:
      bot inspect tokens "환불은 언제까지 되나요?" --model runs/tokenizer
    """
    from bot.inside import pieces

    found = pieces.tokens(text, model)
    if as_json:
        echo_json(found)
        return
    for token in found["tokens"]:
        click.echo(
            f"{token['id']:>7}  {token['token']}{'   (unknown: ' + token['text'] + ')' if token['unknown'] else ''}"
        )
    click.echo(f"{found['words']} words, {found['tokens_per_word']:.2f} tokens a word")


@inspect_group.command()
@click.argument("first")
@click.argument("second")
@MODEL
@click.option("--sheet", type=FOLDER, help="A sheet whose questions Word2Vec learns from.")
@JSON
def similarity(first: str, second: str, model: str, sheet: Path | None, as_json: bool) -> None:
    r"""Compare two texts under [CLS], the mean, and Word2Vec.

    \b
    Example:
      bot inspect similarity "How do I get a refund?" "Can I have my money back?" --sheet data/qa.csv
    """
    from bot.inside import similarity

    found = similarity.similarity(first, second, model, sheet)
    if as_json:
        echo_json(found)
        return
    for name, value in found.items():
        click.echo(f"{ {'cls': '[CLS]', 'mean': 'mean', 'word2vec': 'Word2Vec'}[name]:<9} {value:6.3f}")


@inspect_group.command()
@click.argument("text")
@MODEL
@click.option("--layer", default=1, show_default=True, type=int, help="Counted from 1.")
@click.option("--head", default=0, show_default=True, type=int, help="Counted from 1; 0: the mean of all.")
@click.option("--out", type=FOLDER, help="Write the picture to this SVG file.")
@JSON
def attention(text: str, model: str, layer: int, head: int, out: Path | None, as_json: bool) -> None:
    r"""Show where each token of TEXT looks.

    \b
    Example:
      bot inspect attention "The refund was late because it was lost." --layer 3 --head 2 --out attention.svg
    """
    from bot.inside import attention
    from indexer.drawing import standalone

    names, weights = attention.attention(text, model, layer, head)
    if out:
        title = f"Attention of layer {layer}, {f'head {head}' if head else 'all heads'}"
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(standalone(attention.heat_map(names, weights, title)), encoding="utf-8")
        click.echo(f"picture: {out}", err=True)
    if as_json:
        echo_json({"layer": layer, "head": head, "tokens": names, "weights": weights.tolist()})
        return
    for name, row in zip(names, weights, strict=True):
        most = sorted(zip(row.tolist(), names, strict=True), reverse=True)[:3]
        click.echo(f"{name} -> " + ", ".join(f"{other} {value:.2f}" for value, other in most))


@inspect_group.command()
@click.argument("template")
@click.option("--swap", required=True, help="The groups to swap, with commas between.")
@MODEL
@TOP
@click.option("--words", help="Compare by vectors: words or sentences, with commas between (or |).")
@click.option("--against", help="As many words of the contrary; gives the effect size of WEAT.")
@JSON
def bias(template: str, swap: str, model: str, k: int, words: str | None, against: str | None, as_json: bool) -> None:
    r"""Compare what a model makes of the groups that TEMPLATE names at {}.

    Without --words, by what it guesses at [MASK], or at the end. With --words, by how near each group's sentence lies
    to each of them; this takes any sentence encoder, also minilm and bilingual, which guess no words.

    \b
    Examples:
      bot inspect bias "The {} worked as a" --swap man,woman --model bert:bert-base-uncased
      bot inspect bias "The {} works at a hospital." --swap woman,man --words nurse,cook --against doctor,boss
      bot inspect bias "{}가 병원에서 일해요." --swap 여자,남자 --words 간호사,의사 --model bilingual
    """
    from bot.inside import bias

    groups = _listed(swap)
    if words is None and against is not None:
        raise UserError("--against is compared with --words, and none are given. Type: --words nurse,cook as well")
    if words is None:
        found = bias.bias(template, groups, model, k)
    else:
        found = bias.association(template, groups, _listed(words), model, _listed(against or ""))
    if as_json:
        echo_json(found)
    elif words is None:
        _show_guesses(found, groups, k)
    else:
        _show_vectors(found, groups)


def _listed(text: str) -> list[str]:
    """Cut what stands between commas, or between upright strokes if there is one."""
    return [part.strip() for part in text.split("|" if "|" in text else ",") if part.strip()]


def _show_guesses(found: dict[str, Any], groups: Sequence[str], k: int) -> None:
    for group in groups:
        click.echo(found["text"].replace("{}", group))
        _show(found["top"][group])
    click.echo(f"\ngap ({groups[0]} - {groups[1]})")
    for entry in found["gaps"][:k]:
        click.echo(f"  {entry['gap']:+7.2%}  {entry['token']}")
    click.echo(f"distance {found['distance']:.3f} (0: the group changes nothing, 1: nothing is shared)")


def _show_vectors(found: dict[str, Any], groups: Sequence[str]) -> None:
    for group in groups:
        click.echo(found["text"].replace("{}", group))
    click.echo(f"\ngap ({groups[0]} - {groups[1]}) of the cosines")
    for entry in found["gaps"]:
        cosines = ", ".join(f"{group} {cosine:.3f}" for group, cosine in entry["cosine"].items())
        mark = " against" if entry["against"] else ""
        click.echo(f"  {entry['gap']:+.3f}  {entry['word']}{mark} ({cosines})")
    click.echo(f"distance {found['distance']:.3f} (1 - cosine of the two sentences)")
    if "effect" in found:
        effect = "none, since all gaps are equal" if found["effect"] is None else f"{found['effect']:+.2f}"
        click.echo(f"effect size {effect} (WEAT, -2 to 2; above 0: --words lie nearer to {groups[0]} than --against)")


def _show(entries: Sequence[dict[str, Any]]) -> None:
    for entry in entries:
        click.echo(f"  {entry['probability']:7.2%}  {entry['token']}")
