"""Fit the confidence models of indexer/confidence.py on the dev messages; print them and how they cross-validate.

Run: python benchmarks/fit_confidence.py [INDEX]
"""

import sys

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from indexer.confidence import features
from indexer.evaluate import run_queries
from indexer.index import Index
from indexer.queries import read_queries

SERVED = 0.87  # share of on-topic messages that get an answer or a choice: 85 % is promised, with some room
RIGHT = 0.6  # probability from which the first candidate is given as the answer


def main(folder: str) -> None:
    """Fit, leg by leg."""
    queries = [q for q in read_queries("data/queries.csv", "data/qrels.csv") if q.fields["split"] == "dev"]
    results = [r for r in run_queries(Index.open(folder), queries) if r.candidates and not r.candidates[0].exact]
    for leg in sorted({r.candidates[0].ranked.legs for r in results}):
        share = [r for r in results if r.candidates[0].ranked.legs == leg]
        found = np.array([features(r.query.text, r.candidates) for r in share])
        on_topic = np.array([r.query.on_topic for r in share])
        right = np.array([r.right(1) for r in share])
        print(f"{leg}: {len(share)} messages, {on_topic.sum()} on topic, first right {right.sum()}")
        held = cross_val_predict(LogisticRegression(), found, on_topic, cv=10, method="predict_proba")[:, 1]
        refuse = float(np.quantile(held[on_topic], 1 - SERVED))
        off = [r.query.fields["kind"] for r in share if not r.query.on_topic]
        kept = {kind: float((held[~on_topic][np.array(off) == kind] < refuse).mean()) for kind in set(off)}
        print(f"  refuse below {refuse:.3f}: off topic refused {(held[~on_topic] < refuse).mean():.3f}, by kind {kept}")
        for name, target in (("right", right), ("on_topic", on_topic)):
            model = LogisticRegression(C=10).fit(found, target)
            print(f"  {name} = {tuple(round(float(w), 2) for w in [model.intercept_[0], *model.coef_[0]])}")


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["data/index"]))
