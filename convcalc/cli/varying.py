"""The parts that `fit` and `sweep` share: the option -p, the document whose parameters vary, and the progress bar."""

from __future__ import annotations  # the types are imported only for type checkers

import sys
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import TYPE_CHECKING, Any, TypeVar

import click

from convcalc.cli import common, completing, writing
from convcalc.problems import Flaw, InvalidSpec, printable, show
from convcalc.spec.budget_metrics import MEASURED

if TYPE_CHECKING:
    from convcalc.network import Limit
    from convcalc.space.combinations import Combinations
    from convcalc.spec.document import Document
    from convcalc.spec.inputs import Overrides

Chunk = TypeVar("Chunk", bound=Sized)
_USAGE = "-p must be NAME=VALUES, such as width=0.25:1.5:0.05"


def param_option(function: common.Function) -> common.Function:
    """Add the option -p; the command receives its texts as `tried`."""
    return click.option(
        "-p",
        "--param",
        "tried",
        metavar="NAME=VALUES",
        shell_complete=completing.complete_param,
        multiple=True,
        required=True,
        help="Values to try for a spec parameter: start:stop:step, or a comma-separated list. If this option is "
        "repeated, all combinations are tried.",
    )(function)


def read_varied_document(
    net: str, overrides: Overrides, where: writing.Output, verb: str
) -> tuple[Document, Overrides]:
    """Return the document of a spec and the overrides; `verb` is what the command does, such as `fit varies`.

    Raises Failure if NET is a model file, which has no spec parameters.
    """
    from convcalc.spec.blame import advise_import

    document, overrides = common.read_document(net, overrides, where)
    if document.model is not None:
        why = f"{verb} spec parameters, which {document.model.format} does not have"
        raise writing.Failure(f"{printable(net)}: {why}: {advise_import(document, 'and add params: to it')}")
    return document, overrides


def list_device_limits(
    document: Document, overrides: Overrides, limits: Sequence[Limit], spec_budget: bool
) -> tuple[Limit, ...]:
    """Return the limits on arena, flash and latency: those of the command line, and those of the spec's budget.

    The budget is that of the network with the defaults; if that is invalid, it has none.
    """
    found = [limit for limit in limits if limit.metric in MEASURED]
    budget = document.root.get("budget") if isinstance(document.root, dict) and spec_budget else None
    if isinstance(budget, dict) and not set(MEASURED).isdisjoint(budget):
        try:
            network = common.make_reader(document)(overrides)
        except InvalidSpec:
            return tuple(found)
        found += [limit for limit in network.budget if limit.metric in MEASURED]
    return tuple(found)


def read_space(tried: tuple[str, ...], overrides: Overrides) -> Combinations:
    """Return the combinations of the values in texts such as `width=0.25:1.5:0.05` and `size=96,128`.

    Raises Failure if a text is malformed or a name is repeated.
    """
    from convcalc.space.combinations import Combinations, Param
    from convcalc.space.values import expand_values

    params: dict[str, Param] = {}
    for text in tried:
        name, equals, values = text.partition("=")
        if not equals or not name:
            raise writing.Failure(f"{_USAGE}; got {show(text)}")
        if name in params or name in overrides.params:
            raise writing.Failure(f"-p: {show(name)} is given twice")
        try:
            params[name] = Param(name, expand_values(_read_values(values)))
        except Flaw as flaw:
            raise writing.Failure(f"-p {printable(name)}: {printable(flaw.text)}") from None
    return Combinations(tuple(params.values()))


def _read_values(values: str) -> list[Any]:
    """Parse the comma-separated values of -p. Raises Flaw if they are malformed."""
    from convcalc.spec.source import read_value

    try:
        found = read_value(f"[{values}]")
    except InvalidSpec as error:
        problem = error.problems[0]
        raise Flaw(f"{show(values)} is not a list of values: {problem.message}", problem.hint) from None
    if not isinstance(found, list):
        raise Flaw(f"{show(values)} is not a list of values", "use commas, such as 96,128,160")
    return found


def explain_invalid(error: InvalidSpec, document: Document, overrides: Overrides, space: Combinations) -> InvalidSpec:
    """Return the error to report if the spec is invalid for every combination, after a line that says so.

    `error` is that of the first combination. If an override causes it, the returned error names the override.
    """
    from convcalc.spec.blame import blame_params
    from convcalc.spec.inputs import WrongOverride

    first = overrides.with_params({**overrides.params, **space.get_row(0)})
    error = blame_params(error, document, first, tuple(overrides.params))
    if not isinstance(error, WrongOverride):
        click.echo("convcalc: the spec is invalid for every combination; the first error:", err=True)
    return error


def show_rate(chunks: Iterable[Chunk], total: int, where: writing.Output) -> Iterator[Chunk]:
    """Yield the chunks unchanged, and show how many rows are done, how many per second, and the time left."""
    if not writing.may_show_bar(where):
        yield from chunks
        return
    from convcalc.render.progress import show_chunk_progress

    yield from show_chunk_progress(chunks, total, sys.stderr)
