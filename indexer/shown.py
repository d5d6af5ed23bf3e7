"""What the commands show a person: builds, candidates, tables of figures."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from indexer.build import Built
    from indexer.retrieve import Candidate


def summary(built: "Built", out: Path) -> dict[str, Any]:
    """Give the facts of a build."""
    facts = built.facts
    return {
        "index": str(out),
        "generation": facts.generation,
        "rows": facts.rows,
        "entries": facts.entries,
        "skipped": len(built.corpus.skipped),
        "encoded": built.encoded,
        "changed": built.changed,
        "encoder": facts.encoder,
        "store": facts.store,
        "retrieval": facts.retrieval,
        "seconds": round(built.seconds, 2),
    }


def sentence(summary: dict[str, Any]) -> str:
    """Say what a build did."""
    what = "{index} (generation {generation}): {rows} rows, {entries} entries".format(**summary)
    if not summary["changed"]:
        return f"{what}; already up to date."
    rows = f", {summary['skipped']} left out" if summary["skipped"] else ""
    return f"{what}{rows}; {summary['encoded']} texts encoded by {summary['encoder']} in {summary['seconds']} s."


def line(rank: int, candidate: "Candidate") -> str:
    """Show a candidate: its cosine (= where the message is the stored question), question, start of the answer."""
    mark = " =" if candidate.exact else ""
    row = candidate.row
    return f"{rank}. [{candidate.ranked.score:.3f}{mark}] {row.question}\n   {row.answer.splitlines()[0]}"


def table(measured: list[dict[str, Any]], by: str | None) -> str:
    """Set figures in columns, an index or a part of its queries a line."""
    rows: list[tuple[str, dict[str, Any]]] = []
    for found in measured:
        parts = {found["index"]: found}
        if by:
            parts.update({f"  {by}={value or '-'}": part for value, part in found["by"][by].items()})
        rows.extend(parts.items())
    names = [name for name in measured[0] if name not in ("index", "by")]
    width = max(len(label) for label, _ in rows)
    lines = [" ".join([" " * width, *(f"{name:>{max(9, len(name))}}" for name in names)])]
    for label, found in rows:
        lines.append(" ".join([f"{label:{width}}", *(f"{found[name]:>{max(9, len(name))}}" for name in names)]))
    return "\n".join(lines)
