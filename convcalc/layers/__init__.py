"""Lists all layer kinds by family. To add a kind, write its class and add it to `FAMILIES`."""

from convcalc.layers.activation import (
    CELU,
    ELU,
    GELU,
    GLU,
    SELU,
    Dropout,
    DropPath,
    Hardsigmoid,
    Hardswish,
    Hardtanh,
    Identity,
    LeakyReLU,
    LogSoftmax,
    Mish,
    PReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
)
from convcalc.layers.attention import Attention, MatMul
from convcalc.layers.base import Layer
from convcalc.layers.conv import (
    Conv,
    ConvTranspose,
    DeformConv,
    DepthwiseConv,
    LocallyConnected,
    PointwiseConv,
    SeparableConv,
)
from convcalc.layers.linear import Linear
from convcalc.layers.merge import Add, Concat, Multiply
from convcalc.layers.norm import (
    BatchNorm,
    GlobalResponseNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    LocalResponseNorm,
    Scale,
    Shift,
)
from convcalc.layers.opaque import Opaque
from convcalc.layers.parameter import Parameter
from convcalc.layers.pool import (
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    AvgPool,
    BlurPool,
    GlobalAvgPool,
    GlobalMaxPool,
    LPPool,
    MaxPool,
    MaxUnpool,
)
from convcalc.layers.recurrent import GRU, LSTM, ConvLSTM, Embedding
from convcalc.layers.reduce import Mean, Std, Sum
from convcalc.layers.reshape import Flatten, Permute, Reshape, Slice
from convcalc.layers.resize import ChannelShuffle, Crop, Pad, PixelShuffle, PixelUnshuffle, Upsample
from convcalc.layers.tokens import Map, Tokens
from convcalc.layers.unfold import Fold, Unfold

FAMILIES: dict[str, tuple[type[Layer], ...]] = {
    "convolution": (Conv, ConvTranspose, PointwiseConv, DepthwiseConv, SeparableConv, LocallyConnected, DeformConv),
    "fully connected": (Linear,),
    "attention": (Attention, MatMul),
    "sequence": (Embedding, LSTM, GRU, ConvLSTM),
    "pooling": (
        MaxPool,
        AvgPool,
        LPPool,
        AdaptiveAvgPool,
        AdaptiveMaxPool,
        GlobalAvgPool,
        GlobalMaxPool,
        MaxUnpool,
        BlurPool,
    ),
    "normalisation": (
        BatchNorm,
        LayerNorm,
        GroupNorm,
        InstanceNorm,
        LocalResponseNorm,
        GlobalResponseNorm,
        Scale,
        Shift,
    ),
    "activation": (
        ReLU,
        ReLU6,
        LeakyReLU,
        PReLU,
        ELU,
        SELU,
        CELU,
        GELU,
        GLU,
        SiLU,
        Mish,
        Sigmoid,
        Tanh,
        Softplus,
        Softsign,
        Hardswish,
        Hardsigmoid,
        Hardtanh,
        Softmax,
        LogSoftmax,
    ),
    "training only": (Dropout, DropPath, Identity),
    "resizing": (Upsample, PixelShuffle, PixelUnshuffle, ChannelShuffle, Pad, Crop),
    "reducing": (Mean, Sum, Std),
    "reshaping": (Flatten, Reshape, Tokens, Map, Permute, Slice, Unfold, Fold),
    "merging": (Add, Multiply, Concat),
    "other": (Parameter, Opaque),
}
KINDS: dict[str, type[Layer]] = {kind.kind: kind for family in FAMILIES.values() for kind in family}
