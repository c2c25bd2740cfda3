"""`convcalc alternatives`: lists cheaper replacements for convolutions, or writes a spec with one of them applied."""

from __future__ import annotations  # the types are imported only for type checkers

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from convcalc.cli import common, completing, writing
from convcalc.metrics.figures import FIGURES, find_figure
from convcalc.problems import did_you_mean, printable, show

if TYPE_CHECKING:
    from convcalc.alternatives.factorings import Convolution
    from convcalc.alternatives.weighing import Option
    from convcalc.analysis.report import Report
    from convcalc.network import Network
    from convcalc.spec.document import Document
    from convcalc.spec.inputs import Overrides

_EXAMPLES = """\b
Examples:
  convcalc alternatives example:resnet18 --limit 10
  convcalc alternatives example:alexnet conv2
  convcalc alternatives example:alexnet --apply separable:conv2 > net.yaml"""
_ROWS = 20  # default number of rows without LAYER


@click.command("alternatives", epilog=_EXAMPLES)
@common.network_options
@click.argument("layer", required=False, shell_complete=completing.complete_layer)
@click.option(
    "--by",
    metavar="FIGURE",
    shell_complete=completing.complete_from(lambda: FIGURES),
    help="List only alternatives that lower a figure of the whole network (macs, params, peak_memory, …), the largest "
    "saving first. Default: all, by macs.",
)
@click.option("--limit", "rows", type=click.IntRange(0), metavar="N", help="Number of alternatives to list; 0 for all.")
@click.option(
    "--apply",
    metavar="NAME:LAYER",
    shell_complete=completing.complete_apply,
    help="Print the spec with an alternative applied; its comments and layout are preserved.",
)
@common.format_option("table", "json", "markdown")
@common.output_options
@common.quiet_option("Do not print warnings or the savings of --apply.")
def command(
    net: str,
    overrides: Overrides,
    layer: str | None,
    by: str | None,
    rows: int | None,
    apply: str | None,
    format: str,
    where: writing.Output,
) -> int:
    """List alternatives to convolutions with their cost.

    LAYER is a layer, a scope such as a block, a pattern such as 'stage2.*', or a comma-separated list of these; without
    it, all convolutions are considered. The alternatives are a depthwise separable convolution, a bottleneck, stacked
    3-wide kernels, k×1 followed by 1×k, groups, and a smaller dilated kernel. For comparison, a layer without weight
    sharing and a fully connected layer are listed too.

    Each alternative is put into the network to compute its cost. The table shows the layer's new cost relative to its
    old cost (= if unchanged), and the change of the whole network. A layer in a block that is used several times has
    several names, and is replaced in all uses of the block. It is listed if LAYER matches one of its names; the pattern
    in the table matches all of them and can be passed to --apply.
    """
    from convcalc.alternatives.subjects import list_convolutions, select_by_any_use
    from convcalc.analysis.report import analyse
    from convcalc.spec.blame import advise_import

    metric = "macs" if by is None else _read_figure(by)
    document, overrides = common.read_document(net, overrides, where)
    if apply is not None and document.model is not None:
        advice = advise_import(document, "and apply it to that")
        raise writing.Failure(f"--apply edits a spec, and {printable(net)} is {document.model.format}: {advice}")
    report = analyse(common.build_network(document, overrides, where))
    convs = list_convolutions(document, report.network)
    if apply is not None:
        if layer is not None or format != "table":
            raise click.UsageError("--apply NAME:LAYER cannot be combined with a LAYER argument or --format")
        text, savings = _apply(document, overrides, report, convs, apply)
        writing.write_text(text, where, [net])
        if not where.quiet:
            click.echo(savings, err=True)
        return 0
    chosen = convs if layer is None else _select(select_by_any_use, convs, report, layer)
    limit = (rows or None) if rows is not None else _ROWS if layer is None else None
    writing.write_text(
        _render(document, overrides, report, chosen, metric, by is not None, limit, format, where), where, [net]
    )
    return 0


def _read_figure(text: str) -> str:
    """Return the metric for the value of --by, such as `macs`. Raises Failure for an unknown name."""
    found = find_figure(text)
    if found is None:
        hint = did_you_mean(text, FIGURES) or f"available: {', '.join(FIGURES)}"
        raise writing.Failure(f"--by: no figure {show(text)}: {hint}")
    return found


def _select(
    choose: Callable[[Sequence[Convolution], Network, str], list[Convolution]],
    convs: Sequence[Convolution],
    report: Report,
    layer: str,
) -> list[Convolution]:
    """Return the convolutions that LAYER matches. Raises Failure if there are none.

    `choose` is `select_by_any_use` or `select_by_all_uses`. The second one also fails if LAYER matches only some of the
    layers that are built from one entry.
    """
    from convcalc.alternatives.subjects import NoSuchLayer

    try:
        return choose(convs, report.network, layer)
    except NoSuchLayer as error:
        raise writing.Failure(printable(str(error))) from None


def _render(
    document: Document,
    overrides: Overrides,
    report: Report,
    chosen: Sequence[Convolution],
    by: str,
    only_lower: bool,
    limit: int | None,
    format: str,
    where: writing.Output,
) -> str:
    """Return the text to print, with at most `limit` alternatives (None: all).

    `by` is the metric that ranks the alternatives. With `only_lower`, alternatives that do not lower it are left out.
    """
    from convcalc.alternatives.weighing import UnknownFigure, find_alternatives, list_options
    from convcalc.render import alternatives

    known, refused = list_options(chosen, report.network)
    try:
        found = find_alternatives(document, overrides, report, known, by, limit, only_lower)
    except UnknownFigure as error:
        raise writing.Failure(f"--by: {error}") from None
    found = found._replace(refused=[*refused, *found.refused])
    if format == "json":
        return alternatives.alternative_json(report, found, by)
    if format == "markdown":
        return alternatives.alternative_markdown(report, found, by)
    width = writing.table_width(where)
    return writing.render_text(alternatives.alternative_lines(report, chosen, found, by, width), where)


def _apply(
    document: Document, overrides: Overrides, report: Report, convs: Sequence[Convolution], apply: str
) -> tuple[str, str]:
    """Return the spec with an alternative applied, and a line with the network's costs before and after.

    `apply` is the value of --apply, such as `separable:conv2`. Raises Failure if it cannot be applied.
    """
    from convcalc.alternatives.factorings import FACTORINGS
    from convcalc.alternatives.subjects import pattern_of, select_by_all_uses
    from convcalc.alternatives.weighing import list_options
    from convcalc.render.alternatives import applied_line

    factoring, colon, pattern = apply.partition(":")
    if not colon or not pattern:
        raise writing.Failure(f"--apply must be NAME:LAYER, such as separable:conv2; got {show(apply)}")
    if factoring not in FACTORINGS:
        hint = did_you_mean(factoring, FACTORINGS) or f"available: {', '.join(FACTORINGS)}"
        raise writing.Failure(f"unknown alternative {show(factoring)}: {hint}")
    known, refused = list_options(_select(select_by_all_uses, convs, report, pattern), report.network)
    selected = [option for option in known if option.factoring == factoring]
    reasons = [
        f"{pattern_of(one.conv, report.network)}: {one.reason}" for one in refused if one.factoring in ("", factoring)
    ]
    if not selected or reasons:
        others = ", ".join(dict.fromkeys(option.factoring for option in known))
        hint = f"available: {others}" if others else "it has no alternatives"
        raise writing.Failure(printable(reasons[0] if reasons else f"{apply} does not apply to this layer; {hint}"))
    text, changed = _write_spec(document, overrides, report, selected)
    return text, applied_line(report, changed, len(selected))


def _write_spec(
    document: Document, overrides: Overrides, report: Report, selected: Sequence[Option]
) -> tuple[str, Report]:
    """Return the text of the spec with the selected alternatives applied, and the report of the changed network."""
    from convcalc.alternatives.factorings import CannotChange
    from convcalc.alternatives.rewriting import ConvReplacement, rewrite_spec, rewrite_text
    from convcalc.analysis.report import analyse

    changes = [ConvReplacement(option.conv, option.entries) for option in selected]
    try:
        spec = rewrite_spec(document, report.network, overrides, changes)
        return rewrite_text(document, overrides, spec), analyse(spec.network)
    except CannotChange as error:
        raise writing.Failure(f"nothing was written: {printable(str(error))}") from None
