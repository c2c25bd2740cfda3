"""Makes a `Graph` of a `Program`: merges operators that are one layer, then turns the operators into layers.

Every importer of operators ends here, so that the same operators become the same layers in every format.
"""

from collections.abc import Callable, Iterable

from convcalc.convert.builder import Builder
from convcalc.convert.dtypes import DataTypes
from convcalc.convert.fusions import merge_patterns
from convcalc.convert.graph import Graph, NotImported, use_pointwise_kind
from convcalc.convert.layer_data import channels_last
from convcalc.convert.learnt import is_uniform
from convcalc.convert.loading_check import make_loadable
from convcalc.convert.lowering import LOWERINGS
from convcalc.convert.naming import LayerNames
from convcalc.convert.operators import Operation, Program, Sizes, UnsupportedOperation
from convcalc.convert.tensor_types import count_data_types
from convcalc.network import MOST_LAYERS
from convcalc.problems import shorten


def build_graph(
    program: Program,
    title: str,
    origin: str,
    make_names: Callable[[Iterable[str]], LayerNames],
    types: DataTypes | None = None,
) -> Graph:
    """Return the graph of a program, with this title and origin.

    `types` are the data types of the network, counted from its tensors by default.
    `make_names` takes the names of the operations that remain after merging and returns the `LayerNames` to use.

    Raises NotImported if an input is not a batch of samples, no output depends on an input, there are too many layers,
    or the graph cannot be written as a spec.
    """
    operations = merge_patterns(program)
    builder = Builder(program, make_names(operation.name for operation in operations), LOWERINGS)
    try:
        for name in program.inputs:
            builder.add_input(name, _find_axis_order(program, operations, name))
        shapes = {name: builder.data[name].shape.sizes for name in program.inputs}
        for operation in operations:
            builder.run(operation)
        outputs = _list_output_steps(builder, program)
    except UnsupportedOperation as error:
        raise NotImported(str(error)) from None
    if len(builder.steps) > MOST_LAYERS:
        raise NotImported(f"more than {MOST_LAYERS:,} layers")
    builder.notes += _describe_merged_weights(builder)
    graph = Graph(title, origin, shapes, tuple(builder.steps), outputs, tuple(builder.notes))
    graph = graph._replace(remarks=tuple(builder.remarks))
    types = count_data_types(builder, operations) if types is None else types
    return make_loadable(use_pointwise_kind(types.apply_to(graph)))


def _describe_merged_weights(builder: Builder) -> list[str]:
    """Return a list with a note if layers share weights of one repeated value; otherwise an empty list.

    Exporters store equal tensors once. An untrained network then has fewer params in the file than in its layers.
    """
    roots = {owner.name: names for (_, names), owner in builder.weights.owners.items()}
    # convcalc itself writes weights as nodes that fill them with one value
    made = {name for operation in builder.program.operations for name in operation.outputs}
    sharing = [
        step
        for step in builder.steps
        if step.share is not None
        and all(name not in made and is_uniform(builder.program, name) for name in roots.get(step.share, ("",)))
    ]
    if not sharing:
        return []
    lost = sum(sum(builder.program.weights[root] for root in roots[str(step.share)]) for step in sharing)
    layers = f"{len(sharing)} layer{'s share' if len(sharing) > 1 else ' shares'} weights"
    why = "an exporter stores equal weights of an untrained network once"
    return [f"{layers} that all have one value, such as {shorten(str(sharing[0].share))}: {why}, {lost:,} params fewer"]


def _find_axis_order(program: Program, operations: Iterable[Operation], name: str) -> Sizes:
    """Return one number per axis of an input: 0 for the batch, 1 for the channels, 2 or more for a spatial axis.

    The channels are last if every operation that reads the input is a Transpose that moves the input's last axis to the
    place directly behind the batch. Otherwise they are first.
    """
    rank = len(program.inputs[name])
    to_front = (0, rank - 1, *range(1, rank - 1))
    readers = [operation for operation in operations if name in (*operation.inputs, *operation.captured)]
    if (
        rank > 2
        and not program.exact  # PyTorch's users give the shape that their module takes
        and readers
        and all(
            reader.operator == "Transpose" and tuple(reader.attributes.get("perm", ())) == to_front
            for reader in readers
        )
    ):
        return channels_last(rank)
    return tuple(range(rank))


def _list_output_steps(builder: Builder, program: Program) -> tuple[str, ...]:
    """Return the steps that produce the outputs. An output that is also an input gets an identity step."""
    steps: dict[str, None] = {}
    for name in program.outputs:
        if name not in builder.data:
            continue
        if builder.data[name].divided:
            builder.arrange(name)
        data = builder.data[name]
        if data.step in program.inputs:
            identity = Operation(name, "Identity", {}, (), ())
            data = builder.make(identity, "identity", {}, [data])
        steps[data.step] = None
    if not steps:
        raise UnsupportedOperation("no output depends on an input")
    return tuple(steps)
