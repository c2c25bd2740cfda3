"""Boxes and arrows are where a reader expects them: nothing overlaps, and arrows lead from box to box."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import convcalc
from convcalc.examples import list_names
from convcalc.render.drawing.diagram import Arrow, Scope, choose_fold, fold_network
from convcalc.render.drawing.layout import Layout, Size, place_graph
from convcalc.render.drawing.text_width import measure_text

Box = tuple[float, float, float, float]  # left, top, right, bottom
NEAR = 1e-6


def list_boxes(layout: Layout, sizes: Sequence[Size]) -> list[Box]:
    return [
        (x - size.width / 2, y - size.height / 2, x + size.width / 2, y + size.height / 2)
        for (x, y), size in zip(layout.centers, sizes, strict=True)
    ]


def overlap(one: Box, other: Box) -> bool:
    return (
        one[0] < other[2] - NEAR and other[0] < one[2] - NEAR and one[1] < other[3] - NEAR and other[1] < one[3] - NEAR
    )


def contains(outer: Box, inner: Box) -> bool:
    return (
        outer[0] <= inner[0] + NEAR
        and outer[1] <= inner[1] + NEAR
        and outer[2] >= inner[2] - NEAR
        and outer[3] >= inner[3] - NEAR
    )


def on_border(point: tuple[float, float], box: Box) -> bool:
    x, y = point
    inside = box[0] - NEAR <= x <= box[2] + NEAR and box[1] - NEAR <= y <= box[3] + NEAR
    return inside and (min(abs(x - box[0]), abs(x - box[2]), abs(y - box[1]), abs(y - box[3])) < NEAR)


def check(layout: Layout, sizes: Sequence[Size], arrows: Sequence[Arrow]) -> None:
    boxes = list_boxes(layout, sizes)
    for box in boxes:
        assert box[0] >= -NEAR
        assert box[1] >= -NEAR
        assert box[2] <= layout.width + NEAR
        assert box[3] <= layout.height + NEAR
    for one, other in combinations(boxes, 2):
        assert not overlap(one, other)
    assert len(layout.routes) == len(arrows)
    for arrow, route in zip(arrows, layout.routes, strict=True):
        assert on_border(route[0], boxes[arrow.source]), arrow
        assert on_border(route[-1], boxes[arrow.target]), arrow
        for (x0, y0), (x1, y1) in pairwise(route):
            assert abs(x0 - x1) < NEAR or abs(y0 - y1) < NEAR, f"{arrow} is slanted"
            line = (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
            assert line[0] >= -NEAR
            assert line[2] <= layout.width + NEAR
            crossed = [
                number
                for number, box in enumerate(boxes)
                if number not in arrow and overlap((line[0] - 1, line[1] - 1, line[2] + 1, line[3] + 1), box)
            ]
            assert crossed == [], f"{arrow} crosses the boxes {crossed}"


def check_frames(layout: Layout, sizes: Sequence[Size], scopes: Sequence[Scope]) -> None:
    """Frames hold boxes of their scope only, and each other or nothing in common; names are inside and not crossed."""
    boxes = list_boxes(layout, sizes)
    areas: list[Box] = [frame.area for frame in layout.frames]
    held = []
    for frame in layout.frames:
        area = frame.area
        assert area.left >= 0
        assert area.top >= 0
        assert area.right <= layout.width + NEAR
        assert area.bottom <= layout.height + NEAR
        inside = {number for number, box in enumerate(boxes) if overlap(box, area)}
        assert all(contains(area, boxes[number]) for number in inside)
        assert inside
        assert any(inside <= scope.boxes for scope in scopes)
        held.append(inside)
        x, y = frame.place
        name = (x, y - 9, x + measure_text(frame.name, 11), y + 3)
        assert contains(area, name)
        assert not any(overlap(name, box) for box in boxes)
        for route in layout.routes:
            for (x0, y0), (x1, y1) in pairwise(route):
                assert not overlap(name, (min(x0, x1) - 1, min(y0, y1) - 1, max(x0, x1) + 1, max(y0, y1) + 1))
    for (one, first), (other, second) in combinations(zip(areas, held, strict=True), 2):
        if overlap(one, other):
            assert contains(one, other) or contains(other, one)
            assert first <= second or second <= first
    names = [(*frame.place, frame.name) for frame in layout.frames]
    places = [(x, y - 9, x + measure_text(name, 11), y + 3) for x, y, name in names]
    for one, other in combinations(places, 2):
        assert not overlap(one, other)


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Size], list[Arrow]]:
    count = draw(st.integers(1, 14))
    arrows = set()
    for target in range(1, count):
        arrows |= {Arrow(source, target) for source in draw(st.sets(st.integers(0, target - 1), max_size=3))}
    sizes = [Size(draw(st.sampled_from([20, 90, 200])), draw(st.sampled_from([20, 60, 100]))) for _ in range(count)]
    return sizes, sorted(arrows)


@settings(max_examples=200, deadline=None)
@given(graphs())
def test_any_graph_is_drawn_without_overlaps(graph: tuple[list[Size], list[Arrow]]) -> None:
    sizes, arrows = graph
    check(place_graph(sizes, arrows), sizes, arrows)


@settings(max_examples=150, deadline=None)
@given(graphs(), st.data())
def test_frames_contain_only_the_boxes_of_their_scope(
    graph: tuple[list[Size], list[Arrow]], data: st.DataObject
) -> None:
    sizes, arrows = graph
    scopes: list[Scope] = []
    for start, length in data.draw(st.lists(st.tuples(st.integers(0, 12), st.integers(2, 8)), max_size=3)):
        members = frozenset(range(start, min(start + length, len(sizes))))
        is_nested = all(members <= one.boxes or one.boxes <= members or not members & one.boxes for one in scopes)
        if len(members) > 1 and is_nested and all(members != one.boxes for one in scopes):
            scopes.append(Scope(data.draw(st.sampled_from(["stage1", "a very long name of a scope", "漢字"])), members))
    layout = place_graph(sizes, arrows, scopes)
    check(layout, sizes, arrows)
    check_frames(layout, sizes, scopes)


def test_a_scope_with_another_box_between_its_boxes_has_no_frame() -> None:
    chain = [Arrow(0, 1), Arrow(1, 2), Arrow(2, 3)]
    sizes = [Size(90, 40)] * 4
    layout = place_graph(sizes, chain, [Scope("around", frozenset({0, 2})), Scope("end", frozenset({2, 3}))])
    assert [frame.name for frame in layout.frames] == ["end"]


def test_a_scope_without_room_for_its_name_has_no_frame() -> None:
    arrows = [Arrow(0, 1), Arrow(1, 2)]
    for width, count in ((90, 1), (20, 0)):
        layout = place_graph([Size(width, 40)] * 3, arrows, [Scope("stage1", frozenset({1, 2}))])
        assert len(layout.frames) == count


def test_the_name_of_a_frame_loses_outer_scopes_first() -> None:
    scopes = [Scope("model.features.stage2", frozenset({1, 2}))]
    for width, name in ((400, "model.features.stage2"), (180, "features.stage2"), (90, "stage2"), (60, "m…2")):
        layout = place_graph([Size(width, 40)] * 3, [Arrow(0, 1), Arrow(1, 2)], scopes)
        assert [frame.name for frame in layout.frames] == [name]


def test_the_stages_of_a_resnet_have_frames() -> None:
    report = convcalc.analyse(convcalc.load("example:resnet50"))
    diagram = fold_network(report, 2)
    sizes = [Size(160, 70)] * len(diagram.boxes)
    layout = place_graph(sizes, diagram.arrows, diagram.scopes)
    assert {frame.name for frame in layout.frames} == {"stage1", "stage2", "stage3", "stage4"}
    deep = fold_network(report, None)
    layout = place_graph([Size(160, 70)] * len(deep.boxes), deep.arrows, deep.scopes)
    assert {"stage1", "stage1.0", "stage3", "stage3.5"} <= {frame.name for frame in layout.frames}


@pytest.mark.parametrize("name", list_names())
def test_examples_are_drawn_without_overlaps(name: str) -> None:
    report = convcalc.analyse(convcalc.load(f"example:{name}"))
    for diagram in (choose_fold(report), fold_network(report, 1), fold_network(report, None)):
        sizes = [Size(100 + 7 * (number % 5), 40 + 15 * (number % 3)) for number in range(len(diagram.boxes))]
        layout = place_graph(sizes, diagram.arrows, diagram.scopes)
        check(layout, sizes, diagram.arrows)
        check_frames(layout, sizes, diagram.scopes)
