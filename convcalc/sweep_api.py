"""Python entry points for variants of a network: `sweep` tries all combinations of values, `Sweep` those asked for.

>>> spec = {"params": {"width": 8}, "input": [64], "layers": [{"linear": {"out_features": "$width"}}]}
>>> sweep(spec, {"width": [4, 8]}).columns["params"]
[260, 520]
>>> Sweep(spec).evaluate({"width": [4, 16]}, ["params"])
{'params': [260, 1040], 'problem': [None, None]}
"""

from __future__ import annotations  # help() shows types by their names

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, Literal

from convcalc.api import Spec, make_overrides, read_document
from convcalc.device.device_names import EXAMPLE_DEVICE
from convcalc.device.runtime_names import DEFAULT_RUNTIME
from convcalc.metrics.budgets import list_limits
from convcalc.metrics.target import Target
from convcalc.problems import Flaw, did_you_mean, show
from convcalc.space.choosing import Choice
from convcalc.space.chunk import Chunk
from convcalc.space.combinations import Combinations, Param, check_size
from convcalc.space.draws import MOST_DRAWN, draw_rows
from convcalc.space.evaluation import EVALUATED, Setup
from convcalc.space.evaluators import make_evaluator
from convcalc.space.lists import to_python_numbers
from convcalc.space.ordering import Row
from convcalc.space.planning import DEFAULT, Planned, Request, make_plan
from convcalc.space.recipes import Recipe, divide_numbers, evaluate_part, make_recipe
from convcalc.space.sweep_table import SweepTable
from convcalc.space.sweeping import PROBLEM, Numbers, Tally, describe_problem, split_numbers, sweep_chunk
from convcalc.space.values import expand_values
from convcalc.space.workers import GivenExecutor, WorkersLost, run_tasks
from convcalc.spec.budget import check_runtime
from convcalc.spec.budget_metrics import LATENCY, MEASURED
from convcalc.spec.reader import read_network

_COLUMNS = (*EVALUATED, *MEASURED)
Values = Iterable[Any] | str | int | float
Optimizer = Literal["sgd", "momentum", "adam"]


class Sweep:
    """A network whose spec parameters vary, for an optimiser that asks for the figures of variants many times.

    The arguments are those of `summary`. Arena and flash depend on `runtime`, and latency (in seconds) on `device`, a
    name or a device file; see `convcalc help latency`. Traces of the network are kept from one call to the next, so
    that later calls are faster. A `Sweep` must not be used by several threads at once.
    """

    def __init__(
        self,
        net: Spec,
        *,
        params: Mapping[str, Any] | None = None,
        input: Sequence[int] | Mapping[str, int] | None = None,
        inputs: Mapping[str, Sequence[int] | Mapping[str, int]] | None = None,
        batch: int | None = None,
        dtype: str | Mapping[str, str] | None = None,
        inplace: bool = True,
        fold_batchnorm: bool = False,
        optimizer: Optimizer = "sgd",
        spec_budget: bool = True,
        runtime: str | None = None,
        device: str | None = None,
        eager: bool = False,
    ) -> None:
        self.document, overrides = read_document(net, make_overrides(params, input, inputs, batch, dtype))
        if self.document.model is not None:
            raise ValueError(f"{self.document.model.format} has no spec parameters that could vary")
        target = _read_target(runtime, device, eager)
        self.setup = Setup(overrides, inplace, fold_batchnorm, optimizer, (), spec_budget, target)
        self.evaluator = make_evaluator(self.document, self.setup)

    def evaluate(self, values: Mapping[str, Sequence[Any]], columns: Sequence[str] = DEFAULT) -> dict[str, list[Any]]:
        """Return the figures of networks with these values of spec parameters: a list per column.

        `values` maps each parameter to one value per network, as a list or an array. A value that is unknown is None;
        so are all of a network that is invalid, for which the column `problem` has the reason. Raises InvalidSpec if
        the spec has no such parameter, and ValueError if the lists differ in length, if one is a text such as a range,
        or if a column is unknown.
        """
        for name in columns:
            if name not in _COLUMNS:
                hint = did_you_mean(name, _COLUMNS) or f"available: {', '.join(_COLUMNS)}"
                raise ValueError(f"no column {show(name)}: {hint}")
        _check_latency(columns, self.setup.target)
        for name, column in values.items():
            if isinstance(column, str):
                raise ValueError(f"values[{name!r}] must be a list or an array; got {show(column)}")
        given = {name: list(to_python_numbers(column)) for name, column in values.items()}
        counts = {name: len(column) for name, column in given.items()}
        if len(set(counts.values())) != 1:
            numbers = ", ".join(f"{count} of {name}" for name, count in counts.items()) or "no parameters"
            raise ValueError(f"the parameters need the same number of values each; got {numbers}")
        found = self.evaluator.evaluate(given, list(columns))
        problems: list[str | None] = [None] * next(iter(counts.values()))
        for row, problem in found.problems.items():
            problems[row] = describe_problem(problem)
        return {**{name: list(to_python_numbers(found.columns[name])) for name in columns}, PROBLEM: problems}


def sweep(
    net: Spec,
    params: Mapping[str, Values],
    *,
    executor: Executor | None = None,
    columns: Sequence[str] | None = None,
    derive: Sequence[str] | str = (),
    join: str | None = None,
    where: Sequence[str] | str = (),
    drop_invalid: bool = False,
    sort: str | None = None,
    top: int | None = None,
    pareto: str | None = None,
    sample: int | None = None,
    seed: int = 0,
    input: Sequence[int] | Mapping[str, int] | None = None,
    inputs: Mapping[str, Sequence[int] | Mapping[str, int]] | None = None,
    batch: int | None = None,
    dtype: str | Mapping[str, str] | None = None,
    inplace: bool = True,
    fold_batchnorm: bool = False,
    optimizer: Optimizer = "sgd",
    spec_budget: bool = True,
    runtime: str | None = None,
    device: str | None = None,
    eager: bool = False,
) -> SweepTable:
    """Return the figures of a network for all combinations of values of spec parameters, a row each.

    `params` maps spec parameters to the values to try: a list, an array, a range such as "0.25:1:0.05", or a single
    value. The other arguments mean the same as the options of `convcalc sweep`. The columns arena and flash depend on
    `runtime`, and latency (in seconds) on `device` and `eager`. With an `executor` of `concurrent.futures`, such as a
    ProcessPoolExecutor or that of Dask, its workers evaluate parts of the rows; they get the text of the spec, and need
    the same version of convcalc. At most a million rows are returned.

    Raises InvalidSpec if the spec has no such parameter, ValueError for a mistake in another argument, and RuntimeError
    if the workers are lost.
    """
    setting: dict[str, Any] = {"input": input, "inputs": inputs, "batch": batch, "dtype": dtype}
    setting |= {"spec_budget": spec_budget, "runtime": runtime, "device": device, "eager": eager}
    base = Sweep(net, **setting, inplace=inplace, fold_batchnorm=fold_batchnorm, optimizer=optimizer)
    request = Request(
        None if columns is None else ",".join([columns] if isinstance(columns, str) else columns),
        _list_texts(derive),
        _list_texts(where),
        join,
        drop_invalid,
        sort,
        top,
        pareto,
        added=() if columns is not None else _list_added(runtime, base.setup.target),
        has_device=device is not None,
    )
    try:
        space = Combinations(tuple(Param(name, _expand(name, values)) for name, values in params.items()))
        numbers = _choose_numbers(space, sample, seed)
        recipe = make_recipe(base.document, base.setup, space, request, len(numbers))
        planned = make_plan(base.document, base.setup.overrides.params, space, base.evaluator, recipe.request)
        _check_latency(planned.plan.figures, base.setup.target)
        tally = Tally()
        choice = Choice(planned, None)
        for rows, count in _list_rows(planned, numbers, tally, recipe, executor):
            choice.add(rows, count)
        chosen = choice.finish()
    except Flaw as flaw:
        message = flaw.text.removeprefix("--")
        raise ValueError(message) from None
    except WorkersLost as error:
        raise RuntimeError(str(error)) from error.__cause__
    return _make_table(base, planned, chosen, tally)


def _read_target(runtime: str | None, device: str | None, eager: bool) -> Target:
    """Return the target of figures of devices. Raises ValueError for an unknown name, and as `find_device` does."""
    if eager and device is None:
        raise ValueError("eager needs a device")
    if runtime is None and device is None:
        return Target()
    from convcalc.device.device_file import find_device

    try:
        if runtime is not None:
            check_runtime(runtime)
        found = None if device is None else find_device(device)
    except Flaw as flaw:
        raise ValueError(flaw.text) from None
    return Target(runtime or (found and found.runtime) or DEFAULT_RUNTIME, found, eager)


def _list_added(runtime: str | None, target: Target) -> tuple[str, ...]:
    """Return the columns that a runtime and a device add to the default ones. Raises ValueError for a wrong device."""
    if runtime is None and target.device is None:
        return ()
    from convcalc.metrics.device_figures import list_added

    try:
        return list_added(runtime, target.device)
    except Flaw as flaw:
        raise ValueError(f"device: {flaw.text}") from None


def _check_latency(columns: Iterable[str], target: Target) -> None:
    if LATENCY not in columns:
        return
    from convcalc.metrics.device_figures import check_timed

    if target.device is None:
        raise ValueError(f"latency needs a device: pass device, such as {EXAMPLE_DEVICE!r}")
    try:
        check_timed(target)
    except Flaw as flaw:
        raise ValueError(f"device: {flaw.text}") from None


def _list_texts(texts: Sequence[str] | str) -> tuple[str, ...]:
    return (texts,) if isinstance(texts, str) else tuple(texts)


def _expand(name: str, values: Values) -> Sequence[Any]:
    """Return the values to try. Raises Flaw."""
    if hasattr(values, "tolist"):
        values = values.tolist()
    written = [values] if isinstance(values, str | int | float) else list(values)
    try:
        return expand_values(written)
    except Flaw as flaw:
        raise Flaw(f"params[{name!r}]: {flaw.message}", flaw.hint) from None


def _choose_numbers(space: Combinations, sample: int | None, seed: int) -> Numbers:
    if not space.params:
        raise Flaw("params: at least one spec parameter must vary")
    if sample is None:
        check_size(space.size, "use larger steps, or draw some with sample=N")
        return range(space.size)
    if not 1 <= sample <= MOST_DRAWN:
        raise Flaw(f"sample must be from 1 to {MOST_DRAWN:,}; got {sample:,}")
    return draw_rows(space.size, sample, seed)


def _list_rows(
    planned: Planned, numbers: Numbers, tally: Tally, recipe: Recipe, executor: Executor | None
) -> Iterator[tuple[Chunk, int]]:
    """Yield the rows that the plan keeps and that may be chosen, and the number of all that it keeps, in order.

    Raises Flaw and WorkersLost.
    """
    plan = planned.plan
    if executor is None:
        for chunk in split_numbers(numbers):
            rows = sweep_chunk(plan, chunk, tally)
            yield rows, len(rows)
        return
    plan.evaluator.evaluate(plan.combinations.list_columns(numbers[:1]), ())  # raises for a wrong parameter
    workers = GivenExecutor(executor)
    tasks = ((recipe, part) for part in divide_numbers(numbers, workers.ahead))
    for part in run_tasks(workers, evaluate_part, tasks):
        if isinstance(part, Flaw):
            raise part
        part.add_to(tally, plan)
        yield part.rows, part.tally.kept


def _make_table(base: Sweep, planned: Planned, chosen: Sequence[Row], tally: Tally) -> SweepTable:
    """Return the table, with the name and budget of the first valid network."""
    name, limits = base.document.file or "network", base.setup.limits
    if tally.first_valid is not None:
        overrides = base.setup.overrides
        row = planned.plan.combinations.get_row(tally.first_valid)
        network = read_network(base.document, overrides.with_params({**overrides.params, **row}))
        name, limits = network.name, list_limits(network, limits, base.setup.spec_budget)
    shown = len(planned.shown)
    rows = [row[:shown] for row in chosen]
    size, measured = planned.plan.combinations.size, planned.list_measured()
    return SweepTable(name, planned.shown, rows, tally, size, limits, measured, base.setup.target)
