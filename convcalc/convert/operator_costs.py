"""Counts the operations of operators that no layer kind expresses, so that an `opaque` layer has their exact cost.

`count_operation` takes an operation with the shapes of its tensors and returns its multiplications, additions and MACs
for the whole batch: a MatMul of 4×8 by 8×2 is `Cost(64, 56, 64)`. The rules are those of the layers: matrix products
and convolutions are MACs, a division is a multiplication, a subtraction an addition, and a sum of n values has n - 1
additions. Comparisons, exponentials and other functions are not counted, and moving or copying values is free.
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

    They are unknown if they depend on values, as for Loop, or if attributes or sizes are malformed.
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


def _gate(products: int) -> CostRule:
    """Return a rule with `products` multiplications per value, and one more if the sigmoid has a factor `alpha`."""

    def rule(attributes: Attributes, shapes: Shapes) -> Cost:
        scaled = attributes.get("alpha", 1.0) != 1
        return Cost(shapes.count_output() * (products + scaled))

    return rule


# -- reductions: each output is computed from all values of its group


def _reduce(per_value: int, per_output: int, sums: bool = True) -> CostRule:
    """Return a rule for a reduction with `per_value` multiplications per input value and `per_output` per output value.

    If `sums` is true, the reduction of n values to one also has n - 1 additions.
    """

    def rule(attributes: Attributes, shapes: Shapes) -> Cost:
        values, results = shapes.count_input(), shapes.count_output()
        return Cost(per_value * values + per_output * results, values - results if sums else 0)

    return rule


def _multiply_together(attributes: Attributes, shapes: Shapes) -> Cost:
    return Cost(shapes.count_input() - shapes.count_output())


def _normalise(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count a norm as convcalc's layers do: 2 products and 3 sums per value, and one each for a scale and a bias."""
    values = shapes.count_input()
    scale, bias = (shapes.count_input(place) > 0 for place in (1, 2))
    return Cost(values * (2 + scale), values * (3 + bias))


def _normalise_by_square(attributes: Attributes, shapes: Shapes) -> Cost:
    values = shapes.count_input()
    return Cost(values * (2 + (shapes.count_input(1) > 0)), values)


def _normalise_response(attributes: Attributes, shapes: Shapes) -> Cost:
    values, size = shapes.count_input(), int(attributes["size"])
    return Cost(values * (size + 2), values * size)


# -- matrix products


def _make_macs(macs: int, further_multiplications: int = 0, further_additions: int = 0, *, sums: int) -> Cost:
    """Return the cost of `macs` products, which are added up to `sums` values, and of the further operations."""
    return Cost(macs + further_multiplications, macs - sums + further_additions, macs)


def _multiply_matrices(attributes: Attributes, shapes: Shapes) -> Cost:
    return _make_macs(shapes.count_output() * shapes.input(0)[-1], sums=shapes.count_output())


def _multiply_matrices_with_bias(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count a MatMul, which has a third input if `fusions` merged the sum with a bias into it."""
    cost = _multiply_matrices(attributes, shapes)
    return cost._replace(additions=cost.additions + shapes.count_output()) if shapes.count_input(2) else cost


def _multiply_and_add(attributes: Attributes, shapes: Shapes) -> Cost:
    inner = shapes.input(0)[0 if attributes.get("transA") else -1]
    biased = shapes.count_output() if shapes.count_input(2) else 0
    scaled = shapes.count_output() if attributes.get("alpha", 1.0) != 1 else 0
    scaled += shapes.count_input(2) if attributes.get("beta", 1.0) != 1 else 0
    return _make_macs(shapes.count_output() * inner, scaled, biased, sums=shapes.count_output())


def _contract(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count an Einsum of one or two operands. With more operands, the cost depends on the order of the products.

    As in PyTorch, an index that only one operand and not the result has is summed first. The product of the operands
    then has one multiplication per combination of indices; these are MACs if an index is summed.
    """
    terms, result = _read_equation(str(attributes["equation"]), shapes)
    sizes: dict[str, int] = {}
    for place, term in enumerate(terms):
        for letter, size in zip(term, shapes.input(place), strict=True):
            sizes[letter] = max(size, sizes.get(letter, 1))
    added = 0
    kept: list[set[str]] = []
    for place, term in enumerate(terms):
        others = set(result).union(*terms[:place], *terms[place + 1 :])
        kept.append(set(term) & others)
        added += _count_combinations(sizes, set(term)) - _count_combinations(sizes, kept[-1])
    if len(terms) == 1:
        return Cost(additions=added)
    combinations = _count_combinations(sizes, set.union(*kept))
    if set.union(*kept) <= set(result):
        return Cost(combinations, added)
    return _make_macs(combinations, further_additions=added, sums=shapes.count_output())


def _count_combinations(sizes: Mapping[str, int], letters: set[str]) -> int:
    return prod(sizes[letter] for letter in letters)


def _read_equation(equation: str, shapes: Shapes) -> tuple[list[str], str]:
    """Return the terms of an Einsum's operands and its result, such as (["ij", "jk"], "ik").

    There is one letter per axis; axes that the equation writes as `...` are digits.
    """
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(shapes.inputs) or len(terms) > 2 or any(letter.isdigit() for letter in left):
        raise ValueError("unsupported equation")
    widest = ""
    for place, term in enumerate(terms):
        axes = len(shapes.input(place)) - len(term.replace("...", ""))
        digits = "9876543210"[10 - axes :] if "..." in term else ""
        terms[place] = term.replace("...", digits)
        widest = max(widest, digits, key=len)
    letters = "".join(terms)
    implied = widest + "".join(letter for letter in letters if letters.count(letter) == 1 and letter.isalpha())
    return terms, right.replace("...", widest) if arrow else implied


def _convolve(weights: int, biases: int) -> CostRule:
    """Return a rule for a convolution whose weights and biases are the inputs at these positions."""

    def rule(attributes: Attributes, shapes: Shapes) -> Cost:
        values = shapes.count_output()
        biased = values if shapes.count_input(biases) else 0
        return _make_macs(values * prod(shapes.input(weights)[1:]), further_additions=biased, sums=values)

    return rule


def _convolve_transposed(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count one addition per product, as `conv_transpose` does: products are added where windows overlap."""
    weights = shapes.input(1)
    biased = shapes.count_output() if shapes.count_input(2) else 0
    return _make_macs(shapes.count_input() * prod(weights[1:]), further_additions=biased, sums=0)


def _deform(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count the convolution as MACs, and a bilinear interpolation per sampled value: 4 products and 3 sums."""
    weights, data = shapes.input(1), shapes.input(0)
    values = shapes.count_output()
    sampled = data[0] * data[1] * (values // (data[0] * weights[0])) * prod(weights[2:])
    masked = sampled if shapes.count_input(4) else 0
    biased = values if shapes.count_input(3) else 0
    return _make_macs(values * prod(weights[1:]), 4 * sampled + masked, 3 * sampled + biased, sums=values)


def _convolve_causally(attributes: Attributes, shapes: Shapes) -> Cost:
    values = shapes.count_output()
    activated = values if attributes.get("activation", "none") in ("silu", "swish") else 0
    biased = values if shapes.count_input(2) else 0
    return _make_macs(values * shapes.input(1)[-1], activated, biased, sums=values)


def _attend(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count scaled dot-product attention: two matrix products, the scale, and a softmax over the keys.

    A mask costs one addition per score. Keys of earlier positions, the fifth input, count too.
    """
    query, key, value = (shapes.input(place) for place in (0, 1, 2))
    if len(query) == 3:  # batch, length, heads × size
        heads, shared = int(attributes["q_num_heads"]), int(attributes["kv_num_heads"])
        rows, keys = query[0] * query[1] * heads, key[1]
        sizes = query[2] // heads, value[2] // shared
    else:
        rows, keys = prod(query[:-1]), key[-2]
        sizes = query[-1], value[-1]
    if shapes.count_input(4):
        keys += shapes.input(4)[-2]
    scores = rows * keys
    masked = scores if shapes.count_input(3) else 0
    return _make_macs(scores * sum(sizes), 2 * scores, scores + masked, sums=scores + rows * sizes[1])


def _attend_linearly(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count the recurrent form of linear attention, whose state is a matrix of key size × value size per head.

    Per position, the product of key and value is added to the state, and the state is multiplied by each query. If
    `update_rule` contains `delta`, the state is also multiplied by the key; if it contains `gated`, by a decay.
    """
    heads, shared = int(attributes["q_num_heads"]), int(attributes["kv_num_heads"])
    rule = attributes.get("update_rule", "gated_delta")
    batch, length, packed = shapes.input(0)
    key_size, value_size = packed // heads, shapes.input(2)[-1] // shared
    positions, state = batch * length, key_size * value_size
    delta, gated = "delta" in rule, "gated" in rule
    macs = positions * state * (heads + shared * (1 + delta))
    sums = positions * value_size * (heads + shared * delta)
    scaled = positions * (heads * value_size + shared * (delta * value_size + gated * state))
    return _make_macs(macs, scaled, positions * shared * delta * value_size, sums=sums)


def _rotate(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count two products and a sum per rotated value: the first `rotary_embedding_dim` values of each head, or all."""
    sizes = shapes.input(0)
    size = sizes[-1] if len(sizes) == 4 else sizes[-1] // int(attributes["num_heads"])
    rotated = prod(sizes) // size * (int(attributes.get("rotary_embedding_dim", 0)) or size)
    return Cost(2 * rotated, rotated)


# -- windows and interpolation


def _average_windows(attributes: Attributes, shapes: Shapes) -> Cost:
    taps = prod(attributes["kernel_shape"])
    return Cost(shapes.count_output(), shapes.count_output() * (taps - 1))


def _average_regions(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count adaptive pooling as one addition per input value and one division per output."""
    return Cost(shapes.count_output(), shapes.count_input())


def _pool_norms(attributes: Attributes, shapes: Shapes) -> Cost:
    taps = prod(attributes["kernel_shape"])
    return Cost(shapes.count_output() * taps * _squares(attributes), shapes.count_output() * (taps - 1))


def _pool_norms_globally(attributes: Attributes, shapes: Shapes) -> Cost:
    values = shapes.count_input()
    return Cost(values * _squares(attributes), values - shapes.count_output())


def _divide_by_norm(attributes: Attributes, shapes: Shapes) -> Cost:
    values = shapes.count_input()
    return Cost(values * (1 + _squares(attributes)), values)


def _squares(attributes: Attributes) -> int:
    """Return the multiplications per value of an Lp norm: 0 for p = 1, 1 for p = 2. Raises ValueError for others."""
    order = attributes.get("p", 2)
    if order not in (1, 2):
        raise ValueError("the powers are not products")
    return int(order) - 1


_TAPS = {"linear": 2, "bilinear": 2, "cubic": 4, "bicubic": 4}


def _interpolate(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count one product per tap of each output value, and the additions that sum the taps.

    With k resized axes, an output value has 2^k taps if the interpolation is linear, and 4^k if it is cubic.
    """
    taps = _TAPS.get(str(attributes.get("mode", "nearest")), 0)
    output = shapes.outputs[0] or ()
    pairs = list(zip(shapes.input(0), output, strict=True))
    if attributes.get("antialias") and any(after < before for before, after in pairs):
        raise ValueError("the number of taps depends on the factor")
    axes = sum(before != after for before, after in pairs)
    products = taps**axes if taps and axes else 0
    return Cost(shapes.count_output() * products, shapes.count_output() * max(products - 1, 0))


def _sample_grid(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count the taps of each output value as `_interpolate` does: 2^k or 4^k for k spatial axes."""
    taps = _TAPS.get(str(attributes.get("mode", "linear")), 0) ** (len(shapes.input(0)) - 2)
    return Cost(shapes.count_output() * taps, shapes.count_output() * max(taps - 1, 0))


def _align_regions(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count RoiAlign: `sampling_ratio`² bilinear interpolations per output value, and their average or maximum.

    Raises ValueError if the file does not state `sampling_ratio`.
    """
    ratio = int(attributes.get("sampling_ratio", 0))
    if ratio < 1:
        raise ValueError("the number of samples depends on the regions")
    samples = ratio * ratio
    averaged = attributes.get("mode", "avg") == "avg"
    per_output = 4 * samples + averaged, 3 * samples + averaged * (samples - 1)
    return Cost(shapes.count_output() * per_output[0], shapes.count_output() * per_output[1])


# -- recurrent layers


def _recur(gates: int, products: int, sums: int, peepholes: int | None = None) -> CostRule:
    """Return a rule for a recurrent layer with this number of gates.

    `products` and `sums` are the elementwise operations per hidden value and step, without the two biases per gate.
    `peepholes` is the position of the input with the peephole weights, by which the cell state is multiplied.
    """

    def rule(attributes: Attributes, shapes: Shapes) -> Cost:
        first, second, _ = shapes.input(0)  # length and batch, in the order of the attribute `layout`
        directions, rows, features = shapes.input(1)
        hidden = rows // gates
        steps = first * second * directions
        biased = 2 * rows if shapes.count_input(3) else 0
        seen = 0 if peepholes is None or not shapes.count_input(peepholes) else 3 * hidden
        return _make_macs(
            steps * rows * (features + hidden),
            steps * (products * hidden + seen),
            steps * (sums * hidden + biased + seen),
            sums=steps * rows,
        )

    return rule


def _recur_in_steps(gates: int, products: int, sums: int) -> CostRule:
    """Return a rule for a recurrent layer of PyTorch. For the parameters, see `_recur`.

    The attribute `matrices` has the sizes of the weight matrices: for each layer and direction, the matrix for the
    inputs, the matrix for the state and, for an LSTM with projections, the matrix for the output.
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
            sums=steps * sum(rows for rows, _ in matrices),
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
    """Return a rule with one addition per value of the input at position `place`, which is added to another input."""

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
    **_name_all(_MOVES, _free, None),
    **_name_all(_FREE_BY_VALUE, _free, "same"),
    **_name_all("Add Sub", _per_output(additions=1), "same"),
    **_name_all("Mul Div Mod Reciprocal PRelu LeakyRelu Mish Gelu", _per_output(multiplications=1), "same"),
    # the activations that `fusions` makes of several operators
    **_name_all("hardtanh relu relu6 sigmoid softplus softsign tanh", _free, "same"),
    **_name_all("gelu mish silu", _per_output(multiplications=1), "same"),
    "hardsigmoid": _Row(_per_output(1, 1), "same"),
    "hardswish": _Row(_per_output(2, 1), "same"),
    "Swish": _Row(_gate(1), "same"),
    "SwiGLU": _Row(_gate(2), "same"),
    "HardSigmoid": _Row(_per_output(1, 1), "same"),
    "HardSwish": _Row(_per_output(2, 1), "same"),
    "Sum": _Row(_sum_inputs, "same"),
    "Mean": _Row(_average_inputs, "same"),
    "BatchNormalization": _Row(_per_input(1, 1), "same"),
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
    **_name_all("ReduceL2 ReduceSumSquare", _reduce(1, 0), "all"),
    "GlobalLpPool": _Row(_pool_norms_globally, "all"),
    "ReduceProd": _Row(_multiply_together, "all"),
    # each value is added to the sum of those before it, which begins with 0
    "CumSum": _Row(_per_output(additions=1), "all"),
    "CumProd": _Row(_per_output(multiplications=1), "all"),
    **_name_all("Softmax LogSoftmax", _per_output(1, 1), "all"),
    "LpNormalization": _Row(_divide_by_norm, "all"),
    **_name_all(
        "LayerNormalization GroupNormalization InstanceNormalization MeanVarianceNormalization", _normalise, "all"
    ),
    "RMSNormalization": _Row(_normalise_by_square, "all"),
    "MatMul": _Row(_multiply_matrices_with_bias, "all"),
    **_name_all("MatMulInteger QLinearMatMul", _multiply_matrices, "all"),
    "Gemm": _Row(_multiply_and_add, "all"),
    "Einsum": _Row(_contract, "all"),
    "Attention": _Row(_attend, "all"),
    "LinearAttention": _Row(_attend_linearly, "all"),
    "RotaryEmbedding": _Row(_rotate, None),
    "CausalConvWithState": _Row(_convolve_causally, None),
    # each coordinate is a row of the transformation times a position
    "AffineGrid": _Row(_multiply_matrices, "all"),
    "LSTM": _Row(_recur(gates=4, products=3, sums=1, peepholes=7), "all"),
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
    **_name_aten("instance_norm", _per_input(1, 1), "same"),
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
    """Return on which input positions an output position of an operator depends: `same`, `all`, or None for others."""
    row = _ROWS.get(operator)
    return None if row is None else row.field


def has_row(operator: str) -> bool:
    """Whether the operations of an operator are counted."""
    return operator in _ROWS
