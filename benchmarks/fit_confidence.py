"""Fit the model for all sheets, indexer/base.json: two logistic models a leg, over measures in the sheet's unit.

Run: python benchmarks/fit_confidence.py [--packs ../shared/data] [--out indexer/base.json]. It learns from the dev
messages of data/queries.csv and from packs whose licence allows it (banking77 CC BY 4.0, with ten of its groups taken
out, three times; COVID-QA Apache-2.0; SNIPS CC0; Chatbot_data MIT), each sheet with the same weight. CLINC150, StackFAQ
and paraKQC take no part: what is measured on them (benchmarks/trust.py) is measured on sheets that were never seen.
"""

import argparse
import csv
import json
import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from indexer.build import build_index
from indexer.calibrate import adapt, measured, unit_of
from indexer.confidence import ON_TOPIC, RIGHT
from indexer.index import Index
from indexer.publish import material
from indexer.queries import Query, read_queries
from indexer.recalibrate import judge_trials
from indexer.rehearse import Trial, rehearse
from indexer.retrieve import Retrieval
from indexer.words import has_hangul

MESSAGES, OTHERS = 300.0, 40.0  # weight of a sheet's messages, and of each kind of its rehearsal without an answer
PRIOR = 3.0
DRAWS = 3  # of ten groups of banking77
TAUGHT_BY: dict[str, Retrieval] = {"dense": "dense", "lexical": "lexical", "dense+lexical": "hybrid"}
Sheet = tuple[str, Path, list[Query], float]


def main() -> None:
    """Fit each leg and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packs", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("indexer/base.json"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sheets = list(read_sheets(arguments.packs, Path(folder)))
        fitted = {leg: fit(leg, sheets, Path(folder)) for leg in TAUGHT_BY}
    arguments.out.write_text(json.dumps(fitted, indent=1) + "\n", encoding="utf-8")


def read_sheets(packs: Path, folder: Path) -> Iterator[Sheet]:
    """Give name, sheet, messages and weight of each sheet."""
    own = read_queries("data/queries.csv", "data/qrels.csv")
    yield "own", Path("data/qa.csv"), [query for query in own if query.fields["split"] == "dev"], 1.0
    for name in ("en_covidqa", "en_snips", "ko_chatbot"):
        yield name, packs / name / "corpus.csv", read_queries(packs / name / "queries.jsonl"), 1.0
    for draw in range(DRAWS):
        sheet, queries = without_groups(packs / "en_banking77", draw, folder)
        yield f"en_banking77-{draw}", sheet, queries, 1 / DRAWS


def without_groups(pack: Path, draw: int, folder: Path) -> tuple[Path, list[Query]]:
    """Take ten of the groups that are asked for out of a sheet: their messages become off topic, yet close to it."""
    queries = read_queries(pack / "queries.jsonl")
    asked = sorted({group for query in queries for group in query.relevance})
    out = set(random.Random(draw).sample(asked, 10))
    with (pack / "corpus.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["group"] not in out]
    sheet = folder / f"{pack.name}-{draw}.csv"
    with sheet.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return sheet, [replace(query, relevance={}) if out & query.relevance.keys() else query for query in queries]


def fit(leg: str, sheets: Sequence[Sheet], folder: Path) -> dict[str, Any]:
    """Fit both models of a leg on all sheets."""
    parts: dict[str, list[tuple[Any, Any, Any]]] = {"right": [], "on_topic": []}
    for name, sheet, queries, weight in sheets:
        if leg == "dense":  # by an encoder that reads no Korean
            queries = [query for query in queries if not has_hangul(query.text)]
        trials = {kind: of_leg(leg, found) for kind, found in asked(leg, sheet, queries, folder / name).items()}
        print(leg, name, {kind: len(found) for kind, found in trials.items()}, flush=True)
        for target, names in (("right", RIGHT[leg]), ("on_topic", ON_TOPIC[leg])):
            unit = unit_of(names, trials["elsewhere"])
            for kind, total in (("judged", MESSAGES), ("entry", OTHERS), ("elsewhere", OTHERS)):
                if trials["judged"] and trials[kind]:
                    truth = np.array([getattr(trial, target) for trial in trials[kind]], dtype=np.float64)
                    shares = np.full(len(truth), weight * total / len(truth))
                    parts[target].append((unit.of(measured(trials[kind], names)), truth, shares))
    return {target: solved(found) for target, found in parts.items()}


def asked(leg: str, sheet: Path, queries: Sequence[Query], folder: Path) -> dict[str, list[Trial]]:
    """Build an index that this leg answers from, rehearse it, and put its judged messages to it."""
    build_index(sheet, folder, retrieval=TAUGHT_BY[leg])
    index = Index.open(folder)
    rows = index.database.rows(index.facts.generation)
    made = material(index.database, index.facts, index.facts.dim, rows)
    found: dict[str, list[Trial]] = {**rehearse(made, index.legs, index.facts)}
    found["judged"] = judge_trials(index.legs, index.facts, rows, index.encoder, queries)
    return found


def of_leg(leg: str, trials: Sequence[Trial]) -> list[Trial]:
    """Keep the trials that a leg decided."""
    return [trial for trial in trials if trial.ranked and trial.ranked[0].legs == leg]


def solved(parts: Sequence[tuple[Any, Any, Any]]) -> dict[str, list[float]]:
    """Fit one model: its weights, constant first, and the spread of each measure."""
    found, truth, shares = (np.concatenate(column) for column in zip(*parts, strict=True))
    centre = np.average(found, axis=0, weights=shares)
    spread = np.sqrt(np.average((found - centre) ** 2, axis=0, weights=shares)) + 1e-9
    weights = adapt(np.zeros(found.shape[1] + 1), spread, found, truth, shares, PRIOR)
    return {"weights": [round(float(x), 4) for x in weights], "spreads": [round(float(x), 4) for x in spread]}


if __name__ == "__main__":
    main()
