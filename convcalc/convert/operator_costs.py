"""Counts the operations of operators that no layer kind expresses, so that an `opaque` layer has their exact cost.

`count_operation` takes an operation with the shapes of its tensors and returns its multiplications, additions and MACs
for the whole batch: a MatMul of 4×8 by 8×2 is `Cost(64, 56, 64)`. The rules are those of the layers: matrix products
and convolutions are MACs, a division is a multiplication, a subtraction an addition, and a sum of n values has n - 1
additions. Comparisons, exponentials and other functions are not counted, and moving or copying values is free.
Source of the operators: onnx.ai/onnx/operators, and docs.pytorch.org for those with the prefix `aten.`. Operators that
this module does not name are unknown.
"""

from collections.abc import Sequence
from typing import NamedTuple

from convcalc.convert.costs import attention, elementwise, products, windows
from convcalc.convert.costs.cost import Attributes, Cost, CostRule, Shapes
from convcalc.layers.base import Sizes


def count_operation(
    operator: str,
    attributes: Attributes,
    inputs: Sequence[Sizes | None],
    outputs: Sequence[Sizes | None],
) -> Cost | None:
    """Return the operations of an operator with these attributes and sizes of tensors; None if unknown.

    They are unknown if they depend on values, as for Loop, or if attributes or sizes are malformed.
    """
    row = _ROWS.get(operator)
    if row is None:
        return None
    try:
        return row.cost(attributes, Shapes(tuple(inputs), tuple(outputs)))
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return None


class _Row(NamedTuple):
    """How to count the operations of an operator, and on which input positions its output positions depend.

    `field` is `same` if each output position depends on the same position of each input, and `all` if it depends on all
    positions. It is None for other operators, such as those that move values or slide a window.
    """

    cost: CostRule
    field: str | None


def _name_all(names: str, rule: CostRule, field: str | None) -> dict[str, _Row]:
    return dict.fromkeys(names.split(), _Row(rule, field))


# values that move, or are made without arithmetic
_MOVES = """CenterCropPad Compress Concat Constant ConstantOfShape DepthToSpace Expand EyeLike Flatten Gather
GatherElements GatherND OneHot Pad Range Reshape ReverseSequence Scatter ScatterElements ScatterND Shape Size Slice
SpaceToDepth Split Squeeze TensorScatter Tile Transpose Trilu Unsqueeze RandomNormal RandomNormalLike RandomUniform
RandomUniformLike Multinomial ChannelShuffle"""
_FREE_BY_VALUE = """Abs Acos Acosh And Asin Asinh Atan Atanh Bernoulli BitCast BitShift BitwiseAnd BitwiseNot BitwiseOr
BitwiseXor Cast CastLike Ceil Celu Clip Cos Cosh DequantizeLinear DropPath Dropout DynamicQuantizeLinear Elu Equal Erf
Exp Floor Greater GreaterOrEqual Identity IsInf IsNaN Less LessOrEqual Log Max Min Neg Not Or Pow QuantizeLinear Relu
Round Selu Shrink Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Tan Tanh ThresholdedRelu Where Xor"""
_ROWS: dict[str, _Row] = {
    **_name_all(_MOVES, elementwise.free, None),
    **_name_all(_FREE_BY_VALUE, elementwise.free, "same"),
    **_name_all("Add Sub", elementwise.per_output(additions=1), "same"),
    **_name_all("Mul Div Mod Reciprocal PRelu LeakyRelu Mish Gelu", elementwise.per_output(multiplications=1), "same"),
    # the activations that `fusions` makes of several operators
    **_name_all("hardtanh relu relu6 sigmoid softplus softsign tanh", elementwise.free, "same"),
    **_name_all("gelu mish silu", elementwise.per_output(multiplications=1), "same"),
    "hardsigmoid": _Row(elementwise.per_output(1, 1), "same"),
    "hardswish": _Row(elementwise.per_output(2, 1), "same"),
    "Swish": _Row(elementwise.gate(1), "same"),
    "SwiGLU": _Row(elementwise.gate(2), "same"),
    "HardSigmoid": _Row(elementwise.per_output(1, 1), "same"),
    "HardSwish": _Row(elementwise.per_output(2, 1), "same"),
    "Sum": _Row(elementwise.sum_inputs, "same"),
    "Mean": _Row(elementwise.average_inputs, "same"),
    "BatchNormalization": _Row(elementwise.per_input(1, 1), "same"),
    "LRN": _Row(elementwise.normalise_response, "same"),
    **_name_all("AdaptiveAveragePool", windows.average_regions, None),
    **_name_all("AdaptiveMaxPool MaxPool MaxRoiPool MaxUnpool", elementwise.free, None),
    "AveragePool": _Row(windows.average_windows, None),
    "LpPool": _Row(windows.pool_norms, None),
    **_name_all("Resize Upsample", windows.interpolate, None),
    "GridSample": _Row(windows.sample_grid, "all"),
    "RoiAlign": _Row(windows.align_regions, "all"),
    "Col2Im": _Row(elementwise.per_input(additions=1), None),
    **_name_all("Conv ConvInteger", products.convolve(1, 2), None),
    "QLinearConv": _Row(products.convolve(3, 8), None),
    "ConvTranspose": _Row(products.convolve_transposed, None),
    "DeformConv": _Row(products.deform, "all"),
    **_name_all(
        "ArgMax ArgMin GlobalMaxPool Hardmax NonMaxSuppression NonZero ReduceMax ReduceMin TopK Unique",
        elementwise.free,
        "all",
    ),
    **_name_all("ReduceSum ReduceL1 ReduceLogSum ReduceLogSumExp", elementwise.reduce(0, 0), "all"),
    **_name_all("ReduceMean GlobalAveragePool", elementwise.reduce(0, 1), "all"),
    **_name_all("ReduceL2 ReduceSumSquare", elementwise.reduce(1, 0), "all"),
    "GlobalLpPool": _Row(windows.pool_norms_globally, "all"),
    "ReduceProd": _Row(elementwise.multiply_together, "all"),
    # each value is added to the sum of those before it, which begins with 0
    "CumSum": _Row(elementwise.per_output(additions=1), "all"),
    "CumProd": _Row(elementwise.per_output(multiplications=1), "all"),
    **_name_all("Softmax LogSoftmax", elementwise.per_output(1, 1), "all"),
    "LpNormalization": _Row(windows.divide_by_norm, "all"),
    **_name_all(
        "LayerNormalization GroupNormalization InstanceNormalization MeanVarianceNormalization",
        elementwise.normalise,
        "all",
    ),
    "RMSNormalization": _Row(elementwise.normalise_by_square, "all"),
    "MatMul": _Row(products.multiply_matrices_with_bias, "all"),
    **_name_all("MatMulInteger QLinearMatMul", products.multiply_matrices, "all"),
    "Gemm": _Row(products.multiply_and_add, "all"),
    "Einsum": _Row(products.contract, "all"),
    "Attention": _Row(attention.attend, "all"),
    "LinearAttention": _Row(attention.attend_linearly, "all"),
    "RotaryEmbedding": _Row(attention.rotate, None),
    "CausalConvWithState": _Row(products.convolve_causally, None),
    # each coordinate is a row of the transformation times a position
    "AffineGrid": _Row(products.multiply_matrices, "all"),
    "LSTM": _Row(products.recur(gates=4, products=3, sums=1, peepholes=7), "all"),
    "GRU": _Row(products.recur(gates=3, products=3, sums=2), "all"),
    "RNN": _Row(products.recur(gates=1, products=0, sums=0), "all"),
}


def _name_aten(names: str, rule: CostRule, field: str | None) -> dict[str, _Row]:
    return {f"aten.{name}": _Row(rule, field) for name in names.split()}


_ATEN_MOVES = """_unsafe_index as_strided bucketize copy diag_embed diagonal diagonal_scatter flip fold im2col index
index_copy index_fill index_put _unsafe_index_put masked_scatter masked_select meshgrid multinomial narrow_copy
repeat_interleave resize roll rot90 scatter searchsorted select select_scatter slice_scatter stack take take_along_dim
unbind unfold view_as_complex unsafe_split_with_sizes view_copy cartesian_prod block_diag pad_sequence"""
_ATEN_BY_VALUE = """atan2 bitwise_left_shift bitwise_right_shift clamp copysign digamma erfc erfinv exp2 expm1 fmax fmin
frac hardshrink heaviside isclose isfinite isneginf isposinf lgamma log10 log1p log2 log_sigmoid_forward logaddexp
logaddexp2 logit nan_to_num ne nextafter relu signbit sinc sgn softshrink special_erfcx threshold trunc xlogy real imag
bernoulli exponential normal uniform"""
_WHOLE_MODULES = """nn.MultiheadAttention nn.Transformer nn.TransformerEncoder nn.TransformerEncoderLayer
nn.TransformerDecoder nn.TransformerDecoderLayer nn.LSTM nn.GRU nn.RNN nn.LSTMCell nn.GRUCell nn.RNNCell"""
_ROWS |= {
    **_name_aten(_ATEN_MOVES, elementwise.free, None),
    **_name_aten(_ATEN_BY_VALUE, elementwise.free, "same"),
    **_name_aten("square rsqrt floor_divide deg2rad rad2deg ldexp", elementwise.per_output(multiplications=1), "same"),
    **_name_aten("instance_norm", elementwise.per_input(1, 1), "same"),
    **_name_aten("lerp", elementwise.per_output(multiplications=1, additions=2), "same"),
    **_name_aten("addcmul addcdiv", elementwise.per_output(multiplications=2, additions=1), "same"),
    **_name_aten("var std var_mean std_mean", elementwise.deviate, "all"),
    **_name_aten(
        "all any aminmax argsort bincount count_nonzero cummax cummin equal histc kthvalue max median min mode msort "
        "nanmedian nonzero_static sort unique unique_consecutive unique_dim _unique2",
        elementwise.free,
        "all",
    ),
    **_name_aten("cdist _cdist_forward _pdist_forward pairwise_distance", elementwise.compare_pairs, "all"),
    **_name_aten("scatter_add scatter_reduce index_add index_reduce", elementwise.add_into(2), None),
    **_name_aten("_weight_norm _weight_norm_interface", elementwise.normalise_weights, "all"),
    **_name_aten("lstm", products.recur_in_steps(gates=4, products=3, sums=1), "all"),
    **_name_aten("gru", products.recur_in_steps(gates=3, products=3, sums=2), "all"),
    **_name_aten("rnn_tanh rnn_relu", products.recur_in_steps(gates=1, products=0, sums=0), "all"),
    **_name_all(_WHOLE_MODULES, elementwise.unknown, "all"),
}


def find_field(operator: str) -> str | None:
    """Return on which input positions an output position of an operator depends: `same`, `all`, or None for others."""
    row = _ROWS.get(operator)
    return None if row is None else row.field
