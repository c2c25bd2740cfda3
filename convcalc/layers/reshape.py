"""Defines layers that rearrange or select values without computing anything: flatten, reshape and slice."""

from math import prod

from convcalc.arguments import IntegerList
from convcalc.layers.base import Reach
from convcalc.layers.mixins import Free, SamePlace, SavesNothing
from convcalc.problems import Flaw
from convcalc.shape import MOST_AXES, Shape


class Flatten(SamePlace, Free, SavesNothing):
    """Flattens a sample to a vector of all its values.

    Output: channels × positions features.
    Counted: nothing.
    Source: torch.nn.Flatten.
    Example on [64, 4, 4]: flatten
    """

    kind = "flatten"
    is_view = True

    def inferred_shape(self) -> Shape:
        """Return the output shape: a vector with all elements of the input."""
        return Shape(self.input.elements)


class Reshape(Free, SavesNothing):
    """Gives the values another shape, channels first; an entry of -1 is inferred from the number of values.

    Output: the argument shape, with -1 replaced.
    Counted: nothing.
    Source: torch.reshape.
    Example on [8192]: reshape: {shape: [512, 4, 4]}
    """

    kind = "reshape"
    main = "shape"
    is_view = True
    shape = IntegerList(
        "new shape",
        lengths=(1, MOST_AXES + 1),
        minimum=-1,
        expected=f"a list of 1 to {MOST_AXES + 1} positive integers, channels first; one may be -1",
    )

    def inferred_shape(self) -> Shape:
        """Return the shape with -1 replaced; raises `Flaw` if the number of elements differs."""
        known = prod(size for size in self.shape if size != -1)
        elements = self.input.elements
        if 0 in self.shape or self.shape.count(-1) > 1:
            raise Flaw("shape must consist of positive integers and at most one -1", key="shape")
        if elements % known if -1 in self.shape else elements != known:
            product = " × ".join(str(size) for size in self.shape if size != -1)
            fixed = f"{product} = {known}" if "×" in product else product
            wanted = f"a multiple of {fixed}" if -1 in self.shape else fixed
            message = f"shape needs {wanted} elements, but the input {self.input} has {elements}"
            raise Flaw(message, key="shape", code="CV016")
        channels, *spatial = (elements // known if size == -1 else size for size in self.shape)
        return Shape(channels, tuple(spatial))

    def reach(self) -> Reach:
        """Return `same` if the spatial sizes do not change, otherwise `elsewhere`."""
        return "same" if self.output.spatial == self.input.spatial else "elsewhere"


class Slice(SamePlace, Free, SavesNothing):
    """Selects the channels [start, stop]: from start up to, but not including, stop.

    Output: stop - start channels.
    Counted: nothing.
    Source: Ma et al. 2018, "ShuffleNet V2" (channel split).
    Example on [116, 28, 28]: slice: {channels: [0, 58]}
    """

    kind = "slice"
    main = "channels"
    is_part = True
    channels = IntegerList(
        "first channel, and the channel after the last one",
        lengths=(2, 2),
        minimum=0,
        expected="a list [start, stop]",
        separator=":",
    )

    def inferred_shape(self) -> Shape:
        """Return the output shape, with stop - start channels; raises `Flaw` if the input does not have them."""
        start, stop = self.channels
        if not start < stop <= self.input.channels:
            raise Flaw(
                f"slice [{start}, {stop}] is not a range of the {self.input.channels} input channels",
                "start must be less than stop, and stop at most the number of channels",
                key="channels",
                code="CV016",
            )
        return Shape(stop - start, self.input.spatial)
