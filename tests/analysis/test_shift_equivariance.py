"""Shift equivariance: cases derived by hand, and random PyTorch networks whose inputs are really shifted."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

import convcalc
from convcalc.render.shifts import shift_facts
from tests.support.places import EXAMPLES
from tests.support.specs import load, report

CONV = {"conv": {"out_channels": 4, "kernel_size": 3, "padding": 1}}
DOWN = {"conv": {"out_channels": 4, "kernel_size": 3, "stride": 2, "padding": 1}}
POOL = {"maxpool": {"kernel_size": 2}}
UP = {"conv_transpose": {"out_channels": 4, "kernel_size": 4, "stride": 2, "padding": 1}}


def position(size: int) -> dict[str, Any]:
    return {"parameter": {"shape": [4, size], "name": "pos"}}


class Case(NamedTuple):
    """The layers of a 1-D network with the input 4×64, and what its output does: behaviour, multiple and moves.

    The multiple of a network that ends equivariance is that of the tensors before.
    """

    layers: list[Any]
    behaviour: str
    multiple: int
    moves: int | None


CASES = {
    "convolutions_move_along_with_every_shift": Case([CONV, "relu", CONV], "equivariant", 1, 1),
    "strides_multiply": Case([DOWN, "relu", DOWN, POOL], "equivariant", 8, 1),
    "a_transposed_convolution_undoes_the_jump_but_not_the_multiple": Case([DOWN, UP], "equivariant", 2, 2),
    "an_upsampled_map_moves_by_more_positions": Case([UP, "relu", UP], "equivariant", 1, 4),
    "a_stride_after_an_upsampling_uses_its_finer_positions": Case([UP, "relu", DOWN], "equivariant", 1, 1),
    "stride_3_after_an_upsampling_by_2": Case(
        [UP, {"conv": {"out_channels": 4, "kernel_size": 3, "stride": 3}}], "equivariant", 3, 2
    ),
    "a_resize_by_3_halves_needs_two_positions": Case(
        [CONV, {"upsample": {"scale_factor": 1.5, "mode": "linear"}}], "equivariant", 2, 3
    ),
    "a_nearest_resize_by_3_halves": Case([{"upsample": {"scale_factor": 1.5}}, CONV], "equivariant", 2, 3),
    "resizing_down_by_4": Case([{"upsample": {"scale_factor": 0.25, "mode": "linear"}}, CONV], "equivariant", 4, 1),
    "branches_with_equal_jumps_need_the_least_common_multiple": Case(
        [
            {
                "branches": {
                    "halves": [DOWN, UP],
                    "thirds": [
                        {"conv": {"out_channels": 4, "kernel_size": 3, "stride": 3, "padding": 1}},
                        {"conv_transpose": {"out_channels": 4, "kernel_size": 3, "stride": 3}},
                        {"crop": {"like": "input"}},
                    ],
                    "plain": [CONV],
                },
                "merge": "add",
            }
        ],
        "equivariant",
        6,
        6,
    ),
    "global_pooling_makes_invariant": Case([DOWN, "relu", DOWN, "global_avgpool"], "invariant", 4, 0),
    "global_max_pooling_too_and_linear_layers_after_it_keep_it": Case(
        [DOWN, {"global_maxpool": {"keepdims": False}}, {"linear": 5}], "invariant", 2, 0
    ),
    "a_pooling_window_over_the_whole_axis_pools_globally": Case(
        [DOWN, {"avgpool": {"kernel_size": 32}}, "flatten", {"linear": 5}], "invariant", 2, 0
    ),
    "adaptive_pooling_to_three_of_32_moves_by_three": Case(
        [DOWN, {"adaptive_avgpool": {"output_size": 12}}], "equivariant", 16, 3
    ),
    "squeeze_and_excitation_raises_no_multiple": Case(
        [
            {**DOWN, "name": "map"},
            "global_avgpool",
            {"pointwise_conv": 4},
            "sigmoid",
            {"multiply": {"from": ["previous", "map"]}},
        ],
        "equivariant",
        2,
        1,
    ),
    "a_gate_from_a_coarser_map_raises_the_multiple": Case(
        [
            {"conv": {"out_channels": 4, "kernel_size": 3, "padding": 1}, "name": "map"},
            DOWN,
            "relu",
            DOWN,
            "global_avgpool",
            "sigmoid",
            {"multiply": {"from": ["previous", "map"]}},
        ],
        "equivariant",
        4,
        4,
    ),
    "attention_over_all_positions": Case([DOWN, {"attention": 2}], "equivariant", 2, 1),
    "attention_with_reduced_keys": Case([DOWN, {"attention": {"heads": 2, "kv_stride": 4}}], "equivariant", 8, 4),
    "attention_in_windows": Case([DOWN, {"attention": {"heads": 2, "window": 4}}], "equivariant", 8, 4),
    "a_position_embedding_ends_it": Case(
        [{**position(32)}, {**DOWN, "from": "input"}, {"add": {"from": ["previous", "pos"]}}, {"attention": 2}],
        "none",
        2,
        None,
    ),
    "a_linear_layer_over_positions_ends_it": Case([DOWN, "flatten", "relu", {"linear": 7}], "none", 2, None),
    "local_weights_end_it": Case([DOWN, {"locally_connected": {"out_channels": 4, "kernel_size": 3}}], "none", 2, None),
    "a_scale_per_value_ends_it": Case([CONV, "layernorm"], "none", 1, None),
    "norms_over_all_positions_keep_it": Case(
        [DOWN, {"groupnorm": 2}, "instancenorm", "relu", {"layernorm": {"axes": "channels"}}], "equivariant", 2, 1
    ),
    "a_recurrent_layer_ends_it": Case([DOWN, {"lstm": {"hidden_size": 4}}], "none", 2, None),
}


def spec_of(case: Case) -> dict[str, Any]:
    return {"input": [4, 64], "layers": [_hoist(entry) for entry in case.layers]}


def _hoist(entry: Any) -> Any:
    """Move `from` and `name` beside a layer's arguments into them."""
    if isinstance(entry, str) or "branches" in entry:
        return entry
    [(kind, value)] = [(key, value) for key, value in entry.items() if key not in ("from", "name")]
    beside = {key: entry[key] for key in ("from", "name") if key in entry}
    return {kind: {**value, **beside}} if beside else {kind: value}


def shifts(spec: Any) -> list[dict[str, Any]]:
    [found] = report(spec)["shift_equivariance"]["outputs"].values()
    return list(found)


@pytest.mark.parametrize("name", CASES)
def test_a_case_derived_by_hand(name: str) -> None:
    case = CASES[name]
    [found] = shifts(spec_of(case))
    assert (found["behaviour"], found["multiple"], found["moves"]) == case[1:]


def chain(*layers: Any, shape: tuple[int, ...]) -> list[tuple[str, int, int | None]]:
    found = shifts({"input": list(shape), "layers": list(layers)})
    return [(axis["behaviour"], axis["multiple"], axis["moves"]) for axis in found]


def test_axes_differ_in_two_and_three_dimensions() -> None:
    stride = {"conv": {"out_channels": 4, "kernel_size": 3, "stride": [2, 3]}}
    assert chain(stride, stride, shape=(1, 64, 81)) == [("equivariant", 4, 1), ("equivariant", 9, 1)]
    pool = {"maxpool": {"kernel_size": [1, 2, 4]}}
    up = {"upsample": {"scale_factor": [3, 1, 1]}}
    found = chain(pool, up, shape=(1, 8, 16, 16))
    assert found == [("equivariant", 1, 3), ("equivariant", 2, 1), ("equivariant", 4, 1)]


def test_one_axis_is_pooled_and_the_other_moves() -> None:
    spec = {"input": [1, 8, 32], "layers": [{"mean": {"axes": ["height"]}}, {"maxpool": {"kernel_size": [1, 4]}}]}
    assert [axis["behaviour"] for axis in shifts(spec)] == ["invariant", "equivariant"]
    text = shift_facts(load(spec))
    assert text.startswith("height: invariant to all shifts (interior) from mean1 on, width: equivariant to shifts by")


def test_adaptive_pooling_to_one_position_on_one_axis_pools_it() -> None:
    found = chain({"adaptive_avgpool": {"output_size": [1, 8]}}, shape=(1, 6, 32))
    assert found == [("invariant", 1, 0), ("equivariant", 4, 1)]


def test_an_embedding_along_one_axis_ends_only_that_one() -> None:
    spec = {
        "input": [4, 8, 8],
        "layers": [{"parameter": {"shape": [4, 8, 1], "name": "rows"}}, {"add": {"from": ["input", "rows"]}}],
    }
    height, width = shifts(spec)
    assert (height["behaviour"], height["layer"], width["behaviour"]) == ("none", "add1", "equivariant")
    assert "rows" in height["reason"]


def test_a_bias_per_feature_of_flattened_positions_ends_it() -> None:
    bias = {"parameter": {"shape": [32], "name": "bias"}}
    spec = {"input": [4, 8], "layers": [bias, {"flatten": {"from": "input"}}, {"add": {"from": ["previous", "bias"]}}]}
    assert [axis["behaviour"] for axis in shifts(spec)] == ["none"]


def test_tokens_and_back_keep_the_shifts_of_the_map() -> None:
    patches = {"conv": {"out_channels": 8, "kernel_size": 4, "stride": 4}}
    there = [patches, "tokens", {"layernorm": {"axes": "channels"}}, {"linear": 8}, {"attention": 2}]
    assert chain(*there, {"map": {"size": [4, 4]}}, shape=(3, 16, 16)) == [("equivariant", 4, 1)] * 2


@pytest.mark.parametrize("order", [["previous", "pos"], ["pos", "previous"]])
def test_a_position_embedding_of_tokens_ends_it_in_both_orders(order: list[str]) -> None:
    patches = {"conv": {"out_channels": 8, "kernel_size": 4, "stride": 4, "from": "input"}}
    embedding = {"parameter": {"shape": [8, 16], "name": "pos"}}
    spec = {"input": [3, 16, 16], "layers": [embedding, patches, "tokens", {"add": {"from": order}}]}
    assert {(axis["behaviour"], axis["layer"]) for axis in shifts(spec)} == {("none", "add1")}


def test_a_bias_per_channel_of_tokens_keeps_it() -> None:
    bias = {"parameter": {"shape": [8, 1], "name": "bias"}}
    patches = {"conv": {"out_channels": 8, "kernel_size": 4, "stride": 4, "from": "input"}}
    spec = {"input": [3, 16, 16], "layers": [bias, patches, "tokens", {"add": {"from": ["bias", "previous"]}}]}
    assert [(axis["behaviour"], axis["multiple"]) for axis in shifts(spec)] == [("equivariant", 4)] * 2


def test_branches_with_different_jumps_end_it() -> None:
    spec = {
        "input": [1, 32],
        "layers": [
            {"maxpool": {"kernel_size": 2, "name": "half"}},
            {"crop": {"amount": [[8, 8]], "from": "input"}},
            {"add": {"from": ["previous", "half"]}},
        ],
    }
    [found] = shifts(spec)
    assert (found["behaviour"], found["layer"]) == ("none", "add1")
    assert found["reason"] == "merges branches with different jumps"


def test_an_opaque_layer_makes_it_unknown_but_not_after_global_pooling() -> None:
    opaque = {"opaque": {"output_shape": [5]}}
    assert chain(DOWN, opaque, shape=(1, 32)) == [("unknown", 2, None)]
    assert chain(DOWN, "global_avgpool", opaque, shape=(1, 32)) == [("invariant", 2, 0)]


def test_a_vector_has_no_shifts() -> None:
    spec = {"input": [8], "layers": [{"linear": 3}]}
    assert report(spec)["shift_equivariance"] is None
    assert shift_facts(load(spec)) == ""


@pytest.mark.parametrize(
    ("example", "text"),
    [
        ("resnet18", "invariant to shifts by multiples of 32 (interior) from global_avgpool1 on"),
        ("unet", "equivariant to shifts by multiples of 16 (interior)"),
        ("vgg16", "equivariant to shifts by multiples of 32 (interior) up to linear1, which treats positions as"),
        ("vit_tiny", "equivariant to shifts by multiples of 16 (interior) up to add1, which combines positions with"),
        ("wavenet", "equivariant to all shifts (interior)"),
    ],
)
def test_published_networks_by_the_product_of_their_strides(example: str, text: str) -> None:
    assert shift_facts(convcalc.load(EXAMPLES / f"{example}.yaml")).startswith(text)


def test_the_layers_are_those_of_the_lint_rule() -> None:
    from convcalc.check.rules.aliasing import Aliasing

    for example in ("resnet50", "alexnet", "inception_v3", "mobilenet_v2"):
        found = convcalc.analyse(convcalc.load(EXAMPLES / f"{example}.yaml"))
        reported = [problem.path for problem in Aliasing({}).findings(found)]
        named = (found.to_dict()["shift_equivariance"] or {})["sampled_without_low_pass"]
        assert len(named) == len(reported) > 0


def test_a_blur_before_the_stride_is_not_named() -> None:
    spec = {"input": [4, 32], "layers": [{"maxpool": {"kernel_size": 2, "stride": 1}}, "blurpool"]}
    assert shift_facts(load(spec)) == "equivariant to shifts by multiples of 2 (interior)"


# -- in PyTorch

SIZE, WIDTH, PLACE, MARGIN = 240, 24, 120, 24  # of the input and a random blob in it, and the border that is ignored


@pytest.mark.torch
@pytest.mark.parametrize("name", CASES)
def test_a_real_network_shifts_as_stated_and_by_no_smaller_shift(name: str) -> None:
    import torch

    case = CASES[name]
    size = SIZE if "window_over_the_whole" not in name and "embedding" not in name else 64
    module, found = build(case, size)
    blob = torch.randn(4, min(WIDTH, size // 4), dtype=torch.float64)
    place, margin = size // 2, MARGIN if size == SIZE else 4

    def run(shift: int) -> Any:
        signal = torch.zeros(1, 4, size, dtype=torch.float64)
        start = place - blob.shape[1] // 2 + shift
        signal[0, :, start : start + blob.shape[1]] = blob
        with torch.no_grad():
            return module(signal)[0]

    still, multiple, moves = run(0), found["multiple"], found["moves"]
    if case.behaviour != "none":
        for times in (1, -1, 2):
            assert moved_by(still, run(times * multiple), times * moves, margin), (times, multiple, moves)
    smaller = range(1, multiple if case.behaviour != "none" else 2 * multiple + 1)
    for shift in smaller:
        tried = range(-4, 5) if moves is None else range(moves + 1)
        assert not any(moved_by(still, run(shift), by, margin) for by in tried), shift


def moved_by(still: Any, other: Any, by: int, margin: int) -> bool:
    """Whether `other` is `still` moved by some positions, away from the border; vectors must be equal."""
    import torch

    if still.dim() == 1 or still.shape[-1] == 1:
        return by == 0 and bool(torch.allclose(still, other, rtol=0, atol=1e-9))
    count = still.shape[-1]
    ignored = max(1, margin * count // (SIZE if margin == MARGIN else 64))
    inner = slice(ignored, count - ignored)
    return bool(torch.allclose(still.roll(by, -1)[..., inner], other[..., inner], rtol=0, atol=1e-9))


@pytest.mark.torch
def test_the_axes_of_a_real_map_shift_as_stated_each() -> None:
    import torch

    down = {"conv": {"out_channels": 4, "kernel_size": 3, "stride": [2, 3], "padding": 1}}
    spec = {"input": [4, 96, 96], "layers": [down, "relu", {"maxpool": {"kernel_size": [2, 1]}}]}
    module = random_module(spec)
    blob = torch.randn(4, 16, 16, dtype=torch.float64)

    def run(down: int, right: int) -> Any:
        picture = torch.zeros(1, 4, 96, 96, dtype=torch.float64)
        picture[0, :, 40 + down : 56 + down, 40 + right : 56 + right] = blob
        with torch.no_grad():
            return module(picture)[0]

    assert [(axis["multiple"], axis["moves"]) for axis in shifts(spec)] == [(4, 1), (3, 1)]
    still = run(0, 0)
    for by in range(9):
        rows, columns = run(by, 0), run(0, by)
        moved = [still.roll(count, 1) for count in range(4)], [still.roll(count, 2) for count in range(4)]
        inner = (slice(None), slice(3, -3), slice(3, -3))
        found = [
            any(torch.allclose(one[inner], other[inner], rtol=0, atol=1e-9) for one in rolled)
            for rolled, other in zip(moved, (rows, columns), strict=True)
        ]
        assert found == [by % 4 == 0, by % 3 == 0], by


def build(case: Case, size: int) -> tuple[Any, dict[str, Any]]:
    """Return the network as a PyTorch module with random weights, and what is reported about its output."""
    spec = {**spec_of(case), "input": [4, size]}
    [found] = shifts(spec)
    return random_module(spec), found


def random_module(spec: dict[str, Any]) -> Any:
    import torch

    from convcalc.convert.to_torch import module_text

    network = load(spec)
    names: dict[str, Any] = {"__name__": "exported"}
    exec(module_text(network), names)  # the file that convcalc writes from the spec above
    [made] = [value for key, value in names.items() if key.lower() == network.name.replace("_", "").lower()]
    torch.manual_seed(0)
    module = made().double().eval()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return module
