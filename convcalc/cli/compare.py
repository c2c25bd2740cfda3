"""`convcalc compare`: shows several networks in one table."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click

from convcalc import examples
from convcalc.analysis.report import Report, analyse
from convcalc.check.discovery import choose_files
from convcalc.cli import common, completing, writing
from convcalc.problems import InvalidSpec, did_you_mean, printable, show
from convcalc.spec.document import Document
from convcalc.spec.inputs import Overrides
from convcalc.spec.net_argument import join_net, split_net

_EXAMPLES = """\b
Examples:
  convcalc compare example:resnet18 example:mobilenet_v1 example:mobilenet_v2
  convcalc compare 'example:mobilenet*' --input 3,160,160 --sort peak_memory
  convcalc compare example:mobilenet_v1 example:mobilenet_v1@width=0.5,size=160"""
_UNREADABLE = 2


def _list_columns() -> Iterable[str]:
    from convcalc.render.compare import COLUMNS

    return (*COLUMNS, "latency")


@click.command("compare", epilog=_EXAMPLES)
@click.argument("nets", metavar="NET...", nargs=-1, required=True, shell_complete=completing.complete_net)
@common.override_options
@common.memory_options
@common.format_option("table", "json", "csv", "markdown", "latex")
@common.columns_option(_list_columns, "Columns to show: name, input_shape, params, macs, peak_memory, …")
@common.sort_option(_list_columns, "Sort by a column, largest first: params, macs, peak_memory, …")
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
    from convcalc.render.compare import network_rows, sort_network_rows

    if device is not None and format == "json":
        raise click.UsageError(f"--device cannot be combined with {common.describe_format(format, where)}: use -f csv")
    known = _list_known_columns(device, where)
    shown = _read_columns(columns, sort, exact, format, where, known)
    files = choose_files(_expand_patterns(nets)).files
    documents, wrong, status = _read_documents(files, overrides, where)
    _check_parameters(overrides, [document for _, document, _ in documents])
    reports = []
    for name, document, remaining in documents:
        try:
            _, given = common.split_params(name, _drop_unknown_parameters(remaining, document))
            reports.append((name, analyse(common.build_network(document, given, where), **memory)))
        except InvalidSpec as error:
            wrong.append((name, error))
    if wrong and not reports and format == "json":
        return max(status, writing.report_invalid([error for _, error in wrong], where, as_json=True))
    status = max([status, *(_report_problem(name, error, where) for name, error in wrong)])
    if reports:
        rows = sort_network_rows(network_rows(_label_reports(reports)), sort, known)[:limit]
        text = _render(rows, shown, format, exact, where)
        writing.write_text(text, where, [split_net(file)[0] for file in files])
    elif not files:
        raise writing.Failure("nothing to compare")
    return status


def _list_known_columns(device: str | None, where: writing.Output) -> dict[str, Any]:
    """Return all columns by name, with latency if a device is given. Raises Failure if the device is wrong."""
    from convcalc.render.compare import COLUMNS, latency_column

    if device is None:
        return dict(COLUMNS)
    from convcalc.cli.devices import read_timed_device  # imported only with --device

    return {**COLUMNS, "latency": latency_column(read_timed_device(device, where))}


def _read_columns(
    columns: str | None, sort: str | None, exact: bool, format: str, where: writing.Output, known: dict[str, Any]
) -> Sequence[Any] | None:
    """Return the columns that --columns lists; without it, None, or with `latency` in `known`, the usual ones and this.

    Raises UsageError if --columns or --sort names an unknown column, if --columns is combined with JSON (which has all
    figures), or if --exact is combined with JSON or CSV (which are always exact).
    """
    from convcalc.render.compare import EVERY
    from convcalc.render.grid import UnknownColumn, find_column, find_columns

    if exact and format in ("json", "csv"):
        raise click.UsageError(f"--exact cannot be combined with {common.describe_format(format, where)}")
    if columns is not None and format == "json":
        chosen = common.describe_format(format, where)
        raise click.UsageError(f"--columns cannot be combined with {chosen}, which has every figure")
    try:
        if sort is not None:
            find_column(sort, known)
        if columns is None:
            return (*EVERY[:1], known["latency"], *EVERY[1:]) if "latency" in known else None
        return find_columns(columns, known, ())
    except UnknownColumn as error:
        needs = ": add --device" if "latency" not in known and "latency" in (sort, *(columns or "").split(",")) else ""
        raise click.UsageError(f"the column latency needs a device{needs}" if needs else str(error)) from None


def _expand_patterns(nets: Sequence[str]) -> list[str]:
    """Replace each pattern of examples, such as `example:mobilenet*`, by the names of the examples that match it.

    Raises Failure if a pattern matches no example, or if the text after the `@` of an argument is malformed.
    """
    from fnmatch import fnmatchcase

    found: list[str] = []
    for argument in nets:
        common.split_params(argument, Overrides())
        net, params = split_net(argument)
        if not (net.startswith(examples.PREFIX) and any(character in net for character in "*?[")):
            found.append(argument)
            continue
        names = [name for name in map(examples.PREFIX.__add__, examples.list_names()) if fnmatchcase(name, net)]
        if not names:
            raise writing.Failure(f"the pattern {show(net)} matches no example")
        found += [join_net(name, params) for name in names]
    return found


def _read_documents(
    files: Sequence[str], overrides: Overrides, where: writing.Output
) -> tuple[list[tuple[str, Document, Overrides]], list[tuple[str, InvalidSpec]], int]:
    """Return the documents with the overrides that still apply, the errors in files that are not text, and a status.

    The exit status is 2 if a file cannot be opened, else 0. Files that cannot be opened are reported on standard error.
    """
    found: list[tuple[str, Document, Overrides]] = []
    wrong: list[tuple[str, InvalidSpec]] = []
    status = 0
    for file in files:
        try:
            net, given = common.split_params(file, overrides)
            found.append((file, *common.read_document(net, given, where)))
        except writing.Failure as failure:
            sys.stderr.write(f"convcalc: {printable(failure.message)}\n")
            status = _UNREADABLE
        except InvalidSpec as error:
            wrong.append((file, error))
    return found, wrong, status


def _report_problem(file: str, error: InvalidSpec, where: writing.Output) -> int:
    """Print the problems of one network on standard error, and return the exit status."""
    refused = writing.find_refusal(error)
    if refused is None:
        writing.print_invalid(error, where)
        return writing.WRONG_NETWORK
    sys.stderr.write(f"convcalc: {printable(file)}: {refused}\n")
    return _UNREADABLE


def _declared_parameters(document: Document) -> dict[str, Any]:
    """Return the spec parameters that a document declares, unchecked; empty if it declares none.

    For a model file, these are the parameters with which it was read.
    """
    if document.model is not None:
        return dict.fromkeys(document.model.parameters)
    params = document.root.get("params") if isinstance(document.root, dict) else None
    return params if isinstance(params, dict) else {}


def _check_parameters(overrides: Overrides, documents: Sequence[Document]) -> None:
    """Raise Failure if --set names a spec parameter that no document declares."""
    known = {name: None for document in documents for name in _declared_parameters(document)}
    for name in overrides.params:
        if documents and name not in known:
            hint = did_you_mean(name, known)
            raise writing.Failure(f"no network has the spec parameter {show(name)}{f': {hint}' if hint else ''}")


def _drop_unknown_parameters(overrides: Overrides, document: Document) -> Overrides:
    params = {name: value for name, value in overrides.params.items() if name in _declared_parameters(document)}
    return overrides.with_params(params)


def _label_reports(reports: Sequence[tuple[str, Report]]) -> list[tuple[str, Report]]:
    """Label each report with the name of its network and its parameters, as in `resnet18@width=0.5`.

    If several networks have the same label, their NET arguments are the labels.
    """
    names = [join_net(report.network.name, split_net(file)[1]) for file, report in reports]
    return [
        (name if names.count(name) == 1 else file, report) for name, (file, report) in zip(names, reports, strict=True)
    ]


def _render(rows: Sequence[Any], columns: Sequence[Any] | None, format: str, exact: bool, where: writing.Output) -> str:
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
    return writing.render_text(compare.networks_lines(rows, writing.table_width(where), exact, columns), where)
