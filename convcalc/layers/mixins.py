"""Defines rules that several layer kinds share, each as a mixin class that a kind inherits if it applies.

For example, `class Linear(SumOfProducts)` inherits its weights, bias and operations, and defines everything else
itself.
"""

from abc import abstractmethod

from convcalc.arguments import Flag
from convcalc.layers.base import Layer, Reach, SavedForBackward, Tensors
from convcalc.shape import Shape


class NoWeights(Layer):
    """A kind without weights, biases or buffers."""

    def weight_tensors(self) -> Tensors:
        """No weights."""
        return ()

    def bias_tensors(self) -> Tensors:
        """No biases."""
        return ()

    def buffer_tensors(self) -> Tensors:
        """No buffers."""
        return ()


class NoMacs(Layer):
    """A kind whose multiplications are not counted as multiply-accumulates."""

    def count_macs(self) -> int:
        """Return 0: papers count only the MACs of convolutions and matrix products, such as linear layers."""
        return 0


class SamePlace(Layer):
    """A kind whose output at a position depends only on the input at the same position, in any channel."""

    def reach(self) -> Reach:
        """Return `same`: an output position depends only on the same input position."""
        return "same"


class KeepsShape(SamePlace):
    """A kind whose output has the shape of its input, and depends at each position only on the input there."""

    def inferred_shape(self) -> Shape:
        """Return the input's shape."""
        return self.input


class Free(NoWeights, NoMacs):
    """A kind without weights and without counted operations: comparisons and functions such as exp do not count."""

    def count_multiplications(self) -> int:
        """No multiplications."""
        return 0

    def count_additions(self) -> int:
        """No additions."""
        return 0


class SavesNothing(Layer):
    """A kind whose gradient can be computed from the gradient of its output alone."""

    def saved_for_backward(self) -> SavedForBackward:
        """Nothing is saved for the backward pass."""
        return SavedForBackward()


class SavesInput(Layer):
    """A kind whose gradient is computed from its input."""

    def saved_for_backward(self) -> SavedForBackward:
        """The input is saved for the backward pass."""
        return SavedForBackward(inputs=True)


class SavesOutput(Layer):
    """A kind whose gradient is computed from its output."""

    def saved_for_backward(self) -> SavedForBackward:
        """The output is saved for the backward pass."""
        return SavedForBackward(output=True)


class AllMacs(Layer):
    """A kind whose multiplications all count as multiply-accumulates."""

    @abstractmethod
    def count_multiplications(self) -> int:
        """Return the multiplications per sample."""

    def count_macs(self) -> int:
        """Return the multiply-accumulates, which equal the multiplications."""
        return self.count_multiplications()


class NoBuffers(Layer):
    """A kind without buffers such as running statistics."""

    def buffer_tensors(self) -> Tensors:
        """No buffers."""
        return ()


class Bias(NoBuffers):
    """A kind with an optional learnt bias per output channel."""

    bias = Flag("add a learnt bias to each output channel", True)

    def bias_tensors(self) -> Tensors:
        """Return the size of the one bias tensor: out_channels; an empty tuple if `bias` is false."""
        return (self.output.channels,) if self.bias else ()


class SumOfProducts(Bias, AllMacs, SavesInput):
    """A kind in which every output value is a sum of products of inputs and weights, plus an optional bias.

    The gradient of the weights needs the input, which PyTorch saves without its padding.
    """

    @abstractmethod
    def products(self) -> int:
        """Return how many products of an input and a weight are summed for one output value."""

    def weight_tensors(self) -> Tensors:
        """Return the size of the one weight tensor: out_channels × products per output value.

        All output positions share these weights.
        """
        return (self.output.channels * self.products(),)

    def count_multiplications(self) -> int:
        """Return the number of multiplications: output values × products per output value."""
        return self.output.elements * self.products()

    def count_additions(self) -> int:
        """Return the number of additions per sample.

        Per output value: the number of products minus one, plus one if there is a bias.
        """
        return self.output.elements * (self.products() - 1 + self.bias)
