"""Merges ONNX nodes that together form one layer: `Sigmoid` and `Mul` become a `silu`.

`merge_patterns` takes a program and returns its operations. It merges activations, norms, channel shuffles and
stochastic depth that an exporter wrote as several nodes. It also merges biases and scales that follow a layer as
separate nodes.

Each `_merge_…` function takes an operation and its position, and checks whether the operation is the last of a certain
pattern. If so, it replaces the pattern by one operation and returns True.
"""

from collections.abc import Callable
from itertools import product
from math import prod
from typing import Any

from convcalc.convert import activation_values, norm_values
from convcalc.convert.learnt import is_learnt, is_varied
from convcalc.convert.lowering.windows import PADDING_MODES
from convcalc.convert.operators import Operation, Program, Sizes

_INPUTS_WITHOUT_BIAS = {
    "Conv": 2,
    "ConvTranspose": 2,
    "MatMul": 2,
    "Gemm": 2,
}  # number of inputs of a node that has no bias


_BROADCASTING = frozenset(("Add", "Div", "Mul", "Sub"))


def merge_patterns(program: Program) -> list[Operation]:
    """Return the operations of a program, with each known pattern of operations merged into one.

    Operations that only compute constants are omitted.
    """
    return _PatternMerger(program).merge()


class _PatternMerger:
    """Tries each operation as the last one of a pattern.

    `operations` has an operation for each position; None if it was merged into another or only computes constants.
    `producers` maps a tensor to the position of the operation that produces it. `readers` maps it to the positions of
    the operations that read it; -1 stands for an output of the graph.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.values = program.values
        self.operations: list[Operation | None] = [
            operation
            if any(not program.values[name].constant for name in operation.outputs if name in program.values)
            else None
            for operation in program.operations
        ]
        self.sources = {name: operation for operation in program.operations for name in operation.outputs}
        self.producers: dict[str, int] = {}
        self.readers: dict[str, list[int]] = {name: [-1] for name in program.outputs}
        for place, operation in enumerate(self.operations):
            for name in operation.outputs if operation else ():
                self.producers[name] = place
            for name in (*operation.inputs, *operation.captured) if operation else ():
                self.readers.setdefault(name, []).append(place)

    def merge(self) -> list[Operation]:
        for place, operation in enumerate(self.operations):
            if operation is not None and operation.operator in _BROADCASTING:
                _skip_expansions(self, place, operation)
        for place, operation in enumerate(self.operations):
            if operation is not None:
                for pattern in _PATTERNS.get(operation.operator, ()):
                    if pattern(self, place, operation):
                        break
        return [operation for operation in self.operations if operation is not None]

    # -- finding operations

    def find_producer(self, name: str, *operators: str) -> tuple[int, Operation] | None:
        """Return the position of the operation that produces a tensor, and the operation.

        None if no operation produces it, or if `operators` are given and the operation's operator is not one of them.
        """
        place = self.producers.get(name)
        operation = None if place is None else self.operations[place]
        if place is None or operation is None or (operators and operation.operator not in operators):
            return None
        return place, operation

    def find_producer_with_one_reader(self, name: str, *operators: str) -> tuple[int, Operation] | None:
        """Return the same as `find_producer`, but None unless the tensor is read exactly once."""
        return self.find_producer(name, *operators) if len(self.readers.get(name, ())) == 1 else None

    def dims(self, name: str) -> Sizes:
        return self.values[name].dims

    def is_constant(self, name: str) -> bool:
        return self.values[name].constant

    def is_weight(self, name: str) -> bool:
        return is_learnt(self.program, self.values[name].roots)

    def is_filled_with(self, name: str, value: float) -> bool:
        """Whether all elements of a tensor equal `value`; false if they are unknown."""
        contents = self.values[name].contents
        return contents is not None and all(item == value for item in contents.ravel())

    def read_scalar(self, name: str) -> float | None:
        """Return the value of a numeric constant with one element; None for any other tensor."""
        contents = self.values[name].contents if name else None
        if contents is None or contents.size != 1 or contents.dtype.kind not in "fiub":
            return None
        return float(contents.ravel()[0])

    # -- merging

    def replace(self, place: int, operation: Operation, *removed: int) -> bool:
        """Put an operation at position `place`, remove those at the positions `removed`, and return True."""
        for other in removed:
            self.operations[other] = None
        self.operations[place] = operation
        self.producers.update({name: place for name in operation.outputs if name})
        return True


def _split_data_and_constant(merger: _PatternMerger, operation: Operation) -> tuple[str, str] | None:
    """Return the names of an operation's two inputs, data and constant; None unless it has one of each."""
    if len(operation.inputs) != 2:
        return None
    first, second = operation.inputs
    if merger.is_constant(first) == merger.is_constant(second):
        return None
    return (second, first) if merger.is_constant(first) else (first, second)


def _is_channel_vector(merger: _PatternMerger, constant: str, data: str, axis: int) -> bool:
    """Whether a constant has the size of the tensor `data` along `axis`, and size 1 along all other axes."""
    sizes = merger.dims(data)
    own = merger.dims(constant)
    padded = (1,) * (len(sizes) - len(own)) + own
    axis %= len(sizes)
    return len(own) <= len(sizes) and all(
        size == (sizes[place] if place == axis else 1) for place, size in enumerate(padded)
    )


def _merge_activation(merger: _PatternMerger, place: int, operation: Operation) -> bool:
    """Merge a chain of elementwise operators that computes the same values as an activation."""
    chain = _list_possible_chain_inputs(merger, place)
    for root in chain:
        used: dict[int, None] = {}
        values = _evaluate_chain(merger, operation.outputs[0], root, used, {})
        kind = None if values is None else activation_values.match_activation(values)
        inside = set(used)
        if kind is None or not _has_no_outside_readers(merger, inside, place):
            continue
        made = operation._replace(operator=kind, attributes={}, inputs=(root,))
        others = inside - {place}
        named = [merger.operations[other] for other in sorted(others)]
        name = next((found.name for found in named if found is not None), operation.name)
        merger.readers[root] = [reader for reader in merger.readers[root] if reader not in inside] + [place]
        return merger.replace(place, made._replace(name=name), *others)
    return False


def _list_possible_chain_inputs(merger: _PatternMerger, place: int) -> list[str]:
    """Return the tensors that the operation at `place` depends on through elementwise operators only, nearest first.

    Constants are omitted. If the operators form an activation, its input is one of these tensors.
    """
    found: dict[str, None] = {}
    pending = [place]
    for current in pending:
        operation = merger.operations[current]
        assert operation is not None
        for name in operation.inputs:
            if not name or merger.is_constant(name) or name in found:
                continue
            found[name] = None
            maker = merger.find_producer(name)
            if (
                maker is not None
                and maker[1].operator in activation_values.COMPUTED
                and len(found) < activation_values.MOST_CHAIN
            ):
                pending.append(maker[0])
    return list(found)


def _evaluate_chain(
    merger: _PatternMerger, name: str, root: str, used: dict[int, None], known: dict[str, list[float] | None]
) -> list[float] | None:
    """Return the values of the tensor `name` if the tensor `root` has the values in POINTS.

    None if `name` depends on tensors other than `root` and constants, or if it cannot be computed. The positions of the
    evaluated operations are added to `used`; `known` caches the result for each tensor.
    """
    if name == root:
        return list(activation_values.POINTS)
    if name in known:
        return known[name]
    known[name] = None
    if merger.is_constant(name):
        value = merger.read_scalar(name)
        known[name] = None if value is None else [value] * len(activation_values.POINTS)
        return known[name]
    maker = merger.find_producer(name)
    if (
        maker is None
        or maker[1].operator not in activation_values.COMPUTED
        or len(used) == activation_values.MOST_CHAIN
    ):
        return None
    used[maker[0]] = None
    columns = [_evaluate_chain(merger, source, root, used, known) for source in maker[1].inputs if source]
    whole = [column for column in columns if column is not None]
    if len(whole) == len(columns):
        known[name] = activation_values.evaluate_operator(maker[1].operator, maker[1].attributes, whole)
    return known[name]


def _has_no_outside_readers(merger: _PatternMerger, inside: set[int], last: int) -> bool:
    """Whether only the operations at the positions `inside` read the outputs of these operations.

    The output of the operation at `last` may be read by others too.
    """
    for place in inside - {last}:
        operation = merger.operations[place]
        assert operation is not None
        if any(reader not in inside for name in operation.outputs for reader in merger.readers.get(name, ())):
            return False
    return True


def _merge_padding_mode(merger: _PatternMerger, place: int, operation: Operation) -> bool:
    """Merge a Pad that does not pad with zeros into the convolution after it, as its `padding_mode`."""
    made = merger.find_producer_with_one_reader(operation.inputs[0], "Pad")
    attributes = dict(operation.attributes)
    automatic = attributes.pop("auto_pad", None) or "NOTSET"
    if made is None or automatic not in ("NOTSET", "VALID") or any(attributes.get("pads") or ()):
        return False
    at, pad = made
    mode = PADDING_MODES.get(pad.attributes.get("mode", ""))
    rank = len(merger.dims(pad.inputs[0]))
    amounts, axes = _list_integers(merger, pad, 1, "pads"), _list_integers(merger, pad, 3, "axes")
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


def _list_integers(
    merger: _PatternMerger, operation: Operation, position: int, attribute: str
) -> tuple[int, ...] | None:
    """Return the integers in an attribute or else in the constant input at a position.

    None if both are absent or the values are unknown.
    """
    if attribute in operation.attributes:
        return tuple(operation.attributes[attribute])
    name = operation.inputs[position] if position < len(operation.inputs) else ""
    contents = merger.values[name].contents if name else None
    return None if contents is None else tuple(map(int, contents.ravel()))


def _merge_bias(merger: _PatternMerger, place: int, operation: Operation) -> bool:
    """Merge an Add of a learnt constant into the convolution or matrix product before it, as its bias."""
    pair = _split_data_and_constant(merger, operation)
    made = None if pair is None else merger.find_producer_with_one_reader(pair[0], *_INPUTS_WITHOUT_BIAS)
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

    Caffe writes a batch norm as BatchNorm and Scale, so models converted from Caffe have these nodes.
    """
    if merger.program.exact:  # the factors are learnt in addition to those of the norm
        return False
    shifted = _split_data_and_constant(merger, operation)
    factor = None if shifted is None else merger.find_producer_with_one_reader(shifted[0], "Mul")
    scaled = None if factor is None else _split_data_and_constant(merger, factor[1])
    norm = None if scaled is None else merger.find_producer_with_one_reader(scaled[0], "BatchNormalization")
    if shifted is None or factor is None or scaled is None or norm is None:
        return False
    if not all(_is_channel_vector(merger, constant, norm[1].outputs[0], 1) for constant in (shifted[1], scaled[1])):
        return False
    if any(is_varied(merger.program, name) for name in norm[1].inputs[1:3]):
        return False
    return merger.replace(place, norm[1]._replace(outputs=operation.outputs), norm[0], factor[0])


def _merge_stochastic_depth(merger: _PatternMerger, place: int, operation: Operation) -> bool:
    """Merge a Mul by one factor per sample into a DropPath if a Dropout produces the factors."""
    pair = _split_data_and_constant(merger, operation)
    source = None if pair is None else merger.sources.get(pair[1])
    if pair is None or source is None or source.operator != "Dropout" or prod(merger.dims(pair[1])[1:]) > 1:
        return False
    if len(merger.dims(pair[0])) != len(merger.dims(pair[1])):
        return False
    return merger.replace(
        place, source._replace(operator="DropPath", inputs=(pair[0], *source.inputs[1:2]), outputs=operation.outputs)
    )


def _merge_affine_norm(merger: _PatternMerger, place: int, operation: Operation) -> bool:
    """Merge a Mul into the norm before it as its learnt scale, or an Add as its learnt bias.

    Only norms that this module merged from several nodes are considered; their attribute `merged` is set.
    """
    pair = _split_data_and_constant(merger, operation)
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
        fits = _is_channel_vector(merger, pair[1], pair[0], 1)
    else:
        sizes = merger.dims(pair[0])
        fits = merger.dims(pair[1]) == sizes[norm.attributes["axis"] % len(sizes) :]
    inputs = (*norm.inputs, pair[1])
    return fits and merger.replace(place, norm._replace(inputs=inputs, outputs=operation.outputs), at)


def _merge_layer_norm(merger: _PatternMerger, place: int, operation: Operation) -> bool:
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
    if not _has_no_outside_readers(merger, inside, place):
        return False
    attributes = {"axis": axis, "merged": True}
    merger.readers[source] = [reader for reader in merger.readers[source] if reader not in inside] + [place]
    norm = operation._replace(operator="LayerNormalization", attributes=attributes, inputs=(source,))
    return merger.replace(place, norm, *(inside - {place}))


def _find_operations_between(merger: _PatternMerger, name: str, source: str) -> set[int] | None:
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


def _find_first_averaged_axis(merger: _PatternMerger, mean: Operation) -> int | None:
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


def _merge_group_norm(merger: _PatternMerger, place: int, operation: Operation) -> bool:
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


def _merge_shuffle(merger: _PatternMerger, place: int, operation: Operation) -> bool:
    """Merge a Reshape, a Transpose and a Reshape into a channel shuffle, DepthToSpace or SpaceToDepth."""
    moved = merger.find_producer_with_one_reader(operation.inputs[0], "Transpose")
    before = None if moved is None else merger.find_producer_with_one_reader(moved[1].inputs[0], "Reshape")
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


def _merge_reshapes(merger: _PatternMerger, place: int, operation: Operation) -> bool:
    """Replace two consecutive Reshapes by a single one, which has the output shape of the second."""
    made = merger.find_producer_with_one_reader(operation.inputs[0], "Reshape")
    if made is None:
        return False
    source = made[1].inputs[0]
    merger.readers[source] = [place if reader == made[0] else reader for reader in merger.readers[source]]
    return merger.replace(place, operation._replace(inputs=(source, *operation.inputs[1:])), made[0])


def _match_shuffle(sizes: Sizes, middle: Sizes, order: Sizes, after: Sizes) -> tuple[str, dict[str, int]] | None:
    """Return the operator, with attributes, that replaces a Reshape, a Transpose and a Reshape; None if none does.

    `sizes` is the input shape, `middle` the shape after the first Reshape, `order` the permutation of the Transpose,
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


def _skip_expansions(merger: _PatternMerger, place: int, operation: Operation) -> None:
    """Let an operation read the input of an Expand instead of the Expand, if the operation's output shape stays.

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
        merger.readers[source] = [*(reader for reader in merger.readers[source] if reader not in gone), place]
        merger.readers[name] = [reader for reader in merger.readers[name] if reader != place]
        operation = operation._replace(inputs=inputs)
        merger.replace(place, operation, *gone)


def _merge_slices(merger: _PatternMerger, place: int, operation: Operation) -> bool:
    """Merge a Slice into the Slice before it if they cut different axes: both together are one crop."""
    made = merger.find_producer_with_one_reader(operation.inputs[0], "Slice")
    if made is None:
        return False
    ranges = [_read_slice(merger, other) for other in (made[1], operation)]
    if ranges[0] is None or ranges[1] is None or not ranges[0].keys().isdisjoint(ranges[1]):
        return False
    starts = ranges[0] | ranges[1]
    attributes = {"axes": tuple(starts), "starts": tuple(starts.values())}
    merged = operation._replace(attributes=attributes, inputs=made[1].inputs[:1])
    return merger.replace(place, merged, made[0])


def _read_slice(merger: _PatternMerger, operation: Operation) -> dict[int, int] | None:
    """Map each axis that a Slice cuts to its start; None if a start is unknown, or if a step is unknown or not 1."""
    rank = len(merger.dims(operation.inputs[0]))
    starts, axes, steps = (
        _list_integers(merger, operation, position, name)
        for position, name in ((1, "starts"), (3, "axes"), (4, "steps"))
    )
    given = len(operation.inputs) > 4 and bool(operation.inputs[4])
    if starts is None or (steps is None and given) or set(steps or ()) - {1}:
        return None
    axes = tuple(range(len(starts))) if axes is None else axes
    return {axis % rank: start for axis, start in zip(axes, starts, strict=True)}


def _merge_space_to_depth(merger: _PatternMerger, place: int, operation: Operation) -> bool:
    """Merge Slices that take every second row and column, and their Concat, into a SpaceToDepth.

    Together, the Slices must take each position exactly once. YOLOv5 begins with such a layer, called Focus.
    """
    inside: set[int] = set()
    sizes = merger.dims(operation.inputs[0])
    found = [_follow_strided_slices(merger, name, inside) for name in operation.inputs]
    sources = {source for source, _ in found}
    source = sources.pop()
    whole = merger.dims(source)
    step = next((step for _, step in found[0][1].values()), 1)
    starts = {tuple(parts.get(axis, (0, 1))[0] for axis in (2, 3)) for _, parts in found}
    due = set(product(range(step), repeat=2))
    steps = {axis: step for _, parts in found for axis, (_, step) in parts.items()}
    if sources or len(whole) != 4 or step < 2 or operation.attributes.get("axis", 1) % 4 != 1:
        return False
    if starts != due or len(found) != len(due) or steps != {2: step, 3: step}:
        return False
    if sizes != (*whole[:2], whole[2] // step, whole[3] // step) or any(size % step for size in whole[2:]):
        return False
    if not _has_no_outside_readers(merger, inside | {place}, place):
        return False
    merger.readers[source] = [reader for reader in merger.readers[source] if reader not in inside] + [place]
    made = operation._replace(operator="SpaceToDepth", attributes={"blocksize": step}, inputs=(source,))
    return merger.replace(place, made, *inside)


def _follow_strided_slices(
    merger: _PatternMerger, name: str, inside: set[int]
) -> tuple[str, dict[int, tuple[int, int]]]:
    """Return the tensor from which Slices take the tensor `name`, and the start and step of each sliced axis.

    The positions of the Slices are added to `inside`.
    """
    parts: dict[int, tuple[int, int]] = {}
    while (made := merger.find_producer(name, "Slice")) is not None:
        at, operation = made
        starts, axes, steps = (
            _list_integers(merger, operation, position, key)
            for position, key in ((1, "starts"), (3, "axes"), (4, "steps"))
        )
        if starts is None:
            break
        axes = tuple(range(len(starts))) if axes is None else axes
        inside.add(at)
        name = operation.inputs[0]
        sizes = merger.dims(name)
        for axis, start, step in zip(axes, starts, steps or (1,) * len(axes), strict=False):
            later, stride = parts.get(axis % len(sizes), (0, 1))
            first = start + sizes[axis] if start < 0 else start
            parts[axis % len(sizes)] = (first + later * step, step * stride)
    return name, parts


_Pattern = Callable[[_PatternMerger, int, Operation], bool]
_PATTERNS: dict[str, tuple[_Pattern, ...]] = {
    "Concat": (_merge_space_to_depth,),
    "Conv": (_merge_padding_mode,),
    "Slice": (_merge_slices,),
    "Mul": (_merge_activation, _merge_affine_norm, _merge_stochastic_depth, _merge_layer_norm),
    "Div": (_merge_activation, _merge_layer_norm),
    "Log": (_merge_activation,),
    "Min": (_merge_activation,),
    "Reciprocal": (_merge_activation,),
    "Max": (_merge_activation,),
    "Add": (_merge_bias, _merge_affine_batch_norm, _merge_affine_norm),
    "Reshape": (_merge_shuffle, _merge_group_norm, _merge_reshapes),
}
