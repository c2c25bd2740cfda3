"""Converts operators over sequences to layers: embedding, LSTM, GRU and attention.

Each `convert_…` function is a rule: it adds the layers of an operation to the builder, or raises UnsupportedOperation.
"""

from collections.abc import Sequence
from typing import Any

from convcalc.convert.builder import Builder
from convcalc.convert.layer_data import Data, make_unordered, view_data
from convcalc.convert.learnt import is_learnt, is_varied
from convcalc.convert.lowering.windows import collapse_axes
from convcalc.convert.operators import Operation, UnsupportedOperation
from convcalc.convert.views import FEATURES, Parts, View, compose_views, count_parts, view_whole


def convert_embedding(builder: Builder, operation: Operation) -> None:
    """Convert a Gather of rows of a learnt table to an embedding. The input may be a vector of integers."""
    table = builder.value(operation.inputs[0])
    sizes = builder.program.find_constant(operation, 0, "rows").dims
    if len(sizes) != 2 or operation.attributes.get("axis", 0) % 2 or not is_learnt(builder.program, table.roots):
        raise UnsupportedOperation("it does not take rows of a learnt table")
    data = builder.read_view(operation.inputs[1])
    if data.shape.channels != 1:
        data = builder.read(operation.inputs[1])
        split = builder.make_beside(operation, "reshape", {"shape": [1, *data.shape.sizes]}, [data])
        whole = view_whole((builder.batch, *split.shape.sizes))
        data = Data(split.step, split.shape, (), (whole[0], *whole[2:]))
    arguments = {"num_embeddings": sizes[0], "embedding_dim": sizes[1]}
    made = builder.make(operation, "embedding", arguments, [data], builder.program.find_roots(operation, 0))
    channels = view_whole((builder.batch, *made.shape.sizes))[1]
    view = (*data.make_view(builder.batch), channels)
    builder.alias(operation, view_data(made.step, made.shape, view, builder.batch))


# -- recurrent layers


def convert_torch_recurrent(builder: Builder, operation: Operation) -> None:
    """Convert PyTorch's lstm or gru over a sequence to a layer of the same kind."""
    kind = operation.operator.removeprefix("aten.")
    attributes = operation.attributes
    first, _ = attributes["matrices"][0]
    hidden = first // _GATES[kind]
    states = 2 if kind == "lstm" else 1
    per_layer = len(attributes["matrices"]) // (attributes["layers"] * (1 + attributes["bidirectional"]))
    if per_layer != 2:
        raise UnsupportedOperation("it projects its state to another size, which no layer kind does")
    _check_states(builder, operation, range(1, 1 + states))
    arguments = _recurrent_arguments(
        hidden, attributes["layers"], attributes["biased"], bool(attributes["bidirectional"])
    )
    roots = builder.program.find_roots(operation, *range(1 + states, len(operation.inputs)))
    data = _read_sequence(builder, operation)
    made = builder.add(operation, kind, arguments, [data], roots, like=data)
    plain = attributes["layers"] == 1 and not attributes["bidirectional"]
    if _runs_over_batch(builder, operation, 1 if attributes["batch_first"] else 0):
        found = "it reads the first axis of its input, the batch, as the length of the sequence"
        builder.remarks.append(f"{made.step}: {found}; with batch_first=True it would read the second axis")
        plain = False
    _add_last_states(builder, operation, made, plain)


_GATES = {"lstm": 4, "gru": 3}


def convert_recurrent(builder: Builder, operation: Operation) -> None:
    """Convert ONNX's LSTM or GRU to a layer of the same kind.

    Source: onnx.ai/onnx/operators. The output has an axis for the directions.
    """
    kind = operation.operator.lower()
    attributes = operation.attributes
    if attributes.get("activations") or "clip" in attributes or attributes.get("input_forget"):
        raise UnsupportedOperation("it has unusual activations, clips its state or couples its gates")
    states = (5, 6) if kind == "lstm" else (5,)
    _check_states(builder, operation, states)
    if any(_has_input(operation, place) for place in (4, 7)):
        raise UnsupportedOperation("it has peepholes, or reads the lengths of its sequences")
    directions, rows, _ = builder.program.find_constant(operation, 1, "weights").dims
    hidden = rows // _GATES[kind]
    arguments = _recurrent_arguments(hidden, 1, _has_input(operation, 3), directions == 2)
    layout = attributes.get("layout", 0)
    data = _read_sequence(builder, operation)
    roots = builder.program.find_roots(operation, 1, 2, 3)
    made = builder.make(operation, kind, arguments, [data], roots).place_like(data)
    if operation.outputs[0]:
        view = _view_directions(made, directions, layout, builder.batch)
        builder.alias(operation, view_data(made.step, made.shape, view, builder.batch))
    _add_last_states(builder, operation, made, directions == 1)


def _view_directions(data: Data, directions: int, layout: int, batch: int) -> View:
    """Return the view of the output of ONNX's recurrent operators: the directions are an axis before the features.

    The order of the axes is length, directions, batch, features, or batch, length, directions, features.
    """
    one, other, features = data.make_view(batch)
    [part] = features or view_whole((0, 1, 2))[2]
    channels = view_whole((batch, directions, part.size // directions))
    split = data.shape.channels // directions
    first = tuple(each._replace(axis=1, stride=split) for each in channels[1])
    second = tuple(each._replace(axis=1) for each in channels[2])
    return (one, first, other, second) if layout == 0 else (one, other, first, second)


def _recurrent_arguments(hidden: int, layers: int, biased: bool, bidirectional: bool) -> dict[str, Any]:
    return {
        "hidden_size": hidden,
        **({"num_layers": layers} if layers > 1 else {}),
        **({} if biased else {"bias": False}),
        **({"bidirectional": True} if bidirectional else {}),
    }


def _has_input(operation: Operation, place: int) -> bool:
    return place < len(operation.inputs) and bool(operation.inputs[place])


def _check_states(builder: Builder, operation: Operation, places: Any) -> None:
    """Raise UnsupportedOperation if a start state is learnt or computed."""
    for place in places:
        name = operation.inputs[place] if _has_input(operation, place) else ""
        if name and (not builder.value(name).constant or _is_learnt_state(builder, name)):
            raise UnsupportedOperation("its start state is learnt or computed")


def _is_learnt_state(builder: Builder, name: str) -> bool:
    exact = builder.program.exact
    return is_learnt(builder.program, builder.value(name).roots) if exact else is_varied(builder.program, name)


def _read_sequence(builder: Builder, operation: Operation) -> Data:
    """Return the input of a recurrent layer as data with the features last, and the other axes in any order."""
    data = builder.read_view(operation.inputs[0])
    if data.view is not None or data.order[-1] != 1:
        data = builder.read_ordered(operation.inputs[0], (0, 2, 1))
    return data


def _runs_over_batch(builder: Builder, operation: Operation, time: int) -> bool:
    """Whether a recurrent layer treats the batch as its sequence. `time` is the axis of its input that it runs over."""
    batch = view_whole((builder.batch,))[0]
    return bool(batch) and builder.data[operation.inputs[0]].make_view(builder.batch)[time] == batch


def _add_last_states(builder: Builder, operation: Operation, made: Data, simple: bool) -> None:
    """Add the last states of a recurrent layer that later operations read.

    The last state of one layer in one direction is the last position of its output. Other states are opaque, and cost
    nothing.
    """
    for place, name in enumerate(operation.outputs[1:], 1):
        if not name or name not in builder.read_names:
            continue
        dims = builder.value(name).dims
        if place == 1 and simple:
            last = builder.make_beside(operation, "slice", {"length": [-1]}, [made])
            whole = view_whole((builder.batch, *last.shape.sizes))
            builder.alias(operation, Data(last.step, last.shape, (), ((), whole[0], whole[1])), place)
        else:
            free = {"params": 0, "multiplications": 0, "additions": 0, "macs": 0}
            unordered = make_unordered(dims, builder.batch)
            builder.set_data(name, builder.add_opaque_step(operation, unordered, free, [made]))
            builder.note(builder.data[name].step, operation, "its last states are not at one position of its output")


# -- attention


def convert_attention(builder: Builder, operation: Operation) -> None:
    """Convert an attention, which `fusions` merged from several operators, to a layer of that kind.

    A constant that is added to the scores, such as a learnt bias per relative position, becomes an opaque layer.
    """
    given = operation.attributes
    data = _read_features(builder, operation.inputs[0], given["channels"])
    reads = [data]
    if operation.inputs[1]:
        reads.append(_read_features(builder, operation.inputs[1], None))
    arguments: dict[str, Any] = {"heads": given["heads"]}
    if given["key_dim"] * given["heads"] != data.shape.channels:
        arguments["key_dim"] = given["key_dim"]
    if given["value_dim"] != given["key_dim"]:
        arguments["value_dim"] = given["value_dim"]
    if given["out_channels"] != data.shape.channels:
        arguments["out_channels"] = given["out_channels"]
    whole = _is_batch(builder, data, given["groups"]) and _is_batch(builder, reads[-1], given["key_groups"])
    if not whole and len(reads) > 1:
        raise UnsupportedOperation("its windows attend to another tensor, which no layer kind does")
    region = {} if whole else _find_region(builder, data, given["positions"])
    arguments |= region
    arguments |= {} if given["biased"] else {"bias": False}
    unmasked = len(operation.inputs) - given["masks"]
    if given["masks"]:
        seen = count_parts(given["positions"]) if region else reads[-1].shape.positions
        reads[0] = _add_masks(builder, operation, operation.inputs[unmasked:], reads[0], seen)
    roots = builder.program.find_roots(operation, *range(2, unmasked))
    made = builder.make(operation, "attention", arguments, reads, roots)
    features = view_whole((builder.batch, *made.shape.sizes))[1]
    inner = dict(enumerate(data.make_view(builder.batch)))
    view = compose_views(given["layout"], {**inner, FEATURES: features})
    if view is None:
        raise UnsupportedOperation("its output has axes that its input does not have")
    builder.alias(operation, view_data(made.step, made.shape, view, builder.batch))


def _read_features(builder: Builder, name: str, axis: int | None) -> Data:
    """Return a tensor as data in which the channels are the axis `axis`, the last one by default."""
    rank = len(builder.value(name).dims)
    if axis is None or axis == rank - 1:
        return builder.read_channels_last(name)
    return builder.read(name)


def _is_batch(builder: Builder, data: Data, parts: Parts) -> bool:
    """Whether parts of the axes of a tensor are the batch and nothing else."""
    view = compose_views((parts,), data.make_view(builder.batch))
    return view is not None and view[0] == view_whole((builder.batch,))[0]


def _find_region(builder: Builder, data: Data, positions: Parts) -> dict[str, Any]:
    """Return the argument of an attention whose positions attend to those in their window or grid.

    Raises UnsupportedOperation if the positions that attend to each other are neither.
    """
    view = compose_views((positions,), data.make_view(builder.batch))
    parts = [] if view is None else list(view[0])
    by_axis = {part.axis: part for part in parts}
    sizes = dict(enumerate(data.shape.spatial, 2))
    if not parts or len(by_axis) < len(parts) or not by_axis.keys() <= sizes.keys():
        raise UnsupportedOperation("the positions that attend to each other are not a window")
    region = [by_axis[axis].size if axis in by_axis else 1 for axis in sizes]
    if all(part.stride == 1 for part in parts):
        return {"window": collapse_axes(region)}
    if all(part.stride * part.size == sizes[part.axis] for part in parts):
        return {"grid": collapse_axes(region)}
    raise UnsupportedOperation("the positions that attend to each other are neither a window nor a grid")


def _add_masks(builder: Builder, operation: Operation, names: Sequence[str], queries: Data, seen: int) -> Data:
    """Add an opaque step with the params and the additions of the constants that are added to the scores.

    `seen` is the number of keys of each query.
    """
    roots = {root for name in names for root in builder.value(name).roots}
    learnt = {root for root in roots if is_learnt(builder.program, [root])}
    counts = builder.weights.count_roots(learnt - builder.weights.counted)
    if 0 < counts.frozen < counts.params:
        raise UnsupportedOperation("only a part of the constant that is added to its scores is frozen")
    builder.weights.count(learnt)
    stated = {"params": counts.params, "multiplications": 0, "macs": 0}
    stated["additions"] = len(names) * operation.attributes["heads"] * queries.shape.positions * seen
    what = operation._replace(name=f"{operation.name}_bias", operator="bias added to the scores of an attention")
    made = builder.add_opaque_step(what, queries, stated, [queries], counts.frozen > 0, "same")
    builder.note(made.step, what, "it is not imported as part of the attention")
    return made
