"""The change gate: figures by hand, and two real indexes of sheets of which one was edited."""

import json

import pytest
from click.testing import CliRunner

from indexer.build import build_index
from indexer.cli import main
from indexer.compare import changes, compare, figures, run_both, worth
from indexer.confidence import Judgement
from indexer.errors import UserError
from indexer.evaluate import Result
from indexer.index import Index
from indexer.queries import Query
from indexer.retrieve import Candidate, Ranked
from indexer.row import Row

SPEC = "tfidf?dim=256"


def result(relevant, found, decision):
    """What one query got: the entries found in order, and the decision; nothing relevant is off topic."""
    candidates = [Candidate(Row(f"row-{e}", e, e, e), Ranked(i, 1 - i / 10, 1 - i / 10)) for i, e in enumerate(found)]
    relevance = {f"row-{entry}": 1 for entry in relevant}
    return Result(
        Query("1", "asked", relevance), dict.fromkeys(relevant, 1), candidates, Judgement(0.5, 0.5, decision, "")
    )


WAS = [
    result("a", "abc", "answer"),  # right
    result("a", "bca", "choose"),  # third
    result("a", "ab", "choose"),  # right, to choose
    result("", "ab", "abstain"),
    result("", "ab", "abstain"),
]
NOW = [
    result("a", "bac", "answer"),  # wrong, second
    result("a", "abc", "answer"),
    result("a", "ab", "choose"),
    result("", "ba", "abstain"),
    result("", "ab", "answer"),  # wrong, as it is off topic
]


def test_figures_by_hand():
    found = figures(WAS, NOW)
    assert list(found) == ["recall@1", "mrr@10", "right_answers", "not_wrong", "off_topic_rejection"]
    both = {name: (figure["before"], figure["after"]) for name, figure in found.items()}
    assert both["recall@1"] == (0.6667, 0.6667)
    assert both["mrr@10"] == (round((1 + 1 / 3 + 1) / 3, 4), round((1 / 2 + 1 + 1) / 3, 4))
    assert both["right_answers"] == (0.2, 0.2)
    assert both["not_wrong"] == (1.0, 0.6)
    assert both["off_topic_rejection"] == (1.0, 0.5)
    assert found["not_wrong"]["difference"] == -0.4
    assert found["not_wrong"]["p_uncorrected"] == 0.5  # two differ, both the same way: 2 of 4 signs
    assert found["not_wrong"]["p"] == 1.0
    assert found["off_topic_rejection"]["interval"] == [-1.0, 0.0]
    assert not any(figure["significant"] for figure in found.values())


def test_a_figure_without_queries_is_left_out():
    assert "off_topic_rejection" not in figures(WAS[:3], NOW[:3])
    assert list(figures(WAS[3:], NOW[3:])) == ["right_answers", "not_wrong", "off_topic_rejection"]


def test_several_figures_are_corrected_by_holm():
    was, now = [result("a", "ab", "choose")] * 6, [result("a", "ba", "choose")] * 6
    found = figures(was, now)
    assert found["recall@1"]["p_uncorrected"] == found["mrr@10"]["p_uncorrected"] == round(2 / 64, 4)
    assert found["recall@1"]["p"] == round(4 * 2 / 64, 4)  # the first of four figures
    assert not found["recall@1"]["significant"]
    assert figures(was * 2, now * 2)["recall@1"]["significant"]


@pytest.mark.parametrize(
    ("got", "grade"),
    [
        (result("a", "ab", "answer"), 2),
        (result("a", "ab", "choose"), 1),
        (result("a", "ba", "choose"), 0),
        (result("a", "", "abstain"), 0),
        (result("a", "ba", "answer"), -1),
        (result("", "ab", "abstain"), 1),
        (result("", "ab", "choose"), 0),
        (result("", "ab", "answer"), -1),
    ],
)
def test_what_a_visitor_got(got, grade):
    assert worth(got) == grade


def test_changes_are_lost_then_won_then_changed():
    found = changes(WAS, NOW)
    assert [change["kind"] for change in found] == ["lost", "lost", "won", "changed"]  # the third query got the same
    assert found[0]["before"] == {"decision": "answer", "entry": "a", "id": "row-a", "question": "a"}
    assert (found[0]["expected"], found[0]["after"]["entry"]) == (["row-a"], "b")
    assert (found[1]["expected"], found[1]["after"]["decision"]) == ([], "answer")
    nothing = changes([result("a", "", "abstain")], [result("a", "b", "choose")])
    assert nothing[0]["before"] == {"decision": "abstain", "entry": None, "id": None, "question": None}


def edited(small, folder, remove="", add=""):
    """An index of the sheet without the row of an id, and with another."""
    sheet = folder / "edited.csv"
    kept = [line for line in small.read_text("utf-8").splitlines() if not remove or not line.startswith(f"{remove},")]
    sheet.write_text("\n".join([*kept, add]), encoding="utf-8")
    build_index(sheet, folder / "edited", SPEC)
    return Index.open(folder / "edited")


@pytest.fixture
def index(small, tmp_path):
    build_index(small, tmp_path / "index", SPEC)
    return Index.open(tmp_path / "index")


def test_nothing_changes_between_an_index_and_itself(index):
    found = compare(index, index, [Query("1", "How do I get a refund?", {"r2": 1}), Query("2", "weather")])
    assert (found["changed"], found["lost"], found["won"], found["worse"]) == ([], 0, 0, False)
    assert all(f["difference"] == 0 and f["p"] == 1 and f["interval"] == [0, 0] for f in found["figures"].values())


def test_an_entry_that_was_removed_is_lost(index, small, tmp_path):
    after = edited(small, tmp_path, remove="k2")
    found = compare(index, after, [Query("1", "수료증은 어디서 받나요?", {"k2": 1})])  # the only row that is judged
    assert [(change["kind"], change["before"]["id"]) for change in found["changed"]] == [("lost", "k2")]
    assert found["figures"]["recall@1"]["after"] == 0.0
    back = compare(after, index, [Query("1", "수료증은 어디서 받나요?", {"k2": 1})])
    assert (back["won"], back["figures"]["recall@1"]["after"]) == (1, 1.0)


def test_a_judgement_outlives_the_wording_that_it_names(index, small, tmp_path):
    after = edited(small, tmp_path, remove="r2")
    was, now = run_both(index, after, [Query("1", "How do I get a refund?", {"r2": 1})])
    assert (was[0].right(1), now[0].right(1)) == (True, True)
    assert now[0].relevant == {"refund": 1}


def test_judgements_of_entries(index, small, tmp_path):
    after = edited(small, tmp_path, remove="k2")
    found = compare(index, after, [Query("1", "수료증은 어디서 받나요?", {"certificate-ko": 1}, by_entry=True)])
    assert (found["lost"], found["figures"]["recall@1"]["before"]) == (1, 1.0)


def test_an_off_topic_query_that_is_now_answered_is_lost(index, small, tmp_path):
    after = edited(small, tmp_path, add="w1,weather,Will it rain tomorrow?,Look at the sky.,en,")
    queries = [Query("1", "Will it rain tomorrow?"), Query("2", "How do I get a refund?", {"r1": 1})]
    found = compare(index, after, queries)
    assert [(change["kind"], change["after"]["entry"]) for change in found["changed"]] == [("lost", "weather")]
    assert found["figures"]["not_wrong"]["difference"] == -0.5


def test_judgements_that_neither_index_knows_are_refused(index):
    with pytest.raises(UserError, match=r"neither index holds, such as \['zz'\]"):
        compare(index, index, [Query("1", "refund", {"zz": 1})])


TOPICS = ["parking", "lockers", "showers", "towels", "guests", "opening", "closing", "trainers", "saunas", "vouchers"]


@pytest.fixture
def gate(tmp_path):
    """Two indexes, the second without ten entries, and a query on each entry."""
    rows = [f"{topic},What about {topic}?,Ask the desk about {topic}." for topic in ["keys", "dogs", *TOPICS]]
    for name, kept in (("before", rows), ("after", rows[:2])):
        (tmp_path / f"{name}.csv").write_text("\n".join(["id,question,answer", *kept]), encoding="utf-8")
        build_index(tmp_path / f"{name}.csv", tmp_path / name, SPEC)
    queries = [f"{topic},What about {topic}?,{'dev' if topic in TOPICS else 'test'}" for topic in ["keys", *TOPICS]]
    (tmp_path / "q.csv").write_text("\n".join(["id,text,split", *queries]), encoding="utf-8")
    judged = [f"{topic},{topic},1" for topic in ["keys", *TOPICS]]
    (tmp_path / "r.csv").write_text("\n".join(["query,document,relevance", *judged]), encoding="utf-8")

    def run(one, other, *options):
        judged = ["--queries", tmp_path / "q.csv", "--qrels", tmp_path / "r.csv"]
        return CliRunner().invoke(main, ["compare", *map(str, (tmp_path / one, tmp_path / other, *judged, *options))])

    return run


def test_a_significant_loss_exits_with_1_and_a_gain_with_0(gate):
    lost = gate("before", "after", "--json")
    found = json.loads(lost.stdout)
    assert lost.exit_code == 1
    assert found["worse"] is True
    assert (found["queries"], found["lost"], found["won"]) == (11, 10, 0)
    recall = found["figures"]["recall@1"]
    assert (recall["before"], recall["after"], recall["p_uncorrected"]) == (1.0, 0.0909, 0.002)  # 2 of 2^10 signs
    assert recall["significant"]
    won = gate("after", "before", "--json")
    assert won.exit_code == 0
    assert (json.loads(won.stdout)["won"], json.loads(won.stdout)["worse"]) == (10, False)


def test_a_person_sees_the_figures_what_changed_and_the_verdict(gate):
    outcome = gate("before", "after", "--shown", 3)
    assert outcome.exit_code == 1
    text = outcome.stdout
    assert "Worse: recall@1, mrr@10, right_answers fell significantly." in text
    assert "corrected by Holm for 4 figures" in text
    assert "lost    What about parking? (expected: parking)" in text
    assert text.count("expected:") == 3
    assert "... and 7 more. Type --shown 10 to see all." in text
    assert "Searching" in outcome.stderr
    same = gate("before", "before")
    assert same.exit_code == 0
    assert "11 queries: 0 lost, 0 won, 0 changed otherwise." in same.stdout
    assert "No figure fell significantly." in same.stdout


def test_two_calibrations_are_told_apart(gate, tmp_path):
    assert "Calibrated differently" not in gate("before", "after").stdout
    judged = ["--queries", tmp_path / "q.csv", "--qrels", tmp_path / "r.csv", "--risk", "0.1"]
    assert CliRunner().invoke(main, ["calibrate", "--index", *map(str, (tmp_path / "before", *judged))]).exit_code == 0
    told = gate("before", "after").stdout
    assert "Calibrated differently (risk 0.1, " in told
    assert "now risk 0.05, 0 judged messages)" in told


def test_a_split(gate):
    assert json.loads(gate("before", "after", "--split", "test", "--json").stdout)["queries"] == 1
    wrong = gate("before", "after", "--split", "held-out")
    assert wrong.exit_code == 2
    assert "no query whose column split is 'held-out'" in wrong.stderr


def test_a_missing_index_is_one_line(gate):
    outcome = gate("before", "nowhere")
    assert outcome.exit_code == 2
    assert "there is no index" in outcome.stderr
