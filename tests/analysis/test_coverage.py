"""The receptive field of global pooling and linear layers, a union: by sets and by PyTorch's gradients."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import convcalc
from convcalc.analysis import coverage
from convcalc.analysis.field_region import find_region
from convcalc.analysis.positions import (
    MOST_BITS,
    TooLarge,
    find_read_positions,
    flatten_sets,
    full_set,
    reads_every_position,
    unflatten_features,
)
from convcalc.intervals import (
    Reads,
    adaptive_window,
    blended_inputs,
    nearest_input,
    reduce_ratio,
    shifted_input,
    sliding_window,
    spread_window,
)
from convcalc.metrics.budgets import output_fields
from tests.analysis.test_receptive_field import Field, channels, fields, last_field, last_placed, report_of
from tests.support.dependence import Entry, Plan, Tensor, networks, pooled
from tests.support.specs import report


def chain(*entries: Any, length: int = 20) -> Field:
    return last_field({"input": [1, length], "layers": list(entries)})


def conv(kernel_size: int, **others: Any) -> Entry:
    return {"conv": {"out_channels": 1, "kernel_size": kernel_size, **others}}


def box(low: int, high: int) -> Field:
    """The same interval for every position."""
    doubled = low + high
    center = f"{doubled}/2" if doubled % 2 else doubled // 2
    return {"size": [high - low + 1], "jump": [0], "center": [center], "aligned": True}


LINEAR = {"linear": {"out_features": 3}}
ALL = {"size": [20], "global": True, "aligned": True}


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        # one of 20 positions remains, and its convolution has read its neighbour
        ([conv(3, padding=1), {"crop": {"amount": [[19, 0]]}}, "flatten", LINEAR], box(18, 19)),
        # the convolution after the crop reads a zero at the former position 14
        ([{"crop": {"amount": [[15, 0]]}}, conv(3, padding=1), "global_avgpool"], box(15, 19)),
        # padding restores positions, but not their values
        ([{"crop": {"amount": [[15, 0]]}}, {"pad": {"padding": [[15, 0]]}}, "global_maxpool"], box(15, 19)),
        # positions 0, 3, … 18
        ([conv(1, stride=3), "global_avgpool"], box(0, 18)),
        # 0 to 7 and 8 to 15: four are never read
        ([conv(8, stride=8), "flatten", LINEAR], box(0, 15)),
        # taps at -1 and 1, at 2 and 4, … at 17 and 19
        ([conv(2, dilation=2, padding=1, stride=3), {"adaptive_avgpool": {"output_size": 1}}], box(1, 19)),
        # a vector in order: features 5 to 9 are positions 5 to 9
        (["flatten", {"slice": {"channels": [5, 10]}}, LINEAR], box(5, 9)),
        # of three channels in order, the first ends at feature 19, so 18 … 21 are positions 18, 19, 0 and 1
        ([{"pointwise_conv": {"out_channels": 3}}, "flatten", {"slice": {"channels": [18, 22]}}, LINEAR], ALL),
        (["flatten", {"slice": {"channels": [5, 10]}}, "softmax"], box(5, 9)),
        ([{"crop": {"amount": [[0, 10]]}}, {"reshape": {"shape": [2, 5]}}, conv(3), "global_avgpool"], box(0, 9)),
        # 4 channels of 5 positions, of which positions 1 to 4 hold the values 1 to 4, 6 to 9, …
        ([{"reshape": {"shape": [4, 5]}}, {"crop": {"amount": [[1, 0]]}}, "global_avgpool"], box(1, 19)),
        ([{"upsample": {"scale_factor": 2}}, {"crop": {"amount": [[0, 31]]}}, "global_avgpool"], box(0, 4)),
        # a gate calculated from 10 … 19: position 0 depends on itself and those, position 19 only on those
        (
            [
                {"crop": {"amount": [[10, 0]]}},
                "global_avgpool",
                {"multiply": {"from": ["input", "previous"]}},
            ],
            {"size": [20], "size_min": [10], "jump": None, "center": None, "aligned": True},
        ),
        # two halves together cover everything
        (
            [
                {
                    "branches": [
                        [{"crop": {"amount": [[10, 0]]}}, "global_avgpool"],
                        [{"crop": {"amount": [[0, 10]]}}, "global_avgpool"],
                    ],
                    "merge": "concat",
                }
            ],
            ALL,
        ),
        # two linear layers on parts: 0 … 4 and 15 … 19 span everything
        (
            [
                {"branches": [[{"crop": {"amount": [[15, 0]]}}], [{"crop": {"amount": [[0, 15]]}}]], "merge": "add"},
                "flatten",
                LINEAR,
            ],
            ALL | {"aligned": False},
        ),
        ([{"crop": {"amount": [[15, 0]]}}, "global_avgpool", {"upsample": {"size": 8}}, conv(3)], box(15, 19)),
        ([{"pad": {"padding": [[30, 0]]}}, {"crop": {"amount": [[0, 20]]}}, "global_avgpool"],
         {"size": [0], "jump": None, "center": None, "aligned": True}),
    ],
)  # fmt: skip
def test_layers_that_read_everything_depend_on_the_union(entries: list[Any], expected: Field) -> None:
    assert chain(*entries) == expected


def test_pooling_of_padding_alone_depends_on_no_input() -> None:
    """The rows that remain are zeros, so the columns do not matter either."""
    rows = [{"pad": {"padding": [[4, 0], 0]}}, {"crop": {"amount": [[0, 4], 0]}}, "global_avgpool"]
    columns = [{"pad": {"padding": [0, [0, 4]]}}, {"crop": {"amount": [0, [4, 0]]}}, "global_avgpool"]
    for layers in (rows, columns):
        assert last_field({"input": [1, 4, 4], "layers": layers})["size"] == [0, 0]


def test_pooling_of_a_gated_part_depends_on_that_part_whatever_vector_opens_the_gate() -> None:
    layers: list[Any] = [
        {"crop": {"amount": [[0, 12]], "from": "image", "name": "part"}},
        {"linear": {"out_features": 1, "from": "vector"}},
        {"reshape": {"shape": [1, 1], "name": "gate"}},
        {"multiply": {"from": ["part", "gate"]}},
        "global_avgpool",
    ]
    assert last_field({"inputs": {"image": [1, 16], "vector": [4]}, "layers": layers})["size"] == [4]


def test_pooling_of_a_learnt_tensor_depends_on_no_input() -> None:
    layers = [{"parameter": {"shape": [1, 4]}}, {"global_avgpool": {"from": "parameter1"}}]
    assert last_field({"input": [1, 20], "layers": layers})["size"] == [0]


@pytest.mark.parametrize("length", [10**6, 10**12])
def test_coverage_of_a_long_input_needs_no_sets(length: int) -> None:
    layers = [conv(3, padding=1), conv(7, stride=2, padding=3), {"upsample": {"scale_factor": 2}}, "global_avgpool"]
    assert chain(*layers, length=length).get("global")


def test_the_field_of_an_opaque_layer_stays_unknown_after_pooling() -> None:
    layers = [{"opaque": {"output_shape": [1, 20]}}, "global_avgpool"]
    assert chain(*layers)["size"] is None


def test_a_budget_is_checked_against_the_field_of_the_named_layer() -> None:
    layers = [conv(3, padding=1), {"crop": {"amount": [[19, 0]]}}, {"global_avgpool": {"keepdims": False}}]
    found = report({"input": [1, 20], "layers": layers})
    assert fields(found)["global_avgpool1"] == box(18, 19)
    assert found["totals"]["receptive_field"] == fields(found)["crop1"]


def test_gates_after_a_crop_are_followed_through_thousands_of_layers() -> None:
    """Each gate depends on everything the previous gate depends on; known results are not recalculated."""
    gate = [{"branches": [["global_avgpool"], [conv(3, padding=1)]], "merge": "multiply"}]
    layers = [{"crop": {"amount": [[1, 0]]}}, {"sequence": gate, "repeat": 1500}, "global_avgpool"]
    assert chain(*layers) == box(1, 19)


# -- random networks compared with sets of positions


def expected_box(tensor: Tensor, sizes: tuple[int, ...]) -> tuple[list[int], bool]:
    found = [path.size(0) for path in pooled(tensor)]
    return found, found == list(sizes)


def pool_everything(plan: Plan) -> Entry:
    """The network with a global pooling and a linear layer after every tensor."""
    entries = list(plan.entries)
    for number, tensor in enumerate(plan.tensors):
        entries.append({"global_maxpool": {"from": tensor.name, "name": f"pool{number}"}})
        entries.append({"flatten": {"from": tensor.name, "name": f"flat{number}"}})
        entries.append({"linear": {"out_features": 1, "name": f"line{number}"}})
    return {"input": [2, *plan.sizes], "layers": entries}


@pytest.mark.parametrize("axes", [1, 2])
@settings(max_examples=150, deadline=None)
@given(st.data())
def test_pooling_of_random_networks_depends_on_the_sets_of_positions(axes: int, data: st.DataObject) -> None:
    plan = data.draw(networks(axes, in_order=data.draw(st.booleans())))
    found = fields(report(pool_everything(plan)))
    for number, tensor in enumerate(plan.tensors):
        size, is_whole = expected_box(tensor, plan.sizes)
        for name in (f"pool{number}", f"line{number}"):
            if 0 in size:  # nothing but padding along one axis, so no position at all: the other sizes have no meaning
                assert 0 in found[name]["size"], name
            else:
                assert (found[name]["size"], found[name].get("global", False)) == (size, is_whole), name


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_parts_of_vectors_depend_on_the_positions_of_their_features(data: st.DataObject) -> None:
    """Feature v of a vector is position v modulo the length; rows of an image are consecutive."""
    height, width, depth = (data.draw(st.integers(1, 5)) for _ in range(3))
    start, stop = sorted(
        data.draw(st.lists(st.integers(0, height * width * depth), min_size=2, max_size=2, unique=True))
    )
    step = data.draw(st.integers(1, 4))
    layers = ["flatten", {"slice": {"channels": [start, stop], "step": step}}, LINEAR]
    size = last_field({"input": [depth, height, width], "layers": layers})["size"]
    rows = {feature // width % height for feature in range(start, stop, step)}
    columns = {feature % width for feature in range(start, stop, step)}
    assert size == [max(rows) - min(rows) + 1, max(columns) - min(columns) + 1]


# -- examples compared with PyTorch's gradients


@pytest.mark.torch
@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("m5", (8000,)),
        ("squeezenet1_1", (224, 224)),
        ("alexnet", (63, 63)),
        ("resnet18", (97, 97)),
        ("vgg16", (45, 45)),
    ],
)
def test_classifiers_depend_on_the_inputs_that_have_gradients(name: str, sizes: tuple[int, ...]) -> None:
    from tests.oracle.gradients import Projection

    found = report_of(name, input=[channels(name), *sizes])
    source, output = Projection(found, (0,)).run(last_placed(found))
    output.sum().backward()
    assert source.grad is not None
    seen = source.grad[0, 0].nonzero()
    field = list(fields(found).values())[-1]
    assert field["size"][0] == int(seen.max()) - int(seen.min()) + 1


# -- sets of positions compared with loops


WINDOWS = st.one_of(
    st.builds(sliding_window, st.integers(1, 5), st.integers(1, 6), st.integers(0, 6), st.integers(1, 4)),
    st.builds(shifted_input, st.integers(-6, 6)),
    st.builds(spread_window, st.integers(1, 6), st.integers(1, 5), st.integers(0, 5), st.integers(1, 4)),
    st.builds(adaptive_window, st.integers(1, 30), st.integers(1, 30)),
    st.builds(lambda n, o: nearest_input(reduce_ratio(n, o)), st.integers(1, 9), st.integers(1, 9)),
    st.builds(lambda n, o, more: blended_inputs(reduce_ratio(n, o), more), *[st.integers(1, 9)] * 2, st.integers(0, 1)),
)


@settings(max_examples=500, deadline=None)
@given(WINDOWS, st.sets(st.integers(0, 30)), st.integers(1, 30))
def test_sets_read_by_windows(reads: Reads, outputs: set[int], size: int) -> None:
    def read(positions: Iterable[int]) -> set[int]:
        spans = [span for span in map(reads.at, positions) if span is not None]
        return {place for low, high in spans for place in range(low, high + 1, reads.step) if 0 <= place < size}

    assert find_read_positions(reads, bits(outputs), size) == bits(read(outputs))
    count = len(outputs) + 1
    assert reads_every_position(reads, count, size) == (read(range(count)) == set(range(size)))


def test_a_single_gap_between_windows_leaves_a_position_unread() -> None:
    """Of every three inputs, an interpolation to two thirds reads the first two."""
    gaps = nearest_input((3, 2))
    assert [gaps.at(output) for output in range(5)] == [(0, 0), (1, 1), (3, 3), (4, 4), (6, 6)]
    assert not reads_every_position(gaps, 5, 7)
    assert reads_every_position(gaps, 2, 2)


def bits(positions: Iterable[int]) -> int:
    return sum(1 << position for position in positions)


@settings(max_examples=200, deadline=None)
@given(st.data(), st.lists(st.integers(1, 4), min_size=1, max_size=3), st.integers(1, 4))
def test_features_of_positions_and_positions_of_features(
    data: st.DataObject, spatial: list[int], channels: int
) -> None:
    places = list(product(range(channels), *map(range, spatial)))
    per_axis = [data.draw(st.sets(st.integers(0, size - 1))) for size in spatial]
    features = {
        number
        for number, (_, *position) in enumerate(places)
        if all(place in found for place, found in zip(position, per_axis, strict=True))
    }
    assert flatten_sets(tuple(map(bits, per_axis)), spatial, channels) == bits(features)
    some = data.draw(st.sets(st.integers(0, len(places) - 1)))
    expected = [{places[number][axis + 1] for number in some} for axis in range(len(spatial))]
    assert unflatten_features(bits(some), tuple(spatial), channels) == tuple(map(bits, expected))


# -- how large sets may be, on both sides of the limits


def test_a_set_has_as_many_positions_as_the_limit_and_not_one_more() -> None:
    """2^24 positions in all cases: 1,024 × 16,384 features, and a window over all of them."""
    assert MOST_BITS == 1024 * 16_384
    assert full_set(MOST_BITS).bit_count() == MOST_BITS
    assert find_read_positions(sliding_window(MOST_BITS + 1, 1, 0, 1), 0b1, 4) == 0b1111
    assert flatten_sets((0b1,), [1024], 16_383).bit_count() == 16_383
    assert unflatten_features(0b10, (1024,), 16_384) == (0b10,)
    with pytest.raises(TooLarge):
        full_set(MOST_BITS + 1)
    with pytest.raises(TooLarge):
        find_read_positions(sliding_window(MOST_BITS + 2, 1, 0, 1), 0b1, 4)
    with pytest.raises(TooLarge):
        flatten_sets((0b1,), [1024], 16_384)
    with pytest.raises(TooLarge):
        unflatten_features(0b10, (1024,), 16_385)


@pytest.mark.parametrize(("length", "known"), [(MOST_BITS, True), (MOST_BITS + 1, False)])
def test_pooling_of_part_of_a_long_input_is_followed_up_to_the_limit(length: int, known: bool) -> None:
    assert chain({"crop": {"amount": [[0, length - 4]]}}, "global_avgpool", length=length)["size"] == (
        [4] if known else None
    )


@pytest.mark.parametrize(("length", "work"), [(21, 4), (2001, 4 * 2), (4001, 4 * 3)])
def test_as_many_tensors_are_visited_as_the_limit_and_not_one_more(
    length: int, work: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pooling depends on three convolutions and a crop; a tensor counts once more per 2,000 positions."""
    layers = [{"crop": {"amount": [[1, 0]]}}, *[conv(1) for _ in range(3)], "global_avgpool"]
    for limit, size in ((work, [length - 1]), (work - 1, None)):
        monkeypatch.setattr(coverage, "_MOST_WORK", limit)
        assert chain(*layers, length=length)["size"] == size


# -- classifiers that take the last step of a sequence


TCN: list[Any] = [
    {"pointwise_conv": 8},
    {
        "sequence": [
            {"conv": {"out_channels": 8, "kernel_size": 3, "dilation": "$(2 ** level)", "padding": "causal"}},
            "relu",
            {"conv": {"out_channels": 8, "kernel_size": 3, "dilation": "$(2 ** level)", "padding": "causal"}},
            {"add": ["previous", "input"]},
            "relu",
        ],
        "repeat": {"level": 5},
        "name": "level",
    },
]
LAST_STEP: dict[str, list[Any]] = {
    "slice": [{"slice": {"length": [-1]}}, "flatten"],
    "crop": [{"crop": {"amount": [[399, 0]]}}, "flatten"],
    "crop, then a reshape": [{"crop": {"amount": [[399, 0]]}}, {"reshape": {"shape": [8]}}],
    "slice, then global pooling": [{"slice": {"length": [-1]}}, {"global_avgpool": {"keepdims": False}}],
    "slice, then a mean": [{"slice": {"length": [-1]}}, {"mean": {"axes": ["length"], "keepdims": False}}],
    "stride, then a slice": [
        {"conv": {"out_channels": 8, "kernel_size": 1, "stride": 399}}, {"slice": {"length": [-1]}}, "flatten"
    ],
    "slice, then tokens": [{"slice": {"length": [-1]}}, "tokens", "flatten"],
    "slice, then an lstm": [{"slice": {"length": [-1]}}, {"lstm": {"hidden_size": 4}}, "flatten"],
}  # fmt: skip


@pytest.mark.parametrize("name", LAST_STEP)
def test_a_classifier_of_the_last_step_depends_on_what_that_step_depends_on(name: str) -> None:
    """1 + 2 × 2 × (1 + 2 + 4 + 8 + 16) = 125 of 400 steps; rf, budgets and the region of a position agree."""
    network = convcalc.load({"input": [1, 400], "layers": [*TCN, *LAST_STEP[name], {"linear": 10}]})
    found = convcalc.analyse(network)
    last = found.layers[-1].receptive_field
    assert (last.size, last.whole) == ((125,), False)
    assert find_region(found, len(found.layers) - 1, ()).unclipped == ((275, 399),)
    assert [field.size for _, field in output_fields(found).values()] == [(125,)]


def test_a_budget_uses_the_output_if_no_layer_before_it_has_a_known_field() -> None:
    """Which positions a reshaped map mixes is unknown, but all of them together depend on the last four steps."""
    layers = [{"slice": {"length": [-4]}}, {"reshape": {"shape": [2, 2, 2]}}, "global_avgpool"]
    found = convcalc.analyse(convcalc.load({"input": [2, 400], "layers": layers}))
    assert found.layers[1].receptive_field.size is None
    assert [(name, field.size) for name, field in output_fields(found).values()] == [("global_avgpool1", (4,))]
