"""The commands `bot pretrain`: a tokenizer, a BERT, a GPT-2, and new tokens for a model that is there."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from indexer.command import FOLDER, JSON, Commands, Progress, echo_json
from indexer.errors import UserError

if TYPE_CHECKING:
    from bot.pretrain.documents import Document

FILES = click.argument("files", nargs=-1, required=True, type=FOLDER)
OUT = click.option("--out", required=True, type=FOLDER, help="Folder to write.")
Command = Callable[..., Any]

LAYOUT = (
    click.option("--document-per-line", "per_line", is_flag=True, help="Every line is a document."),
    click.option("--window", default=0, help="Documents of so many sentences, where no blank line ends one."),
)
SHAPE = (
    click.option("--layers", type=int, help="Layers.  [default: 4]"),
    click.option("--hidden", type=int, help="Hidden size, a multiple of --heads.  [default: 256]"),
    click.option("--heads", type=int, help="Attention heads.  [default: 4]"),
    click.option("--intermediate", type=int, help="Size between.  [default: 4 x hidden]"),
    click.option("--positions", type=int, help="Longest text in tokens.  [default: --length]"),
    click.option("--dropout", type=float, help="0 learns faster where little is read twice.  [default: 0.1]"),
)
SCHEDULE = (
    click.option("--length", default=128, show_default=True, help="Tokens of a sequence."),
    click.option("--held-out", default=0.05, show_default=True, help="Share of the documents to judge on."),
    click.option("--epochs", default=3.0, show_default=True, help="Times through the text."),
    click.option("--steps", default=0, help="Batches to learn from, instead of epochs."),
    click.option("--batch", default=32, show_default=True, help="Sequences a batch, on each device."),
    click.option("--rate", type=float, help="Learning rate.  [default: 5e-4; with --continue-from 1e-4]"),
    click.option("--seed", default=1, show_default=True, help="The same seed gives the same run on one machine."),
    click.option("--bf16/--no-bf16", default=None, help="Compute in bfloat16.  [default: on a GPU that can]"),
    click.option("--cache", type=FOLDER, help="Where features are kept.  [default: ~/.cache/mundap/pretrain]"),
)
SOURCE = (
    click.option("--tokenizer", help="Folder from `bot pretrain tokenizer`, for a model from nothing."),
    click.option(
        "--continue-from", metavar="SPEC", help="A checkpoint to go on with: minilm, bilingual, bert:NAME or a folder."
    ),
)


def _options(*groups: Sequence[Callable[[Command], Command]]) -> Callable[[Command], Command]:
    every = [option for group in groups for option in group]
    return lambda command: reduce(lambda made, option: option(made), reversed(every), command)


@click.group(cls=Commands)
def pretrain() -> None:
    """Train a tokenizer or a model on plain text."""


@pretrain.command()
@FILES
@OUT
@click.option("--vocab-size", default=8000, show_default=True, help="Tokens at most.")
@click.option("--min-frequency", default=2, show_default=True, help="Rarer words and pieces are left out.")
@click.option("--kind", type=click.Choice(["wordpiece", "word", "character"]), default="wordpiece", show_default=True)
@click.option("--morphology", type=click.Choice(["none", "kiwi"]), default="none", help="Cut Korean at its morphemes.")
@click.option("--lower-case", is_flag=True, help="Write everything in lower case.")
@JSON
def tokenizer(files: Sequence[Path], out: Path, as_json: bool, **settings: Any) -> None:
    r"""Learn a vocabulary from the text FILES.

    \b
    Example:
      bot pretrain tokenizer corpus.txt --out runs/tokenizer --vocab-size 8000
    """
    from bot.pretrain.documents import read_text
    from bot.pretrain.tokenizer import measure, save_tokenizer, train_tokenizer
    from indexer.morphology import check_morphology

    if (out / "config.json").exists():
        raise UserError(f"{out} holds a model, whose tokenizer this would replace. Name another --out.")
    check_morphology(settings["morphology"])
    texts = [read_text(path) for path in files]
    with Progress() as progress:
        progress("learning pieces")
        made = train_tokenizer((line for text in texts for line in text.splitlines()), **settings)
    save_tokenizer(made, out)
    found = measure(str(out), "", "\n".join(texts))
    del found["pieces"]
    if as_json:
        echo_json(found)
        return
    click.echo(
        f"{out}: {found['vocabulary']:,} tokens. In these files {found['unknown_rate']:.2%} of the words are unknown, "
        f"{found['tokens_per_word']:.2f} tokens a word."
    )


@pretrain.command()
@click.argument("tokenizers", nargs=-1, required=True)
@click.option("--text", default="", help="A sentence to cut.")
@click.option("--file", "corpus", type=FOLDER, help="Count over this text file.")
@JSON
def compare(tokenizers: Sequence[str], text: str, corpus: Path | None, as_json: bool) -> None:
    r"""Show how several TOKENIZERS (folders or specs) cut a sentence, and count over a file.

    \b
    Example:
      bot pretrain compare runs/tokenizer minilm --text "환불은 언제까지 되나요?" --file corpus.txt
    """
    from bot.pretrain import tokenizer as cutting
    from bot.pretrain.documents import read_text

    found = cutting.compare(tokenizers, text, read_text(corpus) if corpus else "")
    if as_json:
        echo_json(found)
        return
    for entry in found:
        click.echo(
            f"{entry['tokenizer']}: {entry['vocabulary']:,} tokens, {entry['unknown_rate']:.2%} of {entry['words']:,} "
            f"words unknown, {entry['tokens_per_word']:.2f} tokens a word"
        )
        if text:
            click.echo(f"  {' '.join(entry['pieces'])}")


@pretrain.command()
@FILES
@OUT
@_options(SOURCE, LAYOUT, SHAPE, SCHEDULE)
@click.option("--copies", default=2, show_default=True, help="Times that pairs of segments are drawn anew.")
@click.option("--mask", type=click.Choice(["word", "token"]), default="word", show_default=True, help="Masked at once.")
@click.option("--mask-rate", default=0.15, show_default=True, help="Share of the words that is masked.")
@click.option("--no-nsp", is_flag=True, help="Masked words alone, without next sentences.")
@JSON
def bert(files: Sequence[Path], out: Path, as_json: bool, **given: Any) -> None:
    r"""Train a BERT on FILES: from nothing, or on top of a checkpoint (masked words alone).

    A run that was killed goes on when the same command is typed again. A GPU is used where there is one, in bfloat16
    where it can; several by: accelerate launch --multi_gpu --num_processes 2 $(which bot) pretrain bert ...

    \b
    Examples:
      bot pretrain bert corpus.txt --tokenizer runs/tokenizer --out runs/bert
      bot pretrain bert domain.txt --continue-from bert:runs/bert --out runs/domain --rate 1e-4
    """
    from bot.pretrain import bert as learning

    given |= {"whole_words": given["mask"] == "word", "pairs": not (given["no_nsp"] or given["continue_from"])}
    documents, more = _read(files, given)
    shape = _checked_shape(given, learning.Shape)
    reading = _pick(learning.Reading, given)
    with Progress() as progress:
        more["progress"] = progress
        if given["continue_from"]:
            found = learning.continue_bert(documents, out, given["continue_from"], reading, **more)
        else:
            found = learning.pretrain_bert(documents, out, given["tokenizer"], shape, reading, **more)
    _report(found, out, as_json)


@pretrain.command()
@FILES
@OUT
@_options(SOURCE, LAYOUT, SHAPE, SCHEDULE)
@click.option("--prompt", default="", help="What the samples begin with.")
@click.option("--sample", default=40, show_default=True, help="Tokens of a sample.")
@JSON
def causal(files: Sequence[Path], out: Path, as_json: bool, **given: Any) -> None:
    r"""Train a GPT-2 on FILES, from nothing or on top of a checkpoint; give its perplexity and a sample.

    \b
    Example:
      bot pretrain causal corpus.txt --tokenizer runs/tokenizer --out runs/gpt --prompt "이 영화는"
    """
    from bot.pretrain import causal as learning
    from bot.pretrain.bert import Shape

    documents, more = _read(files, given)
    shape = _checked_shape(given, Shape)
    blocks = _pick(learning.Blocks, given)
    with Progress() as progress:
        more["progress"] = progress
        if given["continue_from"]:
            found = learning.continue_causal(documents, out, given["continue_from"], blocks, **more)
        else:
            found = learning.pretrain_causal(documents, out, given["tokenizer"], shape, blocks, **more)
    _report(found, out, as_json)


@pretrain.command()
@click.argument("model")
@click.option("--tokens", required=True, help="The new tokens, with commas between.")
@OUT
@click.option("--special", is_flag=True, help="Special tokens: never part of what the model says.")
@click.option("--types", default=0, help="Lengthen the table of token types to so many rows.")
@JSON
def extend(model: str, tokens: str, out: Path, special: bool, types: int, as_json: bool) -> None:
    r"""Add tokens to MODEL, their vectors made of the pieces that stood for them.

    \b
    Example:
      bot pretrain extend bert:runs/bert --tokens "[E1],[/E1],[E2],[/E2]" --out runs/markers --special
    """
    from bot.pretrain.extend import extend as add

    found = add(model, tokens.split(","), out, special, types)
    if as_json:
        echo_json(found)
        return
    for token, made in found["tokens"].items():
        click.echo(f"{made['id']:>7}  {token}  from {' '.join(made['from']) or 'the mean of all'}")
    click.echo(f"{out}: {found['vocabulary'][0]:,} tokens before, {found['vocabulary'][1]:,} now")


def _read(files: Sequence[Path], given: Mapping[str, Any]) -> tuple[list["Document"], dict[str, Any]]:
    """Read the documents, and what every run takes."""
    from bot.pretrain import features
    from bot.pretrain.documents import read_documents
    from bot.pretrain.running import Schedule

    if bool(given["tokenizer"]) == bool(given["continue_from"]):
        raise UserError("give one of the two: --tokenizer DIR (a model from nothing) or --continue-from SPEC.")
    rate = given["rate"] or (1e-4 if given["continue_from"] else 5e-4)
    if min(given["batch"], given["epochs"], rate) <= 0 or given["steps"] < 0:
        raise UserError("--batch, --epochs and --rate are above 0.")
    documents = read_documents(files, given["per_line"], given["window"])
    return documents, {"schedule": _pick(Schedule, {**given, "rate": rate}), "cache": given["cache"] or features.CACHE}


def _checked_shape(given: Mapping[str, Any], kind: type[Any]) -> Any:
    """Give the sizes; a checkpoint has its own."""
    shape = _pick(kind, given)
    named = [field.name for field in fields(kind) if given[field.name] is not None]
    if given["continue_from"] and named:
        raise UserError(f"{given['continue_from']} has its own sizes. Leave out --{' --'.join(named)}.")
    return shape


def _pick(kind: type[Any], given: Mapping[str, Any]) -> Any:
    """Make a dataclass of the options that bear its fields' names."""
    names = {field.name for field in fields(kind)}
    return kind(**{name: value for name, value in given.items() if name in names and value is not None})


def _report(found: Mapping[str, Any], out: Path, as_json: bool) -> None:
    """Print the figures before and after, from one of several processes."""
    if not found.get("first", True):
        return
    if as_json:
        echo_json(found)
        return
    click.echo(f"{'':<14}{'before':>10}{'after':>10}")
    for name, value in found["after"].items():
        click.echo(f"{name:<14}{found['before'].get(name, float('nan')):>10.4g}{value:>10.4g}")
    for name in ("sample_before", "sample_after"):
        if name in found:
            click.echo(f"{name.replace('_', ' ')}: {found[name]}")
    click.echo(f"{out}: {found['steps']:,} steps in {found['seconds']:,.0f} s, loss in {out / 'loss.svg'}")
