"""Korean by its morphemes: what Kiwi finds in sentences read by hand, and an index that lives by it."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from importlib.util import find_spec

import numpy as np
import pytest
from click.testing import CliRunner

from indexer import build as building
from indexer import lexical, manifest
from indexer.build import build_index, repair
from indexer.cli import main
from indexer.errors import UserError
from indexer.index import Index
from indexer.lexical import MORPHOLOGY, build_lexical, load_lexical
from indexer.morphology import check_morphology, cut_by, kiwi_terms, morphemes
from indexer.recalibrate import calibrate
from indexer.words import terms

needs_kiwi = pytest.mark.skipif(find_spec("kiwipiepy") is None, reason="needs pip install 'mundap[korean]'")
SPEC = "tfidf?dim=64"
SHEET = """entry,question,answer
luggage,짐을 맡겨도 되나요?,네. 로비 옆 보관함을 쓰세요.
luggage,가방을 보관해 주시나요?,네. 로비 옆 보관함을 쓰세요.
hot,객실이 너무 더워요,에어컨은 벽의 단추로 켭니다.
hot,에어컨은 어떻게 켜나요?,에어컨은 벽의 단추로 켭니다.
walk,해변까지 걸어도 되나요?,십 분이면 닿습니다.
walk,바다가 가까운가요?,십 분이면 닿습니다.
help,누가 좀 도와주세요,프런트에 전화하세요.
pay,Can I pay by card?,Any card will do.
pay,Do you take credit cards?,Any card will do.
"""


@pytest.fixture
def sheet(tmp_path):
    path = tmp_path / "hotel.csv"
    path.write_text(SHEET, encoding="utf-8")
    return path


@pytest.fixture
def no_kiwi(monkeypatch):
    monkeypatch.setitem(sys.modules, "kiwipiepy", None)


def make(sheet, out, morphology="kiwi", **options):
    return build_index(sheet, out, SPEC, "flat", "lexical", morphology=morphology, **options)


def first(out, message):
    with closing(Index.open(out)) as index:
        ((best, *_),) = index.search([message])
        return best.entry


@needs_kiwi
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("짐을 맡겨도 되나요?", "짐 맡기 되"),  # 을, 어도, 나요: a particle and two endings
        ("물건을 맡기려면", "물건 맡기"),
        ("객실이 너무 더워요", "객실 너무 덥"),  # 덥 turns into 더우 before a vowel
        ("걸어서 갈 수 있나요", "걷 가 수 있"),  # 걷 into 걸
        ("택배가 아직 안 왔어요", "택배 아직 안 오"),  # a negation is said in a word of its own
        ("더운 물이 안 나와요", "덥 물 안 나오"),
        ("ＰＤＦ파일 3장", "pdf 파일 3 장"),  # wide letters
        ("", ""),
        ("\ud800 안녕하세요", "안녕"),  # half a character
    ],
)
def test_morphemes_are_those_read_by_hand(text, expected):
    assert morphemes(text) == expected.split()


@needs_kiwi
def test_terms_are_stems_pairs_morphemes_and_their_syllables():
    assert kiwi_terms("짐을 맡겨도") == [
        *("짐을", "짐을_", "맡겨", "맡겨_", "겨도_"),  # as without Kiwi, syllables aside
        *("짐", "짐__", "맡기", "맡__", "기__"),
    ]


@needs_kiwi
def test_other_words_are_cut_as_without_kiwi():
    assert kiwi_terms("Can I pay by card?") == terms("Can I pay by card?")
    assert kiwi_terms("카드 visa").count("visa") == 1
    assert "pdf" in kiwi_terms("PDF파일")
    assert "pdf" not in terms("PDF파일")


@needs_kiwi
def test_threads_share_it():
    texts = SHEET.splitlines() * 20
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(kiwi_terms, texts)) == [kiwi_terms(text) for text in texts]


@needs_kiwi
@pytest.mark.parametrize(("message", "entry"), [("방이 덥습니다", "hot"), ("걷기에 멀까요", "walk"), ("card", "pay")])
def test_an_index_finds_a_verb_in_another_form(sheet, tmp_path, message, entry):
    make(sheet, tmp_path / "index")
    assert first(tmp_path / "index", message) == entry


@needs_kiwi
def test_what_is_found_by_it_is_not_found_without(sheet, tmp_path):
    """걷고 and 걸었어요 share no syllable; both are of 걷다."""
    entry_of = np.arange(2, dtype=np.int32)
    for name in ("none", "kiwi"):
        build_lexical(["정원을 걸었어요", "정원을 보았어요"], ["", ""], entry_of, tmp_path / name, name)
    one, other = load_lexical(tmp_path / "none", entry_of).evidence("걷고 싶어요").rows
    assert one == other
    one, other = load_lexical(tmp_path / "kiwi", entry_of).evidence("걷고 싶어요").rows
    assert one > 2 * other


@needs_kiwi
def test_the_build_and_its_rehearsal_cut_alike(sheet, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(lexical, "cut_by", lambda name: asked.append(name) or cut_by(name))
    make(sheet, tmp_path / "index")
    assert len(asked) >= 4  # the index, written and opened; an index of its rehearsal, written and opened
    assert set(asked) == {"kiwi"}


@needs_kiwi
def test_a_change_of_morphology_is_a_new_generation(sheet, tmp_path):
    out = tmp_path / "index"
    assert make(sheet, out, "none").facts.morphology == "none"
    built = make(sheet, out)
    assert (built.changed, built.encoded, built.facts.generation) == (True, 0, 2)
    assert manifest.read(out).morphology == "kiwi"
    assert not make(sheet, out).changed
    assert make(sheet, out, "none").changed


@needs_kiwi
def test_another_version_of_the_library_is_a_new_generation(sheet, tmp_path, monkeypatch):
    built = make(sheet, tmp_path / "index")
    assert {"kiwipiepy", "kiwipiepy_model"} < built.facts.versions.keys()
    monkeypatch.setattr(building, "library_versions", lambda name: {"kiwipiepy": "999"})
    assert make(sheet, tmp_path / "index").changed


@needs_kiwi
def test_a_change_of_morphology_calibrates_anew_for_the_stated_risk(sheet, tmp_path):
    """Other terms give other features; what the owner allows stays."""
    out = tmp_path / "index"
    make(sheet, out, "none")
    before = calibrate(out, risk=0.2)
    changed = make(sheet, out).facts.calibration
    fresh = make(sheet, tmp_path / "fresh").facts.calibration
    assert changed["risk"] == 0.2
    assert changed["models"] == fresh["models"] != before.to_dict()["models"]


@needs_kiwi
def test_a_repaired_index_keeps_it(sheet, tmp_path):
    out = tmp_path / "index"
    make(sheet, out)
    (name,) = out.glob(f"generations/*/lexical/{MORPHOLOGY}")
    name.unlink()
    with pytest.raises(UserError, match=r"verify .* --repair"):
        Index.open(out)
    repair(out)
    assert name.read_text("utf-8") == "kiwi"
    assert first(out, "방이 덥습니다") == "hot"


def test_a_manifest_of_before_names_none(sheet, tmp_path):
    out = tmp_path / "index"
    make(sheet, out, "none")
    path = out / manifest.FILE
    facts = json.loads(path.read_text("utf-8"))
    assert facts.pop("morphology") == "none"
    path.write_text(json.dumps(facts), encoding="utf-8")
    assert manifest.read(out).morphology == "none"
    assert not make(sheet, out, "none").changed


def test_a_leg_of_before_is_cut_as_ever(tmp_path):
    entry_of = np.zeros(1, dtype=np.int32)
    build_lexical(["짐을 맡겨도 되나요?"], [""], entry_of, tmp_path / "leg")
    (tmp_path / "leg" / MORPHOLOGY).unlink()
    assert load_lexical(tmp_path / "leg", entry_of).cut is terms


def test_without_the_library_a_build_says_what_to_type(sheet, tmp_path, no_kiwi):
    arguments = ["build", str(sheet), "--out", str(tmp_path / "index"), "--encoder", SPEC, "--morphology", "kiwi"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code != 0
    assert "pip install 'mundap[korean]'" in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "index").exists()


def test_without_the_library_an_index_that_needs_it_says_what_to_type(tmp_path, no_kiwi):
    entry_of = np.zeros(1, dtype=np.int32)
    build_lexical(["짐을 맡겨도 되나요?"], [""], entry_of, tmp_path / "leg")
    (tmp_path / "leg" / MORPHOLOGY).write_text("kiwi", encoding="utf-8")
    with pytest.raises(UserError, match=r"pip install 'mundap\[korean\]'"):
        load_lexical(tmp_path / "leg", entry_of)


def test_an_unknown_name_lists_the_right_ones():
    with pytest.raises(UserError, match=r"'mecab' is unknown.*none or kiwi"):
        check_morphology("mecab")


def test_an_index_without_it_never_loads_it(sheet, tmp_path):
    code = (
        "import sys; from indexer.build import build_index; from indexer.index import Index; "
        f"build_index({str(sheet)!r}, {str(tmp_path / 'index')!r}, {SPEC!r}); "
        f"Index.open({str(tmp_path / 'index')!r}).search(['짐']); sys.exit('kiwipiepy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
