"""Defines `Program`: a network as the operators that a runtime on a microcontroller runs, and its tensors' sizes.

A convolution, its batch norm and its ReLU are one operator, for example: `Operator("conv1", "CONV_2D", (0,), (1,), …)`.
Operators have the names of TensorFlow Lite.
"""

from typing import NamedTuple

Pair = tuple[int, int]


class Tensor(NamedTuple):
    """A tensor that is not a constant: the layer or input that writes it, and its bytes for the whole batch.

    `variable` is true if it keeps its values from one run to the next.
    """

    name: str
    bytes: int
    variable: bool = False


class Window(NamedTuple):
    """The window of a convolution or pooling; pairs are (height, width).

    `padding` is the number of elements before each axis. `filter_channels` is the number of input channels that one
    filter reads, which is smaller than `in_channels` if the convolution is grouped.
    """

    kernel: Pair
    stride: Pair
    dilation: Pair
    padding: Pair
    input: Pair
    output: Pair
    in_channels: int
    out_channels: int
    filter_channels: int
    batch: int = 1


class Operator(NamedTuple):
    """An operator: its layer's `name`, its TFLite name `code`, and the numbers of the tensors it reads and writes.

    `constants` is the number of constant tensors it reads, `weights` their bytes without biases, and `biases` the
    number of biases. `channels` is the number of output channels that are quantised separately. `rank` is the number of
    axes of its input, `reduced` the number of axes that it reduces, and `features` the number of outputs per position
    of a matrix product. `merged` names the layers that are part of this operator, such as its activation. `in_place` is
    true if the output may overwrite an input of the same size. `dtype` is the data type of its input, None if the
    program's. `working` are the bytes of intermediate results for which a recurrent or n-ary kernel requests buffers,
    and `persistent` the bytes of copies that a kernel keeps in the tail of the arena.
    """

    name: str
    code: str
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    window: Window | None = None
    constants: int = 0
    weights: int = 0
    biases: int = 0
    channels: int = 0
    rank: int = 4
    reduced: int = 0
    features: int = 0
    merged: tuple[str, ...] = ()
    in_place: bool = False
    dtype: str | None = None
    working: tuple[int, ...] = ()
    persistent: int = 0


class Program(NamedTuple):
    """The operators in the order in which they run. Tensors are numbered in the order in which a runtime lists them.

    `dtype` is the data type of activations and weights. `file_bytes` is the size of the model file, and `file_tensors`
    the number of its tensors, constants included; both are None if the network does not come from a file. `plan` has
    the offset of each tensor in the arena, -1 if it is not planned; None if nothing is planned.
    """

    name: str
    dtype: str
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    notes: tuple[str, ...] = ()
    file_bytes: int | None = None
    file_tensors: int | None = None
    plan: tuple[int, ...] | None = None

    def count_tensors(self) -> int:
        """Return the number of all tensors, constants included."""
        if self.file_tensors is not None:
            return self.file_tensors
        return len(self.tensors) + sum(operator.constants for operator in self.operators)


class NoOperator(Exception):
    """Raised if a layer cannot be expressed in operators, or if a runtime lacks an operator; the message names both."""
