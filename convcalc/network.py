"""A network: layers in the order of the file, wired, with shapes that fit."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from convcalc.layers.base import Layer
from convcalc.layout import Misreading
from convcalc.problems import Path, printable
from convcalc.shape import Shape


class Dtype(NamedTuple):
    """The data types of weights (and buffers), of activations, and of biases."""

    weights: str = "float32"
    activations: str = "float32"
    bias: str = "float32"


class Node(NamedTuple):
    """A layer in its place. `reads` are tensors of the network, `owner` the node whose weights it uses too."""

    name: str
    layer: Layer
    reads: tuple[int, ...]
    path: Path
    line: int | None
    frozen: bool = False
    owner: int | None = None


class Group(NamedTuple):
    """A scope that was laid (a block's use, a sequence, branches, a branch, a repeat): nodes from start up to stop.

    `word` is what stands in the spec; of a repeat `copies` is how many copies were laid.
    """

    name: str
    word: str
    start: int
    stop: int
    output: int
    line: int | None
    copies: int | None = None


class Limit(NamedTuple):
    """A budget: the least and the most of a metric, of the network, of an output, or of layers by a pattern."""

    metric: str
    minimum: int | None
    maximum: int | None
    path: Path
    output: str | None = None
    pattern: str | None = None
    shape: tuple[int, ...] | None = None
    origin: str = ""  # where it was set, if not in the spec


class Network(NamedTuple):
    """A network whose shapes fit. Tensors are numbered: first the inputs, then the output of each node."""

    name: str
    description: str
    file: str | None
    params: dict[str, Any]
    dtype: Dtype
    batch: int
    inputs: dict[str, Shape]
    nodes: tuple[Node, ...]
    groups: tuple[Group, ...]
    outputs: dict[str, int]
    budget: tuple[Limit, ...]
    check: dict[str, tuple[str, ...]]
    own: dict[str, Any]  # the keys that begin with x-, which are the user's own
    misread: Mapping[str, Misreading] = {}  # inputs whose sizes look as if they were in another order

    def __repr__(self) -> str:
        return f"<Network {self.glance()}>"

    def glance(self) -> str:
        """`resnet18, 69 layers, input 3×224×224`."""
        inputs = ", ".join(f"{name} {shape}" for name, shape in self.inputs.items())
        count = f"{len(self.nodes):,} layer{'' if len(self.nodes) == 1 else 's'}"
        return f"{printable(self.name)}, {count}, {inputs}"

    def tensor_shape(self, tensor: int) -> Shape:
        """The shape of a tensor by its number."""
        if tensor < len(self.inputs):
            return list(self.inputs.values())[tensor]
        return self.nodes[tensor - len(self.inputs)].layer.output

    def tensor_name(self, tensor: int) -> str:
        """The name of an input, or of the node that a tensor comes from."""
        if tensor < len(self.inputs):
            return list(self.inputs)[tensor]
        return self.nodes[tensor - len(self.inputs)].name


def goes_by(name: str, pattern: str) -> bool:
    """Whether a layer goes by a pattern, or is inside of a scope of that name."""
    from fnmatch import fnmatchcase  # only where a pattern is given

    return fnmatchcase(name, pattern) or name.startswith(f"{pattern}.")
