"""The receptive field for people and programs: its growth through the layers, and a region drawn over the input."""

import json
from typing import Any

from convcalc.analysis.receptive_field import FieldReport, input_size
from convcalc.analysis.report import LayerReport, Report, field_dict
from convcalc.problems import printable
from convcalc.reads import Ratio
from convcalc.region import Interval, NoRegion, Region, middle, region
from convcalc.render.columns import EIGHTHS, field_text, jump_text, per_axis_text, ratio_text
from convcalc.render.grid import GAP
from convcalc.render.lines import Line
from convcalc.render.table import heading
from convcalc.shape import AXIS_NAMES

SCHEMA = "convcalc/receptive_field/1"
BAR = 24
WIDEST, TALLEST = 64, 24  # characters of a drawing
COVERS = " ◀ covers it"
HEAD = ("layer", "output", "field", "jump", "center", "border")


# -- growth


def growth_lines(report: Report, width: int | None, every: bool) -> list[Line]:
    """A line a layer: field, jump, centre, the share beyond the border, and a bar against the input's size.

    Layers that see no more than what they read are left out unless `every` one is asked for.
    """
    size = input_size(report.network)
    if not size:
        return [*heading(report, width), [], [("the input is a vector: it has no positions to see", "dim")]]
    rows: list[tuple[str, ...]] = [HEAD]
    bars, covered = [f"against the input, {'×'.join(map(str, size))}"], False
    for index in shown_layers(report, every):
        layer = report.layers[index]
        first = not covered and covers(layer.field, size)
        covered = covered or first
        rows.append(cells(report, index))
        bars.append(bar(layer.field, size) + (COVERS if first else ""))
    return [*heading(report, width), [], *side_by_side(rows, bars, width)]


def shown_layers(report: Report, every: bool) -> list[int]:
    """The layers that change the field, or every one."""
    first = len(report.network.inputs)
    fields = report.fields
    return [
        index
        for index, node in enumerate(report.network.nodes)
        if every or all(fields[first + index] != fields[tensor] for tensor in node.reads)
    ]


def covers(field: FieldReport, size: tuple[int, ...]) -> bool:
    """Whether every position sees as much as the input is large."""
    least = field.size_min or field.size
    return least is not None and all(seen >= length for seen, length in zip(least, size, strict=True))


def cells(report: Report, index: int) -> tuple[str, ...]:
    """The figures of one layer."""
    layer = report.layers[index]
    centers = "" if layer.field.center is None else per_axis_text(map(ratio_text, layer.field.center))
    return layer.name, str(layer.output_shape), field_text(layer), jump_text(layer), centers, border(report, index)


def border(report: Report, index: int) -> str:
    """The share of the middle position's field that lies beyond the input."""
    try:
        share = region(report, index, middle(report, index)).outside
    except NoRegion:
        return ""
    return percent(share) if share[0] else ""


def percent(share: Ratio) -> str:
    """A share in per cent."""
    return f"{share[0] / share[1]:.0%}"


def bar(field: FieldReport, size: tuple[int, ...]) -> str:
    """The largest part of the input that is seen along an axis, as a bar; an arrow where it is more than all."""
    if field.size is None:
        return "?"
    part = max(seen / length for seen, length in zip(field.size, size, strict=True))
    eighths = max(round(min(part, 1) * BAR * 8), 1)
    text = "█" * (eighths // 8) + EIGHTHS[eighths % 8].strip()
    return text + ("▸" if part > 1 else "")


def side_by_side(rows: list[tuple[str, ...]], bars: list[str], width: int | None) -> list[Line]:
    """Columns, and the bars beside them where there is room."""
    kept = list(range(len(HEAD)))
    widths = [max(len(row[column]) for row in rows) for column in kept]
    for dropped in (4, 5, 1, 3):  # centre, border, output, jump
        if width is None or sum(widths[column] + len(GAP) for column in kept) + BAR + 1 + len(COVERS) <= width:
            break
        kept.remove(dropped)
    lines: list[Line] = []
    for row, drawn in zip(rows, bars, strict=True):
        texts = [row[c].ljust(widths[c]) if c == 0 else row[c].rjust(widths[c]) for c in kept]
        style = "head" if row is HEAD else ""
        room = 1000 if width is None else width - sum(map(len, texts)) - len(GAP) * len(texts)
        lines.append([(GAP.join(texts) + GAP, style), (drawn[: max(room, 0)], style or "bar")])
    return lines


# -- one region


def region_lines(report: Report, index: int, seen: Region, width: int | None) -> list[Line]:
    """What one position of a layer sees: the figures, and a drawing over the input."""
    layer, size = report.layers[index], input_size(report.network)
    place = ", ".join(map(str, seen.position)) or "it"
    lines: list[Line] = [
        [(printable(report.network.name), "title"), (f"  {layer.name}, {layer.output_shape}, position {place}", "")],
        [],
        *facts(layer, size, seen),
    ]
    if seen.unclipped is not None and size:
        lines += [[], *drawing(seen.unclipped, size, width)]
    return lines


def facts(layer: LayerReport, size: tuple[int, ...], seen: Region) -> list[Line]:
    """The figures of a region, axis by axis."""
    of_input = f"  of {'×'.join(map(str, size))}"
    lines: list[Line] = [[("field   ", "head"), (field_text(layer), "title"), (of_input, "dim")]]
    if layer.field.jump is not None:
        lines.append([("jump    ", "head"), (jump_text(layer), "")])
    names = AXIS_NAMES[len(size)]
    for axis, name in enumerate(names):
        whole = "nothing" if seen.unclipped is None else shown_interval(seen.unclipped[axis])
        within = "nothing" if seen.clipped is None else shown_interval(seen.clipped[axis])
        note = "" if whole == within else f"  within the input {within}"
        lines.append([(f"{name:<8}", "head"), (whole, ""), (note, "dim")])
    lines.append([("border  ", "head"), (percent(seen.outside), ""), (" of the field lies beyond the input", "dim")])
    return lines


def shown_interval(interval: Interval) -> str:
    """`-29 … 397`."""
    return f"{interval[0]} … {interval[1]}"


def drawing(intervals: tuple[Interval, ...], size: tuple[int, ...], width: int | None) -> list[Line]:
    """The input as dots, the field over it: dark within the input, light beyond. The last two axes are drawn."""
    plane = list(zip(intervals, size, strict=True))[-2:]
    if len(plane) == 1:
        plane = [((0, 0), 1), *plane]
    (rows, height), (columns, length) = plane
    across = min(WIDEST, (width or WIDEST) - 2)
    ticks = [ticks_of(columns, length, across), ticks_of(rows, height, TALLEST if height > 1 else 1)]
    lines: list[Line] = []
    for y in ticks[1]:
        text = "".join(
            mark(touches(x, columns) and touches(y, rows), touches(x, (0, length - 1)) and touches(y, (0, height - 1)))
            for x in ticks[0]
        )
        lines.append([("  " + text, "bar")])
    key = "█ seen   · input, not seen   ░ beyond the input"
    return [*lines, [], [("  " + key, "dim")]]


def ticks_of(interval: Interval, size: int, most: int) -> list[tuple[float, float]]:
    """The stretches of an axis that the characters of a drawing stand for."""
    low, high = min(interval[0], 0), max(interval[1], size - 1) + 1
    count = min(most, high - low)
    step = (high - low) / count
    return [(low + step * place, low + step * (place + 1)) for place in range(count)]


def touches(tick: tuple[float, float], interval: Interval) -> bool:
    """Whether the middle of a stretch lies in an interval."""
    center = (tick[0] + tick[1]) / 2
    return interval[0] <= center < interval[1] + 1


def mark(seen: bool, inside: bool) -> str:
    """The character of a place."""
    if seen:
        return "█" if inside else "░"
    return "·" if inside else " "


# -- for programs


def field_json(report: Report, index: int | None, seen: Region | None) -> str:
    """All layers' fields, or one with the region that a position sees."""
    network = report.network
    found: dict[str, Any] = {
        "schema": SCHEMA,
        "name": network.name,
        "file": network.file,
        "input_size": list(input_size(network)),
    }
    indexes = range(len(report.layers)) if index is None else [index]
    found["layers"] = [layer_dict(report, place) for place in indexes]
    if seen is not None:
        found["region"] = {
            "position": list(seen.position),
            "unclipped": None if seen.unclipped is None else [list(interval) for interval in seen.unclipped],
            "clipped": None if seen.clipped is None else [list(interval) for interval in seen.clipped],
            "outside": seen.outside[0] / seen.outside[1],
        }
    return json.dumps(found, indent=1) + "\n"


def layer_dict(report: Report, index: int) -> dict[str, Any]:
    """One layer's field."""
    layer = report.layers[index]
    shape = list(layer.output_shape.sizes)
    return {"name": layer.name, "kind": layer.kind, "output_shape": shape, **field_dict(layer.field)}


def region_svg(report: Report, index: int, seen: Region) -> str:
    """The input as a frame and the region over it, as an SVG picture in units of input positions."""
    size = input_size(report.network)
    intervals = seen.unclipped or tuple((0, -1) for _ in size)
    plane = list(zip(intervals, size, strict=True))[-2:]
    if len(plane) == 1:
        plane = [((0, max(size[-1] // 16, 1) - 1), max(size[-1] // 16, 1)), *plane]
    ((top, bottom), height), ((left, right), width) = plane
    x, y = min(left, 0), min(top, 0)
    across, down = max(right + 1, width) - x, max(bottom + 1, height) - y
    margin = max(across, down) / 50
    box = f"{x - margin:g} {y - margin:g} {across + 2 * margin:g} {down + 2 * margin:g}"
    stroke = f'stroke-width="{max(across, down) / 200:g}"'
    seen_box = f'x="{left}" y="{top}" width="{right - left + 1}" height="{bottom - top + 1}"'
    title = f"{report.layers[index].name} at {', '.join(map(str, seen.position))}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" width="480">\n'
        f"<title>{title}</title>\n"
        f'<rect x="0" y="0" width="{width}" height="{height}" fill="#f4f4f4" stroke="#444" {stroke}/>\n'
        f'<rect {seen_box} fill="#2a9d8f" fill-opacity="0.5" stroke="#2a9d8f" {stroke}/>\n'
        "</svg>\n"
    )
