"""The command `bot evaluate`: what a generator is worth on judged messages."""

from pathlib import Path

import click

from indexer.command import Progress, echo_json
from indexer.errors import UserError

FILE = click.Path(path_type=Path)
NAMES = {"generator": "generated", "verbatim": "best stored answer", "lead": "its first sentence"}


@click.command()
@click.option("--generator", "spec", required=True, metavar="SPEC", help="What writes, such as shared:runs/reply.")
@click.option("--entailment", type=FILE, help="Folder of a pair model that checks what is written.  [default: none]")
@click.option("--index", type=FILE, help="Folder of the index.  [default: data/index]")
@click.option("--queries", required=True, type=FILE, help="Judged messages: CSV (id,text), JSONL, or a BEIR folder.")
@click.option("--qrels", type=FILE, help="Their judgements: CSV, TSV or TREC.")
@click.option("--split", help="Only messages whose column `split` says this, such as dev.")
@click.option("--limit", type=click.IntRange(1), help="Only so many messages, the first ones.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def evaluate(
    spec: str,
    entailment: Path | None,
    index: Path | None,
    queries: Path,
    qrels: Path | None,
    split: str | None,
    limit: int | None,
    as_json: bool,
) -> None:
    r"""Weigh a generator against giving the best stored answer verbatim.

    \b
    Example:
      bot evaluate --generator shared:runs/reply --queries data/queries.csv --qrels data/qrels.csv --split dev
    """
    from bot.settings import Settings
    from bot.weighing import weigh
    from indexer.queries import read_queries

    settings = Settings.from_environment()
    asked = [one for one in read_queries(queries, qrels) if split in (None, one.fields.get("split"))]
    if not asked:
        raise UserError(f"{queries} holds no message of split {split!r}. Leave --split out, or name another.")
    with Progress() as progress:
        judge = entailment or settings.entailment
        found = weigh(spec, index or settings.index, asked[:limit], settings.openai_api_key, progress, judge)
    if as_json:
        echo_json(found)
        return
    click.echo(
        f"{found['queries']} messages with an answer; {found['supported']:.1%} of {found['drafted']} sentences "
        f"supported, {found['refused']:.1%} refused, {found['failed']} failed"
    )
    for name, told in NAMES.items():
        figures = found[name]
        click.echo(f"{told:<20} ROUGE-L {figures['rouge_l']:.3f}   similarity {figures['similarity']:.3f}")
