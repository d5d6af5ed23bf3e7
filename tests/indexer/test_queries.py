"""Judged queries are read from every form that people keep them in."""

import json

import pytest

from indexer.errors import UserError
from indexer.queries import of_rows, read_queries, write_queries
from indexer.row import Row


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_csv_with_more_columns(tmp_path):
    queries = write(tmp_path / "q.csv", "id,text,lang\na,환불?,ko\nb,weather,en\nc,refund,en\n")
    qrels = write(tmp_path / "r.csv", "query,document,relevance\na,r1,1\na,r2,0\nc,r2,0\n")
    a, b, c = read_queries(queries, qrels)
    assert (a.id, a.text, dict(a.relevance), a.fields) == ("a", "환불?", {"r1": 1, "r2": 0}, {"lang": "ko"})
    assert (a.on_topic, b.on_topic, c.on_topic) == (
        True,
        False,
        False,
    )  # relevance 0: judged and not relevant


def test_trec_qrels(tmp_path):
    queries = write(tmp_path / "q.tsv", "id\ttext\n1\tone\n2\ttwo\n")
    qrels = write(tmp_path / "qrels.txt", "1 0 r1 2\n1 0 r2 0\n2 0 r3 1\n")
    assert [dict(query.relevance) for query in read_queries(queries, qrels)] == [
        {"r1": 2, "r2": 0},
        {"r3": 1},
    ]


def test_beir_folder(tmp_path):
    write(tmp_path / "b/queries.jsonl", '{"_id": "1", "text": "one"}\n{"_id": "2", "text": "two"}\n')
    write(tmp_path / "b/qrels/dev.tsv", "query-id\tcorpus-id\tscore\n2\tr9\t1\n")
    write(tmp_path / "b/qrels/test.tsv", "query-id\tcorpus-id\tscore\n1\tr1\t1\n")
    assert [dict(query.relevance) for query in read_queries(tmp_path / "b")] == [{"r1": 1}, {}]


def test_packs_name_entries_and_convert_to_rows(tmp_path):
    lines = [
        {"qid": 7, "query": "one", "groups": [4], "oos": False},
        {"qid": 8, "query": "two", "groups": [], "oos": True},
    ]
    found = read_queries(write(tmp_path / "q.jsonl", "\n".join(map(json.dumps, lines))))
    assert [(query.id, query.by_entry, query.on_topic) for query in found] == [
        ("7", True, True),
        ("8", False, False),
    ]
    # Row 4 belongs to another entry than group 4: names of rows and of entries must not be mixed up.
    rows = [Row("4", "9", "q", "a"), Row("5", "4", "q", "a")]
    write_queries(of_rows(found, rows), tmp_path / "out")
    again = read_queries(tmp_path / "out/queries.csv", tmp_path / "out/qrels.csv")
    assert [(query.text, dict(query.relevance)) for query in again] == [("one", {"5": 1}), ("two", {})]


@pytest.mark.parametrize(
    ("queries", "qrels", "message"),
    [
        ("id,text\n", "query,document,relevance\n", "holds no queries"),
        ("id,text\n1,\n", "query,document,relevance\n", "row 2: a query needs id and text"),
        ("id,text\n1,one\n", "", "is empty"),
        (
            "id,text\n1,one\n",
            "query,document,relevance\n1,r1,yes\n",
            "row 2: expected query, document, relevance",
        ),
        ("id,text\n1,one\n", "query,document,relevance\nx,r1,1\n", "judges none of the queries"),
    ],
)
def test_bad_files_say_what_and_where(tmp_path, queries, qrels, message):
    with pytest.raises(UserError, match=message):
        read_queries(write(tmp_path / "q.csv", queries), write(tmp_path / "r.csv", qrels))


def test_a_missing_file_and_missing_judgements(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        read_queries(tmp_path / "none.csv", tmp_path / "none.csv")
    with pytest.raises(UserError, match="--qrels"):
        read_queries(write(tmp_path / "q.csv", "id,text\n1,one\n"))


def test_broken_json_names_the_line(tmp_path):
    with pytest.raises(UserError, match="line 2: not a JSON object"):
        read_queries(write(tmp_path / "q.jsonl", '{"query": "one", "groups": [1]}\n{broken\n'))
