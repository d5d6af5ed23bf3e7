"""Export: what is served was compared with the original, is exported once a machine, and says what to do if not."""

import shutil
from collections import Counter

import numpy as np
import pytest

from indexer import export, graph, onnx, weights
from indexer.encoders import open_encoder, prepare_encoder
from indexer.errors import UserError
from indexer.transformer import load_bert


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """A cache of this test alone."""
    monkeypatch.setattr(export, "CACHE", tmp_path / "cache")
    return tmp_path / "cache"


@pytest.fixture
def written(monkeypatch):
    """Count the graphs that are written, by precision."""
    count, write = Counter(), graph.write

    def counted(config, tensors, precision, path):
        count[precision] += 1
        write(config, tensors, precision, path)

    monkeypatch.setattr(graph, "write", counted)
    return count


def test_a_graph_is_exported_once_a_machine(models, cache, tmp_path, written, texts):
    spec = f"bert:{models}/bert"
    name = prepare_encoder(spec, [], tmp_path / "one")
    assert (cache / name / onnx.GRAPH).exists()
    assert prepare_encoder(spec, [], tmp_path / "two") == name
    assert prepare_encoder(f"{spec}?precision=8bit", [], tmp_path / "three") == name
    assert written == {"8bit": 1}
    for file in (onnx.GRAPH, onnx.TOKENIZER, onnx.CONFIG):
        assert (tmp_path / "one" / file).samefile(tmp_path / "three" / file)
    assert prepare_encoder(f"{spec}?precision=fp32", [], tmp_path / "two") != name
    assert written == {"8bit": 1, "fp32": 1}
    bytewise, whole = (open_encoder("bert", tmp_path / folder).encode(texts) for folder in ("one", "two"))
    assert 1e-5 < np.abs(bytewise - whole).max() < 0.1
    assert not [path for path in cache.iterdir() if not path.name.startswith("bert-")]  # nothing half-made is left


@pytest.mark.parametrize("file", [onnx.GRAPH, onnx.TOKENIZER, onnx.CONFIG])
def test_damage_to_an_index_does_not_outlive_it_in_the_cache(models, cache, tmp_path, written, texts, file):
    """An index's files are links into the cache: truncating one truncates the other."""
    spec = f"bert:{models}/bert"
    name = prepare_encoder(spec, [], tmp_path / "index")
    before = open_encoder(spec, tmp_path / "index").encode(texts[:3])
    with (tmp_path / "index" / file).open("r+b") as opened:
        opened.truncate(100)
    assert (cache / name / file).stat().st_size == 100
    assert prepare_encoder(spec, [], tmp_path / "index") == name
    assert written["8bit"] == 2
    np.testing.assert_array_equal(open_encoder(spec, tmp_path / "index").encode(texts[:3]), before)
    prepare_encoder(spec, [], tmp_path / "index")
    assert written["8bit"] == 2


def test_a_home_that_cannot_be_written_to_is_done_without(models, tmp_path, monkeypatch, texts):
    (tmp_path / "home").write_text("a file where the folder should be")
    monkeypatch.setattr(export, "CACHE", tmp_path / "home" / "mundap")
    name = prepare_encoder(f"bert:{models}/bert", [], tmp_path / "index")
    vectors = open_encoder("bert", tmp_path / "index").encode(texts[:3])
    monkeypatch.setattr(export, "CACHE", models / "cache")
    assert prepare_encoder(f"bert:{models}/bert", [], tmp_path / "other") == name
    np.testing.assert_array_equal(open_encoder("bert", tmp_path / "other").encode(texts[:3]), vectors)


def test_exporting_into_a_folder_of_links_leaves_what_they_link_to(models, cache, tmp_path, monkeypatch):
    name = prepare_encoder(f"bert:{models}/bert", [], tmp_path / "index")
    kept = {file: (cache / name / file).read_bytes() for file in (onnx.GRAPH, onnx.TOKENIZER, onnx.CONFIG)}
    (tmp_path / "home").write_text("a file where the folder should be")
    monkeypatch.setattr(export, "CACHE", tmp_path / "home" / "mundap")
    prepare_encoder(f"bert:{models}/other", [], tmp_path / "index")
    assert (tmp_path / "index" / onnx.GRAPH).read_bytes() != kept[onnx.GRAPH]
    assert {file: (cache / name / file).read_bytes() for file in kept} == kept


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_minilms_proof_is_what_torch_makes_today(pooling):
    encoder = load_bert(str(weights.minilm()), pooling)
    with np.load(weights.PROOF, allow_pickle=False) as proof:
        assert sorted(proof) == ["cls", "mean"]
        np.testing.assert_allclose(proof[pooling], of_torch(encoder, export.PROOF), atol=1e-6)


def of_torch(encoder, texts):
    """Encode with torch, text by text."""
    import torch

    found = []
    for text in texts:
        tokens = encoder.tokenizer(text, truncation=True, max_length=256, return_tensors="pt")
        with torch.no_grad():
            found.append(encoder(tokens["input_ids"], tokens["attention_mask"])[1].numpy()[0])
    return np.array(found)


def test_minilms_pooling_and_precision_are_in_its_name(tmp_path, monkeypatch):
    taken = {"auto": "8bit", "8bit": "8bit", "fp32": "fp32"}
    monkeypatch.setattr(export, "provide", lambda name, precision, *_: taken[precision])
    options = ["", "?precision=8bit", "?precision=fp32", "?pooling=cls"]
    auto, eight, whole, cls = (prepare_encoder(f"minilm{option}", [], tmp_path) for option in options)
    assert auto == eight == f"minilm-53aa51172d142c89-mean-8bit-{export.FORM}"
    assert whole == f"minilm-53aa51172d142c89-mean-fp32-{export.FORM}"
    assert cls == f"minilm-53aa51172d142c89-cls-8bit-{export.FORM}"


@pytest.fixture
def wrong(models, monkeypatch):
    """Every graph that is written is that of another model."""
    other, write = load_bert(f"{models}/other").model.state_dict(), graph.write
    tensors = {name: tensor.numpy() for name, tensor in other.items()}
    monkeypatch.setattr(graph, "write", lambda config, _, precision, path: write(config, tensors, precision, path))


@pytest.mark.parametrize("options", ["", "?precision=fp32"])
def test_a_wrong_graph_is_refused_and_torch_serves_the_model(models, cache, tmp_path, wrong, texts, options):
    folder = shutil.copytree(models / "bert", tmp_path / "bert")
    with pytest.raises(UserError, match=r"cannot be exported for serving: its graph differs from torch by") as refused:
        prepare_encoder(f"bert:{folder}{options}", [], tmp_path / "index")
    assert not list(cache.glob(f"*/{onnx.GRAPH}"))
    instead = str(refused.value).partition(". Type instead: ")[2]
    assert instead == f"sbert:{folder}?runtime=torch"
    prepare_encoder(instead, [], tmp_path / "index")
    served = open_encoder(instead, tmp_path / "index").encode(texts[:8])
    np.testing.assert_allclose(served, of_torch(load_bert(str(folder)), texts[:8]), atol=1e-5)


@pytest.mark.parametrize("kind", ["bert", "sbert"])
def test_where_8_bits_are_too_coarse_auto_takes_fp32(models, cache, tmp_path, monkeypatch, written, texts, kind):
    monkeypatch.setattr(graph, "HALF", 4.0)  # three bits or so
    spec = f"{kind}:{models}/{kind}"
    with pytest.raises(UserError, match=r"in 8 bits its vectors keep a cosine of only 0\.\d+ ") as refused:
        prepare_encoder(f"{spec}?precision=8bit", [], tmp_path / "index")
    instead = str(refused.value).partition(". Type instead: ")[2]
    assert instead == f"{spec}?precision=fp32"
    assert written == {"8bit": 1}
    name = prepare_encoder(spec, [], tmp_path / "index")
    assert name.endswith(f"-fp32-{export.FORM}")
    assert prepare_encoder(instead, [], tmp_path / "other") == name
    expected = of_torch(load_bert(f"{models}/bert"), texts[:4])
    np.testing.assert_allclose(open_encoder(spec, tmp_path / "index").encode(texts[:4]), expected, atol=1e-5)


def test_minilm_in_coarse_bits_says_what_to_type(cache, tmp_path, monkeypatch):
    monkeypatch.setattr(graph, "HALF", 4.0)
    with pytest.raises(UserError, match=r"^minilm cannot be .* Type instead: minilm\?precision=fp32$"):
        prepare_encoder("minilm?precision=8bit", [], tmp_path)


@pytest.mark.parametrize("kind", ["bert", "sbert"])
def test_8_bits_of_another_family_are_refused(models, cache, tmp_path, kind):
    spec = f"{kind}:{models}/mpnet" if kind == "bert" else f"sbert:{models}/sbert-mpnet"
    with pytest.raises(UserError, match=r"have no 8-bit graph\. Type instead: ") as refused:
        prepare_encoder(f"{spec}?precision=8bit", [], tmp_path)
    assert str(refused.value).endswith(f"Type instead: {spec}?precision=fp32")


@pytest.mark.parametrize(("kind", "name"), [("bert", "mpnet"), ("sbert", "sbert-max-dense")])
def test_a_model_that_cannot_be_exported_says_what_serves_it(models, cache, tmp_path, monkeypatch, texts, kind, name):
    import torch

    def fail(*_, **__):
        raise NotImplementedError("no such operator\nand much more")

    monkeypatch.setattr(torch.onnx, "export", fail)
    folder = shutil.copytree(models / name, tmp_path / "model")
    with pytest.raises(UserError, match=r"cannot be exported for serving: no such operator\. Type") as refused:
        prepare_encoder(f"{kind}:{folder}", [], tmp_path / "index")
    assert str(refused.value) == (
        f"{kind}:{folder} cannot be exported for serving: no such operator. Type instead: sbert:{folder}?runtime=torch"
    )
    prepare_encoder(f"sbert:{folder}?runtime=torch", [], tmp_path / "index")
    served = open_encoder("sbert:x", tmp_path / "index").encode(texts[:4])
    np.testing.assert_allclose(np.linalg.norm(served, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("precision", ["fp32", "8bit"])
def test_a_graph_is_compared_number_by_number(models, tiny, tmp_path, precision):
    """What is no number, and what has another width, is never the same."""
    prepare_encoder(f"bert:{models}/bert?precision={precision}", [], tmp_path)
    wanted = open_encoder("bert", tmp_path).encode(export.PROOF)
    export.compare(tmp_path, wanted, precision)
    export.compare(tmp_path, wanted + 9e-6, precision)
    for other in (wanted + np.float32(np.nan), wanted[::-1], wanted[:, :8]):
        with pytest.raises(export.UnfaithfulError):
            export.compare(tmp_path, other, precision)
    near = wanted.copy()
    near[2, 5] += 2e-5
    if precision == "fp32":
        with pytest.raises(export.UnfaithfulError, match=r"by 2\.\de-05, more than 1e-05"):
            export.compare(tmp_path, near, precision)
    else:
        export.compare(tmp_path, near, precision)
