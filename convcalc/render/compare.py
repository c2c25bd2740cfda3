"""Writes several networks as one table, for `convcalc compare` and for the list of `convcalc examples`."""

import json
from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Any, NamedTuple

from convcalc.analysis.report import Report
from convcalc.metrics.figures import FIGURES, figure
from convcalc.metrics.target import DEFAULT_TARGET, Target
from convcalc.problems import printable
from convcalc.render.cells import Cells, cell_markdown
from convcalc.render.columns import field_text, is_marked_misaligned, shapes_text
from convcalc.render.csv_text import write_csv
from convcalc.render.grid import Column, find_column, grid
from convcalc.render.legend import legend_lines, list_signs
from convcalc.render.lines import Block
from convcalc.render.markdown import legend_markdown
from convcalc.render.values import cell_text, describe_target, device_text
from convcalc.spec.budget_metrics import LATENCY
from convcalc.units import format_bytes, format_count, format_exact
from convcalc.version import __version__

_SCHEMA = "convcalc/compare/2"
BEST = "*"
_BEST_TEXT = f"{BEST} best in its column"
_LEAST_IS_BEST = ("params", "macs", "flops", "weight_memory", "activation_memory", "peak_memory", "training_memory")
_MOST_IS_BEST = ("receptive_field",)


class NetworkRow(NamedTuple):
    """A network in the table: its label, its report, and its metrics by name.

    `best` has the names of the metrics for which this network has the best value. It is None in a table that does not
    compare networks. `added` has the values of the user's own columns by name.
    """

    name: str
    report: Report
    figures: Mapping[str, Any]
    best: frozenset[str] | None = None
    added: Mapping[str, Any] = {}


def network_rows(
    named: Sequence[tuple[str, Report]], target: Target = DEFAULT_TARGET, measured: Sequence[str] = ()
) -> list[NetworkRow]:
    """Return one row per network, with the names of the metrics for which the network has the best value.

    `named` has pairs of a label and a report. `measured` are further metrics, which depend on the target.
    """
    names = (*_LEAST_IS_BEST, *measured, *_MOST_IS_BEST)
    rows = [NetworkRow(name, report, _list_figures(report, target, measured)) for name, report in named]
    best = {name: _find_best([_rank_value(row, name) for row in rows]) for name in names}
    return [
        row._replace(
            best=frozenset(name for name in names if best[name] is not None and _rank_value(row, name) == best[name])
        )
        for row in rows
    ]


def _list_figures(report: Report, target: Target, measured: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {name: figure(report, name) for name in (*_LEAST_IS_BEST, *_MOST_IS_BEST)}
    if measured:
        from convcalc.metrics.device_figures import device_figure

        found |= {name: device_figure(report, name, target) for name in measured}
    return found


def _rank_value(row: NetworkRow, name: str) -> float | None:
    """Return the metric `name` of a network as a number that is larger for a better network; None if unknown.

    A receptive field that covers the whole input is infinite.
    """
    value = row.figures[name]
    if name in _MOST_IS_BEST:
        return inf if row.report.totals.receptive_field.whole else value
    return None if value is None else -value


def _find_best(values: Sequence[float | None]) -> float | None:
    """Return the largest value; None if all are equal or one is unknown, because then no network is best."""
    known = [value for value in values if value is not None]
    return max(known) if len(known) == len(values) and len(set(known)) > 1 else None


def _text_column(
    name: str, title: str, weight: int, value: Callable[[NetworkRow], Any], *, right: bool = False, cut: int = 0
) -> Column[NetworkRow]:
    return Column(name, title, weight, value, lambda row, exact: printable(str(value(row))), right, cut)


def _figure_column(name: str, weight: int) -> Column[NetworkRow]:

    def text(row: NetworkRow, exact: bool) -> str:
        value = row.figures[name]
        if name == "receptive_field":
            found = field_text(row.report.totals)
        elif exact:
            found = format_exact(value)
        else:
            found = format_bytes(value) if name.endswith("_memory") else format_count(value)
        return found if row.best is None else found + (BEST if name in row.best else " ")

    return Column(name, FIGURES[name], weight, lambda row: row.figures[name], text)


def measured_column(name: str, target: Target) -> Column[NetworkRow]:
    """Return a column for arena, flash or latency; its values are bytes or seconds.

    For a device that gives a range, the value is the larger bound. The text is `?` if the figure is unknown. The title
    has no room for the runtime or the device: name them with `list_target_facts`.
    """

    def text(row: NetworkRow, exact: bool) -> str:
        found = row.figures[name]
        shown = _format_latency(row.report, target) if name == LATENCY else device_text(name, found, exact) or "?"
        return shown + (BEST if name in (row.best or ()) else " ")

    return Column(name, name, 9, lambda row: row.figures.get(name), text)


def _format_latency(report: Report, target: Target) -> str:
    from convcalc.metrics.device_figures import measure_latency  # few tables need it
    from convcalc.render.latency import format_time

    found = measure_latency(report, target)
    return format_time(None if isinstance(found, str) else found)


def _task_text(row: NetworkRow) -> str:
    return str(row.report.network.own.get("x-task", ""))


def _description_text(row: NetworkRow) -> str:
    return " ".join(row.report.network.description.split())


_NAME = _text_column("name", "network", 9, lambda row: row.name, cut=12)
_INPUT = _text_column("input_shape", "input", 5, lambda row: shapes_text(row.report.network.inputs.values()))
_PARAMS = _figure_column("params", 9)
_MACS = _figure_column("macs", 9)
_FIELD = _figure_column("receptive_field", 7)
EVERY: tuple[Column[NetworkRow], ...] = (
    _NAME,
    _INPUT,
    _text_column("output_shape", "output", 1, lambda row: shapes_text(row.report.outputs().values())),
    Column(
        "layers", "layers", 3, lambda row: row.report.totals.layers, lambda row, exact: f"{len(row.report.layers):,}"
    ),
    _PARAMS,
    _MACS,
    _figure_column("flops", 4),
    _figure_column("weight_memory", 6),
    _figure_column("activation_memory", 2),
    _figure_column("peak_memory", 8),
    _figure_column("training_memory", 2),
    _FIELD,
)


def _count_column(name: str) -> Column[NetworkRow]:
    """Return a column that is shown only on request."""
    return Column(
        name,
        FIGURES[name],
        0,
        lambda row: figure(row.report, name),
        lambda row, exact: (format_exact if exact else format_count)(figure(row.report, name)),
    )


_ON_REQUEST = (*map(_count_column, ("trainable_params", "buffers", "multiplications", "additions")),)
COLUMNS = {column.name: column for column in (*EVERY, *_ON_REQUEST)}
GALLERY: tuple[Column[NetworkRow], ...] = (
    _NAME._replace(title="example"),
    _text_column("task", "task", 2, _task_text),
    _INPUT,
    _PARAMS,
    _MACS,
    _text_column("description", "source", 1, _description_text, cut=12),
)


def added_column(name: str, rows: Sequence[NetworkRow]) -> Column[NetworkRow]:
    """Return one of the user's own columns."""
    is_text = any(isinstance(row.added.get(name), str) for row in rows)

    def text(row: NetworkRow, exact: bool) -> str:
        return cell_text(name, row.added.get(name), exact)

    return Column(name, printable(name), 9, lambda row: row.added.get(name), text, not is_text)


def gallery_lines(examples: Sequence[tuple[str, Report]], width: int | None) -> list[Block]:
    """Return a table of the example networks with their tasks, inputs, params, MACs and sources."""
    shown = [column.name for column in (_PARAMS, _MACS)]
    rows = [NetworkRow(name, report, {of: figure(report, of) for of in shown}) for name, report in examples]
    return [grid(GALLERY, rows, width=width, style=_style_of)]


def _style_of(row: NetworkRow, column: Column[NetworkRow]) -> str:
    if column.name == "description":
        return "dim"
    return "group" if column.name == "name" or column.name in (row.best or ()) else ""


def sort_network_rows(
    rows: Sequence[NetworkRow], sort: str | None, columns: Mapping[str, Column[NetworkRow]] = COLUMNS
) -> list[NetworkRow]:
    """Return the rows sorted by the column named `sort`, one of `columns`, or unchanged if it is None.

    A column of numbers is sorted in descending order, with unknown numbers first. A column of texts is sorted in
    ascending order. Raises UnknownColumn if there is no such column.
    """
    if sort is None:
        return list(rows)
    value = find_column(sort, columns).value
    if any(isinstance(value(row), str) for row in rows):
        return sorted(rows, key=lambda row: str(value(row) or ""))
    return sorted(rows, key=lambda row: (value(row) is None, value(row) or 0), reverse=True)


# -- formats


def networks_lines(
    rows: Sequence[NetworkRow],
    width: int | None,
    exact: bool,
    columns: Sequence[Column[NetworkRow]] | None = None,
    fixed: bool = True,
    facts: Sequence[str] = (),
) -> list[Block]:
    """Return the table, followed by a legend if the table contains `*` (best in its column) or `!`, and by facts.

    If `columns` is None, all are shown. To fit `width`, columns are dropped, unless `columns` are given and `fixed`.
    """
    shown = EVERY if columns is None else columns
    table = grid(shown, rows, width=width, exact=exact, fixed=fixed and columns is not None, style=_style_of)
    titles = [column for column in shown if column.title in table.titles]
    return [table, *legend_lines([*_make_legend(rows, titles), *facts], width)]


def _make_legend(rows: Sequence[NetworkRow], columns: Sequence[Column[NetworkRow]]) -> list[str]:
    misaligned = _FIELD in columns and any(is_marked_misaligned(row.report.totals) for row in rows)
    best = [_BEST_TEXT] if _is_marked(rows, columns) else []
    return [*best, *list_signs((), misaligned)]


def _is_marked(rows: Sequence[NetworkRow], columns: Sequence[Column[NetworkRow]]) -> bool:
    return any(column.name in (row.best or ()) for row in rows for column in columns)


def networks_markdown(
    rows: Sequence[NetworkRow],
    exact: bool,
    columns: Sequence[Column[NetworkRow]] | None = None,
    facts: Sequence[str] = (),
) -> str:
    """Return the table as Markdown, followed by a legend like that of `networks_lines`, and by facts."""
    shown = EVERY if columns is None else columns
    cells = [
        Cells(column.title, [column.text(row, exact).strip() for row in rows], right=column.right) for column in shown
    ]
    return "\n".join([*cell_markdown(cells), *legend_markdown([*_make_legend(rows, shown), *facts]), ""])


def networks_csv(rows: Sequence[NetworkRow], columns: Sequence[Column[NetworkRow]] | None = None) -> str:
    """Return the table as CSV text: column names, then one line per network with exact numbers."""
    shown = EVERY if columns is None else columns
    return write_csv([[column.name for column in shown], *([column.value(row) for column in shown] for row in rows)])


def networks_json(rows: Sequence[NetworkRow], target: Target = DEFAULT_TARGET, measured: Sequence[str] = ()) -> str:
    """Return JSON text with one line per network.

    A line has the header and totals of the report, the names of the metrics in which the network is the best, the
    `measured` metrics, which depend on the target, and the values of the user's own columns.
    """
    lines = []
    for row in rows:
        header = {name: value for name, value in row.report.header().items() if name not in ("schema", "version")}
        added = {"added": dict(row.added)} if row.added else {}
        found = {"measured": {name: row.figures[name] for name in measured}} if measured else {}
        totals = row.report.totals_dict()
        lines.append(json.dumps({**header, "totals": totals, **found, "best": sorted(row.best or ()), **added}))
    facts = {"schema": _SCHEMA, "version": __version__, **describe_target(target, measured)}
    head = json.dumps(facts)[:-1] + ', "networks": [\n  '
    return head + ",\n  ".join(lines) + "]}\n"
