"""The report of a network: every figure of every layer, and the totals."""

from typing import Any, NamedTuple

from convcalc.analysis.cost import Cost, activation_bytes, cost
from convcalc.collection import collecting_later
from convcalc.layers.base import Layer
from convcalc.network import Group, Network, Node
from convcalc.shape import Shape
from convcalc.version import __version__

SCHEMA = "convcalc/report/1"


class LayerReport(NamedTuple):
    """The figures of one layer: elements, operations of the whole batch, bytes.

    A layer that uses the weights of another (`shares`) has no params of its own: they count once.
    """

    name: str
    kind: str
    line: int | None
    reads: tuple[str, ...]
    layer: Layer
    params: int
    trainable_params: int
    buffers: int
    multiplications: int
    additions: int
    macs: int
    input_bytes: int
    weight_bytes: int
    output_bytes: int
    frozen: bool
    shares: str | None

    @property
    def flops(self) -> int:
        """Multiplications + additions."""
        return self.multiplications + self.additions

    @property
    def output_shape(self) -> Shape:
        """The shape of one sample of the output."""
        return self.layer.output

    def to_dict(self) -> dict[str, Any]:
        """What the JSON holds of a layer."""
        arguments = self.layer.arguments()
        if self.frozen:
            arguments["frozen"] = True
        if self.shares is not None:
            arguments["share"] = self.shares
        return {
            "name": self.name,
            "kind": self.kind,
            "line": self.line,
            "from": list(self.reads),
            "arguments": arguments,
            "input_shapes": [list(shape.sizes) for shape in self.layer.inputs],
            "output_shape": list(self.output_shape.sizes),
            "params": self.params,
            "trainable_params": self.trainable_params,
            "buffers": self.buffers,
            "multiplications": self.multiplications,
            "additions": self.additions,
            "macs": self.macs,
            "flops": self.flops,
            "memory": {"input": self.input_bytes, "weights": self.weight_bytes, "output": self.output_bytes},
        }


class Totals(NamedTuple):
    """The figures of the whole network. `activations` are the bytes of all layers' outputs added up."""

    layers: int
    params: int
    trainable_params: int
    buffers: int
    multiplications: int
    additions: int
    macs: int
    input_bytes: int
    weight_bytes: int
    activation_bytes: int

    @property
    def flops(self) -> int:
        """Multiplications + additions."""
        return self.multiplications + self.additions

    def to_dict(self) -> dict[str, Any]:
        """What the JSON holds of the totals."""
        return {
            "layers": self.layers,
            "params": self.params,
            "trainable_params": self.trainable_params,
            "buffers": self.buffers,
            "multiplications": self.multiplications,
            "additions": self.additions,
            "macs": self.macs,
            "flops": self.flops,
            "memory": {
                "input": self.input_bytes,
                "weights": self.weight_bytes,
                "activations": self.activation_bytes,
            },
        }


class Report:
    """All figures of a network; frozen."""

    __slots__ = ("layers", "network", "totals")

    network: Network
    layers: tuple[LayerReport, ...]
    totals: Totals

    def __init__(self, network: Network, layers: tuple[LayerReport, ...], totals: Totals) -> None:
        object.__setattr__(self, "network", network)
        object.__setattr__(self, "layers", layers)
        object.__setattr__(self, "totals", totals)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a report is frozen: {name} cannot be set")

    @property
    def groups(self) -> tuple[Group, ...]:
        """The scopes of the network: blocks in use, sequences, branches, repeats and their copies."""
        return self.network.groups

    def outputs(self) -> dict[str, Shape]:
        """The shapes that leave the network, by name."""
        return {name: self.network.tensor_shape(tensor) for name, tensor in self.network.outputs.items()}

    def header(self) -> dict[str, Any]:
        """What the JSON holds before the layers."""
        network = self.network
        dtype = {"weights": network.dtype.weights, "activations": network.dtype.activations}
        implied = "int32" if "int" in network.dtype.weights else network.dtype.weights
        return {
            "schema": SCHEMA,
            "version": __version__,
            "complete": True,
            "name": network.name,
            "file": network.file,
            "params": network.params,
            "batch": network.batch,
            "dtype": dtype if network.dtype.bias == implied else {**dtype, "bias": network.dtype.bias},
            "inputs": {name: list(shape.sizes) for name, shape in network.inputs.items()},
            "outputs": {name: list(shape.sizes) for name, shape in self.outputs().items()},
        }

    def to_dict(self) -> dict[str, Any]:
        """What the JSON holds."""
        layers = [layer.to_dict() for layer in self.layers]
        return {**self.header(), "layers": layers, "totals": self.totals.to_dict()}


@collecting_later
def analyse(network: Network) -> Report:
    """Every figure of a network."""
    given = [activation_bytes(shape, network.dtype, network.batch) for shape in network.inputs.values()]
    tensors = list(zip(network.inputs, given, strict=True))  # name and bytes of every tensor, by its number
    layers = []
    for node in network.nodes:
        output_bytes = activation_bytes(node.layer.output, network.dtype, network.batch)
        found = cost(node.layer, network.dtype, network.batch)
        layers.append(layer_report(node, network, tensors, found, output_bytes))
        tensors.append((node.name, output_bytes))
    return Report(network, tuple(layers), totals(layers, sum(given)))


def layer_report(
    node: Node, network: Network, tensors: list[tuple[str, int]], cost: Cost, output_bytes: int
) -> LayerReport:
    """The figures of one node."""
    read = [tensors[tensor] for tensor in node.reads]
    owns = node.owner is None
    # by position: thirty thousand layers have their arguments named thirty thousand times
    return LayerReport(
        node.name,
        node.layer.kind,
        node.line,
        tuple([name for name, _ in read]),
        node.layer,
        cost.params if owns else 0,
        0 if node.frozen or not owns else cost.params,
        cost.buffers if owns else 0,
        cost.multiplications,
        cost.additions,
        cost.macs,
        sum([size for _, size in read]),
        cost.weight_bytes if owns else 0,
        output_bytes,
        node.frozen,
        None if node.owner is None else network.nodes[node.owner].name,
    )


def totals(layers: list[LayerReport], input_bytes: int) -> Totals:
    """The sums over all layers."""
    return Totals(
        layers=len(layers),
        params=sum([layer.params for layer in layers]),
        trainable_params=sum([layer.trainable_params for layer in layers]),
        buffers=sum([layer.buffers for layer in layers]),
        multiplications=sum([layer.multiplications for layer in layers]),
        additions=sum([layer.additions for layer in layers]),
        macs=sum([layer.macs for layer in layers]),
        input_bytes=input_bytes,
        weight_bytes=sum([layer.weight_bytes for layer in layers]),
        activation_bytes=sum([layer.output_bytes for layer in layers]),
    )
