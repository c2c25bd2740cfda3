"""`convcalc report`: writes everything about one or more networks as one HTML page."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from convcalc.analysis.budgets import measure_limits
from convcalc.analysis.report import analyse
from convcalc.check.configuration import Configurations, WrongConfiguration
from convcalc.check.rules import RULES
from convcalc.check.runner import check_report
from convcalc.cli import common, completing, writing
from convcalc.problems import InvalidSpec
from convcalc.spec.inputs import Overrides
from convcalc.spec.net_argument import join_net, split_net

if TYPE_CHECKING:
    from convcalc.render.page.network_data import Subject

_EXAMPLES = """\b
Examples:
  convcalc report example:resnet50 -o resnet50.html
  convcalc report net.yaml net.yaml@width=0.5 -o widths.html"""


@click.command("report", epilog=_EXAMPLES)
@click.argument("nets", metavar="NET...", nargs=-1, required=True, shell_complete=completing.complete_net)
@common.override_options
@common.memory_options
@common.format_option("html", "json")
@common.picture_options
@common.quiet_option()
def command(nets: tuple[str, ...], overrides: Overrides, format: str, where: writing.Output, **memory: Any) -> int:
    """Write everything about networks as one HTML page, to look at in a browser.

    The page has the totals and budgets, the layers as a table and as a graph, memory over time, receptive fields, the
    findings of convcalc check, what other tools would print, and the spec. With several networks, it begins with a
    comparison. It is a single file that works offline, and it loads nothing. -f json writes the data of the page.

    If a network cannot be read, its problems are reported and nothing is written.
    """
    if format == "html" and where.file is None and sys.stdout.isatty():
        raise writing.Failure("a page cannot be shown in a terminal: add -o FILE.html")
    configurations = Configurations(RULES)
    subjects: list[Subject] = []
    errors: list[InvalidSpec] = []
    for net in nets:
        try:
            subjects.append(_read_subject(net, overrides, where, configurations, memory))
        except InvalidSpec as error:
            errors.append(error)
        except WrongConfiguration as error:
            raise writing.Failure(str(error)) from None
    if errors:
        return writing.report_invalid(errors, where, as_json=format == "json")
    from convcalc.render.report import report_html, report_json

    write = report_json if format == "json" else report_html
    writing.write_text(write(_label_subjects(nets, subjects)), where, [split_net(net)[0] for net in nets])
    return 0


def _read_subject(
    argument: str, overrides: Overrides, where: writing.Output, configurations: Configurations, memory: dict[str, Any]
) -> "Subject":
    """Return the network of an argument, with what `convcalc check` finds in it. Raises InvalidSpec or Failure."""
    from convcalc.render.page.network_data import Subject

    net, given = common.split_params(argument, overrides)
    document, given = common.read_document(net, given, where)
    report = analyse(common.build_network(document, given, where), **memory)
    settings = configurations.of(net)
    checked = check_report(report, document, settings, RULES)
    return Subject(
        report.network.name,
        report,
        checked.problems,
        measure_limits(report, settings.limits),
        document.text if document.quotable else None,
        document.model.format if document.model is not None else "",
        len(settings.enabled(RULES)),
    )


def _label_subjects(nets: Sequence[str], subjects: Sequence["Subject"]) -> list["Subject"]:
    """Label each network with its name and parameters, as in `resnet18@width=0.5`, or else with its argument.

    The argument is used if several networks have the same name and parameters.
    """
    names = [join_net(subject.label, split_net(net)[1]) for net, subject in zip(nets, subjects, strict=True)]
    labels = [name if names.count(name) == 1 else net for name, net in zip(names, nets, strict=True)]
    return [subject._replace(label=label) for label, subject in zip(labels, subjects, strict=True)]
