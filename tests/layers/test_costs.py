"""What layers cost: published figures, and the rules of the spec format checked by brute force on small layers."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import product
from math import ceil, floor, prod
from typing import Any

import pytest

import convcalc
from convcalc.layers import KINDS
from convcalc.layers.base import Layer
from convcalc.render.layers import parse_page
from convcalc.shape import Shape
from tests.support.activations import ACTIVATIONS
from tests.support.specs import load, memory, only_layer, problem, report, shapes

Position = tuple[int, ...]


def costs(layer: dict[str, Any]) -> tuple[int, int, int]:
    """Multiplications, additions and MACs."""
    return layer["multiplications"], layer["additions"], layer["macs"]


def positions(sizes: list[int]) -> Iterator[Position]:
    return product(*map(range, sizes))


# -- published figures


def test_a_convolution_of_64_filters_on_a_small_image() -> None:
    conv = {"conv": {"out_channels": 64, "kernel_size": 3, "padding": 1, "bias": False}}
    layer = only_layer([3, 32, 32], conv, dtype="int8")
    assert memory(layer) == {"input": 3_072, "weight": 1_728, "activation": 65_536, "live": 68_608}
    assert (layer["params"], layer["multiplications"]) == (1_728, 1_769_472)


def test_a_filter_of_3_by_3_by_3_with_bias_has_28_params() -> None:
    assert only_layer([3, 8, 8], {"conv": {"out_channels": 1, "kernel_size": 3}})["params"] == 28


@pytest.mark.parametrize(("stride", "size"), [(1, 5), (2, 3)])
def test_a_3_by_3_kernel_on_7_by_7(stride: int, size: int) -> None:
    conv = {"conv": {"out_channels": 1, "kernel_size": 3, "stride": stride}}
    assert only_layer([1, 7, 7], conv)["output_shape"] == [1, size, size]


def test_a_kernel_larger_than_its_input_is_refused_even_at_stride_2() -> None:
    conv = {"conv": {"out_channels": 1, "kernel_size": 5, "stride": 2}}
    found = problem({"input": [1, 4], "layers": [conv]})
    assert "floor((4 + 0 + 0 - 1 × (5 - 1) - 1) / 2) + 1 = 0" in found.hint


@pytest.mark.parametrize(
    ("padding", "room"),
    [([[0, 2]], "padded length of 3 + 0 + 2"), ([[2, 0]], "padded length of 3 + 2 + 0"), (0, "length of 3")],
)
def test_a_kernel_that_does_not_fit_is_reported_with_the_padding(padding: Any, room: str) -> None:
    conv = {"conv": {"out_channels": 1, "kernel_size": 6, "padding": padding}}
    found = problem({"input": [1, 3], "layers": [conv]})
    assert found.message == f"kernel of 6 does not fit the input's {room} (input 1×3)"


def test_flatten_keeps_all_values() -> None:
    assert only_layer([64, 4, 4], "flatten")["output_shape"] == [1_024]


def test_a_grouped_convolution_has_the_params_of_its_groups() -> None:
    conv = {"conv": {"out_channels": 128, "kernel_size": 3, "groups": 32}}
    assert only_layer([64, 8, 8], conv)["params"] == 2_432


@pytest.mark.parametrize(("kind", "params"), [("conv", 2), ("locally_connected", 178_640)])
def test_weights_of_an_edge_detector_with_and_without_sharing(kind: str, params: int) -> None:
    entry = {kind: {"out_channels": 1, "kernel_size": [1, 2], "bias": False}}
    assert only_layer([1, 280, 320], entry)["params"] == params


def test_a_transposed_convolution_doubles_a_length() -> None:
    entry = {"conv_transpose": {"out_channels": 1, "kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1}}
    assert only_layer([1, 16], entry)["output_shape"] == [1, 32]


def test_a_transposed_convolution_from_7_to_14() -> None:
    entry = {"conv_transpose": {"out_channels": 32, "kernel_size": 4, "stride": 2, "padding": 1}}
    layer = only_layer([16, 7, 7], entry)
    assert (layer["output_shape"], layer["multiplications"]) == ([32, 14, 14], 401_408)


@pytest.mark.parametrize(("out_channels", "kernel"), [(64, 3), (128, 5), (7, 2)])
def test_a_separable_convolution_costs_the_known_fraction_of_a_full_one(out_channels: int, kernel: int) -> None:
    arguments = {"out_channels": out_channels, "kernel_size": kernel, "bias": False}
    separable, full = (only_layer([16, 12, 12], {kind: arguments})["macs"] for kind in ("separable_conv", "conv"))
    assert Fraction(separable, full) == Fraction(1, out_channels) + Fraction(1, kernel**2)


def test_separable_is_depthwise_and_pointwise() -> None:
    depthwise = {"depthwise_conv": {"kernel_size": 3, "stride": 2, "padding": 1, "multiplier": 2, "bias": False}}
    parts = report({"input": [4, 9, 9], "layers": [depthwise, {"pointwise_conv": {"out_channels": 6}}]})
    entry = {"separable_conv": {"out_channels": 6, "kernel_size": 3, "stride": 2, "padding": 1, "multiplier": 2}}
    whole = report({"input": [4, 9, 9], "layers": [entry]})
    assert whole["layers"][0]["output_shape"] == parts["layers"][1]["output_shape"]
    for figure in ("params", "multiplications", "additions", "macs", "flops"):
        assert whole["totals"][figure] == parts["totals"][figure]


def test_ceil_mode_drops_a_window_that_starts_beyond_the_input() -> None:
    assert only_layer([1, 6], {"maxpool": {"kernel_size": 1, "stride": 2, "ceil_mode": True}})["output_shape"] == [1, 3]


@pytest.mark.parametrize("kind", ["maxpool", "avgpool"])
@pytest.mark.parametrize("kernel", [2, 3, 4, 5])
def test_pooling_padding_is_at_most_half_the_kernel(kind: str, kernel: int) -> None:
    def spec(padding: Any) -> dict[str, Any]:
        return {"input": [1, 9], "layers": [{kind: {"kernel_size": kernel, "padding": padding}}]}

    assert len(load(spec(kernel // 2)).nodes) == 1
    assert problem(spec(kernel // 2 + 1)).code == problem(spec([[0, kernel // 2 + 1]])).code == "CV016"


def test_same_with_an_even_kernel_pads_more_after() -> None:
    layer = only_layer([1, 9], {"conv": {"out_channels": 1, "kernel_size": 4, "padding": "same"}})
    assert (layer["arguments"]["padding"], layer["output_shape"]) == ([[1, 2]], [1, 9])


@pytest.mark.parametrize(("stride", "dilation", "most"), [(1, 1, 0), (2, 1, 1), (1, 3, 2), (3, 2, 2)])
def test_output_padding_is_less_than_stride_or_dilation(stride: int, dilation: int, most: int) -> None:
    def spec(extra: int) -> dict[str, Any]:
        sizes = {"kernel_size": 3, "stride": stride, "dilation": dilation, "output_padding": extra}
        return {"input": [1, 5], "layers": [{"conv_transpose": {"out_channels": 1, **sizes}}]}

    assert len(load(spec(most)).nodes) == 1
    assert problem(spec(most + 1)).path == ("layers", 0, "conv_transpose", "output_padding")


def test_upsampling_rounds_down_as_pytorch_does() -> None:
    assert only_layer([1, 100], {"upsample": {"scale_factor": 0.29}})["output_shape"] == [1, 28]


# -- convolution, by brute force


CONVOLUTIONS: list[tuple[list[int], dict[str, Any]]] = [
    ([3, 7], {"out_channels": 2, "kernel_size": 3}),
    ([2, 6, 5], {"out_channels": 4, "kernel_size": [3, 2], "stride": [2, 1]}),
    ([4, 6, 6], {"out_channels": 6, "kernel_size": 3, "padding": 1, "groups": 2}),
    ([2, 9, 9], {"out_channels": 3, "kernel_size": 3, "dilation": 2, "bias": False}),
    ([2, 7, 8], {"out_channels": 1, "kernel_size": 4, "stride": 3, "padding": [[0, 2], 1]}),
    ([2, 4, 4, 3], {"out_channels": 2, "kernel_size": 2, "bias": False}),
    ([1, 5], {"out_channels": 1, "kernel_size": 1}),
]


def per_axis(value: Any, axes: int) -> list[Any]:
    return value if isinstance(value, list) else [value] * axes


def pairs(value: Any, axes: int) -> list[list[int]]:
    return [per_axis(item, 2) for item in per_axis(value, axes)]


def window_starts(size: int, kernel: int, stride: int, padding: list[int], dilation: int) -> list[int]:
    """The starts of all windows, found by trial: each window lies within the padded input."""
    reach = dilation * (kernel - 1)
    return list(range(-padding[0], size + padding[1] - reach, stride))


def convolve(shape: list[int], arguments: dict[str, Any]) -> tuple[list[int], int, int]:
    """Count output shape, multiplications and additions of a convolution one by one, padding included."""
    channels, *spatial = shape
    axes = len(spatial)
    kernel = per_axis(arguments["kernel_size"], axes)
    stride, dilation = (per_axis(arguments.get(name, 1), axes) for name in ("stride", "dilation"))
    padding = pairs(arguments.get("padding", 0), axes)
    starts = [window_starts(*axis) for axis in zip(spatial, kernel, stride, padding, dilation, strict=True)]
    group = channels // arguments.get("groups", 1)
    multiplications = additions = 0
    for _ in product(range(arguments["out_channels"]), *starts):
        products = sum(1 for _ in product(range(group), *map(range, kernel)))
        multiplications += products
        additions += products - 1 + arguments.get("bias", True)
    return [arguments["out_channels"], *map(len, starts)], multiplications, additions


@pytest.mark.parametrize(("shape", "arguments"), CONVOLUTIONS)
def test_a_convolution_costs_what_its_loops_count(shape: list[int], arguments: dict[str, Any]) -> None:
    output, multiplications, additions = convolve(shape, arguments)
    layer = only_layer(shape, {"conv": arguments})
    assert (layer["output_shape"], *costs(layer)) == (output, multiplications, additions, multiplications)
    assert layer["flops"] == multiplications + additions


@pytest.mark.parametrize(("shape", "arguments"), [case for case in CONVOLUTIONS if "groups" not in case[1]])
def test_a_locally_connected_layer_costs_the_same_but_has_weights_per_position(
    shape: list[int], arguments: dict[str, Any]
) -> None:
    output, multiplications, additions = convolve(shape, arguments)
    layer = only_layer(shape, {"locally_connected": arguments})
    assert (layer["output_shape"], *costs(layer)) == (output, multiplications, additions, multiplications)
    assert layer["params"] == multiplications + (prod(output) if arguments.get("bias", True) else 0)


@pytest.mark.parametrize("multiplier", [1, 3])
@pytest.mark.parametrize("bias", [True, False])
def test_a_depthwise_convolution_has_one_group_per_channel(multiplier: int, bias: bool) -> None:
    window = {"kernel_size": 3, "stride": 2, "padding": 1, "bias": bias}
    output, multiplications, additions = convolve([4, 7, 7], {**window, "out_channels": 4 * multiplier, "groups": 4})
    layer = only_layer([4, 7, 7], {"depthwise_conv": {**window, "multiplier": multiplier}})
    assert (layer["output_shape"], *costs(layer)) == (output, multiplications, additions, multiplications)
    assert layer["params"] == 4 * multiplier * (9 + bias)


@pytest.mark.parametrize(("groups", "stride", "bias"), [(1, 1, True), (2, 1, False), (4, 2, True)])
def test_a_pointwise_convolution_has_a_kernel_of_1_by_1(groups: int, stride: int, bias: bool) -> None:
    arguments = {"out_channels": 8, "groups": groups, "stride": stride, "bias": bias}
    output, multiplications, additions = convolve([4, 5, 6], {**arguments, "kernel_size": 1})
    layer = only_layer([4, 5, 6], {"pointwise_conv": arguments})
    assert (layer["output_shape"], *costs(layer)) == (output, multiplications, additions, multiplications)
    assert layer["params"] == 8 * (4 // groups + bias)


TRANSPOSED: list[tuple[list[int], dict[str, Any]]] = [
    ([3, 5], {"out_channels": 2, "kernel_size": 3, "stride": 2}),
    ([2, 3, 4], {"out_channels": 4, "kernel_size": [2, 3], "stride": [1, 2], "bias": False}),
    ([4, 4, 4], {"out_channels": 6, "kernel_size": 4, "stride": 2, "padding": 1, "groups": 2}),
    ([1, 5], {"out_channels": 1, "kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1}),
    ([2, 4], {"out_channels": 1, "kernel_size": 2, "dilation": 3, "padding": [[0, 2]]}),
    ([2, 2, 3, 2], {"out_channels": 2, "kernel_size": 2, "stride": 2}),
]


def scatter(shape: list[int], arguments: dict[str, Any]) -> tuple[list[int], int, int]:
    """Count the output shape, multiplications and additions of a transposed convolution, product by product."""
    channels, *spatial = shape
    axes, out_channels = len(spatial), arguments["out_channels"]
    kernel = per_axis(arguments["kernel_size"], axes)
    stride, dilation = (per_axis(arguments.get(name, 1), axes) for name in ("stride", "dilation"))
    extra, padding = per_axis(arguments.get("output_padding", 0), axes), pairs(arguments.get("padding", 0), axes)
    each = out_channels // arguments.get("groups", 1)
    products, reached = 0, [0] * axes
    for place in positions(spatial):
        for tap in positions(kernel):
            products += channels * each
            targets = [p * s + t * d for p, s, t, d in zip(place, stride, tap, dilation, strict=True)]
            reached = [max(most, target + 1) for most, target in zip(reached, targets, strict=True)]
    sizes = [size + more - sum(cut) for size, more, cut in zip(reached, extra, padding, strict=True)]
    output = [out_channels, *sizes]
    return output, products, products + (prod(output) if arguments.get("bias", True) else 0)


@pytest.mark.parametrize(("shape", "arguments"), TRANSPOSED)
def test_a_transposed_convolution_costs_what_its_loops_count(shape: list[int], arguments: dict[str, Any]) -> None:
    output, multiplications, additions = scatter(shape, arguments)
    layer = only_layer(shape, {"conv_transpose": arguments})
    assert (layer["output_shape"], *costs(layer)) == (output, multiplications, additions, multiplications)


@pytest.mark.parametrize(("size", "kernel", "stride"), [(5, 3, 1), (5, 4, 2), (7, 3, 3), (4, 2, 3), (6, 5, 2)])
def test_a_transposed_convolution_with_same_padding_outputs_size_times_stride(
    size: int, kernel: int, stride: int
) -> None:
    entry = {"conv_transpose": {"out_channels": 1, "kernel_size": kernel, "stride": stride, "padding": "same"}}
    assert only_layer([1, size], entry)["output_shape"] == [1, size * stride]


@pytest.mark.parametrize(("size", "kernel", "stride"), [*product([5, 8, 9], [1, 2, 3, 4], [1, 2, 3])])
def test_a_convolution_with_same_padding_outputs_size_over_stride_rounded_up(
    size: int, kernel: int, stride: int
) -> None:
    entry = {"conv": {"out_channels": 1, "kernel_size": kernel, "stride": stride, "padding": "same"}}
    assert only_layer([1, size], entry)["output_shape"] == [1, ceil(size / stride)]


@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_layer_has_a_weight_for_every_pair_of_features(bias: bool) -> None:
    layer = only_layer([5], {"linear": {"out_features": 3, "bias": bias}})
    assert (*costs(layer), layer["params"]) == (3 * 5, 3 * (4 + bias), 3 * 5, 3 * (5 + bias))


# -- pooling, by brute force


@pytest.mark.parametrize(
    ("kind", "a_value"),
    [
        ("avgpool", lambda taps: (1, taps - 1)),
        ("lppool", lambda taps: (taps, taps - 1)),
        ("maxpool", lambda taps: (0, 0)),
    ],
)
@pytest.mark.parametrize(
    ("shape", "kernel", "stride"),
    [([3, 9], [2], [2]), ([2, 7, 8], [3, 2], [2, 1]), ([2, 4, 5, 6], [2, 2, 3], [1, 2, 2])],
)
def test_pooling_costs_what_its_windows_count(
    kind: str, a_value: Any, shape: list[int], kernel: list[int], stride: list[int]
) -> None:
    channels, *spatial = shape
    starts = [window_starts(size, k, s, [0, 0], 1) for size, k, s in zip(spatial, kernel, stride, strict=True)]
    multiplications, additions = a_value(len(list(positions(kernel))))
    values = channels * len(list(product(*starts)))
    layer = only_layer(shape, {kind: {"kernel_size": kernel, "stride": stride}})
    assert layer["output_shape"] == [channels, *map(len, starts)]
    assert costs(layer) == (values * multiplications, values * additions, 0)


@pytest.mark.parametrize("mask", [False, True])
def test_a_deformable_convolution_costs_what_its_loops_count(mask: bool) -> None:
    """Every tap is interpolated from four inputs, and multiplied by the mask if there is one."""
    sizes = {"kernel_size": [3, 2], "stride": [2, 1], "padding": 1, "groups": 2, "offset_groups": 2}
    found = only_layer([4, 9, 8], {"deform_conv": {"out_channels": 6, "mask": mask, **sizes}})
    macs = interpolation = additions = 0
    for _ in product(range(5), range(9)):
        for _ in range((3 if mask else 2) * 2 * 6):  # the predicted channels, each a convolution with bias
            macs, additions = macs + 4 * 6, additions + 4 * 6
        for _ in range(4 * 6):  # the moved taps of all input channels
            interpolation, additions = interpolation + 4 + mask, additions + 3
        for _ in range(6):  # the output channels, each of which reads one of two groups
            macs, additions = macs + 2 * 6, additions + 2 * 6
    assert found["output_shape"] == [6, 5, 9]
    assert costs(found) == (macs + interpolation, additions, macs)


def adaptive_windows(size: int, outputs: int) -> list[int]:
    """The lengths of PyTorch's adaptive windows."""
    return [ceil((i + 1) * size / outputs) - floor(i * size / outputs) for i in range(outputs)]


@pytest.mark.parametrize(
    ("spatial", "outputs"),
    [([7], [3]), ([6], [6]), ([5], [8]), ([13, 13], [6, 6]), ([7, 5], [2, 3]), ([4, 5, 6], [3, 2, 4])],
)
def test_adaptive_pooling_costs_what_its_windows_count(spatial: list[int], outputs: list[int]) -> None:
    windows = list(product(*map(adaptive_windows, spatial, outputs)))
    additions = sum(prod(window) - 1 for window in windows)
    average = only_layer([3, *spatial], {"adaptive_avgpool": {"output_size": outputs}})
    largest = only_layer([3, *spatial], {"adaptive_maxpool": {"output_size": outputs}})
    assert costs(average) == (3 * len(windows), 3 * additions, 0)
    assert costs(largest) == (0, 0, 0)
    assert average["output_shape"] == largest["output_shape"] == [3, *outputs]


def test_global_pooling_costs_one_window_per_channel() -> None:
    assert costs(only_layer([3, 4, 5], "global_avgpool")) == (3, 3 * 19, 0)
    assert costs(only_layer([3, 4, 5], "global_maxpool")) == (0, 0, 0)


@pytest.mark.parametrize(("keepdims", "output"), [(True, [3, 1, 1]), (False, [3])])
def test_global_pooling_keeps_its_axes_or_not(keepdims: bool, output: list[int]) -> None:
    assert only_layer([3, 4, 5], {"global_avgpool": {"keepdims": keepdims}})["output_shape"] == output


def test_a_blurpool_multiplies_every_tap() -> None:
    layer = only_layer([2, 7, 7], "blurpool")
    values = 2 * 4 * 4
    assert (layer["output_shape"], costs(layer)) == ([2, 4, 4], (values * 9, values * 8, values * 9))


# -- the other kinds: multiplications and additions per output value


A_VALUE = [
    *((kind, {}, about.multiplications, about.additions) for kind, about in ACTIVATIONS.items()),
    *((kind, {}, 0, 0) for kind in ("dropout", "drop_path", "identity", "flatten")),
    ("prelu", {}, 1, 0),
    ("scale", {}, 1, 0),
    ("scale", {"factor": 0.5}, 1, 0),
    ("shift", {}, 0, 1),
    ("shift", {"amount": 0.5}, 0, 1),
    ("batchnorm", {}, 1, 1),
    ("batchnorm", {"affine": False}, 1, 1),
    ("layernorm", {}, 3, 4),
    ("layernorm", {"affine": False}, 2, 3),
    ("layernorm", {"axes": "channels"}, 3, 4),
    ("groupnorm", {"num_groups": 2}, 3, 4),
    ("groupnorm", {"num_groups": 2, "affine": False}, 2, 3),
    ("instancenorm", {}, 2, 3),
    ("instancenorm", {"affine": True}, 3, 4),
    ("global_response_norm", {}, 3, 3),
    ("softmax", {"axes": "positions"}, 1, 1),
    ("local_response_norm", {}, 7, 5),
    ("local_response_norm", {"size": 3}, 5, 3),
    ("add", {"from": ["input"] * 2}, 0, 1),
    ("add", {"from": ["input"] * 4}, 0, 3),
    ("multiply", {"from": ["input"] * 2}, 1, 0),
    ("multiply", {"from": ["input"] * 4}, 3, 0),
    ("concat", {"from": ["input"] * 3}, 0, 0),
    ("upsample", {"scale_factor": 2}, 0, 0),
    ("upsample", {"scale_factor": 3, "mode": "nearest"}, 0, 0),
    ("upsample", {"scale_factor": 2, "mode": "bilinear"}, 4, 3),
    ("upsample", {"size": [3, 5], "mode": "bicubic"}, 16, 15),
    ("pixel_shuffle", {"upscale_factor": 2}, 0, 0),
    ("pixel_unshuffle", {"downscale_factor": 2}, 0, 0),
    ("channel_shuffle", {"groups": 2}, 0, 0),
    ("pad", {"padding": 1}, 0, 0),
    ("crop", {"amount": 1}, 0, 0),
    ("reshape", {"shape": [-1, 4]}, 0, 0),
    ("slice", {"channels": [1, 3]}, 0, 0),
    ("slice", {"width": [1, -1], "step": 2}, 0, 0),
    ("tokens", {}, 0, 0),
    ("parameter", {"shape": [4, 6, 6]}, 0, 0),
    ("max_unpool", {"kernel_size": 2}, 0, 0),
    ("permute", {"order": ["width", "channels", "height"]}, 0, 0),
    ("glu", {}, 1, 0),
    ("unfold", {"kernel_size": 3, "padding": 1}, 0, 0),
    ("fold", {"kernel_size": 2, "stride": 2, "output_size": 12}, 0, 1),
    ("fold", {"kernel_size": [2, 1], "output_size": [7, 6]}, 0, Fraction(4 * 36, 2 * 42)),
    ("mean", {"axes": "height"}, 1, 5),
    ("mean", {"axes": ["height", "channels"], "keepdims": False}, 1, 23),
    ("sum", {"axes": ["width", "height"]}, 0, 35),
    ("std", {"axes": "height"}, 6 + 2, 5 + 6 + 5),
]


@pytest.mark.parametrize(("kind", "arguments", "multiplications", "additions"), A_VALUE)
def test_a_kind_has_its_cost_per_value(
    kind: str, arguments: dict[str, Any], multiplications: int, additions: int
) -> None:
    layer = only_layer([4, 6, 6], {kind: arguments})
    values = prod(layer["output_shape"])
    assert costs(layer) == (values * multiplications, values * additions, 0)


@pytest.mark.parametrize(
    ("shape", "mode", "multiplications"),
    [([2, 6], "linear", 2), ([2, 3, 4, 5], "trilinear", 8), ([2, 3, 4], "bilinear", 4)],
)
def test_interpolation_costs_one_product_per_tap(shape: list[int], mode: str, multiplications: int) -> None:
    layer = only_layer(shape, {"upsample": {"scale_factor": 2, "mode": mode}})
    values = prod(shape) * 2 ** (len(shape) - 1)
    assert costs(layer) == (values * multiplications, values * (multiplications - 1), 0)


def test_the_table_of_costs_names_every_kind() -> None:
    elsewhere = {"conv", "conv_transpose", "pointwise_conv", "depthwise_conv", "separable_conv", "locally_connected"}
    elsewhere |= {"attention", "matmul", "embedding", "lstm", "gru", "conv_lstm", "deform_conv"}
    elsewhere |= {"linear", "map", "maxpool", "avgpool", "lppool", "blurpool", "opaque"}
    elsewhere |= {"adaptive_avgpool", "adaptive_maxpool", "global_avgpool", "global_maxpool"}
    assert {kind for kind, *_ in A_VALUE} | elsewhere == set(KINDS), (
        "add the kind to A_VALUE, or, if its cost is not per output value, to this list and test it by brute force"
    )


PARAMS = [
    ("batchnorm", {}, 8, 8),
    ("batchnorm", {"affine": False}, 0, 8),
    ("batchnorm", {"track_running_stats": False}, 8, 0),
    ("layernorm", {}, 2 * 4 * 6 * 6, 0),
    ("layernorm", {"axes": "channels"}, 8, 0),
    ("groupnorm", {"num_groups": 2}, 8, 0),
    ("instancenorm", {}, 0, 0),
    ("instancenorm", {"affine": True}, 8, 0),
    ("global_response_norm", {}, 8, 0),
    ("scale", {}, 4, 0),
    ("scale", {"factor": 0.5}, 0, 0),
    ("shift", {}, 4, 0),
    ("shift", {"amount": 2}, 0, 0),
    ("prelu", {}, 1, 0),
    ("prelu", {"num_parameters": "$in_channels"}, 4, 0),
    ("relu", {}, 0, 0),
]


@pytest.mark.parametrize(("kind", "arguments", "params", "buffers"), PARAMS)
def test_a_kind_has_its_number_of_params_and_buffers(
    kind: str, arguments: dict[str, Any], params: int, buffers: int
) -> None:
    layer = only_layer([4, 6, 6], {kind: arguments})
    assert (layer["params"], layer["buffers"], layer["weight_memory"]) == (params, buffers, 4 * (params + buffers))


def test_broadcasting_costs_as_much_as_the_output_has_values() -> None:
    squeeze = {"global_avgpool": {"name": "s"}}
    found = report({"input": [4, 6, 6], "layers": [squeeze, {"multiply": {"from": ["s", "input"]}}]})["layers"][1]
    assert (found["output_shape"], costs(found)) == ([4, 6, 6], (4 * 6 * 6, 0, 0))


# -- batch, data types, shared and frozen weights


CONV = {"conv": {"out_channels": 3, "kernel_size": 3}}


def test_a_batch_multiplies_only_operations_and_activations() -> None:
    one, many = only_layer([2, 5, 5], CONV), only_layer([2, 5, 5], CONV, batch=7)
    assert costs(many) == tuple(7 * cost for cost in costs(one))
    assert (many["params"], memory(many)) == (
        57,
        {"input": 7 * 200, "weight": 228, "activation": 7 * 108, "live": 7 * 308},
    )


def test_small_types_round_up_to_whole_bytes_for_each_tensor() -> None:
    # 9 weights of 4 bits are 5 bytes, one bias of 32 bits is 4; 49 values of 4 bits are 25 bytes, 25 are 13
    layer = only_layer([1, 7, 7], {"conv": {"out_channels": 1, "kernel_size": 3}}, dtype="int4")
    assert memory(layer) == {"input": 25, "weight": 5 + 4, "activation": 13, "live": 38}


def test_a_batch_of_small_types_is_rounded_up_once() -> None:
    assert memory(only_layer([3], "relu", dtype="int4", batch=3)) == {
        "input": 5,
        "weight": 0,
        "activation": 5,
        "live": 5,  # in place
    }


def test_inputs_are_separate_tensors() -> None:
    assert only_layer([3], {"add": {"from": ["input", "input"]}}, dtype="int1")["input_memory"] == 2


@pytest.mark.parametrize(
    ("dtype", "weights"),
    [
        ("float32", 27 * 4 + 4),
        ("float16", 27 * 2 + 2),
        ("int8", 27 + 4),
        ("uint8", 27 + 4),
        ({"weights": "int8", "activations": "float32"}, 27 + 4),
        ({"weights": "int8", "activations": "int8", "bias": "int8"}, 27 + 1),
        ({"weights": "float64", "activations": "int8", "bias": "float32"}, 27 * 8 + 4),
        ({"weights": "int1", "activations": "int8"}, 4 + 4),
    ],
)
def test_biases_are_int32_with_integer_weights(dtype: Any, weights: int) -> None:
    layer = only_layer([3, 5, 5], {"conv": {"out_channels": 1, "kernel_size": 3}}, dtype=dtype)
    assert layer["weight_memory"] == weights


def test_shared_weights_count_once_but_cost_operations_twice() -> None:
    entry = {"out_channels": 2, "kernel_size": 3, "padding": 1}
    layers = [{"conv": {**entry, "name": "a"}}, {"conv": {**entry, "share": "a"}}]
    found = report({"input": [2, 5, 5], "layers": layers})
    assert [layer["params"] for layer in found["layers"]] == [38, 0]
    assert (found["totals"]["params"], found["totals"]["weight_memory"]) == (38, 152)
    assert found["layers"][0]["macs"] == found["layers"][1]["macs"] == found["totals"]["macs"] // 2 == 900


def test_frozen_params_are_counted_but_not_trainable() -> None:
    frozen = {"conv": {"out_channels": 3, "kernel_size": 3, "frozen": True}}
    totals = report({"input": [2, 5, 5], "layers": [frozen, "batchnorm"]})["totals"]
    assert (totals["params"], totals["trainable_params"], totals["buffers"]) == (57 + 6, 6, 6)


def test_totals_are_the_sums_of_the_layers() -> None:
    found = report(
        {"input": [2, 9, 9], "layers": [CONV, "batchnorm", "relu", {"avgpool": {"kernel_size": 2}}, "flatten"]}
    )
    for figure in ("params", "trainable_params", "buffers", "multiplications", "additions", "macs", "flops"):
        assert found["totals"][figure] == sum(layer[figure] for layer in found["layers"])
    assert found["totals"]["layers"] == 5


# -- the kinds themselves


def example(kind: str) -> str:
    """A spec of a kind's example in the manual."""
    found = parse_page(KINDS[kind])
    return f"input: {found.example_input}\nlayers:\n  - {found.example}\n"


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_example_of_every_kind_runs(kind: str) -> None:
    [node] = load(example(kind)).nodes
    assert node.layer.kind == kind


WITH_OTHER_PRODUCTS = {"attention", "deform_conv", "lstm", "gru", "conv_lstm"}  # multiplications that are not MACs


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"opaque"}))
def test_flops_are_multiplications_and_additions(kind: str) -> None:
    [layer] = report(example(kind))["layers"]
    assert layer["flops"] == layer["multiplications"] + layer["additions"]
    assert layer["macs"] in (0, layer["multiplications"]) or kind in WITH_OTHER_PRODUCTS


RULES = ["weight_tensors", "bias_tensors", "buffer_tensors", "multiplications", "additions", "macs", "inferred_shape"]


def kind_without(rule: str) -> type[Layer]:
    rules = {name: lambda self: () for name in RULES if name != rule}
    return type("Incomplete", (Layer,), {"kind": "incomplete", **rules})


@pytest.mark.parametrize("rule", RULES)
def test_a_kind_without_a_rule_cannot_be_created(rule: str) -> None:
    with pytest.raises(TypeError, match=rule):
        kind_without(rule)((Shape(3, (8, 8)),), {})


def test_a_layer_is_immutable() -> None:
    [node] = load({"input": [3, 8, 8], "layers": [CONV]}).nodes
    with pytest.raises(AttributeError):
        node.layer.output = Shape(1)


def test_summary_is_load_and_analyse() -> None:
    spec = {"input": [3, 8, 8], "layers": [CONV]}
    assert convcalc.summary(spec).to_dict() == convcalc.analyse(convcalc.load(spec)).to_dict()


def test_the_shapes_of_a_network_are_consistent() -> None:
    spec = {
        "input": [3, 8, 8],
        "layers": [CONV, {"maxpool": {"kernel_size": 2}}, "flatten", {"linear": {"out_features": 5}}],
    }
    assert shapes(spec) == {"conv1": [3, 6, 6], "maxpool1": [3, 3, 3], "flatten1": [27], "linear1": [5]}
