"""Defines the pieces by which a Keras layer is expressed: layers of a spec."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from convcalc.convert.keras_arguments import KerasConfig
from convcalc.shape import Shape


class Piece(NamedTuple):
    """One of the layers that together express a Keras layer: its layer kind and arguments.

    The first of these layers reads the inputs of the Keras layer, and each later one the output of the layer before.
    The first one that is not marked with `helps` has the name of the Keras layer. `reverses` exchanges the two inputs.
    `remark` is appended to the note on an opaque layer.
    """

    kind: str
    arguments: dict[str, Any]
    helps: bool = False
    reverses: bool = False
    remark: str = ""


Pieces = list[Piece]
Translate = Callable[[KerasConfig, tuple[Shape, ...]], Pieces]
"""A rule: takes a Keras layer's configuration and input shapes, channels first, and returns its pieces."""


def make_opaque(output: Shape, what: str, params: int = 0, cost: Mapping[str, Any] | None = None) -> Piece:
    """Return an opaque layer with this output shape. `what` is a short description of it.

    `cost` has its arguments for multiplications, additions, MACs and receptive field; those left out are unknown.
    """
    return Piece("opaque", {"output_shape": list(output.sizes), "params": params, **(cost or {}), "what": what})


def make_elementwise(shape: Shape, what: str, params: int = 0, multiplications: int = 0, additions: int = 0) -> Piece:
    """Return an opaque layer that computes every value from the values at the same position.

    `multiplications` and `additions` are per value.
    """
    counts = {"multiplications": multiplications * shape.elements, "additions": additions * shape.elements, "macs": 0}
    return make_opaque(shape, what, params, {**counts, "receptive_field": "same"})


def make_move(output: Shape, what: str) -> Piece:
    """Return an opaque layer that moves values without computing anything."""
    cost = {"multiplications": 0, "additions": 0, "macs": 0, "receptive_field": "all"}
    return make_opaque(output, what, cost=cost)
