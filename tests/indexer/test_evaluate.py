"""Figures against hand-computed ones, and the run against the order that the index gives."""

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from indexer.build import build_index
from indexer.confidence import Judgement
from indexer.errors import UserError
from indexer.evaluate import Result, auroc, by_field, calibration_error, figures, fpr95, run_queries, write_run
from indexer.index import Index
from indexer.queries import Query
from indexer.retrieve import Candidate, Ranked
from indexer.row import Row


def result(name, relevant, found, decision="answer", **fields):
    """One query: which entries are relevant, which were found in order, what was decided."""
    candidates = [Candidate(Row(f"row-{e}", e, e, e), Ranked(i, 1 - i / 10, 1 - i / 10)) for i, e in enumerate(found)]
    relevance = {f"row-{entry}": value for entry, value in relevant.items()}
    return Result(Query(name, name, relevance, fields=fields), relevant, candidates, Judgement(0.5, 0.5, decision, ""))


RESULTS = [
    result("first", {"a": 1}, ["a", "b", "c"], lang="en"),
    result("third", {"a": 1}, ["b", "c", "a"], "choose", lang="en"),
    result("never", {"a": 1}, ["b", "c", "d"], lang="ko"),
    result("sixth", {"a": 1}, ["b", "c", "d", "e", "f", "a"], "abstain", lang="ko"),
    result("judged wrong", {"a": 1, "b": 0}, ["b", "a"], lang="ko"),
    result("off topic, refused", {}, ["a"], "abstain", lang="ko"),
    result("off topic, answered", {"a": 0}, ["a"], lang="en"),
]


def test_ranking_figures_by_hand():
    found = figures(RESULTS)
    assert (found["queries"], found["off_topic"]) == (5, 2)
    assert found["recall@1"] == pytest.approx(1 / 5, abs=1e-4)
    assert found["recall@5"] == pytest.approx(3 / 5, abs=1e-4)
    assert found["mrr@10"] == pytest.approx((1 + 1 / 3 + 0 + 1 / 6 + 1 / 2) / 5, abs=1e-4)
    gains = [1, 1 / math.log2(4), 0, 1 / math.log2(7), 1 / math.log2(3)]
    assert found["ndcg@10"] == pytest.approx(sum(gains) / 5, abs=1e-4)


def test_decision_figures_by_hand():
    found = figures(RESULTS)
    assert found["answered"] == 4  # first, never, judged wrong, and one off topic
    assert found["coverage"] == pytest.approx(3 / 5)
    assert found["served"] == pytest.approx(4 / 5)
    assert found["risk"] == pytest.approx(3 / 4)  # only "first" was right; an answer to an off-topic query is wrong
    assert found["off_topic_rejection"] == pytest.approx(1 / 2)
    assert found["choose_rate"] == pytest.approx(1 / 5)
    assert found["choice_recall"] == pytest.approx(1.0)
    low, high = found["risk_interval"]  # of 3 in 4, Clopper and Pearson: (1 - high)... by the binomial tails
    assert low**4 + 4 * low**3 * (1 - low) == pytest.approx(0.025, abs=1e-3)
    assert 1 - high**4 == pytest.approx(0.025, abs=1e-3)


def test_topic_figures_against_another_implementation():
    numbers = np.random.default_rng(0)
    on, off = numbers.normal(1, 1, 200).round(1), numbers.normal(0, 1, 90).round(1)  # rounded: many are equal
    truth = np.array([1] * 200 + [0] * 90)
    assert auroc(on, off) == pytest.approx(roc_auc_score(truth, np.concatenate([on, off])))
    ten = np.arange(0.05, 1.0, 0.05)  # 19 and one more: 5 % of 20 may fall below
    assert fpr95(np.append(ten, 0.01), np.array([0.0, 0.02, 0.05, 0.5])) == pytest.approx(0.5)


def test_calibration_error_by_hand():
    predicted, truth = np.array([0.1] * 5 + [0.9] * 5), np.array([1.0, 0, 0, 0, 0, 1, 1, 1, 1, 0])
    assert calibration_error(predicted, truth) == pytest.approx(0.1)  # .1 against .2, .9 against .8
    assert calibration_error(predicted[:3], truth[:3]) == pytest.approx(1 / 3 - 0.1)


def test_figures_without_off_topic_queries_leave_out_what_needs_them():
    found = figures(RESULTS[:5])
    assert (found["auroc"], found["fpr95"]) == (None, None)
    assert found["ece"] == pytest.approx(abs(0.5 - 1 / 5))


def test_figures_apart_by_a_column():
    found = by_field(RESULTS, "lang")
    assert {lang: (part["queries"], part["off_topic"]) for lang, part in found.items()} == {
        "en": (2, 1),
        "ko": (3, 1),
    }
    assert found["en"]["recall@1"] == 0.5
    with pytest.raises(UserError, match="no column 'language': they have lang"):
        by_field(RESULTS, "language")


def test_two_queries_of_one_id_both_count():
    same = [result("x", {"a": 1}, ["a"]), result("x", {"a": 1}, ["b"])]
    assert figures(same)["recall@1"] == 0.5


def test_no_on_topic_queries():
    assert figures(RESULTS[5:6])["recall@1"] == 0.0


@pytest.fixture
def index(small, tmp_path):
    build_index(small, tmp_path / "index", "tfidf?dim=256")
    return Index.open(tmp_path / "index")


def test_a_judged_row_stands_for_its_entry(index):
    # r2 is judged, r1 is the nearer wording of the same entry.
    (found,) = run_queries(index, [Query("1", "How do I get a refund?", {"r2": 1})])
    assert found.candidates[0].row.id == "r1"
    assert found.right(1)


def test_judgements_of_another_sheet_are_refused(index):
    with pytest.raises(UserError, match="rows that the index does not hold, such as \\['zz'\\]"):
        run_queries(index, [Query("1", "refund", {"zz": 1})])


def test_a_relevant_row_that_is_not_in_the_index_counts_as_missed(index):
    found = run_queries(index, [Query("1", "refund", {"zz": 1}), Query("2", "How do I get a refund?", {"r1": 1})])
    assert figures(found)["recall@5"] == 0.5


def test_trec_run(index, tmp_path):
    results = run_queries(index, [Query("7", "reset password", {"p1": 1})])
    write_run(results, tmp_path / "run.txt", "tag")
    lines = [line.split() for line in (tmp_path / "run.txt").read_text("utf-8").splitlines()]
    assert [line[2] for line in lines] == [candidate.row.id for candidate in results[0].candidates]
    assert lines[0] == ["7", "Q0", "p2", "1", "10", "tag"]
    scores = [float(line[4]) for line in lines]
    assert scores == sorted(scores, reverse=True)
