"""Defines the layers with several inputs: add, multiply and concat."""

from convcalc.arguments import Choice
from convcalc.exact import all_equal
from convcalc.layers.base import Reach, SavedForBackward
from convcalc.layers.mixins import Free, NoMacs, NoWeights, SamePlace, SavesNothing
from convcalc.problems import Flaw, join_words
from convcalc.shape import AXIS_NAMES, Shape


class _Elementwise(SamePlace):
    reads_many = True
    in_place = True

    def inferred_shape(self) -> Shape:
        if not all_equal(shape.axes for shape in self.inputs):
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


class Concat(Free, SavesNothing):
    """Concatenates its inputs along the channels, or along a spatial axis; all other sizes must be equal.

    A class token is put before tokens C×N along their only axis, length.

    Output: the sum of the channels, with the sizes of the inputs; along a spatial axis, the sum of its sizes.
    Counted: nothing.
    Source: Huang et al. 2017, "Densely connected convolutional networks".
    Example on [64, 56, 56]: concat: {from: [input, input]}
    """

    kind = "concat"
    main = "from"
    reads_many = True
    axis = Choice(
        "axis along which the inputs are joined",
        "channels",
        choices=("channels", "length", "depth", "height", "width"),
    )

    @property
    def place(self) -> int:
        """The index of the concatenated axis: 0 for the channels, 1 for the first spatial axis."""
        return 0 if self.axis == "channels" else AXIS_NAMES[self.input.axes].index(self.axis) + 1

    def normalise(self) -> None:
        """Raise `Flaw` if the first input does not have the axis to concatenate along."""
        names = AXIS_NAMES[self.input.axes]
        if self.axis not in ("channels", *names):
            raise Flaw(
                f"the input {self.input} of concat has no axis {self.axis}",
                f"its axes are {join_words(('channels', *names))}" if names else "use axis: channels",
                key="axis",
                code="CV016",
            )

    def inferred_shape(self) -> Shape:
        """Return the output shape: the sum of the sizes along the axis. Raises `Flaw` if other axes differ in size."""
        place = self.place
        others = [(*shape.sizes[:place], *shape.sizes[place + 1 :]) for shape in self.inputs]
        if not all_equal(others) or not all_equal(shape.axes for shape in self.inputs):
            hint = "all sizes except the channels must be equal; use crop or pad with like to match them"
            if place:
                hint = f"the channels and all sizes except the {self.axis} must be equal"
            raise Flaw(f"the input sizes of concat do not fit: {_format_shapes(self.inputs)}", hint, code="CV016")
        sizes = list(self.input.sizes)
        sizes[place] = sum(shape.sizes[place] for shape in self.inputs)
        return Shape(sizes[0], tuple(sizes[1:]))

    def reach(self) -> Reach:
        """Return `same` along the channels; along a spatial axis, `elsewhere`, because positions move."""
        return "same" if self.axis == "channels" else "elsewhere"


def _broadcast_shapes(shapes: tuple[Shape, ...]) -> Shape:
    """Return the shape after broadcasting; a size is 0 where the shapes cannot be broadcast."""
    channels, *spatial = (_broadcast_sizes(column) for column in zip(*(shape.sizes for shape in shapes), strict=True))
    return Shape(channels, tuple(spatial))


def _broadcast_sizes(sizes: tuple[int, ...]) -> int:
    others = [size for size in sizes if size != 1] or [1]
    return others[0] if all_equal(others) else 0


def _format_shapes(shapes: tuple[Shape, ...]) -> str:
    texts = [str(shape) for shape in shapes[:4]] + (["…"] if len(shapes) > 4 else [])
    return " and ".join(texts)
