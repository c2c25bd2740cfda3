"""Defines layers over sequences C×N: embedding, LSTM, GRU and convolutional LSTM."""

from typing import ClassVar

from convcalc.arguments import Flag, Integer
from convcalc.layers.base import Reach, SavedForBackward, Tensors
from convcalc.layers.mixins import Free, NoBuffers, SamePlace
from convcalc.problems import Flaw
from convcalc.shape import Shape


class Embedding(SamePlace, Free):
    """Replaces each integer of its input with a learnt vector, its row in a table.

    Output: embedding_dim channels with the sizes of the input, which has one channel: 1×N becomes embedding_dim×N.
    Params: num_embeddings × embedding_dim.
    Counted: nothing.
    Source: torch.nn.Embedding, with the channels first.
    Example on [1, 128]: embedding: {num_embeddings: 10000, embedding_dim: 64}
    """

    kind = "embedding"
    needs_axes = True
    num_embeddings = Integer("rows of the table: the number of different integers", required=True)
    embedding_dim = Integer("channels of the output", required=True)

    def inferred_shape(self) -> Shape:
        """Return the output shape: embedding_dim at every position; raises `Flaw` unless the input has one channel."""
        if self.input.channels != 1:
            raise Flaw(
                f"embedding needs an input of one channel, an integer per position; this one is {self.input}",
                f"for a sequence of {self.input.channels} integers, the input is [1, {self.input.channels}]"
                if self.input.positions == 1
                else "",
                code="CV016",
            )
        return Shape(self.embedding_dim, self.input.spatial)

    def weight_tensors(self) -> Tensors:
        """Return the size of the table."""
        return (self.num_embeddings * self.embedding_dim,)

    def saved_for_backward(self) -> SavedForBackward:
        """The integers are saved, with 8 bytes each."""
        return SavedForBackward(mask_bytes=8 * self.input.positions)


class _Recurrent(NoBuffers):
    gates: ClassVar[int]  # also the number of linear layers of the input, and of the state
    products: ClassVar[int]  # elementwise products per unit and step
    sums: ClassVar[int]  # elementwise sums per unit and step
    main = "hidden_size"
    needs_axes = True
    hidden_size = Integer("features of the state and, per direction, of the output", required=True)
    num_layers = Integer("number of layers, each of which reads the output of the one before", 1, sign="layers ")
    bias = Flag("add two learnt biases per gate and unit, as PyTorch does", True)
    bidirectional = Flag(
        "also read the sequence backwards, with weights of its own", False, sign="bi", sign_meaning="bidirectional"
    )

    def normalise(self) -> None:
        if self.input.axes != 1:
            raise Flaw(
                f"{self.kind} needs a sequence (C×N), but its input is {self.input}",
                "add tokens before it, or use reshape to move an axis into the channels",
                code="CV016",
            )

    def inferred_shape(self) -> Shape:
        return Shape(self.hidden_size * self._count_directions(), self.input.spatial)

    def _count_directions(self) -> int:
        return 2 if self.bidirectional else 1

    def _list_units(self) -> list[int]:
        # the input features of each layer, once per direction
        directions = self._count_directions()
        later = [self.hidden_size * directions for _ in range(1, self.num_layers)]
        return [features for features in (self.input.channels, *later) for _ in range(directions)]

    def weight_tensors(self) -> Tensors:
        rows = self.gates * self.hidden_size
        return tuple(rows * size for features in self._list_units() for size in (features, self.hidden_size))

    def bias_tensors(self) -> Tensors:
        return tuple(self.gates * self.hidden_size for _ in self._list_units() for _ in range(2)) if self.bias else ()

    def count_macs(self) -> int:
        """Return the MACs: all weights, once per step."""
        return self.input.positions * sum(self.weight_tensors())

    def _count_states(self) -> int:
        return self.input.positions * self.hidden_size * self.num_layers * self._count_directions()

    def count_multiplications(self) -> int:
        return self.count_macs() + self.products * self._count_states()

    def count_additions(self) -> int:
        # a gate sums the products of its input and its state, and two biases: one addition fewer than there are terms
        gates = self.count_macs() + self.gates * self._count_states() * (2 * self.bias - 1)
        return gates + self.sums * self._count_states()

    def reach(self) -> Reach:
        """Return `everything`: a state depends on all positions before it."""
        return "everything"

    def saved_for_backward(self) -> None:
        """Return None: what is saved depends on the implementation."""


class LSTM(_Recurrent):
    """Long short-term memory over a sequence C×N, in PyTorch N×C; the output is the state at every step.

    What is saved for backward is unknown, because it depends on the implementation. The receptive field is that of the
    last step, the whole sequence.

    Output: hidden_size×N, or 2 hidden_size×N if bidirectional.
    Params: 4 h (i + h + 2) per layer and direction, with i input features and h = hidden_size; 4 h (i + h) if bias is
    false.
    Counted: the MACs are 4 h (i + h) per step; multiplications are the MACs and 3 per value of a state, additions one
    per MAC, and 5 per value of a state with bias.
    Source: Hochreiter and Schmidhuber 1997; torch.nn.LSTM.
    Example on [512, 24]: lstm: {hidden_size: 256, bidirectional: true}
    """

    kind = "lstm"
    gates = 4
    products = 3  # the cell with its gate, the new content with its gate, and the output with its gate
    sums = 1


class GRU(_Recurrent):
    """Gated recurrent units over a sequence C×N, in PyTorch N×C; the output is the state at every step.

    What is saved for backward is unknown, because it depends on the implementation. The receptive field is that of the
    last step, the whole sequence.

    Output: hidden_size×N, or 2 hidden_size×N if bidirectional.
    Params: 3 h (i + h + 2) per layer and direction, with i input features and h = hidden_size; 3 h (i + h) if bias is
    false.
    Counted: the MACs are 3 h (i + h) per step; multiplications are the MACs and 3 per value of a state, additions one
    per MAC, and 5 per value of a state with bias.
    Source: Cho et al. 2014; torch.nn.GRU.
    Example on [512, 24]: gru: {hidden_size: 256}
    """

    kind = "gru"
    gates = 3
    products = 3  # the reset gate, and both sides of (1 - z) × n + z × h
    sums = 2


class ConvLSTM(NoBuffers):
    """Convolutional LSTM over a sequence of maps: the first spatial axis of C×T×H×W is time.

    At every step, one convolution with zero padding that keeps the size computes the gates from input and state.
    What is saved for backward is unknown, because it depends on the implementation.

    Output: hidden_size×T×H×W.
    Params: 4 h (i + h) × taps, with i input channels, h = hidden_size and taps the product of the kernel's sizes, + 4 h
    with bias.
    Counted: the MACs are 4 h (i + h) × taps per position and step; multiplications are the MACs and 3 per value
    of a state; additions one per MAC minus 3 per value of a state, + 4 per value of a state with bias.
    Source: Shi et al. 2015, "Convolutional LSTM network", without peepholes.
    Example on [1, 10, 64, 64]: conv_lstm: {hidden_size: 32, kernel_size: 3}
    """

    kind = "conv_lstm"
    main = "hidden_size"
    needs_axes = True
    hidden_size = Integer("channels of the state and of the output", required=True)
    kernel_size = Integer("kernel size on every axis except time; must be odd", 3)
    bias = Flag("add a learnt bias to every gate and channel", True)

    def normalise(self) -> None:
        """Raise `Flaw` unless the input has a time axis and at least one other axis, and the kernel size is odd."""
        if self.input.axes < 2:
            raise Flaw(
                f"conv_lstm needs maps and time (C×T×H×W), but its input is {self.input}",
                "use lstm for a sequence C×N",
                code="CV016",
            )
        if self.kernel_size % 2 == 0:
            raise Flaw(f"kernel_size must be odd; got {self.kernel_size}", key="kernel_size", code="CV016")

    def inferred_shape(self) -> Shape:
        """Return the output shape: hidden_size channels at every position and step."""
        return Shape(self.hidden_size, self.input.spatial)

    def weight_tensors(self) -> Tensors:
        """Return the size of the one weight tensor, for all gates."""
        taps = self.kernel_size ** (self.input.axes - 1)
        return (4 * self.hidden_size * (self.input.channels + self.hidden_size) * taps,)

    def bias_tensors(self) -> Tensors:
        """Return the size of the one bias tensor, for all gates; an empty tuple if `bias` is false."""
        return (4 * self.hidden_size,) if self.bias else ()

    def count_macs(self) -> int:
        """Return the MACs: all weights, at every position and step."""
        return self.input.positions * sum(self.weight_tensors())

    def count_multiplications(self) -> int:
        """Return the MACs, and three elementwise products per value of a state."""
        return self.count_macs() + 3 * self.output.elements

    def count_additions(self) -> int:
        """Return the additions of the gates, and one elementwise sum per value of a state."""
        return self.count_macs() + self.output.elements * (4 * (self.bias - 1) + 1)

    def reach(self) -> Reach:
        """Return `everything`: a state depends on all earlier steps, in a larger window for each step further back."""
        return "everything"

    def saved_for_backward(self) -> None:
        """Return None: what is saved depends on the implementation."""
