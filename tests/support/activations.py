"""The activations: for each layer kind its class in torch.nn, and the multiplications and additions per value.

An activation needs no argument and keeps the shape, and each output position depends on the same input position only.
The tests of costs and receptive fields and the tables of PyTorch's results use this list. A new activation is therefore
added to the tests here only, unless it changes the shape or needs an argument: then it is tested like other kinds.
"""

from typing import NamedTuple


class Activation(NamedTuple):
    """The class of an activation in torch.nn, and its multiplications and additions per value.

    Comparisons and functions such as exp are not counted.
    """

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
