"""The activations: for each layer kind its class in torch.nn, and the multiplications and additions per value.

An output position depends on the same position of the input only, the shape stays the same, and no argument is needed.
The tests of costs, of the receptive field and the tables of PyTorch's results all use this list, so a new activation is
added to the tests here only. One that changes the shape or needs an argument is tested like the other kinds.
"""

from typing import NamedTuple


class Activation(NamedTuple):
    """What is expected of an activation; only comparisons and functions such as exp are not counted."""

    torch: str
    multiplications: int = 0
    additions: int = 0


ACTIVATIONS = {
    "relu": Activation("ReLU"),
    "relu6": Activation("ReLU6"),
    "leaky_relu": Activation("LeakyReLU", 1),
    "elu": Activation("ELU"),
    "selu": Activation("SELU"),
    "celu": Activation("CELU"),
    "gelu": Activation("GELU", 1),
    "silu": Activation("SiLU", 1),
    "mish": Activation("Mish", 1),
    "sigmoid": Activation("Sigmoid"),
    "tanh": Activation("Tanh"),
    "softplus": Activation("Softplus"),
    "softsign": Activation("Softsign"),
    "hardswish": Activation("Hardswish", 2, 1),
    "hardsigmoid": Activation("Hardsigmoid", 1, 1),
    "hardtanh": Activation("Hardtanh"),
    "softmax": Activation("Softmax", 1, 1),
    "log_softmax": Activation("LogSoftmax", 1, 1),
}
OVER_CHANNELS = ("softmax", "log_softmax")
