"""Draws the parts that all pictures have: the title and totals at the top, and the margins around the picture."""

from collections.abc import Sequence

from convcalc.analysis.report import Report
from convcalc.problems import printable
from convcalc.render.drawing.scene import Part, Scene, Text
from convcalc.units import format_bytes, format_count

MARGIN = 24
_TITLE, _FACT = 18, 12  # font sizes
_HEIGHT = 58  # of the title and the facts, with the space below them


def describe_totals(report: Report) -> str:
    """Return the line below the title: the input, params, MACs and peak memory of the network."""
    named = report.network.inputs.items()
    inputs = ", ".join(f"{printable(name)} {shape}" if len(named) > 1 else str(shape) for name, shape in named)
    totals = report.totals
    return (
        f"input {inputs} · {format_count(totals.params)} params · {format_count(totals.macs)} MACs · "
        f"peak memory {format_bytes(totals.peak_memory)}"
    )


def frame_picture(
    title: str, facts: str, width: float, height: float, parts: Sequence[Part], description: str
) -> Scene:
    """Return a scene with a title, a line of facts, and a picture of the given size.

    The shapes in `parts` must already have their final coordinates, with the picture's corner at `picture_origin`.
    """
    heading = [
        Text(MARGIN, MARGIN + 14, printable(title), _TITLE, bold=True),
        Text(MARGIN, MARGIN + 36, printable(facts), _FACT, tone="faint"),
    ]
    across = max(width, *(text.width for text in heading))
    left, top = picture_origin()
    return Scene(left + across + MARGIN, top + height + MARGIN, printable(title), description, [Part(heading), *parts])


def picture_origin() -> tuple[float, float]:
    """Return the top left corner of the picture below the heading."""
    return MARGIN, MARGIN + _HEIGHT
