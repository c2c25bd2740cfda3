"""Defines the learnt tensor that is the source of a path, such as a position embedding or a class token."""

from convcalc.arguments import IntegerList
from convcalc.layers.base import Reach, Tensors
from convcalc.layers.mixins import Free, SavesNothing
from convcalc.shape import MOST_AXES, Shape


class Parameter(Free, SavesNothing):
    """A learnt tensor, the same for every sample: a position embedding, a class token, or a scale per channel.

    It has no input. Its name is used in the `from` of a layer such as add, multiply, concat or attention. It counts as
    an activation too, like the output of any other layer.

    Output: shape.
    Params: the product of the sizes of shape.
    Counted: nothing.
    Source: torch.nn.Parameter.
    Example on [192, 196]: parameter: {shape: [192, 196]}
    """

    kind = "parameter"
    main = "shape"
    reads_nothing = True
    shape = IntegerList(
        "shape of the tensor",
        lengths=(1, MOST_AXES + 1),
        minimum=1,
        expected=f"a list of 1 to {MOST_AXES + 1} positive integers, channels first",
    )

    @property
    def input(self) -> Shape:
        """The shape of the output, because there is no input."""
        return self.inferred_shape()

    def inferred_shape(self) -> Shape:
        """Return the value of the argument `shape`."""
        channels, *spatial = self.shape
        return Shape(channels, tuple(spatial))

    def weight_tensors(self) -> Tensors:
        """Return the number of elements of the tensor."""
        return (self.inferred_shape().elements,)

    def weight_input(self) -> object:
        """Return None: no input determines the size."""
        return None

    def reach(self) -> Reach:
        """Return `elsewhere`: no input position is read."""
        return "elsewhere"
