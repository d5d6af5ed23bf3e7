"""The command `bot`: ask one question, or hold a conversation in the terminal."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.commands.distil import distil
from bot.commands.evaluate import evaluate
from bot.commands.inspect import inspect_group
from bot.commands.journal import journal
from bot.commands.pretrain import pretrain
from bot.commands.settings import settings
from bot.commands.train import classify, predict, train
from bot.settings import read as read_settings
from indexer.command import Commands, echo_json

if TYPE_CHECKING:
    from bot.answer import Answer, Bot, Source
    from bot.journal import Journal

INDEX = click.option("--index", type=click.Path(path_type=Path), help="Folder of the index.  [default: data/index]")


WRITTEN = {
    "en": "(written by a language model, from these stored answers)",
    "ko": "(언어 모델이 아래 저장된 답변으로 쓴 글이에요)",
}
GENERATOR = click.option(
    "--generator", metavar="SPEC", help="What may write where no stored answer is sure: shared:PATH, causal:PATH, "
    "seq2seq:PATH, openai:BASE_URL?model=NAME.  [default: none]",
)  # fmt: skip


ENTAILMENT = click.option(
    "--entailment", type=click.Path(path_type=Path),
    help="Folder of a pair model (bot train pair on NLI) that checks what a generator writes.  [default: none]",
)  # fmt: skip


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mundap")
def main() -> None:
    """Answer messages from an index."""


for command in (train, predict, classify, evaluate, settings, journal):
    main.add_command(command)

main.add_command(pretrain)
main.add_command(distil)
main.add_command(inspect_group)


@main.command()
@click.argument("message")
@INDEX
@GENERATOR
@ENTAILMENT
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def ask(message: str, index: Path | None, generator: str | None, entailment: Path | None, as_json: bool) -> None:
    r"""Answer MESSAGE once.

    \b
    Example:
      bot ask "환불은 언제까지 되나요?"
    """
    bot, notes = _open(index, generator, entailment, always=False)
    answer = _answer(bot, notes, message, None, repr if as_json else _follow())
    if notes:
        notes.close()
    echo_json(answer.to_dict()) if as_json else click.echo(show(answer, with_text=answer.decision != "generated"))


@main.command()
@INDEX
@GENERATOR
@ENTAILMENT
def chat(index: Path | None, generator: str | None, entailment: Path | None) -> None:
    r"""Hold a conversation; a number picks one of the questions offered, an empty line or Ctrl-D ends it.

    \b
    Example:
      bot chat --index data/index
    """
    bot, notes = _open(index, generator, entailment, always=True)
    click.echo("Ask anything. An empty line ends. / 무엇이든 물어보세요. 빈 줄을 입력하면 끝납니다.", err=True)
    session, answer = f"terminal:{time.time_ns()}", None
    offered: Sequence[Source] = ()
    while message := _read():
        if answer and message.isdecimal() and 1 <= int(message) <= len(offered):
            picked = offered[int(message) - 1]
            if notes:
                notes.choose(answer.trace["exchange"], picked.id)
            message = picked.question
            click.echo(f"({message})")
        answer = _answer(bot, notes, message, session, _follow())
        offered = answer.sources if answer.decision == "choose" else ()
        click.echo(f"{show(answer, with_text=answer.decision != 'generated')}\n")
    if notes:
        notes.close()


def show(answer: "Answer", with_text: bool = True) -> str:
    """Write an answer for the terminal: the text, what is offered, how sure it is and where it is from."""
    lines = [answer.text] if with_text else []
    if answer.decision == "generated":
        lines.append(WRITTEN["ko" if answer.trace.get("lang") == "ko" else "en"])
        lines += [f"  [{n}] {' | '.join(filter(None, (s.question, s.url)))}" for n, s in enumerate(answer.sources, 1)]
    if answer.decision == "choose":
        lines += [f"  {number}. {source.question}" for number, source in enumerate(answer.sources, 1)]
    if answer.decision == "answer":
        source = answer.sources[0]
        lines.append(f"[{answer.confidence:.0%} | {source.question}{' | ' + source.url if source.url else ''}]")
    if person := answer.trace.get("person"):
        lines.append(str(person))
    return "\n".join(lines)


def _read() -> str:
    try:
        return str(input("> ")).strip()
    except (EOFError, KeyboardInterrupt):
        return ""


def _follow() -> "Callable[[Answer], None]":
    """Give what prints a growing answer, sentence by sentence."""
    shown = ""

    def follow(answer: "Answer") -> None:
        nonlocal shown
        if answer.decision == "generated" and len(answer.text) > len(shown):
            click.echo(answer.text[len(shown) :].lstrip())
            shown = answer.text

    return follow


def _answer(
    bot: "Bot", notes: "Journal | None", message: str, session: str | None, follow: "Callable[[Answer], object]" = repr
) -> "Answer":
    """Let the bot answer, and write it down where a journal is kept."""
    started = time.perf_counter()
    for answer in bot.stream(message, session):
        follow(answer)
    if notes is None:
        return answer
    exchange = notes.record(message, answer, "terminal", session, (time.perf_counter() - started) * 1e3)
    return replace(answer, trace={**answer.trace, "exchange": exchange})


def _open(
    index: Path | None, generator: str | None, entailment: Path | None, always: bool
) -> "tuple[Bot, Journal | None]":
    """Open the bot, and the journal; unless `always`, only one that the settings name."""
    from bot import open_bot
    from bot.models import open_models, open_tagger

    found = read_settings()
    for warning in found.warnings:
        click.echo(f"Warning: {warning}", err=True)
    chosen = found.settings
    spec = chosen.generator if generator is None else generator
    judge = entailment or chosen.entailment
    bot = open_bot(index or chosen.index, chosen.contact, spec, chosen.openai_api_key, open_models(chosen), judge)
    if chosen.journal is None or not (always or found.sources["journal"] != "default"):
        return bot, None
    from bot.journal import Journal

    return bot, Journal(chosen.journal, chosen.retention_days, chosen.mask, open_tagger(chosen))
