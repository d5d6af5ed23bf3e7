"""Fit the model for all sheets, indexer/base.json: two logistic models a leg and kind of pair of languages.

Measures are in the sheet's unit. Across languages the sheets are the dev part of data/crossing.csv and the dev parts of
KorSTS and the English that it is a translation of (CC BY-SA 4.0), with a fifth of its rows taken out.

Run: python benchmarks/fit_confidence.py [--packs ../shared/data] [--out indexer/base.json] [--encoder bilingual]

It learns from the dev messages of data/queries.csv and from packs whose licence allows it (banking77 CC BY 4.0, with
ten of its groups taken out, three times; COVID-QA Apache-2.0; SNIPS CC0; Chatbot_data MIT), each sheet with the same
weight. CLINC150, StackFAQ and paraKQC take no part: what benchmarks/trust.py measures on them is measured on
sheets that were never seen.
"""

import argparse
import csv
import json
import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
from sheets import crossing, own_rows, translations, written

from indexer.build import build_index
from indexer.calibrate import adapt, key_of, measured, others_of, unit_of
from indexer.confidence import ON_TOPIC, RIGHT, Pair
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
Trials = dict[str, list[Trial]]


def main() -> None:
    """Fit each leg and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packs", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("indexer/base.json"))
    parser.add_argument("--encoder", choices=["minilm", "bilingual"], help="refit its models alone")
    arguments = parser.parse_args()
    fitted: dict[str, Any] = json.loads(arguments.out.read_text("utf-8")) if arguments.encoder else {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sheets = list(read_sheets(arguments.packs, folder))
        crossed = list(cross_sheets(arguments.packs, folder))
        for leg, retrieval in TAUGHT_BY.items():
            for encoder, kinds in kinds_of(leg).items():
                if arguments.encoder not in (None, encoder):
                    continue
                known = sheets if encoder == "minilm" else [*in_korean(sheets), *crossed]
                home = folder / encoder
                trials = [(name, asked(encoder, retrieval, sheet, spoken(leg, encoder, queries), home / name),
                           weight) for name, sheet, queries, weight in known]  # fmt: skip
                for key, pairs in kinds.items():
                    fitted[key] = fit(key, leg, pairs, trials)
    arguments.out.write_text(json.dumps(fitted, indent=1) + "\n", encoding="utf-8")


def kinds_of(leg: str) -> dict[str, dict[str, Sequence[Pair]]]:
    """Name the models of a leg by the encoder that they are learned with, each with the pairs of languages it serves.

    English is learned with MiniLM alone, so that an English sheet is judged the same whatever else the default knows.
    """
    english: dict[str, Sequence[Pair]] = {leg: get_args(Pair)}
    if leg == "lexical":
        return {"minilm": english}
    return {"minilm": english, "bilingual": {f"{leg} ko": ("ko",), f"{leg} across": ("en-ko", "ko-en")}}


def in_korean(sheets: Sequence[Sheet]) -> list[Sheet]:
    """Leave out the sheets that nobody asks in Korean: they say nothing of a pair of languages with Korean in it."""
    return [sheet for sheet in sheets if any(has_hangul(query.text) for query in sheet[2])]


def spoken(leg: str, encoder: str, queries: list[Query]) -> list[Query]:
    """Leave out the messages that an encoder cannot read, where it alone has a say."""
    return [query for query in queries if not (leg == "dense" and encoder == "minilm" and has_hangul(query.text))]


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
    sheet = written(rows, folder / f"{pack.name}-{draw}.csv")
    return sheet, [replace(query, relevance={}) if out & query.relevance.keys() else query for query in queries]


def cross_sheets(packs: Path, folder: Path) -> Iterator[Sheet]:
    """Give sheets that are asked in the other language: our own, and translations of which a fifth is taken out."""
    for kind, lang in (("en-ko", "ko"), ("ko-en", "en")):
        queries = crossing("dev", kind)
        gone = set(
            random.Random(kind).sample([name for query in queries for name in query.relevance], len(queries) // 5)
        )
        queries = [replace(query, relevance={}) if gone & query.relevance.keys() else query for query in queries]
        yield f"crossing-{kind}", written(own_rows(lang, gone), folder / f"crossing-{kind}.csv"), queries, 1.0
    name = "korsts_dev"
    pairs = translations(packs, name)
    out = set(random.Random(name).sample(range(len(pairs)), len(pairs) // 5))
    for side in (0, 1):
        rows = [{"id": str(at), "entry": str(at), "question": pair[side], "answer": pair[side]}
                for at, pair in enumerate(pairs) if at not in out and pair[side].strip()]  # fmt: skip
        queries = [Query(str(at), pair[1 - side], {} if at in out else {str(at): 1}, by_entry=True)
                   for at, pair in enumerate(pairs) if pair[1 - side].strip()]  # fmt: skip
        yield f"{name}-{side}", written(rows, folder / f"{name}-{side}.csv"), queries, 1.0


def fit(key: str, leg: str, pairs: Sequence[Pair], sheets: Sequence[tuple[str, Trials, float]]) -> dict[str, Any]:
    """Fit both models of a leg and some pairs of languages on all sheets."""
    parts: dict[str, list[tuple[Any, Any, Any]]] = {"right": [], "on_topic": []}
    for name, found, weight in sheets:
        for pair in pairs if "across" in key else pairs[:1]:
            own = [pair] if "across" in key else pairs
            trials = {kind: [trial for trial in some if key_of(trial)[0] == leg and trial.pair in own]
                      for kind, some in found.items()}  # fmt: skip
            print(key, name, pair, {kind: len(some) for kind, some in trials.items()}, flush=True)
            others = trials["elsewhere"] if key == leg else others_of(found["elsewhere"], leg, pair)
            for target, names in (("right", RIGHT[leg]), ("on_topic", ON_TOPIC[leg])):
                unit = unit_of(names, others)
                for kind, total in (("judged", MESSAGES), ("entry", OTHERS), ("elsewhere", OTHERS)):
                    if trials["judged"] and trials[kind]:
                        truth = np.array([getattr(trial, target) for trial in trials[kind]], dtype=np.float64)
                        shares = np.full(len(truth), weight * total / len(truth))
                        parts[target].append((unit.of(measured(trials[kind], names)), truth, shares))
    return {target: solved(found) for target, found in parts.items()}


def asked(encoder: str, retrieval: Retrieval, sheet: Path, queries: Sequence[Query], folder: Path) -> Trials:
    """Build an index of this retrieval, rehearse it, and put its judged messages to it."""
    build_index(sheet, folder, encoder, retrieval=retrieval)
    index = Index.open(folder)
    rows = index.database.rows(index.facts.generation)
    made = material(index.database, index.facts, index.facts.dim, rows)
    found: Trials = {**rehearse(made, index.legs, index.facts)}
    found["judged"] = judge_trials(index.legs, index.facts, rows, index.encoder, queries)
    return found


def solved(parts: Sequence[tuple[Any, Any, Any]]) -> dict[str, list[float]]:
    """Fit one model: its weights, constant first, and the spread of each measure."""
    found, truth, shares = (np.concatenate(column) for column in zip(*parts, strict=True))
    centre = np.average(found, axis=0, weights=shares)
    spread = np.sqrt(np.average((found - centre) ** 2, axis=0, weights=shares)) + 1e-9
    weights = adapt(np.zeros(found.shape[1] + 1), spread, found, truth, shares, PRIOR)
    return {"weights": [round(float(x), 4) for x in weights], "spreads": [round(float(x), 4) for x in spread]}


if __name__ == "__main__":
    main()
