"""`convcalc compare`: shows several networks in one table."""

from __future__ import annotations  # the types are imported only for type checkers

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from convcalc.cli import common, completing, writing
from convcalc.cli.target_options import Asked, target_options, warn_of_unknown
from convcalc.problems import Flaw
from convcalc.spec.budget_metrics import DEVICE, LATENCY, MEASURED

if TYPE_CHECKING:
    from convcalc.analysis.report import Report
    from convcalc.cli.several import ReadNetwork
    from convcalc.metrics.target import Target
    from convcalc.render.compare import NetworkRow
    from convcalc.render.grid import Column
    from convcalc.spec.inputs import Overrides

_EXAMPLES = """\b
Examples:
  convcalc compare example:resnet18 example:mobilenet_v1 example:mobilenet_v2
  convcalc compare 'example:mobilenet*' --input 3,160,160 --sort peak_memory
  convcalc compare example:mobilenet_v1 example:mobilenet_v1@width=0.5,size=160"""


def _list_columns() -> Iterable[str]:
    from convcalc.cli.completed_names import NETWORK_COLUMNS

    return NETWORK_COLUMNS


@click.command("compare", epilog=_EXAMPLES)
@click.argument("nets", metavar="NET...", nargs=-1, required=True, shell_complete=completing.complete_net)
@common.override_options
@common.memory_options
@common.format_option("table", "json", "csv", "markdown", "latex")
@common.columns_option(_list_columns, "Columns to show: name, input_shape, params, macs, peak_memory, …")
@common.sort_option(_list_columns, "Sort by a column, largest first: params, macs, peak_memory, …")
@click.option(
    "--join", metavar="FILE.csv", help="Add the columns of a CSV file, matched on its column name or file of networks."
)
@click.option(
    "--derive",
    multiple=True,
    metavar="NAME=EXPR",
    help="Add a column that is calculated from others, such as score=top1/macs.",
)
@target_options
@click.option("--limit", type=click.IntRange(0), metavar="N", help="Show only the first N networks; 0 for all.")
@click.option("--exact", is_flag=True, help="Print whole numbers instead of K, M and G.")
@common.output_options
@common.quiet_option()
def command(
    nets: tuple[str, ...],
    overrides: Overrides,
    format: str,
    columns: str | None,
    sort: str | None,
    join: str | None,
    derive: tuple[str, ...],
    asked: Asked,
    limit: int | None,
    exact: bool,
    where: writing.Output,
    **memory: Any,
) -> int:
    """Compare networks in one table, one row per network.

    A star marks the best value of each column: the lowest cost, the largest receptive field. --set sets a spec
    parameter of all networks that have it; NET@NAME=VALUE,… sets it for one NET only. A network that cannot be
    read is reported, and the others are shown.
    """
    from convcalc.cli import several
    from convcalc.spec.net_argument import split_net

    _check_options(columns, exact, format, where)
    measured = _choose_measured(asked, columns, sort, join, derive, overrides, where)
    files = several.list_nets(nets)
    networks, wrong, status = several.read_networks(files, overrides, where, memory)
    if wrong and not networks and format == "json":
        return max(status, writing.report_invalid([error for _, error in wrong], where, as_json=True))
    status = max([status, *(several.report_problem(name, error, where) for name, error in wrong)])
    if networks:
        rows, shown = _make_rows(networks, columns, sort, join, derive, measured, where)
        text = _render(rows[: limit or None], shown, measured, columns is not None, format, exact, where)
        writing.write_text(text, where, [*(split_net(file)[0] for file in files), *([join] if join else [])])
    elif not files:
        raise writing.Failure("nothing to compare")
    return status


def _check_options(columns: str | None, exact: bool, format: str, where: writing.Output) -> None:
    """Raise UsageError for options that do not apply to a format: JSON has every figure, JSON and CSV are exact."""
    if exact and format in ("json", "csv"):
        raise click.UsageError(f"--exact cannot be combined with {common.describe_format(format, where)}")
    if columns is not None and format == "json":
        chosen = common.describe_format(format, where)
        raise click.UsageError(f"--columns cannot be combined with {chosen}, which has every figure")


class _Measured(NamedTuple):
    """The figures to measure on a target: those that options add (`added`) and that the user names (`needed`)."""

    target: Target
    added: tuple[str, ...]
    needed: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All figures to measure, in the order of the table."""
        return tuple(name for name in (LATENCY, *DEVICE) if name in (*self.added, *self.needed))

    def list_facts(self) -> list[str]:
        """Return the names of the runtime and the device, for the legend of a table."""
        from convcalc.render.values import list_target_facts

        return list_target_facts(self.target, self.names, shows_range=True)

    def name_targets(self, columns: Sequence[Column[NetworkRow]] | None) -> Sequence[Column[NetworkRow]] | None:
        """Return columns whose titles name the runtime or the device, for a table without a legend."""
        from convcalc.render.values import device_title

        return columns and [
            column._replace(title=device_title(column.name, self.target)) if column.name in self.names else column
            for column in columns
        ]


def _choose_measured(
    asked: Asked,
    columns: str | None,
    sort: str | None,
    join: str | None,
    derive: Sequence[str],
    overrides: Overrides,
    where: writing.Output,
) -> _Measured:
    """Return which of arena, flash and latency are needed, and on which runtime and device they are measured.

    Raises Failure if the device is unknown or missing, and UsageError if an option has no effect.
    """
    words = {word.partition("(")[0].strip().lower() for text in (columns, sort) if text for word in text.split(",")}
    words |= {word for text in derive for word in re.findall(r"\w+", text.partition("=")[2])}
    target = asked.read(where)
    added = asked.list_added(target) if columns is None else ()
    if join is not None and asked.device is None:
        words.discard(LATENCY)  # without a device, it is a column of the CSV file, such as measured times
    measured = _Measured(target, added, tuple(name for name in MEASURED if name in words))
    asked.check_used(measured.names)
    asked.check_columns(measured.names, target, overrides)
    return measured


def _make_rows(
    networks: Sequence[ReadNetwork],
    columns: str | None,
    sort: str | None,
    join: str | None,
    derive: Sequence[str],
    measured: _Measured,
    where: writing.Output,
) -> tuple[Sequence[Any], Sequence[Any] | None]:
    """Return the sorted rows with their added columns, and the columns to show; None for those that fit.

    Raises UsageError if --columns or --sort names an unknown column, and Failure for a mistake in --join or --derive.
    """
    from convcalc.analysis.own_keys import list_own_values
    from convcalc.cli.several import label_networks
    from convcalc.render.compare import COLUMNS, EVERY, added_column, measured_column, network_rows, sort_network_rows
    from convcalc.render.grid import UnknownColumn, find_columns

    labels = label_networks(networks)
    labelled = [(label, one.report) for label, one in zip(labels, networks, strict=True)]
    own = [list_own_values(one.report.network.own) for one in networks]
    rows = network_rows(labelled, measured.target, measured.names)
    warn_of_unknown(labelled, measured.names, measured.target, where)
    added: Sequence[dict[str, Any]] = [{} for _ in networks]
    if join is not None or derive:
        found = [{name: row.figures[name] for name in measured.names} for row in rows]
        others = [{**keys, **values} for keys, values in zip(own, found, strict=True)]
        added = _add_columns(labelled, [one.argument for one in networks], others, join, derive, where)
    rows = [row._replace(added={**keys, **values}) for row, keys, values in zip(rows, own, added, strict=True)]
    names = dict.fromkeys(name for keys in (*own, *added) for name in keys)
    columns_added = {name: added_column(name, rows) for name in names}
    columns_measured = {name: measured_column(name, measured.target) for name in (LATENCY, *DEVICE)}
    known = {**COLUMNS, **columns_measured, **columns_added}
    listed = (columns_measured[name] for name in measured.names if name in measured.added)
    shown = (*EVERY[:1], *listed, *EVERY[1:], *(columns_added[name] for name in added[0]))
    default = shown if len(shown) > len(EVERY) else None
    try:
        return sort_network_rows(rows, sort, known), default if columns is None else find_columns(columns, known, ())
    except UnknownColumn as error:
        raise click.UsageError(str(error)) from None


def _add_columns(
    labelled: Sequence[tuple[str, Report]],
    files: Sequence[str],
    own: Sequence[dict[str, Any]],
    join: str | None,
    derive: Sequence[str],
    where: writing.Output,
) -> list[dict[str, Any]]:
    """Return the columns of --join and --derive of networks with these labels, NET arguments and own keys.

    Raises Failure.
    """
    from convcalc.metrics.figures import figures_of
    from convcalc.space.evaluation import join_shapes
    from convcalc.space.network_columns import Described, add_columns
    from convcalc.spec.net_argument import split_net

    described = []
    for (label, report), file, keys in zip(labelled, files, own, strict=True):
        shapes = {
            "input_shape": join_shapes(report.network.inputs.values()),
            "output_shape": join_shapes(report.outputs().values()),
        }
        names = (file, split_net(file)[0], *([report.network.file] if report.network.file else []))
        figures = {**figures_of(report), **shapes} if derive else {}
        described.append(Described((label, report.network.name), names, keys, figures))
    try:
        found = add_columns(described, join, derive)
    except Flaw as flaw:
        raise writing.Failure(flaw.text) from None
    if found.unmatched and not where.quiet:
        click.echo(f"convcalc: {found.unmatched}", err=True)
    return found.values


def _render(
    rows: Sequence[Any],
    columns: Sequence[Any] | None,
    measured: _Measured,
    fixed: bool,
    format: str,
    exact: bool,
    where: writing.Output,
) -> str:
    """Return the table in a format; unless the columns are `fixed`, some are dropped to fit the terminal."""
    from convcalc.render import compare

    if format == "json":
        return compare.networks_json(rows, measured.target, measured.names)
    if format == "csv":
        return compare.networks_csv(rows, columns)
    if format == "markdown":
        return compare.networks_markdown(rows, exact, columns, measured.list_facts())
    if format == "latex":
        from convcalc.render.latex import networks_latex

        return networks_latex(rows, exact, measured.name_targets(columns))
    width = writing.table_width(where)
    lines = compare.networks_lines(rows, width, exact, columns, fixed, measured.list_facts())
    return writing.render_text(lines, where)
