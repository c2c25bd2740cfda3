"""Imports archives of torch.export (`.pt2`) as networks, without PyTorch and without unpickling anything.

The graph in the archive has the operations of a module, as `pytorch.tracing` records them, and is translated in the
same way: `torch.ops.aten.conv2d.default` becomes a Conv and then a `conv`.
"""

import os
from collections.abc import Mapping
from math import prod

from convcalc.convert.dtypes import FLOAT32, DataTypes
from convcalc.convert.exported_program.archive import read_archive
from convcalc.convert.exported_program.nodes import NodeGraph, describe_sizes, list_leaves
from convcalc.convert.from_operators import build_graph
from convcalc.convert.graph import Follow, Graph, NotImported, Shapes, check_number_of_sizes
from convcalc.convert.operator_costs import count_operation
from convcalc.convert.operators import Program
from convcalc.convert.pytorch.fidelity import list_unused
from convcalc.convert.pytorch.joining import join_padding
from convcalc.convert.pytorch.layerwise import STATISTICS
from convcalc.convert.pytorch.module_names import ModuleNames
from convcalc.convert.pytorch.tracing import TracedConstant, TracedModule, TracedWeight
from convcalc.convert.pytorch.translating import translate_trace
from convcalc.problems import printable, shorten
from convcalc.units import BITS, is_integer_type

# raised by Python if a value in the file has a type that PyTorch never writes
_WRONG_SORT = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


def read(path: str, inputs: Shapes | None = None, follow: Follow | None = None) -> Graph:
    """Return the network of an archive of torch.export.

    The shapes are those with which the module was exported; an open size is the one that the example input had.
    `inputs` must be empty or have these shapes. `follow` is not used, because the graph is read as a whole.

    Raises OSError if the file cannot be read; NotImported if it is not an archive of torch.export, is malformed,
    exceeds a limit, or if other shapes are wanted.
    """
    archive = read_archive(path)
    try:
        graph = NodeGraph(archive.program["graph_module"])
        trace = _make_trace(graph, archive.weight_files)
        _check_shapes(graph, inputs or {})
        translation = translate_trace(trace)
    except _WRONG_SORT as error:
        raise NotImported(f"malformed graph of torch.export: {shorten(f'{type(error).__name__}: {error}')}") from None
    program = translation.program._replace(macs=_count_preparation(translation.program, trace.batch))
    names = ModuleNames(translation.places)
    title = os.path.splitext(os.path.basename(path))[0]
    left = sum(trace.elements.get(name, 0) for name in list_unused(trace))
    version = archive.program.get("torch_version")
    written = f", written by PyTorch {printable(version)}" if isinstance(version, str) else ""
    origin = f"{os.path.basename(path)} (torch.export{written})"
    origin += f" without the {left:,} params that its forward does not use" if left else ""
    return join_padding(build_graph(program, title, origin, lambda _: names, _collect_types(graph)))


def _make_trace(graph: NodeGraph, weight_files: Mapping[str, str]) -> TracedModule:
    """Return the nodes of a graph and the facts about its weights; those stored in one file are the same weight."""
    placeholders: dict[str, TracedWeight | TracedConstant] = {name: TracedConstant() for name in graph.others}
    first: dict[str, str] = {}
    elements, statistics, frozen = {}, {}, set()
    for node in graph.nodes:
        if node.op != "placeholder":
            continue
        name = graph.parameters.get(node.name) or graph.buffers.get(node.name)
        if name is None:
            continue
        sizes = describe_sizes(node)
        root = first.setdefault(weight_files.get(name, name), name)
        if node.name in graph.parameters:
            placeholders[node.name] = TracedWeight((root,), sizes)
            elements[root] = prod(sizes)
            if not graph.trained[node.name]:
                frozen.add(root)
        elif name.rpartition(".")[2] in STATISTICS:
            placeholders[node.name] = TracedConstant((root,))
            statistics[root] = prod(sizes)
        else:
            placeholders[node.name] = TracedConstant()
    batch = _find_batch(graph)
    leaves = list_leaves(graph)
    return TracedModule(
        tuple(graph.nodes), placeholders, elements, frozenset(frozen), statistics, {}, leaves, None, batch
    )


def _count_preparation(program: Program, batch: int) -> dict[str, int]:
    """Return the MACs of the operations on weights alone, which run once per batch, by the name of the operation.

    An operation that repeats its work for every sample is counted for one sample.
    """
    found = {}
    for operation in program.operations:
        tensors = [
            [program.values[name].dims if name else None for name in names]
            for names in (operation.inputs, operation.outputs)
        ]
        if all(program.values[name].constant for name in operation.outputs if name):
            cost = count_operation(operation.operator, operation.attributes, *tensors)
            first = (tensors[1][0] or (0,))[0]
            repeated = first > 0 and first % batch == 0
            if cost is not None and cost.macs:
                found[operation.name] = cost.macs // batch if repeated else cost.macs
    return found


def _find_batch(graph: NodeGraph) -> int:
    """Return the number of samples in the inputs: the first size of the first input that is not a number."""
    sizes = [describe_sizes(node) for node in graph.list_inputs()]
    return next((dims[0] for dims in sizes if len(dims) > 1 and dims[0]), 1)


def _check_shapes(graph: NodeGraph, shapes: Shapes) -> None:
    """Raise NotImported if the user gave shapes other than those with which the module was exported."""
    own = {node.name: describe_sizes(node)[1:] for node in graph.list_inputs()}
    for name, given in shapes.items():
        known = [own[name]] if name in own else list(own.values()) if name is None and len(own) == 1 else []
        for sizes in known:
            check_number_of_sizes(name, given, sizes)
        if tuple(given) not in known:
            listed = " and ".join(f"{shorten(key)}={','.join(map(str, sizes))}" for key, sizes in own.items())
            raise NotImported(f"the shapes in an archive of torch.export cannot be changed; its inputs are {listed}")


def _collect_types(graph: NodeGraph) -> DataTypes:
    """Return the data types of the learnt tensors; the most common one is also used for the activations."""
    types = DataTypes()
    for node in graph.nodes:
        if node.name in graph.parameters:
            value = node.meta["val"]
            types.add("weights", value.dtype if value.dtype in BITS else None, prod(describe_sizes(node)))
    computed = types.dtype().get("weights", FLOAT32)
    types.add("activations", FLOAT32 if is_integer_type(computed) else computed, 1)
    return types
