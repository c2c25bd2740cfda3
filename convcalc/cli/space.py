"""`convcalc space`: counts, samples and ranks the networks that the choices of a spec describe."""

from __future__ import annotations  # the types are imported only for type checkers

import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING

import click

from convcalc.cli import common, completing, writing
from convcalc.cli.limits import limit_options
from convcalc.metrics.figures import ADDITIVE
from convcalc.problems import Flaw, printable

if TYPE_CHECKING:
    from convcalc.network import Limit
    from convcalc.render.space import Answer
    from convcalc.space.design_space import DesignSpace, Found, Subspace
    from convcalc.space.extent import Aim
    from convcalc.spec.document import Document
    from convcalc.spec.inputs import Overrides

_EXAMPLES = """\b
Examples:
  convcalc space example:ofa_mobilenet_v3
  convcalc space example:ofa_mobilenet_v3 --max-params 5M --sample 3 --seed 1
  convcalc space example:ofa_mobilenet_v3 --max-macs 300M --best params"""
_NONE_FITS = 1
_REFUSED = 2
_MOST_DRAWN = 100_000
_MOST_WRITTEN = 1_000


@click.command("space", epilog=_EXAMPLES)
@common.network_options
@partial(limit_options, metrics=(*ADDITIVE, "peak_memory"))
@click.option("--no-spec-budget", is_flag=True, help="Ignore the spec's own budget.")
@click.option(
    "--sample",
    type=click.IntRange(1, _MOST_DRAWN),
    metavar="N",
    help="Draw N networks uniformly from those within the budget.",
)
@click.option("--seed", type=click.IntRange(0), metavar="S", help="Seed of --sample (default: 0).")
@click.option(
    "--best",
    metavar="METRIC",
    shell_complete=completing.complete_from(lambda: ADDITIVE),
    help="Find the network within the budget with the most of a metric, such as params; a leading minus: the least.",
)
@click.option(
    "--pareto",
    metavar="A,B",
    shell_complete=completing.complete_list_from(lambda: ADDITIVE),
    help="Find the networks that no other beats in two metrics, such as macs,-params: least MACs, most params.",
)
@click.option("--limit", "rows", type=click.IntRange(0), metavar="N", help="Number of networks to list; 0 for all.")
@click.option(
    "--emit", metavar="DIR", help="Write a spec for each network found into a folder, with the choices as its defaults."
)
@common.format_option("table", "json", "csv")
@common.output_options
@common.quiet_option("Print only the networks found, as options for other commands; with the default format only.")
def command(
    net: str,
    overrides: Overrides,
    limits: tuple[Limit, ...],
    no_spec_budget: bool,
    sample: int | None,
    seed: int | None,
    best: str | None,
    pareto: str | None,
    rows: int | None,
    emit: str | None,
    format: str,
    where: writing.Output,
) -> int:
    """Count, sample and rank the networks of a design space.

    NET must have choices for spec parameters (space:). By default, the number of networks is printed, how many are
    within the budget, and the distribution of the params, MACs and peak memory of all networks. The budget consists of
    the limits in the spec and on the command line. --set fixes a choice. No network is listed to count them, so that a
    space of 10^19 takes seconds. The exit status is 1 if no network is within the budget.

    With -q, --sample, --best and --pareto print only options for other commands, one line per network:

    \b
      convcalc summary NET $(convcalc space NET --best params --max-macs 300M -q)

    If values contain spaces, use xargs instead:

    \b
      convcalc space NET --best params --max-macs 300M -q | xargs convcalc summary NET
    """  # noqa: D301 (click preserves the line breaks of a paragraph after this backspace character)
    asked = [name for name, value in (("sample", sample), ("best", best), ("pareto", pareto)) if value is not None]
    _check_options(asked, seed, rows, emit, format, where)
    document, overrides = common.read_document(net, overrides, where)
    _check_document(net, document)
    if emit is not None:
        _check_written_overrides(overrides)
    from convcalc.space.coupling import Coupled
    from convcalc.space.design_space import WrongLimit, read_space
    from convcalc.space.slots import TooManyFigures

    try:
        aims = _read_aims(best, pareto)
        with _show_activity(where) as show:
            show("reading the spec")
            space = read_space(document, overrides, show)
            _check_known(space, aims)
            every = [*(() if no_spec_budget else _list_spec_limits(space, net)), *limits]
            subspace = space.restrict(every)
            if asked:
                found = _find_networks(subspace, sample, seed or 0, aims, show)
            else:
                answer = _describe_space(space, subspace, every, show)
        if not asked:
            return _print_space(answer, format, where, net)
    except Coupled as error:
        writing.print_invalid(document.invalid([error.problem]), where)
        return _REFUSED
    except (TooManyFigures, WrongLimit) as error:
        raise writing.Failure(f"{printable(net)}: {printable(str(error))}") from None
    if emit is not None:
        _write_specs(document, overrides, found, emit, space.network.name)
    text = _render(space, every, found, asked[0], format, rows, overrides, where)
    writing.write_text(text, where, [net])
    return 0 if found else _NONE_FITS


def _check_options(
    asked: list[str], seed: int | None, rows: int | None, emit: str | None, format: str, where: writing.Output
) -> None:
    if len(asked) > 1:
        raise click.UsageError(f"--{asked[0]} cannot be combined with --{asked[1]}")
    if seed is not None and "sample" not in asked:
        raise click.UsageError("--seed needs --sample N")
    if where.quiet and format != "table":
        raise click.UsageError(f"-q cannot be combined with {common.describe_format(format, where)}")
    listing = [("--emit", emit is not None), ("-q", where.quiet), ("--limit", rows is not None)]
    useless = next((option for option, given in listing if given), None)
    if not asked and useless is not None:
        raise click.UsageError(f"{useless} needs --sample, --best or --pareto")


def _check_document(net: str, document: Document) -> None:
    """Raise Failure if the document has no choices; an invalid spec passes, so that its errors are reported."""
    from convcalc.spec.blame import advise_import

    if document.model is not None:
        why = f"space counts the choices of spec parameters, which {document.model.format} does not have"
        raise writing.Failure(f"{printable(net)}: {why}: {advise_import(document, 'and add space: to it')}")
    if isinstance(document.root, dict) and not document.problems and "space" not in document.root:
        raise writing.Failure(
            f"{printable(net)}: the spec has no choices: add them, such as space: {{depth: [2, 3, 4]}}"
        )


def _check_written_overrides(overrides: Overrides) -> None:
    if overrides.inputs or overrides.batch is not None or overrides.dtype is not None:
        raise click.UsageError("--emit writes spec parameters only: write --input, --batch and --dtype into the spec")


def _read_aims(best: str | None, pareto: str | None) -> list[Aim]:
    """Return the figures of --best or --pareto. Raises Failure for an unknown figure."""
    from convcalc.space.aims import read_best, read_front

    try:
        if best is not None:
            return [read_best(best)]
        return [] if pareto is None else list(read_front(pareto))
    except Flaw as flaw:
        raise writing.Failure(f"{'--pareto' if best is None else '--best'}: {flaw.message}") from None


def _check_known(space: DesignSpace, aims: Sequence[Aim]) -> None:
    from convcalc.space.aims import check_known

    try:
        for aim in aims:
            check_known(aim, space.unknown)
    except Flaw as flaw:
        raise writing.Failure(printable(flaw.message)) from None


def _list_spec_limits(space: DesignSpace, net: str) -> tuple[Limit, ...]:
    """Return the limits of the spec's own budget. Raises Failure if they depend on a choice or cannot be checked."""
    from convcalc.space.design_space import WrongLimit, check_limit, find_varying_limits

    varying = sorted(find_varying_limits(space))
    if varying:
        raise writing.Failure(
            f"{printable(net)}: the spec's budget depends on {printable(varying[0])}, which has choices: "
            "fix it with --set, or ignore the budget with --no-spec-budget"
        )
    for limit in space.network.budget:
        try:
            check_limit(limit, space)
        except WrongLimit as error:
            raise writing.Failure(
                f"{printable(net)}: {printable(str(error))}: ignore the spec's budget with --no-spec-budget"
            ) from None
    return space.network.budget


def _show_activity(where: writing.Output) -> AbstractContextManager[Callable[[str], None]]:
    """Return a context; its value, called with a text, shows the text on a terminal if the work takes long."""
    if not writing.may_show_bar(where):
        return nullcontext(lambda text: None)
    from convcalc.render.activity import Activity

    return Activity(sys.stderr)


def _find_networks(
    subspace: Subspace, sample: int | None, seed: int, aims: list[Aim], show: Callable[[str], None]
) -> list[Found]:
    show("drawing networks" if sample is not None else "searching for the best networks")
    if sample is not None:
        return subspace.draw(sample, seed)
    if len(aims) == 2:
        return subspace.find_front((aims[0], aims[1]))
    found = subspace.find_best(aims[0])
    return [] if found is None else [found]


def _describe_space(space: DesignSpace, subspace: Subspace, limits: list[Limit], show: Callable[[str], None]) -> Answer:
    from convcalc.render import space as render

    if limits:
        show("counting the networks within the budget")
    within = subspace.estimate() if limits else None
    return render.describe_space(space, limits, within, show)


def _print_space(answer: Answer, format: str, where: writing.Output, net: str) -> int:
    """Print the number of networks and their figures, and return the exit status."""
    from convcalc.render import space as render

    within = answer.within
    if format == "json":
        text = render.space_json(answer, None, [])
    elif format == "csv":
        text = render.space_csv(answer)
    else:
        text = writing.render_text(render.space_lines(answer, writing.table_width(where)), where)
    writing.write_text(text, where, [net])
    return _NONE_FITS if within is not None and within.networks == 0 else 0


def _render(
    space: DesignSpace,
    limits: list[Limit],
    found: list[Found],
    listed: str,
    format: str,
    rows: int | None,
    overrides: Overrides,
    where: writing.Output,
) -> str:
    """Return the networks found in the requested format, with at most `rows` (0: all; None: the default)."""
    from convcalc.render import space as render

    most = rows or None
    if format == "json":
        return render.space_json(render.Answer(space, limits, None, {}), listed, found[:most])
    if format == "csv":
        return render.found_csv(space, found, most)
    if where.quiet:
        return "".join(render.options_text(one, overrides) for one in found[:most])
    most = render.MOST_ROWS if rows is None else most
    return writing.render_text(render.found_lines(space, limits, found, most, writing.table_width(where)), where)


def _write_specs(document: Document, overrides: Overrides, found: list[Found], folder: str, name: str) -> None:
    """Write a spec for each network found. Raises Failure if a file exists; then nothing is written."""
    from convcalc.space.writing import CannotWrite, write_network

    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", name) or "network"
    files = [os.path.join(folder, f"{stem}-{number}.yaml") for number in range(1, len(found) + 1)]
    if len(files) > _MOST_WRITTEN:
        raise writing.Failure(f"--emit writes at most {_MOST_WRITTEN:,} specs; {len(files):,} networks were found")
    existing = next((file for file in files if os.path.exists(file)), None)
    if existing is not None:
        raise writing.Failure(f"{printable(existing)} already exists: nothing was written")
    try:
        texts = [write_network(document, {**overrides.params, **one.params}, one.figures) for one in found]
        if files:
            os.makedirs(folder, exist_ok=True)
    except CannotWrite as error:
        raise writing.Failure(f"--emit: {error}") from None
    except OSError as error:
        raise writing.Failure(f"--emit {printable(folder)}: {(error.strerror or str(error)).lower()}") from None
    for file, text in zip(files, texts, strict=True):
        writing.write_bytes(text.encode(), writing.Output(file, "never", True), [])
