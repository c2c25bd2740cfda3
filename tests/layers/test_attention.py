"""Attention and matrix products: published counts, brute force, refusals, and receptive fields by gradients."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

import convcalc
from convcalc.analysis.field_region import find_region
from convcalc.convert.to_torch import module_text
from convcalc.intervals import MOST_POSITIONS
from tests.support.specs import only_layer, problem, report


def test_an_attention_of_a_small_vision_transformer_has_its_published_size() -> None:
    """ViT-Tiny: width 192, 3 heads, 197 tokens; 4 × 192² + 4 × 192 params."""
    layer = only_layer([192, 197], {"attention": 3})
    assert (layer["output_shape"], layer["params"]) == ([192, 197], 4 * 192 * 192 + 4 * 192)
    assert layer["macs"] == 4 * 197 * 192 * 192 + 2 * 197 * 197 * 192


def count_operations(
    shape: list[int], heads: int, key_dim: int, value_dim: int, keys: int, relative_bias: bool = False
) -> tuple[int, int, int]:
    """Multiplications, additions and MACs, counted value by value."""
    channels, queries = shape
    macs = scale = softmax = additions = 0
    for size in (key_dim, key_dim, value_dim):  # queries, keys, values
        for _ in product(range(queries), range(heads * size)):
            macs += channels
            additions += channels  # and the bias
    for _ in product(range(heads), range(queries)):
        scale += key_dim
        for _ in range(keys):
            macs += key_dim
            additions += key_dim - 1 + relative_bias
            softmax += 1
            additions += 1  # the sum of the exponentials, as in softmax
        for _ in range(value_dim):
            macs += keys
            additions += keys - 1
    for _ in product(range(queries), range(channels)):
        macs += heads * value_dim
        additions += heads * value_dim
    return macs + scale + softmax, additions, macs


@pytest.mark.parametrize(("heads", "key_dim", "value_dim"), [(1, 6, 6), (2, 3, 5), (3, 2, 2)])
def test_an_attention_costs_what_its_loops_count(heads: int, key_dim: int, value_dim: int) -> None:
    entry = {"attention": {"heads": heads, "key_dim": key_dim, "value_dim": value_dim}}
    layer = only_layer([6, 8], entry)
    found = layer["multiplications"], layer["additions"], layer["macs"]
    assert found == count_operations([6, 8], heads, key_dim, value_dim, 8)


@pytest.mark.parametrize("argument", ["window", "grid"])
def test_a_window_limits_the_keys_of_each_query(argument: str) -> None:
    layer = only_layer([6, 4, 6], {"attention": {"heads": 2, argument: [2, 3]}})
    found = layer["multiplications"], layer["additions"], layer["macs"]
    assert found == count_operations([6, 24], 2, 3, 3, 6)


@pytest.mark.parametrize(("region", "keys"), [({}, 24), ({"window": [2, 3]}, 6), ({"grid": [2, 3]}, 6)])
def test_a_relative_position_bias_is_one_addition_per_weight(region: dict[str, Any], keys: int) -> None:
    layer = only_layer([6, 4, 6], {"attention": {"heads": 2, "relative_position_bias": True, **region}})
    found = layer["multiplications"], layer["additions"], layer["macs"]
    assert found == count_operations([6, 24], 2, 3, 3, keys, relative_bias=True)


def test_a_relative_position_bias_has_a_number_per_head_and_distance() -> None:
    """Swin-T's first attention: windows of 7×7, 3 heads, 13 × 13 distances; CoAtNet-0 at 14×14: 27 × 27, 12 heads."""
    bias = {"relative_position_bias": True}
    swin = only_layer([96, 56, 56], {"attention": {"heads": 3, "window": 7, **bias}})
    coatnet = only_layer([384, 14, 14], {"attention": {"heads": 12, **bias}})
    assert swin["params"] == 4 * 96 * 96 + 4 * 96 + 3 * 169
    assert coatnet["params"] == 4 * 384 * 384 + 4 * 384 + 12 * 729


def test_weights_with_a_relative_position_bias_are_shared_only_at_the_same_size() -> None:
    arguments = {"heads": 2, "relative_position_bias": True}
    layers: list[dict[str, Any]] = [
        {"attention": arguments | {"name": "first"}},
        {"maxpool": 2},
        {"attention": arguments | {"share": "first"}},
    ]
    message = problem({"input": [8, 4, 4], "layers": layers}).message
    assert "first" in message
    without = [
        {"attention": {"heads": 2, "name": "first"}},
        {"maxpool": 2},
        {"attention": {"heads": 2, "share": "first"}},
    ]
    assert report({"input": [8, 4, 4], "layers": without})["totals"]["params"] == 4 * 8 * 8 + 4 * 8


def test_cross_attention_reads_keys_and_values_from_its_second_input() -> None:
    """SegFormer-B0's first attention: keys at an eighth of the resolution."""
    layers = [
        {"conv": {"out_channels": 32, "kernel_size": 8, "stride": 8, "name": "reduced"}},
        {"attention": {"heads": 1, "from": ["input", "reduced"]}},
    ]
    layer = report({"input": [32, 128, 128], "layers": layers})["layers"][1]
    queries, keys = 128 * 128, 16 * 16
    assert layer["output_shape"] == [32, 128, 128]
    assert layer["params"] == 4 * 32 * 32 + 4 * 32
    assert layer["macs"] == 2 * queries * 32 * 32 + 2 * keys * 32 * 32 + 2 * queries * keys * 32


@pytest.mark.parametrize("bias", [True, False])
def test_cross_attention_costs_its_linear_layers_and_products(bias: bool) -> None:
    """9 queries of 4 features and 7 keys of 3, with values of another size than the keys."""
    inputs = {"q": [4, 9], "kv": [3, 7]}
    parts = [
        {"linear": {"out_features": 6, "from": "q", "name": "queries", "bias": bias}},
        {"linear": {"out_features": 6, "from": "kv", "name": "keys", "bias": bias}},
        {"linear": {"out_features": 5, "from": "kv", "name": "values", "bias": bias}},
        {"matmul": {"from": ["keys", "queries"], "transpose_first": True}},
        "softmax",
        {"matmul": {"from": ["values", "previous"]}},
        {"linear": {"out_features": 10, "bias": bias}},
    ]
    arguments = {"heads": 1, "key_dim": 6, "value_dim": 5, "out_channels": 10, "bias": bias, "from": ["q", "kv"]}
    written_out = report({"inputs": inputs, "layers": parts})["totals"]
    whole = report({"inputs": inputs, "layers": [{"attention": arguments}]})["totals"]
    for figure in ("params", "macs", "additions"):
        assert whole[figure] == written_out[figure]
    assert whole["multiplications"] == written_out["multiplications"] + 9 * 6  # the scale of the queries


def test_attentions_share_weights_only_if_both_their_inputs_have_as_many_channels() -> None:
    def spec(other: list[int]) -> dict[str, Any]:
        first = {"attention": {"heads": 1, "from": ["q", "kv"], "name": "first"}}
        second = {"attention": {"heads": 1, "from": ["q", "other"], "share": "first"}}
        return {"inputs": {"q": [4, 9], "kv": [3, 7], "other": other}, "layers": [first, second]}

    assert report(spec([3, 8]))["totals"]["params"] == 2 * (4 * 4 + 4) + 2 * (3 * 4 + 4)
    assert problem(spec([5, 7])).path[:2] == ("layers", 1)


def test_keys_from_a_vector_are_refused() -> None:
    spec = {"inputs": {"q": [4, 9], "kv": [4]}, "layers": [{"attention": {"heads": 1, "from": ["q", "kv"]}}]}
    assert problem(spec).message == "attention needs spatial axes, but its input kv is the vector 4"


@pytest.mark.parametrize(("window", "hint"), [(5, "use pad before it and crop after it"), (9, "")])
def test_padding_is_suggested_only_for_windows_that_fit(window: int, hint: str) -> None:
    assert problem({"input": [4, 8, 8], "layers": [{"attention": {"heads": 1, "window": window}}]}).hint == hint


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("shape", "stride"), [([8, 11], 2), ([8, 6, 9], 3), ([8, 6, 9], [2, 4]), ([8, 4, 4, 6], 2)])
def test_a_kv_stride_costs_what_a_convolution_and_a_norm_before_cross_attention_cost(
    shape: list[int], stride: int | list[int], bias: bool
) -> None:
    whole = only_layer(shape, {"attention": {"heads": 2, "kv_stride": stride, "bias": bias}})
    layers = [
        {"conv": {"out_channels": 8, "kernel_size": stride, "stride": stride, "bias": bias}},
        {"layernorm": {"axes": "channels"}},
        {"attention": {"heads": 2, "from": ["input", "previous"], "bias": bias}},
    ]
    parts = report({"input": shape, "layers": layers})
    figures = ("params", "macs", "multiplications", "additions")
    assert {name: whole[name] for name in figures} == {name: parts["totals"][name] for name in figures}
    assert whole["output_shape"] == parts["layers"][-1]["output_shape"] == shape


def test_a_kv_stride_of_one_changes_nothing() -> None:
    one, plain = (only_layer([8, 6, 6], {"attention": {"heads": 2, **more}}) for more in ({"kv_stride": 1}, {}))
    assert {**one, "arguments": {}} == {**plain, "arguments": {}}


@pytest.mark.parametrize(
    ("shape", "arguments", "message"),
    [
        ([10, 8], {"heads": 3}, "heads 3 does not divide the 10 input channels: 10 / 3 is not an integer"),
        ([8, 7, 9], {"heads": 2, "window": 7}, "window 7 does not divide the input's width of 9 (input 8×7×9)"),
        ([8, 9], {"heads": 2, "grid": 2}, "grid 2 does not divide the input's length of 9 (input 8×9)"),
        ([8, 4, 4], {"heads": 2, "grid": 2, "window": 2}, "attention has either a window or a grid; got both"),
        ([8, 4], {"heads": 2, "window": 2, "from": ["input", "input"]}, "cross attention has no window"),
        ([8, 4], {"heads": 2, "kv_stride": 2, "from": ["input", "input"]}, "cross attention has no kv_stride"),
        ([8, 4, 3], {"heads": 2, "kv_stride": 4}, "kv_stride 4 exceeds the input's width of 3 (input 8×4×3)"),
        (
            [8, 4],
            {"heads": 2, "kv_stride": 2, "window": 2},
            "attention takes either kv_stride or a window or grid; got both",
        ),
        (
            [8, 4],
            {"heads": 2, "kv_stride": 2, "relative_position_bias": True},
            "attention with a kv_stride has no relative_position_bias",
        ),
        (
            [8, 4],
            {"heads": 2, "relative_position_bias": True, "from": ["input", "input"]},
            "cross attention has no relative_position_bias",
        ),
        ([8, 4], {"heads": 2, "from": ["input"] * 3}, "attention needs one or two inputs; got 3"),
        ([8], {"heads": 2}, "attention needs spatial axes, but its input is a vector of 8 features"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(shape: list[int], arguments: dict[str, Any], message: str) -> None:
    assert problem({"input": shape, "layers": [{"attention": arguments}]}).message == message


def test_a_matrix_product_of_scores_and_values_is_an_attention_written_out() -> None:
    layers = [
        {"linear": {"out_features": 6, "name": "q"}},
        {"linear": {"out_features": 6, "name": "k", "from": "input"}},
        {"linear": {"out_features": 6, "name": "v", "from": "input"}},
        {"matmul": {"from": ["k", "q"], "transpose_first": True}},
        "softmax",
        {"matmul": {"from": ["v", "previous"]}},
        {"linear": 6},
    ]
    found = report({"input": [6, 9], "layers": layers})
    whole = only_layer([6, 9], {"attention": 1})
    assert found["layers"][3]["output_shape"] == [9, 9]
    assert found["layers"][-1]["output_shape"] == whole["output_shape"]
    assert (found["totals"]["params"], found["totals"]["macs"]) == (whole["params"], whole["macs"])
    assert found["totals"]["additions"] == whole["additions"]


@pytest.mark.parametrize(
    ("shape", "arguments", "message"),
    [
        ([4, 7], {}, "matmul of 4×7 and 4×7: the 7 columns of the first are not the 4 rows of the second"),
        ([4, 7, 7], {}, "matmul needs inputs C×N, but one is 4×7×7"),
        ([4], {}, "matmul needs inputs C×N, but one is 4"),
    ],
)
def test_matrices_that_do_not_fit_are_refused(shape: list[int], arguments: dict[str, Any], message: str) -> None:
    entry = {"matmul": {"from": ["input", "input"], **arguments}}
    assert problem({"input": shape, "layers": [entry]}).message == message


@pytest.mark.torch
@pytest.mark.parametrize("sizes", [[5], [3, 4], [2, 4, 3]])
def test_the_exported_relative_position_bias_is_that_of_swin(sizes: list[int]) -> None:
    import torch

    from convcalc.convert.pytorch.extra_modules import Attention
    from tests.oracle.make_cases import RelativeBias

    module, swin = Attention(6, 3, 2, 2, 6, bias_sizes=tuple(sizes)), RelativeBias(3, sizes)
    torch.nn.init.normal_(module.position_bias)
    swin.table.data = module.position_bias.data.flatten(1).T
    assert torch.equal(module.spread_bias(tuple(sizes)), swin())


# -- the receptive field

STEM = {"conv": {"out_channels": 4, "kernel_size": 2, "stride": 2}}
CONV = {"conv": {"out_channels": 4, "kernel_size": 3, "padding": 1}}
WINDOWS: list[list[dict[str, Any]]] = [
    [STEM, {"attention": {"heads": 2, "window": 3}}],
    [STEM, {"attention": {"heads": 2, "grid": 3}}],
    [CONV, {"attention": {"heads": 2, "window": [2, 4]}}, CONV],
    [STEM, {"attention": {"heads": 2, "grid": [2, 3]}}, CONV],
    [STEM, {"attention": {"heads": 2, "window": 2}}, {"attention": {"heads": 1, "grid": 3}}, CONV],
    [STEM, {"attention": {"heads": 2, "window": 6}}],
    [STEM, {"attention": {"heads": 2, "kv_stride": 2}}],
    [STEM, {"attention": {"heads": 2, "window": 3, "relative_position_bias": True}}],
]


@pytest.mark.torch
@pytest.mark.parametrize("layers", WINDOWS)
def test_the_field_of_windows_and_grids_is_that_of_gradients(layers: list[Any]) -> None:
    import torch

    network = convcalc.load({"input": [3, 12, 12], "layers": layers})
    space: dict[str, Any] = {"__name__": "written"}
    exec(compile(module_text(network), "written.py", "exec"), space)
    torch.manual_seed(0)
    module = next(made for name, made in reversed(space.items()) if isinstance(made, type))().double()
    read = torch.rand(1, 3, 12, 12, dtype=torch.float64, requires_grad=True)
    output = module(read)
    found, last = convcalc.analyse(network), len(network.nodes) - 1
    for row, column in product(range(1, output.shape[2] - 1), range(1, output.shape[3] - 1)):  # without the padding
        [gradient] = torch.autograd.grad(output[0, :, row, column].sum(), read, retain_graph=True)
        places = gradient[0].abs().sum(dim=0).nonzero()
        seen = tuple((int(axis.min()), int(axis.max())) for axis in places.T)
        assert find_region(found, last, (row, column)).clipped == seen


@pytest.mark.parametrize("size", [MOST_POSITIONS, MOST_POSITIONS + 1])
def test_windows_and_grids_are_followed_up_to_the_limit_and_not_further(size: int) -> None:
    """A window spans its positions; two positions of a grid that are `size` apart span one more."""
    for arguments, span in (({"window": size}, size), ({"grid": 2}, size + 1)):
        field = only_layer([1, 2 * size], {"attention": {"heads": 1, **arguments}})["receptive_field"]
        assert field["size"] == ([span] if size == MOST_POSITIONS else None)


@pytest.mark.parametrize(
    "layers",
    [
        [{"attention": {"heads": 1, "from": ["half", "other"]}}],
        [{"tokens": {"from": "half", "name": "a"}}, {"tokens": {"from": "other", "name": "b"}},
         {"matmul": {"from": ["a", "b"], "transpose_second": True}}],
    ],
)  # fmt: skip
def test_two_inputs_of_an_attention_or_product_are_both_read(layers: list[Any]) -> None:
    parts = [
        {"crop": {"amount": [[0, 4], 0], "name": "half"}},
        {"crop": {"amount": [[4, 0], 0], "from": "input", "name": "other"}},
    ]
    fields = report({"input": [3, 8, 8], "layers": [*parts, *layers]})["layers"]
    assert fields[-1]["receptive_field"].get("global") or fields[-1]["receptive_field"]["size"] == [8, 8]


def test_the_field_of_a_network_is_that_of_its_attention() -> None:
    """Attention has positions, each of which sees everything; a convolution of 3 before it sees 3 positions."""
    layers = [{"conv": {"out_channels": 8, "kernel_size": 3}}, {"attention": 2}]
    totals = convcalc.summary({"input": [8, 64], "layers": layers}).totals
    assert totals.receptive_field_at == "attention1"
    assert totals.receptive_field.whole
