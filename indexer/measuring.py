"""The commands that measure: an index with judged queries, two indexes against each other, encoders on pairs."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from indexer.command import FOLDER, JSON, Progress, echo_json, open_index
from indexer.errors import UserError
from indexer.shown import facts_of, promise, table

if TYPE_CHECKING:
    from indexer.evaluate import Result
    from indexer.index import Index
    from indexer.queries import Query

QUERIES = click.option("--queries", required=True, type=FOLDER, help="CSV (id,text), a pack's JSONL, or a BEIR folder.")
QRELS = click.option("--qrels", type=FOLDER, help="CSV (query,document,relevance) or TREC.")
RERANKER = click.option(
    "--reranker", metavar="SPEC", default="",
    help="Model that reads message and question together, such as cross:runs/reranker?top=20.  [default: none]",
)  # fmt: skip
RANKING = ("queries", "off_topic", "recall@1", "recall@5", "mrr@10", "ndcg@10")  # the figures that a reranker has
SPLIT = click.option("--split", help="Only queries whose column split has this value, such as dev or test.")


@click.command()
@click.option("--index", "indexes", default="data/index", show_default=True, help="Folder, or several with commas.")
@QUERIES
@QRELS
@SPLIT
@RERANKER
@click.option("--by", help="Figures apart for each value of a column, such as lang or kind.")
@click.option("--run", "run_file", type=FOLDER, help="Write the ranking as a TREC run.")
@click.option("--report", "report_file", type=FOLDER, help="Write a page of figures, to open in a browser.")
@click.option("--lang", type=click.Choice(["en", "ko"]), default="en", show_default=True, help="Language of the page.")
@JSON
def evaluate(
    indexes: str, queries: Path, qrels: Path | None, split: str | None, reranker: str, by: str | None,
    run_file: Path | None, report_file: Path | None, lang: Any, as_json: bool,
) -> None:  # fmt: skip
    r"""Measure an index with judged queries. Figures are fractions of 1.

    \b
    Example:
      indexer evaluate --queries data/queries.csv --qrels data/qrels.csv --split test --by lang
      indexer evaluate --queries data/queries.csv --qrels data/qrels.csv --report report.html
      indexer evaluate --queries data/queries.csv --qrels data/qrels.csv --reranker cross:runs/reranker
    """
    from indexer import evaluate as evaluation

    if reranker and report_file:
        raise UserError("--report shows decisions, which a reranker has not: leave out --reranker or --report.")
    judged = judged_queries(queries, qrels, split)
    reordered = reordering(reranker)
    measured = []
    for folder in indexes.split(","):
        opened = reordered(open_index(Path(folder.strip())))
        with Progress() as progress:
            results = evaluation.run_queries(opened, judged, progress)
        measured.append({"index": folder, **_figures(results, by, reranker)})
        if run_file:
            evaluation.write_run(results, _numbered(run_file, len(measured)), opened.facts.encoder)
        if report_file:
            from indexer import report

            page = _numbered(report_file, len(measured))
            report.write(page, results, opened, (opened.calibration.refuse, opened.calibration.answer), lang)
            click.echo(f"Report: {page}", err=True)
    if reranker:
        click.echo("Decisions are not measured: the calibration is for the index's own order.", err=True)
    if as_json:
        facts = [{**found, "reranker": reranker or None} for found in measured]
        echo_json(facts if "," in indexes else facts[0])
    else:
        click.echo(table(measured, by))


@click.command()
@click.option("--index", type=FOLDER, default="data/index", show_default=True, help="Folder of the index.")
@click.option("--queries", type=FOLDER, help="Judged messages: CSV (id,text), a pack's JSONL, or a BEIR folder.")
@QRELS
@SPLIT
@click.option("--risk", type=float, help="Share of the given answers that may be wrong.  [default: as before, or 0.05]")
@JSON
def calibrate(
    index: Path, queries: Path | None, qrels: Path | None, split: str | None, risk: float | None, as_json: bool
) -> None:
    r"""Fit the probabilities and thresholds of an index, so that few enough of its answers are wrong.

    With judged messages the risk becomes a promise, if they are enough; they are kept with the index, and a build that
    changes much calibrates with them again. Without, the thresholds are an estimate from the sheet, as after a build.

    \b
    Example:
      indexer calibrate --queries data/queries.csv --qrels data/qrels.csv --split dev --risk 0.05
    """
    from indexer import recalibrate

    judged = judged_queries(queries, qrels, split) if queries else ()
    if qrels and not queries:
        raise UserError("--qrels without --queries: name the messages with --queries FILE.")
    with Progress() as progress:
        found = recalibrate.calibrate(index, judged, risk, progress)
    facts = {"index": str(index), **facts_of(found)}
    echo_json(facts) if as_json else click.echo(promise(facts))


@click.command()
@click.argument("before", type=FOLDER)
@click.argument("after", type=FOLDER)
@QUERIES
@QRELS
@SPLIT
@click.option("--shown", default=20, show_default=True, type=click.IntRange(0), help="Queries that changed to show.")
@JSON
def compare(
    before: Path, after: Path, queries: Path, qrels: Path | None, split: str | None, shown: int, as_json: bool
) -> None:
    r"""Ask judged queries of two indexes, before a sheet is published. Exit code 1 if a figure fell significantly.

    Shows which queries get another first entry or another decision: lost, won, or changed otherwise. Of all queries,
    right_answers got the right answer and not_wrong got no wrong one.

    \b
    Example:
      mkdir -p runs; cp -r data/index runs/edited      (keeps its calibration)
      indexer build edited.csv --out runs/edited
      indexer compare data/index runs/edited --queries data/queries.csv --qrels data/qrels.csv
    """
    from indexer import compare as comparison

    judged = judged_queries(queries, qrels, split)
    with Progress() as progress:
        found = comparison.compare(open_index(before), open_index(after), judged, progress)
    echo_json(found) if as_json else click.echo(comparison.render(found, shown))
    if found["worse"]:
        raise SystemExit(1)


@click.command()
@click.argument("file", type=FOLDER)
@click.option(
    "--encoder", "encoders", multiple=True, default=["bilingual"], show_default=True, help="Spec; may be given again."
)
@JSON
def sts(file: Path, encoders: Sequence[str], as_json: bool) -> None:
    r"""Correlate encoders' cosines with human scores of pairs of sentences.

    FILE is a TSV with a header: sentence1, sentence2 (or else its first two columns) and score. Encoders that learn
    from texts learn from those of FILE. The interval is Spearman's, 95 %, by bootstrap.

    \b
    Example:
      indexer sts pairs.tsv --encoder bilingual --encoder 'word2vec?sg=1'
    """
    from indexer import sts as similarity
    from indexer.encoders import check_spec

    for encoder in encoders:
        check_spec(encoder)
    pairs = similarity.read_pairs(file)
    with Progress() as progress:
        measured = [similarity.measure(pairs, encoder, progress) for encoder in encoders]
    if as_json:
        echo_json(measured if len(measured) > 1 else measured[0])
    else:
        click.echo(similarity.render(measured))


@click.command()
@click.argument("sheet", type=FOLDER)
@QUERIES
@QRELS
@SPLIT
@click.option("--rungs", help="Only these, with commas. Left out: all.")
@click.option("--bert", default="minilm", show_default=True, help="Spec of the BERT whose [CLS] and mean are compared.")
@RERANKER
@click.option("--out", type=FOLDER, default="runs/ladder", show_default=True, help="Folder of the rungs' indexes.")
@click.option("--plot", type=FOLDER, help="SVG file of the plot. Left out: ladder.svg in --out.")
@JSON
def ladder(
    sheet: Path, queries: Path, qrels: Path | None, split: str | None, rungs: str | None, bert: str, reranker: str,
    out: Path, plot: Path | None, as_json: bool,
) -> None:  # fmt: skip
    r"""Measure SHEET on one encoder after the other, from tfidf over word2vec and BERT to the hybrid index.

    With --reranker, one more rung reorders what the hybrid index finds. What is finished is kept in --out: the same
    command goes on after an interruption. A rung that cannot be built is named and left out.

    \b
    Example:
      indexer ladder data/qa.csv --queries data/queries.csv --qrels data/qrels.csv --split dev
      indexer ladder faq.xlsx --queries asked.csv --qrels judged.csv --bert bert:klue/bert-base
    """
    from indexer import ladder as rising

    chosen = rising.choose([name.strip() for name in rungs.split(",")] if rungs else [], bert, reranker)
    judged = judged_queries(queries, qrels, split)
    with Progress() as progress:
        found = rising.climb(sheet, judged, out, chosen, progress)
    for rung in found:
        if "error" in rung:
            click.echo(f"{rung['name']} left out: {rung['error']}", err=True)
    plot = plot or out / "ladder.svg"
    plot.parent.mkdir(parents=True, exist_ok=True)
    plot.write_text(rising.plot(found, f"Ladder of {sheet.name}"), encoding="utf-8")
    on_topic = sum(query.on_topic for query in judged)
    facts = {"sheet": str(sheet), "queries": on_topic, "rungs": found, "plot": str(plot)}
    echo_json(facts) if as_json else click.echo(rising.render(found))
    click.echo(f"Plot: {plot}", err=True)


def judged_queries(queries: Path, qrels: Path | None, split: str | None) -> "list[Query]":
    """Read judged queries, of one split where one is named."""
    from indexer.queries import read_queries

    judged = read_queries(queries, qrels)
    kept = [query for query in judged if not split or query.fields.get("split") == split]
    if not kept:
        raise UserError(f"{queries} has no query whose column split is {split!r}.")
    return kept


def reordering(reranker: str) -> "Callable[[Index], Index]":
    """Give what puts a reranker (a spec) around an index, or nothing where none is named."""
    if not reranker:
        return lambda index: index
    from indexer.rerank import Reranked
    from indexer.rerankers import load_reranker

    model = load_reranker(reranker)
    return lambda index: Reranked(index, model)


def _figures(results: "Sequence[Result]", by: str | None, reranker: str) -> dict[str, Any]:
    """Measure a run, and its parts by a column; a reranker has figures of ranking only, the others are None."""
    from indexer import evaluate as evaluation

    def kept(found: dict[str, Any]) -> dict[str, Any]:
        return {name: value if name in RANKING or not reranker else None for name, value in found.items()}

    found = kept(evaluation.figures(results))
    if by:
        found["by"] = {by: {value: kept(part) for value, part in evaluation.by_field(results, by).items()}}
    return found


def _numbered(path: Path, number: int) -> Path:
    """Name the file of the first index as it was typed, those of the others with their number."""
    return path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")


COMMANDS = [evaluate, calibrate, compare, sts, ladder]  # cli.py registers these
