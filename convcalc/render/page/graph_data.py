"""Makes the data of the graph of a page: the boxes and arrows of a network, placed, for each useful depth of folding.

The page only draws them: it colours the boxes by any metric, and writes the figure of that metric into each.
"""

from collections.abc import Sequence
from typing import Any

from convcalc.analysis.report import Report
from convcalc.render.drawing.diagram import METRICS, Box, Diagram, choose_fold, fold_network, format_figure
from convcalc.render.drawing.layout import Size, place_graph
from convcalc.render.drawing.text_width import cut_text, measure_text
from convcalc.render.rows import count_levels

_MOST_BOXES = 600  # limit of boxes per graph: more would be unreadable and slow to place
_NAME, _SMALL = 12, 11  # font sizes
_LEADING, _PADDING = 15, 10
_NARROWEST, _WIDEST = 96, 260


def list_graphs(report: Report) -> list[dict[str, Any]]:
    """Return the graph of each depth at which a network has more boxes than at the depth before, but not too many.

    The one that `convcalc draw` shows by default has `"chosen": true`.
    """
    found: list[Diagram] = []
    for depth in (*range(1, count_levels(report)), None):
        diagram = fold_network(report, depth)
        if len(diagram.boxes) > _MOST_BOXES:
            break
        if not found or len(diagram.boxes) > len(found[-1].boxes):
            found.append(diagram)
    chosen = len(choose_fold(report).boxes) if found else 0
    return [{**_place_diagram(diagram), "chosen": len(diagram.boxes) == chosen} for diagram in found]


def _place_diagram(diagram: Diagram) -> dict[str, Any]:
    texts = [_list_texts(box) for box in diagram.boxes]
    sizes = [_measure_box(box, lines) for box, lines in zip(diagram.boxes, texts, strict=True)]
    layout = place_graph(sizes, diagram.arrows)
    return {
        "depth": diagram.depth,
        "width": round(layout.width),
        "height": round(layout.height),
        "boxes": [
            _box_dict(box, lines, size, center)
            for box, lines, size, center in zip(diagram.boxes, texts, sizes, layout.centers, strict=True)
        ],
        "arrows": [[round(length) for point in route for length in point] for route in layout.routes],
    }


def _list_texts(box: Box) -> list[str]:
    """Return the lines of a box, its name first, without the line of its figure."""
    words = [*box.words, str(box.output_shape), *([f"→ {box.output}"] if box.output else [])]
    return [cut_text(box.name, _NAME, _WIDEST, bold=True), *(cut_text(word, _SMALL, _WIDEST) for word in words)]


def _measure_box(box: Box, lines: Sequence[str]) -> Size:
    """Return the size of a box that has room for the figure of any metric."""
    first, *others = lines
    figures = [f"{format_figure(metric, figure)} (99.9%)" for metric, figure in box.figures.items()]
    widths = [measure_text(first, _NAME, bold=True), *(measure_text(line, _SMALL) for line in (*others, *figures))]
    height = (len(lines) + bool(figures)) * _LEADING + _PADDING
    return Size(round(max(*widths, _NARROWEST)) + 2 * _PADDING, height)


def _box_dict(box: Box, lines: Sequence[str], size: Size, center: tuple[float, float]) -> dict[str, Any]:
    """Return a box; `x` and `y` are its top left corner. An input has no layers and no figures.

    The figures are in the order of `METRICS`. `copies` is left out if it is 1.
    """
    corner = [round(center[0] - size.width / 2), round(center[1] - size.height / 2)]
    found: dict[str, Any] = {"box": [*corner, round(size.width), round(size.height)], "lines": list(lines)}
    if box.is_input:
        return found
    found |= {"layers": list(box.layers), "figures": [box.figures[metric] for metric in METRICS]}
    return found if box.copies == 1 else {**found, "copies": box.copies}
