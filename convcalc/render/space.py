"""Writes the results of `convcalc space` as a table, CSV, JSON, or command-line options.

By default, the result describes all networks: how many there are, how many are within the budget, and how their params,
MACs and peak memory are distributed. With --sample, --best or --pareto, it lists networks.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from convcalc.metrics.figures import ADDITIVE, FIGURES
from convcalc.network import Limit
from convcalc.problems import printable, show
from convcalc.render.cells import Cells, cell_table, wrapped_table
from convcalc.render.csv_text import write_csv
from convcalc.render.limits import limit_dict, limit_text, merge_limits
from convcalc.render.lines import NO_BREAK, Block, wrap_facts
from convcalc.render.options import join_options, list_override_options
from convcalc.render.values import value_text
from convcalc.space.design_space import DesignSpace, Found, find_peak_range
from convcalc.space.distribution import PERCENTS, Distribution, count_all, describe_figure
from convcalc.space.sampling import Estimate
from convcalc.spec.budget_metrics import MEMORY
from convcalc.spec.emit import format_scalar
from convcalc.spec.inputs import Overrides
from convcalc.units import format_bytes, format_count

_SCHEMA = "convcalc/space/1"
DESCRIBED = ("params", "macs")  # the figures whose distribution is shown
_BAR = 24  # characters of the longest bar
_MOST_DIGITS = 30  # a number of networks with more digits is written as a power of ten
MOST_ROWS = 20  # default number of rows of a printed table


class Answer(NamedTuple):
    """What is known about a space: the number of its networks, and of those `within` the limits (None: not counted)."""

    space: DesignSpace
    limits: Sequence[Limit]
    within: Estimate | None
    distributions: dict[str, Distribution | None]


def describe_space(
    space: DesignSpace, limits: Sequence[Limit], within: Estimate | None, show: Callable[[str], None]
) -> Answer:
    """Return the number and the figures of the networks of a space; `show` is called with texts about the progress.

    Raises TooManyFigures.
    """
    distributions = {}
    for name in DESCRIBED:
        show(f"counting the networks by {FIGURES[name]}")
        distributions[name] = None if name in space.unknown else describe_figure(space, name)
    return Answer(space, limits, within, distributions)


def count_text(number: int) -> str:
    """Return a number of networks, such as `7,371`; in the form 1.23e45 if it has more than 30 digits."""
    return f"{number:,}" if len(str(number)) <= _MOST_DIGITS else _round_text(number)


def _round_text(number: int) -> str:
    """Return an integer of at least 4 digits with 4 digits, such as `1.234e+19`; a float could be too small for it."""
    exponent = len(str(number)) - 1
    digits = (number + 5 * 10 ** (exponent - 4)) // 10 ** (exponent - 3) if exponent > 3 else number
    if digits == 10_000:
        digits, exponent = 1_000, exponent + 1
    return f"{digits // 1000}.{digits % 1000:03}e+{exponent:02}"


def _networks_text(number: int) -> str:
    return f"{count_text(number)} network{'' if number == 1 else 's'}"


def percent_text(part: int, whole: int) -> str:
    """Return a part as a percentage with three digits: `14.9%`, `0.0398%`; very small parts as `3e-07%`."""
    return f"{100 * part / whole:.3g}%" if whole else "0%"


def _figure_text(name: str, value: int | None) -> str:
    if value is None:
        return "?"
    return format_bytes(value) if name in MEMORY else format_count(value)


def heading_lines(space: DesignSpace, limits: Sequence[Limit], width: int | None) -> list[Block]:
    """Return the name of the network, the number of networks in its space, and the limits."""
    named = [f"{_networks_text(count_all(space))}"]
    unused = space.list_unused()
    named += [
        f"{name} ×{len(choices.values)}{' per copy' if choices.per_copy else ''}{' unused' if name in unused else ''}"
        for name, choices in space.choices.items()
    ]
    lines: list[Block] = [[(printable(space.network.name), "title")], *wrap_facts(named, width)]
    return [*lines, *(wrap_facts([limit_text(limit) for limit in merge_limits(limits)], width) if limits else [])]


def space_lines(answer: Answer, width: int | None) -> list[Block]:
    """Return the table of the figures of a space, and a histogram of each; `width` is in characters."""
    space = answer.space
    lines = heading_lines(space, answer.limits, width)
    if answer.within is not None:
        lines += wrap_facts(_describe_within(answer.within, count_all(space)), width)
    lines += [[], cell_table(_make_figure_columns(answer), width)]
    for name, distribution in answer.distributions.items():
        if distribution is not None and distribution.histogram and distribution.min < distribution.max:
            lines += [[], cell_table(_make_histogram_columns(name, distribution, count_all(space)), width)]
    for name, distribution in answer.distributions.items():
        if distribution is not None and not distribution.histogram:
            text = f"the networks have too many different values of {FIGURES[name]} for quantiles and a histogram"
            lines += [[], *wrap_facts([text], width, "dim")]
        elif distribution is not None and distribution.error:
            text = (
                f"quantiles and histogram of {FIGURES[name]} are rounded by at most {format_count(distribution.error)}"
            )
            lines += [[], *wrap_facts([text], width, "dim")]
    return [*lines, *_invalid_lines(space, width)]


def _describe_within(within: Estimate, total: int) -> list[str]:
    """Return `6 networks (7.14%) are within the budget`; for an estimate, also its interval."""
    share = percent_text(within.networks, total)
    if not within.is_exact:
        low, high = percent_text(within.low, total), percent_text(within.high, total)
        number = _round_text(within.networks) if within.networks >= 10**4 else f"{within.networks:,}"
        return [f"about {number} networks ({share}) are within the budget", f"{low} to {high} with 95% confidence"]
    return [f"{_networks_text(within.networks)} ({share}) {'is' if within.networks == 1 else 'are'} within the budget"]


def _make_figure_columns(answer: Answer) -> list[Cells]:
    peaks = find_peak_range(answer.space)
    names = [*answer.distributions, "peak_memory"]
    found = list(answer.distributions.values())

    def texts(values: list[float | None], last: str) -> list[str]:
        shown = [
            _figure_text(name, None if value is None else round(value))
            for name, value in zip(names, values, strict=False)
        ]
        return [*shown, last]

    columns = [
        Cells("figure", [FIGURES[name] for name in names], right=False),
        Cells("min", texts([one and one.min for one in found], format_bytes(peaks[0]))),
    ]
    for weight, percent in zip((5, 6, 5), PERCENTS, strict=True):
        columns.append(Cells(f"{percent}%", texts([one and one.quantiles.get(percent) for one in found], ""), weight))
    columns.append(Cells("max", texts([one and one.max for one in found], format_bytes(peaks[1]))))
    return [*columns, Cells("mean", texts([one and one.mean for one in found], ""), 7)]


def _make_histogram_columns(name: str, distribution: Distribution, total: int) -> list[Cells]:
    bins = distribution.histogram
    largest = max(bin.networks for bin in bins)
    return [
        Cells(f"{FIGURES[name]} from", [_figure_text(name, bin.start) for bin in bins]),
        Cells("to", [_figure_text(name, min(bin.stop - 1, distribution.max)) for bin in bins]),
        Cells(
            "networks",
            [_round_text(bin.networks) if bin.networks >= 10**9 else f"{bin.networks:,}" for bin in bins],
            5,
        ),
        Cells("share", [percent_text(bin.networks, total) for bin in bins], 7),
        Cells("", ["█" * round(_BAR * bin.networks / largest) for bin in bins], 4, right=False),
    ]


def _invalid_lines(space: DesignSpace, width: int | None) -> list[Block]:
    if not space.invalid:
        return []
    lines: list[Block] = [[], [("some choices make the network invalid and are not counted", "warning")]]
    for params, problem in space.invalid:
        line = f"line {problem.span.line}: " if problem.span else ""
        lines += wrap_facts([f"  {printable(_params_text(params))}: {printable(line + problem.message)}"], width)
    return lines


def _params_text(params: dict[str, Any], space: str = " ") -> str:
    """Return texts such as `depth 2 · kernel [3, 5]`; `space` is the character before a value that is not a list."""
    return " · ".join(
        f"{name}{' ' if isinstance(value, list) else space}{_value_text(value)}" for name, value in params.items()
    )


def _value_text(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_value_text, value))}]"
    return printable(value) if isinstance(value, str) else show(value)


def found_lines(
    space: DesignSpace, limits: Sequence[Limit], found: Sequence[Found], rows: int | None, width: int | None
) -> list[Block]:
    """Return a table of at most `rows` networks (None: all): their figures, and the values of their spec parameters."""
    lines = [*heading_lines(space, limits, width), []]
    if not found:
        return [*lines, [("no network is within the budget", "warning")]]
    shown = found[:rows]
    weights = {"params": 8, "macs": 8, "peak_memory": 6, "weight_memory": 3, "flops": 2}
    columns = [
        Cells(FIGURES[name], [_figure_text(name, one.figures[name]) for one in shown], weight)
        for name, weight in weights.items()
    ]
    lines.append(
        wrapped_table(
            [*columns, Cells("choices", [_params_text(one.params, NO_BREAK) for one in shown], right=False)], width
        )
    )
    if len(found) > len(shown):
        lines.append([(f"and {len(found) - len(shown):,} more: --limit 0 lists all", "dim")])
    return lines


def options_text(found: Found, overrides: Overrides) -> str:
    """Return a line with the options for a network, such as `--set depth=2`, and those with which it was found."""
    params = {**overrides.params, **found.params}
    options = [text for name, value in params.items() for text in ("--set", f"{name}={_option_value(value)}")]
    return join_options([*options, *list_override_options(overrides)]) + "\n"


def _option_value(value: Any) -> str:
    """Return text that --set parses as exactly this value, with no spaces between the items of a list."""
    return f"[{','.join(map(_option_value, value))}]" if isinstance(value, list) else format_scalar(value)


def space_csv(answer: Answer) -> str:
    """Return the histograms of a space as CSV text: one row per figure and bin."""
    rows: list[list[Any]] = [["figure", "start", "stop", "networks"]]
    for name, distribution in answer.distributions.items():
        rows += [[name, *bin] for bin in distribution.histogram] if distribution else []
    return write_csv(rows)


def found_csv(space: DesignSpace, found: Sequence[Found], rows: int | None) -> str:
    """Return networks as CSV text with exact numbers; at most `rows` (None: all)."""
    names = [*ADDITIVE, "peak_memory"]
    table: list[list[Any]] = [[*space.choices, *names]]
    for one in found[:rows]:
        values = [value_text(one.params.get(name)) for name in space.choices]
        table.append([*values, *(one.figures[name] for name in names)])
    return write_csv(table)


def space_json(answer: Answer, listed: str | None, found: Sequence[Found]) -> str:
    """Return the result as JSON text; `listed` says which networks are in `found`: sample, best or pareto."""
    space, within = answer.space, answer.within
    least, most = find_peak_range(space)
    figures = {name: one and _distribution_dict(one) for name, one in answer.distributions.items()}
    document = {
        "schema": _SCHEMA,
        "name": space.network.name,
        "file": space.network.file,
        "choices": {
            name: {"values": list(choices.values), "per": "copy" if choices.per_copy else "network"}
            for name, choices in space.choices.items()
        },
        "networks": count_all(space),
        "limits": [limit_dict(limit) for limit in merge_limits(answer.limits)],
        "within_budget": within.networks if within is not None and within.is_exact else None,
        "within_budget_estimate": None if within is None or within.is_exact else within._asdict(),
        "figures": {**figures, "peak_memory": {"min": least, "max": most}},
        "listed": listed,
        "found": [{"params": one.params, "figures": one.figures} for one in found],
        "invalid": [{"params": one.params, "problem": one.problem.message} for one in space.invalid],
    }
    return json.dumps(document, indent=1) + "\n"


def _distribution_dict(found: Distribution) -> dict[str, Any]:
    return {
        "min": found.min,
        "max": found.max,
        "mean": found.mean,
        "quantiles": {str(percent): value for percent, value in found.quantiles.items()},
        "histogram": [bin._asdict() for bin in found.histogram],
        "error": found.error,
    }
