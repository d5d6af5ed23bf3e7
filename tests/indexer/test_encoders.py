"""The contract of every encoder in the folder, and what is particular to each."""

import json
import math
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import indexer.encoders
from indexer import export, onnx
from indexer.encoders import load_encoder, open_encoder, prepare_encoder
from indexer.encoders.tfidf import _hasher
from indexer.errors import UserError
from indexer.spec import kinds
from indexer.vectors import unit
from indexer.words import rarity, words

KINDS = kinds(indexer.encoders)
ARGUMENTS = {"bert": "bert:{}/bert", "sbert": "sbert:{}/sbert"}  # a kind that is not named here takes none


class Ready:
    """An encoder that was prepared once for all tests of its kind."""

    def __init__(self, spec, folder, fingerprint):
        self.spec, self.folder, self.fingerprint = spec, folder, fingerprint
        self.encoder = open_encoder(spec, folder)


@pytest.fixture(scope="module")
def ready(request, models, texts, tmp_path_factory):
    kind = request.param
    with pytest.MonkeyPatch.context() as patch:
        if kind != "minilm":  # whose export is slow, and the same for all
            patch.setattr(export, "CACHE", models / "cache")
        spec = ARGUMENTS.get(kind, kind).format(models)
        folder = tmp_path_factory.mktemp(kind)
        return Ready(spec, folder, prepare_encoder(spec, texts, folder))


def every_kind(test):
    return pytest.mark.parametrize("ready", KINDS, indirect=True)(test)


@every_kind
def test_rows_are_unit_float32_and_blank_texts_are_zero(ready, texts):
    asked = ["", *texts, " \n\t"]
    vectors = ready.encoder.encode(asked)
    assert vectors.shape == (len(asked), ready.encoder.dim)
    assert vectors.dtype == np.float32
    lengths = np.linalg.norm(vectors, axis=1)
    np.testing.assert_allclose(lengths, [0, *[1] * len(texts), 0], atol=1e-5)


@every_kind
def test_no_texts_give_no_rows(ready):
    vectors = ready.encoder.encode([])
    assert vectors.shape == (0, ready.encoder.dim)
    assert vectors.dtype == np.float32


@every_kind
def test_order_is_kept_and_a_vector_does_not_depend_on_its_neighbours(ready, texts):
    together = ready.encoder.encode(texts)
    alone = np.concatenate([ready.encoder.encode([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    # Nothing above holds by accident: other texts have other vectors.
    assert np.sort(together @ alone.T, axis=1)[:, -2].min() < 1 - 1e-3


@every_kind
def test_preparing_twice_gives_the_same_fingerprint_and_vectors(ready, tiny_or_real, texts, tmp_path):
    assert prepare_encoder(ready.spec, texts, tmp_path) == ready.fingerprint
    again = open_encoder(ready.spec, tmp_path).encode(texts[:6])
    np.testing.assert_array_equal(again, ready.encoder.encode(texts[:6]))


@every_kind
def test_equal_fingerprints_mean_equal_vectors(ready, tiny_or_real, texts, tmp_path):
    """What learns from the sheet has another name after another sheet; what does not, keeps it."""
    name = prepare_encoder(ready.spec, texts[::2], tmp_path)
    found, before = (encoder.encode(texts[:6]) for encoder in (open_encoder(ready.spec, tmp_path), ready.encoder))
    assert (name == ready.fingerprint) == np.array_equal(found, before)


@every_kind
def test_a_new_process_gives_the_same_vectors(ready, texts, tmp_path):
    asked = ["", *texts[:12], "ghlorb", "유령단어"]
    loaded, vectors = in_new_process(ready, asked, tmp_path)
    np.testing.assert_array_equal(vectors, ready.encoder.encode(asked))
    assert not loaded & {"torch", "transformers", "sentence_transformers"}


@every_kind
def test_nothing_is_pickled(ready):
    files = [path for path in ready.folder.rglob("*") if path.is_file()]
    assert files
    assert {path.suffix for path in files} <= {".npy", ".json", ".onnx", ".safetensors"}
    for path in files:
        if path.suffix == ".npy":
            np.load(path, mmap_mode="r", allow_pickle=False)
        if path.suffix == ".json":
            json.loads(path.read_text("utf-8"))


@pytest.fixture
def tiny_or_real(ready, models, monkeypatch):
    if ready.spec != "minilm":
        monkeypatch.setattr(export, "CACHE", models / "cache")


SERVE = """
import json, sys
import numpy as np
from pathlib import Path
from indexer.encoders import open_encoder
spec, folder, texts, out = sys.argv[1:]
vectors = open_encoder(spec, Path(folder)).encode(json.loads(Path(texts).read_text("utf-8")))
np.save(out, vectors)
print(json.dumps(sorted(sys.modules)))
"""


def in_new_process(ready, texts, folder):
    """Encode elsewhere: other folder, other hash seed; give the modules that were loaded, and the vectors."""
    (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    command = [
        sys.executable,
        "-c",
        SERVE,
        ready.spec,
        ready.folder,
        folder / "texts.json",
        folder / "out.npy",
    ]
    printed = run(command, cwd=folder)
    return set(json.loads(printed)), np.load(folder / "out.npy")


def run(command, home=None, **options):
    environment = {
        **os.environ,
        **({"HOME": str(home)} if home else {}),
        "PYTHONHASHSEED": "7",
        "PYTHONPATH": os.pathsep.join([str(Path.cwd()), *sys.path]),
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_importing_the_floors_loads_neither_torch_nor_transformers():
    command = "import indexer, bot, web, sys; print({'torch', 'transformers'} & set(sys.modules))"
    assert run([sys.executable, "-c", command]) == "set()"


def test_the_same_seed_gives_the_same_tables_in_every_process(texts, tmp_path):
    """Python's hashes of strings differ by process; tables must not."""
    command = """
import json, sys
from pathlib import Path
from indexer.encoders import prepare_encoder
texts, out = json.loads(Path(sys.argv[1]).read_text("utf-8")), Path(sys.argv[2])
print(json.dumps([prepare_encoder(spec, texts, out / str(n)) for n, spec in enumerate(sys.argv[3:])]))
"""
    specs = ["word2vec?seed=3", "word2vec?seed=4", "fasttext?seed=3&bucket=500", "tfidf?dim=64"]
    (tmp_path / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    there = json.loads(run([sys.executable, "-c", command, tmp_path / "texts.json", tmp_path / "there", *specs]))
    here = [prepare_encoder(spec, texts, tmp_path / "here" / str(n)) for n, spec in enumerate(specs)]
    assert here == there
    assert len(set(here)) == len(specs)


def test_a_loaded_encoder_leaves_nothing_behind(texts, tmp_path, monkeypatch):
    monkeypatch.setattr(indexer.encoders.tempfile, "tempdir", str(tmp_path))
    encoder = load_encoder("word2vec", texts)
    assert len(list(tmp_path.iterdir())) == 1
    encoder.encode(texts[:2])
    del encoder
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UserError):
        load_encoder("minilm:argument")
    assert list(tmp_path.iterdir()) == []


SHEET = ["red apple", "red pear", "red red car", "blue car"]


def gensim_vectors(folder, kind, **options):
    """Train gensim's own model on the sheet, as the encoder does."""
    import gensim.models

    model = getattr(gensim.models, kind)(
        [words(text) for text in SHEET], min_count=1, window=5, sg=0, workers=1, seed=1, **options
    )
    return model.wv


def unit_row(row):
    return row / np.linalg.norm(row)


@pytest.mark.parametrize(
    ("spec", "kind", "options"),
    [
        ("word2vec?vector_size=8", "Word2Vec", {"vector_size": 8, "epochs": 20}),
        (
            "fasttext?vector_size=8&bucket=50", "FastText",
            {"vector_size": 8, "bucket": 50, "epochs": 5, "min_n": 3, "max_n": 6},
        ),
    ],
)  # fmt: skip
def test_a_text_is_the_mean_of_its_words_weighted_by_rarity(tmp_path, spec, kind, options):
    """red stands 4 times among 9 words: it weighs a / (a + 4/9), pear a / (a + 1/9), with a = 0.001."""
    prepare_encoder(spec, SHEET, tmp_path)
    encoder = open_encoder(spec, tmp_path)
    wv = gensim_vectors(tmp_path, kind, **options)
    red, pear = 0.001 / (0.001 + 4 / 9), 0.001 / (0.001 + 1 / 9)
    expected = unit_row(red * wv["red"] + pear * wv["pear"])
    np.testing.assert_allclose(encoder.encode(["Red pear!"])[0], expected, atol=1e-5)
    # A common word has little say: alone it would be as long as any other.
    assert encoder.encode(["red pear"])[0] @ unit_row(wv["pear"]) > 0.9


def test_word2vec_knows_nothing_of_unknown_words(tmp_path):
    prepare_encoder("word2vec?vector_size=8", SHEET, tmp_path)
    encoder = open_encoder("word2vec", tmp_path)
    vectors = encoder.encode(["zebra yacht", "zebra car", "car", "?!"])
    assert not vectors[[0, 3]].any()
    np.testing.assert_array_equal(vectors[1], vectors[2])


def test_fasttext_makes_unknown_words_of_their_ngrams(tmp_path):
    """As gensim's own get_vector does; a word that the sheet never held weighs 1, the rarity of none."""
    prepare_encoder("fasttext?vector_size=8&bucket=50", SHEET, tmp_path)
    encoder = open_encoder("fasttext", tmp_path)
    wv = gensim_vectors(tmp_path, "FastText", vector_size=8, bucket=50, epochs=5, min_n=3, max_n=6)
    assert "apples" not in wv.key_to_index
    unknown = ["apples", "사과를", "x"]
    for word, vector in zip(unknown, encoder.encode(unknown), strict=True):
        np.testing.assert_allclose(vector, unit_row(wv.get_vector(word)), atol=1e-5)
    assert rarity(np.array([0, 9]))[0] == 1
    apple = 0.001 / (0.001 + 1 / 9)
    both = unit_row(apple * wv["apple"] + wv.get_vector("apples"))
    np.testing.assert_allclose(encoder.encode(["apple apples"])[0], both, atol=1e-5)


def test_fasttext_has_no_vector_for_a_word_shorter_than_its_ngrams(tmp_path):
    spec = "fasttext?vector_size=8&bucket=50&min_n=5"
    prepare_encoder(spec, SHEET, tmp_path)
    assert not open_encoder(spec, tmp_path).encode(["ab", "?!"]).any()
    assert open_encoder(spec, tmp_path).encode(["abc"]).any()


def test_min_count_leaves_rare_words_out(tmp_path):
    prepare_encoder("word2vec?vector_size=8&min_count=2", SHEET, tmp_path)
    assert set(open_encoder("word2vec", tmp_path).vocabulary) == {"red", "car"}


def test_tfidf_weighs_by_hand(tmp_path):
    """Three texts of single letters: idf = ln((1 + 3) / (1 + texts that hold it)) + 1, as in scikit-learn."""
    spec = "tfidf?dim=4096&min_n=1&max_n=1"
    prepare_encoder(spec, ["ab", "ac", "aab"], tmp_path)
    encoder = open_encoder(spec, tmp_path)
    # char_wb puts a space on both sides of a word, so every text holds the n-gram " " twice.
    idf = {" ": 1.0, "a": 1.0, "b": math.log(4 / 3) + 1, "c": math.log(4 / 2) + 1, "z": math.log(4) + 1}
    hasher = _hasher({"dim": 4096, "min_n": 1, "max_n": 1})
    held = {letter: set(hasher.transform([letter]).indices.tolist()) for letter in "abcz"}
    space = set.intersection(*held.values())
    column = {letter: (found - space).pop() for letter, found in held.items()} | {" ": space.pop()}
    assert len(set(column.values())) == 5  # no collision in 4,096 dimensions
    for letter, value in idf.items():
        assert encoder.idf[column[letter]] == pytest.approx(value)
    weights = {letter: math.sqrt(n) * idf[letter] for letter, n in Counter(" aabz ").items()}
    length = math.sqrt(sum(weight * weight for weight in weights.values()))
    (vector,) = encoder.encode(["AABZ"])
    for letter, weight in weights.items():
        assert abs(vector[column[letter]]) == pytest.approx(weight / length, rel=1e-5)
    assert np.count_nonzero(vector) == len(weights)


def test_tfidf_keeps_its_size_whatever_the_sheet(tmp_path):
    letters = np.random.default_rng(5).choice(list("abcdefghijklmnopqrstuvwxyz"), (5000, 18))
    many = [f"{''.join(row[:9])} {''.join(row[9:])}" for row in letters]
    for folder, sheet in (("few", many[:3]), ("many", many)):
        prepare_encoder("tfidf?dim=512", sheet, tmp_path / folder)
        assert open_encoder("tfidf", tmp_path / folder).encode(many[:100]).shape == (100, 512)
    encoder = open_encoder("tfidf", tmp_path / "many")
    nearest = np.argmax(encoder.encode([text[:-2] for text in many[::50]]) @ encoder.encode(many).T, axis=1)
    np.testing.assert_array_equal(nearest, np.arange(0, 5000, 50))


def test_tfidf_forgives_a_typing_error(texts, tmp_path):
    prepare_encoder("tfidf", texts, tmp_path)
    wrong, right, other = open_encoder("tfidf", tmp_path).encode(["certifcate", "certificate", "password"])
    assert wrong @ right > 0.5 > 0.2 > wrong @ other


def sentence_vectors(models, name, texts):
    """What sentence-transformers itself makes of texts, as unit rows."""
    from sentence_transformers import SentenceTransformer

    return unit(SentenceTransformer(f"{models}/{name}", device="cpu").float().encode(texts, show_progress_bar=False))


SENTENCE_MODELS = {  # each with the precision that `auto` takes
    "sbert": "8bit",
    "sbert-cls": "8bit",
    "sbert-bf16": "8bit",
    "sbert-max-dense": "fp32",
    "sbert-mpnet": "fp32",
    "sbert-static": "fp32",
    "sbert-static-unit": "fp32",
}


@pytest.fixture
def asked(texts):
    """Also a text without any token where no [CLS] is added: a space of no width."""
    return [*texts, "\u200b", "refund \u200b"]


@pytest.mark.parametrize("name", SENTENCE_MODELS)
def test_sbert_is_sentence_transformers_own(tiny, asked, tmp_path, name):
    """Whatever its modules, its limit of 48 tokens and its number of dimensions."""
    spec = f"sbert:{tiny}/{name}?precision=fp32"
    prepare_encoder(spec, [], tmp_path)
    served, expected = open_encoder(spec, tmp_path), sentence_vectors(tiny, name, asked)
    assert served.dim == expected.shape[1]
    np.testing.assert_allclose(served.encode(asked), expected, atol=1e-5)


@pytest.mark.parametrize(("name", "precision"), SENTENCE_MODELS.items())
def test_a_sentence_model_has_8_bits_where_its_graph_is_a_berts(tiny, asked, tmp_path, name, precision):
    spec = f"sbert:{tiny}/{name}"
    assert f"-{precision}-" in prepare_encoder(spec, [], tmp_path)
    cosines = (open_encoder(spec, tmp_path).encode(asked) * sentence_vectors(tiny, name, asked)).sum(axis=1)
    assert cosines[:-2].min() > 0.98


def test_sentence_models_are_served_without_torch(tiny, asked, tmp_path):
    command = """
import json, sys
import numpy as np
from pathlib import Path
from indexer.encoders import open_encoder
folder = Path(sys.argv[1])
for name in sys.argv[2:]:
    encoder = open_encoder("sbert:x", folder / name)
    np.save(folder / name / "out.npy", encoder.encode(json.loads((folder / "texts.json").read_text("utf-8"))))
print({"torch", "transformers", "sentence_transformers"} & set(sys.modules))
"""
    (tmp_path / "texts.json").write_text(json.dumps(asked), encoding="utf-8")
    for name in SENTENCE_MODELS:
        prepare_encoder(f"sbert:{tiny}/{name}", [], tmp_path / name)
    assert run([sys.executable, "-c", command, tmp_path, *SENTENCE_MODELS]) == "set()"
    for name in SENTENCE_MODELS:
        here = open_encoder("sbert:x", tmp_path / name).encode(asked)
        np.testing.assert_array_equal(np.load(tmp_path / name / "out.npy"), here)


@pytest.mark.parametrize("options", ["", "?precision=fp32"])
def test_a_prompt_before_every_text_is_refused_and_torch_serves_it(tiny, texts, tmp_path, options):
    """The model differs from another by its prompt alone; that one's graph, already cached, is not taken for it."""
    spec = f"sbert:{tiny}/sbert-prompt"
    plain = shutil.copytree(tiny / "sbert-prompt", tmp_path / "plain")
    settings = json.loads((plain / "config_sentence_transformers.json").read_text("utf-8"))
    settings["default_prompt_name"] = None
    (plain / "config_sentence_transformers.json").write_text(json.dumps(settings), encoding="utf-8")
    before = prepare_encoder(f"sbert:{plain}?runtime=torch", [], tmp_path / "before")
    prepare_encoder(f"sbert:{plain}{options}", [], tmp_path / "index")
    with pytest.raises(UserError, match=r"it puts '\.' before every text.*Type instead: (.*)$") as refused:
        prepare_encoder(spec + options, [], tmp_path / "index")
    instead = str(refused.value).partition("Type instead: ")[2]
    assert instead == f"{spec}?runtime=torch"
    assert prepare_encoder(instead, [], tmp_path / "index") != before
    served = open_encoder(instead, tmp_path / "index").encode(texts)  # not by the graph that was there before
    np.testing.assert_allclose(served, sentence_vectors(tiny, "sbert-prompt", texts), atol=1e-6)
    assert np.abs(served - sentence_vectors(tmp_path, "plain", texts)).max() > 0.01


def test_served_by_torch_an_index_does_not_write_into_the_cache(tiny, texts, tmp_path):
    """An index's files are links into the cache."""
    spec = f"sbert:{tiny}/sbert"
    name = prepare_encoder(spec, [], tmp_path / "index")
    kept = (export.CACHE / name / onnx.CONFIG).read_bytes()
    torch = prepare_encoder(f"{spec}?runtime=torch", [], tmp_path / "index")
    assert torch != name
    assert (export.CACHE / name / onnx.CONFIG).read_bytes() == kept
    served = open_encoder(spec, tmp_path / "index").encode(texts)
    np.testing.assert_allclose(served, sentence_vectors(tiny, "sbert", texts), atol=1e-6)


def test_a_model_without_a_tokenizer_file_is_refused(tiny, tmp_path):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import BoW

    SentenceTransformer(modules=[BoW(["refund", "course"])], device="cpu").save(str(tmp_path / "bow"))
    with pytest.raises(UserError, match=r"no tokenizer\.json.*\?runtime=torch$"):
        prepare_encoder(f"sbert:{tmp_path}/bow", [], tmp_path / "index")
    spec = f"sbert:{tmp_path}/bow?runtime=torch"
    prepare_encoder(spec, [], tmp_path / "index")
    rows = open_encoder(spec, tmp_path / "index").encode(["refund course", "course", "x"])
    np.testing.assert_allclose(rows, [[0.5**0.5, 0.5**0.5], [0, 1], [0, 0]], atol=1e-6)


def test_building_and_serving_with_minilm_loads_neither_torch_nor_transformers(tmp_path):
    """On a machine that has not exported it yet."""
    command = """
import sys
from pathlib import Path
from indexer.encoders import open_encoder, prepare_encoder
prepare_encoder("minilm", [], Path(sys.argv[1]))
assert open_encoder("minilm", Path(sys.argv[1])).encode(["refund"]).any()
print({"torch", "transformers", "sentence_transformers"} & set(sys.modules))
"""
    assert run([sys.executable, "-c", command, tmp_path / "index"], home=tmp_path) == "set()"
    assert len(list((tmp_path / ".cache" / "mundap").glob("minilm-*-8bit-*/model.onnx"))) == 1


@pytest.mark.parametrize("change", ["weights", "tokenizer"])
def test_another_sentence_model_has_another_fingerprint(models, tmp_path, change):
    before = prepare_encoder(f"sbert:{models}/sbert", [], tmp_path)
    if change == "weights":
        changed = models / "sbert-other"
    else:
        changed = shutil.copytree(models / "sbert", tmp_path / "changed")
        lower_case_off(changed / "tokenizer.json")
    assert prepare_encoder(f"sbert:{changed}", [], tmp_path) != before


def lower_case_off(path):
    settings = json.loads(path.read_text("utf-8"))
    settings["normalizer"]["lowercase"] = False
    path.write_text(json.dumps(settings), encoding="utf-8")


def test_a_sentence_model_named_by_a_relative_path_opens_from_elsewhere(models, tmp_path, monkeypatch):
    monkeypatch.chdir(models)
    prepare_encoder("sbert:sbert", [], tmp_path)
    monkeypatch.chdir(tmp_path)
    assert open_encoder("sbert:sbert", tmp_path).encode(["환불"]).any()
