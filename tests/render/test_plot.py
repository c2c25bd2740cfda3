"""Plots are readable whatever their data: round ticks, values in their places, no text over another, names as text."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from itertools import combinations, pairwise
from math import isclose
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convcalc.render.drawing.axes import choose_binary_ticks, choose_log_ticks, choose_steps, choose_ticks
from convcalc.render.drawing.palette import SERIES, TONES
from convcalc.render.drawing.plot import Axis, Curve, Mark, Rectangle, draw_curves, draw_rectangles, draw_scatter
from convcalc.render.drawing.scene import Line, Polygon, Scene, Text
from convcalc.render.drawing.span import format_value, make_span
from convcalc.render.drawing.svg import write_svg
from convcalc.render.drawing.text_width import cut_text, measure_text
from convcalc.render.drawing.tikz import write_tikz
from tests.render.test_drawing import HOSTILE, SVG, contrast, list_texts, place_text

FINITE = st.floats(-1e12, 1e12)
POSITIVE = st.floats(1e-6, 1e12)
NAMES = st.sampled_from(
    ["", "a", "stage1.conv1", "a name that is longer than the room next to its mark", HOSTILE, "漢字"]
)


def check_texts(scene: Scene) -> None:
    places = [place_text(text) for text in list_texts(scene)]
    for place in places:
        assert 0 <= place[0] <= place[2] <= scene.width
        assert 0 <= place[1] < place[3] <= scene.height
    for one, other in combinations(places, 2):
        assert one[3] <= other[1] or other[3] <= one[1] or one[2] <= other[0] or other[2] <= one[0], (one, other)


def find_marks(scene: Scene, names: Sequence[str]) -> list[tuple[float, float]]:
    """The centres of the marks with these names."""
    boxes = {part.name: part.shapes[0] for part in scene.parts if part.name}
    found = []
    for name in names:
        shape = boxes[name]
        assert isinstance(shape, Polygon)
        found.append(tuple(sum(point[axis] for point in shape.points) / len(shape.points) for axis in (0, 1)))
    return found  # type: ignore[return-value]


@given(st.floats(-1e9, 1e9), st.floats(1e-9, 1e9), st.integers(1, 12))
def test_steps_are_round_equal_and_within_the_range(low: float, length: float, most: int) -> None:
    high = low + length
    if high - low < 1e-9 * max(abs(low), abs(high)):
        return  # floats are not close enough to divide this range
    found = choose_steps(low, high, most)
    assert len(found) <= most + 1
    slack = 1e-6 * (high - low)
    assert all(low - slack <= tick <= high + slack for tick in found)
    if len(found) > 2:
        steps = [after - before for before, after in pairwise(found)]
        assert max(steps) - min(steps) < slack
        assert any(
            isclose(steps[0], digit * 10.0**power, rel_tol=1e-4) for digit in (1, 2, 5) for power in range(-12, 12)
        )
    assert len(choose_steps(low, high, most * 6)) > 1


def test_ticks_of_known_ranges() -> None:
    assert choose_steps(0.62, 0.81, 5) == [0.65, 0.7, 0.75, 0.8]
    assert choose_steps(0, 0.3, 3) == [0, 0.1, 0.2, 0.3]  # 3 · 0.1 is not 0.3 in floats
    assert choose_steps(-5, 5, 4) == [-5, 0, 5]
    assert choose_ticks(-93, 333, 8) == [0, 100, 200, 300]
    assert choose_binary_ticks(7 * 2**20, 4, 3 * 2**20) == [2**20 * n for n in (3, 4, 5, 6, 7)]
    assert choose_log_ticks(0.5, 2e6, 8) == [1, 10, 100, 1e3, 1e4, 1e5, 1e6]
    assert choose_log_ticks(3, 60, 6) == [5, 10, 20, 50]
    assert choose_log_ticks(1e-9, 1e9, 6) == [1e-9, 1e-6, 1e-3, 1, 1e3, 1e6, 1e9]
    assert choose_log_ticks(71, 79, 4) == [72, 74, 76, 78]
    assert choose_log_ticks(1000, 70_000, 3, base=2) == [1024, 4096, 16384, 65536]


@given(POSITIVE, st.floats(1.01, 1e12), st.integers(2, 10), st.sampled_from([2, 10]))
def test_ticks_of_a_logarithmic_axis_are_within_the_range(low: float, ratio: float, most: int, base: int) -> None:
    found = choose_log_ticks(low, low * ratio, most, base)
    assert len(found) <= max(most + 1, 7)
    assert found == sorted(set(found))
    assert all(low * (1 - 1e-6) <= tick <= low * ratio * (1 + 1e-6) for tick in found)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (20_000_000, "", "20 M"),
        (2.5 * 2**20, "B", "2.5 MiB"),
        (0, "B", "0 B"),
        (0.00004, "s", "40 µs"),
        (0.25, "s", "250 ms"),
        (2e-9, "s", "2 ns"),
        (3e11, "FLOP/s", "300 GFLOP/s"),
        (20, "FLOP/s", "20 FLOP/s"),
        (0.75, "", "0.75"),
        (62.5, "%", "62.5%"),
        (-1500, "", "-1.5 K"),
        (1e-5, "", "1e-05"),
    ],
)
def test_numbers_have_units_and_no_needless_zeros(value: float, unit: str, text: str) -> None:
    assert format_value(value, unit) == text


@pytest.mark.parametrize("log", [False, True])
def test_values_are_where_the_numbers_of_the_axes_say(log: bool) -> None:
    axis = Axis("x", log=log)
    scene = draw_scatter(
        "t", "f", [Mark(1, 5, "a"), Mark(10, 50, "b"), Mark(100, 500, "c")], axis, axis._replace(label="y")
    )
    one, two, three = find_marks(scene, "abc")
    share = 0.5 if log else 9 / 99
    for direction in (0, 1):
        assert (two[direction] - one[direction]) / (three[direction] - one[direction]) == pytest.approx(share)
    assert one[0] < three[0]
    assert one[1] > three[1]  # y grows upwards
    numbers = {text.text: text for text in list_texts(scene) if text.tone == "faint"}
    assert numbers["100"].x == pytest.approx(three[0])


@settings(max_examples=150, deadline=None)
@given(st.data(), st.booleans(), st.booleans(), st.sampled_from(["", "B", "s", "%", "FLOP/s"]))
def test_no_text_of_any_scatter_overlaps(data: st.DataObject, x_log: bool, y_log: bool, unit: str) -> None:
    xs, ys = (POSITIVE if log else FINITE for log in (x_log, y_log))
    figures = st.none() | st.floats(0, 1e12)
    marks = data.draw(st.lists(st.builds(Mark, xs, ys, NAMES, NAMES, figures, NAMES), min_size=1, max_size=25))
    front = data.draw(st.sets(st.integers(0, len(marks) - 1)))
    color = data.draw(st.sampled_from([None, Axis("params"), Axis(HOSTILE, "B")]))
    scene = draw_scatter(HOSTILE, "facts", marks, Axis("x", unit, x_log), Axis(HOSTILE, unit, y_log), front, color)
    check_texts(scene)
    marked = [part.shapes[0] for part in scene.parts if len(part.shapes) == 1 and isinstance(part.shapes[0], Polygon)]
    assert len(marked) == len(marks)
    for shape in marked:
        assert all(0 <= x <= scene.width and 0 <= y <= scene.height for x, y in shape.points)


def make_rectangle(left: int, width: int, bottom: int, height: int, name: str, series: str) -> Rectangle:
    return Rectangle(left, left + width, bottom, bottom + height, name, series)


@settings(max_examples=100, deadline=None)
@given(st.data(), st.booleans())
def test_no_text_of_any_rectangles_and_curves_overlaps(data: st.DataObject, whole: bool) -> None:
    sizes = st.integers(0, 10**9)
    made = st.builds(make_rectangle, sizes, sizes, sizes, sizes, NAMES, NAMES)
    rectangles = data.draw(st.lists(made, min_size=1, max_size=20))
    curves = data.draw(
        st.lists(st.builds(Curve, st.lists(st.tuples(sizes, sizes), max_size=5), NAMES, st.booleans()), max_size=4)
    )
    scene = draw_rectangles("t", HOSTILE, rectangles, Axis("x", whole=whole), Axis("y", "B", from_zero=True), curves)
    check_texts(scene)
    ElementTree.fromstring(write_svg(scene))
    assert write_tikz(scene).isascii()


def test_names_cover_neither_marks_nor_curves() -> None:
    marks = [Mark(x, x * x % 17, f"layer{x}") for x in range(1, 30)]
    curve = Curve([(x, x / 2) for x in range(30)], "limit")
    scene = draw_curves("t", "f", [curve], Axis("x"), Axis("y"), marks)
    names = [text for text in list_texts(scene) if text.text.startswith("layer")]
    assert len(names) > 15
    marked = [shape for part in scene.parts if part.name.startswith("layer") for shape in part.shapes]
    line = next(
        shape for part in scene.parts if part.name == "limit" for shape in part.shapes if isinstance(shape, Line)
    )
    for left, top, right, bottom in map(place_text, names):
        for shape in marked:
            assert isinstance(shape, Polygon)
            x, y = (sum(point[axis] for point in shape.points) / len(shape.points) for axis in (0, 1))
            assert not (left < x < right and top < y < bottom)
        for (x0, y0), (x1, y1) in pairwise(line.points):
            inside = [(x0 + (x1 - x0) * part / 50, y0 + (y1 - y0) * part / 50) for part in range(51)]
            assert not any(left < x < right and top < y < bottom for x, y in inside)


def test_the_front_is_a_line_through_its_marks_in_order_of_x() -> None:
    marks = [Mark(3, 30, "c"), Mark(1, 10, "a"), Mark(2, 5, "dominated"), Mark(2, 20, "b")]
    scene = draw_scatter("t", "f", marks, Axis("x"), Axis("y"), front=[0, 1, 3])
    line = next(shape for part in scene.parts if part.name == "Pareto front" for shape in part.shapes)
    assert isinstance(line, Line)
    assert [(round(x), round(y)) for x, y in line.points] == [(round(x), round(y)) for x, y in find_marks(scene, "abc")]
    texts = {text.text for text in list_texts(scene)}
    assert {"a", "b", "c", "Pareto front"} <= texts
    assert "dominated" not in texts


def test_tooltips_have_names_values_and_details() -> None:
    mark = Mark(0.0015, 71.8, "resnet18", title="width: 64")
    scene = draw_scatter("t", "f", [mark], Axis("latency", "s"), Axis("accuracy", "%"))
    assert [part.title for part in scene.parts if part.name == "resnet18"] == [
        "resnet18\nlatency: 1.5 ms\naccuracy: 71.8%\nwidth: 64"
    ]


def test_hostile_names_stay_text() -> None:
    marks = [Mark(1, 1, HOSTILE, HOSTILE, title=HOSTILE)]
    scenes = [
        draw_scatter(HOSTILE, HOSTILE, marks, Axis(HOSTILE), Axis(HOSTILE)),
        draw_rectangles(
            HOSTILE, HOSTILE, [Rectangle(0, 9, 0, 9, HOSTILE, HOSTILE, HOSTILE)], Axis(HOSTILE), Axis(HOSTILE)
        ),
        draw_curves(HOSTILE, HOSTILE, [Curve([(0, 0), (1, 1)], HOSTILE)], Axis(HOSTILE), Axis(HOSTILE)),
    ]
    for scene in scenes:
        text = write_svg(scene)
        tags = {element.tag for element in ElementTree.fromstring(text).iter()}
        assert tags <= {SVG + tag for tag in ("svg", "title", "desc", "style", "rect", "g", "path", "polygon", "text")}
        assert "\u202e" not in text
        latex = write_tikz(scene)
        assert r"\input" not in latex
        assert latex.isascii()


@pytest.mark.parametrize(
    ("marks", "axis", "message"),
    [
        ([], Axis("cost"), "the axis y has no values"),
        ([Mark(0, 1)], Axis("cost", log=True), "values on the axis cost must be positive numbers; got 0"),
        ([Mark(float("nan"), 1)], Axis("cost"), "values on the axis cost must be finite numbers; got nan"),
        ([Mark(float("inf"), 1)], Axis("cost"), "values on the axis cost must be finite numbers; got inf"),
        ([Mark(10**400, 1)], Axis("cost"), "values on the axis cost must be finite numbers"),
    ],
)
def test_values_without_a_place_on_an_axis_are_refused(marks: list[Mark], axis: Axis, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        draw_scatter("t", "f", marks, axis, Axis("y"))


@pytest.mark.parametrize("figure", [-1, float("inf"), float("nan")])
def test_figures_without_a_colour_on_the_scale_are_refused(figure: float) -> None:
    with pytest.raises(ValueError, match="must be finite and at least 0"):
        draw_scatter("t", "f", [Mark(1, 1, figure=figure)], Axis("x"), Axis("y"), color=Axis("params"))


@pytest.mark.parametrize(
    "values", [[0], [5, 5], [-3], [1e-300], [1e299, -1e299], [0.1, 0.1 + 1e-17], [2**63, 2**63 + 1]]
)
def test_equal_tiny_and_huge_values_have_an_axis(values: list[float]) -> None:
    for log in (False, True) if min(values) > 0 else (False,):
        for unit in ("", "B", "s"):
            span = make_span(Axis("x", unit, log), values, 0, 100)
            assert all(0 <= span.place(value) <= 100 for value in values)
            assert len(span.choose_ticks()) < 20


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
def test_series_have_contrast_and_names_are_readable_on_areas(mode: int) -> None:
    for number in range(SERIES):
        assert contrast(TONES[f"series{number}"][mode], TONES["back"][mode]) >= 3  # WCAG 2.2, 1.4.11
        assert contrast(TONES["text"][mode], TONES[f"area{number}"][mode]) >= 4.5


# Machado, Oliveira and Fernandes 2009, "A physiologically-based model for simulation of color vision deficiency",
# severity 1.0; for linear RGB
BLINDNESS = {
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
    "none": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
}


def see(color: str, kind: str) -> tuple[float, float, float]:
    """A colour in CIELAB (D65), as people with a kind of colour blindness see it."""
    values = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in values]
    red, green, blue = (
        min(max(sum(factor * value for factor, value in zip(row, linear, strict=True)), 0), 1)
        for row in BLINDNESS[kind]
    )
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089
    fx, fy, fz = (value ** (1 / 3) if value > 0.008856 else 7.787 * value + 16 / 116 for value in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("kind", list(BLINDNESS))
def test_the_first_series_differ_for_colour_blind_readers(mode: int, kind: str) -> None:
    seen = [see(TONES[f"series{number}"][mode], kind) for number in range(SERIES)]
    for (one, first), (other, second) in combinations(enumerate(seen), 2):
        distance = sum((a - b) ** 2 for a, b in zip(first, second, strict=True)) ** 0.5
        assert distance > 25, (one, other, distance)  # 2.3 is just noticeable


def test_thirty_series_differ_in_shape_or_colour() -> None:
    marks = [Mark(number, 1, f"m{number}", f"s{number}") for number in range(30)]
    scene = draw_scatter("t", "f", marks, Axis("x"), Axis("y"))
    found = set()
    for part in scene.parts:
        if part.name.startswith("m"):
            shape = part.shapes[0]
            assert isinstance(shape, Polygon)
            x, y = (sum(point[axis] for point in shape.points) / len(shape.points) for axis in (0, 1))
            found.add((shape.fill, shape.radius, tuple((round(a - x, 3), round(b - y, 3)) for a, b in shape.points)))
    assert len(found) == 30
    assert "and 18 more" in {text.text for text in list_texts(scene)}


def test_latex_makes_a_page_of_a_plot(tmp_path: Path) -> None:
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")
    marks = [Mark(n, n * n, f"m{n}", f"s{n}") for n in range(1, 9)]
    scene = draw_scatter("plot", "8 marks", marks, Axis("x", "B", log=True), Axis("y", "s"), front=[1, 2])
    (tmp_path / "a.tex").write_text(write_tikz(scene), encoding="ascii")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "a.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


def test_lines_of_data_have_sharp_corners() -> None:
    scene = draw_curves("t", "f", [Curve([(0, 0), (1, 9), (2, 0)], "peak")], Axis("x"), Axis("y"))
    path = re.findall(r'<g data-name="peak"><title>peak</title><path[^>]* d="([^"]*)"', write_svg(scene))
    assert path[0].count("L") == 2
    assert "Q" not in path[0]


def test_a_long_text_is_cut_at_once() -> None:
    text = "name" * 100_000
    assert measure_text(cut_text(text, 12, 100), 12) <= 100


def test_the_name_of_a_rectangle_is_cut_to_its_width_or_left_out() -> None:
    wide, narrow = Rectangle(0, 30, 0, 1, "stage1.branches1.conv1.output"), Rectangle(30, 31, 0, 1, "stage2")
    other = Rectangle(31, 200, 0, 1, "stage3")
    scene = draw_rectangles("t", "f", [wide, narrow, other], Axis("x"), Axis("y"))
    parts = {part.name: part for part in scene.parts}
    box, text = parts[wide.name].shapes
    assert isinstance(box, Polygon)
    assert isinstance(text, Text)
    first, last = text.text.split("…")
    assert wide.name.startswith(first)
    assert wide.name.endswith(last)
    assert box.points[0][0] < text.x < text.x + text.width < box.points[1][0]
    assert len(parts["stage2"].shapes) == 1
    assert parts["stage3"].shapes[1].text == "stage3"  # type: ignore[union-attr]
