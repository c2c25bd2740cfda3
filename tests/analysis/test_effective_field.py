"""Effective receptive fields: by the formula, by following every connection, and by hand where branches merge."""

from __future__ import annotations

from fractions import Fraction
from math import erf, exp, isclose, pi, sqrt
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import convcalc
from convcalc.analysis import energy_rows
from convcalc.analysis.effective_field import (
    EffectiveFields,
    NoSpread,
    Spread,
    State,
    compute_effective_fields,
    list_ignored,
)
from convcalc.analysis.energy_map import find_narrowest, map_energy, measure_widths
from convcalc.analysis.energy_spread import AxisSpread
from convcalc.analysis.field_region import find_layer, middle_position
from convcalc.analysis.gradient_energy import RULES
from convcalc.analysis.report import Report
from convcalc.examples import list_names
from convcalc.layers import KINDS
from tests.support.dependence import (
    Axis,
    Plan,
    Tensor,
    adaptive_window,
    bordering,
    convolution,
    dividing,
    folding,
    pooling,
    reducing,
    relu,
    resampled_axis,
    shuffling,
    slicing,
    strided,
    transposed,
    triangle,
    unfolding,
    unpooling,
    unshuffling,
    window,
)
from tests.support.energy import Step, arrive, moments

Entry = dict[str, Any]


def analyse(layers: list[Any], shape: tuple[int, ...] = (4, 64), **others: Any) -> Report:
    return convcalc.analyse(convcalc.load({"input": list(shape), "layers": layers, **others}))


def effective(report: Report) -> EffectiveFields:
    return compute_effective_fields(report.network, report.fields)


def last_state(layers: list[Any], shape: tuple[int, ...] = (4, 64)) -> State:
    return effective(analyse(layers, shape)).states[-1]


def last_spread(layers: list[Any], shape: tuple[int, ...] = (4, 64)) -> Spread:
    state = last_state(layers, shape)
    assert isinstance(state, Spread), state
    return state


def conv(kernel_size: int, **others: Any) -> Entry:
    return {"conv": {"out_channels": 4, "kernel_size": kernel_size, **others}}


# -- chains


@pytest.mark.parametrize(
    ("layers", "variance"),
    [
        ([], 0),
        ([conv(3)], Fraction(2, 3)),
        ([conv(3)] * 8, Fraction(16, 3)),
        ([conv(3, stride=2), conv(3), conv(3, stride=2), conv(3)], Fraction(2, 3) * (1 + 4 + 4 + 16)),
        ([conv(3, dilation=2 ** level) for level in range(4)], Fraction(2, 3) * (1 + 4 + 16 + 64)),
        ([{"maxpool": 2}, conv(5, dilation=3)], Fraction(3, 12) + 4 * 9 * Fraction(24, 12)),
        ([{"avgpool": {"kernel_size": 3, "stride": 2}}, conv(3)], Fraction(2, 3) * (1 + 4)),
        (["relu", "batchnorm", {"conv": {"out_channels": 4, "kernel_size": 1, "stride": 7}}, "sigmoid"], 0),
        # 1, 2, 1 squared is 1, 4, 1
        (["blurpool"], Fraction(2, 6)),
        # ×2: weights of 3/4 and 1/4 on two neighbours, squared 9/10 and 1/10 of the energy
        ([{"upsample": {"scale_factor": 2, "mode": "linear"}}], Fraction(9, 100)),
        ([{"upsample": {"scale_factor": 2}}], 0),
        ([{"pixel_unshuffle": {"downscale_factor": 4}}], Fraction(15, 12)),
    ],
)  # fmt: skip
def test_the_variance_of_a_chain_is_a_fraction(layers: list[Any], variance: Fraction) -> None:
    """Σ (jump d)² (k² - 1) / 12, by hand."""
    spread = last_spread([{"identity": {}}, *layers])
    assert spread.is_exact
    assert spread.variances() == [(variance, variance)]


@pytest.mark.parametrize(
    ("name", "layer", "variance"),
    [
        # thirteen 3×3 convolutions and five 2×2 pools, at the jumps 1, 2, 4, 8, 16
        (
            "vgg16",
            "stage5",
            Fraction(8 * (2 * 1 + 2 * 4 + 3 * 16 + 3 * 64 + 3 * 256) + 3 * (1 + 4 + 16 + 64 + 256), 12),
        ),
        # 11×11/4, pool 3/2, 5×5, pool 3/2, three 3×3, pool 3/2 at the jumps 1, 4, 8, 8, 16, 16
        ("alexnet", "maxpool3", Fraction(120 + 8 * 16 + 24 * 64 + 8 * 64 + 4 * 8 * 256, 12)),
    ],
)
def test_the_variance_of_known_chains(name: str, layer: str, variance: Fraction) -> None:
    report = convcalc.analyse(convcalc.load(f"example:{name}"))
    state = effective(report).states[1 + find_layer(report, layer)]
    assert isinstance(state, Spread)
    assert state.is_exact
    assert state.variances() == [(variance, variance)] * 2


def test_axes_are_independent() -> None:
    entry = {"conv": {"out_channels": 4, "kernel_size": [3, 1, 5], "stride": [1, 2, 3], "dilation": [2, 1, 1]}}
    spread = last_spread([entry, entry], (1, 32, 32, 32))
    both = [2 * 4 * Fraction(8, 12), Fraction(0), (1 + 9) * Fraction(24, 12)]
    assert [largest for _, largest in spread.variances()] == both


def test_a_transposed_convolution_differs_from_position_to_position() -> None:
    """Kernel 3, stride 2: every other output reads one input, the others two, which are 1 apart."""
    spread = last_spread([{"conv_transpose": {"out_channels": 4, "kernel_size": 3, "stride": 2}}])
    assert spread.variances() == [(0, Fraction(1, 4))]
    assert spread.axes[0].mass == (Fraction(4, 3), Fraction(2, 3))


def test_positions_that_read_nothing_have_no_spread() -> None:
    spread = last_spread([conv(3), {"conv_transpose": {"out_channels": 4, "kernel_size": 1, "stride": 3}}])
    assert spread.variances() == [(Fraction(2, 3), Fraction(2, 3))]


# -- random chains, by following every connection

LAYERS = (
    convolution, convolution, pooling, strided, transposed, unpooling, dividing, shuffling, unshuffling, bordering,
    slicing, unfolding, folding, reducing, relu,
)  # fmt: skip


def square_mean(axis: Axis) -> Any:
    """The squared weights of a mean over the taps of an output."""
    return lambda output, read: Fraction(1, len(set(axis.taps(output))) ** 2)


@st.composite
def chains(draw: st.DrawFn, axes: int) -> tuple[Plan, list[list[Step]]]:
    """Draw a chain of layers, with its steps along each axis."""
    plan = Plan(tuple(draw(st.sampled_from([8, 11, 16])) for _ in range(axes)), in_order=False)
    last: Tensor = plan.tensors[0]
    steps: list[list[Step]] = [[] for _ in range(axes)]
    for _ in range(draw(st.integers(1, 6))):
        drawn = draw(st.sampled_from(LAYERS))(draw, last.sizes)
        read = last
        last = plan.add_layers(drawn, read)
        if last is not read:
            averages = "adaptive_avgpool" in drawn[0][0] or "mean" in drawn[0][0]
            for axis, size, found in zip(drawn[1], read.sizes, steps, strict=True):
                found.append(Step(axis, size, square_mean(axis) if averages else None))
    if not plan.entries:
        plan.add_layers(relu(draw, last.sizes), last)
    return plan, steps


@pytest.mark.parametrize("axes", [1, 2])
@settings(max_examples=100, deadline=None)
@given(st.data())
def test_spreads_match_a_sum_over_all_connections(axes: int, data: st.DataObject) -> None:
    plan, steps = data.draw(chains(axes))
    report = convcalc.analyse(convcalc.load(plan.spec()))
    state = effective(report).states[-1]
    if isinstance(state, NoSpread):
        # a transposed convolution can leave only zeros, and periods are limited
        assert "only after too many positions" in state.reason
        return
    assert state.is_exact
    for spread, found in zip(state.axes, steps, strict=True):
        assert_spread(spread, found)


def assert_spread(spread: AxisSpread, steps: list[Step]) -> None:
    """The moments of every output of one period, and one after it, are those of all connections."""
    expected = [moments(arrive(steps, position, within=False)) for position in range(spread.period + 1)]
    average = sum(found.mass for found in expected[:-1]) / spread.period
    for position, due in enumerate(expected):
        mass, mean, variance = spread.at(position)
        assert mass == due.mass / average
        if mass:
            assert (mean, variance) == (due.mean, due.variance)


@pytest.mark.parametrize("within", [False, True])
@settings(max_examples=100, deadline=None)
@given(st.data())
def test_energy_maps_match_a_sum_over_all_connections(within: bool, data: st.DataObject) -> None:
    """A map has the energy of every input position, along both axes at once."""
    plan, steps = data.draw(chains(2))
    report = convcalc.analyse(convcalc.load(plan.spec()))
    found = effective(report)
    sizes = report.layers[-1].output_shape.spatial
    position = tuple(data.draw(st.integers(0, size - 1)) for size in sizes)
    if isinstance(found.states[-1], NoSpread):
        return
    rows, columns = (arrive(one, at, within) for one, at in zip(steps, position, strict=True))
    whole = sum(rows.values()) * sum(columns.values())
    energy = map_energy(report.network, found, len(found.states) - 1, position, (0, 1), within)
    known = {
        (row + energy.first[0], column + energy.first[1]): value
        for row, values in enumerate(energy.rows)
        for column, value in enumerate(values)
        if value
    }
    due = {(r, c): float(a * b / whole) for r, a in rows.items() for c, b in columns.items() if a * b}
    assert known == pytest.approx(due)


@pytest.mark.parametrize(
    ("entry", "axis", "squares"),
    [
        (
            {"upsample": {"scale_factor": 3, "mode": "linear"}},
            resampled_axis(48, Fraction(1, 3), "linear"),
            lambda i, j: triangle((i + Fraction(1, 2)) / 3 - Fraction(1, 2) - j) ** 2,
        ),
        (
            {"upsample": {"size": 12, "mode": "linear"}},
            resampled_axis(12, Fraction(4, 3), "linear"),
            lambda i, j: triangle((i + Fraction(1, 2)) * 4 / 3 - Fraction(1, 2) - j) ** 2,
        ),
        (
            {"adaptive_avgpool": {"output_size": 6}},
            adaptive_window(16, 6),
            lambda i, j: Fraction(1, len(set(adaptive_window(16, 6).taps(i))) ** 2),
        ),
    ],
)  # fmt: skip
def test_fixed_weights_count_with_their_squares(entry: Entry, axis: Axis, squares: Any) -> None:
    steps = [Step(window(16, 3, 1, (1, 1), 1), 16), Step(axis, 16, squares), Step(window(9, 3, 1, (0, 0), 1), 9)]
    [spread] = last_spread([conv(3, padding=1), entry, conv(3)], (4, 16)).axes
    assert_spread(spread, steps)


def test_bicubic_interpolation_counts_with_the_squares_of_its_weights() -> None:
    """At ×2, the weights of output 0 are those of Keys at the distances 5/4, 1/4, 3/4 and 7/4."""
    weights = [Fraction(value, 256) for value in (-9, 67, 225, -27)]  # with a = -3/4, from position -2 on
    assert sum(weights) == 1
    whole = sum(weight**2 for weight in weights)
    mean = sum(at * weight**2 for at, weight in enumerate(weights)) / whole
    variance = sum((at - mean) ** 2 * weight**2 for at, weight in enumerate(weights)) / whole
    spread = last_spread([{"upsample": {"scale_factor": 2, "mode": "bicubic"}}], (4, 16, 16))
    assert spread.variances() == [(variance, variance)] * 2


# -- branches, whose energies add


def find_log_gains(layers: list[Any], shape: tuple[int, ...] = (4, 64)) -> dict[str, list[float]]:
    """The logarithms of the gains of each layer's inputs, by the layer's name."""
    report = analyse(layers, shape)
    found = effective(report).edges
    return {node.name: [edge.log for edge in edges] for node, edges in zip(report.network.nodes, found, strict=True)}


def test_a_relu_between_norms_amplifies_the_energy_by_1_467() -> None:
    """Half of the gradients pass, and the next norm divides by the variance of a rectified normal, 1/2 - 1/(2π)."""
    norm: list[Any] = [conv(3), "batchnorm"]
    found = find_log_gains([*norm, "relu", *norm])
    passed = exp(found["relu1"][0] + found["conv2"][0] + found["batchnorm2"][0])
    assert passed == pytest.approx(0.5 / (0.5 - 1 / (2 * pi)), rel=1e-3)
    assert passed == pytest.approx(1.467, abs=1e-3)


def test_a_norm_of_samples_keeps_the_mean_of_a_rectified_normal() -> None:
    """The mean square of a rectified normal is 1/2, not only its variance."""
    found = find_log_gains([conv(3), "layernorm", "relu", conv(3), "layernorm"])
    assert exp(found["relu1"][0] + found["conv2"][0] + found["layernorm2"][0]) == pytest.approx(1, rel=1e-3)


@pytest.mark.parametrize(
    ("kind", "gain"),
    [
        ("relu", 0.5),
        ("leaky_relu", (1 + 0.01**2) / 2),
        ("prelu", (1 + 0.25**2) / 2),
        ("hardtanh", erf(1 / sqrt(2))),  # the chance that a normal value is between -1 and 1
        ("hardsigmoid", erf(3 / sqrt(2)) / 36),
        ("softsign", None),
    ],
)
def test_the_gain_of_an_activation_is_the_mean_of_its_squared_slope(kind: str, gain: float | None) -> None:
    points = [(at + 0.5) / 1000 for at in range(-8000, 8000)]
    slopes = sum((1 + abs(x)) ** -4 * exp(-x * x / 2) for x in points) / sqrt(2 * pi) / 1000  # of softsign
    found = find_log_gains([conv(1), "batchnorm", {kind: {"name": "curve"}}])
    assert exp(found["curve"][0]) == pytest.approx(slopes if gain is None else gain, rel=5e-3)


RELU_VARIANCE = 0.5 - 1 / (2 * pi)
HIDDEN = 0.5 / RELU_VARIANCE


def test_masses_of_a_residual_block() -> None:
    """The shortcut has the gain 1; the branch that of a norm, a hidden relu and a norm: 1 / Var(input) × 1.467."""
    body: list[Any] = [conv(3, padding=1), "batchnorm", "relu", conv(3, padding=1), "batchnorm"]
    block = {"branches": [body, []], "merge": "add"}
    spread = last_spread([conv(3), "batchnorm", "relu", block])
    branch = HIDDEN / RELU_VARIANCE
    due = 2 / 3 + branch / (1 + branch) * 4 / 3
    assert float(spread.variances()[0][1]) == pytest.approx(due, rel=1e-3)
    assert not spread.is_exact


def test_masses_of_a_concatenation_are_shares_of_the_channels() -> None:
    branches = [[conv(1)], [{"conv": {"out_channels": 12, "kernel_size": 5, "padding": 2}}]]
    spread = last_spread([{"branches": branches, "merge": "concat"}])
    assert float(spread.variances()[0][1]) == pytest.approx(12 / 16 * 2)


def test_branches_with_other_centres_add_the_distance_of_their_means() -> None:
    """Halves at -1 and at 1 have the variance 1."""
    branches = [[conv(1), {"pad": {"padding": [[side, 2 - side]]}}, {"crop": {"amount": 1}}] for side in (0, 2)]
    spread = last_spread([{"branches": branches, "merge": "add"}])
    assert float(spread.variances()[0][1]) == pytest.approx(1)


def test_a_norm_after_a_concatenation_amplifies_each_part_by_its_own_variance() -> None:
    """Parts with the variances 1 and 1/4 have the gains 1 and 4."""
    quarter = [conv(1), "batchnorm", {"scale": 0.5}]
    narrow, wide = [*quarter], [conv(5, padding=2), "batchnorm"]
    spread = last_spread([{"branches": [narrow, wide], "merge": "concat"}, "batchnorm"])
    assert float(spread.variances()[0][1]) == pytest.approx(2 * 1 / (1 + 0.25 * 4 / 1), rel=1e-3)


def test_a_product_of_branches_weighs_each_with_the_square_of_the_other() -> None:
    """As in WaveNet: E[sigmoid²] E[tanh'²] on one side, E[tanh²] E[sigmoid'²] on the other."""

    def mean(function: Any) -> float:
        points = [(at + 0.5) / 1000 for at in range(-8000, 8000)]
        whole: float = sum(function(x) * exp(-x * x / 2) for x in points)
        return whole / sqrt(2 * pi) / 1000

    def sigmoid(x: float) -> float:
        return 1 / (1 + exp(-x))

    def tanh(x: float) -> float:
        return 2 * sigmoid(2 * x) - 1

    filters = mean(lambda x: sigmoid(x) ** 2) * mean(lambda x: (1 - tanh(x) ** 2) ** 2)
    gates = mean(lambda x: tanh(x) ** 2) * mean(lambda x: (sigmoid(x) * (1 - sigmoid(x))) ** 2)
    branches = [[conv(3, padding=1), "batchnorm", "tanh"], [conv(5, padding=2), "batchnorm", "sigmoid"]]
    spread = last_spread([{"branches": branches, "merge": "multiply"}])
    due = (filters * 2 / 3 + gates * 2) / (filters + gates)
    assert float(spread.variances()[0][1]) == pytest.approx(due, rel=2e-3)


PREDICTED = {"resnet18": 43.88, "resnet34": 60.25, "resnet50": 42.88}  # by an independent program for these networks


@pytest.mark.parametrize("name", PREDICTED)
def test_residual_networks(name: str) -> None:
    report = convcalc.analyse(convcalc.load(f"example:{name}"))
    state = effective(report).states[1 + find_layer(report, "stage4")]
    assert isinstance(state, Spread)
    for _, deviation in state.deviations():
        assert deviation == pytest.approx(PREDICTED[name], abs=0.01)


@pytest.mark.parametrize("name", ["resnet18", "unet_padded", "googlenet", "densenet121", "wavenet", "efficientnet_b0"])
def test_a_map_has_the_moments_of_the_spread(name: str) -> None:
    """Forward by moments and backward by maps: two ways to the same figures."""
    report = convcalc.analyse(convcalc.load(f"example:{name}"))
    found = effective(report)
    tensor = max(number for number, state in enumerate(found.states) if isinstance(state, Spread))
    state = found.states[tensor]
    assert isinstance(state, Spread)
    position = middle_position(report, tensor - 1)
    energy = map_energy(report.network, found, tensor, position, [0], within=False)
    [row], (_, first) = energy.rows, energy.first
    mean = sum(at * value for at, value in enumerate(row, first))
    variance = sum((at - mean) ** 2 * value for at, value in enumerate(row, first))
    _, due_mean, due_variance = state.axes[0].at(position[0])
    assert mean == pytest.approx(float(due_mean))
    assert variance == pytest.approx(float(due_variance))


# -- what the theory does not cover


@pytest.mark.parametrize(
    ("layers", "reason"),
    [
        ([{"attention": {"heads": 2}}], "attention1: the theory does not cover attention"),
        ([{"lstm": {"hidden_size": 4}}], "lstm1: the theory does not cover lstm"),
        ([{"gru": {"hidden_size": 4}}, "relu"], "gru1: the theory does not cover gru"),
        ([{"opaque": {"output_shape": [4, 64]}}, conv(3)], "which positions opaque1 reads is unknown"),
        (
            [{"branches": [[conv(3, padding=1), "softmax"], []], "merge": "multiply"}],
            "branches1.multiply merges branches, and the theory does not cover branches1.0.softmax1 in one of them",
        ),
        (
            [{"branches": [[conv(1, stride=2), {"pad": {"like": "input"}}], []], "merge": "add"}],
            "branches1.add merges branches with different jumps",
        ),
        (["flatten", {"reshape": {"shape": [8, 32]}}, conv(3)], "which positions reshape1 reads is unknown"),
    ],
)
def test_uncovered_layers_state_a_reason(layers: list[Any], reason: str) -> None:
    state = last_state(layers)
    assert isinstance(state, NoSpread)
    assert (state.reason, state.everywhere, state.nowhere) == (reason, False, False)


@pytest.mark.parametrize(
    ("layers", "shape"),
    [
        ([conv(3), {"global_avgpool": {"name": "last"}}], (4, 64)),
        ([conv(3), "flatten", {"linear": {"out_features": 2, "name": "last"}}], (4, 64)),
        ([{"adaptive_avgpool": {"output_size": 1, "name": "last"}}], (4, 16, 16)),
    ],
)
def test_a_layer_that_reads_everything_has_no_effective_field(layers: list[Any], shape: tuple[int, ...]) -> None:
    state = last_state(layers, shape)
    assert isinstance(state, NoSpread)
    assert (state.reason, state.everywhere) == ("last depends on all positions of its input", True)


def test_a_linear_layer_of_one_position_has_the_field_of_that_position() -> None:
    """As in a temporal convolutional network that classifies by its last step."""
    layers = [conv(3, padding=[[2, 0]]), conv(3, dilation=2, padding=[[4, 0]])]
    spread = last_spread([*layers, {"slice": {"length": [-1]}}, "flatten", {"linear": {"out_features": 3}}])
    assert spread.variances() == [(Fraction(2, 3) * 5,) * 2]


@pytest.mark.parametrize("squeeze", ["global_avgpool", "global_maxpool"])
def test_gates_of_squeeze_and_excitation_are_ignored(squeeze: str) -> None:
    gate: list[Any] = [squeeze, conv(1), "relu", conv(1), "sigmoid"]
    layers = [conv(3), {"branches": [gate, []], "merge": "multiply", "name": "excite"}, conv(3)]
    report = analyse(layers)
    found = effective(report)
    state = found.states[-1]
    assert isinstance(state, Spread)
    assert state.variances() == [(Fraction(4, 3), Fraction(4, 3))]
    assert list_ignored(report.network, found) == ["excite.0.sigmoid1"]
    assert list_ignored(report.network, found, 1) == []  # the first convolution
    assert list_ignored(report.network, found, len(found.states) - 1) == ["excite.0.sigmoid1"]


def test_learnt_tensors_send_no_energy() -> None:
    layers = [conv(3, padding=1), {"parameter": {"shape": [4, 64]}}, {"add": ["conv1", "parameter1"]}]
    assert last_spread(layers).variances() == [(Fraction(2, 3), Fraction(2, 3))]


def test_a_class_token_moves_the_positions() -> None:
    token = {"parameter": {"shape": [4, 1]}}
    layers = [conv(3, padding=1), token, {"concat": {"from": ["parameter1", "conv1"], "axis": "length"}}, conv(3)]
    spread = last_spread(layers)
    assert (spread.variances(), spread.axes[0].mean) == ([(Fraction(4, 3), Fraction(4, 3))], (0,))


WITHOUT_RULE = {
    "deform_conv", "attention", "matmul", "embedding", "lstm", "gru", "conv_lstm", "softmax", "log_softmax", "sum",
    "std", "permute", "fold", "parameter", "opaque",
}  # fmt: skip


def test_every_kind_has_a_rule_or_is_known_to_have_none() -> None:
    assert not set(RULES) & WITHOUT_RULE
    assert set(RULES) | WITHOUT_RULE == set(KINDS)


@pytest.mark.parametrize("name", list_names())
def test_every_example_has_a_field_or_a_reason(name: str) -> None:
    report = convcalc.analyse(convcalc.load(f"example:{name}"))
    if not any(shape.axes for shape in report.network.inputs.values()):
        return
    found = effective(report)
    assert len(found.states) == len(report.fields)
    for state, field in zip(found.states, report.fields, strict=True):
        assert isinstance(state, Spread) or state.reason
        if isinstance(state, Spread):
            # a uniform field of n positions, the widest possible, has the variance (n² - 1) / 12
            assert all(0 <= least <= most for least, most in state.variances())
            assert field.axes is not None


# -- the figures of one layer


@pytest.mark.parametrize(
    ("row", "share", "ends"),
    [
        ([1, 1, 1, 1], 0.5, (0, 1)),
        ([1, 2, 4, 2, 1], 0.4, (2, 2)),
        ([1, 2, 4, 2, 1], 0.8, (1, 3)),
        ([1, 2, 4, 2, 1], 1, (0, 4)),
        ([4, 0, 0, 4], 0.5, (0, 0)),
        ([4, 0, 0, 4], 0.6, (0, 3)),
        ([0, 0, 3], 0.95, (2, 2)),
    ],
)
def test_the_shortest_interval_with_a_share_of_the_energy(row: list[float], share: float, ends: object) -> None:
    assert find_narrowest(row, share) == ends


@given(st.lists(st.integers(0, 9), min_size=1, max_size=12).filter(any), st.floats(0.01, 1))
def test_no_shorter_interval_has_that_share_of_the_energy(row: list[int], share: float) -> None:
    low, high = find_narrowest(row, share)
    least = share * sum(row) * (1 - 1e-9)
    assert sum(row[low : high + 1]) >= least
    count = high - low
    assert all(sum(row[start : start + count]) < least for start in range(len(row)))


def test_the_widths_of_a_chain_are_those_of_its_distribution() -> None:
    """Three kernels of 3: 1, 3, 6, 7, 6, 3, 1 of 27. Six of these have 26 / 27, which is 96.3%."""
    report = analyse([conv(3, padding=1)] * 3)
    widths = measure_widths(report, effective(report), 2, (32,))
    assert widths is not None
    assert (widths.half, widths.most) == ((3,), (6,))
    assert widths.inside == pytest.approx(1)
    at_border = measure_widths(report, effective(report), 2, (0,))
    assert at_border is not None
    assert at_border.inside == pytest.approx(17 / 27)


def test_a_map_that_would_take_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy_rows, "MOST_STEPS", 10)
    report = analyse([conv(3)] * 9)
    assert measure_widths(report, effective(report), 8, (0,)) is None


def test_deep_networks_neither_overflow_nor_take_long() -> None:
    """A gain of 2 per convolution alone would exceed the largest float after 1,024 layers."""
    block = {"branches": [[conv(3, padding=1)], []], "merge": "add"}
    spread = last_spread([{"sequence": [block], "repeat": 1_500}])
    assert isclose(float(spread.variances()[0][1]), 1_500 * 2 / 3 * 2 / 3, rel_tol=1e-6)
