"""Feature maps do not overlap, arrows cross neither maps nor texts, and long rows wrap, whatever the network."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import convcalc
from convcalc.analysis.report import Report
from convcalc.examples import list_names
from convcalc.render.drawing.diagram import METRICS, Arrow, Box, Diagram, choose_fold, fold_network
from convcalc.render.drawing.scene import Line, Part, Polygon, Scene, Text
from convcalc.render.drawing.stack import draw_stack
from convcalc.render.drawing.stack_order import divide_line, find_cuts, order_maps
from convcalc.shape import Shape
from tests.render.test_drawing import place_text

Area = tuple[float, float, float, float]


def analyse(name: str) -> Report:
    return convcalc.analyse(convcalc.load(f"example:{name}"))


def crosses(start: tuple[float, float], end: tuple[float, float], area: Area) -> bool:
    """Whether a part of a line is inside an area, more than half a pixel from its edges."""
    first, last = 0.0, 1.0  # the part that is inside along both axes, as shares of the line
    for begin, stop, low, high in zip(start, end, area[:2], area[2:], strict=True):
        low, high = low + 0.5, high - 0.5
        if low >= high or max(begin, stop) <= low or min(begin, stop) >= high:
            return False
        if begin != stop:
            enters, leaves = sorted(((low - begin) / (stop - begin), (high - begin) / (stop - begin)))
            first, last = max(first, enters), min(last, leaves)
    return first < last


def overlap(one: Area, other: Area) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def place_solid(part: Part) -> Area:
    points = [point for shape in part.shapes if isinstance(shape, Polygon) for point in shape.points]
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def check(scene: Scene, arrows: int) -> None:
    maps = [part for part in scene.parts if part.name]
    solids = [place_solid(part) for part in maps]
    texts = [place_text(shape) for part in scene.parts for shape in part.shapes if isinstance(shape, Text)]
    lines = [shape for part in scene.parts for shape in part.shapes if isinstance(shape, Line)]
    assert len(lines) == arrows
    for area in (*solids, *texts):
        assert -0.01 <= area[0] <= area[2] <= scene.width
        assert -0.01 <= area[1] <= area[3] <= scene.height
    for one, other in combinations((*solids, *texts), 2):
        assert not overlap(one, other)
    for line in lines:
        for start, end in pairwise(line.points):
            assert min(start[0], end[0]) >= 0
            assert max(start[0], end[0]) <= scene.width
            near = [
                area
                for area in (*solids, *texts)
                if area[2] > min(start[0], end[0]) and area[0] < max(start[0], end[0])
            ]
            assert not any(crosses(start, end, area) for area in near), (line, [part.name for part in maps])


@pytest.mark.parametrize("name", list_names())
def test_arrows_of_examples_cross_neither_maps_nor_texts(name: str) -> None:
    report = analyse(name)
    for diagram in (choose_fold(report), fold_network(report, 1), fold_network(report, None)):
        _, arrows = order_maps(diagram)
        check(draw_stack(report, diagram, "macs"), len(arrows))


@st.composite
def diagrams(draw: st.DrawFn) -> Diagram:
    """A diagram of any graph, in which shapes do not matter."""
    count = draw(st.integers(1, 40))
    arrows = set()
    for target in range(1, count):
        near = st.integers(max(target - 4, 0), target - 1) if draw(st.booleans()) else st.just(target - 1)
        arrows |= {Arrow(source, target) for source in draw(st.sets(near, max_size=3))}
    shapes = st.sampled_from(
        [Shape(3, (224, 224)), Shape(512, (7, 7)), Shape(64, (56, 56)), Shape(10), Shape(8, (100,))]
    )
    names = st.sampled_from(["a", "stage1.branches1.0.conv_with_a_long_name", "漢字"])
    jump = draw(st.sampled_from([None, (1, 1)]))  # with None, the sizes choose the bands
    boxes = []
    for number in range(count):
        figures: dict[str, int | None] = {metric: draw(st.none() | st.integers(0, 9)) for metric in METRICS}
        output = draw(st.sampled_from(["", "", "output", "output of a long name"]))
        boxes.append(Box(f"{draw(names)}{number}", (), draw(shapes), figures, jump, leaves=("x",), output=output))
    return Diagram(tuple(boxes), tuple(sorted(arrows)), None)


ANY = analyse("lenet5")


@settings(max_examples=60, deadline=None)
@given(diagrams())
def test_arrows_of_any_graph_cross_neither_maps_nor_texts(diagram: Diagram) -> None:
    maps, arrows = order_maps(diagram)
    assert sorted(box for one in maps for box in one.boxes) == list(range(len(diagram.boxes)))
    assert all(source < target for source, target in arrows)
    check(draw_stack(ANY, diagram, "params"), len(arrows))


def test_a_branch_to_an_output_follows_the_map_that_it_starts_from() -> None:
    report = analyse("yolov8n")
    boxes = choose_fold(report).boxes
    maps, _ = order_maps(choose_fold(report))
    names = [boxes[one.boxes[-1]].name for one in maps]
    for scale, source in (("8", "small"), ("16", "medium"), ("32", "large")):
        start = names.index(source)
        assert {f"scores{scale}", f"boxes{scale}"} <= set(names[start : start + 6])


def test_the_classifier_stays_at_the_end_if_a_branch_ends_earlier() -> None:
    spec = {
        "input": [3, 32, 32],
        "layers": [
            {"conv": {"out_channels": 8, "kernel_size": 3, "name": "stem"}},
            {"conv": {"out_channels": 16, "kernel_size": 3, "name": "body"}},
            {"conv": {"out_channels": 24, "kernel_size": 3, "name": "top"}},
            {"conv": {"out_channels": 2, "kernel_size": 1, "name": "aux", "from": "stem"}},
            {"conv": {"out_channels": 4, "kernel_size": 1, "name": "main", "from": "top"}},
        ],
        "outputs": ["aux", "main"],
    }
    diagram = choose_fold(convcalc.analyse(convcalc.load(spec)))
    maps, _ = order_maps(diagram)
    assert [diagram.boxes[one.boxes[0]].name for one in maps] == ["input", "stem", "aux", "body", "top", "main"]


def test_long_rows_wrap_and_every_network_is_drawn() -> None:
    report = analyse("resnet152")
    scene = draw_stack(report, fold_network(report, None), "macs")
    assert scene.width < 2_400
    assert (
        min(shape.size for part in scene.parts for shape in part.shapes if isinstance(shape, Text)) == 11
    )  # not scaled
    dense = analyse("wavenet")  # skip connections pass every map
    scene = draw_stack(dense, fold_network(dense, None), "macs")
    assert max(scene.width, scene.height) == pytest.approx(16_000)


def test_a_line_ends_where_only_its_last_map_is_read_later() -> None:
    chain = [Arrow(n, n + 1) for n in range(5)]
    assert find_cuts(6, chain) == [0, 1, 2, 3, 4]
    assert find_cuts(6, [*chain, Arrow(1, 3)]) == [0, 1, 3, 4]  # both arrows of map 1 may pass, but not after map 2
    assert divide_line([10] * 6, [0, 1, 2, 3, 4], 20) == [0, 2, 4]
    assert divide_line([10] * 6, [3], 20) == [0, 4]
    assert divide_line([10] * 6, [], 20) == [0]
    assert divide_line([10] * 6, [0, 4], 40) == [0, 5]  # not a line of a single map
