"""Runs a network in PyTorch layer by layer, and compares each layer's output shape, params and MACs with convcalc's.

Modules are created by looking up their classes in torch.nn; no generated code is executed. They run on the meta device,
where tensors have shapes but no values, so nothing is computed and no memory is used.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from convcalc.analysis.report import Report, analyse
from convcalc.convert.comparison import ComparedLayer, MeasuredFigures, Verification, measure_layer
from convcalc.convert.graph import NotImported
from convcalc.convert.pytorch.makers import MERGES, is_known, make_modules
from convcalc.convert.pytorch.module_builder import build_module
from convcalc.network import Network, Node

_REFUSALS = (RuntimeError, ValueError, TypeError, ZeroDivisionError, OverflowError)
STATISTICS = ("running_mean", "running_var")


class MissingTorch(NotImported):
    """PyTorch is not installed."""


def check_installed() -> None:
    """Raise MissingTorch, with the command that installs PyTorch, if PyTorch is not installed."""
    from importlib.util import find_spec

    if find_spec("torch") is None:
        raise MissingTorch("this needs PyTorch: pip install 'convcalc[torch]'")


def verify_network(network: Network) -> Verification:
    """Compare every layer of a network with its PyTorch module, and return the results.

    Raises MissingTorch if PyTorch is not installed; NotImported if a tensor is too large for PyTorch.
    """
    check_installed()
    report = analyse(network)
    return Verification(report, tuple(_compare_layers(network, report)))


def _compare_layers(network: Network, report: Report) -> Iterator[ComparedLayer]:
    """Yield the output shape, params and MACs of each layer, from convcalc and from PyTorch.

    A layer reads the outputs that PyTorch computed for earlier layers. If such an output is missing or its shape
    differs from convcalc's, a tensor of convcalc's shape replaces it, so that one difference does not cause others.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        tensors = [_make_blank_tensor((network.batch, *shape.sizes)) for shape in network.inputs.values()]
        modules: list[Sequence[Any]] = []
        for node, layer in zip(network.nodes, report.layers, strict=True):
            sizes = (network.batch, *layer.output_shape.sizes)
            found = ComparedLayer(node.name, node.layer.kind, measure_layer(layer), None, known=is_known(node))
            before, output = counter.get_total_flops(), None
            parts: Sequence[Any] = ()
            try:
                if found.known:
                    parts = _build_modules(node) if node.owner is None else modules[node.owner]
                    output = _run_node(node, parts, [tensors[tensor] for tensor in node.reads])
                    macs = (
                        counter.get_total_flops() - before
                    ) // 2  # PyTorch counts multiplications and additions separately
                    found = found._replace(theirs=_measure_output(output, parts if node.owner is None else (), macs))
            except _REFUSALS as error:
                found = found._replace(refusal=" ".join(str(error).split())[:300])
            modules.append(parts)
            tensors.append(output if output is not None and output.shape == sizes else _make_blank_tensor(sizes))
            yield found


def _make_blank_tensor(sizes: tuple[int, ...]) -> Any:
    """Return an uninitialised tensor on the current device. Raises NotImported if it is too large for PyTorch."""
    import torch

    try:
        return torch.empty(sizes)
    except RuntimeError:
        shape = "×".join(map(str, sizes))
        raise NotImported(f"a tensor of {shape} is too large for PyTorch, whose limit is 2**63 bytes") from None


def _build_modules(node: Node) -> tuple[Any, ...]:
    """Return the modules of a layer in the order in which they run; empty for a merge, which needs none."""
    if node.layer.kind in MERGES:
        return ()
    parts = make_modules(node)
    return tuple(build_module(call).eval() for call in (parts.before, parts.module, parts.after) if call is not None)


def _run_node(node: Node, parts: Sequence[Any], reads: list[Any]) -> Any:
    import operator
    from functools import reduce

    import torch

    if node.layer.kind == "concat":
        sizes = max(len(value) for value in reads)
        expanded = [value.expand(sizes, *value.shape[1:]) for value in reads]  # a learnt tensor has no batch
        return torch.cat(expanded, dim=getattr(node.layer, "place", 0) + 1)
    if node.layer.kind in MERGES:
        return reduce(operator.add if node.layer.kind == "add" else operator.mul, reads)
    first, *others = parts
    return reduce(lambda value, part: part(value), others, first(*reads))


def _measure_output(output: Any, parts: Sequence[Any], macs: int) -> MeasuredFigures:
    """Return the output shape, params, running statistics and MACs of a layer in PyTorch.

    The `num_batches_tracked` of a batch norm is left out, because it is not a running statistic.
    """
    params = sum(parameter.numel() for part in parts for parameter in part.parameters())
    named = (pair for part in parts for pair in part.named_buffers())
    buffers = sum(buffer.numel() for name, buffer in named if name.endswith(STATISTICS))
    return MeasuredFigures(tuple(output.shape[1:]), params, buffers, macs)
