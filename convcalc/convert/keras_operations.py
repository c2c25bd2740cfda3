"""Converts functions of keras.ops, which a functional Keras model may apply between its layers.

A rule is as in `keras_layers`; the configuration that it takes also has the positional arguments of the call
(`arguments`) and its named ones (`options`). Functions compute without weights, so that one without a rule becomes an
opaque layer whose params are 0. Source: keras.io/api/ops.
"""

from collections.abc import Mapping
from typing import Any

from convcalc.convert.keras_arguments import KerasConfig, UnsupportedArgument, has_channels_first, read_flag
from convcalc.convert.keras_layers import CLASSES, convert_softmax, name_axis, permute_axes
from convcalc.convert.keras_pieces import Piece, Pieces, Translate, make_elementwise, make_move, make_opaque
from convcalc.problems import show
from convcalc.shape import Shape

_ACTIVATIONS = {
    "Relu": "relu",
    "Relu6": "relu6",
    "Elu": "elu",
    "Selu": "selu",
    "Celu": "celu",
    "Gelu": "gelu",
    "Silu": "silu",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "HardSigmoid": "hardsigmoid",
    "HardSilu": "hardswish",
    "HardTanh": "hardtanh",
}
# functions of one value that are not counted, such as comparisons and exp
_FREE = frozenset(
    {"Abs", "Absolute", "Ceil", "Clip", "Cos", "Erf", "Exp", "Expm1", "Floor", "Log", "Log1p", "Maximum", "Minimum"}
    | {"Negative", "Round", "Rsqrt", "Sign", "Sin", "Sqrt", "Cast", "StopGradient", "Where", "Greater", "Less", "Equal"}
)
_REDUCTIONS = frozenset({"All", "Any", "Argmax", "Argmin", "Max", "Mean", "Min", "Sum"})
_COUNTED = {  # multiplications and additions per value
    **dict.fromkeys(("Divide", "Multiply", "Power", "Square", "TrueDivide"), (1, 0)),
    **dict.fromkeys(("Add", "Subtract"), (0, 1)),
}
_BOUNDS = ("start", "stop", "step")  # of a slice
_MOVES = frozenset(
    {"BroadcastTo", "Concatenate", "ExpandDims", "Flip", "GetItem", "Moveaxis", "Repeat", "Reshape", "Roll", "Slice"}
    | {"Split", "Squeeze", "Stack", "Swapaxes", "Take", "Tile", "Transpose", "Pad", "Ravel", "Unstack"}
)


def describe_function(name: str, inputs: tuple[Shape, ...], output: Shape) -> Piece | None:
    """Return an opaque layer with the cost of a function that has no rule; None if its cost is not known."""
    if name in _MOVES:
        return make_move(output, name)
    if name in _REDUCTIONS:
        additions = sum(shape.elements for shape in inputs) - output.elements
        counts = {"Mean": (output.elements, additions), "Sum": (0, additions)}.get(name, (0, 0))
        cost = {"multiplications": counts[0], "additions": counts[1], "macs": 0, "receptive_field": "all"}
        return make_opaque(output, name, cost=cost)
    if any(shape.spatial != output.spatial for shape in inputs):
        return None
    if name in _FREE:
        return make_elementwise(output, name)
    if name in _COUNTED:
        return make_elementwise(output, name, 0, *_COUNTED[name])
    return None


def _reduction_rule(kind: str, **arguments: Any) -> Translate:
    def translate(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
        given = config.get("axis")
        axes = given if isinstance(given, list) else [given]
        names = [name_axis(axis, inputs[0], config) for axis in axes]
        keep = read_flag(config, "keepdims")
        if not keep and "channels" in names and len(names) <= inputs[0].axes:
            raise UnsupportedArgument("the channels removed")  # the spatial axis that remains last then becomes them
        return [Piece(kind, {"axes": names, "keepdims": keep, **arguments})]

    return translate


def _convert_pad(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    widths, mode = config["pad_width"], config.get("mode", "constant")
    value = config["options"].get("constant_values")
    if mode not in ("constant", "reflect") or value not in (None, 0) or len(widths) != inputs[0].axes + 2:
        raise UnsupportedArgument(f"mode {show(mode)} or constant_values {show(value)}")
    channel = 1 if has_channels_first(config) else -1
    if any(widths[0]) or any(widths[channel]):
        raise UnsupportedArgument("padding of the channels or the batch")
    spatial = widths[2:] if has_channels_first(config) else widths[1:-1]
    return [Piece("pad", {"padding": spatial, "mode": "zeros" if mode == "constant" else mode})]


def _convert_get_item(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    """Convert `x[:, :, :, 0:4]`, which selects a range on one axis, to `slice`."""
    keys = config["arguments"][1]
    keys = keys if isinstance(keys, list) else [keys]
    names = [_read_class(key) for key in keys]
    rank = inputs[0].axes + 2
    if names.count("__ellipsis__") == 1:
        place = names.index("__ellipsis__")
        whole: dict[str, Any] = {"class_name": "__slice__", "config": {}}
        keys = [*keys[:place], *[whole] * (rank - len(keys) + 1), *keys[place + 1 :]]
    ranges = [(place, key["config"]) for place, key in enumerate(keys) if _read_class(key) == "__slice__"]
    chosen = [(place, bounds) for place, bounds in ranges if any(bounds.get(name) is not None for name in _BOUNDS)]
    if len(ranges) != len(keys) or len(chosen) != 1:
        raise UnsupportedArgument("an index that is not one range")
    [(place, bounds)] = chosen
    start, stop, step = (bounds.get(name) for name in _BOUNDS)
    axis = name_axis(place, inputs[0], config)
    return [Piece("slice", {axis: [start or 0] + ([] if stop is None else [stop]), "step": step or 1})]


def _read_class(key: Any) -> Any:
    return key.get("class_name") if isinstance(key, Mapping) else None


def _shuffle_rule(kind: str, key: str) -> Translate:
    """Return the rule of depth_to_space or space_to_depth, which differ from `kind` only in the order of channels."""
    return lambda config, inputs: [Piece(kind, {key: config["block_size"]})]


def _convert_transpose(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    order = config.get("axes")
    if not isinstance(order, list) or sorted(order) != list(range(inputs[0].axes + 2)) or order[0] != 0:
        raise UnsupportedArgument(f"axes {show(order)}")
    return [permute_axes(order[1:], inputs[0], has_channels_first(config))]


def _convert_reshape(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    batch, *target = config["newshape"]
    if batch not in (-1, None) and target.count(-1):
        raise UnsupportedArgument(f"newshape {show(config['newshape'])}")
    return CLASSES["Reshape"]({**config, "target_shape": target}, inputs)


def _convert_matmul(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    """Convert the product of two sequences N×C; with the channels last, (A B)ᵀ = Bᵀ Aᵀ exchanges the inputs."""
    if len(inputs) != 2 or any(shape.axes != 1 for shape in inputs) or has_channels_first(config):
        raise UnsupportedArgument("inputs that are not two sequences")
    return [Piece("matmul", {}, reverses=True)]


def _convert_with_number(kind: str, key: str, invert: Any) -> Translate:
    """Return the rule of x - c or x / c with a number c: a shift by -c, or a scale by 1 / c."""

    def translate(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
        numbers = config["constants"]
        if len(inputs) != 1 or len(numbers) != 1 or config["arguments"][1] is not numbers[0] or not numbers[0]:
            raise UnsupportedArgument("inputs that are not a tensor and a number")
        return [Piece(kind, {key: invert(numbers[0])})]

    return translate


def _activation_rule(kind: str) -> Translate:
    return lambda config, inputs: [Piece(kind, {})]


OPERATIONS: dict[str, Translate] = {
    "Add": CLASSES["Add"],
    "Multiply": CLASSES["Multiply"],
    "Subtract": _convert_with_number("shift", "amount", lambda number: -number),
    "TrueDivide": _convert_with_number("scale", "factor", lambda number: 1 / number),
    "Divide": _convert_with_number("scale", "factor", lambda number: 1 / number),
    "Concatenate": CLASSES["Concatenate"],
    "Matmul": _convert_matmul,
    "Mean": _reduction_rule("mean"),
    "Sum": _reduction_rule("sum"),
    "Std": _reduction_rule("std", correction=0),
    "Softmax": convert_softmax("softmax"),
    "LogSoftmax": convert_softmax("log_softmax"),
    **{name: _activation_rule(kind) for name, kind in _ACTIVATIONS.items()},
    "Glu": lambda config, inputs: [Piece("glu", {})],
    "LeakyRelu": lambda config, inputs: [Piece("leaky_relu", {"negative_slope": config.get("negative_slope", 0.2)})],
    "Pad": _convert_pad,
    "GetItem": _convert_get_item,
    "DepthToSpace": _shuffle_rule("pixel_shuffle", "upscale_factor"),
    "SpaceToDepth": _shuffle_rule("pixel_unshuffle", "downscale_factor"),
    "Transpose": _convert_transpose,
    "Reshape": _convert_reshape,
}
