"""Builds the nodes and tensors of an ONNX graph.

`to_onnx` creates one OnnxWriter per model; the rules in `onnx_writers` add the nodes of each layer to it.
"""

from collections.abc import Iterable, Sequence
from math import prod
from typing import Any

from convcalc.arithmetic import Pair

RANDOM, ONE, ZERO = 0.02, 1.0, 0.0  # fill values: weights, scales and variances, biases and means


class UnsupportedLayer(Exception):
    """A layer for which ONNX has no operator; the message describes the layer."""


class OnnxWriter:
    """Collects nodes and initializers. Call `begin` before adding the nodes of a layer."""

    def __init__(self, onnx: Any) -> None:
        self.onnx = onnx
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self.made: set[str] = set()

    def begin(self, name: str, owner: str, reads: list[str], output: str) -> None:
        """Start a layer, given its name, the layer that owns its weights, its input tensors and its output tensor."""
        self.name, self.owner, self.reads, self.output = name, owner, reads, output
        self.count = 0

    def add(self, operator: str, *others: str, last: bool = True, **attributes: Any) -> None:
        """Add a node that reads the output of the layer's previous node (at first the layer's inputs) and `others`.

        The node with `last` produces the layer's output.
        """
        self.count += 1
        name = self.name if last else f"{self.name}.{operator.lower()}{self.count}"
        output = self.output if last else name
        inputs = [*self.reads, *others]
        self.nodes.append(self.onnx.helper.make_node(operator, inputs, [output], name=name, **attributes))
        self.reads = [output]

    def weight(self, part: str, sizes: Sequence[int], value: float) -> str:
        """Return the name of a learnt tensor, filled with one value by a ConstantOfShape node."""
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
        """Return the name of a tensor that is not learnt, stored in a Constant node."""
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
        """Return the name of an initializer, added to the graph on first use."""
        if name not in self.made:
            self.initializers.append(self.onnx.helper.make_tensor(name, kind, sizes, values))
            self.made.add(name)
        return name


def list_pads(pairs: Iterable[Pair]) -> list[int]:
    """Return padding in ONNX's order: the amounts before each axis, then the amounts after each axis."""
    found = list(pairs)
    return [*(before for before, _ in found), *(after for _, after in found)]


def scale_and_bias(writer: OnnxWriter, layer: Any, sizes: Sequence[int]) -> list[str]:
    """Return the names of a norm's scale and bias: learnt tensors, or constant ones and zeros if not affine."""
    if layer.affine:
        return [writer.weight("weight", sizes, ONE), writer.weight("bias", sizes, ZERO)]
    return [writer.constant([value] * prod(sizes), sizes) for value in (ONE, ZERO)]
