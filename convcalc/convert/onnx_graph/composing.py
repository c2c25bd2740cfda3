"""Putting nodes and tensors of an ONNX graph together."""

from collections.abc import Iterable, Sequence
from math import prod
from typing import Any

from convcalc.arithmetic import Pair

RANDOM, ONE, ZERO = 0.02, 1.0, 0.0  # what fills weights, factors (and variances), shifts (and means)


class UnsupportedLayer(Exception):
    """A layer that ONNX has no operator for, and which."""


class OnnxWriter:
    """Collects nodes and initializers; `begin` sets the layer whose nodes come next."""

    def __init__(self, onnx: Any) -> None:
        self.onnx = onnx
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self.made: set[str] = set()

    def begin(self, name: str, owner: str, reads: list[str], output: str) -> None:
        """A layer: its name, the one whose weights it uses, the tensors that it reads and gives."""
        self.name, self.owner, self.reads, self.output = name, owner, reads, output
        self.count = 0

    def add(self, operator: str, *others: str, last: bool = True, **attributes: Any) -> None:
        """A node that reads what the layer reads, or what its node before gave, and other tensors."""
        self.count += 1
        name = self.name if last else f"{self.name}.{operator.lower()}{self.count}"
        output = self.output if last else name
        inputs = [*self.reads, *others]
        self.nodes.append(self.onnx.helper.make_node(operator, inputs, [output], name=name, **attributes))
        self.reads = [output]

    def weight(self, part: str, sizes: Sequence[int], value: float) -> str:
        """A learnt tensor, filled with one value."""
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
        """A tensor that is not learnt, written in a node."""
        name = f"{self.name}.constant{len(self.nodes)}"
        value = self.onnx.helper.make_tensor("value", self.onnx.TensorProto.FLOAT, sizes, values)
        self.nodes.append(self.onnx.helper.make_node("Constant", [], [name], name=name, value=value))
        return name

    def integers(self, values: Iterable[int]) -> str:
        """Whole numbers that an operator takes as an input."""
        found = list(values)
        name = "integers_" + "_".join(str(value).replace("-", "minus") for value in found)
        return self.initializer(name, self.onnx.TensorProto.INT64, [len(found)], found)

    def number(self, value: float) -> str:
        """A number that an operator takes as an input."""
        name = f"number_{value}".replace("-", "minus")
        return self.initializer(name, self.onnx.TensorProto.FLOAT, [], [value])

    def initializer(self, name: str, kind: int, sizes: list[int], values: list[Any]) -> str:
        """A tensor of the graph, made once."""
        if name not in self.made:
            self.initializers.append(self.onnx.helper.make_tensor(name, kind, sizes, values))
            self.made.add(name)
        return name


def list_pads(pairs: Iterable[Pair]) -> list[int]:
    """Padding as ONNX has it: all befores, then all afters."""
    found = list(pairs)
    return [*(before for before, _ in found), *(after for _, after in found)]


def scale_and_bias(writer: OnnxWriter, layer: Any, sizes: Sequence[int]) -> list[str]:
    """Factors and shifts: learnt, or ones and zeros."""
    if layer.affine:
        return [writer.weight("weight", sizes, ONE), writer.weight("bias", sizes, ZERO)]
    return [writer.constant([value] * prod(sizes), sizes) for value in (ONE, ZERO)]
