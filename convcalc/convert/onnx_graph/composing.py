"""Builds the nodes and tensors of an ONNX graph.

`to_onnx` creates one OnnxWriter per model; the rules in `onnx_writers` add the nodes of each layer to it.
"""

from collections.abc import Callable, Iterable, Sequence
from math import prod
from typing import Any

from convcalc.arithmetic import Pair

# values that fill learnt tensors: RANDOM for weights, ONE for scales and variances, ZERO for biases and means
RANDOM, ONE, ZERO = 0.02, 1.0, 0.0


class UnsupportedLayer(Exception):
    """Raised for a layer that ONNX cannot express; the message describes the layer."""


class OnnxWriter:
    """Collects the nodes and initializers of a graph. Call `begin` before adding the nodes of each layer."""

    def __init__(self, onnx: Any) -> None:
        self.onnx = onnx
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self.made: set[str] = set()

    def begin(self, name: str, owner: str, reads: list[str], output: str) -> None:
        """Start a layer with the name `name`, the input tensors `reads` and the output tensor `output`.

        `owner` is the layer whose weights it uses: `name` itself unless it shares the weights of another layer.
        """
        self.name, self.owner, self.reads, self.output = name, owner, reads, output
        self.count = 0

    def add(self, operator: str, *others: str, last: bool = True, **attributes: Any) -> None:
        """Add a node to the current layer. Pass `last=False` unless the node produces the layer's output.

        A layer's first node reads the layer's inputs, and each later node reads the output of the node before it. The
        tensors `others` are further inputs of the node.
        """
        self.count += 1
        name = self.name if last else f"{self.name}.{operator.lower()}{self.count}"
        output = self.output if last else name
        inputs = [*self.reads, *others]
        self.nodes.append(self.onnx.helper.make_node(operator, inputs, [output], name=name, **attributes))
        self.reads = [output]

    def weight(self, part: str, sizes: Sequence[int], value: float) -> str:
        """Return the name of the current layer's learnt tensor `part`, such as "weight", which has shape `sizes`.

        On first use, add a node that fills the tensor with `value`.
        """
        name = f"{self.owner}.{part}"
        if name not in self.made:
            shape = self.integers(sizes)
            filling = self.onnx.helper.make_tensor("value", self.onnx.TensorProto.FLOAT, [1], [value])
            self.nodes.append(
                self.onnx.helper.make_node("ConstantOfShape", [shape], [name], name=f"{name}.filled", value=filling)
            )
            self.made.add(name)
        return name

    def constant(self, values: Sequence[float], sizes: Sequence[int]) -> str:
        """Add a Constant node that holds `values` in the shape `sizes`, and return the name of its output."""
        name = f"{self.name}.constant{len(self.nodes)}"
        value = self.onnx.helper.make_tensor("value", self.onnx.TensorProto.FLOAT, sizes, values)
        self.nodes.append(self.onnx.helper.make_node("Constant", [], [name], name=name, value=value))
        return name

    def integers(self, values: Iterable[int]) -> str:
        """Return the name of an initializer that holds a list of integers."""
        found = list(values)
        name = "integers_" + "_".join(str(value).replace("-", "minus") for value in found)
        return self.initializer(name, self.onnx.TensorProto.INT64, [len(found)], found)

    def number(self, value: float) -> str:
        """Return the name of an initializer that holds one number."""
        name = f"number_{value}".replace("-", "minus")
        return self.initializer(name, self.onnx.TensorProto.FLOAT, [], [value])

    def initializer(self, name: str, kind: int, sizes: list[int], values: list[Any]) -> str:
        """Return the name of an initializer, which is created on first use. `kind` is its ONNX data type."""
        if name not in self.made:
            self.initializers.append(self.onnx.helper.make_tensor(name, kind, sizes, values))
            self.made.add(name)
        return name


def list_pads(pairs: Iterable[Pair]) -> list[int]:
    """Return (before, after) pairs, one per axis, in ONNX's order: all amounts before, then all amounts after."""
    found = list(pairs)
    return [*(before for before, _ in found), *(after for _, after in found)]


def scale_and_bias(writer: OnnxWriter, layer: Any, sizes: Sequence[int]) -> list[str]:
    """Return the names of a norm's scale and bias. If the norm is not affine, they are constants: ones and zeros."""
    if layer.affine:
        return [writer.weight("weight", sizes, ONE), writer.weight("bias", sizes, ZERO)]
    return [writer.constant([value] * prod(sizes), sizes) for value in (ONE, ZERO)]


WriteRule = Callable[[OnnxWriter, Any], None]  # adds the nodes of a layer
PAD_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}  # ONNX's names of the modes of a Pad
