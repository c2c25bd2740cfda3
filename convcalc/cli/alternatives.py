"""`convcalc alternatives`: what else a convolution could be."""

from collections.abc import Callable, Sequence

import click

from convcalc.alternatives.factorings import FACTORINGS, CannotChange, Convolution
from convcalc.alternatives.rewriting import Change, rewritten, rewritten_text
from convcalc.alternatives.subjects import NoSuchLayer, convolutions, named, pattern_of, wholly_named
from convcalc.alternatives.weighing import METRICS, Option, options, ranked, tried
from convcalc.analysis.report import Report, analyse
from convcalc.cli import common
from convcalc.network import Network
from convcalc.problems import did_you_mean, printable, shown
from convcalc.spec.document import Document
from convcalc.spec.inputs import Overrides

EXAMPLES = """\b
Examples:
  convcalc alternatives example:resnet18 --limit 10
  convcalc alternatives example:alexnet conv2
  convcalc alternatives example:alexnet --apply separable:conv2 > net.yaml"""
ROWS = 20  # without LAYER, where not asked for otherwise


@click.command("alternatives", epilog=EXAMPLES)
@common.network_options
@click.argument("layer", required=False)
@click.option("--by", type=click.Choice(METRICS), default="macs", help="What to save in the whole network.")
@click.option("--limit", "rows", type=click.IntRange(0), metavar="N", help="List N alternatives; 0 lists all.")
@click.option("--apply", metavar="NAME:LAYER", help="Write the spec with an alternative, comments and layout kept.")
@click.option("-f", "--format", "format", type=click.Choice(["table", "json", "markdown"]), default="table")
@common.output_options
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
    """What cheaper convolutions would cost, and dearer ones.

    For LAYER (a name, a pattern such as 'stage2.*', a scope, or several with commas) or for all: depthwise separable,
    bottleneck, stacked 3-wide kernels, k×1 then 1×k, groups, a dilated smaller kernel; unshared and dense. Each is made
    in the network and counted: ratios are those of the layer's figures, = what stays exactly. A layer of a block
    changes in all its uses: it is listed if any of them goes by LAYER, by a name for all that --apply takes.
    """
    document = common.read_document(net)
    report = analyse(common.network_of(document, overrides, where))
    convs = convolutions(document, report.network)
    if apply is not None:
        if layer is not None or format != "table":
            raise click.UsageError("--apply names its LAYER, and writes a spec")
        text, said = applied(document, overrides, report, convs, apply)
        common.write_text(text, where, [net])
        if not where.quiet:
            click.echo(said, err=True)
        return 0
    chosen = convs if layer is None else chosen_by(named, convs, report, layer)
    limit = (rows or None) if rows is not None else ROWS if layer is None else None
    common.write_text(rendered(document, overrides, report, chosen, by, limit, format, where), where, [net])
    return 0


def chosen_by(
    choose: Callable[[Sequence[Convolution], Network, str], list[Convolution]],
    convs: Sequence[Convolution],
    report: Report,
    layer: str,
) -> list[Convolution]:
    """The convolutions that LAYER names: to look at (`named`) or to change (`wholly_named`)."""
    try:
        return choose(convs, report.network, layer)
    except NoSuchLayer as error:
        raise common.Failure(printable(str(error))) from None


def rendered(
    document: Document,
    overrides: Overrides,
    report: Report,
    chosen: Sequence[Convolution],
    by: str,
    limit: int | None,
    format: str,
    where: common.Output,
) -> str:
    """The alternatives that save most, in a format."""
    from convcalc.render import alternatives

    known, refused = options(chosen, report.network)
    found, failed = tried(document, overrides, report, ranked(known, by), limit)
    more = len(known) - len(found) - len(failed)
    if format == "json":
        return alternatives.alternative_json(report, found, [*refused, *failed], by, more)
    if format == "markdown":
        return alternatives.alternative_markdown(report, found, more)
    width = common.width_of(where)
    return common.as_text(
        alternatives.alternative_lines(report, chosen, found, [*refused, *failed], more, width), where
    )


def applied(
    document: Document, overrides: Overrides, report: Report, convs: Sequence[Convolution], apply: str
) -> tuple[str, str]:
    """The text of the spec with an alternative, and in a line what it saves."""
    from convcalc.render.alternatives import applied_line

    factoring, colon, pattern = apply.partition(":")
    if not colon or not pattern:
        raise common.Failure(f"--apply takes NAME:LAYER, such as separable:conv2, not {shown(apply)}")
    if factoring not in FACTORINGS:
        hint = did_you_mean(factoring, FACTORINGS) or f"there are {' '.join(FACTORINGS)}"
        raise common.Failure(f"no alternative {shown(factoring)}: {hint}")
    known, refused = options(chosen_by(wholly_named, convs, report, pattern), report.network)
    taken = [option for option in known if option.factoring == factoring]
    reasons = [
        f"{pattern_of(one.conv, report.network)}: {one.reason}" for one in refused if one.factoring in ("", factoring)
    ]
    if not taken or reasons:
        others = ", ".join(dict.fromkeys(option.factoring for option in known))
        hint = f"there are {others}" if others else "there is none"
        raise common.Failure(printable(reasons[0] if reasons else f"{apply}: no such alternative, {hint}"))
    text, changed = written(document, overrides, report, taken)
    return text, applied_line(report, changed, len(taken))


def written(document: Document, overrides: Overrides, report: Report, taken: Sequence[Option]) -> tuple[str, Report]:
    """The text of the spec with options taken, and the report of its network."""
    changes = [Change(option.conv, option.entries) for option in taken]
    try:
        spec = rewritten(document, report.network, overrides, changes)
        return rewritten_text(document, overrides, spec), analyse(spec.network)
    except CannotChange as error:
        raise common.Failure(f"nothing is written: {printable(str(error))}") from None
