"""Layers that change the size of the axes: the arguments they refuse, and their results on both sides of each limit."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.specs import only_layer, problem, report, said, shapes

SIZES = {1: [12], 2: [12, 10], 3: [12, 10, 8]}


def shape(read: list[int], **entry: Any) -> list[int]:
    found: list[int] = only_layer(read, entry)["output_shape"]
    return found


def refusal(read: list[int], **entry: Any) -> str:
    found = problem({"input": read, "layers": [entry]})
    assert found.code == "CV016"
    return said(found)


# -- upsampling

MODES = {"nearest": (1, 2, 3), "linear": (1,), "bilinear": (2,), "bicubic": (2,), "trilinear": (3,)}
TAPS = {"nearest": 0, "linear": 2, "bilinear": 2 * 2, "bicubic": 4 * 4, "trilinear": 2 * 2 * 2}


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("mode", MODES)
def test_a_mode_of_upsampling_requires_its_number_of_axes(mode: str, axes: int) -> None:
    """As in torch.nn.functional.interpolate."""
    entry = {"scale_factor": 2, "mode": mode}
    if axes in MODES[mode]:
        assert shape([3, *SIZES[axes]], upsample=entry) == [3, *(2 * size for size in SIZES[axes])]
        return
    message = refusal([3, *SIZES[axes]], upsample=entry)
    [due] = MODES[mode]
    assert f"{due} {'axis' if due == 1 else 'axes'}, but this one has {axes}" in message
    assert message.endswith({1: "write linear", 2: "use bilinear or bicubic", 3: "write trilinear"}[axes])


@pytest.mark.parametrize("mode", MODES)
def test_upsampling_multiplies_its_taps(mode: str) -> None:
    """An output value reads two taps per axis, four if bicubic: as many products, and one addition less."""
    sizes = SIZES[MODES[mode][-1]]
    layer = only_layer([3, *sizes], {"upsample": {"size": [5] * len(sizes), "mode": mode}})
    values = 3 * 5 ** len(sizes)
    assert (layer["multiplications"], layer["macs"]) == (values * TAPS[mode], 0)
    assert layer["additions"] == values * max(TAPS[mode] - 1, 0)


@pytest.mark.parametrize(
    ("factor", "sizes"),
    [(2, [10, 14]), (0.5, [2, 3]), (1.5, [7, 10]), ([3, 0.25], [15, 1]), ([1, 1], [5, 7]), (0.2, [1, 1])],
)
def test_an_upsampled_size_is_rounded_down(factor: Any, sizes: list[int]) -> None:
    assert shape([2, 5, 7], upsample={"scale_factor": factor}) == [2, *sizes]


def test_upsampling_to_nothing_is_refused() -> None:
    assert "width of upsample would be 0" in refusal([2, 5, 7], upsample={"scale_factor": [1, 0.125]})


def test_an_upsampled_size_may_be_that_of_a_layer_with_as_many_axes() -> None:
    vector = {"flatten": {"name": "vector", "from": "input"}}
    down = {"maxpool": {"kernel_size": 2, "name": "down", "from": "input"}}
    layers = [vector, down, {"upsample": {"like": "input"}}]
    assert shapes({"input": [2, 6, 8], "layers": layers})["upsample1"] == [2, 6, 8]
    for kind in ("upsample", "pad", "crop"):
        found = problem({"input": [2, 6, 8], "layers": [vector, down, {kind: {"like": "vector"}}]})
        assert (found.code, "vector (96)" in found.message) == ("CV016", True)


# -- positions and channels


def test_channels_become_positions() -> None:
    for axes, sizes in SIZES.items():
        assert shape([2 * 3**axes, *sizes], pixel_shuffle={"upscale_factor": 3}) == [2, *(3 * size for size in sizes)]


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_channels_that_do_not_form_blocks_do_not_become_positions(axes: int) -> None:
    for channels in (2 * 2**axes - 1, 2 * 2**axes + 1, 2**axes - 1):
        assert refusal([channels, *SIZES[axes]], pixel_shuffle={"upscale_factor": 2})
    assert shape([2**axes, *SIZES[axes]], pixel_shuffle={"upscale_factor": 2})[0] == 1


def test_positions_become_channels() -> None:
    for axes, sizes in SIZES.items():
        expected = [3 * 2**axes, *(size // 2 for size in sizes)]
        assert shape([3, *sizes], pixel_unshuffle={"downscale_factor": 2}) == expected


@pytest.mark.parametrize(
    ("sizes", "axis"), [([12, 9], "width"), ([9, 12], "height"), ([9], "length"), ([8, 8, 6], "width")]
)
def test_positions_that_do_not_form_blocks_do_not_become_channels(sizes: list[int], axis: str) -> None:
    assert axis in refusal([3, *sizes], pixel_unshuffle={"downscale_factor": 4})


def test_groups_to_shuffle_must_divide_the_channels() -> None:
    assert shape([6, 4], channel_shuffle={"groups": 3}) == [6, 4]
    assert refusal([6, 4], channel_shuffle={"groups": 4})


# -- borders


def bordered(kind: str, read: list[int], like: list[int]) -> dict[str, Any]:
    """A layer padded or cropped to the size of an input."""
    return {"inputs": {"read": read, "model": like}, "layers": [{kind: {"from": "read", "like": "model"}}]}


@pytest.mark.parametrize("kind", ["pad", "crop"])
def test_padding_and_cropping_match_the_size_of_another_layer(kind: str) -> None:
    """An odd element goes after: the position that the first output reads tells how much is before."""
    larger, smaller = [1, 8, 9], [1, 5, 9]
    read, like = (smaller, larger) if kind == "pad" else (larger, smaller)
    [layer] = report(bordered(kind, read, like))["layers"]
    assert layer["output_shape"] == like
    before = -1 if kind == "pad" else 1  # of the 3 that are added or removed
    assert layer["receptive_field"]["center"] == [before, 0]
    assert layer["receptive_field"]["size"] == [1, 1]


@pytest.mark.parametrize("like", [[1, 9, 8], [1, 8, 9]])
def test_padding_only_enlarges_and_cropping_only_shrinks(like: list[int]) -> None:
    small, large = [1, 8, 8], [1, 9, 9]
    for kind, read, change in (("pad", large, "enlarge"), ("crop", small, "shrink")):
        found = problem(bordered(kind, read, like))
        assert (found.code, found.message.startswith(f"{kind} can only {change} its input")) == ("CV016", True)
        [layer] = report(bordered(kind, read, read))["layers"]
        assert layer["output_shape"] == read


def test_a_crop_leaves_at_least_one_position() -> None:
    assert shape([1, 8, 8], crop={"amount": [[3, 4], [0, 7]]}) == [1, 1, 1]
    for amount in ([[4, 4], 0], [0, [0, 8]], [[9, 0], 0]):
        assert refusal([1, 8, 8], crop={"amount": amount})
    assert "8 - 3 - 5 = 0" in refusal([1, 8, 8], crop={"amount": [[3, 5], 0]})


def test_padding_and_cropping_count_both_sides_of_each_axis() -> None:
    assert shape([1, 8, 8], pad={"padding": [[1, 2], [0, 5]]}) == [1, 11, 13]
    assert shape([1, 8, 8], crop={"amount": [[1, 2], [0, 5]]}) == [1, 5, 3]


@pytest.mark.parametrize(
    "entry",
    [
        {"upsample": {"scale_factor": 2, "size": 4}},
        {"upsample": {"size": 4, "like": "input"}},
        {"upsample": {"scale_factor": 2, "like": "input"}},
        {"upsample": {}},
        {"pad": {"padding": 1, "like": "input"}},
        {"pad": {}},
        {"crop": {"amount": 1, "like": "input"}},
        {"crop": {}},
    ],
)
def test_a_size_is_given_in_one_way_only(entry: dict[str, Any]) -> None:
    [arguments] = entry.values()
    found = problem({"input": [1, 8], "layers": [entry]})
    assert found.code == "CV012"
    assert found.message.endswith(f"; got {' and '.join(arguments) or 'none'}")


def test_an_output_has_at_most_18_digits_per_size() -> None:
    largest = 10**18 - 1
    assert shape([1, largest - 1], pad={"padding": [[0, 1]]}) == [1, largest]
    assert shape([largest, 4], softmax={}) == [largest, 4]
    assert problem({"input": [1, largest], "layers": [{"pad": {"padding": [[0, 1]]}}]}).code == "CV004"
