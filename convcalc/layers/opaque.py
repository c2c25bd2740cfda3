"""What a network does that no other kind expresses."""

from convcalc.keys import Integer, IntegerList, Text
from convcalc.layers.base import Layer, Reach, Tensors
from convcalc.shape import MOST_AXES, Shape


class Opaque(Layer):
    """A part of a network that no other kind expresses: its shape, params and buffers are stated, its cost is unknown.

    It reads one input or more. What depends on its cost is not known either, and no figure of it is taken for 0: its
    multiplications, additions and MACs, what it keeps in training and what it sees are `?` in a table and null in
    JSON, and so are the totals with them. Its output counts as activation memory, what it needs while it runs does not.

    Output: output_shape.
    Params: params; buffers are counted apart from them.
    Counted: not known.
    Source: stands for an operation that the source of an imported network names.
    Example on [64, 56, 56]: opaque: {output_shape: [100, 4], params: 12544, what: RoiAlign}
    """

    kind = "opaque"
    reads_any = True
    output_shape = IntegerList(
        "the shape that it gives, channels first",
        lengths=(1, MOST_AXES + 1),
        minimum=1,
        expected=f"a list of 1 to {MOST_AXES + 1} integers from 1, channels first",
    )
    params = Integer("elements of learnt weights", 0, minimum=0, sign="params ")
    buffers = Integer("elements of running statistics", 0, minimum=0)
    what = Text("what it stands for, in words")

    def inferred_shape(self) -> Shape:
        """As it is stated."""
        channels, *spatial = self.output_shape
        return Shape(channels, tuple(spatial))

    def weight_tensors(self) -> Tensors:
        """One tensor with all params."""
        return (self.params,) if self.params else ()

    def bias_tensors(self) -> Tensors:
        """None apart from the params."""
        return ()

    def buffer_tensors(self) -> Tensors:
        """One tensor with all running statistics."""
        return (self.buffers,) if self.buffers else ()

    def multiplications(self) -> None:
        """Not known."""

    def additions(self) -> None:
        """Not known."""

    def macs(self) -> None:
        """Not known."""

    def reach(self) -> Reach:
        """Not known."""
        return "unknown"

    def kept(self) -> None:
        """Not known."""
