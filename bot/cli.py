"""The command `bot`: ask one question, or hold a conversation in the terminal."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.settings import Settings
from indexer.command import Commands, echo_json

if TYPE_CHECKING:
    from bot.answer import Answer, Bot

INDEX = click.option("--index", type=click.Path(path_type=Path), help="Folder of the index.  [default: data/index]")


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mundap")
def main() -> None:
    """Answer messages from an index."""


@main.command()
@click.argument("message")
@INDEX
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def ask(message: str, index: Path | None, as_json: bool) -> None:
    r"""Answer MESSAGE once.

    \b
    Example:
      bot ask "환불은 언제까지 되나요?"
    """
    answer = _open(index).answer(message)
    echo_json(answer.to_dict()) if as_json else click.echo(show(answer))


@main.command()
@INDEX
def chat(index: Path | None) -> None:
    r"""Hold a conversation; a number picks one of the questions offered, an empty line or Ctrl-D ends it.

    \b
    Example:
      bot chat --index data/index
    """
    bot = _open(index)
    click.echo("Ask anything. An empty line ends. / 무엇이든 물어보세요. 빈 줄을 입력하면 끝납니다.", err=True)
    offered: list[str] = []
    while message := _read():
        if message.isdecimal() and 1 <= int(message) <= len(offered):
            message = offered[int(message) - 1]
            click.echo(f"({message})")
        answer = bot.answer(message)
        offered = [source.question for source in answer.sources] if answer.decision == "choose" else []
        click.echo(f"{show(answer)}\n")


def show(answer: "Answer") -> str:
    """Write an answer for the terminal: the text, what is offered, how sure it is and where it is from."""
    lines = [answer.text]
    if answer.decision == "choose":
        lines += [f"  {number}. {source.question}" for number, source in enumerate(answer.sources, 1)]
    if answer.decision == "answer":
        source = answer.sources[0]
        lines.append(f"[{answer.confidence:.0%} | {source.question}{' | ' + source.url if source.url else ''}]")
    return "\n".join(lines)


def _read() -> str:
    try:
        return str(input("> ")).strip()
    except (EOFError, KeyboardInterrupt):
        return ""


def _open(index: Path | None) -> "Bot":
    from bot import open_bot

    return open_bot(index or Settings.from_environment().index)
