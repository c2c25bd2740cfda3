"""Computes the totals that other tools print, term by term, from convcalc's own counts.

The terms follow from the source code of the tools. The totals are for one sample in evaluation mode. The network is
assumed to be written in PyTorch with one module per layer (`nn.Conv2d`, `nn.ReLU`, …), numeric padding, the sum of
branches as `+`, their product as `*`, and global average pooling as `nn.AdaptiveAvgPool2d(1)`. A separable convolution
is two modules. Layers without a module in PyTorch (locally connected layers, blur pooling, layer scale) are not counted
by tools that attach hooks to modules.
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
# kinds that people write in different ways, such as with nn.MultiheadAttention or with linear layers
COMPOSED = ("attention", "matmul", "lstm", "gru", "conv_lstm", "embedding", "global_response_norm")


class Term(NamedTuple):
    """One difference between a tool's total and convcalc's MACs (or params): its description, layer kinds and amount.

    `amount` is a function that returns the difference for one layer of these kinds.
    """

    what: str
    kinds: tuple[str, ...]
    amount: Amount


class Tool(NamedTuple):
    """A tool that counts operations or params.

    `call` shows how to run the tool, `prints` is the tool's name for its total, and `terms` are the differences of that
    total from convcalc's MACs (or params).
    """

    name: str
    version: str
    call: str
    prints: str
    terms: tuple[Term, ...]


class Reconciled(NamedTuple):
    """How a tool's total for a network follows from convcalc's MACs or params.

    `basis` is `MACs` or `params`, `ours` is convcalc's number, and `terms` are the differences other than 0.
    """

    tool: Tool
    basis: str
    ours: int
    terms: tuple[tuple[str, int], ...]

    @property
    def total(self) -> int:
        """The total that the tool prints."""
        return self.ours + sum(amount for _, amount in self.terms)


def reconcile_tools(report: Report) -> list[Reconciled]:
    """Return how each tool's total for one sample follows from convcalc's MACs (for Keras: from the params)."""
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
    """Return how many MACs fvcore does not count if convolutions are written with padding="same"."""
    layers = [layer.layer for layer in report.layers if layer.kind in _CONVOLUTIONS]
    return sum(_count_macs(layer) for layer in layers if layer.given.get("padding") == "same")


# -- amounts


def _count_inputs(layer: Layer) -> int:
    return layer.input.elements


def _count_outputs(layer: Layer) -> int:
    return layer.output.elements


def _count_macs(layer: Layer) -> int:
    return layer.count_macs() or 0  # unknown MACs count as 0; list_cautions warns about them


def _subtract_macs(layer: Layer) -> int:
    return -_count_macs(layer)


def _count_biases(layer: Layer) -> int:
    return sum(layer.bias_tensors())


def _count_bias_additions(layer: Layer) -> int:
    return layer.output.elements if _count_biases(layer) else 0


def _count_params(layer: Layer) -> int:
    return sum(layer.weight_tensors()) + _count_biases(layer)


def _count_statistics(layer: Layer) -> int:
    return sum(layer.buffer_tensors())


def _count_extra_macs_per_output(layer: Layer) -> int:
    """Return how many MACs are added if a transposed convolution's kernel is counted at every output position.

    The kernel is in fact applied at every input position.
    """
    return sum(layer.weight_tensors()) * (layer.output.positions - layer.input.positions)


def _multiply_amount(count: int, amount: Amount = _count_inputs) -> Amount:
    return lambda layer: count * amount(layer)


def _scale_by_affine(with_scale: int, without: int) -> Amount:
    return lambda layer: (with_scale if layer.weight_tensors() else without) * layer.input.elements


def _only_for_axes(axes: int, amount: Amount) -> Amount:
    return lambda layer: amount(layer) if layer.input.axes == axes else 0


def _count_by_mode(taps: dict[str, int]) -> Amount:
    return lambda layer: taps.get(layer.arguments()["mode"], 0) * layer.output.elements


def _count_operations_of_adaptive_means(layer: Layer) -> int:
    """Return thop's count: (mean window size + 1) × output values, rounded down."""
    sizes = zip(layer.input.spatial, layer.output.spatial or (1,) * layer.input.axes, strict=True)
    return int((prod(size / out for size, out in sizes) + 1) * layer.output.elements)


def _count_operations_of_softmax(layer: Layer) -> int:
    """Return thop's count: per position, C exponentials, C divisions and C - 1 additions for C channels."""
    return layer.input.positions * (3 * layer.input.channels - 1)


def _count_outputs_of_interpolate(layer: Layer) -> int:
    """Return the number of output values that ptflops assumes for `interpolate`, whose scale factors it rounds down."""
    factors: list[float] | None = layer.arguments().get("scale_factor")
    return layer.output.elements if factors is None else layer.input.elements * prod(map(int, factors))


def _count_operations_of_response_norm(layer: Layer) -> int:
    """Return ptflops's count for local response normalisation, which PyTorch computes with four operations.

    ptflops counts 1 per element of each operation: two products and a sum over the input, and a mean over the input
    padded with size - 1 channels.
    """
    size: int = layer.arguments()["size"]
    return 4 * layer.input.elements + (size - 1) * layer.input.positions


def _count_operations_of_lppool(layer: Layer) -> int:
    """Return ptflops's count for lppool, which PyTorch computes with a mean, a relu and a product.

    ptflops counts 1 per input value for the mean, and 1 per output value for each of the other two.
    """
    return layer.input.elements + 2 * layer.output.elements


# -- the tools

_NO_MODULE = Term("layers without a module are not counted", MODULELESS, _subtract_macs)
_BY_OUTPUT = Term(
    "transposed convolution: counted by output instead of input positions", _TRANSPOSED, _count_extra_macs_per_output
)

_TORCHINFO = Tool(
    "torchinfo",
    "1.8.0",
    "torchinfo.summary(model, input_size)",
    "Total mult-adds",
    (
        _NO_MODULE,
        _BY_OUTPUT,
        Term("bias of convolutions: 1 per output value", _CONVOLUTIONS + _TRANSPOSED, _count_bias_additions),
        Term("bias of linear layers: 1 per output", ("linear",), _count_biases),
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
        Term("batch norm: 2 per value, 1 if not affine", _BATCH_NORM, _scale_by_affine(2, 1)),
        Term("other norms: 5 per value, 4 if not affine", _OTHER_NORMS, _scale_by_affine(5, 4)),
        Term("adaptive average pooling, 2-D: 1 per input value", _ADAPTIVE_MEANS, _only_for_axes(2, _count_inputs)),
        Term(
            "upsampling, 2-D, per output value: nearest 1, bilinear 4",
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
        Term("bias: 1 per output value", (*_CONVOLUTIONS, *_TRANSPOSED, "linear"), _count_bias_additions),
        Term("batch norm: 2 per value, 1 if not affine", _BATCH_NORM, _scale_by_affine(2, 1)),
        Term(
            "group and instance norm: 2 per value, 1 if not affine",
            ("groupnorm", "instancenorm"),
            _scale_by_affine(2, 1),
        ),
        Term("layer norm: 1 per value", ("layernorm",), _count_inputs),
        Term(
            "local response norm: its products, sums and mean",
            ("local_response_norm",),
            _count_operations_of_response_norm,
        ),
        Term(
            "pooling: 1 per input value, counted twice (module and function)",
            _MAX_POOLING + _SLIDING_MEANS + _ADAPTIVE_MEANS,
            _multiply_amount(2),
        ),
        Term("lppool: its mean, relu and product", ("lppool",), _count_operations_of_lppool),
        Term(
            "relu, prelu, elu, gelu: 1 per value, counted twice (module and function)",
            ("relu", "prelu", "elu", "gelu"),
            _multiply_amount(2),
        ),
        Term(
            "relu6, leaky_relu, silu, softmax: 1 per value", ("relu6", "leaky_relu", "silu", "softmax"), _count_inputs
        ),
        Term("upsampling: 1 per output value, counted for the module", ("upsample",), _count_outputs),
        Term(
            "upsampling: 1 per output value, counted again for the function",
            ("upsample",),
            _count_outputs_of_interpolate,
        ),
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
        Term("batch norm: 4 per value, 2 if not affine", _BATCH_NORM, _scale_by_affine(4, 2)),
        Term(
            "layer and instance norm: 4 per value, 2 if not affine",
            ("layernorm", "instancenorm"),
            _scale_by_affine(4, 2),
        ),
        Term("average pooling: 1 per output value", _SLIDING_MEANS, _count_outputs),
        Term(
            "adaptive average pooling: window size + 1 per output value",
            _ADAPTIVE_MEANS,
            _count_operations_of_adaptive_means,
        ),
        Term("prelu: 1 per value", ("prelu",), _count_inputs),
        Term("softmax: 3 per value, minus 1 per position", ("softmax",), _count_operations_of_softmax),
        Term(
            "upsampling, per output value: nearest 1, linear 5, bilinear 11, bicubic 259",
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
            "a MAC counts as two FLOPs, so the MACs are added again",
            (*_CONVOLUTIONS, *_TRANSPOSED, "linear", "blurpool", *COMPOSED),
            _count_macs,
        ),
    ),
)
KERAS = Tool(
    "Keras",
    "3",
    "model.summary(), which does not count operations",
    "Total params",
    (Term("running statistics of batch norms, not trainable", _BATCH_NORM, _count_statistics),),
)
TOOLS = (_TORCHINFO, _FVCORE, _PTFLOPS, _THOP, _FLOP_COUNTER_MODE)
