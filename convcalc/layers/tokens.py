"""Defines the layers that turn a map into a sequence of tokens, and tokens back into a map."""

from math import prod

from convcalc.arguments import IntegerList, LayerName
from convcalc.layers.base import Reach, Sizes, check_one_of
from convcalc.layers.mixins import Free, SamePlace, SavesNothing
from convcalc.problems import Flaw
from convcalc.shape import MOST_AXES, Shape


class Tokens(SamePlace, Free, SavesNothing):
    """Turns the positions of a map into a sequence of tokens, row by row.

    Channels stay first: N tokens of C features are a 1-D map C×N, which PyTorch's transformers write as N×C.

    Output: C×N, with one token per position.
    Counted: nothing.
    Source: Dosovitskiy et al. 2021, "An image is worth 16x16 words"; torch.flatten.
    Example on [192, 14, 14]: tokens
    """

    kind = "tokens"
    is_view = True
    needs_axes = True

    def inferred_shape(self) -> Shape:
        """Return the output shape: the input's channels, and one axis with all its positions."""
        return Shape(self.input.channels, (self.input.positions,))


class Map(Free, SavesNothing):
    """Turns a sequence of tokens C×N back into a map, row by row.

    Exactly one of size and like must be given.
    Output: C×size, or C and the size of the layer given by like; it must have N positions.
    Counted: nothing.
    Source: Wang et al. 2021, "Pyramid vision transformer"; torch.unflatten.
    Example on [192, 196]: map: {size: [14, 14]}
    """

    kind = "map"
    main = "size"
    is_view = True
    needs_axes = True
    one_of = ("size", "like")
    size = IntegerList(
        "size of the map",
        lengths=(2, MOST_AXES),
        minimum=1,
        expected=f"a list of 2 to {MOST_AXES} positive integers",
        required=False,
    )
    like = LayerName("layer whose size the map has")

    def normalise(self) -> None:
        """Raise `Flaw` unless the input is a sequence of tokens and exactly one of size and like is given."""
        check_one_of(self)
        if self.input.axes != 1:
            raise Flaw(
                f"map needs tokens (C×N), but its input is {self.input}", "map is the inverse of tokens", code="CV016"
            )

    def inferred_shape(self) -> Shape:
        """Return the output shape; raises `Flaw` if its number of positions is not the number of tokens."""
        sizes, tokens = self._find_sizes(), self.input.positions
        if prod(sizes) != tokens:
            raise Flaw(
                f"{Shape(self.input.channels, sizes)} has {prod(sizes)} positions, but the input {self.input} has "
                f"{tokens} tokens",
                "remove a class token with crop before map" if tokens == prod(sizes) + 1 else "",
                key="size" if self.like is None else "like",
                code="CV016",
            )
        return Shape(self.input.channels, sizes)

    def _find_sizes(self) -> Sizes:
        if self.like is None:
            return self.size
        assert self.like.shape is not None  # the spec reader makes a layer only after all layers that it refers to
        return self.like.shape.spatial

    def reach(self) -> Reach:
        """Return `elsewhere`: output position (y, x) reads the token y × width + x."""
        return "elsewhere"
