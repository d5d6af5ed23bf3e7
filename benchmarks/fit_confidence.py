"""Fit the models of indexer/confidence.py on the dev messages; print them and how they cross-validate.

Run: python benchmarks/fit_confidence.py [QUERIES QRELS]. It builds indexes of data/qa.csv in temporary
folders. Every figure is from 10-fold cross-validation, its mean and spread over ten shuffles.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from indexer.build import build_index
from indexer.confidence import CLOSE, features, lead
from indexer.evaluate import Result, run_queries
from indexer.index import Index
from indexer.queries import read_queries

SERVED = 0.88  # share of on-topic messages that get an answer or a choice: 85 % is promised, with some room
RISK = 0.2  # share of given answers that may be wrong
SHUFFLES = 10
# Which index and which messages a leg is fitted on. Korean has words alone in a hybrid index.
FITS = {"dense": ("dense", "en"), "lexical": ("lexical", ""), "dense+lexical": ("hybrid", "en")}


def main(queries: str = "data/queries.csv", qrels: str = "data/qrels.csv") -> None:
    """Fit, leg by leg."""
    asked = [query for query in read_queries(queries, qrels) if query.fields["split"] == "dev"]
    for leg, (retrieval, lang) in FITS.items():
        with tempfile.TemporaryDirectory() as folder:
            build_index("data/qa.csv", Path(folder) / "index", retrieval=retrieval)
            results = run_queries(Index.open(Path(folder) / "index"), [q for q in asked if lang in q.fields["lang"]])
        fit(leg, [r for r in results if r.candidates and not r.candidates[0].exact])


def fit(leg: str, share: Sequence[Result]) -> None:
    """Fit one leg's two models and their thresholds."""
    found = np.array([features(r.query.text, r.candidates) for r in share])
    on_topic, right = np.array([r.query.on_topic for r in share]), np.array([r.right(1) for r in share])
    ahead = np.array([lead(r.candidates) for r in share])
    topics, rights = held_out(found, on_topic), held_out(found, right)
    refuse = float(np.mean([np.quantile(held[on_topic], 1 - SERVED) for held in topics]))
    given = (topics >= refuse) & (ahead >= CLOSE)
    answer = lowest(np.minimum(rights, topics), given, right)
    print(f"\n{leg}: {len(share)} messages, {on_topic.sum()} on topic, first right {right.sum()}")
    report(share, topics, np.minimum(rights, topics), refuse, answer, given)
    models = [coefficients(found, target) for target in (right, on_topic)]
    print(f'    "{leg}": Model({models[0]}, {models[1]}, {refuse:.2f}, {answer:.2f}),')


def held_out(found: NDArray[np.float64], target: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Predict each message by a model that did not see it, (shuffles, messages)."""
    folds = [StratifiedKFold(10, shuffle=True, random_state=seed) for seed in range(SHUFFLES)]
    return np.array([cross_val_predict(model(), found, target, cv=cv, method="predict_proba")[:, 1] for cv in folds])


def model() -> Pipeline:
    """Make a logistic regression over standardised features, strongly regularised."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.3))


def coefficients(found: NDArray[np.float64], target: NDArray[np.bool_]) -> tuple[float, ...]:
    """Fit on all messages; give the constant and the weights for features as they are measured."""
    scaler, logistic = (step for _, step in model().fit(found, target).steps)
    weights = logistic.coef_[0] / scaler.scale_
    return tuple(round(float(w), 2) for w in [logistic.intercept_[0] - weights @ scaler.mean_, *weights])


def lowest(rights: NDArray[np.float64], given: NDArray[np.bool_], right: NDArray[np.bool_]) -> float:
    """Find the threshold from which on the answers are wrong no more often than wanted."""
    fine = 0.95
    for threshold in np.arange(0.95, 0.3, -0.01):
        answers = given & (rights >= threshold)
        if answers.sum() and (answers & ~right).sum() / answers.sum() > RISK:
            break
        fine = float(threshold)
    return fine


def report(
    share: Sequence[Result],
    topics: NDArray[np.float64],
    rights: NDArray[np.float64],
    refuse: float,
    answer: float,
    given: NDArray[np.bool_],
) -> None:
    """Print what held-out messages would have got, by language."""
    on_topic, right = np.array([r.query.on_topic for r in share]), np.array([r.right(1) for r in share])
    langs, kinds = (np.array([r.query.fields[name] for r in share]) for name in ("lang", "kind"))
    for lang in sorted(set(langs)):
        on, off = on_topic & (langs == lang), ~on_topic & (langs == lang)
        here = np.flatnonzero(langs == lang)
        answers = given[:, here] & (rights[:, here] >= answer)
        figures = {
            "served": (topics[:, on] >= refuse).mean(1),
            "refused": (topics[:, off] < refuse).mean(1),
            **{kind: (topics[:, off & (kinds == kind)] < refuse).mean(1) for kind in sorted(set(kinds[off]))},
            "auroc": np.array([roc_auc_score(on_topic[here], held[here]) for held in topics]),
            "answered": (answers & on_topic[here]).sum(1) / on.sum(),
            "wrong": (answers & ~right[here]).sum(1) / np.maximum(1, answers.sum(1)),
            "ece on topic": np.array([ece(held[here], on_topic[here]) for held in topics]),
            "ece right": np.array([ece(held[here], right[here]) for held in rights]),
        }
        print(f"  {lang}: " + ", ".join(f"{name} {f.mean():.3f} ±{f.std():.3f}" for name, f in figures.items()))


def ece(predicted: NDArray[np.float64], target: NDArray[np.bool_]) -> float:
    """Measure the gap of predicted and observed shares over five equal groups."""
    groups = np.array_split(np.argsort(predicted), 5)
    return float(sum(abs(predicted[g].mean() - target[g].mean()) * len(g) for g in groups) / len(predicted))


if __name__ == "__main__":
    main(*sys.argv[1:])
