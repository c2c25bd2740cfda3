"""Normalisation, and the learnt factor a channel."""

from abc import abstractmethod

from convcalc.keys import Choice, Flag, Integer
from convcalc.layers.base import (
    SavesInput,
    KeepsShape,
    Kept,
    Layer,
    NoBuffers,
    NoMacs,
    NoWeights,
    Tensors,
    check_divides,
)
from convcalc.shape import Shape


class _Affine(Layer):
    """Normalisations that may scale and shift by learnt factors, one a channel each."""

    affine: bool

    def factors(self) -> int:
        """How many factors there are, and as many shifts."""
        return self.input.channels

    def weight_tensors(self) -> Tensors:
        """The factors."""
        return (self.factors(),) if self.affine else ()

    def bias_tensors(self) -> Tensors:
        """The shifts."""
        return (self.factors(),) if self.affine else ()


class _InputStatistics(_Affine, KeepsShape, NoBuffers, NoMacs):
    """Normalisations by the mean and variance of the input itself."""

    in_place = True

    def multiplications(self) -> int:
        """Per value the square and the division by the deviation, plus the factor where affine."""
        return self.input.elements * (2 + self.affine)

    def additions(self) -> int:
        """Per value the sum, the mean's subtraction and the sum of squares, plus the shift where affine."""
        return self.input.elements * (3 + self.affine)

    def kept(self) -> Kept:
        """The input, and the mean and inverse deviation of all that is normalised together."""
        return Kept(inputs=True, values=2 * self.statistics())

    @abstractmethod
    def statistics(self) -> int:
        """How many means a sample has, and as many deviations."""


class BatchNorm(_Affine, KeepsShape, NoMacs):
    """Batch normalisation, at inference: running statistics folded into one factor and one shift a channel.

    Params: where affine channels for the scale and as many for the center, if it has them; buffers: 2 × channels
    (running mean and variance) where they are tracked.
    Counted: per value one multiplication and one addition; no MACs.
    Source: Ioffe and Szegedy 2015; scale and center are Keras's words.
    Example on [64, 56, 56]: batchnorm
    """

    kind = "batchnorm"
    in_place = True
    affine = Flag("whether a factor and a shift a channel are learnt", True)
    track_running_stats = Flag("whether running mean and variance are kept", True)
    scale = Flag("whether, where affine, there is a factor", True)
    center = Flag("whether, where affine, there is a shift", True)

    def weight_tensors(self) -> Tensors:
        """The factors."""
        return super().weight_tensors() if self.scale else ()

    def bias_tensors(self) -> Tensors:
        """The shifts."""
        return super().bias_tensors() if self.center else ()

    def buffer_tensors(self) -> Tensors:
        """Running mean and variance."""
        return (self.input.channels, self.input.channels) if self.track_running_stats else ()

    def multiplications(self) -> int:
        """One a value."""
        return self.input.elements

    def additions(self) -> int:
        """One a value."""
        return self.input.elements

    def kept(self) -> Kept:
        """The input, and the mean and inverse deviation of each channel over the batch."""
        return Kept(inputs=True, batch_values=2 * self.input.channels)


class LayerNorm(_InputStatistics):
    """Layer normalisation over all of a sample, or over the channels at each position.

    Params: where affine 2 × all elements of a sample, with axes: channels 2 × channels.
    Counted: per value 2 multiplications and 3 additions, + 1 of each where affine; no MACs.
    Source: Ba, Kiros and Hinton 2016; Liu et al. 2022, "A ConvNet for the 2020s", for channels.
    Example on [96, 56, 56]: layernorm: {axes: channels}
    """

    kind = "layernorm"
    axes = Choice("what is normalised together", "all", choices=("all", "channels"))
    affine = Flag("whether factors and shifts are learnt", True)

    def factors(self) -> int:
        """One for each value that is normalised together."""
        return self.input.elements if self.axes == "all" else self.input.channels

    def weight_input(self) -> object:
        """The whole shape where all of it is normalised together."""
        return self.input if self.axes == "all" else self.input.channels

    def statistics(self) -> int:
        """One, or one a position."""
        return 1 if self.axes == "all" else self.input.positions


class GroupNorm(_InputStatistics):
    """Normalisation of groups of channels.

    Params: 2 × channels where affine.
    Counted: per value 2 multiplications and 3 additions, + 1 of each where affine; no MACs.
    Source: Wu and He 2018.
    Example on [64, 56, 56]: groupnorm: {num_groups: 32}
    """

    kind = "groupnorm"
    num_groups = Integer("groups, which divide the channels", required=True, sign="g")
    affine = Flag("whether a factor and a shift a channel are learnt", True)

    def inferred_shape(self) -> Shape:
        """That of the input."""
        check_divides(self.num_groups, self.input.channels, "num_groups", "input channels")
        return self.input

    def statistics(self) -> int:
        """One a group."""
        return self.num_groups


class InstanceNorm(_InputStatistics):
    """Normalisation of each channel of each sample.

    Params: 2 × channels where affine.
    Counted: per value 2 multiplications and 3 additions, + 1 of each where affine; no MACs.
    Source: Ulyanov, Vedaldi and Lempitsky 2016.
    Example on [64, 56, 56]: instancenorm
    """

    kind = "instancenorm"
    needs_axes = True
    affine = Flag("whether a factor and a shift a channel are learnt", False)

    def statistics(self) -> int:
        """One a channel."""
        return self.input.channels

    def kept(self) -> Kept:
        """As a batch norm of one sample that has the channels of all, for which the factors are repeated."""
        return Kept(inputs=True, values=(2 + self.affine) * self.input.channels)


class LocalResponseNorm(KeepsShape, NoWeights, NoMacs):
    """Normalisation by the squares of neighbouring channels.

    Counted: per value size + 2 multiplications and size additions; no MACs.
    Source: Krizhevsky, Sutskever and Hinton 2012.
    Example on [96, 55, 55]: local_response_norm
    """

    kind = "local_response_norm"
    in_place = True
    needs_axes = True
    size = Integer("neighbouring channels", 5)

    def multiplications(self) -> int:
        """Size squares, the factor and the division."""
        return self.input.elements * (self.size + 2)

    def additions(self) -> int:
        """Size - 1 to sum the squares, 1 for the constant."""
        return self.input.elements * self.size

    def kept(self) -> Kept:
        """As PyTorch composes it: the input, its squares padded for their mean, the power's base and the power."""
        padded = self.input.elements + (self.size - 1) * self.input.positions
        return Kept(inputs=True, values=padded + 2 * self.input.elements)


class Scale(KeepsShape, NoBuffers, NoMacs, SavesInput):
    """One learnt factor a channel (layer scale).

    Params: channels.
    Counted: per value one multiplication; no MACs.
    Source: Touvron et al. 2021, "Going deeper with image transformers".
    Example on [96, 56, 56]: scale
    """

    kind = "scale"
    in_place = True

    def weight_tensors(self) -> Tensors:
        """One a channel."""
        return (self.input.channels,)

    def bias_tensors(self) -> Tensors:
        """None."""
        return ()

    def multiplications(self) -> int:
        """One a value."""
        return self.input.elements

    def additions(self) -> int:
        """None."""
        return 0
