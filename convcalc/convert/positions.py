"""Finds the axes of each tensor that hold positions, and from these the receptive fields of opaque operators.

In an attention layer, for example, (batch, positions, 3 × channels) is reshaped to (batch, positions, 3, heads,
channels), transposed and split in three along an axis without positions, so that each part has all positions.
"""

from collections.abc import Iterator, Mapping
from math import prod

from convcalc.convert.operators import Operation, Sizes

Axes = frozenset[int]  # the axes of a tensor that hold positions, counted from 0; the batch is not among them
_RESHAPES = frozenset(("Flatten", "Reshape", "Squeeze", "Unsqueeze"))
_KEEPING = """Cast Concat Dropout DropPath Expand Identity LayerNormalization LogSoftmax Pad RMSNormalization
Softmax Split Tile aten.flip aten.roll"""
_KEEPS_AXES = frozenset(_KEEPING.split())
_REARRANGING = """ChannelShuffle Concat DepthToSpace Einsum Expand Flatten Pad Reshape SpaceToDepth Squeeze Tile
Transpose Unsqueeze aten.flip aten.im2col aten.roll aten.stack aten.unfold"""
_LOSES_NONE = frozenset(_REARRANGING.split())
_CUTS = frozenset(("Slice", "Split", "aten.select", "aten.unbind"))
_MIXES = frozenset(("Attention", "Einsum", "Gemm", "LogSoftmax", "MatMul", "Softmax"))


def find_positions(
    operation: Operation, dims: Mapping[str, Sizes], known: Mapping[str, Axes], output: str, by_value: bool
) -> Axes | None:
    """Return the axes of the tensor `output` that hold positions; None if unknown.

    `dims` are the sizes of all tensors. `known` has the axes with positions of tensors that depend on the network's
    inputs. `by_value` says whether the operator is elementwise.
    """
    data = [name for name in operation.inputs if name in known]
    if not data:
        return None
    operator, rank, first = operation.operator, len(dims[output]), known[data[0]]
    if operator in _RESHAPES:
        return _reshape_axes(dims[data[0]], dims[output], first)
    if operator == "Transpose":
        order = operation.attributes.get("perm") or tuple(reversed(range(rank)))
        return frozenset(place for place, axis in enumerate(order) if axis in first)
    if operator in ("aten.unbind", "aten.select"):
        cut = _cut_axis(operation, dims[data[0]])
        return None if cut is None else frozenset(axis - (axis > cut) for axis in first if axis != cut)
    if operator == "Attention":
        return frozenset(axis for axis in first if axis != rank - 1)
    if operator in ("MatMul", "Gemm"):
        return _multiply_axes(operation, dims, known, rank)
    if operator.startswith("Reduce"):
        return _reduce_axes(operation, len(dims[data[0]]), first)
    if by_value or operator in _KEEPS_AXES:
        return frozenset(axis + rank - len(dims[name]) for name in data for axis in known[name])
    return None


def _reshape_axes(before: Sizes, after: Sizes, axes: Axes) -> Axes:
    return frozenset(
        new for olds, news in _match_axes(before, after) if not axes.isdisjoint(olds) for new in news if after[new] > 1
    )


def _match_axes(before: Sizes, after: Sizes) -> Iterator[tuple[list[int], list[int]]]:
    """Yield pairs of axis groups, of the old and new shape of a reshape, with equal numbers of elements.

    Each group is as small as possible. For 2×12 to 2×3×4: ([0], [0]), then ([1], [1, 2]).
    """
    old = new = 0
    while old < len(before) or new < len(after):
        olds, news = [old] if old < len(before) else [], [new] if new < len(after) else []
        old, new = old + len(olds), new + len(news)
        while (sizes := [prod(before[axis] for axis in olds), prod(after[axis] for axis in news)])[0] != sizes[1]:
            if sizes[0] < sizes[1] and old < len(before):
                olds.append(old)
                old += 1
            elif new < len(after):
                news.append(new)
                new += 1
            else:  # not a reshape
                olds, news = list(range(len(before))), list(range(len(after)))
                old, new = len(before), len(after)
                break
        yield olds, news


def _cut_axis(operation: Operation, dims: Sizes) -> int | None:
    axis = operation.attributes.get("axis")
    return None if axis is None or not dims else axis % len(dims)


def _multiply_axes(operation: Operation, dims: Mapping[str, Sizes], known: Mapping[str, Axes], rank: int) -> Axes:
    """Return the axes of a matrix product that hold positions: those of both operands, without the summed axis."""
    one, other = operation.inputs[:2]
    found = {axis + rank - len(dims[one]) for axis in known.get(one, ()) if axis != len(dims[one]) - 1}
    found |= {axis + rank - len(dims[other]) for axis in known.get(other, ()) if axis != len(dims[other]) - 2}
    return frozenset(found)


def _reduce_axes(operation: Operation, rank: int, axes: Axes) -> Axes | None:
    reduced = _reduced(operation, rank)
    if reduced is None:
        return None
    left = axes - reduced
    if operation.attributes.get("keepdims", 1):
        return left
    return frozenset(axis - sum(other < axis for other in reduced) for axis in left)


def _reduced(operation: Operation, rank: int) -> Axes | None:
    axes = operation.attributes.get("axes")
    return None if axes is None else frozenset(axis % rank for axis in axes)


def refine_field(
    operation: Operation, dims: Mapping[str, Sizes], known: Mapping[str, Axes], field: str | None
) -> str | None:
    """Return on which input positions an output position of an opaque operator depends; None if unknown.

    `field` is the result of `operator_costs.find_field`. The result may also be `some`: it is unknown which input
    positions an output position depends on, but every input position affects some output position.
    """
    operator = operation.operator
    if operator in _MIXES or operator.startswith("Reduce"):
        return "all" if _mixes_all(operation, dims, known) else "some"
    if field is None and operator in _LOSES_NONE:
        return "some"
    if operator in _CUTS:
        return "some" if _keeps_positions(operation, dims, known) else None
    return field


def _mixes_all(operation: Operation, dims: Mapping[str, Sizes], known: Mapping[str, Axes]) -> bool:
    """Whether every output position depends on all positions of some input."""
    inputs = operation.inputs
    summed: list[tuple[str, Axes | None]] = []
    if operation.operator == "Attention":
        summed = [(inputs[2], frozenset((len(dims[inputs[2]]) - 2,)))]
    elif operation.operator in ("MatMul", "Gemm"):
        ends = ((inputs[0], 1), (inputs[1], 2))
        summed = [(name, frozenset((len(dims[name]) - end,))) for name, end in ends]
    elif operation.operator in ("Softmax", "LogSoftmax"):
        rank = len(dims[inputs[0]])
        summed = [(inputs[0], frozenset((operation.attributes.get("axis", -1) % rank,)))] if rank else []
    elif operation.operator != "Einsum":
        summed = [(inputs[0], _reduced(operation, len(dims[inputs[0]])))]
    return any(name in known and axes is not None and known[name] <= axes for name, axes in summed)


def _keeps_positions(operation: Operation, dims: Mapping[str, Sizes], known: Mapping[str, Axes]) -> bool:
    """Whether an operator that takes a part of a tensor, such as Slice, cuts only axes without positions."""
    name = operation.inputs[0]
    if name not in known:
        return False
    axes = operation.attributes.get("axes")
    cut = _cut_axis(operation, dims[name])
    cuts = {axis % len(dims[name]) for axis in axes} if axes is not None else {cut}
    return None not in cuts and known[name].isdisjoint(cuts)
