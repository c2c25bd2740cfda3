"""Activations, element by element (softmax: over the channels), and what is only there in training."""

from typing import ClassVar

from convcalc.keys import Integer, Number
from convcalc.layers.base import (
    Free,
    SavesInput,
    SavesNothing,
    SavesOutput,
    KeepsShape,
    Kept,
    NoBuffers,
    NoMacs,
    NoWeights,
    Tensors,
)
from convcalc.problems import Flaw
from convcalc.shape import Shape


class _FreeActivation(KeepsShape, Free):
    """Activations that are comparisons and functions, which are not counted."""

    in_place = True


class _Activation(KeepsShape, NoWeights, NoMacs, SavesInput):
    """Activations with a known number of multiplications and additions for each value; they keep their input."""

    in_place = True
    multiplications_each: ClassVar[int]
    additions_each: ClassVar[int]

    def multiplications(self) -> int:
        """So many a value."""
        return self.input.elements * self.multiplications_each

    def additions(self) -> int:
        """So many a value."""
        return self.input.elements * self.additions_each


class ReLU(_FreeActivation, SavesOutput):
    """max(0, x).

    Counted: nothing.
    Source: Nair and Hinton 2010.
    Example on [64, 56, 56]: relu
    """

    kind = "relu"


class ReLU6(_FreeActivation, SavesInput):
    """min(max(0, x), 6).

    Counted: nothing.
    Source: Krizhevsky 2010, "Convolutional deep belief networks on CIFAR-10".
    Example on [64, 56, 56]: relu6
    """

    kind = "relu6"


class ELU(_FreeActivation, SavesInput):
    """x above 0, exp(x) - 1 below.

    Counted: nothing.
    Source: Clevert, Unterthiner and Hochreiter 2016.
    Example on [64, 56, 56]: elu
    """

    kind = "elu"


class SELU(_FreeActivation, SavesInput):
    """A scaled elu that keeps mean and variance.

    Counted: nothing.
    Source: Klambauer et al. 2017.
    Example on [64, 56, 56]: selu
    """

    kind = "selu"


class CELU(_FreeActivation, SavesInput):
    """max(0, x) + min(0, exp(x) - 1).

    Counted: nothing.
    Source: Barron 2017.
    Example on [64, 56, 56]: celu
    """

    kind = "celu"


class Sigmoid(_FreeActivation, SavesOutput):
    """1 / (1 + exp(-x)).

    Counted: nothing.
    Source: torch.nn.Sigmoid.
    Example on [64, 56, 56]: sigmoid
    """

    kind = "sigmoid"


class Tanh(_FreeActivation, SavesOutput):
    """The hyperbolic tangent.

    Counted: nothing.
    Source: torch.nn.Tanh.
    Example on [64, 56, 56]: tanh
    """

    kind = "tanh"


class Softplus(_FreeActivation, SavesInput):
    """log(1 + exp(x)).

    Counted: nothing.
    Source: torch.nn.Softplus.
    Example on [64, 56, 56]: softplus
    """

    kind = "softplus"


class Softsign(_FreeActivation):
    """x / (1 + |x|).

    Counted: nothing.
    Source: torch.nn.Softsign.
    Example on [64, 56, 56]: softsign
    """

    kind = "softsign"

    def kept(self) -> Kept:
        """As PyTorch composes it: the input, and 1 + |x|."""
        return Kept(inputs=True, values=self.input.elements)


class Hardtanh(_FreeActivation, SavesInput):
    """x between -1 and 1, cut off beyond.

    Counted: nothing.
    Source: torch.nn.Hardtanh.
    Example on [64, 56, 56]: hardtanh
    """

    kind = "hardtanh"


class GELU(_Activation):
    """x × the normal distribution's cumulative function.

    Counted: per value one multiplication; no MACs.
    Source: Hendrycks and Gimpel 2016.
    Example on [64, 56, 56]: gelu
    """

    kind = "gelu"
    multiplications_each = 1
    additions_each = 0


class SiLU(_Activation):
    """x × sigmoid(x), also called swish.

    Counted: per value one multiplication; no MACs.
    Source: Elfwing, Uchibe and Doya 2017; Ramachandran, Zoph and Le 2017.
    Example on [64, 56, 56]: silu
    """

    kind = "silu"
    multiplications_each = 1
    additions_each = 0


class Mish(_Activation):
    """x × tanh(softplus(x)).

    Counted: per value one multiplication; no MACs.
    Source: Misra 2019.
    Example on [64, 56, 56]: mish
    """

    kind = "mish"
    multiplications_each = 1
    additions_each = 0


class Hardsigmoid(_Activation):
    """relu6(x + 3) / 6.

    Counted: per value one multiplication and one addition; no MACs.
    Source: Howard et al. 2019, "Searching for MobileNetV3".
    Example on [64, 56, 56]: hardsigmoid
    """

    kind = "hardsigmoid"
    multiplications_each = 1
    additions_each = 1


class Hardswish(_Activation):
    """x × relu6(x + 3) / 6.

    Counted: per value two multiplications and one addition; no MACs.
    Source: Howard et al. 2019, "Searching for MobileNetV3".
    Example on [64, 56, 56]: hardswish
    """

    kind = "hardswish"
    multiplications_each = 2
    additions_each = 1


class Softmax(SavesOutput, _Activation):
    """exp(x) over its sum over the channels.

    Counted: per value one multiplication and one addition; no MACs.
    Source: torch.nn.Softmax.
    Example on [1000]: softmax
    """

    kind = "softmax"
    in_place = False  # every output reads all channels
    multiplications_each = 1
    additions_each = 1


class LogSoftmax(SavesOutput, _Activation):
    """The logarithm of softmax.

    Counted: per value one multiplication and one addition; no MACs.
    Source: torch.nn.LogSoftmax.
    Example on [1000]: log_softmax
    """

    kind = "log_softmax"
    in_place = False  # every output reads all channels
    multiplications_each = 1
    additions_each = 1


class LeakyReLU(_Activation):
    """x above 0, negative_slope × x below.

    Counted: per value one multiplication; no MACs.
    Source: Maas, Hannun and Ng 2013.
    Example on [64, 56, 56]: leaky_relu: {negative_slope: 0.2}
    """

    kind = "leaky_relu"
    negative_slope = Number("the slope below 0", 0.01)
    multiplications_each = 1
    additions_each = 0


class PReLU(KeepsShape, NoBuffers, NoMacs, SavesInput):
    """max(0, x) + a min(0, x), a learnt for all channels together or for each.

    Params: num_parameters.
    Counted: per value one multiplication; no MACs.
    Source: He et al. 2015, "Delving deep into rectifiers".
    Example on [64, 56, 56]: prelu: {num_parameters: $in_channels}
    """

    kind = "prelu"
    in_place = True
    num_parameters = Integer("1, or the number of channels", 1)

    def inferred_shape(self) -> Shape:
        """That of the input."""
        if self.num_parameters not in (1, self.input.channels):
            raise Flaw(
                f"num_parameters {self.num_parameters} is neither 1 nor the {self.input.channels} input channels",
                "write 1 or $in_channels",
                key="num_parameters",
                code="CV016",
            )
        return self.input

    def weight_tensors(self) -> Tensors:
        """The slopes."""
        return (self.num_parameters,)

    def bias_tensors(self) -> Tensors:
        """None."""
        return ()

    def multiplications(self) -> int:
        """One a value."""
        return self.input.elements

    def additions(self) -> int:
        """None."""
        return 0


class Dropout(_FreeActivation):
    """Zeroes values at random in training; nothing at inference.

    Counted: nothing.
    Source: Srivastava et al. 2014.
    Example on [4096]: dropout: {p: 0.2}
    """

    kind = "dropout"
    is_view = True
    p = Number("the share of values that are dropped", 0.5, minimum=0, maximum=1)

    def kept(self) -> Kept:
        """Which values stay, a byte each, as on a GPU (PyTorch's CPU code keeps factors); nothing where all do."""
        return Kept(mask_bytes=self.input.elements) if self.p else Kept()


class DropPath(_FreeActivation):
    """Drops whole paths at random in training (stochastic depth); nothing at inference.

    Counted: nothing.
    Source: Huang et al. 2016, "Deep networks with stochastic depth".
    Example on [96, 56, 56]: drop_path: {p: 0.1}
    """

    kind = "drop_path"
    is_view = True
    p = Number("the share of samples whose path is dropped", 0.5, minimum=0, maximum=1)

    def kept(self) -> Kept:
        """The factor of a sample, as torchvision's StochasticDepth; nothing where all stay."""
        return Kept(values=1) if self.p else Kept()


class Identity(_FreeActivation, SavesNothing):
    """Gives what it reads.

    Counted: nothing.
    Source: torch.nn.Identity.
    Example on [64, 56, 56]: identity
    """

    kind = "identity"
    is_view = True
