"""Defines `Network`: layers in the order of the spec, with their connections and checked shapes."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from convcalc.axis_order import Misreading
from convcalc.layers.base import Layer
from convcalc.problems import Path, printable
from convcalc.shape import Shape
from convcalc.units import Dtype

if TYPE_CHECKING:
    from convcalc.render.draw import Picture
    from convcalc.render.lines import RichBlocks

MOST_LAYERS = 50_000  # convcalc does not read larger networks


class Node(NamedTuple):
    """A layer of a network.

    `reads` are the numbers of its input tensors (see `Network`). If the layer reuses the weights of another node,
    `owner` is the index of that node, otherwise None. `path` and `line` locate the layer in the spec. `frozen` excludes
    its params from training.
    """

    name: str
    layer: Layer
    reads: tuple[int, ...]
    path: Path
    line: int | None
    frozen: bool = False
    owner: int | None = None


class Group(NamedTuple):
    """The nodes of a block use, a sequence, branches, a branch or a repeat: from index `start` to `stop` - 1.

    `word` is `sequence`, `branches`, `branch`, the layer kind or the name of the block. `output` is the number of the
    group's output tensor. `copies` is the number of copies of a repeat, otherwise None. For a use of a block, `block`
    is the name of the block and `parameters` are the values of its parameters; if the use is repeated, each copy is a
    group.
    """

    name: str
    word: str
    start: int
    stop: int
    output: int
    line: int | None
    copies: int | None = None
    block: str | None = None
    parameters: Mapping[str, Any] = {}


class Limit(NamedTuple):
    """The minimum and maximum of a metric, for the network, an output, or the layers whose names match a pattern.

    `output` names the output; None means all outputs. `shape` is the required shape if the metric is `output_shape`.
    For the memory of a microcontroller, such as `arena`, `runtime` names the runtime, and `device` a board: its runtime
    is the default, and its memory the maximum if there is neither a minimum nor a maximum. For `latency`, `device`
    names the device.
    """

    metric: str
    minimum: int | None
    maximum: int | None
    path: Path
    output: str | None = None
    pattern: str | None = None
    shape: tuple[int, ...] | None = None
    origin: str = ""  # where the budget was set, if not in the spec
    runtime: str = ""
    device: str = ""


class Network(NamedTuple):
    """A network whose shapes have been checked.

    Its tensors are numbered: first the inputs, then the output of each node. `outputs` maps names to these numbers.
    `params` are the values of the spec parameters. `check` has the lint rules that the spec selects or ignores.
    """

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
    own: dict[str, Any]  # the user's own keys, which begin with x-
    misread: Mapping[str, Misreading] = {}  # inputs whose sizes look as if they were in another order

    def __repr__(self) -> str:
        return f"<Network {self.glance()}>"

    def __rich__(self) -> "RichBlocks":
        from convcalc.render.lines import RichBlocks
        from convcalc.render.summary import network_lines

        return RichBlocks(lambda width: network_lines(self, width))

    def _repr_html_(self) -> str:
        from convcalc.render.summary_html import html_network

        return html_network(self)

    def draw(self, kind: str = "graph", *, color: str = "macs", depth: "int | str | None" = None) -> "Picture":
        """Return a picture of the network, as `Report.draw` does."""
        from convcalc.render.draw import draw_network

        return draw_network(self, kind, color, depth)

    def glance(self) -> str:
        """Return a one-line description, such as `resnet18, 69 layers, input 3×224×224`."""
        inputs = ", ".join(f"{name} {shape}" for name, shape in self.inputs.items())
        count = f"{len(self.nodes):,} layer{'' if len(self.nodes) == 1 else 's'}"
        return f"{printable(self.name)}, {count}, {inputs}"

    def tensor_shape(self, tensor: int) -> Shape:
        """Return the shape of the tensor with the given number."""
        if tensor < len(self.inputs):
            return list(self.inputs.values())[tensor]
        return self.nodes[tensor - len(self.inputs)].layer.output

    def tensor_name(self, tensor: int) -> str:
        """Return the name of the input or node that produces the tensor with the given number."""
        if tensor < len(self.inputs):
            return list(self.inputs)[tensor]
        return self.nodes[tensor - len(self.inputs)].name


def matches_pattern(name: str, pattern: str) -> bool:
    """Return whether a layer's name matches a pattern such as `block*`.

    `stage1` also matches every layer whose name begins with `stage1.`, such as stage1.conv1.
    """
    from fnmatch import fnmatchcase  # imported only when a pattern is used: it costs start-up time

    return fnmatchcase(name, pattern) or name.startswith(f"{pattern}.")
