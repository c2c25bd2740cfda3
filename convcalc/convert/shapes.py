"""The layers that steps are, for sources that do not say the shapes between them."""

from collections.abc import Mapping
from typing import Any

from convcalc.convert.graph import NotImported
from convcalc.layers import KINDS
from convcalc.layers.base import Layer
from convcalc.problems import Flaw, printable
from convcalc.shape import Shape


def layer_of(name: str, kind: str, arguments: Mapping[str, Any], inputs: tuple[Shape, ...]) -> Layer:
    """The layer of a kind on shapes. Raises NotImported where it does not fit."""
    try:
        return made_layer(kind, arguments, inputs)
    except Flaw as flaw:
        raise NotImported(f"{printable(name)}: {flaw.message}") from None


def made_layer(kind: str, arguments: Mapping[str, Any], inputs: tuple[Shape, ...]) -> Layer:
    """The layer of a kind on shapes. Raises Flaw where it does not fit."""
    declared = KINDS[kind]
    axes = inputs[0].axes
    values = dict(declared.defaults(axes))
    for key, value in arguments.items():
        values[key] = declared.keys[key].read(value, axes)
    return declared(inputs, values)
