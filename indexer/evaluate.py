"""Evaluation: queries and an index give a run; a run and the judgements give the figures.

Ranking figures by ir_measures (Macdonald and Ounis), over entries: a judged row stands for its entry.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.confidence import Judgement, judge
from indexer.errors import UserError
from indexer.index import Index
from indexer.progress import Progress, silent
from indexer.queries import Query, refuse_foreign
from indexer.retrieve import Candidate

DEPTH = 10  # candidates a query
SHARE = 256  # queries encoded at a time


@dataclass(frozen=True, slots=True)
class Result:
    """One query, what was found for it and what was made of that."""

    query: Query
    relevant: Mapping[str, int]  # entry -> relevance
    candidates: Sequence[Candidate]
    judgement: Judgement

    def right(self, k: int) -> bool:
        """Whether a right entry is among the first k."""
        return any(self.relevant.get(candidate.entry, 0) > 0 for candidate in self.candidates[:k])


def run_queries(index: Index, queries: Sequence[Query], progress: Progress = silent) -> list[Result]:
    """Search every query."""
    entry_of, entries = _entries(index)
    refuse_foreign(queries, entry_of.keys() | entries)
    results = []
    for start in range(0, len(queries), SHARE):
        progress(f"Searching {index.folder}", start, len(queries))
        share = queries[start : start + SHARE]
        for query, found in zip(share, index.search([query.text for query in share], DEPTH), strict=True):
            results.append(Result(query, query.entries(entry_of), found, judge(query.text, found, index.calibration)))
    progress(f"Searching {index.folder}", len(queries), len(queries))
    return results


def figures(results: Sequence[Result]) -> dict[str, Any]:
    """Measure a run: fractions of 1, over the on-topic queries unless the name says otherwise."""
    on, off = [r for r in results if r.query.on_topic], [r for r in results if not r.query.on_topic]
    return {
        "queries": len(on),
        "off_topic": len(off),
        **_ranking(on),
        **_decisions(on, off),
        **_probabilities(on, off),
    }


def by_field(results: Sequence[Result], field: str) -> dict[str, dict[str, Any]]:
    """Measure the run apart for each value of a column of the queries, such as lang."""
    values = sorted({result.query.fields.get(field, "") for result in results})
    if values == [""]:
        names = sorted({name for result in results for name in result.query.fields})
        raise UserError(
            f"the queries have no column {field!r}: they have {', '.join(names) or 'none beyond id, text'}."
        )
    return {value: figures([r for r in results if r.query.fields.get(field, "") == value]) for value in values}


def write_run(results: Sequence[Result], path: Path, tag: str) -> None:
    """Write a TREC run: query Q0 document rank score tag; the document is the best wording's row."""
    with path.open("w", encoding="utf-8") as file:
        for result in results:
            for rank, candidate in enumerate(result.candidates, 1):
                # Ranks decide, as the scores of an exact match and of two legs are on different scales.
                print(result.query.id, "Q0", candidate.row.id, rank, DEPTH + 1 - rank, tag, file=file)


def _ranking(on: Sequence[Result]) -> dict[str, float]:
    names = {"recall@1": "Success@1", "recall@5": "Success@5", "mrr@10": "RR@10", "ndcg@10": "nDCG@10"}
    if not on:
        return dict.fromkeys(names, 0.0)
    import ir_measures

    measures = {name: ir_measures.parse_measure(text) for name, text in names.items()}
    # Numbered queries, so that two of one id do not become one.
    qrels = {str(i): dict(result.relevant) for i, result in enumerate(on)}
    run = {
        str(i): {c.entry: float(DEPTH - rank) for rank, c in enumerate(result.candidates)}
        for i, result in enumerate(on)
    }
    found: dict[Any, float] = ir_measures.calc_aggregate(list(measures.values()), qrels, run)
    return {name: round(float(found[measure]), 4) for name, measure in measures.items()}


def _decisions(on: Sequence[Result], off: Sequence[Result]) -> dict[str, Any]:
    """Measure what visitors get; an answer to an off-topic query is wrong."""
    from indexer.significance import clopper_pearson

    given = [r for r in (*on, *off) if r.judgement.decision == "answer"]
    offered = [r for r in on if r.judgement.decision == "choose"]
    wrong = sum(not r.right(1) for r in given)
    refused = sum(r.judgement.decision == "abstain" for r in off)
    return {
        "answered": len(given),
        "coverage": _share(sum(r.judgement.decision == "answer" for r in on), len(on)),
        "served": _share(sum(r.judgement.decision != "abstain" for r in on), len(on)),
        "risk": _share(wrong, len(given)),
        "risk_interval": [round(bound, 4) for bound in clopper_pearson(wrong, len(given))],
        "off_topic_rejection": _share(refused, len(off)),
        "choose_rate": _share(len(offered), len(on)),
        "choice_recall": _share(sum(r.right(3) for r in offered), len(offered)),
    }


def _probabilities(on: Sequence[Result], off: Sequence[Result]) -> dict[str, float | None]:
    """Measure both probabilities; what needs off-topic queries, or others, is None without them."""
    topics = [np.array([r.judgement.on_topic for r in part]) for part in (on, off)]
    results = [*on, *off]
    sure, right = (
        np.array([r.judgement.probability for r in results]),
        np.array([r.right(1) for r in results], dtype=np.float64),
    )
    both = bool(on and off)
    return {
        "auroc": round(auroc(*topics), 4) if both else None,
        "fpr95": round(fpr95(*topics), 4) if both else None,
        "ece": round(calibration_error(sure, right), 4) if results else None,
    }


def auroc(on: NDArray[np.float64], off: NDArray[np.float64]) -> float:
    """Give the probability that an on-topic query scores above an off-topic one; equal scores count half."""
    ranks = np.sort(off)
    below, upto = np.searchsorted(ranks, on, "left"), np.searchsorted(ranks, on, "right")
    return float((below + upto).mean() / 2 / len(off))


def fpr95(on: NDArray[np.float64], off: NDArray[np.float64]) -> float:
    """Give the share of off-topic queries that pass where 95 % of the on-topic ones do."""
    threshold = np.sort(on)[int(0.05 * len(on))]
    return float((off >= threshold).mean())


def calibration_error(predicted: NDArray[np.float64], truth: NDArray[np.float64], bins: int = 10) -> float:
    """Give the mean gap of predicted and observed shares over bins of equal count, of five at least.

    Expected calibration error: Naeini, Cooper and Hauskrecht 2015 (doi:10.1609/aaai.v29i1.9602).
    """
    order = np.argsort(predicted, kind="stable")
    parts = np.array_split(order, max(1, min(bins, len(order) // 5)))
    return float(sum(abs((predicted[part] - truth[part]).sum()) for part in parts) / len(order))


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0


def _entries(index: Index) -> tuple[dict[str, str], set[str]]:
    rows = index.database.rows(index.facts.generation)
    return {row.id: row.entry for row in rows}, {row.entry for row in rows}
