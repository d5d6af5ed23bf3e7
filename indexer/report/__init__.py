"""The report: one page of HTML that shows how well an index answers, with nothing loaded from elsewhere."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from indexer import drawing
from indexer.errors import UserError
from indexer.evaluate import Result
from indexer.index import Index
from indexer.report import atlas, figures, measures, tables
from indexer.report.figures import Figure, Sentences
from indexer.report.tables import Table
from indexer.row import Row
from indexer.words import has_hangul

Language = Literal["en", "ko"]  # the sentences of each are in a file of its name
HERE = Path(__file__).parent


@dataclass(slots=True)
class Section:
    """A part of the page; a part without a figure or table says why in `notes`."""

    name: str
    heading: str
    intro: str = ""
    figures: list[Figure] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, *parts: Figure | Table | str) -> "Section":
        """Take a figure, a table, or the sentence in its place; each sentence once."""
        for part in parts:
            if isinstance(part, Figure):
                self.figures.append(part)
            elif isinstance(part, Table):
                self.tables.append(part)
            elif part not in self.notes:
                self.notes.append(part)
        return self


def write(
    path: Path,
    results: Sequence[Result],
    index: Index,
    thresholds: tuple[float, float] | None = None,
    lang: Language = "en",
) -> None:
    """Write the page of a run.

    `thresholds` are (refuse, answer): messages whose probability of being on topic lies below the first are
    refused, those whose probability of being right reaches the second are answered; None where there are none.

    Raises:
        UserError: there are no results, or the file cannot be written.
    """
    if not results:
        raise UserError("there are no messages to report on. Name judged queries with --queries FILE.")
    page = render(results, index, thresholds, lang)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}). Name another file with --report.") from error


def render(
    results: Sequence[Result], index: Index, thresholds: tuple[float, float] | None = None, lang: Language = "en"
) -> str:
    """Give the page of a run as HTML."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    t = json.loads((HERE / f"{lang}.json").read_text("utf-8"))
    rows = index.database.rows(index.facts.generation)
    pages = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    pages.filters["drawn"] = Markup  # what `drawing` has escaped already
    pages.filters["key"] = lambda series: Markup(drawing.key(series))
    pages.filters["language"] = lambda text: "ko" if has_hangul(text) else "en"
    return pages.get_template("page.html").render(
        lang=lang, t=t, name=index.folder.resolve().name, made=_made(results, index, t),
        lead=tables.lead(results, t), tiles=tables.tiles(results, t),
        sections=_sections(results, index, rows, thresholds, t),
        style=drawing.THEME + drawing.STYLE + (HERE / "page.css").read_text("utf-8"),
    )  # fmt: skip


def _sections(
    results: Sequence[Result], index: Index, rows: Sequence[Row], thresholds: tuple[float, float] | None, t: Sentences
) -> list[Section]:
    refuse, answer = thresholds or (None, None)
    questions: dict[str, str] = {}
    for row in rows:
        questions.setdefault(row.entry, row.question)
    return [
        _section("recall", t).add(figures.recall(results, t), figures.risk(results, t)),
        _section("trust", t).add(figures.ridges(results, t, "probability", answer), figures.reliability(results, t)),
        _section("topic", t).add(figures.ridges(results, t, "on_topic", refuse), figures.roc(results, t, refuse)),
        _section("wrongs", t).add(tables.worst(results, questions, t), tables.strangers(results, t)),
        _section("mixed", t).add(tables.confused(results, questions, t), tables.near(rows, t)),
        _section("map", t).add(atlas.draw(results, index, rows, t)),
    ]


def _section(name: str, t: Sentences) -> Section:
    return Section(name, t[name], t.get(f"{name}_intro", ""))


def _made(results: Sequence[Result], index: Index, t: Sentences) -> str:
    facts = index.facts
    counts: dict[str, Any] = {
        "queries": len(results),
        "on": len(measures.on_topic(results)),
        "off": len(measures.off_topic(results)),
    }
    named = {name: getattr(facts, name) for name in ("rows", "entries", "encoder", "retrieval", "generation")}
    return t["made"].format(sheet=Path(facts.sheet).name, **counts, **named)
