"""A network run in PyTorch, layer by layer on the meta device: its shapes, params and MACs beside ours.

Modules are made from the network itself, by name from torch.nn, and no text is executed. On the meta device a tensor
has a shape and no values, so nothing is computed and no memory is taken.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from convcalc.analysis.report import LayerReport, Report, analyse
from convcalc.convert.graph import NotImported
from convcalc.convert.pytorch.building import built
from convcalc.convert.pytorch.calls import check_known, made
from convcalc.network import Network, Node
from convcalc.problems import shortened

STATISTICS = ("running_mean", "running_var")


class NoTorch(NotImported):
    """PyTorch is not installed."""


class Figures(NamedTuple):
    """What a layer gives and costs: elements of learnt weights and of running statistics, multiply-adds of a batch."""

    output_shape: tuple[int, ...]
    params: int
    buffers: int
    macs: int


class Compared(NamedTuple):
    """A layer's figures, ours and PyTorch's; those are None where PyTorch refuses the layer, and says why."""

    name: str
    kind: str
    ours: Figures
    pytorch: Figures | None
    refusal: str = ""

    @property
    def agrees(self) -> bool:
        """Whether all figures are equal."""
        return self.ours == self.pytorch


class Verification(NamedTuple):
    """A network's layers compared."""

    report: Report
    layers: tuple[Compared, ...]

    @property
    def differences(self) -> list[Compared]:
        """The layers about which PyTorch says something else."""
        return [layer for layer in self.layers if not layer.agrees]


def check_installed() -> None:
    """Raises NoTorch with the command that installs PyTorch."""
    from importlib.util import find_spec

    if find_spec("torch") is None:
        raise NoTorch("this needs PyTorch: pip install 'convcalc[torch]'")


def verified(network: Network) -> Verification:
    """Every layer compared with PyTorch. Raises NoTorch, and NotExported where PyTorch has nothing for a layer."""
    check_installed()
    check_known(network)
    report = analyse(network)
    return Verification(report, tuple(compared(network, report)))


def compared(network: Network, report: Report) -> list[Compared]:
    """The layers in their order, each fed what PyTorch gave before, or our shape where that differs."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    found: list[Compared] = []
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        tensors = [torch.empty(network.batch, *shape.sizes) for shape in network.inputs.values()]
        modules: list[Sequence[Any]] = []
        for node, layer in zip(network.nodes, report.layers, strict=True):
            before = counter.get_total_flops()
            ours = our_figures(layer)
            try:
                parts = modules[node.owner] if node.owner is not None else modules_of(node)
                output = run(node, parts, [tensors[tensor] for tensor in node.reads])
                macs = (counter.get_total_flops() - before) // 2  # a FLOP a multiplication, and one an addition
                figures = pytorch_figures(output, () if node.owner is not None else parts, macs)
                found.append(Compared(node.name, node.layer.kind, ours, figures))
            except (RuntimeError, ValueError, TypeError, ZeroDivisionError, OverflowError) as error:
                parts, output = (), None
                found.append(Compared(node.name, node.layer.kind, ours, None, shortened(str(error), 300)))
            modules.append(parts)
            sizes = (network.batch, *ours.output_shape)
            tensors.append(output if output is not None and output.shape == sizes else torch.empty(sizes))
    return found


def modules_of(node: Node) -> tuple[Any, ...]:
    """The modules of a node in their order; of a merge none."""
    if node.layer.reads_many:
        return ()
    parts = made(node)
    return tuple(built(call).eval() for call in (parts.before, parts.module, parts.after) if call is not None)


def run(node: Node, parts: Sequence[Any], reads: list[Any]) -> Any:
    """What a node gives."""
    import operator
    from functools import reduce

    import torch

    if node.layer.kind == "concat":
        return torch.cat(reads, dim=1)
    if node.layer.reads_many:
        return reduce(operator.add if node.layer.kind == "add" else operator.mul, reads)
    return reduce(lambda value, part: part(value), parts, reads[0])


def our_figures(layer: LayerReport) -> Figures:
    """What we say of a layer."""
    return Figures(layer.output_shape.sizes, layer.params, layer.buffers, layer.macs)


def pytorch_figures(output: Any, parts: Sequence[Any], macs: int) -> Figures:
    """What PyTorch says; the count of batches that it keeps beside a batch norm's statistics is no statistic."""
    params = sum(parameter.numel() for part in parts for parameter in part.parameters())
    buffers = sum(
        buffer.numel() for part in parts for name, buffer in part.named_buffers() if name.endswith(STATISTICS)
    )
    return Figures(tuple(output.shape[1:]), params, buffers, macs)
