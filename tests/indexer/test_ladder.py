"""The ladder on real indexes of a tiny sheet: figures by hand, what is kept, what fails and what goes on."""

import json
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from indexer import ladder
from indexer.cli import main
from indexer.errors import UserError
from indexer.ladder import Rung, choose, climb, plot, render
from indexer.queries import Query
from indexer.significance import bootstrap

QUERIES = [
    Query("1", "How do I get a refund?", {"r1": 1}),
    Query("2", "reset my password please", {"p1": 1}),
    Query("3", "환불은 어떻게 받나요?", {"k1": 1}),
    Query("4", "수료증 어디서 받아요?", {"k2": 1}),
    Query("5", "what is the weather like", {}),
]
# One dimension holds every text for equal, so only the stored questions themselves are found.
BLIND, SEEING = Rung("blind", "tfidf?dim=1", "dense"), Rung("seeing", "tfidf?dim=512", "dense")
BROKEN = Rung("broken", "bert:no/such/model?pooling=cls", "dense")


@pytest.fixture
def out(tmp_path):
    return tmp_path / "ladder"


def test_rungs_come_lowest_first_and_each_once():
    assert [rung.name for rung in choose()] == [
        "tfidf", "word2vec-cbow", "word2vec-skipgram", "fasttext", "bert-cls", "minilm", "bilingual", "hybrid",
    ]  # fmt: skip
    assert [rung.name for rung in choose(["hybrid", "tfidf"])] == ["tfidf", "hybrid"]
    assert {rung.encoder for rung in choose(["bert-cls"])} == {"minilm?pooling=cls"}


def test_another_bert_is_pooled_both_ways():
    by_name = {rung.name: rung.encoder for rung in choose(bert="bert:klue/bert-base?max_tokens=64")}
    assert by_name["bert-cls"] == "bert:klue/bert-base?max_tokens=64&pooling=cls"
    assert by_name["bert-mean"] == "bert:klue/bert-base?max_tokens=64&pooling=mean"
    assert by_name["minilm"] == "minilm"


def test_unknown_names_and_a_pooling_of_ones_own_are_refused():
    with pytest.raises(UserError, match="no rung 'glove': the rungs are tfidf, word2vec-cbow"):
        choose(["glove"])
    with pytest.raises(UserError, match="leave out pooling"):
        choose(bert="minilm?pooling=cls")


def test_figures_and_the_comparison_by_hand(small, out):
    blind, seeing = climb(small, QUERIES, out, [BLIND, SEEING])
    assert (blind["name"], blind["encoder"], blind["retrieval"]) == ("blind", "tfidf?dim=1", "dense")
    assert "p" not in blind
    kept = json.loads((out / "blind.json").read_text("utf-8"))["figures"]
    assert len(kept["recall@1"]) == 4  # the off-topic message does not count
    assert kept["recall@1"][0] == kept["recall@1"][2] == 1  # stored as they stand
    assert kept["recall@5"] == [1, 1, 1, 1]  # four entries, so all are among the first five
    assert seeing["recall@1"] == seeing["mrr@10"] == 1
    lost = 4 - round(4 * blind["recall@1"])
    assert lost > 0
    # All n differences have one sign: 2 of the 2^n assignments of signs are as extreme.
    assert seeing["p"]["recall@1"] == 2 / 2**lost
    assert seeing["before"] == "blind"
    assert blind["intervals"]["recall@1"] == pytest.approx(bootstrap(kept["recall@1"]), abs=1e-4)
    assert seeing["intervals"]["recall@1"] == [1, 1]


def test_a_rung_that_fails_is_named_and_the_others_go_on(small, out, no_hub):
    blind, broken, seeing = climb(small, QUERIES, out, [BLIND, BROKEN, SEEING])
    assert broken.keys() == {"name", "error"}
    assert "no/such/model" in broken["error"]
    assert seeing["before"] == "blind"
    assert "broken" not in render([blind, broken, seeing])
    with pytest.raises(UserError, match=r"no rung could be measured\. broken: .*no/such/model"):
        climb(small, QUERIES, out, [BROKEN])


def test_a_second_run_measures_nothing_again(small, out, monkeypatch):
    first = climb(small, QUERIES, out, [BLIND, SEEING])
    assert [rung["cached"] for rung in first] == [False, False]
    monkeypatch.setattr(ladder, "run_queries", None)
    second = climb(small, QUERIES, out, [BLIND, SEEING])
    assert second == [{**rung, "cached": True} for rung in first]


def test_other_messages_are_measured_on_the_same_index(small, out):
    (before,) = climb(small, QUERIES, out, [SEEING])
    (after,) = climb(small, [Query("1", "reset password", {"k1": 1})], out, [SEEING])
    assert (after["cached"], after["recall@1"]) == (False, 0)
    assert after["build_seconds"] == before["build_seconds"]  # nothing was built


def test_another_sheet_is_measured_anew(small, out):
    climb(small, QUERIES, out, [SEEING])
    small.write_text(small.read_text("utf-8").replace("수료증은 어디서 받나요?", "이수 서류 발급"), encoding="utf-8")
    (after,) = climb(small, QUERIES, out, [SEEING])
    assert not after["cached"]


def test_an_interrupted_ladder_goes_on_where_it_stopped(small, out, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    climb(small, QUERIES, out, [BLIND])
    with monkeypatch.context() as patch:
        patch.setattr(ladder, "run_queries", interrupt)
        with pytest.raises(KeyboardInterrupt):
            climb(small, QUERIES, out, [BLIND, SEEING])
    built = json.loads((out / "seeing.json").read_text("utf-8"))["build_seconds"]
    blind, seeing = climb(small, QUERIES, out, [BLIND, SEEING])
    assert (blind["cached"], seeing["cached"]) == (True, False)
    assert seeing["build_seconds"] == built
    assert seeing["recall@1"] == 1


def test_a_damaged_file_of_figures_is_measured_again(small, out):
    climb(small, QUERIES, out, [SEEING])
    (out / "seeing.json").write_text('{"key": ', encoding="utf-8")
    (found,) = climb(small, QUERIES, out, [SEEING])
    assert (found["cached"], found["recall@1"]) == (False, 1)


def test_without_messages_on_topic_there_is_nothing_to_measure(small, out):
    with pytest.raises(UserError, match="none of the messages is on topic"):
        climb(small, QUERIES[4:], out, [BLIND])


def test_the_plot_shows_every_measured_rung(small, out):
    found = climb(small, QUERIES, out, [BLIND, SEEING])
    svg = ElementTree.fromstring(plot([*found, {"name": "broken", "error": "no"}], "Ladder of <small>"))
    texts = list(svg.itertext())
    assert texts.count("blind") == texts.count("seeing") == 1
    assert "Ladder of <small>" in texts
    assert "broken" not in texts
    dots = [part for part in svg.iter() if "dot series" in part.get("class", "") and len(part)]
    assert len(dots) == 6  # three figures of two rungs


@pytest.fixture
def files(tmp_path, small):
    (tmp_path / "queries.csv").write_text(
        "id,text,split\n1,refund please,dev\n2,reset password,dev\n3,수료증,test\n", encoding="utf-8"
    )
    (tmp_path / "qrels.csv").write_text("query,document,relevance\n1,r1,1\n2,p1,1\n3,k2,1\n", encoding="utf-8")
    return [small, "--queries", tmp_path / "queries.csv", "--qrels", tmp_path / "qrels.csv"]


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_the_command(files, out):
    outcome = run("ladder", *files, "--out", out, "--rungs", "tfidf,word2vec-cbow", "--split", "dev")
    assert outcome.exit_code == 0, outcome.stderr
    lines = outcome.stdout.splitlines()
    assert lines[0].split()[:3] == ["recall@1", "recall@5", "mrr@10"]
    assert [line.split()[0] for line in lines[1:3]] == ["tfidf", "word2vec-cbow"]
    assert (out / "ladder.svg").read_text("utf-8").startswith("<svg")
    assert f"{out / 'ladder.svg'}" in outcome.stderr


def test_the_command_as_json_with_a_rung_that_fails(files, out, tmp_path, no_hub):
    arguments = ["--rungs", "tfidf,bert-cls", "--bert", "bert:no/such/model", "--plot", tmp_path / "p.svg", "--json"]
    outcome = run("ladder", *files, "--out", out, *arguments)
    assert outcome.exit_code == 0, outcome.stderr
    found = json.loads(outcome.stdout)
    assert found["queries"] == 3
    assert [rung["name"] for rung in found["rungs"]] == ["tfidf", "bert-cls"]
    assert "no/such/model" in found["rungs"][1]["error"]
    assert "bert-cls left out: " in outcome.stderr
    assert (tmp_path / "p.svg").exists()


def test_the_command_fails_where_every_rung_does(files, out, no_hub):
    outcome = run("ladder", *files, "--out", out, "--rungs", "bert-cls", "--bert", "bert:no/such/model")
    assert outcome.exit_code == 2
    assert outcome.stderr.splitlines()[-1].startswith("Error: no rung could be measured. bert-cls: ")


def test_the_command_names_the_rungs(files, out):
    outcome = run("ladder", *files, "--out", out, "--rungs", "tfidf,elmo")
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert "no rung 'elmo': the rungs are tfidf, " in outcome.stderr
