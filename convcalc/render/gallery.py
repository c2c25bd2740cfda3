"""The table of the examples that come with the package."""

from convcalc.analysis.report import analyse
from convcalc.network import Network
from convcalc.problems import shortened
from convcalc.render.lines import Line
from convcalc.units import format_count


def gallery_lines(networks: list[tuple[str, Network]], width: int | None) -> list[Line]:
    """A row a network: name, task, input, params, MACs, source."""
    rows = [("example", "task", "input", "params", "MACs", "source")]
    for name, network in networks:
        total = analyse(network).totals
        shapes = " + ".join(map(str, network.inputs.values()))
        task = str(network.own.get("x-task", ""))
        figures = format_count(total.params), format_count(total.macs)
        rows.append((name, task, shapes, *figures, " ".join(network.description.split())))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    columns = [0, 1, 2, 3, 4]
    if width is not None and sum(widths) + 2 * len(widths) > width:
        columns.remove(1)
    room = 1000 if width is None else width - sum(widths[column] + 2 for column in columns)
    lines: list[Line] = []
    for index, row in enumerate(rows):
        cells = [row[c].ljust(widths[c]) if c < 3 else row[c].rjust(widths[c]) for c in columns]
        style, note = "head" if index == 0 else "", shortened(row[5], room) if room > 10 else ""
        lead, middle = cells[0] + "  ", "  ".join(cells[1:]) + "  "
        lines.append([(lead, style or "group"), (middle, style), (note, style or "dim")])
    return lines
