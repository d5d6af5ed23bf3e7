"""What the commands show a person: builds, candidates, tables of figures."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from indexer.build import Built
    from indexer.confidence import Calibration
    from indexer.retrieve import Candidate


def summary(built: "Built", out: Path) -> dict[str, Any]:
    """Give the facts of a build."""
    from indexer.confidence import Calibration

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
        "calibration": facts_of(Calibration.from_dict(facts.calibration)),
        "stale": facts.calibration["corpus"] != facts.corpus,
    }


def sentence(summary: dict[str, Any]) -> str:
    """Say what a build did."""
    what = "{index} (generation {generation}): {rows} rows, {entries} entries".format(**summary)
    if not summary["changed"]:
        return f"{what}; already up to date."
    rows = f", {summary['skipped']} left out" if summary["skipped"] else ""
    return f"{what}{rows}; {summary['encoded']} texts encoded by {summary['encoder']} in {summary['seconds']} s."


def facts_of(calibration: "Calibration") -> dict[str, Any]:
    """Give what is known of an index's risk, without its models."""
    left_out = ("models", "fingerprint", "retrieval", "corpus")
    return {name: value for name, value in calibration.to_dict().items() if name not in left_out}


def promise(facts: Mapping[str, Any]) -> str:
    """Say what an owner may rely on."""
    share = f"{facts['risk']:.1%}".replace(".0%", "%")
    if facts["promised"]:
        return (
            f"Promised: at most {share} of the answers given are wrong. {facts['wrong']} of {facts['answered']} were, "
            f"among {facts['judged']} judged messages; at 90 % confidence at most {facts['bound']:.1%}. "
            f"{facts['coverage']:.0%} of the messages that have an answer get it at once."
        )
    if not facts["judged"]:
        return (
            f"Estimate from the sheet alone, for at most {share} wrong answers. "
            f"About {facts['missing']} judged messages would make it a promise: "
            "indexer calibrate --queries FILE --qrels FILE"
        )
    seen = f"{facts['wrong']} of {facts['answered']} answers were wrong, among {facts['judged']} judged messages"
    mend = (
        f"about {facts['missing']} more judged messages are missing."
        if facts["missing"]
        else "more messages would not do. Mend the sheet (indexer check), or state a higher --risk."
    )
    return f"No promise of at most {share} wrong answers: {seen}; {mend} Until then the thresholds are an estimate."


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
        lines.append(" ".join([f"{label:{width}}", *(f"{_cell(found[name]):>{max(9, len(name))}}" for name in names)]))
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return "-".join(f"{bound:.3f}" for bound in value)
    return "-" if value is None else str(value)
