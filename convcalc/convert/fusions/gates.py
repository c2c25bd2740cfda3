"""Merges the operators of a gated linear unit, and those of a global response norm."""

from convcalc.convert.fusions.merger import PatternMerger, split_data_and_constant
from convcalc.convert.fusions.rearranging import read_slice
from convcalc.convert.operators import Operation


def merge_glu(merger: PatternMerger, place: int, operation: Operation) -> bool:
    """Merge the product of one half of a tensor and the sigmoid of its other half into a GLU.

    The GLU has the attributes `axis`, the axis that is halved, and `operations`, those that were merged.
    """
    if len(operation.inputs) != 2:
        return False
    gates = [merger.find_producer_with_one_reader(name, "Sigmoid") for name in operation.inputs]
    gate = gates[1] or gates[0]
    if gate is None:
        return False
    value = operation.inputs[0] if gates[1] else operation.inputs[1]
    halves = [_find_half(merger, name) for name in (value, gate[1].inputs[0])]
    first, second = halves
    if first is None or second is None or first[:2] != second[:2] or (first[2], second[2]) != (0, 1):
        return False
    inside = {place, gate[0], *(made[0] for name in (value, gate[1].inputs[0]) if (made := merger.find_producer(name)))}
    return _merge(merger, place, inside, operation, "GLU", {"axis": first[1]}, (first[0],))


def _find_half(merger: PatternMerger, name: str) -> tuple[str, int, int] | None:
    """Return the tensor that a tensor is a half of, the axis, and 0 for the first half or 1 for the second."""
    made = merger.find_producer(name, "Split", "Slice")
    if made is None:
        return None
    operation, sizes = made[1], merger.dims(made[1].inputs[0])
    if operation.operator == "Split":
        axis, start = operation.attributes.get("axis", 0) % len(sizes), 0
        half = operation.outputs.index(name)
        exact = len(operation.outputs) == 2 and 2 * merger.dims(name)[axis] == sizes[axis]
        return (operation.inputs[0], axis, half) if exact else None
    ranges = read_slice(merger, operation)
    if ranges is None or len(ranges) != 1:
        return None
    [(axis, (start, step))] = ranges.items()
    size = merger.dims(name)[axis]
    exact = step == 1 and 2 * size == sizes[axis] and start in (0, size)
    return (operation.inputs[0], axis, start // size) if exact else None


def merge_response_norm(merger: PatternMerger, place: int, operation: Operation) -> bool:
    """Merge x + bias + scale × x × norm / mean of the norms into a GlobalResponseNorm of the inputs x, scale and bias.

    Its attributes are `axes`, over which the norm is taken, and `operations`, those that were merged.
    """
    for source, name in (operation.inputs, operation.inputs[::-1]) if len(operation.inputs) == 2 else ():
        shifted = merger.find_producer_with_one_reader(name, "Add")
        bias = None if shifted is None else split_data_and_constant(merger, shifted[1])
        scaled = None if bias is None else merger.find_producer_with_one_reader(bias[0], "Mul")
        scale = None if scaled is None else split_data_and_constant(merger, scaled[1])
        product = None if scale is None else merger.find_producer_with_one_reader(scale[0], "Mul")
        if shifted is None or bias is None or scaled is None or scale is None or product is None:
            continue
        if source not in product[1].inputs:
            continue
        relative = next((other for other in product[1].inputs if other != source), "")
        found = _find_relative_norm(merger, relative, source)
        if found is None:
            continue
        axes, inside = found
        inside |= {place, shifted[0], scaled[0], product[0]}
        inputs = (source, scale[1], bias[1])
        return _merge(merger, place, inside, operation, "GlobalResponseNorm", {"axes": axes}, inputs)
    return False


def _find_relative_norm(merger: PatternMerger, name: str, source: str) -> tuple[tuple[int, ...], set[int]] | None:
    """Return the axes of the norm if the tensor `name` is a norm of `source` divided by the mean of all norms.

    Also returns the positions of the operators.
    """
    quotient = merger.find_producer(name, "Div")
    norm = None if quotient is None else merger.find_producer(quotient[1].inputs[0], "ReduceL2")
    total = None if quotient is None else merger.find_producer(quotient[1].inputs[1], "Add")
    pair = None if total is None else split_data_and_constant(merger, total[1])
    mean = None if pair is None else merger.find_producer(pair[0], "ReduceMean")
    if quotient is None or norm is None or total is None or mean is None:
        return None
    axes = merger.list_integers(norm[1], 1, "axes")
    if norm[1].inputs[0] != source or mean[1].inputs[0] != norm[1].outputs[0] or axes is None:
        return None
    return axes, {quotient[0], norm[0], total[0], mean[0]}


def _merge(
    merger: PatternMerger,
    place: int,
    inside: set[int],
    last: Operation,
    operator: str,
    attributes: dict[str, object],
    inputs: tuple[str, ...],
) -> bool:
    if not merger.has_no_outside_readers(inside, place):
        return False
    parts = [part for other in sorted(inside) if (part := merger.operations[other]) is not None]
    merged = last._replace(operator=operator, attributes={**attributes, "operations": parts}, inputs=inputs)
    return merger.replace(place, merged, *(inside - {place}))
