"""`convcalc compare`: shows several networks in one table."""

from __future__ import annotations  # the types are imported only for type checkers

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from convcalc.cli import common, completing, writing
from convcalc.problems import Flaw

if TYPE_CHECKING:
    from convcalc.analysis.report import Report
    from convcalc.cli.several import ReadNetwork
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
@click.option(
    "--device",
    metavar="NAME|FILE",
    help="Add the column latency, for a device such as rtx4090; see convcalc latency.",
    shell_complete=completing.complete_device(),
)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Show only the first N networks.")
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
    device: str | None,
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

    _check_options(columns, exact, device, format, where)
    timed = None if device is None else _make_latency_column(device, where)
    files = several.list_nets(nets)
    networks, wrong, status = several.read_networks(files, overrides, where, memory)
    if wrong and not networks and format == "json":
        return max(status, writing.report_invalid([error for _, error in wrong], where, as_json=True))
    status = max([status, *(several.report_problem(name, error, where) for name, error in wrong)])
    if networks:
        rows, shown = _make_rows(networks, columns, sort, join, derive, timed, where)
        text = _render(rows[:limit], shown, columns is not None, format, exact, where)
        writing.write_text(text, where, [*(split_net(file)[0] for file in files), *([join] if join else [])])
    elif not files:
        raise writing.Failure("nothing to compare")
    return status


def _check_options(columns: str | None, exact: bool, device: str | None, format: str, where: writing.Output) -> None:
    """Raise UsageError for options that do not apply to a format.

    JSON has all figures, and none of a device; JSON and CSV are exact.
    """
    if device is not None and format == "json":
        raise click.UsageError(f"--device cannot be combined with {common.describe_format(format, where)}: use -f csv")
    if exact and format in ("json", "csv"):
        raise click.UsageError(f"--exact cannot be combined with {common.describe_format(format, where)}")
    if columns is not None and format == "json":
        chosen = common.describe_format(format, where)
        raise click.UsageError(f"--columns cannot be combined with {chosen}, which has every figure")


def _make_latency_column(device: str, where: writing.Output) -> Column[NetworkRow]:
    """Return the column of latency for the device of --device. Raises Failure if the device is wrong."""
    from convcalc.cli.devices import read_timed_device
    from convcalc.render.compare import latency_column

    return latency_column(read_timed_device(device, where))


def _make_rows(
    networks: Sequence[ReadNetwork],
    columns: str | None,
    sort: str | None,
    join: str | None,
    derive: Sequence[str],
    timed: Column[NetworkRow] | None,
    where: writing.Output,
) -> tuple[Sequence[Any], Sequence[Any] | None]:
    """Return the sorted rows with their added columns, and the columns to show; None for those that fit.

    `timed` is the column of latency, if there is a device.

    Raises UsageError if --columns or --sort names an unknown column, and Failure for a mistake in --join or --derive.
    """
    from convcalc.analysis.own_keys import list_own_values
    from convcalc.cli.several import label_networks
    from convcalc.render.compare import COLUMNS, EVERY, added_column, network_rows, sort_network_rows
    from convcalc.render.grid import UnknownColumn, find_columns

    labels = label_networks(networks)
    labelled = [(label, one.report) for label, one in zip(labels, networks, strict=True)]
    own = [list_own_values(one.report.network.own) for one in networks]
    rows = network_rows(labelled)
    added: Sequence[dict[str, Any]] = [{} for _ in networks]
    if join is not None or derive:
        others = [{**keys, "latency": timed.value(row)} for keys, row in zip(own, rows, strict=True)] if timed else own
        added = _add_columns(labelled, [one.argument for one in networks], others, join, derive, where)
    rows = [row._replace(added={**keys, **values}) for row, keys, values in zip(rows, own, added, strict=True)]
    names = dict.fromkeys(name for keys in (*own, *added) for name in keys)
    columns_added = {name: added_column(name, rows) for name in names}
    timing = {"latency": timed} if timed else {}
    known = {**COLUMNS, **columns_added, **timing}
    shown = (*EVERY[:1], *timing.values(), *EVERY[1:], *(columns_added[name] for name in added[0]))
    default = shown if len(shown) > len(EVERY) else None
    try:
        return sort_network_rows(rows, sort, known), default if columns is None else find_columns(columns, known, ())
    except UnknownColumn as error:
        needs = ": add --device" if "latency" not in known and "latency" in (sort, *(columns or "").split(",")) else ""
        raise click.UsageError(f"the column latency needs a device{needs}" if needs else str(error)) from None


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
    from convcalc.analysis.figures import figures_of
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
        raise writing.Failure(f"{flaw.message}{f': {flaw.hint}' if flaw.hint else ''}") from None
    if found.unmatched and not where.quiet:
        click.echo(f"convcalc: {found.unmatched}", err=True)
    return found.values


def _render(
    rows: Sequence[Any], columns: Sequence[Any] | None, fixed: bool, format: str, exact: bool, where: writing.Output
) -> str:
    """Return the table in a format; unless the columns are `fixed`, some are dropped to fit the terminal."""
    from convcalc.render import compare

    if format == "json":
        return compare.networks_json(rows)
    if format == "csv":
        return compare.networks_csv(rows, columns)
    if format == "markdown":
        return compare.networks_markdown(rows, exact, columns)
    if format == "latex":
        from convcalc.render.latex import networks_latex

        return networks_latex(rows, exact, columns)
    return writing.render_text(compare.networks_lines(rows, writing.table_width(where), exact, columns, fixed), where)
