"""How far confidence can be trusted on sheets it has not seen: off topic, and the risk of the given answers.

Run: python benchmarks/trust.py [PACK ...] [--packs ../shared/data] [--splits 5] [--cache FOLDER] [--morphology kiwi]
First from the sheet alone; then calibrated on one half of the judged messages and measured on the other, for each
risk, half by half. `p` is the exact binomial probability of so many wrong answers, or more, were the promise kept.
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from fit_confidence import without_groups
from scipy.special import bdtrc
from sklearn.metrics import roc_auc_score

from indexer.build import build_index
from indexer.calibrate import fit
from indexer.confidence import Calibration, Judgement, judge, pair_of
from indexer.evaluate import Result, run_queries
from indexer.index import Index
from indexer.publish import material
from indexer.queries import Query, read_queries
from indexer.rehearse import DEPTH, Trial
from indexer.twins import twin

RISKS = (0.02, 0.05, 0.10)
PACKS = ("own", "en_stackfaq", "en_covidqa", "en_snips", "en_clinc150", "en_banking77-0", "en_banking77-1",
         "en_banking77-2", "ko_parakqc", "ko_chatbot")  # fmt: skip


def main() -> None:
    """Print a line for each pack and way of calibrating."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=PACKS)
    parser.add_argument("--packs", type=Path, default=Path("../shared/data"))
    parser.add_argument("--morphology", default="none", choices=["none", "kiwi"])
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--cache", type=Path, help="keep the indexes here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.names:
            sheet, queries = load(name, arguments.packs, Path(folder))
            out = (arguments.cache or Path(folder)) / name
            build_index(sheet, out, morphology=arguments.morphology)
            for line in lines(name, Index.open(out), queries, arguments.splits):
                print(line, flush=True)


def load(name: str, packs: Path, folder: Path) -> tuple[Path, list[Query]]:
    """Give a sheet and its judged queries; of our own the dev part."""
    if name == "own":
        own = read_queries("data/queries.csv", "data/qrels.csv")
        return Path("data/qa.csv"), [query for query in own if query.fields["split"] == "dev"]
    if name.startswith("en_banking77-"):
        return without_groups(packs / "en_banking77", int(name[-1]), folder)
    return packs / name / "corpus.csv", read_queries(packs / name / "queries.jsonl")


def lines(name: str, index: Index, queries: Sequence[Query], splits: int) -> Iterator[str]:
    """Measure a pack."""
    facts = index.facts
    made = material(index.database, facts, facts.dim, index.database.rows(facts.generation))
    results = run_queries(index, queries)
    alone = {risk: fit(made, index.legs, facts, risk=risk) for risk in RISKS}
    yield f"{name:15} sheet alone   {topics(results, alone[0.05])}"
    for risk, found in alone.items():
        yield f"{name:15} sheet alone   risk {risk:.2f}: {answers(results, found)}"
    for split in range(splits):
        order = np.random.default_rng(split).permutation(len(results))
        learn, check = ([results[at] for at in part] for part in np.array_split(order, 2))
        judged = [trial(r) for r in learn if not any(c.exact for c in r.candidates)]
        for risk in RISKS:
            found = fit(made, index.legs, facts, judged, risk)
            promise = "promised" if found.promised else f"estimate, {found.missing} messages missing"
            yield f"{name:15} half {split} n={len(learn)} risk {risk:.2f}: {answers(check, found)} {promise}"


def topics(results: Sequence[Result], calibration: Calibration) -> str:
    """Say how well on-topic messages are told from others, and what is served."""
    judged = judgements(results, calibration)
    on = np.array([r.query.on_topic for r in results])
    topic = np.array([j.on_topic for j in judged])
    served = np.array([j.decision != "abstain" for j in judged])
    text = f"served {served[on].mean():.3f}"
    if not on.all():
        fpr = (topic[~on] >= np.quantile(topic[on], 0.05)).mean()
        text += f" refused {1 - served[~on].mean():.3f} auroc {roc_auc_score(on, topic):.3f} fpr95 {fpr:.3f}"
    sure = np.array([j.probability for j in judged])
    right = np.array([r.right(1) for r in results])
    return f"{text}; right: mean p {sure.mean():.3f}, share {right.mean():.3f}, ece {ece(sure, right):.3f}"


def answers(results: Sequence[Result], calibration: Calibration) -> str:
    """Say how many are answered, how many of these are wrong, and how unlikely that is under the promise."""
    judged = judgements(results, calibration)
    given = [r for r, j in zip(results, judged, strict=True) if j.decision == "answer"]
    wrong = sum(not r.right(1) for r in given)
    on = sum(r.query.on_topic for r in results)
    coverage = sum(r.query.on_topic for r in given) / on
    share = wrong / len(given) if given else 0.0
    p = float(bdtrc(wrong - 1, len(given), calibration.risk)) if wrong else 1.0
    mark = " ABOVE" if p < 0.05 else ""
    return f"coverage {coverage:.3f} wrong {share:.3f} ({wrong} of {len(given)}) p {p:.3f}{mark}"


def judgements(results: Sequence[Result], calibration: Calibration) -> list[Judgement]:
    """Judge every message anew."""
    return [judge(r.query.text, r.candidates, calibration) for r in results]


def trial(result: Result) -> Trial:
    """Turn a result into what a calibration learns from."""
    ranked = [candidate.ranked for candidate in result.candidates[:DEPTH]]
    near = twin(
        result.query.text, [c.row.question for c in result.candidates[:DEPTH]], [item.rank_score for item in ranked]
    )
    pair = pair_of(result.query.text, result.candidates[0].row.question if ranked else result.query.text)
    return Trial(result.query.text, ranked, result.right(1), result.query.on_topic, near, pair)


def ece(predicted: np.ndarray, truth: np.ndarray, bins: int = 10) -> float:
    """Measure the mean gap of predicted and observed shares over groups of equal size."""
    groups = np.array_split(np.argsort(predicted), bins)
    return float(sum(abs(predicted[g].mean() - truth[g].mean()) * len(g) for g in groups) / len(predicted))


if __name__ == "__main__":
    main()
