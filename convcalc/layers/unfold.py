"""Defines unfold, which copies the windows of a convolution into channels, and its inverse, fold."""

from convcalc.arguments import Padding, PerAxis
from convcalc.arithmetic import same_padding, window_count
from convcalc.intervals import spread_window
from convcalc.layers.base import Layer, Reach, Sizes, check_divides, count_taps, count_windows, window_reach
from convcalc.layers.mixins import Free, NoMacs, NoWeights, SavesNothing
from convcalc.problems import Flaw
from convcalc.shape import Shape, axis_name


class _Windows(Layer):
    needs_axes = True
    kernel_size = PerAxis("window size", required=True)
    stride = PerAxis("distance between neighbouring windows", 1, sign="/")
    dilation = PerAxis("distance between the taps of the window", 1, sign="d")


class Unfold(_Windows, Free, SavesNothing):
    """Copies the values of each window into channels (im2col); a 1×1 convolution after it is then a full convolution.

    nn.Unfold also flattens the positions to one axis; here they stay, so that the receptive field is known.
    Output: channels × k…, and the number of windows on every axis, as in conv (k…: the product of all kernel sizes).
    Counted: nothing; values are only copied.
    Source: torch.nn.Unfold.
    Example on [3, 32, 32]: unfold: {kernel_size: 3, padding: 1}
    """

    kind = "unfold"
    main = "kernel_size"
    padding = Padding("zeros added before and after each axis", 0)

    def normalise(self) -> None:
        """Replace `same` padding by numbers."""
        if isinstance(self.padding, str):
            window = (self.kernel_size, self.stride, self.dilation)
            self.fill(padding=tuple(map(same_padding, self.input.spatial, *window)))

    def inferred_shape(self) -> Shape:
        """Return the output shape: channels × kernel taps, and the number of windows on each axis."""
        counts = count_windows(self, self.kernel_size, self.stride, self.padding, self.dilation)
        return Shape(self.input.channels * count_taps(self.kernel_size), counts)

    def reach(self) -> Reach:
        """Return, per axis, the interval of inputs that the window of each output position covers."""
        return window_reach(self.kernel_size, self.stride, self.padding, self.dilation)


class Fold(_Windows, NoWeights, NoMacs, SavesNothing):
    """Adds up overlapping windows (col2im): the k… channels of a position return to the places of its window.

    Output: channels / k… and output_size, in which as many windows must fit as the input has positions (k…: the product
    of all kernel sizes).
    Counted: one addition per input value, including those for cropped outputs; no MACs.
    Source: torch.nn.Fold.
    Example on [27, 12, 12]: fold: {kernel_size: 3, padding: 1, output_size: 12}
    """

    kind = "fold"
    output_size = PerAxis("output size", required=True, sign="→")
    padding = Padding("elements removed from the start and end of each output axis", 0, named=())

    def normalise(self) -> None:
        """Raise `Flaw` unless as many windows fit in output_size as the input has positions."""
        window = (self.output_size, self.kernel_size, self.stride, self.padding, self.dilation)
        fitting: Sizes = tuple(map(window_count, *window))
        for axis, (size, count) in enumerate(zip(self.input.spatial, fitting, strict=True)):
            if size != count:
                raise Flaw(
                    f"output_size {self.output_size[axis]} has {max(count, 0)} windows, but the input's "
                    f"{axis_name(axis, self.input.axes)} is {size} (input {self.input})",
                    key="output_size",
                    code="CV016",
                )

    def inferred_shape(self) -> Shape:
        """Return the output shape: channels / kernel taps, and output_size.

        Raises `Flaw` if the number of taps does not divide the channels.
        """
        taps = count_taps(self.kernel_size)
        check_divides(taps, self.input.channels, "kernel_size", "input channels", f"kernel_size with {taps} taps:")
        return Shape(self.input.channels // taps, self.output_size)

    def reach(self) -> Reach:
        """Return, per axis, the interval of inputs whose windows contain each output position."""
        before = [padding for padding, _ in self.padding]
        return tuple(map(spread_window, self.kernel_size, self.stride, before, self.dilation))

    def count_multiplications(self) -> int:
        """No multiplications."""
        return 0

    def count_additions(self) -> int:
        """Return the number of additions: one per input value."""
        return self.input.elements
