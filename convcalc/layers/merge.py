"""Layers that read several inputs."""

from convcalc.layers.base import Free, SavesNothing, Kept, NoMacs, NoWeights, SamePlace
from convcalc.problems import Flaw
from convcalc.shape import Shape


class _Elementwise(SamePlace):
    """Merges value by value; an axis (or the channels) of size 1 is repeated to fit."""

    reads_many = True
    in_place = True

    def inferred_shape(self) -> Shape:
        """The larger of the sizes of each axis, which are equal or 1."""
        if len({shape.axes for shape in self.inputs}) > 1:
            raise Flaw(
                f"{self.kind} reads inputs with different numbers of axes: {_join_shapes(self.inputs)}",
                "flatten, reshape or global pooling with keepdims brings them to the same",
                code="CV016",
            )
        merged = _merge_shapes(self.inputs)
        if 0 in merged.sizes:
            raise Flaw(
                f"{self.kind} reads inputs that do not fit: {_join_shapes(self.inputs)}",
                "sizes are equal, or 1",
                code="CV016",
            )
        return merged


class Add(_Elementwise, NoWeights, NoMacs, SavesNothing):
    """The sum of its inputs, broadcast where a size is 1.

    Counted: per output value one addition less than there are inputs; no MACs.
    Source: He et al. 2016, "Deep residual learning".
    Example on [64, 56, 56]: add: {from: [input, input]}
    """

    kind = "add"

    def multiplications(self) -> int:
        """None."""
        return 0

    def additions(self) -> int:
        """Inputs - 1 an output value."""
        return self.output.elements * (len(self.inputs) - 1)


class Multiply(_Elementwise, NoWeights, NoMacs):
    """The product of its inputs, broadcast where a size is 1.

    Counted: per output value one multiplication less than there are inputs; no MACs.
    Source: Hu, Shen and Sun 2018, "Squeeze-and-excitation networks".
    Example on [64, 56, 56]: multiply: {from: [input, input]}
    """

    kind = "multiply"

    def multiplications(self) -> int:
        """Inputs - 1 an output value."""
        return self.output.elements * (len(self.inputs) - 1)

    def additions(self) -> int:
        """None."""
        return 0

    def kept(self) -> Kept:
        """All inputs, and the products on the way: PyTorch multiplies two at a time."""
        products = (_merge_shapes(self.inputs[:count]) for count in range(2, len(self.inputs)))
        return Kept(inputs=True, values=sum(shape.elements for shape in products))


class Concat(SamePlace, Free, SavesNothing):
    """Its inputs one after the other along the channels; all other sizes are equal.

    Counted: nothing.
    Source: Huang et al. 2017, "Densely connected convolutional networks".
    Example on [64, 56, 56]: concat: {from: [input, input]}
    """

    kind = "concat"
    reads_many = True

    def inferred_shape(self) -> Shape:
        """The sum of the channels."""
        if len({shape.spatial for shape in self.inputs}) > 1:
            raise Flaw(
                f"concat reads inputs that do not fit: {_join_shapes(self.inputs)}",
                "all sizes but the channels are equal; crop or pad with like brings them to the same",
                code="CV016",
            )
        return Shape(sum(shape.channels for shape in self.inputs), self.input.spatial)


def _merge_shapes(shapes: tuple[Shape, ...]) -> Shape:
    """The shape that shapes have together, 0 on an axis on which they do not fit."""
    channels, *spatial = (_broadcast_sizes(column) for column in zip(*(shape.sizes for shape in shapes), strict=True))
    return Shape(channels, tuple(spatial))


def _broadcast_sizes(sizes: tuple[int, ...]) -> int:
    """The size that sizes of one axis have together, 0 where they do not fit."""
    others = {size for size in sizes if size != 1}
    return 0 if len(others) > 1 else max(others, default=1)


def _join_shapes(shapes: tuple[Shape, ...]) -> str:
    """`64×56×56 and 128×56×56`, cut after a few."""
    texts = [str(shape) for shape in shapes[:4]] + (["…"] if len(shapes) > 4 else [])
    return " and ".join(texts)
