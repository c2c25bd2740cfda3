"""Networks from ONNX files. Needs the extra `convcalc[onnx]`; weights need not be there, and are not read."""

import os
from collections.abc import Iterable

from convcalc.convert.checking import loadable
from convcalc.convert.graph import Graph, NotImported, pointwise_beside_depthwise
from convcalc.convert.onnx_graph.building import Builder, UnsupportedOperation
from convcalc.convert.onnx_graph.declared import Sizes
from convcalc.convert.onnx_graph.file import read_model
from convcalc.convert.onnx_graph.operators import OPERATORS
from convcalc.convert.onnx_graph.patterns import merge_patterns
from convcalc.convert.onnx_graph.program import Follow, Operation, Program, Shapes, read_program
from convcalc.convert.onnx_graph.types import count_data_types
from convcalc.spec.making import MOST_LAYERS


def read(path: str, inputs: Shapes | None = None, follow: Follow | None = None) -> Graph:
    """The network of an ONNX file.

    `inputs` are the shapes of inputs by name (None: of the one input), as the file has them but without the batch; they
    take the place of what it says. `follow` is given the nodes and their number, and gives them on as they are read.
    Raises OSError where the file cannot be read, NotImported where it is no ONNX model, is over a limit, or its shapes
    cannot be known.
    """
    model = read_model(path)
    found = read_program(model, inputs or {}, follow)
    operations = merge_patterns(found)
    builder = Builder(found, operations)
    try:
        for name in found.inputs:
            builder.add_input(name, _find_input_order(found, operations, name))
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
    return loadable(pointwise_beside_depthwise(count_data_types(builder, operations).written_on(graph)))


def _find_input_order(found: Program, operations: Iterable[Operation], name: str) -> Sizes:
    """The order of an input's axes: channels last where all that read it bring the channels to the front."""
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
    """The steps whose results leave the network; an input that leaves it as it is has one of its own."""
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
