"""Defines the kind for operations that no other layer kind covers."""

from convcalc.arguments import Integer, IntegerList, Text
from convcalc.layers.base import Layer, Reach, Tensors
from convcalc.shape import MOST_AXES, Shape


class Opaque(Layer):
    """An operation that no other kind covers: its output shape, params and buffers are given, its cost is unknown.

    It accepts one or more inputs. Unknown is not zero: its multiplications, additions and MACs, the memory it saves for
    the backward pass and its receptive field are shown as `?` in tables and null in JSON, and so are all totals that
    include them. The output counts as activation memory; memory that the operation uses while it runs is not counted.

    Output: output_shape.
    Params: the argument params; the argument buffers counts as buffers.
    Counted: unknown.
    Source: used for operations of an imported network that convcalc does not support.
    Example on [64, 56, 56]: opaque: {output_shape: [100, 4], params: 12544, what: RoiAlign}
    """

    kind = "opaque"
    reads_any = True
    output_shape = IntegerList(
        "output shape",
        lengths=(1, MOST_AXES + 1),
        minimum=1,
        expected=f"a list of 1 to {MOST_AXES + 1} positive integers, channels first",
    )
    params = Integer("number of learnt elements", 0, minimum=0, sign="params ")
    buffers = Integer("number of elements of running statistics", 0, minimum=0)
    what = Text("description or name of the operation")

    def inferred_shape(self) -> Shape:
        """Return output_shape."""
        channels, *spatial = self.output_shape
        return Shape(channels, tuple(spatial))

    def weight_tensors(self) -> Tensors:
        """Return one tensor with all params."""
        return (self.params,) if self.params else ()

    def bias_tensors(self) -> Tensors:
        """No biases: all params count as weights."""
        return ()

    def buffer_tensors(self) -> Tensors:
        """Return one tensor with all running statistics."""
        return (self.buffers,) if self.buffers else ()

    def multiplications(self) -> None:
        """Return None: unknown."""

    def additions(self) -> None:
        """Return None: unknown."""

    def macs(self) -> None:
        """Return None: unknown."""

    def reach(self) -> Reach:
        """Return `unknown`."""
        return "unknown"

    def saved_for_backward(self) -> None:
        """Return None: unknown."""
