"""`convcalc explain`: shows how every figure is calculated."""

from __future__ import annotations  # the types are imported only for type checkers

from typing import TYPE_CHECKING

import click

from convcalc.cli import common, completing, writing

if TYPE_CHECKING:
    from convcalc.analysis.report import Report
    from convcalc.spec.inputs import Overrides

_EXAMPLES = """\b
Examples:
  convcalc explain example:resnet50 conv1
  convcalc explain example:resnet50 'stage2.*' -f markdown
  convcalc explain example:resnet18 stage1.0.branches1.0.conv1 --algorithms
  convcalc explain example:resnet50 --conventions"""


@click.command("explain", epilog=_EXAMPLES)
@common.override_options
@click.argument("net", required=False, shell_complete=completing.complete_net)
@click.argument("layer", required=False, shell_complete=completing.complete_layer)
@common.inference_options
@click.option("--conventions", is_flag=True, help="Explain how convcalc and other tools count MACs, FLOPs and memory.")
@click.option("--algorithms", is_flag=True, help="Compare direct, im2col, Winograd and FFT convolution for LAYER.")
@common.format_option("text", "markdown", "json")
@common.output_options
@common.quiet_option("Print only the figures in the text, without explanations, and no warnings.")
def command(
    net: str | None,
    overrides: Overrides,
    layer: str | None,
    inplace: bool,
    fold_batchnorm: bool,
    conventions: bool,
    algorithms: bool,
    format: str,
    where: writing.Output,
) -> int:
    """Show the formula behind every figure, with its numbers.

    LAYER is a layer's name, or a pattern such as 'stage2.*' for several layers. Without LAYER, the totals of the
    network are explained. The formulas come from the code that computes the figures, so the two cannot differ.

    --conventions explains how convcalc counts, and how other tools count differently. With a NET, it shows term by
    term how the total that each tool prints follows from convcalc's MACs.

    --algorithms shows what a convolution costs with each of the usual algorithms: operations, workspace, and why an
    algorithm does not apply.
    """
    from convcalc.analysis.report import analyse

    if algorithms and (conventions or layer is None):
        raise click.UsageError(
            "--algorithms cannot be combined with --conventions" if conventions else "--algorithms needs a LAYER"
        )
    if net is None and not conventions:
        raise click.UsageError("Missing argument 'NET'.")
    if layer is not None and conventions:
        raise click.UsageError("--conventions applies to a whole network: omit LAYER")
    if net is None:
        text = _render_conventions(None, format, where)
    else:
        loaded = common.load(net, overrides, where)
        report = analyse(loaded, inplace=inplace, fold_batchnorm=fold_batchnorm)
        if conventions:
            text = _render_conventions(report, format, where)
        elif algorithms and layer is not None:
            text = _render_algorithms(report, layer, format, where)
        else:
            text = _render_figures(report, layer, format, where)
    writing.write_text(text, where, [net] if net else [])
    return 0


def _render_figures(report: Report, layer: str | None, format: str, where: writing.Output) -> str:
    from convcalc.explain.derived_figures import NoLayer, explain_layers
    from convcalc.render import explain, explain_json, explain_markdown

    try:
        found = None if layer is None else explain_layers(report, layer)
    except NoLayer as error:
        raise writing.Failure(str(error)) from None
    if format == "json":
        return explain_json.totals_json(report) if found is None else explain_json.explanation_json(report, found)
    if format == "markdown":
        markdown = explain_markdown
        return markdown.totals_markdown(report) if found is None else markdown.explanation_markdown(found)
    width = writing.table_width(where)
    if found is None:
        return writing.render_text(explain.totals_lines(report, width), where)
    return writing.render_text(explain.explanation_lines(found, width, not where.quiet), where)


def _render_algorithms(report: Report, layer: str, format: str, where: writing.Output) -> str:
    from convcalc.explain.derived_figures import NoLayer, explain_layers
    from convcalc.render import explain_algorithms as render

    try:
        subjects = render.find_subjects(report, [found.layer for found in explain_layers(report, layer)])
    except (NoLayer, render.NoConvolution) as error:
        raise writing.Failure(str(error)) from None
    if format == "json":
        return render.algorithm_json(report, subjects)
    if format == "markdown":
        return render.algorithm_markdown(subjects)
    return writing.render_text(render.algorithm_lines(subjects, writing.table_width(where), not where.quiet), where)


def _render_conventions(report: Report | None, format: str, where: writing.Output) -> str:
    from convcalc.render import explain_conventions as render

    if format == "json":
        return render.page_json() if report is None else render.reconciliation_json(report)
    if format == "markdown":
        return render.page_markdown() if report is None else render.reconciliation_markdown(report)
    width = writing.table_width(where)
    if report is None:
        return writing.render_text(render.page_lines(width), where)
    return writing.render_text(render.reconciliation_lines(report, width, not where.quiet), where)
