"""Defines convolutions: full, transposed, 1×1, depthwise, separable, and without weight sharing."""

from math import prod

from convcalc.arguments import ConvPadding, Flag, Integer, Padding, PaddingMode, PerAxis
from convcalc.arithmetic import (
    causal_padding,
    same_padding,
    same_transposed_padding,
    transposed_formula,
    transposed_size,
)
from convcalc.exact import largest
from convcalc.intervals import spread_window
from convcalc.layers.base import (
    Layer,
    Reach,
    SavedForBackward,
    Sizes,
    StatedChannels,
    Tensors,
    check_divides,
    check_padding_mode,
    check_positive,
    count_taps,
    count_windows,
    window_reach,
)
from convcalc.layers.mixins import AllMacs, Bias, SavesInput, SumOfProducts
from convcalc.problems import Flaw
from convcalc.shape import Shape


class OutChannels(Layer):
    """Base class of convolutions that have an argument for the number of output channels."""

    out_channels = Integer("output channels", required=True)


class Window(Layer):
    """Base class of convolutions with a kernel that slides over the input."""

    needs_axes = True
    kernel_size = PerAxis("kernel size", required=True)
    stride = PerAxis("distance between neighbouring windows, in input elements", 1, sign="/")
    padding = ConvPadding("elements added before and after each axis", 0)
    dilation = PerAxis("distance between the taps of the kernel", 1, sign="d")
    padding_mode = PaddingMode(
        "values of the added elements; in the figures, only training memory depends on them",
        choices=("zeros", "reflect", "replicate", "circular"),
    )

    def normalise(self) -> None:
        """Replace the padding `same` or `causal` by the equivalent numbers of elements."""
        if self.given["padding"] == "causal":
            self.fill(padding=tuple(map(causal_padding, self.kernel_size, self.dilation)))
        elif self.given["padding"] == "same":
            window = (self.kernel_size, self.stride, self.dilation)
            self.fill(padding=tuple(map(same_padding, self.input.spatial, *window)))
        check_padding_mode(self, self.padding, "padding_mode", self.padding_mode)

    @property
    def is_causal(self) -> bool:
        """Whether the input is 1-D and the padding equals causal padding, even if it is written as numbers."""
        return self.input.axes == 1 and self.padding == tuple(map(causal_padding, self.kernel_size, self.dilation))

    def windows(self) -> Sizes:
        """Return the number of windows that fit on each axis; raises `Flaw` if none fits."""
        return count_windows(self, self.kernel_size, self.stride, self.padding, self.dilation)

    def reach(self) -> Reach:
        """Return, per axis, the interval of inputs that each output's window covers; it may extend into the padding."""
        return window_reach(self.kernel_size, self.stride, self.padding, self.dilation)

    def saved_for_backward(self) -> SavedForBackward:
        """The input is saved for the backward pass, or a padded copy of it.

        In a padding mode other than zeros, PyTorch pads separately and also saves the padded copy; in mode circular, it
        saves only the padded copy.
        """
        if self.padding_mode == "zeros":
            return SavedForBackward(inputs=True)
        padded = prod(size + sum(pair) for size, pair in zip(self.input.spatial, self.padding, strict=True))
        return SavedForBackward(inputs=self.padding_mode != "circular", values=self.input.channels * padded)


class _Groups(Layer):
    groups = Integer("groups of channels that are convolved separately", 1, sign="g")

    def check_groups(self, out_channels: int) -> None:
        check_divides(self.groups, self.input.channels, "groups", "input channels")
        check_divides(self.groups, out_channels, "groups", "output channels")


class _InChannels(Layer):
    in_channels = StatedChannels("expected input channels; only checked against the input")


class Conv(OutChannels, Window, _Groups, SumOfProducts, _InChannels):
    """Convolution in one, two or three dimensions; all positions share the weights.

    Output: floor((n + p_before + p_after - d (k - 1) - 1) / s) + 1 on every axis (n, k, s, p, d: input size, kernel
    size, stride, padding, dilation). Padding same makes ceil(n / s) outputs and adds an odd element at the end; causal,
    for 1-D inputs, adds d (k - 1) elements before the axis and none after it, so that no output depends on later
    inputs. The receptive field is that of windows away from the border, whatever padding_mode is.
    With weight_standardized, the weights of each output channel are normalised to mean 0 and variance 1 before use.
    That is not counted: at inference, the normalised weights are constants. Training saves them for backward.
    Params: out_channels × (k… × in_channels / groups), + out_channels with bias (k…: the product of all kernel sizes).
    Counted: output positions × out_channels × (k… × in_channels / groups) multiplications, which are the MACs;
    k… × in_channels / groups - 1 additions per output value, + 1 with bias.
    Source: torch.nn.Conv1d, Conv2d, Conv3d; Dumoulin and Visin 2016; keras.layers.Conv1D (causal); Qiao et al. 2019,
    "Weight standardization"; timm.layers.StdConv2d.
    Example on [3, 224, 224]: conv: {out_channels: 64, kernel_size: 7, stride: 2, padding: 3}
    """

    kind = "conv"
    weight_standardized = Flag("normalise the weights of each output channel", False, sign="ws")

    def normalise(self) -> None:
        """Replace the padding `same` or `causal` by numbers; raises `Flaw` if weight_standardized cannot be applied.

        It needs more than one weight per output channel.
        """
        super().normalise()
        if self.weight_standardized and self.products() == 1:
            raise Flaw(
                "weight_standardized needs more than one weight per output channel, but "
                f"{self.input.channels} / {self.groups} input channels and one kernel tap are one",
                key="weight_standardized",
                code="CV016",
            )

    def inferred_shape(self) -> Shape:
        """Return the output shape: out_channels channels, and the number of windows on each axis."""
        self.check_groups(self.out_channels)
        return Shape(self.out_channels, self.windows())

    def products(self) -> int:
        """Return the number of products per output value: kernel taps × in_channels / groups."""
        return count_taps(self.kernel_size) * self.input.channels // self.groups

    def saved_for_backward(self) -> SavedForBackward:
        """The input is saved, or a padded copy, as `padding_mode` requires.

        With weight_standardized, also the standardised weights and, per output channel, their mean and inverse standard
        deviation.
        """
        saved = super().saved_for_backward()
        standardized = sum(self.weight_tensors()) + 2 * self.out_channels if self.weight_standardized else 0
        return saved._replace(batch_values=standardized)


class ConvTranspose(OutChannels, _Groups, Bias, _InChannels, AllMacs, SavesInput):
    """Transposed convolution: every input value is multiplied by the whole kernel, and the products are added up.

    Output: (n - 1) s - p_before - p_after + d (k - 1) + output_padding + 1 on every axis (symbols as in conv);
    n × s if padding is same.
    Params: in_channels × (k… × out_channels / groups), + out_channels with bias (k…: the product of all kernel sizes).
    Counted: input positions × in_channels × (k… × out_channels / groups) multiplications, which are the MACs, and the
    same number of additions (including those for cropped outputs), + 1 per output value with bias.
    Source: torch.nn.ConvTranspose1d, ConvTranspose2d, ConvTranspose3d; Dumoulin and Visin 2016.
    Example on [16, 7, 7]: conv_transpose: {out_channels: 32, kernel_size: 4, stride: 2, padding: 1}
    """

    kind = "conv_transpose"
    needs_axes = True
    kernel_size = PerAxis("kernel size", required=True)
    stride = PerAxis("distance in the output between neighbouring inputs", 1, sign="×")
    padding = Padding("elements removed from the start and end of each output axis", 0)
    output_padding = PerAxis("elements added to the end of each output axis", 0, minimum=0, sign="op")
    dilation = PerAxis("distance between the taps of the kernel", 1, sign="d")
    padding_mode = PaddingMode("only zeros is supported, as in PyTorch", choices=("zeros",))

    def normalise(self) -> None:
        """Check output_padding, and replace `same` padding by numbers; raises `Flaw` if output_padding is too large."""
        for stride, dilation, extra in zip(self.stride, self.dilation, self.output_padding, strict=True):
            if extra >= largest(stride, dilation):
                raise Flaw(
                    f"output_padding must be less than the larger of stride {stride} and dilation {dilation}; "
                    f"got {extra}",
                    key="output_padding",
                    code="CV016",
                )
        if isinstance(self.padding, str):
            resolved = list(
                map(same_transposed_padding, self.kernel_size, self.stride, self.dilation, self.output_padding)
            )
            self.fill(
                padding=tuple(padding for padding, _ in resolved),
                output_padding=tuple(output_padding for _, output_padding in resolved),
            )

    def inferred_shape(self) -> Shape:
        """Return the output shape: out_channels channels, and on each axis the size from `transposed_size`."""
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
        """Return, per axis, the interval of inputs that contribute to each output position."""
        before = [padding for padding, _ in self.padding]
        return tuple(map(spread_window, self.kernel_size, self.stride, before, self.dilation))

    def weight_tensors(self) -> Tensors:
        """Return the size of the one weight tensor: in_channels × (kernel taps × out_channels / groups)."""
        return (self.input.channels * self._products(),)

    def count_multiplications(self) -> int:
        """Return the number of multiplications: input values × (kernel taps × out_channels / groups)."""
        return self.input.elements * self._products()

    def count_additions(self) -> int:
        """Return the number of additions: one per multiplication, and one per output value if there is a bias."""
        return self.count_multiplications() + self.bias * self.output.elements

    def _products(self) -> int:
        return count_taps(self.kernel_size) * self.out_channels // self.groups


class PointwiseConv(OutChannels, _Groups, SumOfProducts, _InChannels):
    """1×1 convolution: a linear layer applied at every position, which mixes channels but not positions.

    Output: floor((n - 1) / s) + 1 on every axis (n, s: input size, stride).
    Params: out_channels × in_channels / groups, + out_channels with bias.
    Counted: output positions × out_channels × in_channels / groups multiplications, which are the MACs;
    in_channels / groups - 1 additions per output value, + 1 with bias.
    Source: Lin et al. 2014, "Network in network".
    Example on [256, 14, 14]: pointwise_conv: {out_channels: 64}
    """

    kind = "pointwise_conv"
    main = "out_channels"
    needs_axes = True
    stride = PerAxis("distance between neighbouring positions, in input elements", 1, sign="/")

    def inferred_shape(self) -> Shape:
        """Return the output shape: out_channels channels, and every stride-th position of the input on each axis."""
        self.check_groups(self.out_channels)
        return Shape(self.out_channels, count_windows(self, *_describe_1x1_windows(self.input.axes, self.stride)))

    def reach(self) -> Reach:
        """Return, per axis, the one input position that each output position depends on."""
        return window_reach(*_describe_1x1_windows(self.input.axes, self.stride))

    def products(self) -> int:
        """Return the number of products per output value: in_channels / groups."""
        return self.input.channels // self.groups


class DepthwiseConv(Window, SumOfProducts, _InChannels):
    """Depthwise convolution: each channel is convolved separately, with as many kernels as multiplier says.

    Output: the same sizes as conv, with in_channels × multiplier channels.
    Params: in_channels × multiplier × k…, + in_channels × multiplier with bias (k…: the product of all kernel sizes).
    Counted: output positions × in_channels × multiplier × k… multiplications, which are the MACs; k… - 1 additions per
    output value, + 1 with bias.
    Source: Howard et al. 2017, "MobileNets".
    Example on [32, 112, 112]: depthwise_conv: {kernel_size: 3, padding: 1}
    """

    kind = "depthwise_conv"
    main = "kernel_size"
    multiplier = Integer("kernels per input channel", 1, sign="m")

    def inferred_shape(self) -> Shape:
        """Return the output shape: in_channels × multiplier channels, and the number of windows on each axis."""
        return Shape(self.input.channels * self.multiplier, self.windows())

    def products(self) -> int:
        """Return the number of products per output value: one per kernel tap."""
        return count_taps(self.kernel_size)


class SeparableConv(OutChannels, Window, Bias, _InChannels, AllMacs):
    """Depthwise separable convolution: a depthwise convolution without bias, then a pointwise one with the bias.

    In 2-D its MACs are 1 / out_channels + 1 / k² times those of a full k×k convolution (multiplier 1, stride 1).
    Output: the same sizes as conv, with out_channels channels.
    Params: in_channels × multiplier × k… + in_channels × multiplier × out_channels, + out_channels with bias (k…: the
    product of all kernel sizes).
    Counted: the multiplications (which are the MACs) and additions of both convolutions.
    Source: Chollet 2017, "Xception"; Howard et al. 2017, "MobileNets".
    Example on [32, 112, 112]: separable_conv: {out_channels: 64, kernel_size: 3, padding: 1}
    """

    kind = "separable_conv"
    multiplier = Integer("depthwise kernels per input channel", 1, sign="m")

    depthwise: DepthwiseConv
    pointwise: PointwiseConv

    def normalise(self) -> None:
        """Create the two convolutions from the arguments."""
        super().normalise()
        shared = {"bias": False, "in_channels": None}
        window = {name: getattr(self, name) for name in DepthwiseConv.keys}
        depthwise = DepthwiseConv(self.inputs, {**window, **shared})
        mixing = {"out_channels": self.out_channels, "stride": (1,) * self.input.axes, "groups": 1, "bias": self.bias}
        pointwise = PointwiseConv((depthwise.output,), {**mixing, "in_channels": None})
        self.fill(depthwise=depthwise, pointwise=pointwise)

    def inferred_shape(self) -> Shape:
        """Return the shape of the pointwise convolution's output."""
        return self.pointwise.output

    def weight_tensors(self) -> Tensors:
        """Return the sizes of the weight tensors of both convolutions, the depthwise one first."""
        return self.depthwise.weight_tensors() + self.pointwise.weight_tensors()

    def count_multiplications(self) -> int:
        """Return the multiplications of both convolutions."""
        return self.depthwise.count_multiplications() + self.pointwise.count_multiplications()

    def count_additions(self) -> int:
        """Return the additions of both convolutions."""
        return self.depthwise.count_additions() + self.pointwise.count_additions()

    def saved_for_backward(self) -> SavedForBackward:
        """The inputs of both convolutions are saved for the backward pass."""
        first = self.depthwise.saved_for_backward()
        return first._replace(values=first.values + self.depthwise.output.elements)


class DeformConv(OutChannels, Window, _Groups, Bias, _InChannels):
    """Deformable convolution: a convolution with bias predicts how far each tap of the kernel moves at each position.

    The offsets are fractions, so that every tap reads by bilinear interpolation. With mask (version 2), each tap is
    also multiplied by a predicted sigmoid. The input must have two spatial axes. The receptive field is unknown,
    because a tap can move anywhere; so is what training saves.
    Output: the same sizes as conv.
    Params: those of conv, and those of the convolution of the same kernel that predicts 2 × offset_groups × k… channels
    (3 × with mask; k…: the product of all kernel sizes).
    Counted: the multiplications of both convolutions, which are the MACs; per output position, input channel and tap 4
    multiplications and 3 additions of the interpolation, and 1 multiplication with mask; the additions of both
    convolutions. Adding the offsets and computing the interpolation's weights are not counted.
    Source: Dai et al. 2017, "Deformable convolutional networks"; Zhu et al. 2019 (version 2);
    torchvision.ops.DeformConv2d; mmcv.ops.ModulatedDeformConv2dPack.
    Example on [64, 28, 28]: deform_conv: {out_channels: 64, kernel_size: 3, padding: 1, mask: true}
    """

    kind = "deform_conv"
    padding_mode = PaddingMode("only zeros is supported, as in torchvision", choices=("zeros",))
    offset_groups = Integer("groups of input channels with offsets of their own", 1, sign="og")
    mask = Flag("also predict a factor per tap (version 2)", False, sign="v2", sign_meaning="with mask")

    def normalise(self) -> None:
        """Replace the padding `same` by numbers; raises `Flaw` unless the input has two axes and offset_groups fits."""
        if self.input.axes != 2:
            raise Flaw(
                f"deform_conv needs an input with two spatial axes; this one has {self.input.axes} ({self.input})",
                code="CV016",
            )
        super().normalise()
        check_divides(self.offset_groups, self.input.channels, "offset_groups", "input channels")

    def inferred_shape(self) -> Shape:
        """Return the output shape: out_channels, and the number of windows on each axis."""
        self.check_groups(self.out_channels)
        return Shape(self.out_channels, self.windows())

    def reach(self) -> Reach:
        """Return `unknown`: each tap can read any position."""
        return "unknown"

    def count_predicted(self) -> int:
        """Return the output channels of the convolution that predicts the offsets and, with `mask`, the mask."""
        return (2 + self.mask) * self.offset_groups * count_taps(self.kernel_size)

    def weight_tensors(self) -> Tensors:
        """Return the sizes of the weight tensors: of the convolution for the offsets, then of the main one."""
        read = count_taps(self.kernel_size) * self.input.channels
        return (self.count_predicted() * read, self.out_channels * (read // self.groups))

    def bias_tensors(self) -> Tensors:
        """Return the sizes of the biases: of the convolution for the offsets, then out_channels if `bias` is true."""
        return (self.count_predicted(), *super().bias_tensors())

    def count_multiplications(self) -> int:
        """Return the multiplications of both convolutions, of the interpolation, and of the mask."""
        return self.count_macs() + self._samples() * (4 + self.mask)

    def count_additions(self) -> int:
        """Return the additions of both convolutions and of the interpolation."""
        of_taps = count_taps(self.kernel_size) * self.input.channels // self.groups - 1 + self.bias
        offsets = self.output.positions * self.weight_tensors()[0]
        return offsets + self.output.elements * of_taps + self._samples() * 3

    def count_macs(self) -> int:
        """Return the multiplications of both convolutions: output positions × weights."""
        offsets, taps = self.weight_tensors()
        return self.output.positions * offsets + self.output.positions * taps

    def _samples(self) -> int:
        # interpolated values: one per output position, input channel and tap
        return self.output.positions * self.input.channels * count_taps(self.kernel_size)

    def saved_for_backward(self) -> None:  # type: ignore[override]
        """Return None: torchvision's operator decides what is saved."""


class LocallyConnected(OutChannels, Window, SumOfProducts, _InChannels):
    """Convolution without weight sharing: every output position has its own kernel and biases.

    Output: the same sizes as conv, with out_channels channels.
    Params: output positions × out_channels × k… × in_channels, + output positions × out_channels with bias (k…: the
    product of all kernel sizes).
    Counted: output positions × out_channels × k… × in_channels multiplications, which are the MACs;
    k… × in_channels - 1 additions per output value, + 1 with bias.
    Source: Goodfellow, Bengio and Courville 2016, "Deep learning", 9.5 (unshared convolution).
    Example on [1, 280, 320]: locally_connected: {out_channels: 1, kernel_size: [1, 2], bias: false}
    """

    kind = "locally_connected"

    def inferred_shape(self) -> Shape:
        """Return the output shape: out_channels channels, and the number of windows on each axis."""
        return Shape(self.out_channels, self.windows())

    def products(self) -> int:
        """Return the number of products per output value: kernel taps × in_channels."""
        return count_taps(self.kernel_size) * self.input.channels

    def weight_tensors(self) -> Tensors:
        """Return the size of the one weight tensor: output values × products per output value, none shared."""
        return (self.output.elements * self.products(),)

    def bias_tensors(self) -> Tensors:
        """Return the size of the one bias tensor: one element per output value; an empty tuple if `bias` is false."""
        return (self.output.elements,) if self.bias else ()

    def weight_input(self) -> object:
        """Return the whole input shape, because every position has its own weights."""
        return self.input


def _describe_1x1_windows(axes: int, stride: Sizes) -> tuple[Sizes, Sizes, tuple[tuple[int, int], ...], Sizes]:
    return (1,) * axes, stride, ((0, 0),) * axes, (1,) * axes
