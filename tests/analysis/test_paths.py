"""Parallel paths: the receptive field through branches that differ in jump, centre or period.

Expected values come from sets of positions, followed one by one, or were calculated by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, permutations, product
from typing import Any

import pytest

from convcalc.analysis.receptive_field import MOST_PATHS, MOST_RESIDUES, interval_at, measure_span
from convcalc.intervals import (
    MOST_POSITIONS,
    MOST_READ,
    Reads,
    TooVaried,
    adaptive_window,
    compose_reads,
    nearest_input,
    sliding_window,
    spread_window,
    unite_reads,
)
from tests.analysis.test_receptive_field import beside_every, conv, fields, last_field
from tests.support.specs import report

Entries = list[Any]
Sees = Callable[[int], set[int]]


# -- the smallest and the largest field over the positions of an axis


def window(kernel: int, stride: int, before: int) -> tuple[Reads, Sees]:
    return sliding_window(kernel, stride, before, 1), lambda i: {i * stride - before + tap for tap in range(kernel)}


def spread(kernel: int, stride: int, before: int) -> tuple[Reads, Sees]:
    """Input j contributes to the outputs j s - p to j s - p + k - 1."""

    def sees(i: int) -> set[int]:
        return {j for j in range(-20, 40) if 0 <= i + before - j * stride < kernel}

    return spread_window(kernel, stride, before, 1), sees


def repeated(factor: int) -> tuple[Reads, Sees]:
    return nearest_input((1, factor)), lambda i: {i // factor}


PATHS = [
    *(window(kernel, stride, before) for kernel, stride, before in product((1, 4), (1, 2, 3), (0, 3))),
    *(spread(kernel, stride, before) for kernel, stride, before in product((1, 4), (2, 3), (0, 1))),
    repeated(2),
]


def sizes(sees: list[Sees], positions: int) -> list[int]:
    """How many inputs each position spans, 0 for a position that depends on none."""
    seen = [set[int]().union(*(path(position) for path in sees)) for position in range(positions)]
    return [max(found) - min(found) + 1 if found else 0 for found in seen]


@pytest.mark.parametrize("positions", [1, 2, 3, 7, 12])
@pytest.mark.parametrize("together", [2, 3])
def test_the_field_of_several_paths_matches_sets_of_positions(together: int, positions: int) -> None:
    chosen = list(combinations(PATHS, together))[:: 1 if together == 2 else 7]
    for paths in chosen:
        reads, sees = tuple(path for path, _ in paths), [marked for _, marked in paths]
        expected = sizes(sees, positions)
        if len({path.jump for path in reads}) == together:
            assert measure_span(reads, positions) == (min(expected), max(expected)), reads


def test_crossing_paths_are_closest_where_they_cross() -> None:
    """Position i depends on i + 10 and on 2 i: 10 apart at 0, equal at 10, and 20 apart at 30."""
    early, late = Reads(1, 1, (10,), (10,)), sliding_window(1, 2, 0, 1)
    assert measure_span((early, late), 31) == (1, 21)
    assert measure_span((early, late), 10) == (2, 11)
    assert measure_span((early, late), 11) == (1, 11)
    assert measure_span((early, sliding_window(1, 3, 0, 1)), 11) == (
        1,
        11,
    )  # 10 apart at both ends, and both equal to 15 at 5
    assert measure_span((early, sliding_window(1, 4, 1, 1)), 11) == (2, 20)  # 14 and 15 at 4, 20 and 39 at 10


def test_only_two_of_three_paths_cross_at_one_end() -> None:
    """From 2 i - 100 to the larger of i + 20 and 3 i, or from the smaller of i and 3 i - 20 to 2 i + 100.

    That is 121 positions at 0, 111 at 10, where these ends cross, and 131 at 30; the other ends cross elsewhere.
    """
    upper = (Reads(1, 2, (-100,), (-100,)), Reads(1, 1, (15,), (20,)), Reads(1, 3, (0,), (0,)))
    lower = (Reads(1, 2, (100,), (100,)), Reads(1, 1, (0,), (5,)), Reads(1, 3, (-20,), (-20,)))
    for paths in (upper, lower):
        assert [measure_span(paths, count) for count in (1, 10, 11, 31)] == [
            (121, 121),
            (112, 121),
            (111, 121),
            (111, 131),
        ]


def test_a_position_that_no_path_reaches_has_no_field() -> None:
    """Of three outputs, the first depends on an input through both paths, the others through neither."""
    scattered, further = spread_window(1, 3, 0, 1), compose_reads(spread_window(1, 3, 0, 1), sliding_window(1, 2, 0, 1))
    assert [interval_at((scattered, further), position) for position in range(7)] == [
        (0, 0), None, None, (1, 2), None, None, (2, 4)
    ]  # fmt: skip
    assert measure_span((scattered, further), 7) == (0, 3)


# -- how far paths are followed, on both sides of the limits


def pads(strides: range) -> list[Entries]:
    """Branches with the strides as their jumps, all padded to the size of the input."""
    return [[conv(1, stride=stride), {"pad": {"like": "input"}}] for stride in strides]


def test_as_many_jumps_as_the_limit_are_followed_and_not_one_more() -> None:
    """With j jumps, position i of 12 depends on i s - p_s for the strides s to j, where p_s is the padding before."""
    for jumps in (MOST_PATHS, MOST_PATHS + 1):
        found = last_field({"input": [1, 12], "layers": [{"branches": pads(range(1, jumps + 1)), "merge": "add"}]})
        before = [(12 - -(-12 // stride)) // 2 for stride in range(1, jumps + 1)]
        ends = [[(i - p) * s for s, p in enumerate(before, 1)] for i in range(12)]
        expected = [max(places) - min(places) + 1 for places in ends]
        assert found["size"] == ([max(expected)] if jumps == MOST_PATHS else None)


@pytest.mark.parametrize("jumps", [MOST_PATHS, MOST_PATHS + 1])
def test_a_branch_that_covers_everything_makes_the_limit_on_jumps_irrelevant(jumps: int) -> None:
    everywhere: Entries = ["global_avgpool", {"upsample": {"size": 12}}]
    branches = [*pads(range(1, jumps + 1)), everywhere]
    found = last_field({"input": [1, 12], "layers": [{"branches": branches, "merge": "add"}]})
    assert (found["size"], found["global"]) == ([12], True)


def test_a_period_as_long_as_the_limit_is_followed_and_not_one_more() -> None:
    """Position i depends on i and on i // 521: equal at 0, and growing apart up to 520."""
    for positions in (MOST_RESIDUES, MOST_RESIDUES + 1):
        paths = (sliding_window(1, 1, 0, 1), nearest_input((1, 521)))
        assert measure_span(paths, positions) == ((1, positions) if positions == MOST_RESIDUES else None)
    short = (sliding_window(1, 1, 0, 1), nearest_input((1, MOST_RESIDUES)))
    assert measure_span(short, 2 * MOST_RESIDUES) == (1, 2 * MOST_RESIDUES - 1)  # at the end 1023 and 1
    longer = (sliding_window(1, 1, 0, 1), nearest_input((1, MOST_RESIDUES + 1)))
    assert measure_span(longer, 2 * MOST_RESIDUES) is None


def test_an_unknown_field_has_no_figures() -> None:
    """One unknown axis makes the field unknown, and the report incomplete."""
    wide = MOST_RESIDUES + 1
    branches = [[{"upsample": {"scale_factor": [1, 521]}}, {"crop": {"amount": [[0, 0], [0, 520 * wide]]}}], []]
    found = report({"input": [1, 4, wide], "layers": [{"branches": branches, "merge": "add"}]})
    expected = {"size": None, "jump": None, "center": None, "aligned": False}
    assert {key: fields(found)["branches1.add"].get(key) for key in expected} == expected
    assert not found["complete"]


def test_a_period_at_the_limit_is_followed_in_every_combination() -> None:
    """4,096 = 64 × 64 = 2 × 2,048; one more period or factor is refused."""
    assert MOST_POSITIONS == 64 * 64
    assert spread_window(1, MOST_POSITIONS, 0, 1).at(MOST_POSITIONS) == (1, 1)
    together = compose_reads(nearest_input((1, 64)), nearest_input((1, 64)))
    assert (together.period, together.at(MOST_POSITIONS - 1), together.at(MOST_POSITIONS)) == (4096, (0, 0), (1, 1))
    with pytest.raises(TooVaried):
        compose_reads(nearest_input((1, 64)), nearest_input((1, 65)))
    one, other = (
        compose_reads(nearest_input((1, period)), sliding_window(1, period, 0, 1)) for period in (MOST_POSITIONS, 2)
    )
    both = unite_reads(one, other)
    assert (both.period, both.at(MOST_POSITIONS - 1)) == (MOST_POSITIONS, (0, MOST_POSITIONS - 2))
    odd = compose_reads(nearest_input((1, 3)), sliding_window(1, 3, 0, 1))
    with pytest.raises(TooVaried):
        unite_reads(one, odd)


def test_chaining_two_layers_examines_as_many_positions_as_the_limit() -> None:
    """Each output of a period of 400 examines 250 positions of its input: 100,000. Dilation skips every second one."""
    assert MOST_READ == 400 * 250
    repeats = nearest_input((1, 400))
    for dilation, kernel in ((1, 250), (2, 251)):
        reads = compose_reads(sliding_window(kernel, 1, 0, dilation), repeats)
        assert (reads.period, reads.at(0), reads.at(400)) == (400, (0, dilation * (kernel - 1) // 400), (1, dilation))
        with pytest.raises(TooVaried):
            compose_reads(sliding_window(kernel + 1, 1, 0, dilation), repeats)


def test_a_window_over_many_periods_examines_only_one() -> None:
    """316 × 316 = 99,856, however large the window is; 317 × 317 exceeds the limit."""
    assert compose_reads(sliding_window(10**6, 1, 0, 1), nearest_input((1, 316))).at(1) == (0, 10**6 // 316)
    with pytest.raises(TooVaried):
        compose_reads(sliding_window(10**6, 1, 0, 1), nearest_input((1, 317)))


def test_sizes_are_reduced_before_the_period_is_limited() -> None:
    assert adaptive_window(20 * MOST_POSITIONS, 10 * MOST_POSITIONS) == sliding_window(2, 2, 0, 1)


def test_a_union_that_is_uniform_everywhere_has_period_1() -> None:
    """The second path reads only i + 2 for the positions i and i + 1, always within the first path's i to i + 10."""
    pairs = Reads(2, 2, (2, 2), (2, 2))
    for wide in (sliding_window(11, 1, 0, 1), sliding_window(16, 1, 5, 1)):
        assert unite_reads(wide, pairs) == unite_reads(pairs, wide) == wide
    assert unite_reads(sliding_window(2, 1, 0, 1), pairs) == Reads(2, 2, (0, 1), (2, 2))


def test_paths_that_read_nothing_have_no_centre() -> None:
    """Every second output of a transposed convolution with stride 2 reads nothing."""
    for nothing in (
        compose_reads(sliding_window(1, 2, 1, 1), spread_window(1, 2, 0, 1)),
        compose_reads(compose_reads(sliding_window(1, 2, 1, 1), spread_window(1, 2, 0, 1)), sliding_window(3, 1, 0, 1)),
        compose_reads(sliding_window(3, 1, 0, 1), compose_reads(sliding_window(1, 2, 1, 1), spread_window(1, 2, 0, 1))),
    ):
        assert (nothing.at(0), nothing.at(5), nothing.sizes(), nothing.jump) == (None, None, [0], (1, 1))
        assert nothing.center() == (0, 1)


# -- whether paths are aligned

LEFT = conv(3, padding=[[2, 0]])  # position i depends on i - 2 to i: its centre is -1
BEFORE = {
    "branches": [[LEFT], []],
    "merge": "add",
    "name": "before",
}  # i - 2 to i, centre -1, from two misaligned paths


@pytest.mark.parametrize("order", [["before", "left"], ["left", "before"]])
def test_one_misaligned_input_makes_a_merge_misaligned(order: list[str]) -> None:
    """Both inputs span i - 2 to i, but one of them merges misaligned paths."""
    left = {"conv": {**LEFT["conv"], "from": "input", "name": "left"}}
    found = fields(report({"input": [1, 16], "layers": [BEFORE, left, {"add": {"from": order}}, "relu"]}))
    span_of_both = {"size": [3], "jump": [1], "center": [-1]}
    assert found["left"] == {**span_of_both, "aligned": True}
    assert [found[name] for name in ("add1", "relu1")] == [{**span_of_both, "aligned": False}] * 2


@pytest.mark.parametrize("order", [["before", "last"], ["last", "before"]])
def test_a_misaligned_input_stays_misaligned_next_to_one_with_the_same_field(order: list[str]) -> None:
    layers = [BEFORE, {"relu": {"name": "last"}}, {"concat": {"from": order}}]
    found = fields(report({"input": [1, 16], "layers": layers}))
    assert found["concat1"] == {"size": [3], "jump": [1], "center": [-1], "aligned": False}


@pytest.mark.parametrize("order", [["before", "pooled"], ["pooled", "before"]])
def test_a_misaligned_input_stays_misaligned_next_to_one_that_covers_everything(order: list[str]) -> None:
    layers = [BEFORE, {"global_avgpool": {"name": "pooled"}}, {"multiply": {"from": order}}]
    found = fields(report({"input": [1, 16], "layers": layers}))
    assert (found["pooled"]["aligned"], found["multiply1"]["aligned"]) == (False, False)


def test_paths_may_be_misaligned_on_one_axis_only() -> None:
    """Aligned along the width and one input apart along the height, or vice versa."""
    for padding in ([[2, 0], [1, 1]], [[1, 1], [2, 0]]):
        branches = {"branches": [[conv(3, padding=padding)], []], "merge": "add"}
        assert not last_field({"input": [1, 16, 16], "layers": [branches]})["aligned"]


def test_paths_with_one_centre_and_different_jumps_are_misaligned() -> None:
    """Position 0 depends on 0 through both paths, position 1 on 1 and on 2."""
    doubled = [conv(1, stride=2), {"pad": {"padding": [[0, 8]]}}]
    found = last_field({"input": [1, 16], "layers": [{"branches": [doubled, []], "merge": "add"}]})
    assert found == {"size": [16], "size_min": [1], "jump": None, "center": None, "aligned": False}


def test_different_jumps_on_one_axis_do_not_affect_the_other() -> None:
    """A field has jumps only if every axis has one."""
    doubled = [conv(1, stride=[1, 2]), {"pad": {"padding": [[0, 0], [0, 8]]}}]
    found = last_field({"input": [1, 16, 16], "layers": [{"branches": [doubled, []], "merge": "add"}]})
    assert found == {"size": [1, 16], "size_min": [1, 1], "jump": None, "center": None, "aligned": False}


def test_a_broadcast_input_is_followed_only_if_it_covers_everything() -> None:
    """A convolution as large as the input has one position, of size 8, yet does not count as covering everything."""
    unseen = last_field({"input": [1, 8], "layers": [conv(8), {"add": {"from": ["input", "previous"]}}]})
    assert unseen["size"] in ([8], None)
    pooled = last_field({"input": [1, 8], "layers": ["global_avgpool", {"add": {"from": ["input", "previous"]}}]})
    assert pooled["size"] == [8]


def test_a_path_with_another_jump_next_to_the_input() -> None:
    """Position i of 8 depends on i and on 2 (i - 2): together they span 5 at 0, 1 at 4, and 4 at 7."""
    found = last_field({"input": [1, 8], "layers": [beside_every(2)]})
    assert (found["size"], found["size_min"], found["jump"]) == ([5], [1], None)


# -- what remains of a field after pooling, repeating or reordering positions


def placed(*entries: Any) -> Any:
    """The field of the network's last layer that has distinct positions."""
    return report({"input": [1, 64], "layers": list(entries)})["totals"]["receptive_field"]


GLOBAL = {"size": [64], "global": True, "aligned": True}


def test_a_value_repeated_over_many_positions_has_positions_again() -> None:
    assert placed(conv(3), "global_avgpool")["size"] == [3]
    assert placed(conv(3), "global_avgpool", {"upsample": {"size": 8}}) == GLOBAL
    assert placed(conv(3), "global_avgpool", {"upsample": {"size": 1}})["size"] == [3]
    assert placed(conv(3), "global_avgpool", {"pointwise_conv": {"out_channels": 2}})["size"] == [3]


@pytest.mark.parametrize("order", [["conv1", "pooled"], ["pooled", "conv1"]])
def test_a_tensor_scaled_by_a_pooled_value_has_positions(order: list[str]) -> None:
    pooled = {"global_avgpool": {"name": "pooled"}}
    assert placed(conv(3), pooled, {"multiply": {"from": order}}) == GLOBAL


@pytest.mark.parametrize("order", [["conv1", "pooled"], ["pooled", "conv1"]])
def test_one_position_scaled_by_a_pooled_value_is_a_position(order: list[str]) -> None:
    """A convolution as large as the input has one position, which a gate does not take away."""
    pooled = {"global_avgpool": {"name": "pooled", "from": "input"}}
    assert placed(conv(64))["jump"] == [1]
    assert placed(conv(64), pooled, {"multiply": {"from": order}}) == GLOBAL


@pytest.mark.parametrize("order", [["one", "other"], ["other", "one"]])
def test_a_vector_of_several_positions_differs_from_that_of_one(order: list[str]) -> None:
    """A value that depends on 0 to 3 and a vector of all 8 positions: after a reshape, values may be anywhere."""
    layers: Entries = [
        {"flatten": {"name": "one"}},
        {"conv": {"out_channels": 2, "kernel_size": 4, "stride": 8, "from": "input"}},
        {"flatten": {"name": "other"}},
    ]
    dealt = [{"concat": {"from": order}}, {"reshape": {"shape": [10, 1]}}]
    found = fields(report({"input": [1, 8], "layers": layers + dealt}))
    assert [found[name]["size"] for name in ("conv1", "other", "reshape1")] == [[4], [4], None]


def test_a_report_is_complete_if_what_has_no_jump_sees_everything() -> None:
    assert report({"input": [1, 64], "layers": [conv(3), "global_avgpool", "flatten"]})["complete"]
    assert not report({"input": [1, 64], "layers": [beside_every(2)]})["complete"]


@pytest.mark.parametrize("outputs", [["branches1", "conv1"], ["conv1", "branches1"]])
def test_a_report_with_one_unknown_output_is_incomplete(outputs: list[str]) -> None:
    """Without that output, the same network is complete."""
    layers = [{**beside_every(2), "name": "branches1"}, {"conv": {**conv(3)["conv"], "from": "input"}}]
    assert not report({"input": [1, 64], "layers": layers, "outputs": outputs})["complete"]
    assert report({"input": [1, 64], "layers": layers, "outputs": ["conv1"]})["complete"]


def test_one_position_that_becomes_a_vector_keeps_its_field() -> None:
    layers: Entries = [{"conv": {"out_channels": 2, "kernel_size": 4, "stride": 8}}, "flatten"]
    found = last_field({"input": [1, 8], "layers": [*layers, {"reshape": {"shape": [2, 1]}}]})
    assert found["size"] == [4]


@pytest.mark.parametrize("order", [["cropped", "opaque1"], ["opaque1", "cropped"]])
def test_nothing_is_known_to_cover_everything_next_to_an_unknown_field(order: list[str]) -> None:
    """The last 4 of 64 inputs are added to the output of an opaque layer, which may depend on everything or nothing."""
    cropped = {"crop": {"amount": [[60, 0]], "name": "cropped"}}
    layers: Entries = [cropped, {"opaque": {"output_shape": [1, 4]}}, {"add": {"from": order}}, "global_avgpool"]
    found = fields(report({"input": [1, 64], "layers": layers}))
    assert [found[name]["size"] for name in ("opaque1", "add1", "global_avgpool1")] == [None] * 3
    assert "global" not in found["global_avgpool1"]


@pytest.mark.parametrize("order", [["input", "pooled"], ["pooled", "input"], ["pooled", "pooled2"]])
def test_an_opaque_layer_covers_everything_only_if_all_its_inputs_do(order: list[str]) -> None:
    """It may ignore any of its inputs, and any of their positions."""
    pools: Entries = [{"global_avgpool": {"name": name, "from": "input"}} for name in ("pooled", "pooled2")]
    opaque = {"opaque": {"output_shape": [1, 4], "from": order}}
    found = last_field({"input": [1, 64], "layers": [*pools, opaque]})
    assert found["size"] == (None if "input" in order else [64])


@pytest.mark.parametrize("order", [["opaque1", "everywhere"], ["everywhere", "opaque1"]])
def test_a_merge_with_what_covers_everything_covers_everything_even_next_to_an_unknown_field(order: list[str]) -> None:
    everywhere: Entries = [{"global_avgpool": {"from": "input"}}, {"upsample": {"size": 4, "name": "everywhere"}}]
    for reading in ({"add": {"from": order}}, {"attention": {"heads": 1, "from": order}}):
        assert placed({"opaque": {"output_shape": [1, 4]}}, *everywhere, reading) == GLOBAL


@pytest.mark.parametrize("order", [["before", "after"], ["after", "before"]])
@pytest.mark.parametrize("kind", ["attention", "matmul"])
def test_one_misaligned_input_makes_a_layer_that_reads_everything_misaligned(kind: str, order: list[str]) -> None:
    arguments = {"heads": 1} if kind == "attention" else {"transpose_second": True}
    after: Any = {"relu": {"name": "after", "from": "input"}}
    layers = [BEFORE, after, {kind: {**arguments, "from": order}}]
    found = last_field({"input": [1, 16], "layers": layers})
    assert (found["size"], found["aligned"]) == ([16], False)
    both = last_field({"input": [1, 16], "layers": [after, {kind: {**arguments, "from": ["after", "input"]}}]})
    assert (both["size"], both["aligned"]) == ([16], True)


def test_axes_on_which_inputs_are_aligned_are_independent_of_the_others() -> None:
    """Both depend on one row; along the width, one on i - 2 to i, the other on i to i + 2. Also with swapped axes."""
    for kernel, before, after in (([1, 3], [0, [2, 0]], [0, [0, 2]]), ([3, 1], [[2, 0], 0], [[0, 2], 0])):
        branches = [[conv(kernel, padding=padding)] for padding in (before, after)]  # type: ignore[arg-type]
        found = last_field({"input": [1, 16, 16], "layers": [{"branches": branches, "merge": "add"}]})
        size = [5 if k == 3 else 1 for k in kernel]
        assert found == {"size": size, "jump": [1, 1], "center": [0, 0], "aligned": False}


def test_the_whole_input_is_the_largest_of_those_with_the_most_axes() -> None:
    """An image, a smaller one and a vector, in every order."""
    inputs = {"small": [1, 8, 6], "image": [1, 16, 9], "vector": [4]}
    layers: Entries = [
        {"linear": {"out_features": 2, "from": "vector"}},
        {"conv": {"out_channels": 1, "kernel_size": [3, 5], "from": "image"}},
        {"global_avgpool": {"from": "image"}},
    ]
    for names in permutations(inputs):
        found = fields(report({"inputs": {name: inputs[name] for name in names}, "layers": layers}))
        assert found["conv1"]["size"] == [3, 5]
        assert found["global_avgpool1"] == {"size": [16, 9], "global": True, "aligned": True}
