"""Merges operators that together are a layer norm or a group norm, and learnt scales and biases after a norm."""

from typing import Any

from convcalc.convert import activation_values, norm_values
from convcalc.convert.fusions.merger import PatternMerger, is_channel_vector, split_data_and_constant
from convcalc.convert.learnt import is_varied
from convcalc.convert.operators import Operation


def merge_affine_batch_norm(merger: PatternMerger, place: int, operation: Operation) -> bool:
    """Merge a Mul and an Add by one value per channel into the batch norm before them, as its scale and bias.

    Caffe writes a batch norm as BatchNorm and Scale, so models converted from Caffe have these nodes.
    """
    if merger.program.exact:  # they are learnt in addition to those of the norm
        return False
    shifted = split_data_and_constant(merger, operation)
    factor = None if shifted is None else merger.find_producer_with_one_reader(shifted[0], "Mul")
    scaled = None if factor is None else split_data_and_constant(merger, factor[1])
    norm = None if scaled is None else merger.find_producer_with_one_reader(scaled[0], "BatchNormalization")
    if shifted is None or factor is None or scaled is None or norm is None:
        return False
    if not all(is_channel_vector(merger, constant, norm[1].outputs[0], 1) for constant in (shifted[1], scaled[1])):
        return False
    if any(is_varied(merger.program, name) for name in norm[1].inputs[1:3]):
        return False
    return merger.replace(place, norm[1]._replace(outputs=operation.outputs), norm[0], factor[0])


def merge_affine_norm(merger: PatternMerger, place: int, operation: Operation) -> bool:
    """Merge a Mul into the norm before it as its learnt scale, or an Add as its learnt bias.

    Only norms that this module merged from several nodes are considered; their attribute `merged` is set.
    """
    pair = split_data_and_constant(merger, operation)
    made = (
        None
        if pair is None
        else merger.find_producer_with_one_reader(pair[0], "LayerNormalization", "GroupNormalization")
    )
    if pair is None or made is None or not made[1].attributes.get("merged") or not merger.is_weight(pair[1]):
        return False
    at, norm = made
    if len(norm.inputs) != (1 if operation.operator == "Mul" else 2):
        return False
    if norm.operator == "GroupNormalization":
        fits = is_channel_vector(merger, pair[1], pair[0], 1)
    else:
        sizes = merger.dims(pair[0])
        fits = merger.dims(pair[1]) == sizes[norm.attributes["axis"] % len(sizes) :]
    inputs = (*norm.inputs, pair[1])
    return fits and merger.replace(place, norm._replace(inputs=inputs, outputs=operation.outputs), at)


def merge_layer_norm(merger: PatternMerger, place: int, operation: Operation) -> bool:
    """Merge operators that compute (x - mean) / sqrt(variance + epsilon), however written, into a LayerNormalization.

    The last operator is a division, or a product with a reciprocal.
    """
    made = [merger.find_producer(name) for name in operation.inputs]
    centred = [maker[1] for maker in made if maker is not None and maker[1].operator == "Sub"]
    if len(made) != 2 or len(centred) != 1:
        return False
    source = centred[0].inputs[0]
    inside = _find_operations_between(merger, operation.outputs[0], source)
    found = sorted(inside or ())
    means = [other for at in found if (other := merger.operations[at]) is not None and other.operator == "ReduceMean"]
    axes = {_find_first_averaged_axis(merger, mean) for mean in means}
    axis = axes.pop() if len(axes) == 1 else None
    if (
        inside is None
        or axis is None
        or not norm_values.is_norm(merger.program, merger.operations, found, source, axis)
    ):
        return False
    if not merger.has_no_outside_readers(inside, place):
        return False
    attributes = {"axis": axis, "merged": True}
    norm = operation._replace(operator="LayerNormalization", attributes=attributes, inputs=(source,))
    return merger.replace(place, norm, *(inside - {place}))


def _find_operations_between(merger: PatternMerger, name: str, source: str) -> set[int] | None:
    """Return the positions of the operations that compute the tensor `name` from the tensor `source` and constants.

    None if there are more than MOST_CHAIN operations, or if `name` also depends on a network input other than through
    `source`.
    """
    inside: set[int] = set()
    pending = [name]
    while pending:
        current = pending.pop()
        maker = merger.find_producer(current)
        if current == source or merger.is_constant(current):
            continue
        if maker is None or len(inside) > activation_values.MOST_CHAIN:
            return None
        if maker[0] not in inside:
            inside.add(maker[0])
            pending += [other for other in maker[1].inputs if other]
    return inside


def _find_first_averaged_axis(merger: PatternMerger, mean: Operation) -> int | None:
    """Return the first axis that a ReduceMean averages.

    None unless it averages the last axes of its input and keeps them with size 1.
    """
    rank = len(merger.dims(mean.inputs[0]))
    axes: Any = mean.attributes.get("axes")
    if axes is None and len(mean.inputs) > 1:
        contents = merger.values[mean.inputs[1]].contents
        axes = None if contents is None else contents.ravel()
    if axes is None or not mean.attributes.get("keepdims", 1):
        return None
    places = sorted(int(axis) % rank for axis in axes)
    return places[0] if places == list(range(rank - len(places), rank)) else None


def merge_group_norm(merger: PatternMerger, place: int, operation: Operation) -> bool:
    """Merge a Reshape to groups, a norm of each group without learnt weights, and a Reshape back into a group norm."""
    norm = merger.find_producer_with_one_reader(operation.inputs[0], "InstanceNormalization", "LayerNormalization")
    before = None if norm is None else merger.find_producer_with_one_reader(norm[1].inputs[0], "Reshape")
    if norm is None or before is None:
        return False
    source = before[1].inputs[0]
    groups = merger.dims(norm[1].inputs[0])
    same = merger.dims(source) == merger.dims(operation.outputs[0])
    if norm[1].operator == "LayerNormalization":
        plain = len(norm[1].inputs) == 1 and norm[1].attributes.get("axis") == 2
    else:
        filled = merger.is_filled_with(norm[1].inputs[1], 1) and merger.is_filled_with(norm[1].inputs[2], 0)
        plain = filled and len(groups) == 3
    if not same or not plain or groups[0] != merger.dims(source)[0]:
        return False
    merged = operation._replace(
        operator="GroupNormalization", attributes={"num_groups": groups[1], "merged": True}, inputs=(source,)
    )
    return merger.replace(place, merged, norm[0], before[0])
