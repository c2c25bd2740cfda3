"""Copies layers with symbolic numbers, so that their own methods return formulas together with the numbers.

The formulas therefore need not be written a second time. `make_symbolic_layer` replaces every number in a layer with a
`Quantity`. For example, `weight_tensors()` of a conv then returns 1,728 with the formula `C_out × k_h × k_w × C_in`.
"""

from typing import Any

from convcalc.arguments import IntegerList, NamedShape
from convcalc.layers.base import Layer
from convcalc.shape import AXIS_NAMES, Shape
from convcalc.symbolic import Factor, Quantity, Symbol, make_quantity

_LETTERS = {
    "out_channels": "C_out",
    "out_features": "C_out",
    "kernel_size": "k",
    "stride": "s",
    "padding": "p",
    "output_padding": "p_out",
    "dilation": "d",
    "groups": "g",
    "num_groups": "g",
    "multiplier": "m",
    "bias": "b",
    "affine": "a",
    "upscale_factor": "r",
    "downscale_factor": "r",
    "scale_factor": "f",
    "output_size": "o",
    "amount": "p",
    "num_parameters": "a",
    "window_reads": "r",
    "heads": "h",
    "window": "w",
    "grid": "g",
    "kv_stride": "s",
    "hidden_size": "h",
    "num_layers": "layers",
    "num_embeddings": "V",
    "embedding_dim": "C_out",
}
_MEANINGS = {
    "out_channels": "channels of the output",
    "out_features": "features of the output",
    "stride": "stride",
    "dilation": "dilation",
    "groups": "groups",
    "heads": "heads",
    "d_k": "key_dim: features of a query and of a key, per head",
    "d_v": "value_dim: features of a value, per head",
    "hidden_size": "hidden_size: features of the state",
    "embedding_dim": "channels of the output",
    "num_groups": "groups",
    "bias": "1 with a bias, 0 without",
    "affine": "1 if affine, 0 if not",
    "window_reads": "total length of all windows along an axis, n + o - gcd(n, o)",
}
_DIVISORS = {
    "groups",
    "num_groups",
    "upscale_factor",
    "downscale_factor",
    "shape",
    "size",
}  # the layer kinds check that these divide without remainder
_SET_SEPARATELY = {"inputs", "given", "output"}


def make_symbolic_layer(layer: Layer, sizes: bool = False) -> Layer:
    """Return a copy of a layer in which every number is a `Quantity`: the same value with a symbol such as `C_out`.

    `sizes` matters only for a layer that consists of other layers, such as separable_conv. If `sizes` is true, the
    output sizes of each inner layer are formulas. Otherwise, they are the symbols of the outer layer's output sizes.
    """
    count = len(layer.inputs)
    names = ["in"] if count == 1 else [str(number) for number in range(1, count + 1)]
    inputs = tuple(_make_symbolic_shape(shape, name) for shape, name in zip(layer.inputs, names, strict=True))
    return _copy_with_symbols(layer, inputs, _make_symbolic_shape(layer.output, "out"), sizes)


def _copy_with_symbols(
    layer: Layer, inputs: tuple[Shape, ...], output: Shape | None, sizes: bool, whole: Layer | None = None
) -> Layer:
    """Return a copy of a layer with symbolic numbers, whose input and output shapes are `inputs` and `output`.

    The inner layers of a layer such as separable_conv are copied too; each one reads the output of the previous one.
    For the copy of an inner layer, `whole` is the outer layer and `output` is None. An argument of an inner layer
    becomes symbolic only if the outer layer has the same value for it.
    """
    found: Layer = object.__new__(type(layer))
    for name, value in layer.__dict__.items():
        if name not in _SET_SEPARATELY and not isinstance(value, Layer):
            common = whole is None or getattr(whole, name, None) == value
            found.fill(**{name: _make_symbolic_value(layer, name, value) if common else value})
    found.fill(inputs=inputs, given=layer.given)
    if output is not None:
        found.fill(output=output)
    for name, part in layer.__dict__.items():
        if isinstance(part, Layer) and output is not None:
            made = _copy_with_symbols(part, inputs, None, sizes, layer)
            shape = made.inferred_shape()
            made.fill(output=shape if sizes else Shape(shape.channels, output.spatial))
            found.fill(**{name: made})
            inputs = (made.output,)
    return found


def _axis_letters(axes: int) -> list[str]:
    # the symbols of a layer with a single axis need no index
    return [name[0] for name in AXIS_NAMES[axes]] if axes > 1 else [""] * axes


def _make_symbolic_shape(shape: Shape, index: str) -> Shape:
    """Return a shape with symbols, such as `C_in`, `H_in` and `W_in` if `index` is `in`.

    In formulas about a single axis, the symbol of the input size is `n`.
    """
    what = {"in": "of the input", "out": "of the output", "like": "of the layer given by like"}.get(
        index, f"of input {index}"
    )
    channels = make_quantity(Symbol(f"C_{index}", shape.channels, f"{'channels' if shape.axes else 'features'} {what}"))
    plain = "" if index in ("out", "like") else "n" if index == "in" else f"n_{index}"
    sizes = [
        make_quantity(Symbol(f"{name[0].upper()}_{index}", size, f"size {what}", plain))
        for name, size in zip(AXIS_NAMES[shape.axes], shape.spatial, strict=True)
    ]
    return Shape(channels, tuple(sizes))


def _make_symbolic_value(layer: Layer, name: str, value: Any) -> Any:
    """Return the value of argument `name` with each number as a `Quantity` or `Factor`; other values stay unchanged."""
    letter, exact = _LETTERS.get(name, name), name in _DIVISORS
    meaning = _MEANINGS.get(name) or (layer.keys[name].help if name in layer.keys else "")
    if isinstance(value, int):
        return make_quantity(Symbol(letter, int(value), meaning, exact=exact))
    if isinstance(value, NamedShape) and value.shape is not None:
        return NamedShape(value.name, _make_symbolic_shape(value.shape, "like"))
    if not isinstance(value, tuple) or any(isinstance(item, str) for item in value):
        return value
    if isinstance(layer.keys.get(name), IntegerList):
        ends = ("start", "stop") if layer.kind == "slice" else [f"{name}_{place}" for place in range(1, len(value) + 1)]
        return tuple(
            make_quantity(Symbol(end, item, meaning, exact=exact)) for end, item in zip(ends, value, strict=True)
        )
    axes = zip(_axis_letters(len(value)), value, strict=True)
    return tuple(_make_axis_value(Symbol(letter, 0, meaning, letter, exact), axis, item) for axis, item in axes)


def _make_axis_value(symbol: Symbol, axis: str, value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(
            _make_axis_value(symbol._replace(name=f"{symbol.name}_{side}", plain=f"{symbol.name}_{side}"), "", number)
            for side, number in zip(("before", "after"), value, strict=True)
        )
    found = symbol._replace(name=f"{symbol.name}_{axis}" if axis else symbol.name, value=value)
    return Factor(value, found) if isinstance(value, float) else Quantity(value, found)
