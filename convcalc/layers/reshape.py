"""Defines layers that rearrange or select values without computing anything: flatten, reshape, permute, slice."""

from math import prod

from convcalc.arguments import LARGEST, AxisNames, Integer, IntegerList
from convcalc.intervals import SAME, Reads
from convcalc.layers.base import Reach, check_one_of, find_size, name_sizes
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


def _range_key(what: str, sign: str = "") -> IntegerList:
    return IntegerList(
        f"first {what}, and the one after the last",
        lengths=(1, 2),
        minimum=-LARGEST,
        expected="a list [start, stop], or [start] for all from there on",
        separator=":",
        sign=sign,
        required=False,
    )


class Slice(Free, SavesNothing):
    """Selects a range of the channels or along one spatial axis: from start up to, but not including, stop.

    Exactly one of channels, length, depth, height and width must be given. A negative number counts from the end, as in
    Python: [-1] is the last one, [0, -1] all but the last. With step s, every s-th one is selected.
    Output: ceil((stop - start) / step) channels or positions on that axis.
    Counted: nothing.
    Source: Python's slices; Ma et al. 2018, "ShuffleNet V2" (channel split).
    Example on [116, 28, 28]: slice: {channels: [0, 58]}
    """

    kind = "slice"
    main = "channels"
    one_of = ("channels", "length", "depth", "height", "width")
    is_part = True
    channels = _range_key("channel")
    length = _range_key("position along the length", "length ")
    depth = _range_key("position along the depth", "depth ")
    height = _range_key("position along the height", "height ")
    width = _range_key("position along the width", "width ")
    step = Integer("distance between the selected channels or positions", 1, sign="/")

    def normalise(self) -> None:
        """Replace negative and missing ends of the range; raises `Flaw` if the range exceeds the input."""
        check_one_of(self)
        axis = self._axis()
        size = find_size(self, axis, axis)
        start, stop = (*getattr(self, axis), size)[:2]
        first, last = (place + size if place < 0 else place for place in (start, stop))
        if not 0 <= first < last <= size:
            what = "input channels" if axis == "channels" else f"positions of the input's {axis}"
            raise Flaw(
                f"slice [{start}, {stop}] is not a range of the {size} {what}",
                "start must be before stop, and both within the size; a negative number counts from the end",
                key=axis,
                code="CV016",
            )
        self.fill(**{axis: (first, last)})

    def _axis(self) -> str:
        return next(name for name in self.one_of if getattr(self, name) is not None)

    def find_range(self) -> tuple[int, tuple[int, int]]:
        """Return the index of the axis, 0 for the channels, and the range (start, stop) on it."""
        axis = self._axis()
        return [name for name, _ in name_sizes(self.input)].index(axis), getattr(self, axis)

    def inferred_shape(self) -> Shape:
        """Return the output shape: the input's, with the number of selected channels or positions."""
        axis, (start, stop) = self.find_range()
        sizes = list(self.input.sizes)
        sizes[axis] = stop - start if self.step == 1 else -(-(stop - start) // self.step)
        return Shape(sizes[0], tuple(sizes[1:]))

    def reach(self) -> Reach:
        """Return `same` for a range of channels, otherwise, per axis, the input position that each output reads."""
        axis, _ = self.find_range()
        if axis == 0:
            return "same"
        return tuple(self.selected() if number == axis else SAME for number in range(1, self.input.axes + 1))

    def selected(self) -> Reads:
        """Return the `Reads` of the sliced axis: output i reads input start + i × step."""
        _, (start, _) = self.find_range()
        return Reads(1, self.step, (start,), (start,))


class Permute(Free, SavesNothing):
    """Changes the order of the axes.

    The receptive field is unknown if the channels or the order of spatial axes change, because positions then mean
    something else. To move the channels to the end for one layer, use the argument of that layer: `layernorm: {axes:
    channels}` and `pointwise_conv` work on the channels of every position.
    Output: the sizes of the input in the given order.
    Counted: nothing.
    Source: torch.permute.
    Example on [64, 10, 20]: permute: {order: [height, channels, width]}
    """

    kind = "permute"
    main = "order"
    is_part = True
    order = AxisNames("all axes of the input, in their new order", required=True)

    def normalise(self) -> None:
        """Raise `Flaw` unless `order` contains every axis of the input."""
        names = [name for name, _ in name_sizes(self.input)]
        if sorted(names) != sorted(self.order):
            raise Flaw(
                f"order must list every axis of the input ({self.input}) once: {', '.join(names)}; "
                f"got {', '.join(self.order)}",
                key="order",
                code="CV016",
            )

    def inferred_shape(self) -> Shape:
        """Return the output shape: the sizes of the input in the given order."""
        sizes = dict(name_sizes(self.input))
        channels, *spatial = [sizes[name] for name in self.order]
        return Shape(channels, tuple(spatial))

    def list_places(self) -> list[int]:
        """Return, for each axis of the output, the index of the same axis in the input, where 0 is the channels."""
        names = [name for name, _ in name_sizes(self.input)]
        return [names.index(name) for name in self.order]

    def reach(self) -> Reach:
        """Return `same` if no axis moves, otherwise `elsewhere`."""
        return "same" if self.list_places() == sorted(self.list_places()) else "elsewhere"
