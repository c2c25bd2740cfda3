"""The operations of operators, compared with computations on numbers that count them, with PyTorch and with layers."""

import itertools
from collections.abc import Callable, Iterator
from math import prod
from pathlib import Path
from typing import Any

import pytest

from convcalc.convert.costs.cost import Cost
from convcalc.convert.graph import plain_spec
from convcalc.convert.operator_costs import count_operation
from convcalc.layers.curves import ACTIVATIONS as CURVES
from convcalc.layers.make import make_written_layer
from convcalc.shape import Shape
from convcalc.spec.document import Document
from convcalc.spec.reader import read_network
from tests.convert.test_onnx_import import ACTIVATIONS, ONE_NODE, X
from tests.support.onnx_models import imported, made

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")
numpy: Any = pytest.importorskip("numpy", reason="numpy is installed with onnx")

UNKNOWN = {
    "makes no tensor": """ConcatFromSequence Optional OptionalGetElement OptionalHasElement SequenceAt SequenceConstruct
    SequenceEmpty SequenceErase SequenceInsert SequenceLength SplitToSequence""",
    "executes a subgraph a number of times that depends on values": "If Loop Scan SequenceMap",
    "computes on texts": "RegexFullMatch StringConcat StringNormalizer StringSplit TfIdfVectorizer",
    "has no fixed number of operations: it depends on the algorithm": "DFT Det ImageDecoder STFT",
    "makes a constant": "BlackmanWindow HammingWindow HannWindow MelWeightMatrix",
    "skips labels by value": "NegativeLogLikelihoodLoss SoftmaxCrossEntropyLoss",
}


def test_every_operator_of_the_standard_has_a_cost_or_a_reason() -> None:
    from convcalc.convert import operator_costs

    standard = {schema.name for schema in onnx.defs.get_all_schemas() if schema.domain == ""}
    unknown = {name for names in UNKNOWN.values() for name in names.split()}
    assert standard - set(operator_costs._ROWS) == unknown


# -- numbers that count what is done with them


class Counter:
    """Counts the multiplications and additions of its numbers."""

    def __init__(self) -> None:
        self.multiplications = self.additions = 0

    def array(self, *sizes: int) -> Any:
        found = numpy.empty(sizes, object)
        for place in numpy.ndindex(*sizes):
            found[place] = Number(self)
        return found

    def cost(self, macs: int = 0) -> Cost:
        return Cost(self.multiplications, self.additions, macs)


class Number:
    def __init__(self, counter: Counter) -> None:
        self.counter = counter

    def __mul__(self, other: Any) -> "Number":
        self.counter.multiplications += 1
        return Number(self.counter)

    def __add__(self, other: Any) -> "Number":
        self.counter.additions += 1
        return Number(self.counter)

    __truediv__ = __mul__
    __sub__ = __radd__ = __add__


def slide(counter: Counter, x: Any, weights: Any, bias: Any, group: int, pads: Any, stride: int, dilation: int) -> Any:
    """A convolution in two dimensions, with one product per tap at every position, also on the padding."""
    before, after = pads
    padded = counter.array(*x.shape[:2], *(size + before + after for size in x.shape[2:]))
    outputs, per_group, *kernel = weights.shape
    ends = [
        (size - dilation * (taps - 1) - 1) // stride + 1 for size, taps in zip(padded.shape[2:], kernel, strict=True)
    ]
    y = numpy.empty((len(x), outputs, *ends), object)
    for image, channel, row, column in numpy.ndindex(*y.shape):
        first = channel // (outputs // group) * per_group
        window = padded[image, first : first + per_group]
        taps = [
            window[c, row * stride + dilation * i, column * stride + dilation * j] * weights[channel, c, i, j]
            for c, i, j in itertools.product(range(per_group), range(kernel[0]), range(kernel[1]))
        ]
        total = taps[0]
        for tap in taps[1:]:
            total = total + tap
        y[image, channel, row, column] = total if bias is None else total + bias[channel]
    return y


CONVOLUTIONS = [
    ((2, 4, 6, 5), (6, 4, 3, 3), True, 1, (1, 1), 1, 1),
    ((1, 4, 7, 7), (4, 1, 3, 2), False, 4, (0, 0), 2, 1),
    ((1, 6, 8, 8), (4, 3, 2, 2), True, 2, (0, 1), 1, 2),
]


@pytest.mark.parametrize("case", CONVOLUTIONS)
@pytest.mark.parametrize("operator", ["Conv", "ConvInteger", "QLinearConv"])
def test_a_convolution_costs_what_its_loops_do(operator: str, case: Any) -> None:
    x, weights, biased, group, pads, stride, dilation = case
    counter = Counter()
    bias = counter.array(weights[0]) if biased and operator != "ConvInteger" else None
    y = slide(counter, counter.array(*x), counter.array(*weights), bias, group, pads, stride, dilation)
    scalar = (None,) * 2
    vector = None if bias is None else (weights[0],)
    inputs = [x, *scalar, weights, *scalar, *scalar, vector] if operator == "QLinearConv" else [x, weights, vector]
    assert count_operation(operator, {"group": group}, inputs, [y.shape]) == counter.cost(
        prod(y.shape) * prod(weights[1:])
    )


@pytest.mark.parametrize("group", [1, 2])
def test_a_transposed_convolution_adds_each_product_to_the_output(group: int) -> None:
    counter = Counter()
    x, weights = counter.array(2, 4, 3, 3), counter.array(4, 6 // group, 2, 2)
    y = counter.array(2, 6, 4, 4)
    for image, channel, row, column in numpy.ndindex(*x.shape):
        for out, i, j in numpy.ndindex(*weights.shape[1:]):
            place = image, channel // (4 // group) * (6 // group) + out, row + i, column + j
            y[place] = y[place] + x[image, channel, row, column] * weights[channel, out, i, j]
    macs = counter.multiplications
    y = y + counter.array(6, 1, 1)
    shapes = [x.shape, weights.shape, (6,)]
    assert count_operation("ConvTranspose", {"group": group}, shapes, [y.shape]) == counter.cost(macs)


MATRICES = [((4, 8), (8, 2)), ((2, 3, 4, 5), (5, 6)), ((2, 1, 4, 5), (3, 5, 2)), ((7,), (7, 2)), ((3, 7), (7,))]


@pytest.mark.parametrize(("a", "b"), MATRICES)
def test_a_matrix_product_costs_what_numpy_does(a: Any, b: Any) -> None:
    counter = Counter()
    y = numpy.matmul(counter.array(*a), counter.array(*b))
    cost = counter.cost(counter.multiplications)
    assert count_operation("MatMul", {}, [a, b], [numpy.shape(y)]) == cost
    with_bias = cost._replace(additions=cost.additions + numpy.size(y))
    assert count_operation("MatMul", {}, [a, b, (1,)], [numpy.shape(y)]) == with_bias
    assert count_operation("MatMulInteger", {}, [a, b, (), ()], [numpy.shape(y)]) == cost
    quantised = [a, (), (), b, (), (), (), ()]
    assert count_operation("QLinearMatMul", {}, quantised, [numpy.shape(y)]) == cost


@pytest.mark.parametrize("alpha", [1.0, 0.5])
@pytest.mark.parametrize("beta", [1.0, 2.0])
@pytest.mark.parametrize("transposed", [0, 1])
@pytest.mark.parametrize("bias", [None, (3,), (4, 1), (4, 3)])
def test_a_gemm_costs_what_numpy_does(alpha: float, beta: float, transposed: int, bias: Any) -> None:
    counter = Counter()
    y = counter.array(4, 6) @ counter.array(6, 3)
    macs = counter.multiplications
    y = y if alpha == 1 else y * alpha
    if bias is not None:
        y = y + (counter.array(*bias) if beta == 1 else counter.array(*bias) * beta)
    a = (6, 4) if transposed else (4, 6)
    attributes = {"alpha": alpha, "beta": beta, "transA": transposed}
    shapes = [a, (6, 3)] if bias is None else [a, (6, 3), bias]
    assert count_operation("Gemm", attributes, shapes, [(4, 3)]) == counter.cost(macs)


EQUATIONS: list[Any] = [
    ("ij,jk->ik", (3, 4), (4, 5)),
    ("bhqd,bhkd->bhqk", (2, 3, 4, 5), (2, 3, 6, 5)),
    ("bij, bjk", (2, 3, 4), (2, 4, 5)),
    ("...ij,...jk->...ik", (2, 2, 3, 4), (2, 4, 5)),
    ("...i,ij", (2, 3, 4), (4, 5)),
    ("ij,ij->ij", (3, 4), (3, 4)),
    ("i,j->ij", (3,), (4,)),
    ("ij,ij->", (3, 4), (3, 4)),
    ("ijx,jk->ik", (3, 4, 2), (4, 5)),
    ("ij->i", (3, 4)),
    ("ijk->kji", (3, 4, 2)),
    ("...ij->...", (2, 3, 4)),
]


def contract(equation: str, *operands: Any) -> tuple[Any, int]:
    """The result of an einsum, computed as PyTorch does, and its multiply-accumulates."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    named = []
    for term, operand in zip(left.split(","), operands, strict=True):
        head, _, tail = term.partition("...")
        inner = operand.ndim - len(head) - len(tail) if "..." in term else 0
        named.append([*head, *(f"#{place}" for place in range(inner, 0, -1)), *tail])
    every = [name for names in named for name in names]
    dots = max(([n for n in names if n.startswith("#")] for names in named), key=len)
    if arrow:
        head, _, tail = right.partition("...")
        result = [*head, *(dots if "..." in right else ()), *tail]
    else:
        result = [*dots, *sorted(name for name in set(every) if every.count(name) == 1 and not name.startswith("#"))]
    arrays = []
    for place, (names, operand) in enumerate(zip(named, operands, strict=True)):
        elsewhere = {name for other, n in enumerate(named) if other != place for name in n} | set(result)
        for axis in reversed(range(len(names))):
            if names[axis] not in elsewhere:
                operand = numpy.add.reduce(operand, axis)
                names = names[:axis] + names[axis + 1 :]
        arrays.append((names, operand))
    if len(arrays) == 1:
        names, operand = arrays[0]
        return operand.transpose([names.index(name) for name in result]), 0
    axes = [*result, *({n for names, _ in arrays for n in names} - set(result))]
    spread = []
    for names, operand in arrays:
        order = [name for name in axes if name in names]
        moved = operand.transpose([names.index(name) for name in order])
        spread.append(moved.reshape([moved.shape[order.index(n)] if n in order else 1 for n in axes]))
    product = spread[0] * spread[1]
    macs = product.size if len(axes) > len(result) else 0
    for _ in axes[len(result) :]:
        product = numpy.add.reduce(product, -1)
    return product, macs


@pytest.mark.parametrize("case", EQUATIONS, ids=lambda case: str(case[0]))
def test_an_einsum_costs_what_numpy_does(case: Any) -> None:
    equation, *shapes = case
    counter = Counter()
    y, macs = contract(equation, *(counter.array(*shape) for shape in shapes))
    assert numpy.shape(y) == numpy.einsum(equation, *map(numpy.ones, shapes)).shape
    assert count_operation("Einsum", {"equation": equation}, shapes, [numpy.shape(y)]) == counter.cost(macs)


def test_an_einsum_of_three_operands_depends_on_the_order() -> None:
    shapes = [(3, 4), (4, 5), (5, 6)]
    assert count_operation("Einsum", {"equation": "ij,jk,kl->il"}, shapes, [(3, 6)]) is None


def attend(counter: Counter, query: Any, key: Any, value: Any, mask: Any) -> tuple[Any, int]:
    scores = query @ numpy.swapaxes(key, -1, -2)
    macs = counter.multiplications
    scores = scores * 0.5
    scores = scores if mask is None else scores + mask
    total = numpy.add.reduce(scores, -1, keepdims=True, initial=0)  # the exponentials are not counted
    shares = scores / total
    before = counter.multiplications
    y = shares @ value
    return y, macs + counter.multiplications - before


@pytest.mark.parametrize("mask", [None, (1, 1, 4, 6)])
def test_an_attention_costs_what_numpy_does(mask: Any) -> None:
    counter = Counter()
    q, k, v = counter.array(2, 3, 4, 5), counter.array(2, 3, 6, 5), counter.array(2, 3, 6, 7)
    y, macs = attend(counter, q, k, v, None if mask is None else counter.array(*mask))
    assert count_operation("Attention", {}, [q.shape, k.shape, v.shape, mask], [y.shape]) == counter.cost(macs)
    packed = [(2, 4, 15), (2, 6, 15), (2, 6, 21), mask]
    attributes = {"q_num_heads": 3, "kv_num_heads": 3}
    assert count_operation("Attention", attributes, packed, [(2, 4, 21)]) == counter.cost(macs)


def test_an_attention_with_shared_heads_and_past_keys_counts_every_query_head() -> None:
    counter = Counter()
    q, k, v = counter.array(2, 6, 4, 5), counter.array(2, 6, 8, 5), counter.array(2, 6, 8, 7)
    _, macs = attend(counter, q, k, v, None)
    packed = [(2, 4, 30), (2, 6, 10), (2, 6, 14), None, (2, 2, 2, 5), (2, 2, 2, 7)]
    attributes = {"q_num_heads": 6, "kv_num_heads": 2}
    assert count_operation("Attention", attributes, packed, [(2, 4, 42)]) == counter.cost(macs)


def step_lstm(counter: Counter, gates: Any, state: Any) -> Any:
    forget, enter, candidate, leave = (gates[:, place::4] for place in range(4))
    cell = forget * state + enter * candidate
    return leave * cell


def step_gru(counter: Counter, gates: Any, state: Any) -> Any:
    _, update, candidate = (gates[:, place::3] for place in range(3))
    candidate = candidate * state  # the reset gate
    return (update - 1) * candidate + update * state


def step_rnn(counter: Counter, gates: Any, state: Any) -> Any:
    return gates


RECURRENT: dict[str, tuple[int, Callable[..., Any]]] = {
    "LSTM": (4, step_lstm),
    "GRU": (3, step_gru),
    "RNN": (1, step_rnn),
}


@pytest.mark.parametrize("operator", RECURRENT)
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("directions", [1, 2])
def test_a_recurrent_layer_costs_what_its_steps_do(operator: str, biased: bool, directions: int) -> None:
    count, step = RECURRENT[operator]
    counter, length, batch, features, hidden = Counter(), 3, 2, 4, 5
    macs = 0
    for _ in range(length * directions):
        before = counter.multiplications
        first = counter.array(batch, features) @ counter.array(features, count * hidden)
        second = counter.array(batch, hidden) @ counter.array(hidden, count * hidden)
        macs += counter.multiplications - before
        if biased:
            first, second = first + counter.array(count * hidden), second + counter.array(count * hidden)
        step(counter, first + second, counter.array(batch, hidden))
    shapes = [
        (length, batch, features),
        (directions, count * hidden, features),
        (directions, count * hidden, hidden),
        (directions, 2 * count * hidden) if biased else None,
    ]
    output = [(length, directions, batch, hidden)]
    assert count_operation(operator, {"hidden_size": hidden}, shapes, output) == counter.cost(macs)


def test_peepholes_multiply_the_cell_state_for_three_gates() -> None:
    shapes: list[Any] = [(3, 2, 4), (1, 20, 4), (1, 20, 5), None, None, None, None]
    plain = count_operation("LSTM", {}, shapes, [(3, 1, 2, 5)])
    seeing = count_operation("LSTM", {}, [*shapes, (1, 15)], [(3, 1, 2, 5)])
    assert plain is not None
    assert seeing == plain._replace(
        multiplications=plain.multiplications + 3 * 2 * 15, additions=plain.additions + 3 * 2 * 15
    )


REDUCTIONS: dict[str, Callable[[Any], Any]] = {
    "ReduceSum": lambda x: numpy.add.reduce(x, (2, 3)),
    "ReduceL1": lambda x: numpy.add.reduce(x, (2, 3)),
    "ReduceLogSum": lambda x: numpy.add.reduce(x, (2, 3)),
    "ReduceLogSumExp": lambda x: numpy.add.reduce(x, (2, 3)),
    "ReduceMean": lambda x: numpy.add.reduce(x, (2, 3)) / 1,
    "ReduceL2": lambda x: numpy.add.reduce(x * x, (2, 3)),
    "ReduceSumSquare": lambda x: numpy.add.reduce(x * x, (2, 3)),
    "ReduceProd": lambda x: numpy.multiply.reduce(x.reshape(2, 3, 20), 2),
    "ReduceMax": lambda x: x[:, :, 0, 0],
    "ReduceMin": lambda x: x[:, :, 0, 0],
    "GlobalAveragePool": lambda x: numpy.add.reduce(x, (2, 3)) / 1,
    "GlobalLpPool": lambda x: numpy.add.reduce(x * x, (2, 3)),
    "LpNormalization": lambda x: x / numpy.add.reduce(x * x, (2, 3), initial=0, keepdims=True),
    "MeanVarianceNormalization": lambda x: normalise(x),
    "CumSum": lambda x: x + x,  # each value is added to the sum of those before it
    "Softmax": lambda x: x / numpy.add.reduce(x, 1, initial=0, keepdims=True),
}


def normalise(x: Any) -> Any:
    """(x - mean) / deviation, with sums that begin with 0, over the last two axes."""
    centred = x - numpy.add.reduce(x, (2, 3), initial=0, keepdims=True)
    return centred / numpy.add.reduce(centred * centred, (2, 3), initial=0, keepdims=True)


@pytest.mark.parametrize("operator", REDUCTIONS)
def test_a_reduction_costs_what_numpy_does(operator: str) -> None:
    counter = Counter()
    y = REDUCTIONS[operator](counter.array(2, 3, 4, 5))
    assert count_operation(operator, {}, [(2, 3, 4, 5)], [y.shape]) == counter.cost()


def test_a_norm_of_order_1_does_not_multiply() -> None:
    shapes: Any = [(2, 3, 4, 5)], [(2, 3, 1, 1)]
    assert count_operation("GlobalLpPool", {"p": 1}, *shapes) == count_operation("ReduceL1", {}, *shapes)
    assert count_operation("GlobalLpPool", {"p": 3}, *shapes) is None
    assert count_operation("LpNormalization", {"p": 1}, shapes[0], shapes[0]) == Cost(120, 120)


def test_windows_and_interpolations_cost_one_product_per_tap() -> None:
    counter = Counter()
    x = counter.array(1, 2, 4, 6)
    windows = numpy.add.reduce(x.reshape(1, 2, 2, 2, 3, 2), (3, 5)) / 1
    shapes: Any = [x.shape], [windows.shape]
    assert count_operation("AveragePool", {"kernel_shape": (2, 2)}, *shapes) == counter.cost()
    counter = Counter()
    x = counter.array(1, 2, 4, 6)
    squares = numpy.add.reduce((x * x).reshape(1, 2, 2, 2, 3, 2), (3, 5))
    assert count_operation("LpPool", {"kernel_shape": (2, 2)}, *shapes) == counter.cost()
    assert squares.shape == windows.shape
    for mode, taps in (("nearest", 0), ("linear", 4), ("cubic", 16)):
        due = Cost(2 * 8 * 12 * taps, 2 * 8 * 12 * max(taps - 1, 0))
        assert count_operation("Resize", {"mode": mode}, [(1, 2, 4, 6)], [(1, 2, 8, 12)]) == due
        grid: Any = [(1, 2, 4, 6), (1, 8, 12, 2)]
        assert count_operation("GridSample", {"mode": mode}, grid, [(1, 2, 8, 12)]) == due
    one_axis = count_operation("Resize", {"mode": "linear"}, [(1, 2, 4, 6)], [(1, 2, 4, 12)])
    assert one_axis == Cost(2 * 4 * 12 * 2, 2 * 4 * 12)
    assert count_operation("Resize", {"mode": "linear"}, [(1, 2, 4, 6)], [(1, 2, 4, 6)]) == Cost()
    smaller: Any = {"mode": "linear", "antialias": 1}, [(1, 2, 4, 6)], [(1, 2, 2, 3)]
    assert count_operation("Resize", *smaller) is None


def test_a_deformed_convolution_interpolates_each_sampled_value() -> None:
    """Per tap and input channel, four products and three sums, and a product with the mask."""
    x, weights, y = (2, 4, 5, 5), (6, 4, 3, 3), (2, 6, 3, 3)
    sampled = 2 * 3 * 3 * 9 * 4
    macs = 2 * 6 * 3 * 3 * 4 * 9
    shapes: list[Any] = [x, weights, (2, 18, 3, 3), (6,), (2, 9, 3, 3)]
    plain = Cost(macs + 4 * sampled, macs - prod(y) + 3 * sampled, macs)
    assert count_operation("DeformConv", {}, shapes[:3], [y]) == plain
    assert count_operation("DeformConv", {}, shapes, [y]) == plain._replace(
        multiplications=plain.multiplications + sampled, additions=plain.additions + prod(y)
    )


def test_regions_are_counted_if_the_number_of_samples_is_known() -> None:
    """Four samples per output value: of each, four products and three sums, then a mean of the four."""
    shapes: Any = [(1, 8, 20, 20), (3, 4), (3,)], [(3, 8, 2, 2)]
    assert count_operation("RoiAlign", {"sampling_ratio": 2}, *shapes) == Cost(96 * 17, 96 * (4 * 3 + 3))
    assert count_operation("RoiAlign", {"sampling_ratio": 2, "mode": "max"}, *shapes) == Cost(96 * 16, 96 * 12)
    assert count_operation("RoiAlign", {}, *shapes) is None


def test_rotated_positions_cost_two_products_and_a_sum_per_value() -> None:
    counter = Counter()
    x, cosines, sines = counter.array(2, 3, 4, 6), counter.array(4, 3), counter.array(4, 3)
    left, right = x[..., :3], x[..., 3:]
    assert (cosines * left - sines * right).shape == (sines * left + cosines * right).shape
    shapes: Any = [(4, 3), (4, 3)], [(2, 3, 4, 6)]
    assert count_operation("RotaryEmbedding", {}, [x.shape, *shapes[0]], shapes[1]) == counter.cost()
    attributes = {"num_heads": 3, "rotary_embedding_dim": 6}
    assert count_operation("RotaryEmbedding", attributes, [(2, 4, 3 * 12), *shapes[0]], [(2, 4, 36)]) == counter.cost()


@pytest.mark.parametrize("rule", ["linear", "gated", "delta", "gated_delta"])
def test_linear_attention_costs_what_its_steps_do(rule: str) -> None:
    counter, batch, length, shared, heads, key_size, value_size = Counter(), 2, 3, 2, 4, 5, 6
    macs = 0
    for _ in range(batch * length * shared):
        state, key, value = counter.array(key_size, value_size), counter.array(key_size), counter.array(value_size)
        if "gated" in rule:
            state = state * counter.array(key_size, 1)
        before = counter.multiplications
        if "delta" in rule:
            seen = key @ state
            macs += counter.multiplications - before
            value = (value - seen) * 1
            before = counter.multiplications
        state = state + key[:, None] * value
        for _ in range(heads // shared):
            y = counter.array(key_size) @ state
            macs += counter.multiplications - before
            y = y * 0.5
            before = counter.multiplications
    attributes = {"q_num_heads": heads, "kv_num_heads": shared, "update_rule": rule}
    shapes = [
        (batch, length, heads * key_size),
        (batch, length, shared * key_size),
        (batch, length, shared * value_size),
    ]
    outputs = [(batch, length, heads * value_size), (batch, shared, key_size, value_size)]
    assert count_operation("LinearAttention", attributes, shapes, outputs) == counter.cost(macs)


def test_further_operators_are_counted_by_their_definition() -> None:
    x = (2, 3, 4)
    assert count_operation("SwiGLU", {}, [x, x], [x]) == Cost(48)
    assert count_operation("SwiGLU", {"alpha": 1.7}, [x, x], [x]) == Cost(72)
    assert count_operation("Swish", {"alpha": 1.7}, [x], [x]) == Cost(48)
    # kernels of 4 taps on 3 channels, a bias, and silu
    causal = count_operation("CausalConvWithState", {"activation": "silu"}, [x, (3, 1, 4), (3,)], [x, (2, 3, 3)])
    assert causal == Cost(24 * 4 + 24, 24 * 3 + 24, 24 * 4)
    counter = Counter()
    grid = counter.array(2, 1, 1, 2, 3) @ counter.array(4, 5, 3, 1)
    assert count_operation("AffineGrid", {}, [(2, 2, 3), (4,)], [(2, 4, 5, 2)]) == counter.cost(counter.multiplications)
    assert grid.shape[:3] == (2, 4, 5)
    assert count_operation("LRN", {"size": 5}, [x], [x]) == Cost(24 * 7, 24 * 5)
    assert count_operation("Sum", {}, [x, x, x], [x]) == Cost(0, 48)
    assert count_operation("Mean", {}, [x, x, x], [x]) == Cost(24, 48)
    assert count_operation("RMSNormalization", {}, [x, (4,)], [x]) == Cost(72, 24)


def test_a_malformed_operation_is_of_unknown_cost() -> None:
    assert count_operation("LRN", {}, [(2, 3)], [(2, 3)]) is None
    assert count_operation("LRN", {"size": "many"}, [(2, 3)], [(2, 3)]) is None
    assert count_operation("MatMul", {}, [None, (2, 3)], [(2, 3)]) is None
    assert count_operation("MatMul", {}, [], []) is None
    assert count_operation("LSTM", {}, [(2, 3)], [(2, 3)]) is None
    assert count_operation("Attention", {}, [(2, 3, 4)] * 3, [(2, 3, 4)]) is None
    assert count_operation("NoSuchOperator", {}, [(2, 3)], [(2, 3)]) is None


# -- the layer kinds


def layer_costs(folder: Path, model: Any) -> Iterator[tuple[Any, ...]]:
    for node in read_network(Document(plain_spec(imported(folder, model)))).nodes:
        layer = node.layer
        assert layer.kind != "opaque"
        yield layer.count_multiplications(), layer.count_additions(), layer.count_macs()


KINDS: list[Any] = [
    *((case[0], case[1], case[2]) for case in ONE_NODE),
    *((f"y = {operator}(x)", X, {}) for operator in ACTIVATIONS),
    ("y = Clip<min=0.0, max=6.0>(x)", X, {}),
    ("y = LayerNormalization<axis=1>(x, s, b)", {"x": (2, 4, 6)}, {"s": (4, 6), "b": (4, 6)}),
]


@pytest.mark.parametrize(("node", "inputs", "weights"), KINDS, ids=[case[0] for case in KINDS])
def test_an_operator_costs_what_its_layer_kind_does(node: str, inputs: Any, weights: Any, tmp_path: Path) -> None:
    version = 6 if "Clip" in node else 21 if any(name in node for name in ("Mish", "Gelu")) else 17
    model = made(node, inputs, weights, version=version)
    parsed = model.graph.node[0]
    attributes = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in parsed.attribute}
    attributes = {name: value.decode() if isinstance(value, bytes) else value for name, value in attributes.items()}
    shapes = {**inputs, **weights}
    (layer,) = read_network(Document(plain_spec(imported(tmp_path, model)))).nodes
    output = (1, *layer.layer.output.sizes)
    cost = count_operation(parsed.op_type, attributes, [shapes[name] for name in parsed.input], [output])
    batch = next(iter(inputs.values()))[0]
    assert cost is not None
    per_sample = [count // batch for count in cost] if batch > 1 else list(cost)
    assert [list(found) for found in layer_costs(tmp_path, model)] == [per_sample]


@pytest.mark.parametrize("kind", CURVES)
def test_an_activation_made_of_several_operators_costs_what_its_kind_does(kind: str) -> None:
    layer = make_written_layer(kind, {}, (Shape(4, (6, 5)),))
    cost = count_operation(kind, {}, [(1, 4, 6, 5)], [(1, 4, 6, 5)])
    assert cost == Cost(layer.count_multiplications() or 0, layer.count_additions() or 0, layer.count_macs() or 0)


# -- PyTorch


@pytest.mark.torch
def test_macs_are_those_of_pytorch() -> None:
    torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")
    from torch.utils.flop_counter import FlopCounterMode

    functional = torch.nn.functional

    def measured(function: Callable[..., Any], *shapes: Any) -> tuple[int, Any]:
        with FlopCounterMode(display=False) as counter:
            y = function(*(torch.zeros(shape, device="meta") for shape in shapes))
        return counter.get_total_flops() // 2, tuple(y.shape)

    cases: list[tuple[str, dict[str, Any], Callable[..., Any], list[Any]]] = [
        ("MatMul", {}, torch.matmul, [(2, 3, 4, 5), (2, 3, 5, 6)]),
        ("MatMul", {}, torch.matmul, [(3, 4, 5), (5, 6)]),
        ("Conv", {"group": 2}, lambda x, w: functional.conv2d(x, w, groups=2), [(2, 4, 9, 9), (6, 2, 3, 3)]),
        ("ConvTranspose", {}, functional.conv_transpose2d, [(2, 4, 9, 9), (4, 6, 3, 3)]),
        ("Attention", {}, functional.scaled_dot_product_attention, [(2, 3, 4, 8), (2, 3, 6, 8), (2, 3, 6, 8)]),
        *(
            ("Einsum", {"equation": case[0]}, lambda *xs, e=case[0]: torch.einsum(e, *xs), list(case[1:]))
            for case in EQUATIONS
        ),
    ]
    for operator, attributes, function, shapes in cases:
        macs, output = measured(function, *shapes)
        cost = count_operation(operator, attributes, shapes, [output])
        assert cost is not None
        assert cost.macs == macs, (operator, attributes)


@pytest.mark.torch
@pytest.mark.parametrize("operator", RECURRENT)
def test_recurrent_macs_are_those_of_pytorch_cells(operator: str) -> None:
    torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")
    from torch.utils.flop_counter import FlopCounterMode

    count = RECURRENT[operator][0]
    cell = getattr(torch.nn, f"{operator}Cell")(4, 5)
    with FlopCounterMode(display=False) as counter:
        for _ in range(3):
            cell(torch.zeros(2, 4))
    shapes = [(3, 2, 4), (1, count * 5, 4), (1, count * 5, 5), (1, 2 * count * 5)]
    cost = count_operation(operator, {}, shapes, [(3, 1, 2, 5)])
    assert cost is not None
    assert cost.macs == counter.get_total_flops() // 2
