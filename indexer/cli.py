"""The command `indexer`: build an index of a sheet, search it, measure it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from indexer import measuring
from indexer.command import FOLDER, INDEX, JSON, Commands, Progress, echo_json, open_index
from indexer.errors import UserError
from indexer.shown import line, promise, sentence, summary

if TYPE_CHECKING:
    from indexer.retrieve import Retrieval

COLUMN = click.option(
    "--column", "columns", multiple=True, metavar="NAME=HEADER",
    help="Which header of the sheet holds question, answer, id, entry, category, lang or url.",
)  # fmt: skip
SHOWN = 10  # bad rows named by build; check names them all


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mundap")
def main() -> None:
    """Turn a sheet of questions and answers into an index that finds the answer to a message."""


for measure in measuring.COMMANDS:
    main.add_command(measure)


@main.command()
@click.argument("sheet", type=FOLDER)
@click.option("--out", type=FOLDER, default="data/index", show_default=True, help="Folder of the index.")
@click.option(
    "--encoder", default="bilingual", show_default=True, help="Spec, such as bert:klue/bert-base?pooling=cls."
)
@click.option("--store", default="faiss", show_default=True, help="faiss, or flat (exact, in NumPy).")
@click.option(
    "--retrieval", type=click.Choice(["dense", "lexical", "hybrid"]), default="hybrid", show_default=True,
    help="dense: the nearest cosine; lexical: shared words; hybrid: both, and the answers' text.",
)  # fmt: skip
@click.option(
    "--morphology", type=click.Choice(["none", "kiwi"]), default="none", show_default=True,
    help="kiwi: shared words by the morphemes of Korean; needs pip install 'mundap[korean]'.",
)  # fmt: skip
@COLUMN
@JSON
def build(
    sheet: Path,
    out: Path,
    encoder: str,
    store: str,
    retrieval: "Retrieval",
    morphology: str,
    columns: Sequence[str],
    as_json: bool,
) -> None:
    r"""Build the index of SHEET, or bring it up to date; rows that cannot be used are named and left out.

    \b
    Example:
      indexer build data/qa.csv
      indexer build faq.xlsx --column question=문의 --column answer=답변 --morphology kiwi
    """
    from indexer.build import build_index

    with Progress() as progress:
        built = build_index(sheet, out, encoder, store, retrieval, _columns(columns), progress, morphology)
    for finding in built.corpus.skipped[:SHOWN]:
        click.echo(f"row {finding.row}: {finding.message} {finding.fix}", err=True)
    if len(built.corpus.skipped) > SHOWN:
        click.echo(f"... and {len(built.corpus.skipped) - SHOWN} more rows. Type: indexer check {sheet}", err=True)
    facts = summary(built, out)
    echo_json(facts) if as_json else click.echo(sentence(facts))
    if facts["changed"]:
        click.echo(promise(facts["calibration"]), err=True)


@main.command()
@click.argument("sheet", type=FOLDER)
@click.option("--lang", type=click.Choice(["en", "ko"]), default="en", show_default=True, help="Language of the text.")
@COLUMN
@JSON
def check(sheet: Path, lang: Any, columns: Sequence[str], as_json: bool) -> None:
    r"""Name every problem of SHEET by row and column, with the fix. Exit code 1 if a row needs mending.

    \b
    Example:
      indexer check data/qa.csv
      indexer check data/qa.csv --lang ko
    """
    from indexer.check import examine, render, to_json
    from indexer.corpus import read_corpus

    corpus = read_corpus(sheet, _columns(columns))
    findings = examine(corpus)
    if as_json:
        echo_json(to_json(corpus, findings))
    else:
        click.echo("\n".join(render(corpus, findings, lang)))
    if any(finding.severity == "mend" for finding in findings):
        raise SystemExit(1)


@main.command()
@click.argument("query")
@INDEX
@click.option("-k", default=5, show_default=True, type=click.IntRange(1, 1000), help="Number of entries.")
@measuring.RERANKER
@JSON
def search(query: str, index: Path, k: int, reranker: str, as_json: bool) -> None:
    r"""Show the entries nearest to QUERY, best first.

    \b
    Example:
      indexer search "how do I get a refund?" -k 3
      indexer search "how do I get a refund?" --reranker "cross:runs/reranker?top=20"
    """
    opened = measuring.reordering(reranker)(open_index(index))
    (found,) = opened.search([query], k)
    if as_json:
        candidates = [candidate.to_dict() for candidate in found]
        echo_json({"query": query, "generation": opened.facts.generation, "candidates": candidates})
        return
    if not found:
        click.echo("Nothing in the sheet is near to that.")
    for rank, candidate in enumerate(found, 1):
        click.echo(line(rank, candidate))


@main.command()
@click.argument("queries", type=FOLDER)
@click.option("--sheet", required=True, type=FOLDER, help="The sheet whose rows are judged.")
@click.option("--out", required=True, type=FOLDER, help="Folder for queries.csv and qrels.csv.")
@COLUMN
def convert(queries: Path, sheet: Path, out: Path, columns: Sequence[str]) -> None:
    r"""Turn judged queries of another form into queries.csv and qrels.csv.

    \b
    Example:
      indexer convert pack/queries.jsonl --sheet pack/corpus.csv --out runs/pack
    """
    from indexer.corpus import read_corpus
    from indexer.queries import of_rows, read_queries, write_queries

    judged = of_rows(read_queries(queries), read_corpus(sheet, _columns(columns)).rows)
    write_queries(judged, out)
    click.echo(f"{len(judged)} queries written to {out}/queries.csv and {out}/qrels.csv")


@main.command()
@INDEX
@JSON
def info(index: Path, as_json: bool) -> None:
    r"""Say what an index holds and what it was made of.

    \b
    Example:
      indexer info --index data/index
    """
    facts = open_index(index).describe()
    if as_json:
        echo_json(facts)
        return
    for name, value in facts.items():
        click.echo(f"{name:12} {value}")


@main.command()
@INDEX
@click.option("--repair", is_flag=True, help="Make the caches again from the database.")
@JSON
def verify(index: Path, repair: bool, as_json: bool) -> None:
    r"""Compare the caches of an index with its database, row by row. Exit code 1 if they differ.

    \b
    Example:
      indexer verify --index data/index
    """
    from indexer import verify as verification

    if repair:
        from indexer.build import repair as mend

        mend(index)
    report = verification.verify(index)
    if as_json:
        echo_json(report)
    else:
        click.echo(
            "\n".join(report["faults"])
            or f"{index} is whole: {report['rows']} rows, generation {report['generation']}."
        )
    if report["faults"]:
        click.echo(f"Type: indexer verify --index {index} --repair", err=True)
        raise SystemExit(1)


def _columns(pairs: Sequence[str]) -> dict[str, str]:
    columns = dict(pair.partition("=")[::2] for pair in pairs)
    for name, header in columns.items():
        if not header:
            raise UserError(f"--column {name}: write it as --column question=HEADER.")
    return columns
