"""ATen's operations that only move values, or join and cut tensors, as our kinds."""

from collections.abc import Callable, Iterable
from typing import Any

from convcalc.convert.pytorch.cutting import part
from convcalc.convert.pytorch.nodes import places_of, sizes_of
from convcalc.convert.pytorch.reading import Known, Reader, Refused
from convcalc.convert.pytorch.traced_values import Moved, Parts, Value, moved_again, settled

Arguments = dict[str, Any]
Handler = Callable[[Reader, Any, Arguments], Known]


def per_axis(values: Any, axes: int) -> Any:
    """One value where all axes have the same, else a list."""
    values = list(values) if isinstance(values, Iterable) else [values]
    return values[0] if len(set(values)) == 1 else values


def without(arguments: Arguments, **defaults: Any) -> Arguments:
    """The arguments that are not at their defaults."""
    return {name: value for name, value in arguments.items() if name not in defaults or value != defaults[name]}


def spatial(value: Value) -> Value:
    """A map with its channels first. Raises Refused."""
    if value.last or len(value.shape) == 1:
        raise Refused
    return value


def each(names: str, handler: Handler) -> dict[str, Handler]:
    """One handler for several operations; `#` stands for 1, 2 and 3."""
    words = [word.replace("#", axes) for word in names.split() for axes in ("123" if "#" in word else "0")]
    return dict.fromkeys(words, handler)


def concat(reader: Reader, node: Any, given: Arguments) -> Known:
    """Tensors joined along the channels."""
    values = [reader.tensor(argument) for argument in node.args[0]]
    if len(values) == 1:
        return values[0]
    if any(value.last != values[0].last or value.axis(given["dim"]) != value.channel_axis for value in values):
        raise Refused("concat along an axis other than the channels")
    shape = (sum(value.shape[0] for value in values), *values[0].shape[1:])
    return reader.step(node, "concat", {}, values, shape, last=values[0].last)


def cut(reader: Reader, node: Any, given: Arguments) -> Known:
    """Some of the channels, or of the positions of an axis."""
    value = reader.tensor(node.args[0])
    axis = value.axis(given["dim"])
    size = value.sizes[axis]
    start = given.get("start") or 0
    stop = start + given["length"] if "length" in given else size if given["end"] is None else given["end"]
    start, stop = (min(max(place + size if place < 0 else place, 0), size) for place in (start, stop))
    if given.get("step", 1) != 1 or (axis == 0 and stop - start != size) or stop <= start:
        raise Refused
    return value if stop - start == size else part(reader, node, Parts(value, axis, ()), (start, stop))


def parts(reader: Reader, node: Any, given: Arguments) -> Known:
    """A tensor in parts along an axis, each a layer where it is read."""
    value = reader.tensor(node.args[0])
    axis = value.axis(given["dim"])
    if axis == 0:
        raise Refused
    sizes = [part.shape[axis] for part in node.meta["val"]]
    starts = [sum(sizes[:place]) for place in range(len(sizes))]
    return Parts(value, axis, tuple((start, start + size) for start, size in zip(starts, sizes, strict=True)))


def pad(reader: Reader, node: Any, given: Arguments) -> Known:
    """Elements added around the positions; fewer than none are cut off."""
    value = reader.tensor(node.args[0])
    sides = [list(given["pad"][place : place + 2]) for place in range(0, len(given["pad"]), 2)][::-1]
    by_axis = dict(zip(range(len(value.shape) + 1 - len(sides), len(value.shape) + 1), sides, strict=True))
    if any(any(pair) for axis, pair in by_axis.items() if axis not in value.spatial_axes()):
        raise Refused("pad along an axis that is not spatial")
    pairs = [by_axis.get(axis, [0, 0]) for axis in value.spatial_axes()]
    if not any(map(any, pairs)):
        return value
    shape = (value.shape[0], *(size + sum(pair) for size, pair in zip(value.shape[1:], pairs, strict=True)))
    if all(side >= 0 for pair in pairs for side in pair):
        return reader.step(node, "pad", {"padding": pairs}, [value], shape, last=value.last)
    if all(side <= 0 for pair in pairs for side in pair):
        amount = [[-before, -after] for before, after in pairs]
        return reader.step(node, "crop", {"amount": amount}, [value], shape, last=value.last)
    raise Refused


def upsample(mode: str) -> Handler:
    """Interpolation, by a factor where the size is what the factor gives."""

    def handle(reader: Reader, node: Any, given: Arguments) -> Known:
        value = spatial(reader.tensor(node.args[0]))
        shape = sizes_of(node)[1:]
        factors = given.get("scale_factors")
        arguments: Arguments = {"size": per_axis(shape[1:], len(shape) - 1)}
        if factors is not None:
            factors = [int(factor) if float(factor).is_integer() else factor for factor in factors]
            arguments = {"scale_factor": per_axis(factors, len(shape) - 1)}
        return reader.step(node, "upsample", without(arguments | {"mode": mode}, mode="nearest"), [value], shape)

    return handle


def with_factor(kind: str, key: str) -> Handler:
    """A shuffle with one argument."""

    def handle(reader: Reader, node: Any, given: Arguments) -> Known:
        value = spatial(reader.tensor(node.args[0]))
        return reader.step(node, kind, {key: given[key]}, [value], sizes_of(node)[1:])

    return handle


def passed(reader: Reader, node: Any, given: Arguments) -> Known:
    """What it reads; a module that leaves no operation behind."""
    kept = reader.found.kept.get(path_of(node)) if "alias" in str(node.target) else None
    if kept is None:
        return reader.known[node.args[0]]
    value = reader.tensor(node.args[0])
    return reader.step(node, kept[0], without(dict(kept[1]), p=0.5), [value], value.shape, last=value.last)


def path_of(node: Any) -> str:
    """The path of the innermost module."""
    return "".join([place.path for place in places_of(node)][-1:])


def viewed(reader: Reader, node: Any, given: Arguments) -> Known:
    """The same values in other sizes, which may still be undone."""
    return moved_on(reader, node, "view", sizes_of(node))


def permuted(reader: Reader, node: Any, given: Arguments) -> Known:
    """The axes in another order, which may still be undone."""
    axes = len(sizes_of(node))
    if "dims" in given:
        order = [axis % axes for axis in given["dims"]]
    elif "source" in given:
        order = moved_axes(given["source"], given["destination"], axes)
    else:
        order = list(range(axes))
        one, other = given.get("dim0", 0) % axes, given.get("dim1", -1) % axes  # `t` turns a matrix over
        order[one], order[other] = order[other], order[one]
    return moved_on(reader, node, "permute", tuple(order))


def moved_axes(source: Any, destination: Any, axes: int) -> list[int]:
    """The order of axes that movedim gives."""
    listed = [[axis] if isinstance(axis, int) else axis for axis in (source, destination)]
    pairs = {to % axes: of % axes for of, to in zip(*listed, strict=True)}
    rest = iter([axis for axis in range(axes) if axis not in pairs.values()])
    return [pairs[axis] if axis in pairs else next(rest) for axis in range(axes)]


def moved_on(reader: Reader, node: Any, name: str, change: tuple[int, ...]) -> Known:
    """A move after those before it, settled where they come to something together."""
    known = reader.known.get(node.args[0])
    if not isinstance(known, Value | Moved):
        raise Refused
    moved = moved_again(known, name, change, sizes_of(node))
    if not moved.moves:
        return moved.source
    result = settled(moved)
    if isinstance(result, tuple) and not isinstance(result, Value):
        kind, arguments, shape = result
        return reader.step(node, kind, arguments, [moved.source], shape)
    return moved if result is None else result


REARRANGING: dict[str, Handler] = {
    **each("cat concat concatenate", concat),
    **each("slice narrow", cut),
    **each("chunk split split_with_sizes tensor_split", parts),
    **each("pad constant_pad_nd", pad),
    **each("upsample_nearest#d", upsample("nearest")),
    "upsample_linear1d": upsample("linear"),
    "upsample_bilinear2d": upsample("bilinear"),
    "upsample_bicubic2d": upsample("bicubic"),
    "upsample_trilinear3d": upsample("trilinear"),
    "pixel_shuffle": with_factor("pixel_shuffle", "upscale_factor"),
    "pixel_unshuffle": with_factor("pixel_unshuffle", "downscale_factor"),
    **each("channel_shuffle native_channel_shuffle", with_factor("channel_shuffle", "groups")),
    **each("alias clone contiguous detach to _to_copy lift_fresh_copy", passed),
    **each("view reshape flatten unflatten squeeze unsqueeze _unsafe_view", viewed),
    **each("permute transpose movedim t", permuted),
}
