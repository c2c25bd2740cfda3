"""Describes the calls of an exported Keras model, such as `layers.Conv2D(8, 3)`, as data that do not need Keras."""

from collections.abc import Callable
from typing import Any, NamedTuple

from convcalc.arguments import PerAxisPadding
from convcalc.convert.keras_export.tensors import TensorFacts
from convcalc.convert.pytorch.calls import CallArgument, ModuleCall, collapse_equal
from convcalc.shape import Shape


class Inexpressible(Exception):
    """Raised for a layer that Keras cannot express exactly. The message names what Keras lacks."""


class KerasCall(NamedTuple):
    """A call that creates a Keras layer, or that applies a function of keras.ops.

    `suffix` is appended to the name of the layer in the spec. `form` says how the inputs are given: to the layer
    ("layer"), to the layer as a list ("list") or as separate arguments ("arguments"), as the first arguments of a
    function ("function"), or by selecting a range of an input ("range"). `learns` is true for the call that creates
    the weights.
    """

    call: ModuleCall
    suffix: str = ""
    form: str = "layer"
    learns: bool = False


KerasCalls = list[KerasCall]
Maker = Callable[[Any, TensorFacts], KerasCalls]


def to_keras_shape(shape: Shape) -> tuple[int, ...]:
    """Return the sizes of a shape with the channels last, as Keras has them: (224, 224, 3) for 3×224×224."""
    return (*shape.spatial, shape.channels)


def call_layer(name: str, *arguments: CallArgument) -> ModuleCall:
    """Return the call that creates a layer of keras.layers."""
    return ModuleCall(f"layers.{name}", arguments)


def call_for_axes(name: str, axes: int, *arguments: CallArgument) -> ModuleCall:
    """Return the call of a layer for a number of spatial axes: of Conv2D for `Conv#` and 2 axes."""
    return call_layer(name.replace("#", f"{axes}D"), *arguments)


def positional(name: str, value: Any) -> CallArgument:
    """Return an argument that is written without its name."""
    return CallArgument(name, value)


def pad(padding: PerAxisPadding, mode: str = "zeros", suffix: str = "") -> KerasCall:
    """Return the call that pads an input. Raises Inexpressible if Keras does not have the padding mode."""
    if mode == "zeros":
        return KerasCall(
            call_for_axes("ZeroPadding#", len(padding), positional("padding", _collapse_sides(padding))), suffix
        )
    if mode != "reflect":
        raise Inexpressible(f"padding with the mode {mode}")
    return pad_by_function(padding, CallArgument("mode", "reflect", "constant"))


def pad_by_function(padding: PerAxisPadding, *arguments: CallArgument) -> KerasCall:
    """Return a call of ops.pad, which pads with the value or mode in the arguments."""
    width = positional("pad_width", ((0, 0), *padding, (0, 0)))
    return KerasCall(ModuleCall("ops.pad", (width, *arguments)), form="function")


def _collapse_sides(padding: PerAxisPadding) -> Any:
    """Return padding in its shortest form: 1 for all sides, (1, 2) per axis, or ((0, 1), (0, 1)) per side."""
    if len(padding) == 1:
        return collapse_equal(padding[0])
    if all(before == after for before, after in padding):
        return collapse_equal([before for before, _ in padding])
    return tuple(padding)


def crop(amount: PerAxisPadding, suffix: str = "") -> KerasCall:
    """Return the call that removes elements before and after each axis."""
    return KerasCall(call_for_axes("Cropping#", len(amount), positional("cropping", _collapse_sides(amount))), suffix)


def bias_argument(layer: Any) -> CallArgument:
    """Return the argument `use_bias` of a layer."""
    return CallArgument("use_bias", layer.bias, True)
