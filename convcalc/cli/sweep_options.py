"""The options of `convcalc sweep` that choose combinations, columns and rows."""

from __future__ import annotations  # the types are imported only for type checkers

from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from convcalc.cli import common, completing
from convcalc.metrics.figures import SWEPT
from convcalc.problems import Flaw, show

if TYPE_CHECKING:
    from convcalc.space.combinations import Combinations
    from convcalc.space.shards import Shard
    from convcalc.space.sweeping import Numbers


class Sampling(NamedTuple):
    """Which combinations to evaluate: `size` that are drawn at random (None: all), with the seed `seed`.

    Of these, a shard is evaluated.
    """

    size: int | None
    seed: int
    latin_hypercube: bool
    shard: Shard

    def choose_numbers(self, space: Combinations) -> Numbers:
        """Return the numbers of the rows to evaluate. Raises Flaw if there are too many."""
        from convcalc.space.combinations import check_size

        if self.size is None:
            first, last = self.shard.find_bounds(space.size)
            check_size(last - first, "use larger steps, draw some with --sample N, or divide them with --shard 1/N")
            return range(first, last)
        return self.shard.select(self._draw(space, self.size))

    def choose_all(self, space: Combinations) -> Numbers:
        """Return the numbers of the rows of all shards. Raises Flaw if --sample has too many."""
        return range(space.size) if self.size is None else self._draw(space, self.size)

    def _draw(self, space: Combinations, size: int) -> list[int]:
        from convcalc.space.draws import MOST_DRAWN, draw_latin_hypercube, draw_rows

        if size > MOST_DRAWN:
            raise Flaw(f"--sample draws at most {MOST_DRAWN:,} combinations", "run it with several --seed")
        if self.latin_hypercube:
            return draw_latin_hypercube([len(param.values) for param in space.params], size, self.seed)
        return draw_rows(space.size, size, self.seed)


def _complete_signed(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[Any]:
    """Complete a comma-separated list of columns, each with or without a leading minus."""
    minus = "-" if incomplete.rpartition(",")[2].startswith("-") else ""
    complete = completing.complete_list_from(lambda: [minus + name for name in SWEPT])
    return complete(context, parameter, incomplete)


def sampling_options(function: common.Function) -> common.Function:
    """Add --sample, --seed, --lhs and --shard; the command receives `sampling`."""

    @wraps(function)
    def run(sample: int | None, seed: int | None, lhs: bool, shard: str | None, **rest: Any) -> Any:
        from convcalc.space.shards import WHOLE, read_shard

        if sample is None and (lhs or seed is not None):
            raise click.UsageError(f"{'--lhs' if lhs else '--seed'} needs --sample N")
        try:
            part = WHOLE if shard is None else read_shard(shard)
        except Flaw as flaw:
            raise click.UsageError(flaw.message) from None
        return function(sampling=Sampling(sample, seed or 0, lhs, part), **rest)

    return common.add_options(
        run,
        click.option("--sample", type=click.IntRange(1), metavar="N", help="Draw N combinations at random."),
        click.option("--seed", type=click.IntRange(0), metavar="S", help="Seed of --sample (default: 0)."),
        click.option(
            "--lhs", is_flag=True, help="With --sample: spread the values of every parameter evenly (Latin hypercube)."
        ),
        click.option("--shard", metavar="I/N", help="Evaluate only part I of N, for several machines: 2/8."),
    )


def request_options(function: common.Function) -> common.Function:
    """Add the options that choose columns and rows; the command receives `request`, and `plot_file` of --plot."""

    @wraps(function)
    def run(plot: tuple[str, str] | None, **given: Any) -> Any:
        from convcalc.space.planning import Request

        asked = {name: given.pop(name) for name in Request._fields if name in given}
        request = Request(**asked, where=given.pop("filters"), plot=plot and plot[0])
        if request.top is not None and request.sort is None:
            raise click.UsageError("--top needs --sort")
        if plot is not None and not plot[1].lower().endswith(".svg"):
            raise click.UsageError(f"--plot writes SVG: name the file *.svg, not {show(plot[1])}")
        if request.pareto is not None and request.mark_pareto is not None:
            raise click.UsageError("--pareto cannot be combined with --mark-pareto")
        return function(request=request, plot_file=plot and plot[1], **given)

    return common.add_options(
        run,
        common.columns_option(lambda: SWEPT, "Columns after the parameters, such as params,macs,output_shape,x-task."),
        click.option(
            "--derive",
            multiple=True,
            metavar="NAME=EXPR",
            help="Add a column that is calculated from others, such as score=top1/macs.",
        ),
        click.option(
            "--join", metavar="FILE.csv", help="Add the columns of a CSV file, matched on its spec parameters."
        ),
        click.option(
            "--where",
            "filters",
            multiple=True,
            metavar="EXPR",
            help="Keep the rows for which an expression is true, such as 'macs < 300M and peak_memory < 256KiB'.",
        ),
        click.option("--drop-invalid", is_flag=True, help="Leave out combinations that make the spec invalid."),
        click.option(
            "--sort",
            metavar="COLUMNS",
            shell_complete=_complete_signed,
            help="Sort by columns, largest first; with a leading minus, smallest first: macs,-params.",
        ),
        click.option("--top", type=click.IntRange(1), metavar="N", help="Keep the first N rows of --sort."),
        click.option(
            "--pareto",
            metavar="COLUMNS",
            shell_complete=_complete_signed,
            help="Keep the Pareto front: columns to minimise, or with a leading minus to maximise: macs,-top1.",
        ),
        click.option(
            "--mark-pareto",
            metavar="COLUMNS",
            shell_complete=_complete_signed,
            help="Keep all rows, and mark the front in the column pareto.",
        ),
        click.option(
            "--plot",
            nargs=2,
            metavar="COLUMNS FILE.svg",
            help="Also draw two columns and their front, with a third one as colour: macs,-top1,size.",
        ),
    )
