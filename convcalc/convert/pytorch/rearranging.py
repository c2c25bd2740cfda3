"""Translates operations that only rearrange values, or that join, split, pad and resize tensors.

Each handler is described in aten_operators.py; REARRANGING lists them by the name of the operation.
"""

from collections.abc import Callable, Iterable
from typing import Any

from convcalc.convert.pytorch.activation_patterns import operator_name
from convcalc.convert.pytorch.cutting import add_part, add_strided_part
from convcalc.convert.pytorch.joining import BEFORE
from convcalc.convert.pytorch.nodes import list_places, output_sizes
from convcalc.convert.pytorch.reading import KnownValue, TraceReader, UnreadableOperation
from convcalc.convert.pytorch.traced_values import (
    RearrangedValue,
    SplitValue,
    TracedValue,
    append_rearrangement,
    settle_rearrangements,
)

Arguments = dict[str, Any]
Handler = Callable[[TraceReader, Any, Arguments], KnownValue]


def collapse_axes(values: Any, axes: int) -> Any:
    """Return a single value if all axes have the same value, else a list with one value per axis."""
    values = list(values) if isinstance(values, Iterable) else [values]
    return values[0] if len(set(values)) == 1 else values


def drop_defaults(arguments: Arguments, **defaults: Any) -> Arguments:
    """Return the arguments without those that equal their default in `defaults`."""
    return {name: value for name, value in arguments.items() if name not in defaults or value != defaults[name]}


def require_spatial(value: TracedValue) -> TracedValue:
    """Return the tensor unchanged. Raises UnreadableOperation if it has no spatial axes or its channels are last."""
    if value.last or len(value.shape) == 1:
        raise UnreadableOperation
    return value


def register_handler(names: str, handler: Handler) -> dict[str, Handler]:
    """Map several operation names, separated by spaces, to one handler.

    A name with `#` represents three names: `conv#d` is `conv1d`, `conv2d` and `conv3d`.
    """
    words = [word.replace("#", axes) for word in names.split() for axes in ("123" if "#" in word else "0")]
    return dict.fromkeys(words, handler)


def _read_concat(reader: TraceReader, node: Any, given: Arguments) -> KnownValue:
    values = [reader.tensor(argument) for argument in node.args[0]]
    if len(values) == 1:
        return values[0]
    if any(value.last != values[0].last or value.axis(given["dim"]) != value.channel_axis for value in values):
        raise UnreadableOperation("concat along an axis other than the channels")
    shape = (sum(value.shape[0] for value in values), *values[0].shape[1:])
    return reader.step(node, "concat", {}, values, shape, last=values[0].last)


def _read_slice(reader: TraceReader, node: Any, given: Arguments) -> KnownValue:
    """Read the selection of a range of channels as a slice layer, or of positions along a spatial axis as a crop."""
    value = reader.tensor(node.args[0])
    axis = value.axis(given["dim"])
    size = value.sizes[axis]
    start = given.get("start") or 0
    stop = start + given["length"] if "length" in given else size if given["end"] is None else given["end"]
    start, stop = (min(max(place + size if place < 0 else place, 0), size) for place in (start, stop))
    if (axis == 0 and stop - start != size) or stop <= start:
        raise UnreadableOperation
    if given.get("step", 1) != 1:
        return add_strided_part(reader, node, SplitValue(value, axis, ((start, stop),)), given["step"])
    return value if stop - start == size else add_part(reader, node, SplitValue(value, axis, ()), (start, stop))


def _read_split(reader: TraceReader, node: Any, given: Arguments) -> KnownValue:
    """Return the parts of a tensor split along an axis; a part becomes a layer when a later operation takes it."""
    value = reader.tensor(node.args[0])
    axis = value.axis(given["dim"])
    if axis == 0:
        raise UnreadableOperation
    sizes = [part.shape[axis] for part in node.meta["val"]]
    starts = [sum(sizes[:place]) for place in range(len(sizes))]
    return SplitValue(value, axis, tuple((start, start + size) for start, size in zip(starts, sizes, strict=True)))


def _read_pad(reader: TraceReader, node: Any, given: Arguments) -> KnownValue:
    """Read padding of the spatial axes as a pad layer, negative padding as a crop layer.

    Padding with a mode such as `reflect` is kept for the convolution that reads it and becomes its argument.
    """
    value = reader.tensor(node.args[0])
    sides = [list(given["pad"][place : place + 2]) for place in range(0, len(given["pad"]), 2)][::-1]
    by_axis = dict(zip(range(len(value.shape) + 1 - len(sides), len(value.shape) + 1), sides, strict=True))
    if any(any(pair) for axis, pair in by_axis.items() if axis not in value.spatial_axes()):
        raise UnreadableOperation("pad along an axis that is not spatial")
    pairs = [by_axis.get(axis, [0, 0]) for axis in value.spatial_axes()]
    if not any(map(any, pairs)):
        return value
    if given["mode"] != "constant" and _is_part_of_convolution(node):
        reader.pending_pads[node] = {"padding": pairs, "padding_mode": given["mode"]}
        return value
    shape = (value.shape[0], *(size + sum(pair) for size, pair in zip(value.shape[1:], pairs, strict=True)))
    if all(side >= 0 for pair in pairs for side in pair):
        mode = {} if given["mode"] == "constant" else {"mode": given["mode"]}
        return reader.step(node, "pad", {"padding": pairs, **mode}, [value], shape, last=value.last)
    if all(side <= 0 for pair in pairs for side in pair):
        amount = [[-before, -after] for before, after in pairs]
        return reader.step(node, "crop", {"amount": amount}, [value], shape, last=value.last)
    raise UnreadableOperation


def _is_part_of_convolution(node: Any) -> bool:
    """Whether a padding operation can become the padding of the convolution that reads it.

    The convolution must be its only reader, and the padding must come from the same nn.Conv module, or from a module
    that the exporter named after it: `conv1_pad` for `conv1`.
    """
    if len(node.users) != 1:
        return False
    [user] = node.users
    if operator_name(user) not in ("conv1d", "conv2d", "conv3d") or user.args[0] is not node:
        return False
    own, reading = list_places(node), list_places(user)
    if not own or not reading:
        return False
    same_call = own[-1].key == reading[-1].key and reading[-1].word.startswith("Conv")
    return same_call or own[-1].path == reading[-1].path + BEFORE


def _upsample_handler(mode: str) -> Handler:
    """Return the handler for interpolation in this mode.

    The layer has the operation's scale factor if it is given, else its output size.
    """

    def handle(reader: TraceReader, node: Any, given: Arguments) -> KnownValue:
        value = require_spatial(reader.tensor(node.args[0]))
        shape = output_sizes(node)[1:]
        factors = given.get("scale_factors")
        arguments: Arguments = {"size": collapse_axes(shape[1:], len(shape) - 1)}
        if factors is not None:
            factors = [int(factor) if float(factor).is_integer() else factor for factor in factors]
            arguments = {"scale_factor": collapse_axes(factors, len(shape) - 1)}
        return reader.step(node, "upsample", drop_defaults(arguments | {"mode": mode}, mode="nearest"), [value], shape)

    return handle


def _shuffle_handler(kind: str, key: str) -> Handler:
    """Return the handler for a channel or pixel shuffle; `key` is the name of its only argument."""

    def handle(reader: TraceReader, node: Any, given: Arguments) -> KnownValue:
        value = require_spatial(reader.tensor(node.args[0]))
        return reader.step(node, kind, {key: given[key]}, [value], output_sizes(node)[1:])

    return handle


def _read_unchanged(reader: TraceReader, node: Any, given: Arguments) -> KnownValue:
    """Return the input of an operation that does not change it, such as `clone`.

    An `alias` that marks an identity or drop-path module becomes a layer: such modules return their input and would
    otherwise leave no operation in the trace.
    """
    kept = reader.trace.marked.get(_innermost_path(node)) if "alias" in str(node.target) else None
    if kept is None:
        return reader.known[node.args[0]]
    value = reader.tensor(node.args[0])
    return reader.step(node, kept[0], drop_defaults(dict(kept[1]), p=0.5), [value], value.shape, last=value.last)


def _innermost_path(node: Any) -> str:
    """Return the path of the innermost module that an operation is part of; empty if there is none."""
    return "".join([place.path for place in list_places(node)][-1:])


def _read_view(reader: TraceReader, node: Any, given: Arguments) -> KnownValue:
    """Read an operation that changes only the sizes of a tensor, not the order of its elements.

    It becomes a layer only when a later operation needs the result, because another view may undo it.
    """
    return _add_rearrangement(reader, node, "view", output_sizes(node))


def _read_permute(reader: TraceReader, node: Any, given: Arguments) -> KnownValue:
    """Read an operation that changes the order of axes.

    It becomes a layer only when a later operation needs the result, because another permutation may undo it.
    """
    axes = len(output_sizes(node))
    if "dims" in given:
        order = [axis % axes for axis in given["dims"]]
    elif "source" in given:
        order = _movedim_order(given["source"], given["destination"], axes)
    else:
        order = list(range(axes))
        one, other = (
            given.get("dim0", 0) % axes,
            given.get("dim1", -1) % axes,
        )  # `t` transposes a matrix and has no arguments
        order[one], order[other] = order[other], order[one]
    return _add_rearrangement(reader, node, "permute", tuple(order))


def _movedim_order(source: Any, destination: Any, axes: int) -> list[int]:
    """Return the order of axes after `movedim`: for each new axis, the old axis that it was."""
    listed = [[axis] if isinstance(axis, int) else axis for axis in (source, destination)]
    pairs = {to % axes: of % axes for of, to in zip(*listed, strict=True)}
    rest = iter([axis for axis in range(axes) if axis not in pairs.values()])
    return [pairs[axis] if axis in pairs else next(rest) for axis in range(axes)]


def _add_rearrangement(reader: TraceReader, node: Any, name: str, change: tuple[int, ...]) -> KnownValue:
    """Append a view or permutation to the pending ones of its input, and return the result.

    `change` holds the new sizes of a view or the order of axes of a permutation. If all of them together are a layer,
    such as a pixel shuffle, the layer is added; if they cancel out, the result is the original tensor.
    """
    known = reader.known.get(node.args[0])
    if not isinstance(known, TracedValue | RearrangedValue):
        raise UnreadableOperation
    moved = append_rearrangement(known, name, change, output_sizes(node))
    if not moved.rearrangements:
        return moved.source
    result = settle_rearrangements(moved)
    if isinstance(result, tuple) and not isinstance(result, TracedValue):
        kind, arguments, shape = result
        return reader.step(node, kind, arguments, [moved.source], shape)
    return moved if result is None else result


REARRANGING: dict[str, Handler] = {
    **register_handler("cat concat concatenate", _read_concat),
    **register_handler("slice narrow", _read_slice),
    **register_handler("chunk split split_with_sizes tensor_split", _read_split),
    **register_handler("pad constant_pad_nd", _read_pad),
    **register_handler("upsample_nearest#d", _upsample_handler("nearest")),
    "upsample_linear1d": _upsample_handler("linear"),
    "upsample_bilinear2d": _upsample_handler("bilinear"),
    "upsample_bicubic2d": _upsample_handler("bicubic"),
    "upsample_trilinear3d": _upsample_handler("trilinear"),
    "pixel_shuffle": _shuffle_handler("pixel_shuffle", "upscale_factor"),
    "pixel_unshuffle": _shuffle_handler("pixel_unshuffle", "downscale_factor"),
    **register_handler("channel_shuffle native_channel_shuffle", _shuffle_handler("channel_shuffle", "groups")),
    **register_handler("alias clone contiguous detach to _to_copy lift_fresh_copy", _read_unchanged),
    **register_handler("view reshape flatten unflatten squeeze unsqueeze _unsafe_view", _read_view),
    **register_handler("permute transpose movedim t", _read_permute),
}
