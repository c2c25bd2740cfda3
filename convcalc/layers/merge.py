"""Defines the layers with several inputs: add, multiply and concat."""

from convcalc.layers.base import SavedForBackward
from convcalc.layers.mixins import Free, NoMacs, NoWeights, SamePlace, SavesNothing
from convcalc.problems import Flaw
from convcalc.shape import Shape


class _Elementwise(SamePlace):
    reads_many = True
    in_place = True

    def inferred_shape(self) -> Shape:
        if len({shape.axes for shape in self.inputs}) > 1:
            raise Flaw(
                f"the inputs of {self.kind} have different numbers of axes: {_format_shapes(self.inputs)}",
                "use flatten, reshape or global pooling with keepdims to give them the same number",
                code="CV016",
            )
        merged = _broadcast_shapes(self.inputs)
        if 0 in merged.sizes:
            raise Flaw(
                f"the input shapes of {self.kind} do not fit: {_format_shapes(self.inputs)}",
                "on each axis the sizes must be equal or 1",
                code="CV016",
            )
        return merged


class Add(_Elementwise, NoWeights, NoMacs, SavesNothing):
    """Elementwise sum of the inputs; channels or an axis of size 1 are broadcast.

    Output: on every axis, and for the channels, the largest size of any input.
    Counted: (number of inputs - 1) additions per output value; no MACs.
    Source: He et al. 2016, "Deep residual learning".
    Example on [64, 56, 56]: add: {from: [input, input]}
    """

    kind = "add"
    main = "from"

    def count_multiplications(self) -> int:
        """No multiplications."""
        return 0

    def count_additions(self) -> int:
        """Return the number of additions: output values × (number of inputs - 1)."""
        return self.output.elements * (len(self.inputs) - 1)


class Multiply(_Elementwise, NoWeights, NoMacs):
    """Elementwise product of the inputs; channels or an axis of size 1 are broadcast.

    Output: on every axis, and for the channels, the largest size of any input.
    Counted: (number of inputs - 1) multiplications per output value; no MACs.
    Source: Hu, Shen and Sun 2018, "Squeeze-and-excitation networks".
    Example on [64, 56, 56]: multiply: {from: [input, input]}
    """

    kind = "multiply"
    main = "from"

    def count_multiplications(self) -> int:
        """Return the number of multiplications: output values × (number of inputs - 1)."""
        return self.output.elements * (len(self.inputs) - 1)

    def count_additions(self) -> int:
        """No additions."""
        return 0

    def saved_for_backward(self) -> SavedForBackward:
        """All inputs and the intermediate products are saved: PyTorch multiplies two tensors at a time."""
        products = (_broadcast_shapes(self.inputs[:count]) for count in range(2, len(self.inputs)))
        return SavedForBackward(inputs=True, values=sum(shape.elements for shape in products))


class Concat(SamePlace, Free, SavesNothing):
    """Concatenates its inputs along the channels; all other sizes must be equal.

    Output: the sum of the channels, with the sizes of the inputs.
    Counted: nothing.
    Source: Huang et al. 2017, "Densely connected convolutional networks".
    Example on [64, 56, 56]: concat: {from: [input, input]}
    """

    kind = "concat"
    main = "from"
    reads_many = True

    def inferred_shape(self) -> Shape:
        """Return the output shape: the sum of the channels, and the common sizes. Raises `Flaw` if the sizes differ."""
        if len({shape.spatial for shape in self.inputs}) > 1:
            raise Flaw(
                f"the input sizes of concat do not fit: {_format_shapes(self.inputs)}",
                "all sizes except the channels must be equal; use crop or pad with like to match them",
                code="CV016",
            )
        return Shape(sum(shape.channels for shape in self.inputs), self.input.spatial)


def _broadcast_shapes(shapes: tuple[Shape, ...]) -> Shape:
    """Return the shape after broadcasting; channels or sizes that do not fit together are 0."""
    channels, *spatial = (_broadcast_sizes(column) for column in zip(*(shape.sizes for shape in shapes), strict=True))
    return Shape(channels, tuple(spatial))


def _broadcast_sizes(sizes: tuple[int, ...]) -> int:
    others = {size for size in sizes if size != 1}
    return 0 if len(others) > 1 else max(others, default=1)


def _format_shapes(shapes: tuple[Shape, ...]) -> str:
    texts = [str(shape) for shape in shapes[:4]] + (["…"] if len(shapes) > 4 else [])
    return " and ".join(texts)
