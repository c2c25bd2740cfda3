"""Computes the figures of a network lazily: each when it is first used.

A `Measurement` can take the place of a `Report` where figures and limits are read. Being lazy keeps traces short: if
nobody asks for receptive fields, the trace has no guards for them.
"""

from functools import cached_property
from typing import NamedTuple

from convcalc.analysis.batchnorm_folding import fold_batchnorm
from convcalc.analysis.cost import Cost, count_node
from convcalc.analysis.liveness import compute_peak
from convcalc.analysis.receptive_field import Field, FieldReport, compute_fields, field_report, input_size
from convcalc.analysis.report import add_known, find_last_placed, list_tensor_bytes, measure_training, sum_known
from convcalc.analysis.training import Training
from convcalc.network import Network, Node
from convcalc.shape import Shape


class LayerFigures(NamedTuple):
    """The figures of one layer that can have a limit; those of shared weights are 0, because they count once."""

    name: str
    params: int
    trainable_params: int
    buffers: int
    multiplications: int | None
    additions: int | None
    macs: int | None
    weight_memory: int
    activation_memory: int

    @property
    def flops(self) -> int | None:
        """Multiplications + additions; None if unknown."""
        return add_known(self.multiplications, self.additions)


class Measurement:
    """The figures of a network; `inplace`, `fold_batchnorm` and `optimizer` are as for `analyse`."""

    def __init__(self, network: Network, inplace: bool, fold_batchnorm: bool, optimizer: str) -> None:
        self.trained = network
        self._folds = fold_batchnorm
        self._inplace = inplace
        self._optimizer = optimizer

    @cached_property
    def network(self) -> Network:
        """The network, with folded batch norms if that was asked for."""
        return fold_batchnorm(self.trained) if self._folds else self.trained

    @cached_property
    def tensor_bytes(self) -> tuple[int, ...]:
        """The bytes of all tensors, by tensor number."""
        return list_tensor_bytes(self.network)

    @cached_property
    def layers(self) -> list[LayerFigures]:
        """The figures of all layers."""
        network, first = self.network, len(self.network.inputs)
        return [
            _measure_layer(node, count_node(node, network.dtype, network.batch), self.tensor_bytes[first + index])
            for index, node in enumerate(network.nodes)
        ]

    @cached_property
    def fields(self) -> list[Field]:
        """The receptive fields of all tensors, by tensor number."""
        return compute_fields(self.network)

    @property
    def totals(self) -> "_Totals":
        """The totals of the network."""
        return _Totals(self)

    @cached_property
    def peak_memory(self) -> int:
        """The largest number of bytes that are live at once."""
        return compute_peak(self.network, self.tensor_bytes, self._inplace)

    def training(self) -> Training:
        """Return the memory for training the network as written, without folding batch norms."""
        return measure_training(self.trained, self._optimizer)

    def outputs(self) -> dict[str, Shape]:
        """Return the shapes of the network's outputs by name."""
        return {name: self.network.tensor_shape(tensor) for name, tensor in self.network.outputs.items()}


def _measure_layer(node: Node, spent: Cost, activation_memory: int) -> LayerFigures:
    return LayerFigures(
        node.name,
        spent.params,
        0 if node.frozen else spent.params,
        spent.buffers,
        spent.multiplications,
        spent.additions,
        spent.macs,
        spent.weight_memory,
        activation_memory,
    )


_SUMS = (
    "params",
    "trainable_params",
    "buffers",
    "multiplications",
    "additions",
    "macs",
    "weight_memory",
    "activation_memory",
)


class _Totals:
    """The totals of a network: sums over its layers, and what only the whole network has."""

    def __init__(self, measured: Measurement) -> None:
        self._measured = measured

    def __getattr__(self, name: str) -> int | None:
        # Python calls this only for names without a property
        if name not in _SUMS:
            raise AttributeError(name)
        return sum_known([getattr(layer, name) for layer in self._measured.layers])

    @property
    def layers(self) -> int:
        return len(self._measured.layers)

    @property
    def flops(self) -> int | None:
        return add_known(self.multiplications, self.additions)

    @property
    def peak_memory(self) -> int:
        return self._measured.peak_memory

    @property
    def receptive_field(self) -> FieldReport:
        """The receptive field of the last layer whose output has positions."""
        network, place = self._measured.network, self._find_placed()
        field = self._measured.fields[len(network.inputs) + place]
        return field_report(field, network.nodes[place].layer.output.spatial, input_size(network))

    @property
    def receptive_field_at(self) -> str:
        return self._measured.network.nodes[self._find_placed()].name

    def _find_placed(self) -> int:
        network = self._measured.network
        shapes = [node.layer.output for node in network.nodes]
        return find_last_placed(shapes, self._measured.fields[len(network.inputs) :])
