"""The fused graph of a BERT: in fp32 it equals torch, in 8 bits every number is the one that NumPy computes."""

import json

import numpy as np
import pytest

from indexer import graph
from indexer.transformer import load_bert

FAMILIES = ["bert", "electra", "roberta", "gelu_new"]


class Written:
    """A checkpoint and its graph, with any of its values open to be read."""

    def __init__(self, folder, precision, path):
        import onnx

        self.encoder = load_bert(str(folder))
        self.tensors = {name: tensor.numpy() for name, tensor in self.encoder.model.state_dict().items()}
        graph.write(self.encoder.model.config.to_dict(), self.tensors, precision, path)
        self.model = onnx.load(path)
        onnx.checker.check_model(self.model)

    def tokens(self, texts):
        found = self.encoder.tokenizer(texts, padding=True, truncation=True, max_length=64, return_tensors="np")
        return {name: found[name].astype(np.int64) for name in ("input_ids", "attention_mask")}

    def run(self, texts, *names):
        import onnxruntime
        from onnx import helper

        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        del self.model.graph.output[1:]
        self.model.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
        session = onnxruntime.InferenceSession(self.model.SerializeToString(), options, ["CPUExecutionProvider"])
        return session.run(None, self.tokens(texts))

    def nodes(self, kind):
        return [node for node in self.model.graph.node if node.op_type == kind]

    def made_by(self, name):
        return next(node for node in self.model.graph.node if name in node.output)


def torch_states(encoder, tokens):
    import torch

    with torch.no_grad():
        return encoder(*(torch.from_numpy(tokens[name]) for name in ("input_ids", "attention_mask")))[0].numpy()


@pytest.mark.parametrize("name", FAMILIES)
def test_states_equal_torch(tiny, texts, tmp_path, name):
    """Each token's, on texts of 3 to 64 tokens in one padded batch."""
    written = Written(tiny / name, "fp32", tmp_path / "graph.onnx")
    (states,) = written.run(texts)
    tokens = written.tokens(texts)
    told = tokens["attention_mask"] == 1
    assert (~told).sum() > 100
    np.testing.assert_allclose(states[told], torch_states(written.encoder, tokens)[told], atol=1e-5)


@pytest.mark.parametrize("name", FAMILIES)
def test_8_bits_are_what_numpy_computes(tiny, texts, tmp_path, name):
    """Every linear layer and what follows it, from the weights and the numbers that went into it."""
    written = Written(tiny / name, "8bit", tmp_path / "graph.onnx")
    checked = [
        *(attention(written, number) for number in range(2)),
        *(after_attention(written, number) for number in range(2)),
        *(intermediate(written, number) for number in range(2)),
        *(after_gelu(written, number) for number in range(2)),
    ]
    values = iter(written.run(texts, *(name for _, names in checked for name in names))[1:])
    for compute, names in checked:
        *given, found = (next(values) for _ in names)
        np.testing.assert_allclose(found, compute(*given), atol=3e-5)


def product(states, weight, least=0.0):
    """Multiply integers: a scale for each token (row), a scale for each output of the weight (N, K)."""
    steps = np.float32(np.abs(weight).max(axis=1) / 127)
    whole = np.round(weight / steps[:, None]).astype(np.int64)
    if least:
        scale = (states + np.float32(least)).max(axis=1, keepdims=True) * np.float32(1 / 255)
        counted = np.round((states + np.float32(least)) / scale).astype(np.int64)
        assert counted.min() >= 0
        assert counted.max() <= 255
    else:
        scale = np.abs(states).max(axis=1, keepdims=True) * np.float32(1 / 127)
        counted = np.round(states / scale).astype(np.int64)
    # The shift is taken off again after the product, in the numbers that the weights were rounded to.
    return (counted @ whole.T * scale - least * whole.sum(axis=1)) * steps


def layer_norm(rows, weight, bias, epsilon):
    centred = rows - rows.mean(axis=1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + epsilon) * weight + bias


def linear_before(written, name):
    """Give the input of the linear layer whose product has this name: past scales, rounding and shift."""
    node = written.made_by(written.made_by(written.made_by(name).input[0]).input[0])
    assert node.op_type == "QuantizeLinear"
    return node.input[0]


def attention(written, number):
    split = written.nodes("Split")[number]
    output = written.made_by(split.input[0]).input[0]
    parts = [written.tensors[f"encoder.layer.{number}.attention.self.{p}.weight"] for p in ("query", "key", "value")]
    weight = np.concatenate(parts)
    return lambda states: product(states, weight), (linear_before(written, output), output)


def intermediate(written, number):
    kind = "Gelu" if written.nodes("Gelu") else "BiasGelu"
    node = written.nodes(kind)[number]
    output = written.made_by(node.input[0]).input[0] if kind == "Gelu" else node.input[0]
    weight = written.tensors[f"encoder.layer.{number}.intermediate.dense.weight"]
    return lambda states: product(states, weight), (linear_before(written, output), output)


def normalised(written, number, name, least):
    node = written.nodes("SkipLayerNormalization")[2 * number + bool(least)]
    states = linear_before(written, node.input[0])
    states = written.made_by(states).input[0] if least else states
    weight, bias, gamma, beta = (
        written.tensors[f"encoder.layer.{number}.{name}.{part}"]
        for part in ("dense.weight", "dense.bias", "LayerNorm.weight", "LayerNorm.bias")
    )

    def compute(states, residual):
        return layer_norm(product(states, weight, least) + bias + residual, gamma, beta, 1e-12)

    return compute, (states, node.input[1], node.output[0])


def after_attention(written, number):
    return normalised(written, number, "attention.output", 0.0)


def after_gelu(written, number):
    return normalised(written, number, "output", 0.17)


def test_gelu_is_never_below_its_shift():
    import torch

    x = torch.linspace(-6, 6, 200001)
    for approximate in graph.ACTIVATIONS.values():
        lowest = -float(torch.nn.functional.gelu(x, approximate=approximate).min())
        assert graph.GELU_LEAST - 0.001 < lowest < graph.GELU_LEAST + 0.0005


def test_8_bits_round_each_word_by_its_own_scale(tiny, texts, tmp_path):
    written = Written(tiny / "bert", "8bit", tmp_path / "graph.onnx")
    table = written.tensors["embeddings.word_embeddings.weight"]
    rows = written.run(texts, written.nodes("Mul")[0].output[0])[1]
    ids = written.tokens(texts)["input_ids"]
    steps = np.maximum(np.abs(table[ids]).max(axis=2, keepdims=True), 1e-12) / 127
    np.testing.assert_allclose(rows, np.round(table[ids] / steps) * steps, atol=1e-6)
    assert not rows[ids == 0].any()  # the padding's row is zero


@pytest.mark.parametrize("name", FAMILIES)
def test_8_bits_stay_close_to_torch(tiny, texts, tmp_path, name):
    written = Written(tiny / name, "8bit", tmp_path / "graph.onnx")
    (states,) = written.run(texts)
    tokens = written.tokens(texts)
    told = tokens["attention_mask"] == 1
    found, wanted = states[told], torch_states(written.encoder, tokens)[told]
    cosines = (found * wanted).sum(axis=1) / np.linalg.norm(found, axis=1) / np.linalg.norm(wanted, axis=1)
    assert cosines.mean() > 0.995


@pytest.mark.parametrize(
    ("change", "fits"),
    [
        ({}, True),
        ({"hidden_act": "gelu_new"}, True),
        ({"model_type": "xlm-roberta"}, True),
        ({"model_type": "mpnet"}, False),
        ({"model_type": "distilbert"}, False),
        ({"hidden_act": "relu"}, False),
        ({"position_embedding_type": "relative_key"}, False),
        ({"is_decoder": True}, False),
    ],
)
def test_only_its_own_shape_fits(tiny, change, fits):
    config = json.loads((tiny / "bert" / "config.json").read_text("utf-8"))
    assert graph.fits({**config, **change}) == fits
