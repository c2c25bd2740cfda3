"""Defines elementwise activations, softmax over channels or positions, and layers that are active only in training."""

from typing import ClassVar

from convcalc.arguments import Choice, Integer, Number
from convcalc.layers.base import Reach, SavedForBackward, Tensors
from convcalc.layers.mixins import (
    Free,
    KeepsShape,
    NoBuffers,
    NoMacs,
    NoWeights,
    SamePlace,
    SavesInput,
    SavesNothing,
    SavesOutput,
)
from convcalc.problems import Flaw
from convcalc.shape import Shape


class _FreeActivation(KeepsShape, Free):
    # only comparisons and functions such as exp, which are not counted
    in_place = True


class _Activation(KeepsShape, NoWeights, NoMacs, SavesInput):
    in_place = True
    multiplications_each: ClassVar[int]
    additions_each: ClassVar[int]

    def count_multiplications(self) -> int:
        return self.input.elements * self.multiplications_each

    def count_additions(self) -> int:
        return self.input.elements * self.additions_each


class ReLU(_FreeActivation, SavesOutput):
    """Rectified linear unit: max(0, x).

    Counted: nothing.
    Source: Nair and Hinton 2010.
    Example on [64, 56, 56]: relu
    """

    kind = "relu"


class ReLU6(_FreeActivation, SavesInput):
    """Rectified linear unit with a maximum of 6: min(max(0, x), 6).

    Counted: nothing.
    Source: Krizhevsky 2010, "Convolutional deep belief networks on CIFAR-10".
    Example on [64, 56, 56]: relu6
    """

    kind = "relu6"


class ELU(_FreeActivation, SavesInput):
    """Exponential linear unit: x if x > 0, otherwise exp(x) - 1.

    Counted: nothing.
    Source: Clevert, Unterthiner and Hochreiter 2016.
    Example on [64, 56, 56]: elu
    """

    kind = "elu"


class SELU(_FreeActivation, SavesInput):
    """Scaled exponential linear unit: elu with fixed factors chosen so that mean and variance are preserved.

    Counted: nothing.
    Source: Klambauer et al. 2017.
    Example on [64, 56, 56]: selu
    """

    kind = "selu"


class CELU(_FreeActivation, SavesInput):
    """Continuously differentiable exponential linear unit: max(0, x) + min(0, exp(x) - 1), the same as elu.

    Counted: nothing.
    Source: Barron 2017.
    Example on [64, 56, 56]: celu
    """

    kind = "celu"


class Sigmoid(_FreeActivation, SavesOutput):
    """The logistic function: 1 / (1 + exp(-x)).

    Counted: nothing.
    Source: torch.nn.Sigmoid.
    Example on [64, 56, 56]: sigmoid
    """

    kind = "sigmoid"


class Tanh(_FreeActivation, SavesOutput):
    """The hyperbolic tangent: (exp(x) - exp(-x)) / (exp(x) + exp(-x)).

    Counted: nothing.
    Source: torch.nn.Tanh.
    Example on [64, 56, 56]: tanh
    """

    kind = "tanh"


class Softplus(_FreeActivation, SavesInput):
    """A smooth approximation of relu: log(1 + exp(x)).

    Counted: nothing.
    Source: torch.nn.Softplus.
    Example on [64, 56, 56]: softplus
    """

    kind = "softplus"


class Softsign(_FreeActivation):
    """A sigmoid-shaped function without exp: x / (1 + |x|).

    Counted: nothing.
    Source: torch.nn.Softsign.
    Example on [64, 56, 56]: softsign
    """

    kind = "softsign"

    def saved_for_backward(self) -> SavedForBackward:
        """The input and 1 + |x| are saved, because PyTorch composes softsign from other functions."""
        return SavedForBackward(inputs=True, values=self.input.elements)


class Hardtanh(_FreeActivation, SavesInput):
    """A piecewise linear approximation of tanh: x clipped to the range from -1 to 1.

    Counted: nothing.
    Source: torch.nn.Hardtanh.
    Example on [64, 56, 56]: hardtanh
    """

    kind = "hardtanh"


class GELU(_Activation):
    """Gaussian error linear unit: x × Φ(x), with Φ the cumulative distribution function of the standard normal.

    Counted: one multiplication per value; no MACs.
    Source: Hendrycks and Gimpel 2016.
    Example on [64, 56, 56]: gelu
    """

    kind = "gelu"
    multiplications_each = 1
    additions_each = 0


class SiLU(_Activation):
    """Sigmoid linear unit, also called swish: x × sigmoid(x).

    Counted: one multiplication per value; no MACs.
    Source: Elfwing, Uchibe and Doya 2017; Ramachandran, Zoph and Le 2017.
    Example on [64, 56, 56]: silu
    """

    kind = "silu"
    multiplications_each = 1
    additions_each = 0


class Mish(_Activation):
    """A smooth activation similar to silu: x × tanh(softplus(x)).

    Counted: one multiplication per value; no MACs.
    Source: Misra 2019.
    Example on [64, 56, 56]: mish
    """

    kind = "mish"
    multiplications_each = 1
    additions_each = 0


class Hardsigmoid(_Activation):
    """A piecewise linear approximation of sigmoid: relu6(x + 3) / 6.

    Counted: one multiplication and one addition per value; no MACs.
    Source: Howard et al. 2019, "Searching for MobileNetV3".
    Example on [64, 56, 56]: hardsigmoid
    """

    kind = "hardsigmoid"
    multiplications_each = 1
    additions_each = 1


class Hardswish(_Activation):
    """A piecewise approximation of silu: x × relu6(x + 3) / 6.

    Counted: two multiplications and one addition per value; no MACs.
    Source: Howard et al. 2019, "Searching for MobileNetV3".
    Example on [64, 56, 56]: hardswish
    """

    kind = "hardswish"
    multiplications_each = 2
    additions_each = 1


class _OverSum(SavesOutput, _Activation):
    in_place = False  # every output depends on several inputs
    axes = Choice(
        "values that are summed: the channels at each position, or all positions of each channel",
        "channels",
        choices=("channels", "positions"),
    )
    multiplications_each = 1
    additions_each = 1

    def reach(self) -> Reach:
        """Return `same` if the sum is over the channels of a position, `everything` if over positions or a vector."""
        return "same" if self.input.axes and self.axes == "channels" else "everything"

    def normalise(self) -> None:
        """Raise `Flaw` if the sum is over positions but the input is a vector, which has none."""
        if self.axes == "positions" and not self.input.axes:
            raise Flaw(
                f"axes: positions needs spatial axes, but the input is a vector of {self.input.channels} features",
                key="axes",
                code="CV016",
            )


class Softmax(_OverSum):
    """exp(x) divided by the sum of exp(x) over the channels, or over all positions.

    Counted: one multiplication and one addition per value; no MACs.
    Source: torch.nn.Softmax.
    Example on [1000]: softmax
    """

    kind = "softmax"


class LogSoftmax(_OverSum):
    """The logarithm of softmax: x minus the logarithm of the sum of exp(x) over the channels, or over all positions.

    Counted: one multiplication and one addition per value; no MACs.
    Source: torch.nn.LogSoftmax.
    Example on [1000]: log_softmax
    """

    kind = "log_softmax"


class GLU(SamePlace, NoWeights, NoMacs, SavesInput):
    """Gated linear unit: channel i of the first half is multiplied by the sigmoid of channel i of the second half.

    Output: channels / 2.
    Counted: one multiplication per output value; no MACs.
    Source: Dauphin et al. 2017, "Language modeling with gated convolutional networks".
    Example on [64, 56, 56]: glu
    """

    kind = "glu"

    def inferred_shape(self) -> Shape:
        """Return the output shape, with half the input's channels; raises `Flaw` if the input has an odd number."""
        if self.input.channels % 2:
            raise Flaw(
                f"glu needs an even number of channels, but its input has {self.input.channels} ({self.input})",
                code="CV016",
            )
        return Shape(self.input.channels // 2, self.input.spatial)

    def count_multiplications(self) -> int:
        """Return the number of multiplications: one per output value."""
        return self.output.elements

    def count_additions(self) -> int:
        """No additions."""
        return 0


class LeakyReLU(_Activation):
    """Leaky rectified linear unit: x if x > 0, otherwise negative_slope × x.

    Counted: one multiplication per value; no MACs.
    Source: Maas, Hannun and Ng 2013.
    Example on [64, 56, 56]: leaky_relu: {negative_slope: 0.2}
    """

    kind = "leaky_relu"
    main = "negative_slope"
    negative_slope = Number("slope for x < 0", 0.01)
    multiplications_each = 1
    additions_each = 0


class PReLU(KeepsShape, NoBuffers, NoMacs, SavesInput):
    """Parametric rectified linear unit: x if x > 0, otherwise a × x; a is learnt, for all channels or per channel.

    Params: num_parameters.
    Counted: one multiplication per value; no MACs.
    Source: He et al. 2015, "Delving deep into rectifiers".
    Example on [64, 56, 56]: prelu: {num_parameters: $in_channels}
    """

    kind = "prelu"
    main = "num_parameters"
    in_place = True
    num_parameters = Integer("number of learnt slopes: 1, or the number of channels", 1)

    def inferred_shape(self) -> Shape:
        """Return the input's shape. Raises `Flaw` unless num_parameters is 1 or the number of channels."""
        if self.num_parameters not in (1, self.input.channels):
            raise Flaw(
                f"num_parameters must be 1 or the number of input channels ({self.input.channels}); "
                f"got {self.num_parameters}",
                "use 1 or $in_channels",
                key="num_parameters",
                code="CV016",
            )
        return self.input

    def weight_tensors(self) -> Tensors:
        """Return the size of the one weight tensor, which holds the learnt slopes: num_parameters."""
        return (self.num_parameters,)

    def bias_tensors(self) -> Tensors:
        """No biases."""
        return ()

    def count_multiplications(self) -> int:
        """Return the number of multiplications: one per value."""
        return self.input.elements

    def count_additions(self) -> int:
        """No additions."""
        return 0


class Dropout(_FreeActivation):
    """Dropout: sets random values to zero in training, and does nothing at inference.

    Counted: nothing.
    Source: Srivastava et al. 2014.
    Example on [4096]: dropout: {p: 0.2}
    """

    kind = "dropout"
    main = "p"
    is_view = True
    p = Number("fraction of values that are dropped", 0.5, minimum=0, maximum=1)

    def saved_for_backward(self) -> SavedForBackward:
        """A mask with one byte per value is saved, as PyTorch does on a GPU; nothing if p is 0.

        On a CPU, PyTorch saves floats instead of bytes.
        """
        return SavedForBackward(mask_bytes=self.input.elements) if self.p else SavedForBackward()


class DropPath(_FreeActivation):
    """Stochastic depth: sets all values of random samples to zero in training, and does nothing at inference.

    Used at the end of a residual path, where it removes that path for some samples.

    Counted: nothing.
    Source: Huang et al. 2016, "Deep networks with stochastic depth".
    Example on [96, 56, 56]: drop_path: {p: 0.1}
    """

    kind = "drop_path"
    main = "p"
    is_view = True
    p = Number("fraction of samples that are dropped", 0.5, minimum=0, maximum=1)

    def saved_for_backward(self) -> SavedForBackward:
        """One factor per sample is saved, as in torchvision's StochasticDepth; nothing if p is 0."""
        return SavedForBackward(values=1) if self.p else SavedForBackward()


class Identity(_FreeActivation, SavesNothing):
    """Returns its input unchanged.

    Counted: nothing.
    Source: torch.nn.Identity.
    Example on [64, 56, 56]: identity
    """

    kind = "identity"
    is_view = True
