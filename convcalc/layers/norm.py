"""Defines normalisation layers, and layers that multiply or add one number per channel."""

from abc import abstractmethod

from convcalc.arguments import Choice, Flag, Integer, Number
from convcalc.layers.base import Layer, SavedForBackward, Tensors, check_divides
from convcalc.layers.mixins import KeepsShape, NoBuffers, NoMacs, NoWeights, SavesNothing
from convcalc.shape import Shape


class _Affine(Layer):
    affine: bool

    def scales(self) -> int:
        # the number of scales, which is also the number of biases
        return self.input.channels

    def weight_tensors(self) -> Tensors:
        return (self.scales(),) if self.affine else ()

    def bias_tensors(self) -> Tensors:
        return (self.scales(),) if self.affine else ()


class _InputStatistics(_Affine, KeepsShape, NoBuffers, NoMacs):
    # a norm that uses the mean and variance of its input, at inference too
    in_place = True

    def count_multiplications(self) -> int:
        # per value: the square, the division by the standard deviation, and the scale if affine
        return self.input.elements * (2 + self.affine)

    def count_additions(self) -> int:
        # per value: one for the sum, one for the sum of squares, the subtraction of the mean, and the bias if affine
        return self.input.elements * (3 + self.affine)

    def saved_for_backward(self) -> SavedForBackward:
        # the input, and the mean and inverse standard deviation of each normalised set of values
        return SavedForBackward(inputs=True, values=2 * self.statistics())

    @abstractmethod
    def statistics(self) -> int:
        """Return the number of means per sample. There are as many standard deviations."""


class BatchNorm(_Affine, KeepsShape, NoMacs):
    """Batch normalisation, which at inference is one scale and one bias per channel.

    Params: if affine, channels for the scale (scale: true) + channels for the bias (center: true). Buffers: 2 ×
    channels (running mean and variance) if track_running_stats is true, otherwise none.
    Counted: one multiplication and one addition per value; no MACs.
    Source: Ioffe and Szegedy 2015; the names scale and center are from Keras.
    Example on [64, 56, 56]: batchnorm
    """

    kind = "batchnorm"
    in_place = True
    affine = Flag("learn a scale and a bias per channel", True)
    track_running_stats = Flag("store the running mean and variance", True)
    scale = Flag("learn the scale, if affine", True)
    center = Flag("learn the bias, if affine", True)

    def weight_tensors(self) -> Tensors:
        """Return the size of the one weight tensor, one scale per channel; empty if no scale is learnt."""
        return super().weight_tensors() if self.scale else ()

    def bias_tensors(self) -> Tensors:
        """Return the size of the one bias tensor, one bias per channel; empty if no bias is learnt."""
        return super().bias_tensors() if self.center else ()

    def buffer_tensors(self) -> Tensors:
        """Return the sizes of two tensors, the running mean and variance per channel; empty if they are not tracked."""
        return (self.input.channels, self.input.channels) if self.track_running_stats else ()

    def count_multiplications(self) -> int:
        """Return the number of multiplications: one per value."""
        return self.input.elements

    def count_additions(self) -> int:
        """Return the number of additions: one per value."""
        return self.input.elements

    def saved_for_backward(self) -> SavedForBackward:
        """The input is saved, and each channel's mean and inverse standard deviation over the batch."""
        return SavedForBackward(inputs=True, batch_values=2 * self.input.channels)


class LayerNorm(_InputStatistics):
    """Layer normalisation over a whole sample, or over the channels at each position or of each token.

    Params: 2 × elements of a sample with axes: all, 2 × channels with axes: channels; none if affine is false.
    Counted: 2 multiplications and 3 additions per value, + 1 of each if affine; no MACs.
    Source: Ba, Kiros and Hinton 2016; Liu et al. 2022, "A ConvNet for the 2020s", for axes: channels.
    Example on [96, 56, 56]: layernorm: {axes: channels}
    """

    kind = "layernorm"
    axes = Choice(
        "values normalised together: all of a sample, or the channels at each position",
        "all",
        choices=("all", "channels"),
    )
    affine = Flag("learn a scale and a bias per normalised value", True)

    def scales(self) -> int:
        """Return the number of scales: one per value of the sample, or one per channel with `axes: channels`."""
        return self.input.elements if self.axes == "all" else self.input.channels

    def weight_input(self) -> object:
        """Return the whole input shape if all its values are normalised together, otherwise the channels."""
        return self.input if self.axes == "all" else self.input.channels

    def statistics(self) -> int:
        """Return the number of means: 1 if all values are normalised together, otherwise one per position."""
        return 1 if self.axes == "all" else self.input.positions


class GroupNorm(_InputStatistics):
    """Group normalisation: each group of channels of a sample is normalised separately.

    Params: 2 × channels if affine.
    Counted: 2 multiplications and 3 additions per value, + 1 of each if affine; no MACs.
    Source: Wu and He 2018.
    Example on [64, 56, 56]: groupnorm: {num_groups: 32}
    """

    kind = "groupnorm"
    main = "num_groups"
    num_groups = Integer("number of groups; must divide the channels", required=True, sign="g", sign_meaning="groups")
    affine = Flag("learn a scale and a bias per channel", True)

    def inferred_shape(self) -> Shape:
        """Return the input's shape; raises `Flaw` if num_groups does not divide the channels."""
        check_divides(self.num_groups, self.input.channels, "num_groups", "input channels")
        return self.input

    def statistics(self) -> int:
        """Return the number of means: one per group."""
        return self.num_groups


class InstanceNorm(_InputStatistics):
    """Instance normalisation: each channel of a sample is normalised separately.

    Params: 2 × channels if affine.
    Counted: 2 multiplications and 3 additions per value, + 1 of each if affine; no MACs.
    Source: Ulyanov, Vedaldi and Lempitsky 2016.
    Example on [64, 56, 56]: instancenorm
    """

    kind = "instancenorm"
    needs_axes = True
    affine = Flag("learn a scale and a bias per channel", False)

    def statistics(self) -> int:
        """Return the number of means: one per channel."""
        return self.input.channels

    def saved_for_backward(self) -> SavedForBackward:
        """The input, each channel's mean and inverse standard deviation, and the scales are saved.

        PyTorch treats the channels of all samples as channels of one sample and applies a batch norm, so the
        scales are copied for every sample.
        """
        return SavedForBackward(inputs=True, values=(2 + self.affine) * self.input.channels)


class LocalResponseNorm(KeepsShape, NoWeights, NoMacs):
    """Local response normalisation: each value is divided by a power of the sum of squares in nearby channels.

    Counted: size + 2 multiplications and size additions per value; no MACs.
    Source: Krizhevsky, Sutskever and Hinton 2012.
    Example on [96, 55, 55]: local_response_norm
    """

    kind = "local_response_norm"
    main = "size"
    needs_axes = True
    size = Integer("number of neighbouring channels", 5)

    def count_multiplications(self) -> int:
        """Return the multiplications: per value, `size` squares, 1 for the constant factor and 1 for the division."""
        return self.input.elements * (self.size + 2)

    def count_additions(self) -> int:
        """Return the number of additions: per value, size - 1 for the sum of squares and 1 for the constant."""
        return self.input.elements * self.size

    def saved_for_backward(self) -> SavedForBackward:
        """The input, its padded squares, the base of the power and the result of the power are saved.

        PyTorch composes this norm from other functions, each of which saves its own tensors.
        """
        padded = self.input.elements + (self.size - 1) * self.input.positions
        return SavedForBackward(inputs=True, values=padded + 2 * self.input.elements)


class GlobalResponseNorm(KeepsShape, NoBuffers, NoMacs):
    """Global response normalisation: x + bias + scale × x × g / (mean of g over the channels).

    Here g is the root of the sum of squares of a channel over all positions.

    Params: 2 × channels.
    Counted: 3 multiplications and 3 additions per value; no MACs.
    Source: Woo et al. 2023, "ConvNeXt V2".
    Example on [384, 56, 56]: global_response_norm
    """

    kind = "global_response_norm"
    needs_axes = True

    def weight_tensors(self) -> Tensors:
        """Return the size of the one weight tensor, which has a scale per channel."""
        return (self.input.channels,)

    def bias_tensors(self) -> Tensors:
        """Return the size of the one bias tensor, which has a bias per channel."""
        return (self.input.channels,)

    def count_multiplications(self) -> int:
        """Return the number of multiplications: per value, the square, and the products with g and with the scale."""
        return self.input.elements * 3

    def count_additions(self) -> int:
        """Return the number of additions: per value, one each for the sum of squares, the bias and x."""
        return self.input.elements * 3

    def saved_for_backward(self) -> SavedForBackward:
        """The input, g, its mean, the quotient of both, and the product of x and the quotient are saved.

        PyTorch composes this norm from other functions, each of which saves its own tensors.
        """
        return SavedForBackward(inputs=True, values=self.input.elements + 2 * self.input.channels + 1)


class Scale(KeepsShape, NoBuffers, NoMacs):
    """Multiplies each channel by a learnt scale (layer scale), or all values by a given number.

    Params: channels; none if factor is given.
    Counted: one multiplication per value; no MACs.
    Source: Touvron et al. 2021, "Going deeper with image transformers".
    Example on [96, 56, 56]: scale
    """

    kind = "scale"
    main = "factor"
    in_place = True
    factor = Number("number to multiply by", None, default_text="a learnt scale per channel")

    def weight_tensors(self) -> Tensors:
        """Return the size of the one weight tensor, which has a scale per channel; empty if factor is given."""
        return (self.input.channels,) if self.factor is None else ()

    def bias_tensors(self) -> Tensors:
        """No biases."""
        return ()

    def count_multiplications(self) -> int:
        """Return the number of multiplications: one per value."""
        return self.input.elements

    def count_additions(self) -> int:
        """No additions."""
        return 0

    def saved_for_backward(self) -> SavedForBackward:
        """The input is saved if the scale is learnt, otherwise nothing."""
        return SavedForBackward(inputs=self.factor is None)


class Shift(KeepsShape, NoBuffers, NoMacs, SavesNothing):
    """Adds a learnt bias to each channel, or a given number to all values.

    Params: channels; none if amount is given.
    Counted: one addition per value; no MACs.
    Source: Zhang, Dauphin and Ma 2019, "Fixup initialization", for a learnt bias.
    Example on [96, 56, 56]: shift
    """

    kind = "shift"
    main = "amount"
    in_place = True
    amount = Number("number to add", None, default_text="a learnt bias per channel")

    def weight_tensors(self) -> Tensors:
        """No weights that are not biases."""
        return ()

    def bias_tensors(self) -> Tensors:
        """Return the size of the one bias tensor, which has a bias per channel; empty if amount is given."""
        return (self.input.channels,) if self.amount is None else ()

    def count_multiplications(self) -> int:
        """No multiplications."""
        return 0

    def count_additions(self) -> int:
        """Return the number of additions: one per value."""
        return self.input.elements
