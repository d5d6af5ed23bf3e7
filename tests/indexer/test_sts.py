"""Correlations against SciPy's, on a hand-made file of pairs; files that cannot be used are named by line."""

import csv
import json
import runpy

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats

from indexer.cli import main
from indexer.encoders import check_spec, load_encoder
from indexer.errors import UserError
from indexer.sts import cosine, measure, pearson, read_pairs, spearman, spearman_interval

HEADER = "sentence1\tsentence2\tscore\n"
PAIRS = [
    ("The kettle is on.", "The kettle is on.", 5.0),
    ("A goat climbs a wall.", "A goat is climbing the wall.", 4.5),
    ("The train left late.", "The train was late.", 3.5),
    ("우산을 빌려주세요.", "우산을 빌릴 수 있나요?", 3.5),
    ("우체국은 어디예요?", "기차역은 어디예요?", 2.0),
    ("The soup is cold.", "Nobody sings here.", 0.0),
    ("She said \"wait", "He said \"go\" and left", 1.0),
]  # fmt: skip
SPEC = "tfidf?dim=512"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text(HEADER + "".join(f"{one}\t{other}\t{score}\n" for one, other, score in PAIRS), encoding="utf-8")
    return path


def run(*arguments):
    return CliRunner().invoke(main, ["sts", *map(str, arguments)])


@pytest.mark.parametrize("kinds", [3, 30, 10_000])
def test_correlations_are_scipy_s(kinds):
    random = np.random.default_rng(kinds)
    one = random.integers(0, kinds, 200).astype(float)
    other = one + random.integers(0, 2 * kinds, 200)
    assert spearman(one, other) == pytest.approx(stats.spearmanr(one, other).statistic)
    assert pearson(one, other) == pytest.approx(stats.pearsonr(one, other).statistic)


def test_correlations_by_hand():
    assert spearman([1, 2, 3], [10, 100, 1000]) == pytest.approx(1)
    assert spearman([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1)
    assert spearman([1, 2, 2, 4], [1, 2, 3, 4]) == pytest.approx(4.5 / (4.5 * 5) ** 0.5)
    assert spearman([1, 1, 1], [1, 2, 3]) == 0.0


def test_interval_is_that_of_pairs_drawn_again():
    random = np.random.default_rng(5)
    one = random.normal(size=60).round(1)
    other = (one + random.normal(size=60)).round(1)
    draws = np.random.default_rng(0)
    samples = [draws.integers(60, size=60) for _ in range(300)]
    drawn = [stats.spearmanr(one[at], other[at]).statistic for at in samples]
    assert spearman_interval(one, other, draws=300) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])))


def test_pairs_are_read_as_they_stand(file):
    pairs = read_pairs(file)
    assert list(zip(pairs.one, pairs.other, pairs.scores.tolist(), strict=True)) == PAIRS


def test_columns_in_any_order_windows_lines_and_a_byte_order_mark(tmp_path):
    (tmp_path / "a.tsv").write_text(
        "\ufeffid\tScore\tsentence2\tsentence1\r\n7\t1.5\tB\tA\r\n\r\n8\t2\tD\tC\r\n", encoding="utf-8", newline=""
    )
    pairs = read_pairs(tmp_path / "a.tsv")
    assert (pairs.one, pairs.other, pairs.scores.tolist()) == (("A", "C"), ("B", "D"), [1.5, 2.0])
    (tmp_path / "b.tsv").write_text("ko\ten\tscore\tnote\n가\tA\t1\tx\n나\tB\t2\ty\n", encoding="utf-8")
    assert read_pairs(tmp_path / "b.tsv").other == ("A", "B")


def test_measure_is_the_cosine_of_the_encoder_that_learned_from_the_file(file):
    pairs = read_pairs(file)
    texts = list(dict.fromkeys([*pairs.one, *pairs.other]))
    encoder = load_encoder(SPEC, texts)
    one, other = (encoder.encode(side).astype(np.float64) for side in (pairs.one, pairs.other))
    cosines = (one * other).sum(axis=1)
    found = measure(pairs, SPEC)
    assert found["spearman"] == pytest.approx(stats.spearmanr(cosines, pairs.scores).statistic, abs=1e-4)
    assert found["pearson"] == pytest.approx(stats.pearsonr(cosines, pairs.scores).statistic, abs=1e-4)
    assert found["interval"][0] <= found["spearman"] <= found["interval"][1]
    assert (found["encoder"], found["pairs"]) == (SPEC, 7)


def test_equal_sentences_tie_whatever_their_last_digit():
    near = np.nextafter(np.float32(1), np.float32(0))
    assert set(cosine(np.array([[1], [near]], np.float32), np.ones((2, 1), np.float32)).tolist()) == {1.0}


def test_one_encoder_gives_an_object_and_several_a_list(file):
    one = json.loads(run(file, "--encoder", SPEC, "--json").stdout)
    assert one.keys() == {"encoder", "pairs", "spearman", "pearson", "interval"}
    several = json.loads(run(file, "--encoder", SPEC, "--encoder", "tfidf?dim=64", "--json").stdout)
    assert [found["encoder"] for found in several] == [SPEC, "tfidf?dim=64"]
    assert several[0] == one
    table = run(file, "--encoder", SPEC)
    assert f"{one['spearman']:.4f}" in table.stdout
    assert "Preparing" in table.stderr


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no column score, found an empty file"),
        ("sentence1\tsentence2\tlabel\na\tb\t1\n", "no column score, found sentence1, sentence2, label. Expected"),
        ("sentence1,sentence2,score\na,b,1\n", "found sentence1,sentence2,score. Expected a TSV"),
        ("text\tscore\na\t1\n", "two columns of text are needed, found text, score"),
        (HEADER + "a\tb\t1\na\tb\tvery\n", "line 3: the score is 'very'"),
        (HEADER + "a\tb\tnan\n", "line 2: the score is 'nan'"),
        (HEADER + "a\tb\t1\n\na\tb\n", "line 4: 2 columns, but the header has 3"),
        (HEADER, "0 pairs"),
        (HEADER + "a\tb\t3\nc\td\t3\n", "2 pairs, and no two different scores"),
    ],
)
def test_a_file_that_cannot_be_used(text, says, tmp_path):
    (tmp_path / "bad.tsv").write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as error:
        read_pairs(tmp_path / "bad.tsv")
    assert says in str(error.value)
    outcome = run(tmp_path / "bad.tsv", "--encoder", SPEC)
    assert outcome.exit_code == 2
    assert outcome.stderr.count("\n") == 1


def test_bytes_that_are_not_utf_8_and_a_file_that_is_not_there(tmp_path):
    (tmp_path / "cp949.tsv").write_bytes("sentence1\tsentence2\tscore\n우산\t양산\t1\n".encode("cp949"))
    outcome = run(tmp_path / "cp949.tsv")
    assert "not UTF-8 (byte 26)" in outcome.stderr
    assert "nowhere.tsv" in run(tmp_path / "nowhere.tsv").stderr


def test_a_wrong_spec_is_refused_before_the_first_is_measured(file):
    outcome = run(file, "--encoder", SPEC, "--encoder", "word3vec")
    assert outcome.exit_code == 2
    assert "unknown encoder 'word3vec'" in outcome.stderr
    assert "Preparing" not in outcome.stderr


def test_the_benchmark_s_commands_can_be_run(root):
    with (root / "benchmarks/sts.csv").open(encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table))
    assert {row["file"] for row in rows} == {"en_stsb/dev.tsv", "ko_korsts/dev.tsv"}
    for row in rows:
        check_spec(row["encoder"])
        assert -1 < float(row["spearman"]) < 1
        assert 0 < float(row["tolerance"]) <= 0.02
        assert row["note"]


def test_the_benchmark_says_ok_off_and_skipped(root, file, capsys):
    benchmark = runpy.run_path(str(root / "benchmarks/sts.py"))
    expected = measure(read_pairs(file), SPEC)["spearman"]
    row = {"encoder": SPEC, "file": "pairs.tsv", "spearman": str(expected), "tolerance": "0.01", "note": "by hand"}
    assert benchmark["agrees"](row, file)
    assert not benchmark["agrees"]({**row, "spearman": str(expected - 0.02)}, file)
    assert benchmark["agrees"](row, file.with_name("absent.tsv"))
    said = capsys.readouterr().out.splitlines()
    assert [("OK  (by hand)" in said[0]), ("off  (by hand)" in said[1]), ("skipped" in said[2])] == [True] * 3
