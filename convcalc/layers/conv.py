"""Convolutions: full, transposed, 1×1, depthwise, separable, and the one that shares no weights."""

from convcalc.arithmetic import same_padding, transposed_formula, transposed_same, transposed_size
from convcalc.keys import Integer, Padding, PerAxis
from convcalc.layers.base import (
    AllMacs,
    Bias,
    SavesInput,
    Kept,
    Layer,
    Reach,
    Sizes,
    StatedChannels,
    SumOfProducts,
    Tensors,
    check_divides,
    check_positive,
    count_windows,
    window_reach,
    count_taps,
)
from convcalc.problems import Flaw
from convcalc.reads import transposed
from convcalc.shape import Shape


class OutChannels(Layer):
    """Convolutions whose output channels are chosen."""

    out_channels = Integer("channels of the output", required=True)


class Window(Layer):
    """Convolutions whose kernel slides over the input."""

    needs_axes = True
    kernel_size = PerAxis("size of the kernel", required=True)
    stride = PerAxis("step between windows", 1, sign="/")
    padding = Padding("zeros before and after each axis", 0)
    dilation = PerAxis("step between the taps of the kernel", 1, sign="d")

    def normalise(self) -> None:
        """Work out `same`."""
        if isinstance(self.padding, str):
            window = (self.kernel_size, self.stride, self.dilation)
            self.fill(padding=tuple(map(same_padding, self.input.spatial, *window)))

    def windows(self) -> Sizes:
        """How many windows fit on each axis."""
        return count_windows(self, self.kernel_size, self.stride, self.padding, self.dilation)

    def reach(self) -> Reach:
        """A window on every axis."""
        return window_reach(self.kernel_size, self.stride, self.padding, self.dilation)


class _Groups(Layer):
    """Convolutions that may keep groups of channels apart."""

    groups = Integer("groups of channels that are convolved apart", 1, sign="g")

    def check_groups(self, out_channels: int) -> None:
        """Groups divide the channels of the input and of the output."""
        check_divides(self.groups, self.input.channels, "groups", "input channels")
        check_divides(self.groups, out_channels, "groups", "output channels")


class _InChannels(Layer):
    """Convolutions for which the input's channels may be stated."""

    in_channels = StatedChannels("channels of the input, checked where it is stated")


class Conv(OutChannels, Window, _Groups, SumOfProducts, _InChannels):
    """Convolution in one, two or three dimensions; the weights are shared between all positions.

    Output: floor((n + p_before + p_after - d (k - 1) - 1) / s) + 1 on every axis.
    Params: out_channels × (k… × in_channels / groups), + out_channels with bias.
    Counted: out positions × out_channels × (k… × in_channels / groups) multiplications, which are the MACs;
    per output value one addition less than its products, plus one with bias.
    Source: torch.nn.Conv1d, Conv2d, Conv3d; Dumoulin and Visin 2016.
    Example on [3, 224, 224]: conv: {out_channels: 64, kernel_size: 7, stride: 2, padding: 3}
    """

    kind = "conv"

    def inferred_shape(self) -> Shape:
        """The windows that fit."""
        self.check_groups(self.out_channels)
        return Shape(self.out_channels, self.windows())

    def products(self) -> int:
        """k… × in_channels / groups."""
        return count_taps(self.kernel_size) * self.input.channels // self.groups


class ConvTranspose(OutChannels, _Groups, Bias, _InChannels, AllMacs, SavesInput):
    """Transposed convolution: every input position is multiplied with the whole kernel and added into the output.

    Output: (n - 1) s - p_before - p_after + d (k - 1) + output_padding + 1 on every axis; n × s with `same`.
    Params: in_channels × (k… × out_channels / groups), + out_channels with bias.
    Counted: in positions × in_channels × (k… × out_channels / groups) multiplications, which are the MACs, and as
    many additions (cropped ones included), plus one an output value with bias.
    Source: torch.nn.ConvTranspose1d, ConvTranspose2d, ConvTranspose3d; Dumoulin and Visin 2016.
    Example on [16, 7, 7]: conv_transpose: {out_channels: 32, kernel_size: 4, stride: 2, padding: 1}
    """

    kind = "conv_transpose"
    needs_axes = True
    kernel_size = PerAxis("size of the kernel", required=True)
    stride = PerAxis("step in the output between inputs", 1, sign="×")
    padding = Padding("elements cut before and after each axis of the output", 0)
    output_padding = PerAxis("elements added after each axis of the output", 0, minimum=0, sign="op")
    dilation = PerAxis("step between the taps of the kernel", 1, sign="d")

    def normalise(self) -> None:
        """Check the output padding and work out `same`."""
        for stride, dilation, extra in zip(self.stride, self.dilation, self.output_padding, strict=True):
            if extra >= max(stride, dilation):
                raise Flaw(
                    f"output_padding {extra} is not under the larger of stride {stride} and dilation {dilation}",
                    key="output_padding",
                    code="CV016",
                )
        if isinstance(self.padding, str):
            settled = list(map(transposed_same, self.kernel_size, self.stride, self.dilation, self.output_padding))
            self.fill(
                padding=tuple(padding for padding, _ in settled),
                output_padding=tuple(output_padding for _, output_padding in settled),
            )

    def inferred_shape(self) -> Shape:
        """The span of all products, cut by the padding."""
        self.check_groups(self.out_channels)
        parameters = (
            self.input.spatial,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.output_padding,
        )
        formulas = list(map(transposed_formula, *parameters))
        return Shape(self.out_channels, check_positive(self, tuple(map(transposed_size, *parameters)), formulas))

    def reach(self) -> Reach:
        """The inputs whose products are added into an output."""
        before = [padding for padding, _ in self.padding]
        return tuple(map(transposed, self.kernel_size, self.stride, before, self.dilation))

    def weight_tensors(self) -> Tensors:
        """in_channels × (k… × out_channels / groups)."""
        return (self.input.channels * self._products(),)

    def multiplications(self) -> int:
        """In positions × in_channels × (k… × out_channels / groups)."""
        return self.input.elements * self._products()

    def additions(self) -> int:
        """Each product is added into its output, plus one an output value with bias."""
        return self.multiplications() + self.bias * self.output.elements

    def _products(self) -> int:
        return count_taps(self.kernel_size) * self.out_channels // self.groups


class PointwiseConv(OutChannels, _Groups, SumOfProducts, _InChannels):
    """1×1 convolution: a linear layer at every position, which mixes channels and sees no neighbours.

    Output: floor((n - 1) / s) + 1 on every axis.
    Params: out_channels × in_channels / groups, + out_channels with bias.
    Counted: out positions × out_channels × in_channels / groups multiplications, which are the MACs; per output
    value one addition less, plus one with bias.
    Source: Lin et al. 2014, "Network in network".
    Example on [256, 14, 14]: pointwise_conv: {out_channels: 64}
    """

    kind = "pointwise_conv"
    needs_axes = True
    stride = PerAxis("step between positions", 1, sign="/")

    def inferred_shape(self) -> Shape:
        """Every stride-th position."""
        self.check_groups(self.out_channels)
        return Shape(self.out_channels, count_windows(self, *_describe_1x1_windows(self.input.axes, self.stride)))

    def reach(self) -> Reach:
        """Every stride-th position."""
        return window_reach(*_describe_1x1_windows(self.input.axes, self.stride))

    def products(self) -> int:
        """in_channels / groups."""
        return self.input.channels // self.groups


class DepthwiseConv(Window, SumOfProducts, _InChannels):
    """Depthwise convolution: each channel is convolved by itself, with `multiplier` kernels.

    Output: as of conv, with in_channels × multiplier channels.
    Params: in_channels × multiplier × k…, + in_channels × multiplier with bias.
    Counted: out positions × in_channels × multiplier × k… multiplications, which are the MACs; per output value one
    addition less than its products, plus one with bias.
    Source: Howard et al. 2017, "MobileNets".
    Example on [32, 112, 112]: depthwise_conv: {kernel_size: 3, padding: 1}
    """

    kind = "depthwise_conv"
    multiplier = Integer("kernels for each channel", 1, sign="m")

    def inferred_shape(self) -> Shape:
        """The windows that fit."""
        return Shape(self.input.channels * self.multiplier, self.windows())

    def products(self) -> int:
        """All taps: k…."""
        return count_taps(self.kernel_size)


class SeparableConv(OutChannels, Window, Bias, _InChannels, AllMacs):
    """Depthwise separable convolution: a depthwise one without bias, then a pointwise one with it.

    Against a full convolution of the same kernel it costs 1 / out_channels + 1 / k².
    Output: as of conv.
    Params: in_channels × multiplier × k… + in_channels × multiplier × out_channels, + out_channels with bias.
    Counted: the multiplications (which are the MACs) and additions of both.
    Source: Chollet 2017, "Xception"; Howard et al. 2017, "MobileNets".
    Example on [32, 112, 112]: separable_conv: {out_channels: 64, kernel_size: 3, padding: 1}
    """

    kind = "separable_conv"
    multiplier = Integer("depthwise kernels for each channel", 1, sign="m")

    depthwise: DepthwiseConv
    pointwise: PointwiseConv

    def normalise(self) -> None:
        """Make the two convolutions."""
        super().normalise()
        shared = {"bias": False, "in_channels": None}
        window = {name: getattr(self, name) for name in DepthwiseConv.keys}
        depthwise = DepthwiseConv(self.inputs, {**window, **shared})
        mixing = {"out_channels": self.out_channels, "stride": (1,) * self.input.axes, "groups": 1, "bias": self.bias}
        pointwise = PointwiseConv((depthwise.output,), {**mixing, "in_channels": None})
        self.fill(depthwise=depthwise, pointwise=pointwise)

    def inferred_shape(self) -> Shape:
        """That of the pointwise convolution."""
        return self.pointwise.output

    def weight_tensors(self) -> Tensors:
        """Both kernels."""
        return self.depthwise.weight_tensors() + self.pointwise.weight_tensors()

    def multiplications(self) -> int:
        """Of both."""
        return self.depthwise.multiplications() + self.pointwise.multiplications()

    def additions(self) -> int:
        """Of both."""
        return self.depthwise.additions() + self.pointwise.additions()

    def kept(self) -> Kept:
        """The input of each of both."""
        return Kept(inputs=True, values=self.depthwise.output.elements)


class LocallyConnected(OutChannels, Window, SumOfProducts, _InChannels):
    """A convolution without weight sharing: every position has a kernel and biases of its own.

    Output: as of conv.
    Params: out positions × out_channels × k… × in_channels, + out positions × out_channels with bias.
    Counted: out positions × out_channels × k… × in_channels multiplications, which are the MACs; per output value one
    addition less than its products, plus one with bias.
    Source: Goodfellow, Bengio and Courville 2016, "Deep learning", 9.5 (unshared convolution).
    Example on [1, 280, 320]: locally_connected: {out_channels: 1, kernel_size: [1, 2], bias: false}
    """

    kind = "locally_connected"

    def inferred_shape(self) -> Shape:
        """The windows that fit."""
        return Shape(self.out_channels, self.windows())

    def products(self) -> int:
        """k… × in_channels."""
        return count_taps(self.kernel_size) * self.input.channels

    def weight_tensors(self) -> Tensors:
        """A weight for each product of each output value."""
        return (self.output.elements * self.products(),)

    def bias_tensors(self) -> Tensors:
        """A bias for each output value."""
        return (self.output.elements,) if self.bias else ()

    def weight_input(self) -> object:
        """The whole shape: every position has weights of its own."""
        return self.input


def _describe_1x1_windows(axes: int, stride: Sizes) -> tuple[Sizes, Sizes, tuple[tuple[int, int], ...], Sizes]:
    """Kernel, stride, padding and dilation of a 1×1 kernel."""
    return (1,) * axes, stride, ((0, 0),) * axes, (1,) * axes
