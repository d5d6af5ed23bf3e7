"""The change gate: judged queries asked of two indexes, what that changes, and whether a figure fell.

A judged row that only one index holds stands for the entry it has there, so a wording that was removed costs nothing
while another wording leads to its entry, and an entry that was removed is lost.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from indexer.errors import UserError
from indexer.evaluate import Result, run_queries
from indexer.index import Index
from indexer.progress import Progress, silent
from indexer.queries import Query
from indexer.significance import bootstrap, holm, permutation

LEVEL = 0.05  # corrected p below which a figure has changed
FIGURES = ("recall@1", "mrr@10", "right_answers", "not_wrong", "off_topic_rejection")
KINDS = ("lost", "won", "changed")  # in the order in which they are shown


def compare(before: Index, after: Index, queries: Sequence[Query], progress: Progress = silent) -> dict[str, Any]:
    """Ask both indexes; give the figures of both, what changed (lost first), and whether any figure fell.

    Raises:
        UserError: neither index holds a row that the judgements name.
    """
    was, now = run_both(before, after, queries, progress)
    found = figures(was, now)
    changed = changes(was, now)
    return {
        "before": _facts(before),
        "after": _facts(after),
        "queries": len(queries),
        "figures": found,
        "changed": changed,
        "lost": sum(change["kind"] == "lost" for change in changed),
        "won": sum(change["kind"] == "won" for change in changed),
        "worse": any(figure["significant"] and figure["difference"] < 0 for figure in found.values()),
    }


def run_both(
    before: Index, after: Index, queries: Sequence[Query], progress: Progress = silent
) -> tuple[list[Result], list[Result]]:
    """Search every query in both indexes."""
    was, now = _entry_of(before), _entry_of(after)
    judged = {name for query in queries for name in query.relevance}
    if judged and judged.isdisjoint({*was, *was.values(), *now, *now.values()}):
        raise UserError(
            f"the judgements name rows that neither index holds, such as {sorted(judged)[:3]}. "
            f"Name the qrels of {before.folder}: --qrels FILE."
        )
    # Without judgements, as those of removed entries alone are refused by run_queries.
    bare = [replace(query, relevance={}) for query in queries]
    return (
        _judged(run_queries(before, bare, progress), queries, {**now, **was}),
        _judged(run_queries(after, bare, progress), queries, {**was, **now}),
    )


def figures(was: Sequence[Result], now: Sequence[Result]) -> dict[str, dict[str, Any]]:
    """Measure both runs of the same queries: means, difference, 95 % interval of it, p corrected by Holm.

    A figure that no query has (no on-topic or no off-topic queries) is left out.
    """
    values = [[_figures(result) for result in run] for run in (was, now)]
    columns = {name: np.array([[q[name] for q in run if name in q] for run in values]) for name in FIGURES}
    columns = {name: column for name, column in columns.items() if column.size}
    alone = [permutation(*column) for column in columns.values()]
    return {
        name: {
            "before": round(float(column[0].mean()), 4),
            "after": round(float(column[1].mean()), 4),
            "difference": round(float((column[1] - column[0]).mean()), 4),
            "interval": [round(end, 4) for end in bootstrap(column[1] - column[0])],
            "p": round(corrected, 4),
            "p_uncorrected": round(p, 4),
            "significant": corrected < LEVEL,
        }
        for (name, column), p, corrected in zip(columns.items(), alone, holm(alone), strict=True)
    }


def changes(was: Sequence[Result], now: Sequence[Result]) -> list[dict[str, Any]]:
    """Name the queries that get another first entry or another decision: lost first, then won, then changed."""
    found = [
        {
            "query": old.query.text,
            "expected": [name for name, value in old.query.relevance.items() if value > 0],
            "before": _given(old),
            "after": _given(new),
            "kind": _kind(worth(new) - worth(old)),
        }
        for old, new in zip(was, now, strict=True)
        if (old.judgement.decision, _first(old)) != (new.judgement.decision, _first(new))
    ]
    return sorted(found, key=lambda change: KINDS.index(change["kind"]))


def worth(result: Result) -> int:
    """Grade what a visitor got: 2 the right answer, 1 it came first or a due refusal, 0 neither, -1 a wrong answer."""
    right, decision = result.right(1), result.judgement.decision
    if decision == "answer":
        return 2 if right else -1
    return int(right if result.query.on_topic else decision == "abstain")


def _kind(gain: int) -> str:
    return "lost" if gain < 0 else "won" if gain > 0 else "changed"


def render(found: Mapping[str, Any], shown: int) -> str:
    """Show a comparison to a person, with so many of the queries that changed."""
    lines = [
        f"{side:7} {found[side]['index']} (generation {found[side]['generation']}, {found[side]['encoder']}, "
        f"{found[side]['retrieval']})"
        for side in ("before", "after")
    ]
    lines += [*_unlike(found["before"], found["after"]), "", *_table(found["figures"]), ""]
    changed = found["changed"]
    rest = len(changed) - found["lost"] - found["won"]
    lines.append(f"{found['queries']} queries: {found['lost']} lost, {found['won']} won, {rest} changed otherwise.")
    for change in changed[:shown]:
        expected = ", ".join(change["expected"]) or "nothing, it is off topic"
        lines += [f"{change['kind']:7} {change['query']} (expected: {expected})"]
        lines += [f"        {word:6} {_shown(change[side])}" for side, word in (("before", "before"), ("after", "now"))]
    if len(changed) > shown:
        lines.append(f"... and {len(changed) - shown} more. Type --shown {len(changed)} to see all.")
    return "\n".join([*lines, "", _verdict(found)])


def _unlike(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Say that decisions differ for another reason than the sheet: a build in a new folder knows no judged messages."""
    if (before["risk"], before["judged"] > 0) == (after["risk"], after["judged"] > 0):
        return []
    was, now = (f"risk {one['risk']:g}, {one['judged']} judged messages" for one in (before, after))
    return [
        f"Calibrated differently ({was}; now {now}), so decisions differ for that alone. "
        "Copy the folder of the first index before you build the second, or calibrate both alike."
    ]


def _figures(result: Result) -> dict[str, float]:
    """Measure one query: answers count for all, ranks for those on topic, refusals for the others."""
    answered, right = result.judgement.decision == "answer", result.right(1)
    found = {"right_answers": float(answered and right), "not_wrong": float(right or not answered)}
    if not result.query.on_topic:
        return {**found, "off_topic_rejection": float(result.judgement.decision == "abstain")}
    return {**found, "recall@1": float(right), "mrr@10": next(_reciprocal_ranks(result), 0.0)}


def _reciprocal_ranks(result: Result) -> Iterator[float]:
    for rank, candidate in enumerate(result.candidates[:10], 1):
        if result.relevant.get(candidate.entry, 0) > 0:
            yield 1 / rank


def _judged(results: Sequence[Result], queries: Sequence[Query], entry_of: Mapping[str, str]) -> list[Result]:
    return [
        replace(
            result,
            query=query,
            relevant={
                name if query.by_entry else entry_of.get(name, name): value for name, value in query.relevance.items()
            },
        )
        for result, query in zip(results, queries, strict=True)
    ]


def _entry_of(index: Index) -> dict[str, str]:
    return {row.id: row.entry for row in index.database.rows(index.facts.generation)}


def _facts(index: Index) -> dict[str, Any]:
    facts = index.facts
    return {
        "index": str(index.folder),
        "generation": facts.generation,
        "rows": facts.rows,
        "entries": facts.entries,
        "encoder": facts.encoder,
        "retrieval": facts.retrieval,
        "risk": index.calibration.risk,
        "judged": index.calibration.judged,
    }


def _first(result: Result) -> str | None:
    return result.candidates[0].entry if result.candidates else None


def _given(result: Result) -> dict[str, Any]:
    row = result.candidates[0].row if result.candidates else None
    return {
        "decision": result.judgement.decision,
        "entry": row.entry if row else None,
        "id": row.id if row else None,
        "question": row.question if row else None,
    }


def _shown(given: Mapping[str, Any]) -> str:
    what = f"{given['question']} [{given['entry']}]" if given["entry"] else "nothing near"
    return f"{given['decision']:8} {what}"


def _table(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    lines = [f"{'figure':20} {'before':>7} {'after':>7} {'change':>7}   {'95 % interval':18} {'p':>7}"]
    for name, figure in found.items():
        low, high = figure["interval"]
        mark = " *" if figure["significant"] else ""
        lines.append(
            f"{name:20} {figure['before']:7.3f} {figure['after']:7.3f} {figure['difference']:+7.3f}   "
            f"{f'{low:+.3f} .. {high:+.3f}':18} {figure['p']:7.4f}{mark}"
        )
    return [*lines, f"p: paired permutation test, corrected by Holm for {len(found)} figures; * below {LEVEL}."]


def _verdict(found: Mapping[str, Any]) -> str:
    fell = [name for name, f in found["figures"].items() if f["significant"] and f["difference"] < 0]
    return f"Worse: {', '.join(fell)} fell significantly." if fell else "No figure fell significantly."
