"""Imports ONNX files as networks. Needs the extra `convcalc[onnx]`.

The values of weights are not read, so files with external weights can be imported without them.
"""

import os
from collections.abc import Iterable

from convcalc.convert.graph import Graph, NotImported, use_pointwise_kind
from convcalc.convert.loading_check import make_loadable
from convcalc.convert.onnx_graph.declared import Sizes
from convcalc.convert.onnx_graph.file import read_model
from convcalc.convert.onnx_graph.node_patterns import merge_patterns
from convcalc.convert.onnx_graph.onnx_readers import OPERATORS
from convcalc.convert.onnx_graph.program import Follow, Operation, Program, Shapes, read_program
from convcalc.convert.onnx_graph.step_builder import Builder, UnsupportedOperation
from convcalc.convert.onnx_graph.types import count_data_types
from convcalc.network import MOST_LAYERS


def read(path: str, inputs: Shapes | None = None, follow: Follow | None = None) -> Graph:
    """Return the network of an ONNX file.

    `inputs` maps the names of inputs to shapes that replace those in the file; the key None stands for the only input.
    The shapes have the file's order of axes, without the batch. `follow` wraps the iteration over nodes, for progress
    bars: it takes the nodes and their number, and yields the nodes.

    Raises OSError if the file cannot be read; NotImported if it is not an ONNX model, exceeds a limit, or its shapes
    cannot be inferred.
    """
    model = read_model(path)
    found = read_program(model, inputs or {}, follow)
    operations = merge_patterns(found)
    builder = Builder(found, operations)
    try:
        for name in found.inputs:
            builder.add_input(name, _find_axis_order(found, operations, name))
        for operation in operations:
            builder.run(operation, OPERATORS.get(operation.operator))
        outputs = _list_output_steps(builder, found)
    except UnsupportedOperation as error:
        raise NotImported(str(error)) from None
    if len(builder.steps) > MOST_LAYERS:
        raise NotImported(f"more than {MOST_LAYERS:,} layers")
    shapes = {name: builder.data[name].shape.sizes for name in found.inputs}
    title = os.path.splitext(os.path.basename(path))[0]
    written = f", written by {model.producer_name}" if model.producer_name else ""
    origin = f"{os.path.basename(path)} (ONNX{written})"
    graph = Graph(title, origin, shapes, tuple(builder.steps), outputs, tuple(builder.notes))
    return make_loadable(use_pointwise_kind(count_data_types(builder, operations).apply_to(graph)))


def _find_axis_order(found: Program, operations: Iterable[Operation], name: str) -> Sizes:
    """Return one number per axis of an input: 0 for the batch, 1 for the channels, 2 or more for a spatial axis.

    The channels are last if every operation that reads the input is a Transpose that moves the last axis directly
    behind the batch. Otherwise they are first.
    """
    rank = len(found.inputs[name])
    last = (0, *range(2, rank), 1)
    to_front = (0, rank - 1, *range(1, rank - 1))
    readers = [operation for operation in operations if name in (*operation.inputs, *operation.captured)]
    if (
        rank > 2
        and readers
        and all(
            reader.operator == "Transpose" and tuple(reader.attributes.get("perm", ())) == to_front
            for reader in readers
        )
    ):
        return last
    return tuple(range(rank))


def _list_output_steps(builder: Builder, found: Program) -> tuple[str, ...]:
    """Return the steps that produce the outputs. An output that is also an input gets an identity step."""
    steps: dict[str, None] = {}
    for name in found.outputs:
        data = builder.data.get(name)
        if data is None:
            continue
        if data.step in found.inputs:
            identity = Operation(name, "Identity", {}, (), (), 1)
            data = builder.make(identity, "identity", {}, [data])
        steps[data.step] = None
    if not steps:
        raise UnsupportedOperation("no output depends on an input")
    return tuple(steps)
