"""Draws the scale from a figure to a colour, and chooses the tone of a figure."""

from collections.abc import Iterable

from convcalc.render.drawing.diagram import format_amount, metric_title
from convcalc.render.drawing.scene import STEPS, Part, Shape, Text, make_box

HEIGHT, WIDTH = 44, 8 * 30 + 60  # of the scale, with its texts
_STEP = 30
_FONT = 11


def choose_tone(figure: float | None, most: float) -> str:
    """Return the tone for a figure of at most `most`: `step0` only for 0, and `unknown` for None."""
    if figure is None:
        return "unknown"
    return f"step{int(-(-figure * (STEPS - 1) // most)) if most else 0}"


def draw_scale(metric: str, figures: Iterable[int | None], x: float, y: float) -> Part:
    """Return the scale of a metric, whose top left corner is at x and y: its title, its colours, 0 and the maximum."""
    known = list(figures)
    most = max((figure or 0 for figure in known), default=0)
    return draw_colors(metric_title(metric), format_amount(metric, most), None in known, x, y)


def draw_colors(title: str, most: str, has_unknown: bool, x: float, y: float) -> Part:
    """Return a scale of colours from 0 to a maximum, given as text; its top left corner is at x and y."""
    shapes: list[Shape] = [
        Text(x, y + 9, f"colour: {title}", _FONT, tone="faint"),
        *(make_box(x + step * _STEP, y + 16, _STEP, 10, f"step{step}") for step in range(STEPS)),
        Text(x, y + 39, "0", _FONT, tone="faint"),
        Text(x + STEPS * _STEP, y + 39, most, _FONT, anchor="end", tone="faint"),
    ]
    if has_unknown:
        shapes += [
            make_box(x + STEPS * _STEP + 16, y + 16, 16, 10, "unknown"),
            Text(x + STEPS * _STEP + 16, y + 39, "unknown", _FONT, tone="faint"),
        ]
    return Part(shapes)
