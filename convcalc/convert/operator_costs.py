"""Counts the operations of operators that no layer kind expresses, so that an `opaque` layer has their exact cost.

`count_operation` takes an operation with the shapes of its tensors and returns its multiplications, additions and MACs
for the whole batch: a MatMul of 4×8 by 8×2 is `Cost(64, 64, 64)`. The rules are those of the layers: matrix products
and convolutions are MACs, a division is a multiplication, a subtraction an addition. Comparisons, exponentials and
other functions are not counted, and moving or copying values is free.
Source of the operators: onnx.ai/onnx/operators, and docs.pytorch.org for those with the prefix `aten.`. Operators that
this module does not name are unknown.
"""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

Sizes = tuple[int, ...]


class Cost(NamedTuple):
    """The operations of an operator for the whole batch."""

    multiplications: int = 0
    additions: int = 0
    macs: int = 0


class Shapes(NamedTuple):
    """The sizes of the tensors of an operation; an input or output that is not used has None."""

    inputs: tuple[Sizes | None, ...]
    outputs: tuple[Sizes | None, ...]

    def count_input(self, place: int = 0) -> int:
        """Return the number of elements of an input, 0 if it is absent."""
        return _count_elements(self.inputs, place)

    def count_output(self, place: int = 0) -> int:
        """Return the number of elements of an output, 0 if it is absent."""
        return _count_elements(self.outputs, place)

    def input(self, place: int) -> Sizes:
        """Return the sizes of an input. Raises LookupError if it is absent."""
        sizes = self.inputs[place]
        if sizes is None:
            raise LookupError(f"input {place} is absent")
        return sizes


Attributes = Mapping[str, Any]
CostRule = Callable[[Attributes, Shapes], Cost]


def count_operation(
    operator: str,
    attributes: Attributes,
    inputs: Sequence[Sizes | None],
    outputs: Sequence[Sizes | None],
) -> Cost | None:
    """Return the operations of an operator with these attributes and sizes of tensors; None if unknown.

    An operator that depends on values, such as Loop, is unknown, and so is one whose attributes or sizes are malformed.
    """
    row = _ROWS.get(operator)
    if row is None:
        return None
    try:
        return row.cost(attributes, Shapes(tuple(inputs), tuple(outputs)))
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return None


def _count_elements(tensors: tuple[Sizes | None, ...], place: int) -> int:
    sizes = tensors[place] if place < len(tensors) else None
    return 0 if sizes is None else prod(sizes)


# -- by value


def _free(attributes: Attributes, shapes: Shapes) -> Cost:
    return Cost()


def _per_output(multiplications: int = 0, additions: int = 0) -> CostRule:
    """Return a rule with these operations per value of the first output."""

    def rule(attributes: Attributes, shapes: Shapes) -> Cost:
        count = shapes.count_output()
        return Cost(multiplications * count, additions * count)

    return rule


def _per_input(multiplications: int = 0, additions: int = 0) -> CostRule:
    """Return a rule with these operations per value of the first input."""

    def rule(attributes: Attributes, shapes: Shapes) -> Cost:
        count = shapes.count_input()
        return Cost(multiplications * count, additions * count)

    return rule


def _sum_inputs(attributes: Attributes, shapes: Shapes) -> Cost:
    return Cost(additions=shapes.count_output() * (len(shapes.inputs) - 1))


def _average_inputs(attributes: Attributes, shapes: Shapes) -> Cost:
    return Cost(shapes.count_output(), shapes.count_output() * (len(shapes.inputs) - 1))


# -- reductions: each output is computed from all values of its group


def _reduce(per_value: int, per_output: int, sums: bool = True) -> CostRule:
    """Return a rule for a reduction.

    It has `per_value` multiplications per input value and `per_output` per output value. The sum of n values has n - 1
    additions.
    """

    def rule(attributes: Attributes, shapes: Shapes) -> Cost:
        values, results = shapes.count_input(), shapes.count_output()
        return Cost(per_value * values + per_output * results, values - results if sums else 0)

    return rule


def _multiply_together(attributes: Attributes, shapes: Shapes) -> Cost:
    return Cost(shapes.count_input() - shapes.count_output())


def _normalise(attributes: Attributes, shapes: Shapes) -> Cost:
    """As the norms of convcalc: a square, a division, two sums, a subtraction; scale and bias if there are any."""
    values = shapes.count_input()
    scale, bias = (shapes.count_input(place) > 0 for place in (1, 2))
    return Cost(values * (2 + scale), values * (3 + bias))


def _normalise_by_square(attributes: Attributes, shapes: Shapes) -> Cost:
    values = shapes.count_input()
    return Cost(values * (2 + (shapes.count_input(1) > 0)), values)


def _normalise_by_statistics(attributes: Attributes, shapes: Shapes) -> Cost:
    return Cost(shapes.count_input(), shapes.count_input())


def _normalise_response(attributes: Attributes, shapes: Shapes) -> Cost:
    values, size = shapes.count_input(), int(attributes["size"])
    return Cost(values * (size + 2), values * size)


# -- matrix products


def _make_macs(macs: int, further_multiplications: int = 0, further_additions: int = 0) -> Cost:
    return Cost(macs + further_multiplications, macs + further_additions, macs)


def _multiply_matrices(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count a MatMul. Its third input, if any, is the bias that an importer merged into it."""
    biased = shapes.count_output() if len(shapes.inputs) == 3 and shapes.count_input(2) else 0
    return _make_macs(shapes.count_output() * shapes.input(0)[-1], further_additions=biased)


def _multiply_and_add(attributes: Attributes, shapes: Shapes) -> Cost:
    inner = shapes.input(0)[0 if attributes.get("transA") else -1]
    biased = shapes.count_output() if shapes.count_input(2) else 0
    scaled = shapes.count_output() if attributes.get("alpha", 1.0) != 1 else 0
    scaled += shapes.count_input(2) if attributes.get("beta", 1.0) != 1 else 0
    return _make_macs(shapes.count_output() * inner, scaled, biased)


def _contract(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count an Einsum of two operands as one product per combination of indices; one operand is a sum."""
    equation = str(attributes["equation"]).replace(" ", "")
    left, _, right = equation.partition("->")
    terms = left.split(",")
    if "." in equation or len(terms) != len(shapes.inputs) or len(terms) > 2:
        raise ValueError("unsupported equation")
    sizes: dict[str, int] = {}
    for place, term in enumerate(terms):
        for letter, size in zip(term, shapes.input(place), strict=True):
            sizes[letter] = max(size, sizes.get(letter, 1))
    combinations = prod(sizes.values())
    if len(terms) == 1:
        return Cost(additions=combinations - shapes.count_output())
    summed = set(sizes) - set(right) if "->" in equation else {letter for letter in sizes if left.count(letter) > 1}
    # a product without a sum is elementwise: no MACs, as for Mul
    return _make_macs(combinations) if summed else Cost(combinations)


def _convolve(weights: int, biases: int) -> CostRule:
    """Return a rule for a convolution whose weights and biases are the inputs at these positions."""

    def rule(attributes: Attributes, shapes: Shapes) -> Cost:
        biased = shapes.count_output() if shapes.count_input(biases) else 0
        return _make_macs(shapes.count_output() * prod(shapes.input(weights)[1:]), further_additions=biased)

    return rule


def _convolve_transposed(attributes: Attributes, shapes: Shapes) -> Cost:
    weights = shapes.input(1)
    biased = shapes.count_output() if shapes.count_input(2) else 0
    return _make_macs(shapes.count_input() * prod(weights[1:]), further_additions=biased)


def _deform(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count the convolution as MACs, and a bilinear interpolation per sampled value: 4 products and 3 sums."""
    weights, data = shapes.input(1), shapes.input(0)
    positions = shapes.count_output() // (data[0] * weights[0])
    sampled = data[0] * data[1] * positions * prod(weights[2:])
    masked = sampled if shapes.count_input(4) else 0
    biased = shapes.count_output() if shapes.count_input(3) else 0
    return _make_macs(shapes.count_output() * prod(weights[1:]), 4 * sampled + masked, 3 * sampled + biased)


def _attend(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count scaled dot-product attention: two matrix products, the scale, and a softmax over the keys."""
    query, key, value = (shapes.input(place) for place in (0, 1, 2))
    if len(query) == 3:  # batch, length, heads × size
        heads = int(attributes["q_num_heads"])
        query = (query[0], heads, query[1], query[2] // heads)
        values_per_head = value[2] // int(attributes["kv_num_heads"])
        keys = key[1]
    else:
        values_per_head, keys = value[-1], key[-2]
    scores = prod(query[:-1]) * keys
    masked = scores if shapes.count_input(3) else 0
    return _make_macs(scores * (query[-1] + values_per_head), 2 * scores, scores + masked)


# -- windows and interpolation


def _average_windows(attributes: Attributes, shapes: Shapes) -> Cost:
    taps = prod(attributes["kernel_shape"])
    return Cost(shapes.count_output(), shapes.count_output() * (taps - 1))


def _average_regions(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count adaptive pooling as one addition per input value and one division per output."""
    return Cost(shapes.count_output(), shapes.count_input())


def _pool_norms(attributes: Attributes, shapes: Shapes) -> Cost:
    taps = prod(attributes["kernel_shape"])
    return Cost(shapes.count_output() * taps, shapes.count_output() * (taps - 1))


_TAPS = {"linear": 2, "bilinear": 2, "cubic": 4, "bicubic": 4}


def _interpolate(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count one product per tap; the taps are 2 (linear) or 4 (cubic) per axis that changes its size."""
    taps = _TAPS.get(str(attributes.get("mode", "nearest")), 0)
    output = shapes.outputs[0] or ()
    axes = sum(before != after for before, after in zip(shapes.input(0), output, strict=True))
    products = taps**axes if taps else 0
    return Cost(shapes.count_output() * products, shapes.count_output() * max(products - 1, 0))


def _sample_grid(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count one product per tap, on every spatial axis of the grid."""
    taps = _TAPS.get(str(attributes.get("mode", "linear")), 0) ** (len(shapes.input(0)) - 2)
    return Cost(shapes.count_output() * taps, shapes.count_output() * max(taps - 1, 0))


def _align_regions(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count a bilinear interpolation per sample. The number of samples must be in the file."""
    ratio = int(attributes.get("sampling_ratio", 0))
    if ratio < 1:
        raise ValueError("the number of samples depends on the regions")
    samples = ratio * ratio
    averaged = attributes.get("mode", "avg") == "avg"
    per_output = 4 * samples + averaged, 3 * samples + averaged * (samples - 1)
    return Cost(shapes.count_output() * per_output[0], shapes.count_output() * per_output[1])


# -- recurrent layers


def _recur(gates: int, products: int, sums: int) -> CostRule:
    """Return a rule for a recurrent layer with this number of gates.

    `products` and `sums` are the elementwise operations per hidden value and step, without the sum of the two matrix
    products and of the biases, which are one addition per gate and one per gate and bias.
    """

    def rule(attributes: Attributes, shapes: Shapes) -> Cost:
        length, batch, _ = shapes.input(0)
        directions, rows, features = shapes.input(1)
        hidden = rows // gates
        steps = length * batch * directions
        biases = 2 * rows if shapes.count_input(3) else 0
        return _make_macs(
            steps * rows * (features + hidden), steps * products * hidden, steps * (rows + biases + sums * hidden)
        )

    return rule


def _recur_in_steps(gates: int, products: int, sums: int) -> CostRule:
    """Return a rule for a recurrent layer of PyTorch, with the elementwise operations of `_recur`.

    `matrices` are the sizes of its matrices: for each layer and direction, those of the inputs, the state and, for an
    LSTM with projections, the output.
    """

    def rule(attributes: Attributes, shapes: Shapes) -> Cost:
        matrices = attributes["matrices"]
        steps = prod(shapes.input(0)) // matrices[0][1]
        macs = steps * sum(rows * columns for rows, columns in matrices)
        hidden = [rows // gates for rows, _ in matrices[::2]]
        biases = 2 if attributes["biased"] else 0
        return _make_macs(
            macs,
            steps * products * sum(hidden),
            steps * sum((gates * (1 + biases) + sums) * size for size in hidden),
        )

    return rule


# -- operators of PyTorch that ONNX lacks


def _deviate(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count a variance or standard deviation: the mean, the differences, their squares and the sum of these."""
    values, results = shapes.count_input(), shapes.count_output()
    return Cost(values + 2 * results, 3 * values - 2 * results)


def _compare_pairs(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count distances between all pairs of vectors: per component, a difference, a square and a sum."""
    values = shapes.count_output() * shapes.input(0)[-1]
    return Cost(values, 2 * values - shapes.count_output())


def _add_into(place: int) -> CostRule:
    """Return a rule with one addition per value of the input at a position, which is added to another tensor."""

    def rule(attributes: Attributes, shapes: Shapes) -> Cost:
        return Cost(additions=shapes.count_input(place))

    return rule


def _normalise_weights(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count g × v / |v|: a square and a product per value, a sum per value, a division per norm."""
    values, norms = shapes.count_input(0), shapes.count_input(1)
    return Cost(2 * values + norms, values - norms)


def _unknown(attributes: Attributes, shapes: Shapes) -> Cost:
    raise ValueError("the cost depends on values or on the parts of the operator")


class _Row(NamedTuple):
    """How an operator is counted, and which input positions an output position depends on.

    `field` is `same` for the same position of each input, `all` for all positions, None if neither holds: the values
    move to other positions, or a window slides over them.
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
    **_name_all(_MOVES, _free, None),
    **_name_all(_FREE_BY_VALUE, _free, "same"),
    **_name_all("Add Sub", _per_output(additions=1), "same"),
    **_name_all("Mul Div Mod Reciprocal PRelu LeakyRelu Swish Mish Gelu", _per_output(multiplications=1), "same"),
    "HardSigmoid": _Row(_per_output(1, 1), "same"),
    "HardSwish": _Row(_per_output(2, 1), "same"),
    "Sum": _Row(_sum_inputs, "same"),
    "Mean": _Row(_average_inputs, "same"),
    "BatchNormalization": _Row(_normalise_by_statistics, "same"),
    "LRN": _Row(_normalise_response, "same"),
    **_name_all("AdaptiveAveragePool", _average_regions, None),
    **_name_all("AdaptiveMaxPool MaxPool MaxRoiPool MaxUnpool", _free, None),
    "AveragePool": _Row(_average_windows, None),
    "LpPool": _Row(_pool_norms, None),
    **_name_all("Resize Upsample", _interpolate, None),
    "GridSample": _Row(_sample_grid, "all"),
    "RoiAlign": _Row(_align_regions, "all"),
    "Col2Im": _Row(_per_input(additions=1), None),
    **_name_all("Conv ConvInteger", _convolve(1, 2), None),
    "QLinearConv": _Row(_convolve(3, 8), None),
    "ConvTranspose": _Row(_convolve_transposed, None),
    "DeformConv": _Row(_deform, "all"),
    **_name_all(
        "ArgMax ArgMin GlobalMaxPool Hardmax NonMaxSuppression NonZero ReduceMax ReduceMin TopK Unique", _free, "all"
    ),
    **_name_all("ReduceSum ReduceL1 ReduceLogSum ReduceLogSumExp", _reduce(0, 0), "all"),
    **_name_all("ReduceMean GlobalAveragePool", _reduce(0, 1), "all"),
    **_name_all("ReduceL2 ReduceSumSquare GlobalLpPool", _reduce(1, 0), "all"),
    "ReduceProd": _Row(_multiply_together, "all"),
    "CumSum": _Row(_per_output(additions=1), "all"),
    "CumProd": _Row(_per_output(multiplications=1), "all"),
    **_name_all("Softmax LogSoftmax", _per_output(1, 1), "all"),
    "LpNormalization": _Row(_per_input(2, 1), "all"),
    **_name_all(
        "LayerNormalization GroupNormalization InstanceNormalization MeanVarianceNormalization", _normalise, "all"
    ),
    "RMSNormalization": _Row(_normalise_by_square, "all"),
    **_name_all("MatMul MatMulInteger QLinearMatMul", _multiply_matrices, "all"),
    "Gemm": _Row(_multiply_and_add, "all"),
    "Einsum": _Row(_contract, "all"),
    "Attention": _Row(_attend, "all"),
    "LSTM": _Row(_recur(gates=4, products=3, sums=1), "all"),
    "GRU": _Row(_recur(gates=3, products=3, sums=2), "all"),
    "RNN": _Row(_recur(gates=1, products=0, sums=0), "all"),
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
    **_name_aten(_ATEN_MOVES, _free, None),
    **_name_aten(_ATEN_BY_VALUE, _free, "same"),
    **_name_aten("square rsqrt floor_divide deg2rad rad2deg ldexp", _per_output(multiplications=1), "same"),
    **_name_aten("instance_norm", _normalise_by_statistics, "same"),
    **_name_aten("lerp", _per_output(multiplications=1, additions=2), "same"),
    **_name_aten("addcmul addcdiv", _per_output(multiplications=2, additions=1), "same"),
    **_name_aten("var std var_mean std_mean", _deviate, "all"),
    **_name_aten(
        "all any aminmax argsort bincount count_nonzero cummax cummin equal histc kthvalue max median min mode msort "
        "nanmedian nonzero_static sort unique unique_consecutive unique_dim _unique2",
        _free,
        "all",
    ),
    **_name_aten("cdist _cdist_forward _pdist_forward pairwise_distance", _compare_pairs, "all"),
    **_name_aten("scatter_add scatter_reduce index_add index_reduce", _add_into(2), None),
    **_name_aten("_weight_norm _weight_norm_interface", _normalise_weights, "all"),
    **_name_aten("lstm", _recur_in_steps(gates=4, products=3, sums=1), "all"),
    **_name_aten("gru", _recur_in_steps(gates=3, products=3, sums=2), "all"),
    **_name_aten("rnn_tanh rnn_relu", _recur_in_steps(gates=1, products=0, sums=0), "all"),
    **_name_all(_WHOLE_MODULES, _unknown, "all"),
}


def find_field(operator: str) -> str | None:
    """Return which input positions an output position of an operator depends on: `same`, `all`, or None if unknown."""
    row = _ROWS.get(operator)
    return None if row is None else row.field


def has_row(operator: str) -> bool:
    """Whether the operations of an operator are counted."""
    return operator in _ROWS
