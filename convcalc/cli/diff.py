"""`convcalc diff`: shows what changed between two networks and what the change costs."""

from __future__ import annotations  # the types are imported only for type checkers

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from convcalc import examples
from convcalc.cli import common, completing, writing
from convcalc.cli.target_options import Asked, target_options, warn_of_unknown
from convcalc.problems import Flaw, InvalidSpec, printable
from convcalc.spec.budget_metrics import MEASURED

if TYPE_CHECKING:
    from convcalc.diff.condition import Condition
    from convcalc.diff.difference import Difference
    from convcalc.network import Network
    from convcalc.spec.document import Document
    from convcalc.spec.inputs import Overrides

    _Read = Callable[[Overrides], tuple[Document, Overrides]]

_EXAMPLES = """\b
Examples:
  convcalc diff example:resnet50 example:resnext50_32x4d
  convcalc diff example:mobilenet_v1 example:mobilenet_v1@width=0.5
  convcalc diff example:resnet18 example:resnet34 -o diff.html
  convcalc diff example:resnet18 example:resnet34 --fail-if 'macs>+200%' -f markdown"""


@click.command("diff", epilog=_EXAMPLES)
@click.argument("nets", metavar="OLD NEW", nargs=-1, required=True, shell_complete=completing.complete_net)
@click.option("--git", "revision", metavar="REV", help="Compare one FILE with its version at a git revision.")
@click.option(
    "--set-old",
    "old_params",
    metavar="NAME=VALUE",
    multiple=True,
    help="Set a spec parameter of OLD only.",
    shell_complete=completing.complete_param,
)
@click.option(
    "--set-new",
    "new_params",
    metavar="NAME=VALUE",
    multiple=True,
    help="Set a spec parameter of NEW only.",
    shell_complete=completing.complete_param,
)
@common.override_options
@common.memory_options
@target_options
@click.option("--exit-code", is_flag=True, help="Exit with status 1 if anything differs.")
@click.option(
    "--fail-if",
    "conditions",
    metavar="CONDITION",
    multiple=True,
    help="Exit with status 1 if this is true: 'macs > +5%', for example, or 'peak_memory >= +64KiB'.",
)
@common.format_option("table", "json", "markdown", "html")
@common.output_options
@common.quiet_option("Omit the table of layers (text and Markdown), and print no warnings.")
def command(
    nets: tuple[str, ...],
    revision: str | None,
    old_params: tuple[str, ...],
    new_params: tuple[str, ...],
    overrides: Overrides,
    asked: Asked,
    exit_code: bool,
    conditions: tuple[str, ...],
    format: str,
    where: writing.Output,
    **memory: Any,
) -> int:
    """Show what changed between two networks, and what the change costs.

    Shows the totals side by side, then the layers that were added, removed, changed, moved or renamed; the same change
    in every copy of a repeat or use of a block is one row. With --git REV, one FILE is compared with its version at
    that revision. --set applies to both networks; NET@NAME=VALUE,…, --set-old and --set-new to one.

    -f html writes a page for a browser, which loads nothing: the totals, both networks as graphs side by side, every
    layer with what changed in it, and the lines of both specs.

    --fail-if tests the change in params, macs, flops, multiplications, layers, receptive_field, weight_memory,
    activation_memory, peak_memory, arena, flash or latency. A change from zero exceeds every percentage threshold.
    """
    from convcalc.analysis.report import analyse
    from convcalc.diff.difference import compare_reports
    from convcalc.spec.net_argument import split_net

    tested = [_read_condition(text) for text in conditions]
    target = asked.read(where)
    used = (*asked.list_added(target), *(one.metric for one in tested))
    measured = tuple(name for name in MEASURED if name in used)
    asked.check_columns(measured, target, overrides)
    common.refuse_terminal(format, where)
    old, old_overrides = common.split_params(nets[0], _add_parameters(overrides, "--set-old", old_params))
    new, new_overrides = common.split_params(nets[-1], _add_parameters(overrides, "--set-new", new_params))
    files = (old, new)[: len(nets)] if len(nets) <= 2 else nets
    sides = (
        _ComparedNetwork("OLD", _make_old_reader(files, revision, where), old_overrides),
        _ComparedNetwork("NEW", _make_new_reader(files, where), new_overrides),
    )
    reports, documents, errors = [], [], []
    for side in reversed(sides):  # NEW is first, so that a missing file is reported before a missing git revision
        try:
            document, network = _read_network(side, where)
            reports.append(analyse(network, **memory))
            documents.append(document)
        except InvalidSpec as error:
            errors.append(error)
    if errors:
        return writing.report_invalid(errors[::-1], where, format == "json")
    difference = compare_reports(*reports[::-1], target=target, measured=measured)
    warn_of_unknown((("old", difference.old), ("new", difference.new)), measured, target, where)
    failed = [one for one in tested if one.holds(difference.figures[one.metric]) is not False]
    labels = [net if split_net(net)[1] else None for net in (nets[0], nets[-1])]
    text = (
        _render_page(difference, nets, documents[::-1], failed, len(tested))
        if format == "html"
        else _render(difference, labels, format, failed, where)
    )
    writing.write_text(text, where, files)
    return _report_failures(difference, failed) or int(exit_code and not difference.is_empty)


class _ComparedNetwork(NamedTuple):
    """One of the two networks: OLD or NEW, its overrides, and a function that reads its document.

    That function takes the overrides, and also returns those that still apply.
    """

    name: str
    read_document: _Read
    overrides: Overrides


def _read_condition(text: str) -> Condition:
    """Parse a condition of --fail-if. For a malformed one, raises Failure with a caret under the mistake."""
    from convcalc.diff.condition import parse_condition

    try:
        return parse_condition(text)
    except Flaw as flaw:
        start, stop = flaw.within or (0, len(text))
        room, caret = len(printable(text[:start])), max(1, len(printable(text[start:stop])))
        message = f"--fail-if: {flaw.text}"
        raise writing.Failure(f"{message}\n  {printable(text)}\n  {' ' * room}{'^' * caret}") from None


def _make_old_reader(nets: tuple[str, ...], revision: str | None, where: writing.Output) -> _Read:
    """Return a function that reads the document of the old network, from a file or a git revision.

    Raises UsageError for a wrong number of networks, and if --git is combined with standard input or an example.
    """
    if revision is None:
        if len(nets) != 2:
            raise click.UsageError(f"diff takes two networks, OLD and NEW, or one file with --git REV; got {len(nets)}")
        if nets == ("-", "-"):
            raise click.UsageError("only one of the networks can come from standard input")
        return lambda overrides: common.read_document(nets[0], overrides, where)
    if len(nets) != 1 or nets[0] == "-" or nets[0].startswith(examples.PREFIX):
        raise click.UsageError("--git REV takes exactly one file: diff --git main net.yaml")
    from convcalc.diff.revision import NoRevision, read_at

    def read(overrides: Overrides) -> tuple[Document, Overrides]:
        try:
            return read_at(revision, nets[0]), overrides
        except NoRevision as error:
            raise writing.Failure(str(error)) from None

    return read


def _make_new_reader(nets: tuple[str, ...], where: writing.Output) -> _Read:
    return lambda overrides: common.read_document(nets[-1], overrides, where)


def _add_parameters(overrides: Overrides, option: str, texts: tuple[str, ...]) -> Overrides:
    """Return the overrides with the values of --set-old or --set-new, which take precedence over --set."""
    return overrides.with_params({**overrides.params, **common.read_params(texts, option)})


def _read_network(side: _ComparedNetwork, where: writing.Output) -> tuple[Document, Network]:
    """Return the document and the network.

    Raises InvalidSpec for a mistake in the spec, and Failure for one in the options.
    """
    document, overrides = side.read_document(side.overrides)
    try:
        return document, common.build_network(document, overrides, where)
    except InvalidSpec as error:
        refused = writing.find_refusal(error)
        if refused is None:
            raise
        raise writing.Failure(f"{side.name}, {printable(document.file or '')}: {refused}") from None


def _render(
    difference: Difference,
    labels: Sequence[str | None],
    format: str,
    failed: list[Condition],
    where: writing.Output,
) -> str:
    from convcalc.render.diff import difference_json, difference_lines, failure_text

    if format == "json":
        return difference_json(difference, [one.text for one in failed])
    if format == "markdown":
        from convcalc.render.diff_markdown import difference_markdown

        return difference_markdown(difference, [failure_text(one, difference) for one in failed], not where.quiet)
    width = writing.table_width(where)
    return writing.render_text(difference_lines(difference, width, not where.quiet, labels), where)


def _render_page(
    difference: Difference,
    nets: Sequence[str],
    documents: Sequence[Document],
    failed: list[Condition],
    asked: int,
) -> str:
    """Return the page of the difference.

    A network is labelled with its name and the parameters in its argument, or with its file if both labels are equal.
    """
    from convcalc.render.diff_html import difference_html
    from convcalc.render.page.network_data import Subject
    from convcalc.spec.net_argument import join_net, split_net

    reports = (difference.old, difference.new)
    arguments = (nets[0], nets[-1])
    names = [join_net(report.network.name, split_net(net)[1]) for net, report in zip(arguments, reports, strict=True)]
    if names[0] == names[1]:
        names = [report.network.file or name for report, name in zip(reports, names, strict=True)]
    subjects = [
        Subject(
            name,
            report,
            text=document.text if document.quotable else None,
            source=document.model.format if document.model is not None else "",
        )
        for name, report, document in zip(names, reports, documents, strict=True)
    ]
    return difference_html(difference, subjects, failed, asked)


def _report_failures(difference: Difference, failed: list[Condition]) -> int:
    """Print a message for each condition of --fail-if that is met or unknown; return 1 if there are any, else 0."""
    from convcalc.render.diff import failure_text

    for one in failed:
        sys.stderr.write(f"convcalc: {failure_text(one, difference)}\n")
    return int(bool(failed))
