"""The ONNX graph of a BERT, written from its weights: attention, biases and normalisation in fused operators.

BERT as in Devlin et al. 2019 (arXiv:1810.04805); RoBERTa, XLM-R and ELECTRA share its shape and its names. In
8 bits the linear layers multiply integers: weights scaled by output column, activations by token ("vector-wise",
Dettmers et al. 2022, arXiv:2208.07339). A token's scale depends on that token alone, so a text's vector does not
depend on what else is in the batch. Operators: onnx.ai and ONNX Runtime's ContribOperators.md.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnx

Precision = Literal["fp32", "8bit"]
Tensors = Mapping[str, NDArray[np.float32]]
FAMILY = ("bert", "roberta", "xlm-roberta", "camembert", "electra")  # config.model_type
PADDED = ("roberta", "xlm-roberta", "camembert")  # count positions from their padding id
ACTIVATIONS = {"gelu": "none", "gelu_new": "tanh", "gelu_pytorch_tanh": "tanh"}  # Gelu's `approximate`
OPSET, IR, MICROSOFT = 20, 10, "com.microsoft"
MIDDLE, HALF, WHOLE = 128, 127.0, 255.0  # an unsigned byte: zero, and the steps to each side or from one end
GELU_LEAST = 0.17  # Gelu gives nothing below -0.17, so shifted by that its values use the whole byte


def fits(config: Mapping[str, Any]) -> bool:
    """Tell whether a checkpoint has the shape that this module writes."""
    return (
        config.get("model_type") in FAMILY
        and config.get("hidden_act") in ACTIVATIONS
        and config.get("position_embedding_type", "absolute") == "absolute"
        and not config.get("is_decoder")
    )


def write(config: Mapping[str, Any], tensors: Tensors, precision: Precision, path: Path) -> None:
    """Write a checkpoint's graph: input_ids and attention_mask (B, T) to states (B, T, H)."""
    import onnx

    onnx.save(_Graph(config, tensors, precision).model(), path)


class _Graph:
    """Nodes and initializers as they are added; tensors stay (tokens, H) but for attention."""

    def __init__(self, config: Mapping[str, Any], tensors: Tensors, precision: Precision) -> None:
        self.config, self.tensors, self.precision = config, tensors, precision
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, onnx.TensorProto] = {}

    def model(self) -> "onnx.ModelProto":
        from onnx import TensorProto, helper

        self._shapes()
        states = self._embeddings()
        for number in range(self.config["num_hidden_layers"]):
            states = self._layer(states, f"encoder.layer.{number}")
        self.add("Reshape", [states, "split"], output="states")
        sides = ["batch", "tokens"]
        graph = helper.make_graph(
            self.nodes,
            "bert",
            [helper.make_tensor_value_info(name, TensorProto.INT64, sides) for name in ("input_ids", "attention_mask")],
            [helper.make_tensor_value_info("states", TensorProto.FLOAT, [*sides, self.config["hidden_size"]])],
            list(self.initializers.values()),
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR, producer_name="mundap")

    def add(self, kind: str, inputs: list[str], output: str = "", domain: str = "", **attributes: Any) -> str:
        """Add a node with one output; give the output's name."""
        from onnx import helper

        name = output or f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], domain=domain, **attributes))
        return name

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Add an initializer; give its name."""
        from onnx import numpy_helper

        self.initializers[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def number(self, value: float) -> str:
        return self.constant(f"number {value}", np.array(value, dtype=np.float32))

    def _shapes(self) -> None:
        """Add what every layer needs: the shapes to split and join tokens by, and the padding mask."""
        from onnx import TensorProto, helper

        rest = self.constant("rest", np.array([-1]))
        self.add("Shape", ["input_ids"], "sides")
        self.add("Concat", ["sides", rest], "split", axis=0)  # (B, T, -1)
        self.add("Cast", ["attention_mask"], "padding", to=TensorProto.INT32)
        if self.precision == "8bit":
            self.add("Size", ["input_ids"], "size")
            self.add("Reshape", ["size", rest], "tokens")
            middle = helper.make_tensor("middle", TensorProto.UINT8, [1], [MIDDLE])
            self.add("ConstantOfShape", ["tokens"], "middles", value=middle)  # each token's zero

    def _embeddings(self) -> str:
        word = self._rows("embeddings.word_embeddings.weight")
        summed = self.add("Add", [word, self._positions()])
        width = self.tensors["embeddings.word_embeddings.weight"].shape[1]
        states = self._normalise(self.add("Reshape", [summed, self._join(width)]), "embeddings")
        if "embeddings_project.weight" in self.tensors:  # ELECTRA's embeddings may be narrower
            states = self._linear(states, self.tensors["embeddings_project.weight"], "project")
            states = self.add("Add", [states, self.constant("project bias", self.tensors["embeddings_project.bias"])])
        return states

    def _rows(self, name: str) -> str:
        """Look up the words; in 8 bits each row has a scale of its own."""
        from onnx import TensorProto

        table = self.tensors[name]
        if self.precision == "fp32":
            return self.add("Gather", [self.constant(name, table), "input_ids"])
        scales = np.maximum(np.abs(table).max(axis=1, keepdims=True), 1e-12) / HALF
        rows = self.constant(name, np.round(table / scales).astype(np.int8))
        taken = self.add("Cast", [self.add("Gather", [rows, "input_ids"])], to=TensorProto.FLOAT)
        return self.add("Mul", [taken, self.add("Gather", [self.constant(f"{name} scale", scales), "input_ids"])])

    def _positions(self) -> str:
        """Look up the positions; all tokens are of the first type, so its row is added beforehand."""
        rows = self.tensors["embeddings.position_embeddings.weight"]
        kind = self.tensors.get("embeddings.token_type_embeddings.weight")
        table = self.constant("positions", rows if kind is None else rows + kind[0])
        zero, one = self.constant("zero", np.array([0])), self.constant("one", np.array([1]))
        if self.config["model_type"] not in PADDED:
            two = self.constant("two", np.array([2]))
            return self.add("Slice", [table, zero, self.add("Slice", ["sides", one, two, zero]), zero])
        counted = self.add("CumSum", ["attention_mask", self.constant("side", np.array(1))])
        padding = self.constant("padding id", np.array(self.config["pad_token_id"]))
        return self.add("Gather", [table, self.add("Add", [self.add("Mul", [counted, "attention_mask"]), padding])])

    def _layer(self, states: str, layer: str) -> str:
        attended = self._attend(states, f"{layer}.attention")
        states = self._join_residual(attended, states, f"{layer}.attention.output")
        inner = self._linear(states, self.tensors[f"{layer}.intermediate.dense.weight"], f"{layer}.intermediate")
        bias = self.constant(f"{layer}.intermediate bias", self.tensors[f"{layer}.intermediate.dense.bias"])
        approximate = ACTIVATIONS[self.config["hidden_act"]]
        if approximate == "none":
            inner = self.add("BiasGelu", [inner, bias], domain=MICROSOFT)
        else:
            inner = self.add("Gelu", [self.add("Add", [inner, bias])], approximate=approximate)
        return self._join_residual(inner, states, f"{layer}.output", least=GELU_LEAST)

    def _attend(self, states: str, name: str) -> str:
        parts = [f"{name}.self.{part}" for part in ("query", "key", "value")]
        weight = np.concatenate([self.tensors[f"{part}.weight"] for part in parts])
        bias = np.concatenate([self.tensors[f"{part}.bias"] for part in parts])
        together = self.add("Reshape", [self._linear(states, weight, name), "split"])
        apart = [f"{part} states" for part in parts]
        self._split(together, apart)
        heads = self.config["num_attention_heads"]
        inputs = [*apart, self.constant(f"{name} bias", bias), "padding"]
        attended = self.add("MultiHeadAttention", inputs, domain=MICROSOFT, num_heads=heads)
        return self.add("Reshape", [attended, self._join(self.config["hidden_size"])])

    def _split(self, together: str, apart: list[str]) -> None:
        from onnx import helper

        self.nodes.append(helper.make_node("Split", [together], apart, axis=-1, num_outputs=len(apart)))

    def _join_residual(self, inner: str, states: str, name: str, least: float = 0.0) -> str:
        """Project, add the residual and the bias, normalise."""
        weight, bias = self.tensors[f"{name}.dense.weight"], self.tensors[f"{name}.dense.bias"]
        if self.precision == "8bit" and least:
            bias = bias - least * _eight_bits(weight)[2].sum(axis=0)
        projected = self._linear(inner, weight, name, least)
        inputs = [projected, states, *self._gamma_beta(name), self.constant(f"{name} bias", bias)]
        epsilon = self.config["layer_norm_eps"]
        return self.add("SkipLayerNormalization", inputs, domain=MICROSOFT, epsilon=epsilon)

    def _normalise(self, states: str, name: str) -> str:
        epsilon = self.config["layer_norm_eps"]
        return self.add("LayerNormalization", [states, *self._gamma_beta(name)], epsilon=epsilon)

    def _gamma_beta(self, name: str) -> list[str]:
        names = [f"{name}.LayerNorm.{part}" for part in ("weight", "bias")]
        return [self.constant(part, self.tensors[part]) for part in names]

    def _linear(self, states: str, weight: NDArray[np.float32], name: str, least: float = 0.0) -> str:
        """Multiply states (tokens, K) by a weight (N, K), as torch keeps it, without its bias.

        `least` > 0 says that no state is below -least; the caller mends the bias by that shift.
        """
        if self.precision == "fp32":
            return self.add("MatMul", [states, self.constant(f"{name} weight", weight.T)])
        values, scales, _ = _eight_bits(weight)
        if least:
            shifted = self.add("Add", [states, self.number(least)])
            largest, zero = self._largest(shifted), np.uint8(0)
            scale = self.add("Mul", [largest, self.number(1 / WHOLE)])
            whole = self.add("QuantizeLinear", [shifted, scale], axis=0)
        else:
            largest, zero = self._largest(self.add("Abs", [states])), np.uint8(MIDDLE)
            scale = self.add("Mul", [largest, self.number(1 / HALF)])
            whole = self.add("QuantizeLinear", [states, scale, "middles"], axis=0)
        inputs = [
            whole,
            self.constant(f"{name} weight", values),
            self.number(1.0),
            self.constant(f"{name} scale", scales),
            self.constant(f"middle {zero}", np.array(zero)),
        ]
        product = self.add("MatMulIntegerToFloat", inputs, domain=MICROSOFT)
        return self.add("Mul", [product, self.add("Unsqueeze", [scale, self.constant("one", np.array([1]))])])

    def _largest(self, states: str) -> str:
        return self.add("ReduceMax", [states, self.constant("one", np.array([1]))], keepdims=0)

    def _join(self, width: int) -> str:
        return self.constant(f"join {width}", np.array([-1, width]))


def _eight_bits(weight: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32], NDArray[np.float32]]:
    """Round a weight (N, K) to whole numbers (K, N) with a scale for each output; and what they stand for."""
    columns = weight.T
    scales = (np.maximum(np.abs(columns).max(axis=0), 1e-12) / HALF).astype(np.float32)
    values = np.round(columns / scales).astype(np.int8)
    return values, scales, values * scales
