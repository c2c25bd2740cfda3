"""The table of the examples that come with the package."""

from convcalc.analysis.report import analyse
from convcalc.network import Network
from convcalc.problems import shortened
from convcalc.render.lines import Line
from convcalc.units import format_count


def gallery_lines(networks: list[tuple[str, Network]], width: int | None) -> list[Line]:
    """A row a network: name, input, params, MACs, description."""
    rows = [("example", "input", "params", "MACs", "")]
    for name, network in networks:
        total = analyse(network).totals
        shapes = " + ".join(map(str, network.inputs.values()))
        rows.append((name, shapes, format_count(total.params), format_count(total.macs), network.description))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    room = 1000 if width is None else max(width - sum(widths) - 8, 0)
    lines: list[Line] = []
    for index, (name, shapes, params, macs, description) in enumerate(rows):
        figures = f"{shapes:<{widths[1]}}  {params:>{widths[2]}}  {macs:>{widths[3]}}  "
        note = shortened(" ".join(description.split()), room) if room > 10 else ""
        style = "head" if index == 0 else ""
        lines.append([(f"{name:<{widths[0]}}  ", style or "group"), (figures, style), (note, "dim")])
    return lines
