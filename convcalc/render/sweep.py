"""Writes the rows of `convcalc sweep` as a table or Markdown.

The other formats, which write rows as they come, are in sweep_rows.py.
"""

from collections.abc import Sequence
from textwrap import wrap
from typing import Any, NamedTuple

from convcalc.metrics.figures import FIGURES, SHAPES
from convcalc.metrics.target import Target
from convcalc.network import Limit
from convcalc.problems import printable
from convcalc.render.cells import Cells, cell_markdown
from convcalc.render.grid import LEAST_NAME, grid
from convcalc.render.limits import limit_text, merge_limits
from convcalc.render.lines import Block, Table, wrap_facts
from convcalc.render.markdown import escape
from convcalc.render.values import cell_text, device_text, list_target_facts
from convcalc.space.choosing import PARETO
from convcalc.space.combinations import show_count
from convcalc.space.ordering import Row
from convcalc.space.sweeping import PROBLEM, Tally

MOST_ROWS = 20  # default number of rows of a printed table
# if the table is too wide, columns with low weights are dropped first, and those not listed here never
_WEIGHTS = {"params": 6, "macs": 7, "peak_memory": 6, "weight_memory": 4, "receptive_field": 3, "output_shape": 2}
_HEADERS = {"input_shape": "input", "output_shape": "output"}


class Swept(NamedTuple):
    """The result of a sweep: the columns `names` of its first `rows`; `total` is the number of rows before --limit.

    `title` is the name of the network, and `size` the number of all combinations. `on_front` is the number of rows on
    the Pareto front, if there is one. If `fixed` is true, no column is dropped to fit the width. `device` are the
    columns that were measured on `target`. `more` and `choose` say how to get the rows and the columns that are not
    listed.
    """

    title: str
    names: Sequence[str]
    rows: Sequence[Row]
    total: int
    limits: Sequence[Limit]
    tally: Tally
    size: int
    on_front: int = 0
    fixed: bool = False
    device: Sequence[str] = ()
    target: Target = Target()
    more: str = "--limit 0 lists all"
    choose: str = "--columns shows those that it names"


def sweep_lines(found: Swept, width: int | None, exact: bool) -> list[Block]:
    """Return the limits, the numbers of combinations, and the table, which fits `width` (None: unlimited)."""
    limits = [limit_text(limit) for limit in merge_limits(found.limits)]
    lines: list[Block] = [[(printable(found.title), "title")]]
    lines += wrap_facts(limits, width) if limits else []
    lines += wrap_facts(_list_facts(found), width)
    if found.rows:
        cells = _make_cells(found, exact)
        table = _make_table(cells, len(found.rows), width)
        lines += [[], table]
        hidden = [cell.title for cell in cells if cell.title not in table.titles]
        if hidden and width is not None:
            note = f"hidden to fit the width: {', '.join(hidden)}; {found.choose}"
            lines += [[(line, "dim")] for line in wrap(note, width)]
    if found.total > len(found.rows):
        lines.append([(f"and {found.total - len(found.rows):,} more: {found.more}", "dim")])
    return lines


def sweep_markdown(found: Swept, exact: bool) -> str:
    """Return the limits, the numbers of combinations and the table as Markdown."""
    limits = ", ".join(limit_text(limit) for limit in merge_limits(found.limits))
    lines = [
        f"### {escape(found.title)}{': ' if limits else ''}{escape(limits)}",
        "",
        ", ".join(_list_facts(found)),
        "",
    ]
    if found.rows:
        lines += [*cell_markdown(_make_cells(found, exact)), ""]
    if found.total > len(found.rows):
        lines += [f"and {found.total - len(found.rows):,} more", ""]
    return "\n".join(lines).rstrip() + "\n"


def _list_facts(found: Swept) -> list[str]:
    """Return texts such as `12 combinations`, `3 exceed the budget` and `latency on rtx4090`."""
    tally = found.tally
    counts = [
        (tally.invalid, "invalid"),
        (tally.exceeding, "exceeds the budget" if tally.exceeding == 1 else "exceed the budget"),
        (tally.filtered, "left out by --where"),
    ]
    of = f" of {show_count(found.size)}" if tally.tried < found.size else ""
    combinations = f"{tally.tried:,}{of} combination{'' if found.size == 1 else 's'}"
    front = [f"{found.on_front:,} on the Pareto front"] if found.on_front else []
    measured = list_target_facts(found.target, found.device)
    return [combinations, *(f"{count:,} {what}" for count, what in counts if count), *front, *measured]


def _make_table(cells: Sequence[Cells], count: int, width: int | None) -> Table:
    """Return the table; to fit `width`, columns are dropped, and the reasons of invalid rows are cut."""
    columns = [cell.column(LEAST_NAME if cell.title == PROBLEM else 0) for cell in cells]
    return grid(columns, range(count), width=width)


def _make_cells(found: Swept, exact: bool) -> list[Cells]:
    cells = []
    for index, name in enumerate(found.names):
        values = [row[index] for row in found.rows]
        if name == PROBLEM and not any(values):
            continue
        right = not any(isinstance(value, str) for value in values) or name in SHAPES
        weight = 9 if found.fixed else _WEIGHTS.get(name, 9)
        texts = [_write_cell(found, name, value, exact) for value in values]
        cells.append(Cells(_find_title(name), texts, weight, right))
    return cells


def _find_title(name: str) -> str:
    return FIGURES.get(name) or _HEADERS.get(name, printable(name))


def _write_cell(found: Swept, name: str, value: Any, exact: bool) -> str:
    if name == PARETO:
        return "*" if value else ""
    return device_text(name, value, exact) if name in found.device else cell_text(name, value, exact)
