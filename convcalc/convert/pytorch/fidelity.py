"""Checks that an imported network has the same shapes, params and MACs as the PyTorch module.

The builder compares each layer with its operation: output shape, params, running statistics and MACs. Here, the whole
network is compared with the unaltered module, which is run again on the meta device. In both comparisons, convcalc's
layer kinds count one side and PyTorch the other.
"""

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

from convcalc.convert.graph import Graph, NotImported, Step, plain_spec
from convcalc.convert.pytorch.copying import copy_module
from convcalc.convert.pytorch.inputs import ModuleInputs
from convcalc.convert.pytorch.joining import AFTER
from convcalc.convert.pytorch.measure_module import run_anyhow
from convcalc.convert.pytorch.names import first_free_name
from convcalc.convert.pytorch.nodes import list_sources, output_sizes
from convcalc.convert.pytorch.tracing import TracedConstant, TracedModule, statistic_sizes
from convcalc.layers.make import make_written_layer
from convcalc.network import Network
from convcalc.problems import InvalidSpec
from convcalc.shape import Shape
from convcalc.spec.document import Document
from convcalc.spec.reader import read_network

_REMAINDER = "unaccounted"


class _ModuleTotals(NamedTuple):
    """The totals of a whole module, as PyTorch counts them.

    `trained`, `frozen` and `statistics` map the names of trained params, frozen params and running statistics to their
    numbers of elements. `outputs` are the output sizes, with `batch` samples. `flops` is None if the module does not
    run on the meta device; `refusal` then says why.
    """

    trained: Mapping[str, int]
    frozen: Mapping[str, int]
    statistics: Mapping[str, int]
    flops: int | None
    outputs: tuple[tuple[int, ...], ...]
    batch: int
    refusal: str = ""


def measure_totals(module: Any, inputs: ModuleInputs) -> _ModuleTotals:
    """Return the totals of an unaltered module, run with these inputs."""
    module = copy_module(module, inputs.device)
    learnt = dict(module.named_parameters())
    trained = {name: value.numel() for name, value in learnt.items() if value.requires_grad}
    frozen = {name: value.numel() for name, value in learnt.items() if not value.requires_grad}
    statistics = statistic_sizes(module)
    try:
        flops, outputs = run_anyhow(module, inputs)
    except NotImported as error:
        return _ModuleTotals(trained, frozen, statistics, None, (), inputs.batch, str(error))
    return _ModuleTotals(trained, frozen, statistics, flops, outputs, inputs.batch)


class TraceFacts(NamedTuple):
    """Facts about a trace, other than its layers, for the comparison with the whole module.

    - `unused`: the names of the learnt tensors and running statistics that the forward never uses
    - `correction`: the number to add to PyTorch's MACs per sample, from `translating.Translation`
    - `outputs`: the output sizes of the trace, including the batch
    - `shapes`: the output shape of each layer by name, before `join_padding` removes padding and cropping layers
    """

    unused: set[str]
    correction: Fraction
    outputs: tuple[tuple[int, ...], ...]
    shapes: Mapping[str, tuple[int, ...]]


def list_unused(trace: TracedModule) -> set[str]:
    """Return the names of the learnt tensors and running statistics that the forward never uses.

    A tensor that no operation reads is unused. But if the trace has a constant of the same sizes, this constant may be
    the tensor, so the tensor counts as used.
    """
    nodes = [node for node in trace.nodes if node.op == "placeholder"]
    constants = {
        output_sizes(node) for node in nodes if node.users and trace.placeholders.get(node.name) == TracedConstant()
    }
    unread = [node for node in nodes if not node.users and output_sizes(node) not in constants]
    read = {name for node in nodes if node.users for name in list_sources(trace.placeholders.get(node.name))}
    return {name for node in unread for name in list_sources(trace.placeholders.get(node.name))} - read


def list_shapes(graph: Graph) -> dict[str, tuple[int, ...]]:
    """Return the output shape of each step of a graph, by the name of the step."""
    shapes = {name: Shape(sizes[0], tuple(sizes[1:])) for name, sizes in graph.inputs.items()}
    for step in graph.steps:
        shapes[step.name] = make_written_layer(
            step.kind, step.arguments, tuple(shapes[name] for name in step.reads)
        ).output
    return {step.name: shapes[step.name].sizes for step in graph.steps}


def account_for(graph: Graph, whole: _ModuleTotals, read: TraceFacts) -> Graph:
    """Return the graph, with an opaque layer and a note added if its totals differ from those of the whole module.

    The note lists the differences. The opaque layer has the params and running statistics that the graph lacks. Raises
    NotImported if the graph is not a valid network.
    """
    try:
        network = read_network(Document(plain_spec(graph)))
    except InvalidSpec as error:
        raise NotImported(f"its layers do not form a valid network: {error.problems[0].message}") from None
    params, trained, statistics, macs = _sum_layers(network)
    used = {key: count for key, count in {**whole.trained, **whole.frozen}.items() if key not in read.unused}
    used_trained = sum(count for key, count in used.items() if key in whole.trained)
    used_statistics = sum(count for key, count in whole.statistics.items() if key not in read.unused)
    rows: list[tuple[str, int, float]] = [
        ("params", params, sum(used.values())),
        ("trainable params", trained, used_trained),
        ("running statistics", statistics, used_statistics),
    ]
    if all(node.layer.count_macs() is not None for node in network.nodes) and whole.flops is not None:
        rows.append(("MACs", macs, float(Fraction(whole.flops, 2 * whole.batch) + read.correction)))
    differences = [f"{ours:,} {name} here, {theirs:,.12g} in PyTorch" for name, ours, theirs in rows if ours != theirs]
    differences += [whole.refusal] if whole.flops is None else _describe_output_differences(whole, read)
    differences += _describe_shape_differences(graph, network, read)
    if not differences:
        return graph
    return _add_missing_params(
        graph, ", ".join(differences), *(max(0, int(theirs - ours)) for _, ours, theirs in (rows[0], rows[2]))
    )


def _sum_layers(network: Network) -> tuple[int, int, int, int]:
    """Return the network's params, trained params, running statistics, and MACs per sample.

    Layers whose MACs are unknown count as 0 MACs.
    """
    own = [node for node in network.nodes if node.owner is None]
    params = {node.name: sum(node.layer.weight_tensors()) + sum(node.layer.bias_tensors()) for node in own}
    trained = sum(params[node.name] for node in own if not node.frozen)
    statistics = sum(sum(node.layer.buffer_tensors()) for node in own)
    return sum(params.values()), trained, statistics, sum(node.layer.count_macs() or 0 for node in network.nodes)


def _describe_shape_differences(graph: Graph, network: Network, read: TraceFacts) -> Iterator[str]:
    """Yield a description of each layer whose output shape differs from its shape in the trace.

    If `join_padding` turned a crop into the padding of a layer, the layer is compared with the crop's shape in the
    trace.
    """
    steps = {step.name for step in graph.steps}
    for step, node in zip(graph.steps, network.nodes, strict=True):
        cut = step.name + AFTER
        traced = read.shapes[cut] if cut in read.shapes and cut not in steps else read.shapes[step.name]
        if node.layer.output.sizes != traced:
            yield f"{step.name} {node.layer.output} here, {Shape(traced[0], traced[1:])} in PyTorch"


def _describe_output_differences(whole: _ModuleTotals, read: TraceFacts) -> Iterator[str]:
    if read.outputs != whole.outputs:
        yield f"outputs {_format_sizes(read.outputs)} here, {_format_sizes(whole.outputs)} in PyTorch"


def _format_sizes(outputs: Iterable[tuple[int, ...]]) -> str:
    """Return the sizes of outputs as text, such as `11×16×8×8 and 11×10`. The first size is the batch."""
    return " and ".join("×".join(map(str, sizes)) or "a number" for sizes in outputs) or "no tensor"


def _add_missing_params(graph: Graph, what: str, params: int, buffers: int) -> Graph:
    """Add a note and an opaque layer with `params` params and `buffers` running statistics.

    `what` is the text of the note and the value of the layer's argument `what`.
    """
    name = first_free_name(_REMAINDER, {*graph.inputs, *(step.name for step in graph.steps)})
    arguments: dict[str, Any] = {"output_shape": [1], "params": params, "what": what}
    if buffers:
        arguments["buffers"] = buffers
    step = Step(name, "opaque", arguments, tuple(graph.inputs)[:1])
    return graph._replace(steps=(*graph.steps, step), notes=(*graph.notes, f"{name}: {what}"))
