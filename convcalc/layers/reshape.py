"""Layers that see the same values in another shape, or only some of them."""

from math import prod

from convcalc.keys import IntegerList
from convcalc.layers.base import Free, SavesNothing, Reach, SamePlace
from convcalc.problems import Flaw
from convcalc.shape import MOST_AXES, Shape


class Flatten(SamePlace, Free, SavesNothing):
    """All values of a sample as one vector.

    Output: channels × positions features.
    Counted: nothing.
    Source: torch.nn.Flatten.
    Example on [64, 4, 4]: flatten
    """

    kind = "flatten"
    is_view = True

    def inferred_shape(self) -> Shape:
        """A vector."""
        return Shape(self.input.elements)


class Reshape(Free, SavesNothing):
    """The same values in another shape, channels first; one entry may be -1 and is worked out.

    Output: shape.
    Counted: nothing.
    Source: torch.reshape.
    Example on [8192]: reshape: {shape: [512, 4, 4]}
    """

    kind = "reshape"
    is_view = True
    shape = IntegerList(
        "the new shape, channels first",
        lengths=(1, MOST_AXES + 1),
        minimum=-1,
        expected=f"a list of 1 to {MOST_AXES + 1} integers, channels first, of which one may be -1",
    )

    def inferred_shape(self) -> Shape:
        """The shape with -1 worked out."""
        known = prod(size for size in self.shape if size != -1)
        elements = self.input.elements
        if 0 in self.shape or self.shape.count(-1) > 1:
            raise Flaw("shape takes sizes from 1, and -1 once at most", key="shape")
        if elements % known if -1 in self.shape else elements != known:
            product = " × ".join(str(size) for size in self.shape if size != -1)
            relation = "does not divide it" if -1 in self.shape else f"is {known}"
            message = f"reshape does not fit: the input {self.input} has {elements} elements, {product} {relation}"
            raise Flaw(message, key="shape", code="CV016")
        channels, *spatial = (elements // known if size == -1 else size for size in self.shape)
        return Shape(channels, tuple(spatial))

    def reach(self) -> Reach:
        """Its own position where the axes stay as they are."""
        return "same" if self.output.spatial == self.input.spatial else "elsewhere"


class Slice(SamePlace, Free, SavesNothing):
    """Some of the channels: from start up to, not including, stop.

    Output: stop - start channels.
    Counted: nothing.
    Source: Ma et al. 2018, "ShuffleNet V2" (channel split).
    Example on [116, 28, 28]: slice: {channels: [0, 58]}
    """

    kind = "slice"
    is_part = True
    channels = IntegerList("start and stop", lengths=(2, 2), minimum=0, expected="a list [start, stop]", sign=":")

    def inferred_shape(self) -> Shape:
        """Fewer channels."""
        start, stop = self.channels
        if not start < stop <= self.input.channels:
            raise Flaw(
                f"slice [{start}, {stop}] does not lie in the {self.input.channels} input channels",
                "start is under stop, and stop is at most the number of channels",
                key="channels",
                code="CV016",
            )
        return Shape(stop - start, self.input.spatial)
