"""`convcalc report`: writes everything about one or more networks as one HTML page."""

from __future__ import annotations  # the types are imported only for type checkers

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from convcalc.cli import common, completing, writing
from convcalc.cli.target_options import Asked, target_options

if TYPE_CHECKING:
    from convcalc.cli.several import ReadNetwork
    from convcalc.render.page.network_data import Subject
    from convcalc.spec.inputs import Overrides

_EXAMPLES = """\b
Examples:
  convcalc report example:resnet50 -o resnet50.html
  convcalc report net.yaml net.yaml@width=0.5 -o widths.html
  convcalc report 'example:mobilenet*' -o mobilenets.html"""


@click.command("report", epilog=_EXAMPLES)
@click.argument("nets", metavar="NET...", nargs=-1, required=True, shell_complete=completing.complete_net)
@common.override_options
@common.memory_options
@target_options
@common.format_option("html", "json")
@common.picture_options
@common.quiet_option()
def command(
    nets: tuple[str, ...], overrides: Overrides, asked: Asked, format: str, where: writing.Output, **memory: Any
) -> int:
    """Write everything about networks as one HTML page, to look at in a browser.

    The page has the totals and budgets, the layers as a table and as a graph, memory over time, receptive fields, the
    findings of convcalc check, what other tools would print, and the spec. With several networks, it begins with a
    comparison. It is a single file that works offline, and it loads nothing. -f json writes the data of the page.

    If a network cannot be read, its problems are reported and nothing is written.
    """
    from convcalc.cli import several
    from convcalc.spec.net_argument import split_net

    common.refuse_terminal(format, where)
    target = asked.read(where)
    measured = asked.list_added(target)
    asked.check_columns(measured, target, overrides)
    files = several.list_nets(nets)
    networks, wrong, status = several.read_networks(files, overrides, where, memory)
    if wrong and format == "json":
        return max(status, writing.report_invalid([error for _, error in wrong], where, as_json=True))
    status = max([status, *(several.report_problem(net, error, where) for net, error in wrong)])
    if status:
        return status
    if not networks:
        raise writing.Failure("no specs to report on")
    from convcalc.render.report import report_html, report_json

    subjects = [one._replace(target=target, measured=measured) for one in _make_subjects(networks)]
    text = report_json(subjects) if format == "json" else report_html(subjects)
    writing.write_text(text, where, [split_net(file)[0] for file in files])
    return 0


def _make_subjects(networks: Sequence[ReadNetwork]) -> list[Subject]:
    """Return the networks with their labels, and with what `convcalc check` finds in them."""
    from convcalc.check.configuration import Configurations, WrongConfiguration
    from convcalc.check.rules import RULES
    from convcalc.check.runner import check_report
    from convcalc.cli.several import label_networks
    from convcalc.metrics.budgets import measure_limits
    from convcalc.render.page.network_data import Subject
    from convcalc.spec.net_argument import split_net

    configurations = Configurations(RULES)
    subjects = []
    for label, (argument, document, report) in zip(label_networks(networks), networks, strict=True):
        try:
            settings = configurations.of(split_net(argument)[0])
        except WrongConfiguration as error:
            raise writing.Failure(str(error)) from None
        subject = Subject(
            label,
            report,
            check_report(report, document, settings, RULES).problems,
            measure_limits(report, settings.limits),
            document.text if document.quotable else None,
            document.model.format if document.model is not None else "",
            len(settings.enabled(RULES)),
        )
        subjects.append(subject)
    return subjects
