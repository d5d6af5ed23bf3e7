"""`bot journal show | export | pairs`: what was asked on every channel, to read, for programs, and to learn from."""

import csv
import json
import re
import shutil
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from bot.settings import read as read_settings
from indexer.command import FOLDER, JSON, Commands, echo_json
from indexer.errors import UserError

if TYPE_CHECKING:
    from indexer.row import Row

JOURNAL = click.option("--journal", type=FOLDER, help="The journal's file.  [default: as bot settings says]")
SINCE = click.option("--since", default="", help="Only from this time on: 2026-11-21, 2026-11-21T09:30 (UTC), or 7d.")
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a cell that begins so is a formula for a spreadsheet program
THUMBS = {"up": "+", "down": "-", "": " "}


@click.group(cls=Commands)
def journal() -> None:
    """Read the journal: what was asked on every channel, and what became of it."""


@journal.command("show")
@click.option("--last", type=click.IntRange(1), default=20, show_default=True, help="So many, the newest at the end.")
@click.option("--decision", default="", help="Only answer, choose, abstain, generated or smalltalk.")
@click.option("--channel", default="", help="Only chat, api, widget, slack, webhook or terminal.")
@click.option("--votes", is_flag=True, help="Only those with a thumb or a clicked choice.")
@SINCE
@JOURNAL
@JSON
def show_journal(
    last: int, decision: str, channel: str, votes: bool, since: str, journal: Path | None, as_json: bool
) -> None:
    r"""Show the newest exchanges.

    \b
    Example:
      bot journal show --last 50 --decision abstain
      bot journal show --votes --since 7d
    """
    from bot.journal.reading import exchanges

    found = list(exchanges(_path(journal), _time(since), decision, channel, votes, last))
    if as_json:
        echo_json(found)
    elif found:
        click.echo(table(found, shutil.get_terminal_size((120, 24)).columns))
    else:
        click.echo("No exchange is like that.", err=True)


@journal.command()
@click.argument("file", type=FOLDER, required=False)
@click.option("--format", "form", type=click.Choice(["csv", "jsonl"]), help="Of stdout.  [default: jsonl]")
@SINCE
@JOURNAL
def export(file: Path | None, form: str | None, since: str, journal: Path | None) -> None:
    r"""Write all exchanges to FILE (.csv or .jsonl), or to stdout.

    In a CSV, a text that a spreadsheet program would take for a formula has an apostrophe in front.

    \b
    Example:
      bot journal export november.csv --since 2026-11-01
      bot journal export --format csv > all.csv
    """
    from bot.journal.reading import exchanges

    form = form or (file.suffix.lower().lstrip(".") if file else "jsonl")
    if form not in ("csv", "jsonl"):
        raise UserError(f"{file} ends neither in .csv nor in .jsonl. Name it so, or add: --format csv")
    found = exchanges(_path(journal), _time(since))
    first = next(found, None)  # what cannot be read must not leave an empty file
    rows = _from(first, found)
    if file is None:
        write(rows, sys.stdout, form)
        return
    with file.open("w", encoding="utf-8-sig" if form == "csv" else "utf-8", newline="") as out:
        count = write(rows, out, form)
    click.echo(f"{count:,} exchanges in {file}", err=True)


@journal.command()
@click.argument("file", type=FOLDER, required=False)
@click.option("--index", type=FOLDER, help="Folder that has the stored questions.  [default: as bot settings says]")
@SINCE
@JOURNAL
def pairs(file: Path | None, index: Path | None, since: str, journal: Path | None) -> None:
    r"""Write what visitors' clicks and thumbs teach to FILE (.tsv), or to stdout, for `bot train similarity`.

    A line is a message, a tab, and the stored question that was clicked for it or whose answer got a thumb up. A
    message with personal data is left out, masked or not: nobody types [phone], and more of it may stand there.

    \b
    Example:
      bot journal pairs clicks.tsv --since 30d
      bot train similarity --train clicks.tsv --encoder bilingual --out runs/similarity
    """
    from bot.journal.pairs import HEADER
    from bot.journal.pairs import pairs as paired
    from bot.journal.reading import exchanges

    if file and file.suffix.lower() != ".tsv":
        raise UserError(f"{file} does not end in .tsv, by which bot train knows pairs. Name it so.")
    path = _path(journal)
    found, left = paired(exchanges(path, _time(since), only_voted=True), _rows(index))
    without = "; left out: " + ", ".join(f"{count:,} {why}" for why, count in left.items()) if left else ""
    if not found:
        raise UserError(
            f"nothing to learn from in {path} yet{without}. Visitors make pairs where they click a question of "
            '"Is it one of these?" or the thumb below an answer. What they did so far: bot journal show --votes'
        )
    lines = "".join("\t".join(pair) + "\n" for pair in [HEADER, *found])
    if file:
        file.write_text(lines, encoding="utf-8")
    else:
        click.echo(lines, nl=False)
    click.echo(f"{len(found):,} pairs{f' in {file}' if file else ''}{without}", err=True)


def write(rows: Iterator[dict[str, Any]], out: TextIO, form: str) -> int:
    """Write exchanges, one after the other; give how many."""
    from bot.journal.file import EXCHANGES

    sheet = csv.DictWriter(out, [*EXCHANGES, "vote", "chosen"], lineterminator="\n")
    if form == "csv":
        sheet.writeheader()
    count = 0
    for count, row in enumerate(rows, 1):  # noqa: B007
        if form == "csv":
            sheet.writerow({name: cell(value) for name, value in row.items()})
        else:
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
    return count


def cell(value: Any) -> Any:
    """Give a value as a spreadsheet holds it."""
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def table(found: Sequence[Mapping[str, Any]], width: int) -> str:
    """Write exchanges for the terminal, a line each; Hangul is two columns wide."""
    channel, decision = (max(len(name), *(len(one[name]) for one in found)) for name in ("channel", "decision"))
    lines = [f"{'time (UTC)':19}  {'channel':{channel}}  {'decision':{decision}}  sure     ms  +-  message"]
    for one in found:
        at = one["at"][:19].replace("T", " ")
        facts = f"{at}  {one['channel']:{channel}}  {one['decision']:{decision}}  {one['confidence'] or 0:4.0%}"
        facts += f"  {one['ms'] or 0:5.0f}  {THUMBS.get(one['vote'], '?')}{'*' if one['chosen'] else ' '}  "
        lines.append(facts + cut(one["message"], max(20, width - len(facts))))
    if any(one["chosen"] for one in found):
        lines.append("* one of the offered questions was clicked")
    return "\n".join(lines)


def cut(text: str, width: int) -> str:
    """Give the beginning of a text in one line, so many columns wide."""
    shown, used = "", 0
    for character in " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", " ", text).split()):
        used += 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if used > width - 1:
            return shown.rstrip() + "…"
        shown += character
    return shown


def _path(journal: Path | None) -> Path:
    path = journal or read_settings().settings.journal
    if path is None:
        raise UserError("the journal is switched off in the settings. Name one: --journal data/journal.db")
    return path


def _rows(folder: Path | None) -> dict[str, "Row"]:
    """Read the stored questions of an index, by their ids."""
    from indexer.index import Index

    index = Index.open(folder or read_settings().settings.index)
    try:
        return {row.id: row for row in index.database.rows(index.facts.generation)}
    finally:
        index.close()


def _time(since: str) -> str:
    """Give a time as the journal writes it: a date and time of UTC where no zone is given, or so many days ago."""
    if not since:
        return ""
    try:
        if days := re.fullmatch(r"(\d{1,5})d", since):
            at = datetime.now(UTC) - timedelta(days=int(days[1]))
        else:
            at = datetime.fromisoformat(since)
            at = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise UserError(
            f"--since {since!r} is no time. Type for instance: --since 2026-11-21, or --since 7d"
        ) from error
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _from(first: dict[str, Any] | None, others: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    if first is not None:
        yield first
        yield from others
