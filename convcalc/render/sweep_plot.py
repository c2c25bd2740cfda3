"""Draws the scatter plot of `convcalc sweep --plot`: two columns of its rows, their front, and a third as colour."""

from collections.abc import Mapping, Sequence
from typing import Any

from convcalc.metrics.figures import FIGURES
from convcalc.metrics.target import Target
from convcalc.problems import Flaw
from convcalc.render.drawing.plot import Axis, Mark, draw_scatter
from convcalc.render.drawing.svg import write_svg
from convcalc.render.values import cell_text, device_text, device_title
from convcalc.space.ordering import Row, Signed
from convcalc.space.scatter import Scatter
from convcalc.spec.budget_metrics import LATENCY, MEASURED

Titles = Mapping[str, str]  # of the columns that depend on a runtime or a device

_WIDE = 100  # an axis is logarithmic if its largest value is this many times the smallest
_WHOLE = ("layers", "receptive_field")


def plot_svg(
    title: str, found: Scatter, names: Sequence[str], params: Sequence[str], axes: Sequence[Signed], target: Target
) -> str:
    """Return a plot of the columns x and y of `axes` as SVG; a third column is the colour of the marks.

    `names` are the columns of a row. The values of those in `params` label the marks of the front. Arena, flash and
    latency were measured on `target`. Raises Flaw if there are no points.
    """
    device = {name: device_title(name, target) for name in MEASURED if name not in params}
    front = found.front.list_rows()
    places = [names.index(axis.column) for axis in axes]
    best = set(map(id, front))
    rows = [*front, *(row for row in found.rows if id(row) not in best)]
    if not rows:
        known = " and ".join(axis.column for axis in axes)
        raise Flaw(f"--plot: nothing to plot: no row has a value of {known}")
    columns = [[row[place] for row in rows] for place in places]
    x, y = (_make_axis(axis.column, column, device) for axis, column in zip(axes, columns[:2], strict=False))
    color = None
    if len(axes) > 2 and all(isinstance(value, int | float) and value >= 0 for value in columns[2]):
        color = _make_axis(axes[2].column, columns[2], device)
    marks = [_make_mark(row, names, params, places, axes, device, color is not None) for row in rows]
    facts = f"{found.count:,} networks" + (f", {len(rows):,} of them drawn" if len(rows) < found.count else "")
    directions = " and ".join(f"{'most' if axis.minus else 'least'} {_label(axis.column, device)}" for axis in axes[:2])
    scene = draw_scatter(title, f"{facts} · front: {directions}", marks, x, y, range(len(front)), color)
    return write_svg(scene)


def _make_mark(
    row: Row,
    names: Sequence[str],
    params: Sequence[str],
    places: Sequence[int],
    axes: Sequence[Signed],
    device: Titles,
    scaled: bool,
) -> Mark:
    name = ", ".join(f"{param} {cell_text(param, row[names.index(param)], False)}" for param in params)
    x, y = (float(row[place]) for place in places[:2])
    if len(places) < 3:
        return Mark(x, y, name)
    value: Any = row[places[2]]
    column = axes[2].column
    text = device_text(column, value, False) if column in device else cell_text(column, value, False)
    title = f"{_label(column, device)} {text}"
    if scaled:
        return Mark(x, y, name, figure=float(value), title=title)
    return Mark(x, y, name, series=text or "unknown", title=title)


def _make_axis(column: str, values: Sequence[float], device: Titles) -> Axis:
    least, most = min(values), max(values)
    unit = "B" if column in device or (column in FIGURES and column.endswith("_memory")) else ""
    unit = "s" if column in device and column == LATENCY else unit
    return Axis(_label(column, device), unit, log=least > 0 and most >= _WIDE * least, whole=column in _WHOLE)


def _label(column: str, device: Titles) -> str:
    if column in device:
        return device[column]
    if column in FIGURES and column.endswith("_memory"):
        return column.replace("_", " ")
    return FIGURES.get(column, column)
