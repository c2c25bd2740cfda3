"""Merges ONNX nodes that together form one layer: `Sigmoid` and `Mul` become a `silu`.

`merge_patterns` takes a program and returns its operations. It merges activations, norms and channel shuffles that an
exporter wrote as several nodes, stochastic depth, and biases and scales that follow a layer as separate nodes.

Each `_merge_…` function is a pattern: given the position of an operation, it looks for the pattern that ends there,
replaces the operations by one and returns whether it did.
"""

from collections.abc import Callable
from math import prod
from typing import Any

from convcalc.convert.onnx_graph import activation_chains
from convcalc.convert.onnx_graph.declared import Sizes
from convcalc.convert.onnx_graph.learnt import is_learnt, is_varied
from convcalc.convert.onnx_graph.onnx_windows import PADDING_MODES
from convcalc.convert.onnx_graph.program import Operation, Program

_INPUTS_WITHOUT_BIAS = {
    "Conv": 2,
    "ConvTranspose": 2,
    "MatMul": 2,
    "Gemm": 2,
}  # number of inputs of a node that has no bias


def merge_patterns(program: Program) -> list[Operation]:
    """Return the operations of a program that process data, each known pattern merged into one operation."""
    return _PatternMerger(program).merge()


class _PatternMerger:
    """Tries each operation as the last of a pattern.

    `found` has the operation at each position, None if it was merged into another or only computes constants.
    `makers` maps a tensor to the position of the operation that produces it, `readers` to those that read it (-1 for
    an output of the graph).
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.values = program.values
        self.found: list[Operation | None] = [
            operation
            if any(not program.values[name].constant for name in operation.outputs if name in program.values)
            else None
            for operation in program.operations
        ]
        self.sources = {name: operation for operation in program.operations for name in operation.outputs}
        self.makers: dict[str, int] = {}
        self.readers: dict[str, list[int]] = {name: [-1] for name in program.outputs}
        for place, operation in enumerate(self.found):
            for name in operation.outputs if operation else ():
                self.makers[name] = place
            for name in (*operation.inputs, *operation.captured) if operation else ():
                self.readers.setdefault(name, []).append(place)

    def merge(self) -> list[Operation]:
        for place, operation in enumerate(self.found):
            if operation is not None:
                for pattern in _PATTERNS.get(operation.operator, ()):
                    if pattern(self, place, operation):
                        break
        return [operation for operation in self.found if operation is not None]

    # -- finding operations

    def find_maker(self, name: str, *operators: str) -> tuple[int, Operation] | None:
        """Return the operation that produces a tensor, preceded by its position; None if there is none.

        If `operators` are given, also None if the operation is not one of them.
        """
        place = self.makers.get(name)
        operation = None if place is None else self.found[place]
        if place is None or operation is None or (operators and operation.operator not in operators):
            return None
        return place, operation

    def find_only_maker(self, name: str, *operators: str) -> tuple[int, Operation] | None:
        """Return the same as `find_maker`, but None unless the tensor is read exactly once."""
        return self.find_maker(name, *operators) if len(self.readers.get(name, ())) == 1 else None

    def dims(self, name: str) -> Sizes:
        return self.values[name].dims

    def is_constant(self, name: str) -> bool:
        return self.values[name].constant

    def is_weight(self, name: str) -> bool:
        """Whether a constant is learnt."""
        return is_learnt(self.program, self.values[name].roots)

    def is_filled(self, name: str, value: float) -> bool:
        """Whether all elements of a tensor are known to equal `value`."""
        contents = self.values[name].contents
        return contents is not None and bool((contents == value).all())

    def scalar(self, name: str) -> float | None:
        """Return the value of a numeric constant with one element, else None."""
        contents = self.values[name].contents if name else None
        if contents is None or contents.size != 1 or contents.dtype.kind not in "fiub":
            return None
        return float(contents.ravel()[0])

    # -- merging

    def replace(self, place: int, operation: Operation, *gone: int) -> bool:
        """Put an operation at position `place`, remove the operations at the positions `gone`, and return True."""
        for other in gone:
            self.found[other] = None
        self.found[place] = operation
        self.makers.update({name: place for name in operation.outputs if name})
        return True


def _split_constant(merger: _PatternMerger, operation: Operation) -> tuple[str, str] | None:
    """Return the names of the data and of the constant that an operation reads; None unless it reads one of each."""
    if len(operation.inputs) != 2:
        return None
    first, second = operation.inputs
    if merger.is_constant(first) == merger.is_constant(second):
        return None
    return (second, first) if merger.is_constant(first) else (first, second)


def _is_channel_vector(merger: _PatternMerger, constant: str, data: str, axis: int) -> bool:
    """Whether a constant, broadcast to the tensor `data`, has the size of `data` on `axis` and 1 elsewhere."""
    sizes = merger.dims(data)
    own = merger.dims(constant)
    padded = (1,) * (len(sizes) - len(own)) + own
    axis %= len(sizes)
    return len(own) <= len(sizes) and all(
        size == (sizes[place] if place == axis else 1) for place, size in enumerate(padded)
    )


def _merge_activation(merger: _PatternMerger, place: int, operation: Operation) -> bool:
    """Merge a chain of elementwise operators whose values are those of an activation."""
    chain = _list_chain_inputs(merger, place)
    for root in chain:
        used: dict[int, None] = {}
        values = _evaluate_chain(merger, operation.outputs[0], root, used, {})
        kind = None if values is None else activation_chains.match_activation(values)
        inside = set(used)
        if kind is None or not _is_closed(merger, inside, place):
            continue
        made = operation._replace(operator=kind, attributes={}, inputs=(root,))
        others = inside - {place}
        named = [merger.found[other] for other in sorted(others)]
        name = next((found.name for found in named if found is not None), operation.name)
        merger.readers[root] = [reader for reader in merger.readers[root] if reader not in inside] + [place]
        return merger.replace(place, made._replace(name=name), *others)
    return False


def _list_chain_inputs(merger: _PatternMerger, place: int) -> list[str]:
    """Return the possible inputs of a chain of elementwise operators that ends at `place`, nearest first."""
    found: dict[str, None] = {}
    pending = [place]
    for current in pending:
        operation = merger.found[current]
        assert operation is not None
        for name in operation.inputs:
            if not name or merger.is_constant(name) or name in found:
                continue
            found[name] = None
            maker = merger.find_maker(name)
            if (
                maker is not None
                and maker[1].operator in activation_chains.COMPUTED
                and len(found) < activation_chains.MOST_CHAIN
            ):
                pending.append(maker[0])
    return list(found)


def _evaluate_chain(
    merger: _PatternMerger, name: str, root: str, used: dict[int, None], known: dict[str, list[float] | None]
) -> list[float] | None:
    """Return the value of the tensor `name` for each value of the tensor `root` in POINTS.

    None if it depends on other data or cannot be computed. The positions of the operations between the two tensors are
    added to `used`; `known` caches the result for each tensor.
    """
    if name == root:
        return list(activation_chains.POINTS)
    if name in known:
        return known[name]
    known[name] = None
    if merger.is_constant(name):
        value = merger.scalar(name)
        known[name] = None if value is None else [value] * len(activation_chains.POINTS)
        return known[name]
    maker = merger.find_maker(name)
    if (
        maker is None
        or maker[1].operator not in activation_chains.COMPUTED
        or len(used) == activation_chains.MOST_CHAIN
    ):
        return None
    used[maker[0]] = None
    columns = [_evaluate_chain(merger, source, root, used, known) for source in maker[1].inputs if source]
    whole = [column for column in columns if column is not None]
    if len(whole) == len(columns):
        known[name] = activation_chains.evaluate_operator(maker[1].operator, maker[1].attributes, whole)
    return known[name]


def _is_closed(merger: _PatternMerger, inside: set[int], last: int) -> bool:
    """Whether the outputs of the operations at the positions `inside` are read by none but these operations.

    The outputs of the operation at `last` may be read anywhere.
    """
    for place in inside - {last}:
        operation = merger.found[place]
        assert operation is not None
        if any(reader not in inside for name in operation.outputs for reader in merger.readers.get(name, ())):
            return False
    return True


def _merge_padding_mode(merger: _PatternMerger, place: int, operation: Operation) -> bool:
    """Merge a Pad in a mode other than zeros into the convolution that is its only reader, as its `padding_mode`."""
    made = merger.find_only_maker(operation.inputs[0], "Pad")
    attributes = dict(operation.attributes)
    automatic = attributes.pop("auto_pad", None) or "NOTSET"
    if made is None or automatic not in ("NOTSET", "VALID") or any(attributes.get("pads") or ()):
        return False
    at, pad = made
    mode = PADDING_MODES.get(pad.attributes.get("mode", ""))
    rank = len(merger.dims(pad.inputs[0]))
    amounts, axes = (_list_integers(merger, pad, position) for position in (1, 3))
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


def _list_integers(merger: _PatternMerger, operation: Operation, position: int) -> tuple[int, ...] | None:
    """Return the integers of the constant input at a position; None if it is absent or its values are unknown."""
    name = operation.inputs[position] if position < len(operation.inputs) else ""
    contents = merger.values[name].contents if name else None
    return None if contents is None else tuple(map(int, contents.ravel()))


def _merge_bias(merger: _PatternMerger, place: int, operation: Operation) -> bool:
    """Merge the addition of a learnt constant into the convolution or matrix product before it, as its bias."""
    pair = _split_constant(merger, operation)
    made = None if pair is None else merger.find_only_maker(pair[0], *_INPUTS_WITHOUT_BIAS)
    if pair is None or made is None:
        return False
    at, maker = made
    axis = 1 if maker.operator.startswith("Conv") else -1
    if sum(map(bool, maker.inputs)) != _INPUTS_WITHOUT_BIAS[maker.operator] or not _is_channel_vector(
        merger, pair[1], pair[0], axis
    ):
        return False
    if not merger.is_weight(pair[1]):
        return False
    inputs = (*maker.inputs[:2], pair[1])
    return merger.replace(place, maker._replace(inputs=inputs, outputs=operation.outputs), at)


def _merge_affine_batch_norm(merger: _PatternMerger, place: int, operation: Operation) -> bool:
    """Merge a Mul and an Add by one value per channel into the batch norm before them, as its scale and bias.

    Models converted from Caffe have them, because Caffe writes a batch norm as BatchNorm and Scale.
    """
    shifted = _split_constant(merger, operation)
    factor = None if shifted is None else merger.find_only_maker(shifted[0], "Mul")
    scaled = None if factor is None else _split_constant(merger, factor[1])
    norm = None if scaled is None else merger.find_only_maker(scaled[0], "BatchNormalization")
    if shifted is None or factor is None or scaled is None or norm is None:
        return False
    if not all(_is_channel_vector(merger, constant, norm[1].outputs[0], 1) for constant in (shifted[1], scaled[1])):
        return False
    if any(is_varied(merger.program, name) for name in norm[1].inputs[1:3]):
        return False
    return merger.replace(place, norm[1]._replace(outputs=operation.outputs), norm[0], factor[0])


def _merge_stochastic_depth(merger: _PatternMerger, place: int, operation: Operation) -> bool:
    """Merge a product with one factor per sample, produced by a Dropout, into a DropPath."""
    pair = _split_constant(merger, operation)
    source = None if pair is None else merger.sources.get(pair[1])
    if pair is None or source is None or source.operator != "Dropout" or prod(merger.dims(pair[1])[1:]) > 1:
        return False
    if len(merger.dims(pair[0])) != len(merger.dims(pair[1])):
        return False
    return merger.replace(
        place, source._replace(operator="DropPath", inputs=(pair[0], *source.inputs[1:2]), outputs=operation.outputs)
    )


def _merge_affine_norm(merger: _PatternMerger, place: int, operation: Operation) -> bool:
    """Merge a learnt scale into the norm before it, or a learnt bias into the norm that already has a scale.

    Only norms that this module merged from several nodes are considered; their attribute `written` is set.
    """
    pair = _split_constant(merger, operation)
    made = None if pair is None else merger.find_only_maker(pair[0], "LayerNormalization", "GroupNormalization")
    if pair is None or made is None or not made[1].attributes.get("written") or not merger.is_weight(pair[1]):
        return False
    at, norm = made
    if len(norm.inputs) != (1 if operation.operator == "Mul" else 2):
        return False
    if norm.operator == "GroupNormalization":
        fits = _is_channel_vector(merger, pair[1], pair[0], 1)
    else:
        sizes = merger.dims(pair[0])
        fits = merger.dims(pair[1]) == sizes[norm.attributes["axis"] % len(sizes) :]
    inputs = (*norm.inputs, pair[1])
    return fits and merger.replace(place, norm._replace(inputs=inputs, outputs=operation.outputs), at)


def _merge_layer_norm(merger: _PatternMerger, place: int, operation: Operation) -> bool:
    """Merge the operators of (x - mean) / sqrt(variance + epsilon) into a LayerNormalization."""
    made = [merger.find_maker(name) for name in operation.inputs]
    if made[0] is None or made[1] is None or made[0][1].operator != "Sub" or made[1][1].operator != "Sqrt":
        return False
    source = made[0][1].inputs[0]
    inside = _trace_back(merger, operation.outputs[0], source)
    found = [merger.found[other] for other in inside or ()]
    counted = sorted(other.operator for other in found if other is not None and other.operator != "Sub")
    means = [other for other in found if other is not None and other.operator == "ReduceMean"]
    if counted not in (
        ["Add", "Div", "Pow", "ReduceMean", "ReduceMean", "Sqrt"],
        ["Add", "Div", "Mul", "ReduceMean", "ReduceMean", "Sqrt"],
    ):
        return False
    axes = {_trailing_axis(merger, mean) for mean in means}
    if inside is None or len(axes) != 1 or None in axes or not _is_closed(merger, inside, place):
        return False
    attributes = {"axis": axes.pop(), "written": True}
    merger.readers[source] = [reader for reader in merger.readers[source] if reader not in inside] + [place]
    norm = operation._replace(operator="LayerNormalization", attributes=attributes, inputs=(source,))
    return merger.replace(place, norm, *(inside - {place}))


def _trace_back(merger: _PatternMerger, name: str, source: str) -> set[int] | None:
    """Return the positions of the operations that compute the tensor `name` from the tensor `source` and constants.

    None if there are too many or they read other data.
    """
    inside: set[int] = set()
    pending = [name]
    while pending:
        current = pending.pop()
        maker = merger.find_maker(current)
        if current == source or merger.is_constant(current):
            continue
        if maker is None or len(inside) > activation_chains.MOST_CHAIN:
            return None
        if maker[0] not in inside:
            inside.add(maker[0])
            pending += [other for other in maker[1].inputs if other]
    return inside


def _trailing_axis(merger: _PatternMerger, mean: Operation) -> int | None:
    """Return the first of the axes that a ReduceMean averages.

    None unless these are the last axes of its input and are kept with size 1.
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


def _merge_group_norm(merger: _PatternMerger, place: int, operation: Operation) -> bool:
    """Merge a reshape to groups, a plain instance norm and a reshape back into one GroupNormalization."""
    norm = merger.find_only_maker(operation.inputs[0], "InstanceNormalization")
    before = None if norm is None else merger.find_only_maker(norm[1].inputs[0], "Reshape")
    if norm is None or before is None:
        return False
    source = before[1].inputs[0]
    groups = merger.dims(norm[1].inputs[0])
    same = merger.dims(source) == merger.dims(operation.outputs[0])
    plain = merger.is_filled(norm[1].inputs[1], 1) and merger.is_filled(norm[1].inputs[2], 0)
    if not same or not plain or len(groups) != 3 or groups[0] != merger.dims(source)[0]:
        return False
    merged = operation._replace(
        operator="GroupNormalization", attributes={"num_groups": groups[1], "written": True}, inputs=(source,)
    )
    return merger.replace(place, merged, norm[0], before[0])


def _merge_shuffle(merger: _PatternMerger, place: int, operation: Operation) -> bool:
    """Merge a reshape, a transpose and a reshape into a channel shuffle, DepthToSpace or SpaceToDepth."""
    moved = merger.find_only_maker(operation.inputs[0], "Transpose")
    before = None if moved is None else merger.find_only_maker(moved[1].inputs[0], "Reshape")
    if moved is None or before is None:
        return False
    source = before[1].inputs[0]
    sizes, middle, after = (merger.dims(name) for name in (source, before[1].outputs[0], operation.outputs[0]))
    found = _match_shuffle(sizes, middle, tuple(moved[1].attributes.get("perm", ())), after)
    if found is None:
        return False
    operator, attributes = found
    made = operation._replace(operator=operator, attributes=attributes, inputs=(source,))
    return merger.replace(place, made, moved[0], before[0])


def _match_shuffle(sizes: Sizes, middle: Sizes, order: Sizes, after: Sizes) -> tuple[str, dict[str, int]] | None:
    """Return the operator and attributes of a reshape, transpose and reshape; None if they are not a known shuffle.

    `sizes` is the input shape, `middle` the shape after the first reshape, `order` the permutation of the transpose,
    and `after` the output shape.
    """
    if sizes[:1] != middle[:1] or len(sizes) < 3:
        return None
    spatial = sizes[2:]
    if after == sizes and middle[3:] == spatial and order == (0, 2, 1, *range(3, len(middle))):
        return "ChannelShuffle", {"groups": middle[1]}
    if len(sizes) != 4 or len(middle) != 6:
        return None
    if order in ((0, 1, 4, 2, 5, 3), (0, 3, 4, 1, 5, 2)) and middle[4:] == spatial:
        blocks = middle[2:4] if order[1] == 1 else middle[1:3]
        moved = (middle[1] if order[1] == 1 else middle[3], spatial[0] * blocks[0], spatial[1] * blocks[1])
        return ("DepthToSpace", {"blocksize": blocks[0]}) if blocks[0] == blocks[1] and after[1:] == moved else None
    if order in ((0, 1, 3, 5, 2, 4), (0, 3, 5, 1, 2, 4)) and middle[1] == sizes[1] and middle[3] == middle[5]:
        moved = (sizes[1] * prod(middle[3:6:2]), middle[2], middle[4])
        return ("SpaceToDepth", {"blocksize": middle[3]}) if after[1:] == moved else None
    return None


_Pattern = Callable[[_PatternMerger, int, Operation], bool]
_PATTERNS: dict[str, tuple[_Pattern, ...]] = {
    "Conv": (_merge_padding_mode,),
    "Mul": (_merge_activation, _merge_affine_norm, _merge_stochastic_depth),
    "Div": (_merge_activation, _merge_layer_norm),
    "Min": (_merge_activation,),
    "Max": (_merge_activation,),
    "Add": (_merge_bias, _merge_affine_batch_norm, _merge_affine_norm),
    "Reshape": (_merge_shuffle, _merge_group_norm),
}
