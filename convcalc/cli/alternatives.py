"""`convcalc alternatives`: list what could replace convolutions, or apply one replacement."""

from collections.abc import Callable, Sequence

import click

from convcalc.alternatives.factorings import FACTORINGS, CannotChange, Convolution
from convcalc.alternatives.rewriting import Change, rewrite_spec, rewrite_text
from convcalc.alternatives.subjects import (
    NoSuchLayer,
    list_convolutions,
    pattern_of,
    select_by_all_uses,
    select_by_any_use,
)
from convcalc.alternatives.weighing import METRICS, Option, build_options, list_options, rank_options
from convcalc.analysis.report import Report, analyse
from convcalc.cli import common, completing
from convcalc.network import Network
from convcalc.problems import did_you_mean, printable, show
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
    type=click.Choice(METRICS),
    default="macs",
    help="Metric by which to rank the savings in the whole network (default: macs).",
)
@click.option(
    "--limit", "rows", type=click.IntRange(0), metavar="N", help="Number of alternatives to list; 0 lists all."
)
@click.option(
    "--apply",
    metavar="NAME:LAYER",
    shell_complete=completing.complete_apply,
    help="Write the spec with one alternative applied; comments and layout are kept.",
)
@common.format_option("table", "json", "markdown")
@common.output_options
@common.quiet_option("Do not print warnings or the savings of --apply.")
def command(
    net: str,
    overrides: Overrides,
    layer: str | None,
    by: str,
    rows: int | None,
    apply: str | None,
    format: str,
    where: common.Output,
) -> int:
    """List alternatives to convolutions with their cost.

    LAYER is a name, a pattern such as 'stage2.*', a scope, or several of these, comma-separated; without it, all
    convolutions are considered. Alternatives: depthwise separable, bottleneck, stacked 3-wide kernels, k×1 then 1×k,
    groups, a smaller dilated kernel; for comparison, without weight sharing and fully connected.

    Each alternative is built into the network and counted. The table shows the layer's new cost as a ratio of the old
    one, = for unchanged, and the change of the whole network. A layer of a block changes in all its uses; it is listed
    if LAYER matches any of them, with a name for --apply that matches them all.
    """
    document = common.read_document(net)
    report = analyse(common.build_network(document, overrides, where))
    convs = list_convolutions(document, report.network)
    if apply is not None:
        if layer is not None or format != "table":
            raise click.UsageError("--apply NAME:LAYER cannot be combined with a LAYER argument or --format")
        text, savings = _apply(document, overrides, report, convs, apply)
        common.write_text(text, where, [net])
        if not where.quiet:
            click.echo(savings, err=True)
        return 0
    chosen = convs if layer is None else _select(select_by_any_use, convs, report, layer)
    limit = (rows or None) if rows is not None else _ROWS if layer is None else None
    common.write_text(_render(document, overrides, report, chosen, by, limit, format, where), where, [net])
    return 0


def _select(
    choose: Callable[[Sequence[Convolution], Network, str], list[Convolution]],
    convs: Sequence[Convolution],
    report: Report,
    layer: str,
) -> list[Convolution]:
    """Return the convolutions that LAYER matches. Raises Failure if there are none.

    `choose` is `select_by_any_use` to list them, `select_by_all_uses` to change them.
    """
    try:
        return choose(convs, report.network, layer)
    except NoSuchLayer as error:
        raise common.Failure(printable(str(error))) from None


def _render(
    document: Document,
    overrides: Overrides,
    report: Report,
    chosen: Sequence[Convolution],
    by: str,
    limit: int | None,
    format: str,
    where: common.Output,
) -> str:
    """Return the alternatives that save most, in a format."""
    from convcalc.render import alternatives

    known, refused = list_options(chosen, report.network)
    found, failed = build_options(document, overrides, report, rank_options(known, by), limit)
    more = len(known) - len(found) - len(failed)
    if format == "json":
        return alternatives.alternative_json(report, found, [*refused, *failed], by, more)
    if format == "markdown":
        return alternatives.alternative_markdown(report, found, more)
    width = common.table_width(where)
    return common.render_text(
        alternatives.alternative_lines(report, chosen, found, [*refused, *failed], more, width), where
    )


def _apply(
    document: Document, overrides: Overrides, report: Report, convs: Sequence[Convolution], apply: str
) -> tuple[str, str]:
    """Return the text of the spec with an alternative applied, and one line with the savings."""
    from convcalc.render.alternatives import applied_line

    factoring, colon, pattern = apply.partition(":")
    if not colon or not pattern:
        raise common.Failure(f"--apply must be NAME:LAYER, such as separable:conv2; got {show(apply)}")
    if factoring not in FACTORINGS:
        hint = did_you_mean(factoring, FACTORINGS) or f"available: {', '.join(FACTORINGS)}"
        raise common.Failure(f"unknown alternative {show(factoring)}: {hint}")
    known, refused = list_options(_select(select_by_all_uses, convs, report, pattern), report.network)
    selected = [option for option in known if option.factoring == factoring]
    reasons = [
        f"{pattern_of(one.conv, report.network)}: {one.reason}" for one in refused if one.factoring in ("", factoring)
    ]
    if not selected or reasons:
        others = ", ".join(dict.fromkeys(option.factoring for option in known))
        hint = f"available: {others}" if others else "it has no alternatives"
        raise common.Failure(printable(reasons[0] if reasons else f"{apply} does not apply to this layer; {hint}"))
    text, changed = _write_spec(document, overrides, report, selected)
    return text, applied_line(report, changed, len(selected))


def _write_spec(
    document: Document, overrides: Overrides, report: Report, selected: Sequence[Option]
) -> tuple[str, Report]:
    """Return the text of the spec with options applied, and the report of its network."""
    changes = [Change(option.conv, option.entries) for option in selected]
    try:
        spec = rewrite_spec(document, report.network, overrides, changes)
        return rewrite_text(document, overrides, spec), analyse(spec.network)
    except CannotChange as error:
        raise common.Failure(f"nothing is written: {printable(str(error))}") from None
