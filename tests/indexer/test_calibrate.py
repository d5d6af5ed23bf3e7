"""Calibration: against optima and bounds computed otherwise, and on an index of a small bilingual sheet."""

import csv
import json

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import beta

import indexer.calibrate
from indexer.build import build_index
from indexer.calibrate import adapt, base, base_of, fit, others_of, unit_of
from indexer.confidence import ON_TOPIC, RIGHT, Calibration
from indexer.errors import UserError
from indexer.index import Index
from indexer.manifest import read as read_manifest
from indexer.publish import material
from indexer.queries import Query
from indexer.recalibrate import calibrate, judge_trials
from indexer.rehearse import Trial, rehearse
from indexer.retrieve import Ranked, Signs
from indexer.thresholds import answer_from, grid_of, refuse_below

THINGS = ["invoice", "password", "course", "certificate", "refund", "teacher", "video", "exam", "library", "badge"]
ASKED = ["how do I get a {}", "where is my {}", "can I change the {}", "who sends the {}", "is the {} for free"]


def write_sheet(path, things=THINGS, edited=0):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "entry", "question", "answer"])
        for number, thing in enumerate(things):
            for at, text in enumerate(ASKED):
                more = " today" if number * len(ASKED) + at < edited else ""
                writer.writerow([f"{thing}-{at}", thing, text.format(thing) + more, f"About the {thing}."])
    return path


@pytest.fixture
def small(tmp_path):
    out = tmp_path / "index"
    build_index(write_sheet(tmp_path / "sheet.csv"), out, "tfidf?dim=512", "flat")
    return out


def opened(folder):
    index = Index.open(folder)
    rows = index.database.rows(index.facts.generation)
    return index, rows, material(index.database, index.facts, index.facts.dim, rows)


def judged(count=200, wrong_every=0):
    """Messages about the things; every so many-th is judged to mean another thing."""
    found = []
    for number in range(count):
        thing = THINGS[number % len(THINGS)]
        meant = THINGS[(number + 1) % len(THINGS)] if wrong_every and number % wrong_every == 0 else thing
        found.append(Query(str(number), f"please tell me about the {thing} number {number}", {f"{meant}-0": 1}))
    return [*found, *(Query(f"off{n}", f"zebra {n} quantum xylophone") for n in range(40))]


def test_adapting_finds_the_optimum_of_likelihood_and_prior():
    numbers = np.random.default_rng(3)
    found = numbers.normal(size=(80, 3)) * [1.0, 4.0, 0.2]
    truth = (found @ [1.0, 0.2, -3.0] + numbers.normal(size=80) > 0).astype(float)
    shares, prior = numbers.uniform(0.5, 2.0, 80), np.array([0.3, 0.5, 0.1, -1.0])
    spreads = found.std(axis=0)

    def loss(weights):
        sums = weights[0] + found @ weights[1:]
        likelihood = shares @ (np.logaddexp(0, sums) - truth * sums)
        precision = np.array([1.0, *(5.0 * spreads**2)])
        return likelihood + 0.5 * precision @ (weights - prior) ** 2

    best = minimize(loss, prior, method="BFGS", options={"gtol": 1e-9}).x
    assert adapt(prior, spreads, found, truth, shares, 5.0) == pytest.approx(best, abs=1e-4)
    assert adapt(prior, spreads, found[:0], truth[:0], shares[:0], 5.0) == pytest.approx(prior)


def test_the_unit_makes_other_things_0_and_their_spread_1():
    values = np.linspace(0, 1, 101)
    trials = [Trial("a b", [Ranked(0, v, v, legs="dense", signs=Signs(near=2 * v))], False, False) for v in values]
    unit = unit_of(("rank", "near", "lead"), trials)
    assert unit.centre == pytest.approx([0.5, 1.0, 0.0])
    assert unit.spread == pytest.approx([0.5 / 1.349 + 0.06, 1.0 / 1.349 + 0.02, 1.0])
    raw = unit.raw(np.array([1.0, 2.0, 3.0, 4.0]))
    found = np.array([0.7, 0.4, 0.1])
    assert raw[0] + found @ raw[1:] == pytest.approx(1.0 + unit.of(found) @ [2.0, 3.0, 4.0], abs=1e-5)
    nothing = unit_of(("rank", "lead"), [])
    assert (nothing.centre.tolist(), nothing.spread.tolist()) == ([0.0, 0.0], [1.0, 1.0])


KNOWN = Calibration(models={}, refuse=0.4, answer=0.8, risk=0.05, promised=False, judged=1000)


def test_the_threshold_is_the_lowest_whose_exact_bound_keeps_the_risk():
    sure = np.linspace(0.99, 0.2, 1000)
    right = np.ones(1000, dtype=bool)
    right[400::4] = False  # from the 400th on a quarter is wrong
    found = answer_from(sure, right, right, KNOWN, 900)
    assert found["promised"]
    assert found["wrong"] == int((~right[: found["answered"]]).sum())
    assert found["answer"] == pytest.approx(sure[found["answered"] - 1])
    bound = beta.ppf(0.95, found["wrong"] + 1, found["answered"] - found["wrong"])
    assert found["bound"] == pytest.approx(bound, abs=1e-4)
    assert bound <= 0.05
    counts = grid_of(sure, 0.05)
    after = counts[counts.index(found["answered"]) + 1]
    wrong = int((~right[:after]).sum())
    assert beta.ppf(0.95, wrong + 1, after - wrong) > 0.05


def test_equal_probabilities_share_a_decision():
    sure = np.array([0.9] * 300 + [0.5] * 300)
    right = np.array([True] * 300 + [False] * 300)
    assert answer_from(sure, right, right, KNOWN, 300)["answered"] == 300
    right = np.array(([True] * 9 + [False]) * 60)  # a tenth is wrong everywhere: no part of the 300 may be chosen
    assert not answer_from(sure, right, right, KNOWN, 540).get("promised")


def test_the_promise_is_broken_no_more_often_than_stated():
    """Draw samples whose true risk at every threshold is known; the chosen threshold exceeds it in a tenth at most."""
    numbers = np.random.default_rng(5)
    broken = 0
    for _ in range(200):
        sure = np.sort(numbers.uniform(0.3, 1.0, 600))[::-1]
        right = numbers.uniform(size=600) < sure
        found = answer_from(sure, right, right, KNOWN, 600)
        if found.get("promised"):
            broken += (1 - found["answer"]) / 2 > 0.05  # the mean of 1 - p above the threshold
    assert broken <= 28  # 20 expected at most; the chance of 29 and more is 0.03


def test_too_few_judged_messages_promise_nothing_and_say_how_many_are_missing():
    sure, right = np.linspace(0.99, 0.7, 40), np.ones(40, dtype=bool)
    found = answer_from(sure, right, right, Calibration({}, 0.4, 0.8, 0.05, False, judged=50), 40)
    assert "promised" not in found
    assert found["answer"] >= 0.8
    # 59 right answers of 59 would do at 95 % (.95 ** 59 = .0485); of 50 messages 40 went well here.
    assert found["missing"] == round(59 * 50 / 40) - 50


def test_an_estimate_follows_the_judged_messages_where_they_are_worse():
    sure = np.linspace(0.99, 0.7, 60)
    right = np.array([True] * 30 + [False] * 30)
    found = answer_from(sure, right, right, Calibration({}, 0.4, 0.8, 0.05, False, judged=70), 60)
    assert (found["answered"], found["wrong"]) == (30, 0)  # .7 ** (1 / 30) = .988; one wrong of 31 would be above 5 %
    assert found["answer"] == pytest.approx(sure[29], abs=1e-6)
    few = answer_from(sure[:20], right[:20], right[:20], Calibration({}, 0.4, 0.8, 0.05, False, judged=70), 20)
    assert (few["answered"], few["answer"]) == (0, 0.999)  # 24 right ones would do: .3 ** (1 / 24) = .951


def test_refusal_weighs_both_kinds_alike():
    found = np.array([0.1] * 10 + [0.3] * 10 + [0.55] * 5 + [0.2] * 5 + [0.6] * 20)
    on_topic = np.array([False] * 25 + [True] * 25)
    assert 0.30 < refuse_below(found, on_topic, 0.4) <= 0.55
    assert refuse_below(found[:30], on_topic[:30], 0.4) == 0.4  # 5 on-topic messages say too little


def test_the_model_for_all_sheets_fits_the_measures():
    for key, found in base().items():
        leg = key.split()[0]
        for target, names in (("right", RIGHT[leg]), ("on_topic", ON_TOPIC[leg])):
            assert len(found[target]["weights"]) == len(names) + 1
            assert len(found[target]["spreads"]) == len(names)
            weights = dict(zip(names, found[target]["weights"][1:], strict=True))
            # By the cosine alone the English twin of a Korean entry follows it closely, in a sheet in both languages.
            assert weights["lead" if target == "right" else "rank"] > 0 or key == "dense ko"
            assert weights["foreign"] < 0


def test_a_rehearsal_takes_wordings_and_entries_out(small):
    index, rows, made = opened(small)
    found = rehearse(made, index.legs, index.facts)
    stored = {row.question: row.entry for row in rows}
    assert {trial.text for trial in found["wording"] + found["entry"]} <= set(stored)
    assert all(trial.on_topic for trial in found["wording"])
    assert not any(trial.right or trial.on_topic for trial in found["entry"] + found["elsewhere"])
    # "who sends the badge" without itself: the four other questions on the badge are nearest.
    assert sum(trial.right for trial in found["wording"]) > 0.8 * len(found["wording"]) > 0
    # What was taken out was gone: no trial found its own text, whose words overlap wholly.
    best = [item.overlap for kind in ("wording", "entry") for trial in found[kind] for item in trial.ranked]
    assert max(best) < 0.999
    again = rehearse(made, index.legs, index.facts)
    assert again == found


def test_a_message_about_other_things_is_not_held_against_itself(small):
    index, _, made = opened(small)
    for trial in rehearse(made, index.legs, index.facts)["elsewhere"]:
        assert not trial.ranked or trial.ranked[0].signs.elsewhere < 0.999


def test_a_build_leaves_a_calibrated_index_and_the_same_sheet_the_same_calibration(small, tmp_path):
    index, _rows, made = opened(small)
    assert index.calibration == fit(made, index.legs, index.facts)
    assert not index.calibration.promised
    build_index(tmp_path / "sheet.csv", tmp_path / "other", "tfidf?dim=512", "flat")
    assert Index.open(tmp_path / "other").calibration == index.calibration


def test_judged_messages_make_a_promise_that_lives_with_the_index(tmp_path):
    small = tmp_path / "index"  # of an encoder that an edit does not train anew
    build_index(write_sheet(tmp_path / "sheet.csv"), small)
    before = read_manifest(small)
    found = calibrate(small, judged(), 0.05)
    assert found.promised
    assert found.judged == 240
    assert found.wrong / found.answered <= found.bound <= 0.05
    after = read_manifest(small)
    assert after.generation == before.generation
    assert Index.open(small).calibration == found
    # A small edit keeps it, marked stale; a large one fits it anew on the same messages.
    build_index(write_sheet(tmp_path / "sheet.csv", edited=2), small)
    edited = Index.open(small)
    assert edited.facts.generation == after.generation + 1
    assert edited.calibration == found
    assert edited.stale
    build_index(write_sheet(tmp_path / "sheet.csv", edited=5), small)
    changed = Index.open(small)
    assert not changed.stale
    assert changed.calibration.judged == 240
    assert changed.calibration.corpus == changed.facts.corpus


def test_the_stated_risk_moves_the_threshold(small):
    strict, lax = calibrate(small, judged(wrong_every=30), 0.05), calibrate(small, risk=0.3)
    assert lax.judged == strict.judged == 240
    assert lax.answer <= strict.answer
    assert lax.answered >= strict.answered
    assert calibrate(small).risk == 0.3  # as it was stated last


def test_messages_equal_to_a_stored_question_teach_nothing(small):
    index, rows, _ = opened(small)
    queries = [Query("1", "How do I get a REFUND?", {"refund-0": 1}), Query("2", "my refund please", {"refund-3": 1})]
    trials = judge_trials(index.legs, index.facts, rows, index.encoder, queries)
    assert [trial.text for trial in trials] == ["my refund please"]
    assert trials[0].right  # refund-3 stands for its entry


def test_another_encoder_refuses_the_calibration_and_a_build_fits_its_own(small, tmp_path):
    facts = json.loads((small / "manifest.json").read_text("utf-8"))
    facts["calibration"]["fingerprint"] = "another"
    (small / "manifest.json").write_text(json.dumps(facts), encoding="utf-8")
    with pytest.raises(UserError, match=r"another encoder.*indexer calibrate --index"):
        _ = Index.open(small).calibration
    calibrate(small)
    assert Index.open(small).calibration.fingerprint == facts["fingerprint"]
    build_index(tmp_path / "sheet.csv", small, "tfidf?dim=256", "flat")
    index = Index.open(small)
    assert index.calibration.fingerprint == index.facts.fingerprint != facts["fingerprint"]


@pytest.mark.parametrize("risk", [0.0, -1.0, 0.9, float("nan")])
def test_a_risk_that_makes_no_sense_is_refused(small, risk):
    with pytest.raises(UserError, match=r"--risk .*0\.001 to 0\.5"):
        calibrate(small, risk=risk)


def test_judgements_of_another_sheet_are_refused_and_lose_nothing(small):
    calibrate(small, judged(), 0.05)
    with pytest.raises(UserError, match="does not hold, such as"):
        calibrate(small, [Query("1", "hello", {"unknown": 1})])
    assert calibrate(small).judged == 240


def test_a_sheet_of_one_entry_is_calibrated_too(tmp_path):
    build_index(write_sheet(tmp_path / "one.csv", ["badge"]), tmp_path / "one", "tfidf?dim=64", "flat")
    found = Index.open(tmp_path / "one").calibration
    assert (found.promised, found.judged) == (False, 0)


def test_a_unit_is_measured_on_the_pair_or_else_on_the_messages_language():
    def some(count, leg, pair):
        return [Trial("x", [Ranked(0, 0.1, 0.1, legs=leg)], False, False, pair=pair) for _ in range(count)]

    many, few, english = some(20, "dense", "ko"), some(3, "dense", "ko-en"), some(9, "dense", "en")
    everything = [*many, *few, *english, *some(30, "lexical", "ko-en")]
    assert others_of(everything, "dense", "ko") == many
    assert others_of(everything, "dense", "ko-en") == [*many, *few]
    assert others_of(everything, "dense", "en-ko") == english
    assert others_of(many, "dense", "en") == many


def test_across_languages_one_base_serves_both_ways(monkeypatch):
    monkeypatch.setattr(indexer.calibrate, "base", lambda: {"dense": 1, "dense ko": 2, "dense across": 3, "lexical": 4})
    assert [base_of("dense", pair) for pair in ("en", "ko", "en-ko", "ko-en")] == [1, 2, 3, 3]
    assert [base_of("lexical", pair) for pair in ("en", "ko", "en-ko", "ko-en")] == [4, 4, 4, 4]
