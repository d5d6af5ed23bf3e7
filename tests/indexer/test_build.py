"""Building and opening: what is encoded, what is kept, and what a damaged index says."""

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from indexer import build as building
from indexer import fingerprint, manifest
from indexer import publish as publishing
from indexer.build import build_index, repair
from indexer.cli import main
from indexer.encoders import open_encoder
from indexer.errors import UserError
from indexer.index import Index, encoder_folder
from indexer.publish import only_builder
from indexer.topic import off_topic
from indexer.verify import verify

SPEC = "tfidf?dim=256"


def make(sheet: Path, out: Path, **options: object) -> building.Built:
    return build_index(sheet, out, **{"encoder": SPEC, **options})


def test_the_index_holds_the_rows_and_their_vectors(small, tmp_path):
    built = make(small, tmp_path / "index")
    index = Index.open(tmp_path / "index")
    rows = index.database.rows(1)
    assert [row.id for row in rows] == ["r1", "r2", "p1", "p2", "k1", "k2"]
    assert rows[0].extra == {"lang": "en", "url": "https://example.com/refund"}
    assert (built.facts.generation, built.facts.rows, built.facts.entries) == (1, 6, 4)
    encoder = open_encoder(SPEC, encoder_folder(tmp_path / "index", built.facts.fingerprint))
    expected = encoder.encode([row.question for row in rows])
    np.testing.assert_allclose(index.legs.question_vectors, expected, atol=1e-6)
    assert index.legs.entry_of.tolist() == [0, 0, 1, 1, 2, 3]


def test_rows_come_back_in_the_order_asked_for(small, tmp_path):
    make(small, tmp_path / "index")
    index = Index.open(tmp_path / "index")
    assert [row.id for row in index.database.rows(1, [4, 0, 3])] == ["k1", "r1", "p2"]


def test_an_unchanged_sheet_makes_no_new_generation(small, tmp_path):
    make(small, tmp_path / "index")
    again = make(small, tmp_path / "index")
    assert not again.changed
    assert again.facts.generation == 1


def test_only_changed_texts_are_encoded(small, tmp_path, monkeypatch):
    """With an encoder that does not learn from the sheet, an edit costs one text."""
    seen: list[str] = []

    class Letters:
        dim = 26

        def encode(self, texts):
            seen.extend(texts)
            counts = np.array(
                [[text.casefold().count(chr(97 + i)) for i in range(26)] for text in texts], dtype=np.float32
            )
            return counts.reshape(len(texts), 26)

    monkeypatch.setattr(
        building, "prepare_encoder", lambda spec, texts, folder: folder.mkdir(parents=True) or "letters"
    )
    monkeypatch.setattr(building, "open_encoder", lambda spec, folder: Letters())
    make(small, tmp_path / "index")
    assert len(set(seen)) == 6 + 4 + 2 + len(off_topic())  # questions, answers, probe, messages about other things
    seen.clear()
    small.write_text(small.read_text("utf-8").replace("reset password", "new password"), encoding="utf-8")
    built = make(small, tmp_path / "index")
    assert built.encoded == 1
    assert set(seen) == {"new password", *publishing.PROBE.split("\n")}
    assert built.facts.generation == 2


def test_after_edits_rankings_equal_a_full_rebuild(small, tmp_path):
    make(small, tmp_path / "index")
    text = small.read_text("utf-8").replace("Can I have my money back?", "Give me my money back")
    small.write_text(text + "n1,new,Where is my invoice?,In My page.,en,\n", encoding="utf-8")
    make(small, tmp_path / "index")
    make(small, tmp_path / "fresh")
    queries = ["money back", "invoice", "환불", "password reset", "수료증"]
    found, fresh = (
        [[(c.row.id, c.ranked) for c in result] for result in Index.open(tmp_path / name).search(queries, 4)]
        for name in ("index", "fresh")
    )
    assert found == fresh


def test_the_last_two_generations_are_kept_and_older_ones_go(small, tmp_path):
    for number in range(4):
        small.write_text(
            small.read_text("utf-8") + f"x{number},x{number},question {number} new,answer {number},en,\n",
            "utf-8",
        )
        make(small, tmp_path / "index")
    index = Index.open(tmp_path / "index")
    assert index.facts.generation == 4
    assert index.database.generations() == [3, 4]
    assert sorted(path.name for path in (tmp_path / "index/generations").iterdir()) == ["000003", "000004"]
    kept = {fingerprint.of_text(row.question) for g in (3, 4) for row in index.database.rows(g)}
    assert kept <= index.database.known_vectors(index.facts.fingerprint)


def test_an_index_opened_before_a_rebuild_goes_on_answering(small, tmp_path):
    make(small, tmp_path / "index")
    before = Index.open(tmp_path / "index")
    (first,) = before.search(["refund"], 2)
    small.write_text(small.read_text("utf-8").replace("refund?", "reimbursement?"), encoding="utf-8")
    make(small, tmp_path / "index")
    (second,) = before.search(["refund"], 2)
    assert [c.to_dict() for c in first] == [c.to_dict() for c in second]
    (after,) = Index.open(tmp_path / "index").search(["refund"], 2)
    assert "reimbursement" in after[0].row.question or "reimbursement" in after[1].row.question


def test_an_exact_question_comes_first_whatever_its_case_and_width(small, tmp_path):
    make(small, tmp_path / "index")
    index = Index.open(tmp_path / "index")
    for text in ("reset password", "RESET  Password ?", "ｒｅｓｅｔ password"):
        first = index.search([text], 3)[0][0]
        assert (first.row.id, first.exact) == ("p2", True)
    assert not index.search(["reset my password"], 3)[0][0].exact


def test_one_row_an_entry(small, tmp_path):
    make(small, tmp_path / "index")
    (found,) = Index.open(tmp_path / "index").search(["password refund money"], 10)
    entries = [candidate.entry for candidate in found]
    assert len(entries) == len(set(entries))


@pytest.mark.parametrize("k", [0, -1])
def test_k_must_be_positive(small, tmp_path, k):
    make(small, tmp_path / "index")
    with pytest.raises(UserError, match="at least 1"):
        Index.open(tmp_path / "index").search(["refund"], k)


def test_a_missing_index_names_the_command(tmp_path):
    with pytest.raises(UserError, match=r"no index at .*nowhere.*indexer build SHEET --out"):
        Index.open(tmp_path / "nowhere")


def test_a_half_written_index_is_named(small, tmp_path):
    make(small, tmp_path / "index")
    (tmp_path / "index" / manifest.FILE).unlink()
    with pytest.raises(UserError, match="has not finished"):
        Index.open(tmp_path / "index")
    assert make(small, tmp_path / "index").facts.rows == 6


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        ('{"format": 99}', "format 99"),
        ('{"format": 5}', "not a manifest"),
    ],
)
def test_a_foreign_manifest_is_named_and_a_build_replaces_it(small, tmp_path, content, message):
    make(small, tmp_path / "index")
    (tmp_path / "index" / manifest.FILE).write_text(content)
    with pytest.raises(UserError, match=message):
        Index.open(tmp_path / "index")
    make(small, tmp_path / "index")
    assert Index.open(tmp_path / "index").search(["refund"], 1)[0][0].entry == "refund"


def test_damage_is_named_and_repair_mends_it(small, tmp_path):
    folder = tmp_path / "index"
    make(small, folder)
    before = [c.to_dict() for c in Index.open(folder).search(["money"], 3)[0]]
    (folder / "generations/000001/questions/store.faiss").write_bytes(b"x")
    with pytest.raises(UserError, match=r"store\.faiss has 1 bytes.*indexer verify --index .* --repair"):
        Index.open(folder)
    repair(folder)
    assert [c.to_dict() for c in Index.open(folder).search(["money"], 3)[0]] == before
    assert verify(folder)["faults"] == []


@pytest.mark.parametrize("name", ["questions/store.faiss", "lexical/entries/terms.npy", "entries.npy"])
def test_damage_that_keeps_the_size_is_one_line_too(small, tmp_path, name):
    folder = tmp_path / "index"
    make(small, folder)
    path = folder / "generations/000001" / name
    path.write_bytes(b"\xff" * path.stat().st_size)
    with pytest.raises(UserError, match="is damaged: a cache cannot be read"):
        Index.open(folder).search(["refund"], 1)
    assert "the caches are not as they were written" in verify(folder)["faults"]
    repair(folder)
    assert verify(folder)["faults"] == []


def test_verify_finds_caches_that_drifted_from_the_truth(small, tmp_path):
    folder = tmp_path / "index"
    make(small, folder)
    assert verify(folder)["faults"] == []
    with closing(sqlite3.connect(folder / "truth.db")) as database:
        hashes = [fingerprint.of_text(text) for text in ("reset password", "How do I get a refund?")]
        swapped = database.execute("SELECT vector FROM vectors WHERE hash = ?", hashes[:1]).fetchone()
        database.execute("UPDATE vectors SET vector = ? WHERE hash = ?", [swapped[0], hashes[1]])
        database.commit()
    assert verify(folder)["faults"] == ["1 of 6 cached vectors differ from the database"]
    repair(folder)
    assert verify(folder)["faults"] == []


def test_verify_finds_a_store_that_lost_a_row(small, tmp_path):
    folder = tmp_path / "index"
    built = make(small, folder, store="flat")
    path = folder / "generations/000001/questions/vectors.npy"
    vectors = np.load(path)
    vectors[2] = 0
    np.save(path, vectors)
    assert len(verify(folder)["faults"]) == 3  # its bytes, the vector, the lookup
    assert built.facts.rows == 6


def test_a_lost_database_is_named_and_a_build_makes_it_again(small, tmp_path):
    folder = tmp_path / "index"
    make(small, folder)
    (folder / "truth.db").unlink()
    with pytest.raises(UserError, match=r"truth\.db is missing.*indexer build"):
        Index.open(folder)
    make(small, folder)
    assert Index.open(folder).search(["refund"], 1)[0][0].entry == "refund"


def test_a_damaged_database_is_put_aside(small, tmp_path):
    folder = tmp_path / "index"
    make(small, folder)
    (folder / "truth.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(UserError, match=r"truth\.db cannot be read"):
        Index.open(folder)
    make(small, folder)
    assert Index.open(folder).search(["refund"], 1)[0][0].entry == "refund"
    assert (folder / "truth.damaged").exists()


def test_changed_weights_under_the_same_name_are_noticed(small, tmp_path):
    folder = tmp_path / "index"
    built = make(small, folder)
    path = encoder_folder(folder, built.facts.fingerprint) / "idf.npy"
    idf = np.load(path)
    np.save(path, idf[::-1])
    with pytest.raises(UserError, match=r"weights of tfidf.* have changed.*indexer build .* --encoder 'tfidf"):
        Index.open(folder).search(["refund"], 1)
    make(small, folder)  # what the error says to type, and it mends: the size of the file is as it was
    assert Index.open(folder).search(["refund"], 1)[0][0].entry == "refund"
    np.save(path, idf[::-1])
    repair(folder)
    assert verify(folder)["faults"] == []


def test_the_command_that_mends_an_index_names_its_options(small, tmp_path):
    build_index(small, tmp_path / "index", SPEC, "flat", "dense")
    facts = manifest.read(tmp_path / "index")
    told = f"indexer build {small} --out {tmp_path / 'index'} --encoder 'tfidf?dim=256' --store flat --retrieval dense"
    assert facts.rebuild(tmp_path / "index") == told
    path = tmp_path / "index" / manifest.FILE
    path.write_text(path.read_text("utf-8").replace('"format": 5', '"format": 4'), encoding="utf-8")
    with pytest.raises(UserError, match=f"has format 4.*{re.escape(told)}"):
        manifest.read(tmp_path / "index")


def test_the_defaults_of_the_mending_command_are_those_of_the_command():
    defaults = {option.name: option.default for option in main.commands["build"].params}
    assert {name: defaults[name] for name in manifest.DEFAULTS} == manifest.DEFAULTS


def test_a_folder_of_other_files_is_not_written_to(small, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="holds other files"):
        make(small, tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_two_builds_at_once_are_refused(small, tmp_path):
    (tmp_path / "index").mkdir()
    with only_builder(tmp_path / "index"), pytest.raises(UserError, match="another build"):
        make(small, tmp_path / "index")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoder": "minlm"}, "unknown encoder 'minlm': choose one of bert, bilingual, fasttext, minilm"),
        ({"encoder": "minilm?poling=cls"}, "no option 'poling': its options are pooling"),
        ({"store": "redis"}, "unknown store 'redis': choose one of faiss, flat"),
    ],
)
def test_wrong_names_are_refused_before_any_work(small, tmp_path, options, message):
    with pytest.raises(UserError, match=message):
        make(small, tmp_path / "index", **options)
    assert not (tmp_path / "index").exists()


def test_the_manifest_says_what_the_index_was_made_of(small, tmp_path):
    make(small, tmp_path / "index", store="flat", retrieval="dense")
    facts = json.loads((tmp_path / "index/manifest.json").read_text("utf-8"))
    assert (facts["encoder"], facts["store"], facts["retrieval"], facts["languages"]) == (
        SPEC, "flat", "dense", {"ko": 2, "en": 4},
    )  # fmt: skip
    assert facts["files"]
    assert all((tmp_path / "index" / name).stat().st_size == size for name, size in facts["files"].items())
