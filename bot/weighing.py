"""Weighing a generator: what of its drafts is supported, and how near it comes, beside the stored answer verbatim."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bot.generate import READ, checker_of, judge_of, verdicts
from bot.generators import GeneratorError, load_generator
from bot.grounding import Checker
from indexer.index import Index
from indexer.progress import Progress, silent
from indexer.queries import Query


def weigh(
    spec: str,
    folder: Path,
    queries: Sequence[Query],
    secret: str = "",
    progress: Progress = silent,
    entailment: Path | None = None,
) -> dict[str, Any]:
    """Let a generator answer every judged message that an entry answers; give its figures and the baselines'.

    `rouge_l` (Lin 2004, aclanthology.org/W04-1013) and `similarity` (cosine by the index's encoder) compare with the
    stored answer of the right entry; a refusal, a draft of which nothing is left, counts as nothing said. `verbatim`
    is the best stored answer as it is, `lead` its first sentence.
    """
    from bot.tasks._rouge import rouge_l

    index = Index.open(folder)
    generator, judge = load_generator(spec, index, secret), judge_of(entailment)
    rows = index.database.rows(index.facts.generation)
    entry_of, answer_of = {row.id: row.entry for row in rows}, {row.entry: row.answer for row in rows}
    said: dict[str, list[str]] = {"generator": [], "verbatim": [], "lead": []}
    references, drafted, supported, failed = [], 0, 0, 0
    asked = [query for query in queries if _right(query, entry_of, answer_of)]
    for number, query in enumerate(asked, 1):
        progress("Writing", number, len(asked))
        (candidates,) = index.search([query.text], READ)
        drafts = generator(query.text, candidates)
        kept, sentences, broke = _supported(drafts, checker_of(index, candidates, judge))
        drafted, supported, failed = drafted + sentences, supported + len(kept), failed + broke
        best = candidates[0].row.answer if candidates else ""
        said["generator"].append(" ".join(kept))
        said["verbatim"].append(best)
        said["lead"].append(_lead(best))
        references.append(answer_of[_right(query, entry_of, answer_of)[0]])
    figures: dict[str, Any] = {"queries": len(asked), "drafted": drafted, "failed": failed}
    figures["supported"] = round(supported / drafted, 4) if drafted else 0.0
    figures["refused"] = round(sum(not text for text in said["generator"]) / len(asked), 4) if asked else 0.0
    for name, texts in said.items():
        scores = [rouge_l(text, reference) for text, reference in zip(texts, references, strict=True)]
        figures[name] = {"rouge_l": _mean(scores), "similarity": _mean(_cosines(index, texts, references))}
    return figures


def _right(query: Query, entry_of: Mapping[str, str], known: Mapping[str, str]) -> list[str]:
    """Name the entries that answer a message, best first."""
    judged = sorted(query.entries(entry_of).items(), key=lambda one: -one[1])
    return [entry for entry, grade in judged if grade > 0 and entry in known]


def _supported(drafts: Iterator[str], checker: Checker) -> tuple[list[str], int, bool]:
    """Give the supported sentences, how many there were, and whether the generator failed."""
    kept, number = [], 0
    try:
        for verdict in verdicts(drafts, checker):
            number += verdict.reason != "refusal"
            if verdict.cited:
                kept.append(verdict.text)
    except GeneratorError:
        return kept, number, True
    return kept, number, False


def _lead(text: str) -> str:
    from bot.grounding import sentences

    return next(iter(sentences(text)), "")


def _cosines(index: Index, texts: Sequence[str], references: Sequence[str]) -> list[float]:
    one, other = index.encoder.encode(texts), index.encoder.encode(references)
    found: list[float] = np.einsum("nd,nd->n", one, other).tolist()
    return found


def _mean(values: Sequence[float]) -> float:
    return round(float(np.mean(values)), 4) if values else 0.0
