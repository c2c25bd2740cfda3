"""What other tools count in a network, term by term, from the rules in their sources.

Each tool is taken as run on the network written in PyTorch with one module a layer (`nn.Conv2d`, `nn.ReLU`, …), its
padding in numbers, the sum of branches as `+`, their product as `*`, global average pooling as
`nn.AdaptiveAvgPool2d(1)`, in evaluation mode, on one sample. A separable convolution is two modules. What has no
module there (locally connected layers, low-pass pooling, layer scale) is taken as not counted by tools that hook
modules.
"""

from collections.abc import Callable
from math import prod
from typing import NamedTuple

from convcalc.analysis.report import Report
from convcalc.layers.base import Layer

Amount = Callable[[Layer], int]
_CONVOLUTIONS = ("conv", "pointwise_conv", "depthwise_conv", "separable_conv")
_TRANSPOSED = ("conv_transpose",)
_BATCH_NORM = ("batchnorm",)
_OTHER_NORMS = ("layernorm", "groupnorm", "instancenorm")
_MAX_POOLING = ("maxpool", "adaptive_maxpool", "global_maxpool")
_SLIDING_MEANS = ("avgpool",)
_ADAPTIVE_MEANS = ("adaptive_avgpool", "global_avgpool")
MODULELESS = ("locally_connected", "blurpool")


class Term(NamedTuple):
    """What a tool counts more, or less, than the MACs of these kinds: a layer's amount."""

    what: str
    kinds: tuple[str, ...]
    amount: Amount


class Tool(NamedTuple):
    """A tool, its version, how it is asked, what it calls the total, and what it counts beside the MACs (or params)."""

    name: str
    version: str
    call: str
    prints: str
    terms: tuple[Term, ...]


class Reconciled(NamedTuple):
    """A tool's total: our MACs (or params), the terms that are not 0, and their sum, which the tool prints."""

    tool: Tool
    basis: str
    ours: int
    terms: tuple[tuple[str, int], ...]

    @property
    def total(self) -> int:
        """What the tool prints."""
        return self.ours + sum(amount for _, amount in self.terms)


def reconciled(report: Report) -> list[Reconciled]:
    """What each tool counts in one sample of a network; Keras, which counts no operations, in its params."""
    layers = [layer.layer for layer in report.layers]
    macs = sum(map(_count_macs, layers))
    found = []
    for tool in TOOLS:
        sums = [
            (term.what, sum(term.amount(layer) for layer in layers if layer.kind in term.kinds)) for term in tool.terms
        ]
        found.append(Reconciled(tool, "MACs", macs, tuple((what, amount) for what, amount in sums if amount)))
    statistics = tuple((term.what, report.totals.buffers) for term in KERAS.terms if report.totals.buffers)
    return [*found, Reconciled(KERAS, "params", report.totals.params, statistics)]


def count_untraced_macs(report: Report) -> int:
    """The MACs that fvcore leaves out where convolutions are written with padding="same"."""
    layers = [layer.layer for layer in report.layers if layer.kind in _CONVOLUTIONS]
    return sum(_count_macs(layer) for layer in layers if layer.given.get("padding") == "same")


# -- amounts


def _count_inputs(layer: Layer) -> int:
    """Elements of the input."""
    return layer.input.elements


def _count_outputs(layer: Layer) -> int:
    """Elements of the output."""
    return layer.output.elements


def _count_macs(layer: Layer) -> int:
    """The MACs; none where they are not known."""
    return layer.macs() or 0


def _subtract_macs(layer: Layer) -> int:
    """The MACs taken away."""
    return -_count_macs(layer)


def _count_biases(layer: Layer) -> int:
    """Elements of the bias."""
    return sum(layer.bias_tensors())


def _count_bias_additions(layer: Layer) -> int:
    """An addition an output value where there is a bias."""
    return layer.output.elements if _count_biases(layer) else 0


def _count_params(layer: Layer) -> int:
    """Learnt elements."""
    return sum(layer.weight_tensors()) + _count_biases(layer)


def _count_statistics(layer: Layer) -> int:
    """Elements of running statistics."""
    return sum(layer.buffer_tensors())


def _count_by_output(layer: Layer) -> int:
    """A transposed convolution counted as if every output position met every tap: about stride² times as much."""
    return sum(layer.weight_tensors()) * (layer.output.positions - layer.input.positions)


def _multiply_amount(count: int, amount: Amount = _count_inputs) -> Amount:
    """An amount so many times."""
    return lambda layer: count * amount(layer)


def _scale_by_affine(with_factors: int, without: int) -> Amount:
    """So much a value where there are learnt factors, else so much."""
    return lambda layer: (with_factors if layer.weight_tensors() else without) * layer.input.elements


def _only_for_axes(axes: int, amount: Amount) -> Amount:
    """An amount of inputs with so many axes, nothing of others."""
    return lambda layer: amount(layer) if layer.input.axes == axes else 0


def _count_by_mode(taps: dict[str, int]) -> Amount:
    """So much an output value, by the mode of an upsampling."""
    return lambda layer: taps.get(layer.arguments()["mode"], 0) * layer.output.elements


def _count_adaptive_means(layer: Layer) -> int:
    """Per output value the mean size of its window, as a fraction, and one; rounded down as a whole."""
    sizes = zip(layer.input.spatial, layer.output.spatial or (1,) * layer.input.axes, strict=True)
    return int((prod(size / out for size, out in sizes) + 1) * layer.output.elements)


def _count_softmax(layer: Layer) -> int:
    """A softmax: per channel an exponential and a division, and the sum."""
    return layer.input.positions * (3 * layer.input.channels - 1)


def _count_scaled_outputs(layer: Layer) -> int:
    """What a functional upsampling is taken to give: the input times the factors, or the size."""
    factors: list[float] | None = layer.arguments().get("scale_factor")
    return layer.output.elements if factors is None else layer.input.elements * prod(map(int, factors))


def _count_response_norm(layer: Layer) -> int:
    """A local response norm by the operations that it is made of: two products, a sum, and a mean over the padded."""
    size: int = layer.arguments()["size"]
    return 4 * layer.input.elements + (size - 1) * layer.input.positions


def _count_power_means(layer: Layer) -> int:
    """A power mean by the operations that it is made of: a mean of the input, a relu and a product of the output."""
    return layer.input.elements + 2 * layer.output.elements


# -- the tools

_NO_MODULE = Term("layers without a module are not counted", MODULELESS, _subtract_macs)
_BY_OUTPUT = Term("transposed convolution: by output positions, not input", _TRANSPOSED, _count_by_output)

_TORCHINFO = Tool(
    "torchinfo",
    "1.8.0",
    "torchinfo.summary(model, input_size)",
    "Total mult-adds",
    (
        _NO_MODULE,
        _BY_OUTPUT,
        Term("bias of convolutions: 1 an output value", _CONVOLUTIONS + _TRANSPOSED, _count_bias_additions),
        Term("bias of linear layers: 1 an output", ("linear",), _count_biases),
        Term("batch norms: their params", _BATCH_NORM, _count_params),
        Term("other norms: their params", _OTHER_NORMS, _count_params),
        Term("prelu: its params", ("prelu",), _count_params),
    ),
)
_FVCORE = Tool(
    "fvcore",
    "0.1.5.post20221221",
    "fvcore.nn.FlopCountAnalysis(model, input).total()",
    "flops",
    (
        Term("locally connected layers are not counted", ("locally_connected",), _subtract_macs),
        Term("batch norm: 2 a value, 1 without factors", _BATCH_NORM, _scale_by_affine(2, 1)),
        Term("other norms: 5 a value, 4 without factors", _OTHER_NORMS, _scale_by_affine(5, 4)),
        Term("average pooling to a size, 2-D: 1 an input value", _ADAPTIVE_MEANS, _only_for_axes(2, _count_inputs)),
        Term(
            "upsampling, 2-D: nearest 1, bilinear 4",
            ("upsample",),
            _only_for_axes(2, _count_by_mode({"nearest": 1, "bilinear": 4})),
        ),
    ),
)
_PTFLOPS = Tool(
    "ptflops",
    "0.7.5",
    "ptflops.get_model_complexity_info(model, input_size)",
    "MACs",
    (
        _NO_MODULE,
        Term("bias: 1 an output value", (*_CONVOLUTIONS, *_TRANSPOSED, "linear"), _count_bias_additions),
        Term("batch norm: 2 a value, 1 without factors", _BATCH_NORM, _scale_by_affine(2, 1)),
        Term("group and instance norm: 2 a value, 1 without factors", ("groupnorm", "instancenorm"), _scale_by_affine(2, 1)),
        Term("layer norm: 1 a value", ("layernorm",), _count_inputs),
        Term("local response norm: the products, sums and mean it is made of", ("local_response_norm",), _count_response_norm),
        Term(
            "pooling: 1 an input value, as a module and as a function",
            _MAX_POOLING + _SLIDING_MEANS + _ADAPTIVE_MEANS,
            _multiply_amount(2),
        ),
        Term("lppool: its mean, relu and product", ("lppool",), _count_power_means),
        Term(
            "relu, prelu, elu, gelu: 1 a value, as a module and as a function",
            ("relu", "prelu", "elu", "gelu"),
            _multiply_amount(2),
        ),
        Term("relu6, leaky_relu, silu, softmax: 1 a value", ("relu6", "leaky_relu", "silu", "softmax"), _count_inputs),
        Term("upsampling: 1 a value as a module", ("upsample",), _count_outputs),
        Term("upsampling: 1 a value as a function", ("upsample",), _count_scaled_outputs),
    ),
)
_THOP = Tool(
    "thop",
    "0.1.1.post2209072238",
    "thop.profile(model, (input,))",
    "total_ops",
    (
        _NO_MODULE,
        _BY_OUTPUT,
        Term("batch norm: 4 a value, 2 without factors", _BATCH_NORM, _scale_by_affine(4, 2)),
        Term("layer and instance norm: 4 a value, 2 without factors", ("layernorm", "instancenorm"), _scale_by_affine(4, 2)),
        Term("average pooling: 1 an output value", _SLIDING_MEANS, _count_outputs),
        Term("average pooling to a size: its window and 1 an output value", _ADAPTIVE_MEANS, _count_adaptive_means),
        Term("prelu: 1 a value", ("prelu",), _count_inputs),
        Term("softmax: 3 a value, less 1 a position", ("softmax",), _count_softmax),
        Term(
            "upsampling: nearest 1, linear 5, bilinear 11, bicubic 259",
            ("upsample",),
            _count_by_mode({"nearest": 1, "linear": 5, "bilinear": 11, "bicubic": 259}),
        ),
    ),
)
_FLOP_COUNTER_MODE = Tool(
    "FlopCounterMode",
    "torch 2.13.0",
    "torch.utils.flop_counter.FlopCounterMode().get_total_flops()",
    "FLOPs",
    (
        Term("locally connected layers are not counted", ("locally_connected",), _subtract_macs),
        Term(
            "a MAC is two FLOPs: the MACs once more",
            (*_CONVOLUTIONS, *_TRANSPOSED, "linear", "blurpool"),
            _count_macs,
        ),
    ),
)
KERAS = Tool(
    "Keras",
    "3",
    "model.summary(), which counts no operations",
    "Total params",
    (Term("running statistics of batch norms, not trainable", _BATCH_NORM, _count_statistics),),
)
TOOLS = (_TORCHINFO, _FVCORE, _PTFLOPS, _THOP, _FLOP_COUNTER_MODE)
