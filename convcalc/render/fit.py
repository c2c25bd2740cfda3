"""Writes the results of `convcalc fit` as a table, Markdown, CSV, JSON, or command-line options.

convcalc tries combinations of values for spec parameters. The result lists the combinations for which the network is
within its budget, and some for which it exceeds the budget.
"""

import json
import re
from collections.abc import Sequence
from textwrap import wrap
from typing import Any

from convcalc.metrics.figures import FIGURES
from convcalc.problems import InvalidSpec, printable
from convcalc.render.cells import Cells, cell_markdown, cell_table
from convcalc.render.csv_text import write_csv
from convcalc.render.limits import TITLES, limit_dict, limit_text, merge_limits
from convcalc.render.lines import NO_BREAK, Block, Line, wrap_facts
from convcalc.render.markdown import escape
from convcalc.render.options import join_options, list_override_options
from convcalc.render.values import describe_target, device_text, list_target_facts, value_text
from convcalc.space.evaluation import Setup
from convcalc.space.fitting import Fit, Trial
from convcalc.spec.budget_metrics import MEASURED, MEMORY
from convcalc.spec.source import read_value
from convcalc.units import format_bytes, format_count

_SCHEMA = "convcalc/fit/2"
# the metrics in the table and their weights; if the table is too wide, the lowest weights are dropped first
_SHOWN = {"params": 5, "macs": 6, "peak_memory": 7, "weight_memory": 4, "flops": 1}
MOST_ROWS = 10  # default number of rows of a printed table
_LEAST_MESSAGE = 30  # messages are not wrapped to fewer characters than this
_MOST_INVALID = 3  # at most this many different problems are listed


def _values_text(values: dict[str, Any]) -> str:
    """Return the values of a combination as text, such as `width 0.5, size 128`."""
    return ", ".join(f"{name} {value_text(value)}" for name, value in values.items())


def _make_columns(found: Fit, trials: Sequence[Trial]) -> list[Cells]:
    """Return one column per spec parameter, then one per metric; a row shows one combination.

    Metrics that are limited, or by which the combinations are sorted, are never dropped.
    """
    asked = {found.order.metric, *(limit.metric for limit in found.limits)}
    columns = [Cells(param.name, [value_text(trial.values[param.name]) for trial in trials]) for param in found.params]
    for metric in found.metrics:
        if metric in asked or metric in _SHOWN or metric in MEASURED:
            texts = [_figure_text(trial, metric) for trial in trials]
            weight = 9 if metric in asked else _SHOWN.get(metric, 8)
            columns.append(Cells(FIGURES.get(metric, metric), texts, weight))
    return columns


def _figure_text(trial: Trial, metric: str) -> str:
    assert trial.figures is not None
    value = trial.figures[metric]
    if metric in MEASURED:
        return device_text(metric, value, False) or "?"
    return format_bytes(value) if metric in MEMORY else format_count(value)


def _summary_text(found: Fit) -> str:
    """Return how many combinations are within the budget, such as `3 of 12 combinations fit the budget`."""
    within, count = found.within, found.tried
    combinations = "1 combination" if count == 1 else f"{count:,} combinations"
    return f"{f'{within:,}' if within else 'none'} of {combinations} {'fit' if within > 1 else 'fits'} the budget"


def _order_text(found: Fit) -> str:
    """Return the order of the combinations as text, such as `most MACs first`."""
    metric = TITLES.get(found.order.metric, found.order.metric)
    return f"{'least' if found.order.smallest else 'most'} {metric} first"


def _list_facts(found: Fit) -> list[str]:
    """Return how many combinations are within the budget, their order, and the runtime and device of their figures."""
    order = [_order_text(found), *list_target_facts(found.setup.target, found.metrics)] if found.within else []
    return [_summary_text(found), *order]


def best_options(found: Fit) -> str:
    """Return a line with options for the best combination, such as `--set width=0.5`.

    The text is empty if no combination is within the budget. Values are quoted for a shell or xargs.
    """
    return "".join(f"{join_options(_list_options(found.setup, trial.values))}\n" for trial in found.best[:1])


def _list_options(setup: Setup, values: dict[str, Any]) -> list[str]:
    """Return options that set `values`, and the options such as --batch with which the user ran `convcalc fit`."""
    overrides = setup.overrides
    params = {**overrides.params, **values}
    options = [text for name, value in params.items() for text in ("--set", f"{name}={_value_option(value)}")]
    options += list_override_options(overrides)
    options += [] if setup.inplace else ["--no-inplace"]
    return [*options, *(["--fold-batchnorm"] if setup.fold_batchnorm else [])]


def _value_option(value: Any) -> str:
    """Return text that --set parses as exactly this value; the text is quoted only if it would be misread otherwise."""
    if isinstance(value, str) and _is_parsed_as(value, value):
        return value
    # a list is written without spaces, so that it stays one word if the shell ignores the quotes, as in $(…)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _is_parsed_as(text: str, value: Any) -> bool:
    try:
        return bool(read_value(text) == value)
    except InvalidSpec:
        return False


def fit_lines(found: Fit, width: int | None, rows: int | None) -> list[Block]:
    """Return the limits, the combinations within the budget, combinations that exceed it, and invalid combinations.

    `width` is in characters (None: unlimited), and `rows` is the maximum number of rows in the table (None: all).
    """
    network, within = found.network, found.best
    counted = _list_facts(found)
    lines: list[Block] = [
        [(printable(network.name), "title")],
        *wrap_facts([limit_text(limit) for limit in merge_limits(found.limits)], width),
        *wrap_facts(counted, width),
        [],
    ]
    if within:
        lines.append(cell_table(_make_columns(found, within[:rows]), width))
        if rows is not None and found.within > rows:
            lines.append([(f"and {found.within - rows:,} more: --limit 0 lists all", "dim")])
        lines.append([])
    beyond = [line for text, trial in _select_exceeding(found) for line in _exceeding_lines(text, trial, width)]
    invalid = _invalid_lines(found, width)
    lines += [*beyond, *([[]] if beyond and invalid else []), *invalid]
    return lines if lines[-1] else lines[:-1]


def _select_exceeding(found: Fit) -> list[tuple[str, Trial]]:
    """Return combinations that exceed the budget, each after a text such as `exceeds the budget: `.

    If no combination is within the budget, only the nearest one is returned. Otherwise, each returned combination
    differs from the best one in a single spec parameter.
    """
    if found.within:
        return [("exceeds the budget: ", trial) for trial in found.exceeding]
    return [] if found.nearest is None else [("nearest miss: ", found.nearest)]


def _exceeding_lines(introduction: str, trial: Trial, width: int | None) -> list[Line]:
    first, *others = _wrap_text(introduction + _values_text(trial.values), width)
    lines: list[Line] = [[(first[: len(introduction)], "head"), (first[len(introduction) :], "title")]]
    lines += [[(piece, "title")] for piece in others]
    return [*lines, *(line for message in trial.broken for line in _wrap_message(message, width))]


def _wrap_message(message: str, width: int | None) -> list[Line]:
    return [[(piece, "")] for piece in _wrap_text(printable(message), width, "  ")]


def _wrap_text(text: str, width: int | None, indent: str = "") -> list[str]:
    """Split a text into lines that fit `width`, but never between a number and its unit, as in `256 KiB`."""
    room = 1000 if width is None else max(width, _LEAST_MESSAGE)
    joined = re.sub(r" (?=[KMGTP]?i?B\b)", NO_BREAK, text)
    pieces = wrap(joined, room, initial_indent=indent, subsequent_indent=f"{indent}  ", break_on_hyphens=False)
    return [piece.replace(NO_BREAK, " ") for piece in pieces]


def _list_problems(found: Fit) -> list[tuple[str, str]]:
    """Return two texts per problem, such as `width 0.1 and 3 more` (invalid combinations) and the problem.

    A combination with several problems is listed only with its first problem.
    """
    return [
        (
            _values_text(one.values) + (f" and {one.combinations - 1:,} more" if one.combinations > 1 else ""),
            one.problem,
        )
        for one in found.problems
    ]


def _invalid_lines(found: Fit, width: int | None) -> list[Line]:
    groups, count = _list_problems(found), sum(one.combinations for one in found.problems)
    if not count:
        return []
    lines: list[Line] = [[(f"{count:,} combination{'' if count == 1 else 's'} with an invalid spec", "warning")]]
    for names, text in groups[:_MOST_INVALID]:
        [(first, style)], *others = _wrap_message(f"{names}: {text}", width)
        split = min(len(first), 2 + len(names))  # the values are emphasised
        lines += [[(first[:split], "title"), (first[split:], style)], *others]
    return [*lines, [("  …: -f json lists all", "dim")]] if len(groups) > _MOST_INVALID else lines


def fit_markdown(found: Fit, rows: int | None) -> str:
    """Return the result as Markdown, with at most `rows` rows in its table (None: all)."""
    within, limits = found.best, ", ".join(map(limit_text, merge_limits(found.limits)))
    lines = [f"### {escape(found.network.name)}: {escape(limits)}", ""]
    lines += [", ".join(_list_facts(found)), ""]
    if within:
        lines += [*cell_markdown(_make_columns(found, within[:rows])), ""]
        if rows is not None and found.within > rows:
            lines += [f"and {found.within - rows:,} more", ""]
    lines += [
        f"- {text}**{escape(_values_text(trial.values))}**: {escape('; '.join(trial.broken))}"
        for text, trial in _select_exceeding(found)
    ]
    lines += [f"- not valid: **{escape(names)}**: {escape(text)}" for names, text in _list_problems(found)]
    return "\n".join(lines).rstrip() + "\n"


def fit_csv(found: Fit, rows: int | None) -> str:
    """Return the combinations within the budget as CSV text with exact numbers, the best first.

    `rows` is the maximum number of combinations (None: all).
    """
    table: list[list[Any]] = [[*(param.name for param in found.params), *found.metrics]]
    for trial in found.best[:rows]:
        values = [value_text(trial.values[param.name]) for param in found.params]
        table.append([*values, *(trial.figures or {}).values()])
    return write_csv(table)


def fit_json(found: Fit, rows: int | None) -> str:
    """Return the result as JSON text.

    The key `fits` lists at most `rows` combinations within the budget (None: all), the best first.
    """
    fits = [{"params": trial.values, "figures": trial.figures} for trial in found.best[:rows]]
    answer = {
        "schema": _SCHEMA,
        "name": found.network.name,
        "file": found.network.file,
        "by": found.order.metric,
        "best": "smallest" if found.order.smallest else "largest",
        **describe_target(found.setup.target, found.metrics),
        "limits": [limit_dict(limit) for limit in merge_limits(found.limits)],
        "tried": {param.name: list(param.values) for param in found.params},
        "within_budget": found.within,
        "fits": fits,
        "exceeding": [_exceeding_dict(trial) for trial in found.exceeding],
        "nearest": None if found.within or found.nearest is None else _exceeding_dict(found.nearest),
        "invalid": [
            {"params": trial.values, "problem": trial.problem and trial.problem.message} for trial in found.invalid
        ],
    }
    return json.dumps(answer, indent=1) + "\n"


def _exceeding_dict(trial: Trial) -> dict[str, Any]:
    return {"params": trial.values, "figures": trial.figures, "problems": list(trial.broken)}
