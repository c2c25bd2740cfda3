"""Merges an operator into the one before or after it: biases, padding, stochastic depth, needless expansions."""

from math import prod

from convcalc.convert.fusions.merger import PatternMerger, is_channel_vector, split_data_and_constant
from convcalc.convert.lowering.windows import PADDING_MODES
from convcalc.convert.operators import Operation

_INPUTS_WITHOUT_BIAS = {
    "Conv": 2,
    "ConvTranspose": 2,
    "MatMul": 2,
    "Gemm": 2,
}  # number of inputs of a node that has no bias


def merge_bias(merger: PatternMerger, place: int, operation: Operation) -> bool:
    """Merge an Add of a learnt constant into the convolution or matrix product before it, as its bias."""
    pair = split_data_and_constant(merger, operation)
    made = None if pair is None else merger.find_producer_with_one_reader(pair[0], *_INPUTS_WITHOUT_BIAS)
    if pair is None or made is None:
        return False
    at, maker = made
    axis = 1 if maker.operator.startswith("Conv") else -1
    if sum(map(bool, maker.inputs)) != _INPUTS_WITHOUT_BIAS[maker.operator] or not is_channel_vector(
        merger, pair[1], pair[0], axis
    ):
        return False
    if not merger.is_weight(pair[1]):
        return False
    inputs = (*maker.inputs[:2], pair[1])
    return merger.replace(place, maker._replace(inputs=inputs, outputs=operation.outputs), at)


def merge_padding_mode(merger: PatternMerger, place: int, operation: Operation) -> bool:
    """Merge a Pad that does not pad with zeros into the convolution after it, as its `padding_mode`."""
    made = merger.find_producer_with_one_reader(operation.inputs[0], "Pad")
    attributes = dict(operation.attributes)
    automatic = attributes.pop("auto_pad", None) or "NOTSET"
    if made is None or automatic not in ("NOTSET", "VALID") or any(attributes.get("pads") or ()):
        return False
    at, pad = made
    mode = PADDING_MODES.get(pad.attributes.get("mode", ""))
    rank = len(merger.dims(pad.inputs[0]))
    amounts, axes = merger.list_integers(pad, 1, "pads"), merger.list_integers(pad, 3, "axes")
    axes = tuple(range(rank)) if axes is None else axes
    if mode is None or amounts is None or len(amounts) != 2 * len(axes) or min(amounts) < 0:
        return False
    sides = {axis % rank: (amounts[i], amounts[i + len(axes)]) for i, axis in enumerate(axes)}
    if any(any(sides.get(axis, ())) for axis in (0, 1)):
        return False
    pairs = [sides.get(axis, (0, 0)) for axis in range(2, rank)]
    attributes["pads"] = (*(before for before, _ in pairs), *(after for _, after in pairs))
    attributes["padding_mode"] = mode
    inputs = (pad.inputs[0], *operation.inputs[1:])
    return merger.replace(place, operation._replace(attributes=attributes, inputs=inputs), at)


def merge_stochastic_depth(merger: PatternMerger, place: int, operation: Operation) -> bool:
    """Merge a Mul by one factor per sample into a DropPath if a Dropout produces the factors."""
    pair = split_data_and_constant(merger, operation)
    source = None if pair is None else merger.sources.get(pair[1])
    if pair is None or source is None or source.operator != "Dropout" or prod(merger.dims(pair[1])[1:]) > 1:
        return False
    if len(merger.dims(pair[0])) != len(merger.dims(pair[1])):
        return False
    return merger.replace(
        place, source._replace(operator="DropPath", inputs=(pair[0], *source.inputs[1:2]), outputs=operation.outputs)
    )


def skip_expansions(merger: PatternMerger, place: int, operation: Operation) -> None:
    """Let an operation read the input of an Expand instead of its output, if this changes no output shape.

    Arithmetic operations broadcast axes of size 1 anyway, so that the Expand is not needed.
    """
    for position, name in enumerate(operation.inputs):
        made = merger.find_producer(name, "Expand")
        if made is None:
            continue
        source = made[1].inputs[0]
        inputs = (*operation.inputs[:position], source, *operation.inputs[position + 1 :])
        sizes = [merger.dims(other) for other in inputs]
        if len({len(dims) for dims in sizes}) > 1 or tuple(map(max, *sizes)) != merger.dims(operation.outputs[0]):
            continue
        gone = (made[0],) if len(merger.readers.get(name, ())) == 1 else ()
        operation = operation._replace(inputs=inputs)
        merger.replace(place, operation, *gone)
