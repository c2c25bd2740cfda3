"""Boxes and arrows are where a reader expects them: nothing overlaps, and arrows lead from box to box."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import convcalc
from convcalc.examples import list_names
from convcalc.render.drawing.diagram import Arrow, choose_fold, fold_network
from convcalc.render.drawing.layout import Layout, Size, place_graph

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


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Size], list[Arrow]]:
    count = draw(st.integers(1, 14))
    arrows = set()
    for target in range(1, count):
        arrows |= {Arrow(source, target) for source in draw(st.sets(st.integers(0, target - 1), max_size=3))}
    sizes = [Size(draw(st.sampled_from([20, 90, 200])), draw(st.sampled_from([20, 60, 100]))) for _ in range(count)]
    return sizes, sorted(arrows)


@settings(max_examples=400, deadline=None)
@given(graphs())
def test_any_graph_is_drawn_without_overlaps(graph: tuple[list[Size], list[Arrow]]) -> None:
    sizes, arrows = graph
    check(place_graph(sizes, arrows), sizes, arrows)


@pytest.mark.parametrize("name", list_names())
def test_examples_are_drawn_without_overlaps(name: str) -> None:
    report = convcalc.analyse(convcalc.load(f"example:{name}"))
    for diagram in (choose_fold(report), fold_network(report, 1), fold_network(report, None)):
        sizes = [Size(100 + 7 * (number % 5), 40 + 15 * (number % 3)) for number in range(len(diagram.boxes))]
        check(place_graph(sizes, diagram.arrows), sizes, diagram.arrows)
