"""Which positions the opaque operators of attention depend on, against a count of dependences by brute force."""

from __future__ import annotations

from math import prod
from typing import Any

import pytest

from convcalc.convert.operators import Operation
from convcalc.convert.positions import Axes, find_positions, refine_field

BATCH = 2


def follow(operator: str, before: tuple[int, ...], after: tuple[int, ...], at: set[int], **given: Any) -> Axes | None:
    operation = Operation("", operator, given, ("x",), ("y",))
    return find_positions(operation, {"x": before, "y": after}, {"x": frozenset(at)}, "y", False)


def positions_after_reshape(before: tuple[int, ...], after: tuple[int, ...], axes: set[int]) -> set[int]:
    """The axes along which some element's position, as numbered before the reshape, changes."""
    strides = [prod(before[axis + 1 :]) for axis in range(len(before))]

    def position(flat: int) -> tuple[int, ...]:
        return tuple(flat // strides[axis] % before[axis] for axis in sorted(axes))

    found = set()
    for axis in range(len(after)):
        stride = prod(after[axis + 1 :])
        for flat in range(prod(before)):
            if flat // stride % after[axis] + 1 < after[axis] and position(flat) != position(flat + stride):
                found.add(axis)
    return found


@pytest.mark.parametrize(
    ("before", "after", "axes"),
    [
        ((BATCH, 6, 12), (BATCH, 6, 3, 2, 2), {1}),
        ((BATCH, 6, 12), (BATCH, 2, 3, 12), {1}),
        ((BATCH, 8, 3, 4), (BATCH, 8, 12), {2, 3}),
        ((BATCH, 8, 12), (BATCH, 2, 4, 12), {2}),
        ((BATCH, 4, 6), (BATCH * 4, 6), {1}),
        ((BATCH * 4, 6), (BATCH, 4, 3, 2), {0}),
        ((BATCH, 5, 1, 1), (BATCH, 5), set()),
    ],
)
def test_a_reshape_keeps_positions_apart_from_channels(
    before: tuple[int, ...], after: tuple[int, ...], axes: set[int]
) -> None:
    found = follow("Reshape", before, after, axes)
    assert found is not None
    assert positions_after_reshape(before, after, axes) <= found
    assert found - positions_after_reshape(before, after, axes) <= {0}  # the batch may be joined with positions


def test_the_axes_follow_a_transpose_and_a_cut() -> None:
    assert follow("Transpose", (2, 6, 3, 4), (3, 2, 6, 4), {1}, perm=(2, 0, 1, 3)) == frozenset({2})
    assert follow("aten.unbind", (3, 2, 6, 4), (2, 6, 4), {2}, axis=0) == frozenset({1})
    assert follow("ReduceMean", (2, 6, 4), (2, 4), {1}, axes=(1,), keepdims=0) == frozenset()


@pytest.mark.parametrize(
    ("operator", "dims", "axes", "given", "field"),
    [
        ("Attention", (2, 4, 9, 8), {2}, {}, "all"),
        ("Attention", (2, 4, 3, 3, 8), {2, 3}, {}, "some"),  # windows: axis 2 says which
        ("Softmax", (2, 4, 9), {1, 2}, {"axis": -1}, "some"),
        ("Softmax", (2, 4, 9), {2}, {"axis": -1}, "all"),
        ("ReduceSum", (2, 4, 5, 6), {2, 3}, {"axes": (2, 3)}, "all"),
        ("ReduceSum", (2, 4, 5, 6), {2, 3}, {"axes": (3,)}, "some"),
        ("aten.unbind", (2, 3, 9), {2}, {"axis": 1}, "some"),
        ("aten.unbind", (2, 3, 9), {1}, {"axis": 1}, None),
        ("Reshape", (2, 3, 9), {1}, {}, "some"),
    ],
)
def test_the_field_depends_on_the_axes_that_are_mixed(
    operator: str, dims: tuple[int, ...], axes: set[int], given: dict[str, Any], field: str | None
) -> None:
    inputs = ("x", "x", "x") if operator == "Attention" else ("x",)
    operation = Operation("", operator, given, inputs, ("y",))
    assert refine_field(operation, {"x": dims}, {"x": frozenset(axes)}, None) == field
