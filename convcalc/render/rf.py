"""Writes receptive fields: how they grow from layer to layer, or the region that one position sees.

The formats are text and JSON; a region is also drawn over the input as text.
"""

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from convcalc.analysis.field_region import Interval, NoRegion, Region, find_region, middle_position
from convcalc.analysis.receptive_field import FieldReport, input_size
from convcalc.analysis.report import LayerReport, Report, field_dict
from convcalc.intervals import Ratio
from convcalc.problems import printable
from convcalc.render.columns import draw_bar as share_bar
from convcalc.render.columns import field_text, is_marked_misaligned, jump_text, per_axis_text, ratio_text
from convcalc.render.grid import LEAST_NAME
from convcalc.render.legend import legend_lines, list_signs
from convcalc.render.lines import GAP, Block, Line, Table
from convcalc.render.shifts import shift_facts, wrap_words
from convcalc.render.summary import heading_lines
from convcalc.shape import AXIS_NAMES

if TYPE_CHECKING:
    from convcalc.render.rf_effective import EffectiveFacts

_SCHEMA = "convcalc/receptive_field/1"
_BAR, _LEAST_BAR = 24, 8  # usual and minimum length of a bar, in characters
_WIDEST, _TALLEST = 64, 24  # maximum size of a drawing, in characters
_COVERS, _COVERS_SHORT = " ◀ covers input", " ◀"
_HEAD = ("layer", "output", "field", "jump", "center", "border")


# -- growth


def growth_lines(
    report: Report, width: int | None, every: bool, effective: "EffectiveFacts | None" = None
) -> list[Block]:
    """Return a table with one row per layer, which shows how the receptive field grows.

    Each row has the receptive field, the jump (cumulative stride), and the centre of the first position's receptive
    field. The column `border` has the share of the middle position's receptive field that lies outside the input. A bar
    compares the size of the receptive field with that of the input. Layers that do not change the receptive field are
    left out, unless `every` is true. With `effective`, the column `sigma` is added.
    """
    size = input_size(report.network)
    if not size:
        return [*heading_lines(report, width), [], [("the input is a vector: it has no spatial positions", "dim")]]
    shown = _choose_layers(report, every, effective)
    rows = [_HEAD, *(_cell_texts(report, index) for index in shown)]
    if effective is not None:
        rows = [(*row[:3], text, *row[3:]) for row, text in zip(rows, effective.make_column(shown), strict=True)]
    seen = [report.layers[index].receptive_field for index in shown]
    (titles, *others), room = _fit_rows(rows, width)
    title, *bars = _draw_bars(seen, size, room)
    right = [False, *[True] * (len(titles) - 1), False]
    cells = [[*((text, "") for text in texts), (bar, "bar")] for texts, bar in zip(others, bars, strict=True)]
    marked = any(is_marked_misaligned(report.layers[index]) for index in shown)
    table = Table([*titles, title], right, cells)
    notes = [] if effective is None else effective.explain(shown, width)
    legend = legend_lines(list_signs((), marked), width)
    shifts: list[Line] = [[], *([(text, "")] for text in wrap_words(shift_facts(report.network), width))]
    return [*heading_lines(report, width), [], table, *legend, *notes, *shifts]


def _choose_layers(report: Report, every: bool, effective: "EffectiveFacts | None") -> list[int]:
    """Return the indexes of the layers that change the receptive field, or the effective one; all with `every`."""
    first = len(report.network.inputs)
    fields = report.fields
    columns: list[Sequence[object]] = [fields] if effective is None else [fields, effective.texts]
    return [
        index
        for index, node in enumerate(report.network.nodes)
        if every or any(all(found[first + index] != found[tensor] for tensor in node.reads) for found in columns)
    ]


def _covers_input(field: FieldReport, size: tuple[int, ...]) -> bool:
    """Return whether the receptive field of every position is at least as large as an input of this size."""
    least = field.size_min or field.size
    return least is not None and all(seen >= length for seen, length in zip(least, size, strict=True))


def _cell_texts(report: Report, index: int) -> tuple[str, ...]:
    layer = report.layers[index]
    centers = (
        "" if layer.receptive_field.center is None else per_axis_text(map(ratio_text, layer.receptive_field.center))
    )
    return (
        layer.name,
        str(layer.output_shape),
        field_text(layer),
        jump_text(layer),
        centers,
        _outside_text(report, index),
    )


def _outside_text(report: Report, index: int) -> str:
    """Return the share of the middle position's receptive field that lies outside the input.

    The text is empty if the share is 0 or unknown.
    """
    try:
        share = find_region(report, index, middle_position(report, index)).outside
    except NoRegion:
        return ""
    return _percent_text(share) if share[0] else ""


def _percent_text(share: Ratio) -> str:
    return f"{share[0] / share[1]:.1%}"


def _draw_bars(seen: list[FieldReport], size: tuple[int, ...], room: int) -> list[str]:
    """Return the title of the bar column, followed by one bar per receptive field.

    `size` is the size of the input. The first receptive field that covers the input has `◀ covers input` after its bar.
    If `room` characters are too few for bars, all texts are empty.
    """
    marker = _COVERS if room > _BAR + len(_COVERS) else _COVERS_SHORT
    length = min(_BAR, room - 1 - len(marker))
    if length < _LEAST_BAR:
        return [""] * (len(seen) + 1)
    of = "×".join(map(str, size))
    bars = [next((title for title in (f"compared with the input, {of}", f"of {of}") if len(title) <= room), "")]
    covered = False
    for field in seen:
        first = not covered and _covers_input(field, size)
        covered = covered or first
        bars.append(_draw_field_bar(field, size, length) + (marker if first else ""))
    return bars


def _draw_field_bar(field: FieldReport, size: tuple[int, ...], length: int) -> str:
    """Return a bar for the ratio of receptive field to input, on the axis with the largest ratio.

    A bar of `length` characters stands for a ratio of 1. `▸` is added if the ratio is larger; `?` means unknown.
    """
    if field.size is None:
        return "?"
    part = max(seen / full for seen, full in zip(field.size, size, strict=True))
    return share_bar(part, length) + ("▸" if part > 1 else "")


def _fit_rows(rows: list[tuple[str, ...]], width: int | None) -> tuple[list[list[str]], int]:
    """Return the rows without the columns that are dropped to fit `width`, and the width left for bars.

    The first row has the titles. Columns are dropped until bars of `_BAR` characters fit. If that is not enough, names
    are cut to make room for shorter bars, but not to fewer than 2 × LEAST_NAME characters.
    """
    kept = list(range(len(rows[0])))
    widths = [max(len(row[column]) for row in rows) for column in kept]
    full, least = _BAR + 1 + len(_COVERS), _LEAST_BAR + 1 + len(_COVERS_SHORT)
    for dropped in map(rows[0].index, ("center", "border", "output", "jump")):
        if width is None or sum(widths[column] + len(GAP) for column in kept) + full <= width:
            break
        kept.remove(dropped)
    room = full
    if width is not None:
        others = sum(widths[column] for column in kept[1:]) + len(GAP) * (len(kept) - 1)
        beside = width - others - len(GAP) - least  # width left for names next to bars of the minimum length
        if beside < min(widths[0], 2 * LEAST_NAME):
            beside = width - others
        widths[0] = min(widths[0], max(beside, LEAST_NAME))
        room = width - others - widths[0] - len(GAP)
    texts = []
    for row in rows:
        name = row[0] if len(row[0]) <= widths[0] else row[0][: widths[0] - 1] + "…"
        texts.append([name, *(row[column] for column in kept[1:])])
    return texts, room


# -- one region


def region_lines(
    report: Report, index: int, seen: Region, width: int | None, effective: "EffectiveFacts | None" = None
) -> list[Line]:
    """Return facts about the input region on which one position depends, and a drawing of that region.

    `index` is the index of the layer, and `seen` is the region. With `effective`, the facts of the effective receptive
    field are added.
    """
    layer, size = report.layers[index], input_size(report.network)
    place = f", position {', '.join(map(str, seen.position))}" if seen.position else ""
    lines: list[Line] = [
        [(printable(report.network.name), "title"), (f"  {layer.name}, {layer.output_shape}{place}", "")],
        [],
        *_fact_lines(layer, size, seen),
        *([] if effective is None else effective.describe(index, seen.position, width)),
    ]
    if seen.unclipped is not None and size:
        lines += [[], *_draw_region(seen.unclipped, size, width)]
    return lines


def _fact_lines(layer: LayerReport, size: tuple[int, ...], seen: Region) -> list[Line]:
    of_input = f"  of {'×'.join(map(str, size))}"
    lines: list[Line] = [[("field   ", "head"), (field_text(layer), "title"), (of_input, "dim")]]
    if layer.receptive_field.jump is not None:
        lines.append([("jump    ", "head"), (jump_text(layer), "")])
    names = AXIS_NAMES[len(size)]
    for axis, name in enumerate(names):
        whole = "nothing" if seen.unclipped is None else _interval_text(seen.unclipped[axis])
        within = "nothing" if seen.clipped is None else _interval_text(seen.clipped[axis])
        note = "" if whole == within else f"  within the input {within}"
        lines.append([(f"{name:<8}", "head"), (whole, ""), (note, "dim")])
    lines.append(
        [("border  ", "head"), (_percent_text(seen.outside), ""), (" of the field lies beyond the input", "dim")]
    )
    return lines


def _interval_text(interval: Interval) -> str:
    return f"{interval[0]} … {interval[1]}"


def _draw_region(intervals: tuple[Interval, ...], size: tuple[int, ...], width: int | None) -> list[Line]:
    """Draw a region over the last two axes of the input, with a legend below.

    The input is drawn as dots. The region is drawn dark inside the input and light outside it. A character that stands
    for several positions is drawn as part of the region if one of these positions is in the region.
    """
    plane = list(zip(intervals, size, strict=True))[-2:]
    if len(plane) == 1:
        plane = [((0, 0), 1), *plane]
    (rows, height), (columns, length) = plane
    across = max(min(_WIDEST, (width or _WIDEST) - 2), 1)
    marks_across = [_find_overlaps(covered, columns, length) for covered in _divide_axis(columns, length, across)]
    marks_down = [
        _find_overlaps(covered, rows, height) for covered in _divide_axis(rows, height, _TALLEST if height > 1 else 1)
    ]
    lines: list[Line] = []
    for down in marks_down:
        text = "".join(_pick_character(*map(all, zip(down, over, strict=True))) for over in marks_across)
        lines.append([("  " + text, "bar")])
    return [*lines, [], *([("  " + text, "dim")] for text in _legend_lines(across))]


def _legend_lines(across: int) -> list[str]:
    parts = ["█ region", "· rest of the input", "░ region beyond the input"]
    whole = "   ".join(parts)
    return [whole] if len(whole) <= across else parts


class _CharacterRange(NamedTuple):
    """The positions along an axis that one character of a drawing stands for: from start / parts to stop / parts.

    These fractions are exact even if a character does not stand for a whole number of positions.
    """

    start: int
    stop: int
    parts: int


def _divide_axis(interval: Interval, size: int, most: int) -> list[_CharacterRange]:
    """Divide an axis into at most `most` ranges of equal length, one per character of the drawing.

    The axis covers the input, from 0 to `size` - 1, and `interval`, which may extend beyond the input.
    """
    low, high = min(interval[0], 0), max(interval[1], size - 1) + 1
    count = min(most, high - low)
    bounds = [low * count + (high - low) * place for place in range(count + 1)]
    return [_CharacterRange(start, stop, count) for start, stop in pairwise(bounds)]


def _find_overlaps(covered: _CharacterRange, interval: Interval, size: int) -> tuple[bool, bool, bool]:
    """Return three answers: whether a range overlaps the region inside the input, the whole region, and the input.

    `interval` is the region, and `size` is the size of the input.
    """
    within = (max(interval[0], 0), min(interval[1], size - 1))
    return _overlaps(covered, within), _overlaps(covered, interval), _overlaps(covered, (0, size - 1))


def _overlaps(covered: _CharacterRange, interval: Interval) -> bool:
    low, high = interval[0] * covered.parts, (interval[1] + 1) * covered.parts
    return max(covered.start, low) < min(covered.stop, high)


def _pick_character(seen_within: bool, seen: bool, within: bool) -> str:
    return "█" if seen_within else "░" if seen else "·" if within else " "


# -- for programs


def field_json(
    report: Report, index: int | None, seen: Region | None, effective: "EffectiveFacts | None" = None
) -> str:
    """Return the receptive fields of all layers as JSON text, or only that of the layer `index`.

    If `seen`, the input region of one position, is not None, it is added; so are the effective receptive fields.
    """
    network = report.network
    found: dict[str, Any] = {
        "schema": _SCHEMA,
        "name": network.name,
        "file": network.file,
        "input_size": list(input_size(network)),
    }
    if index is None:
        found["shift_equivariance"] = report.shifts_dict()
    indexes = range(len(report.layers)) if index is None else [index]
    found["layers"] = [_layer_dict(report, place, effective) for place in indexes]
    if seen is not None:
        found["region"] = {
            "position": list(seen.position),
            "unclipped": None if seen.unclipped is None else [list(interval) for interval in seen.unclipped],
            "clipped": None if seen.clipped is None else [list(interval) for interval in seen.clipped],
            "outside": seen.outside[0] / seen.outside[1],
        }
        if effective is not None and index is not None:
            found["region"]["effective"] = effective.region_dict(index, seen.position)
    if effective is not None:
        found["ignored"] = effective.list_ignored(index)
    return json.dumps(found, indent=1) + "\n"


def _layer_dict(report: Report, index: int, effective: "EffectiveFacts | None") -> dict[str, Any]:
    layer = report.layers[index]
    shape = list(layer.output_shape.sizes)
    found = {"name": layer.name, "kind": layer.kind, "output_shape": shape, **field_dict(layer.receptive_field)}
    if effective is not None:
        found["effective"] = effective.layer_dict(index)
    return found
