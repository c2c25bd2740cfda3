"""The values that keep a budget, for people and for programs."""

import json
from collections.abc import Sequence
from shlex import join
from textwrap import wrap
from typing import Any

from convcalc.fitting import METRICS, Fit, Setup, Trial
from convcalc.network import Limit
from convcalc.problems import InvalidSpec, printable, shown
from convcalc.render.cells import Cells, cell_lines, cell_markdown
from convcalc.render.explanation import _NO_BREAK
from convcalc.render.lines import Line
from convcalc.render.markdown import escaped
from convcalc.render.table import wrapped
from convcalc.spec.budget import MEMORY
from convcalc.spec.source import read_value
from convcalc.units import format_bytes, format_count

SCHEMA = "convcalc/fit/1"
TITLES = {"macs": "MACs", "flops": "FLOPs", **{metric: metric.replace("_", " ") for metric in MEMORY}}
# what the table shows where there is room, and what of it stays longest
SHOWN = {"params": 5, "macs": 6, "peak_memory": 7, "weight_memory": 4, "flops": 1}
LEAST_MESSAGE = 30  # characters of a line
MOST_INVALID = 3  # problems of a spec that are told in words


def named(values: dict[str, Any]) -> str:
    """`width 0.5, size 128`."""
    return ", ".join(f"{name} {value_text(value)}" for name, value in values.items())


def value_text(value: Any) -> str:
    """The value of a param, as the command line takes it."""
    return shown(value).removeprefix("the list ").strip("'") if not isinstance(value, str) else printable(value)


def columns_of(found: Fit, trials: Sequence[Trial]) -> list[Cells]:
    """The columns of a table: the params, what the order and the limits speak of, and other figures."""
    asked = {found.order.metric, *(limit.metric for limit in found.limits)}
    columns = [Cells(param.name, [value_text(trial.values[param.name]) for trial in trials]) for param in found.params]
    for metric in METRICS:
        if metric in asked or metric in SHOWN:
            texts = [figure_text(trial, metric) for trial in trials]
            columns.append(Cells(TITLES.get(metric, metric), texts, 9 if metric in asked else SHOWN[metric]))
    return columns


def figure_text(trial: Trial, metric: str) -> str:
    """A figure of a network, in short, `?` where it is not known."""
    assert trial.figures is not None
    value = trial.figures[metric]
    return format_bytes(value) if metric in MEMORY else format_count(value)


def summary(found: Fit) -> str:
    """How many there are, and how many keep the budget."""
    kept, count = len(found.keeping), len(found.trials)
    combinations = "1 combination" if count == 1 else f"{count:,} combinations"
    return f"{f'{kept:,}' if kept else 'none'} of {combinations} keep{'' if kept > 1 else 's'} the budget"


def order_text(found: Fit) -> str:
    """By what the best is the best."""
    metric = TITLES.get(found.order.metric, found.order.metric)
    return f"{'least' if found.order.smallest else 'most'} {metric} first"


def limit_text(limit: Limit) -> str:
    """`peak memory ≤ 256.0 KiB`."""
    what = TITLES.get(limit.metric, limit.metric.replace("_", " "))
    of = limit.pattern or limit.output
    what = f"{printable(of)}: {what}" if of else what
    if limit.shape is not None:
        return f"{what} = {'×'.join(map(str, limit.shape))}"
    ends = (("≥", limit.minimum), ("≤", limit.maximum))
    written = format_bytes if limit.metric in MEMORY else format_count
    return ", ".join(f"{what} {sign} {written(value)}" for sign, value in ends if value is not None)


def tightest(limits: Sequence[Limit]) -> list[Limit]:
    """The limits, those of the same figure put together: what has to be kept of them all."""
    found: dict[tuple[object, ...], Limit] = {}
    for limit in limits:
        key = (limit.metric, limit.output, limit.pattern, limit.shape)
        other = found.get(key, limit)
        least = max((one.minimum for one in (limit, other) if one.minimum is not None), default=None)
        most = min((one.maximum for one in (limit, other) if one.maximum is not None), default=None)
        found[key] = limit._replace(minimum=least, maximum=most)
    return list(found.values())


def best_options(found: Fit) -> str:
    """The options with which summary shows the figures of the best, on a line; empty if none keeps the budget.

    A shell, and xargs, split the line into the options.
    """
    return "".join(f"{join(options_of(found.setup, trial.values))}\n" for trial in found.keeping[:1])


def options_of(setup: Setup, values: dict[str, Any]) -> list[str]:
    """What is asked of a network by values of its params, as options of the command line."""
    overrides = setup.overrides
    params = {**overrides.params, **values}
    options = [text for name, value in params.items() for text in ("--set", f"{name}={value_written(value)}")]
    for name, sizes in overrides.inputs.items():
        options += ["--input", ("" if name is None else f"{name}=") + ",".join(map(str, sizes))]
    if overrides.batch is not None:
        options += ["--batch", str(overrides.batch)]
    if overrides.dtype is not None:
        options += ["--dtype", dtype_written(overrides.dtype)]
    options += [] if setup.inplace else ["--no-inplace"]
    return [*options, *(["--fold-batchnorm"] if setup.fold_batchnorm else [])]


def dtype_written(dtype: str | dict[str, str]) -> str:
    """A data type, or one for each of weights, activations and bias, as --dtype reads it."""
    return dtype if isinstance(dtype, str) else ",".join(f"{name}={value}" for name, value in dtype.items())


def value_written(value: Any) -> str:
    """A value in full, as --set reads it: a text in quotes only where it would else be something else."""
    if isinstance(value, str) and reads_as(value, value):
        return value
    # without blanks a list remains one word where a shell does not heed quotes, as in $(…)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def reads_as(text: str, value: Any) -> bool:
    """Whether a text on the command line is read as a value."""
    try:
        return bool(read_value(text) == value)
    except InvalidSpec:
        return False


def fit_lines(found: Fit, width: int | None, rows: int | None) -> list[Line]:
    """What is asked, the table of those that keep the budget, and what lies beyond."""
    network, kept = found.network, found.keeping
    counted = [summary(found), order_text(found)] if kept else [summary(found)]
    lines: list[Line] = [
        [(printable(network.name), "title")],
        *wrapped([limit_text(limit) for limit in tightest(found.limits)], width),
        *wrapped(counted, width),
        [],
    ]
    if kept:
        lines += cell_lines(columns_of(found, kept[:rows]), width)
        if rows is not None and len(kept) > rows:
            lines.append([(f"and {len(kept) - rows:,} more: --limit 0 lists all", "dim")])
        lines.append([])
    beyond = [line for text, trial in outside(found) for line in misses(text, trial, width)]
    invalid = invalid_lines(found, width)
    lines += [*beyond, *([[]] if beyond and invalid else []), *invalid]
    return lines if lines[-1] else lines[:-1]


def outside(found: Fit) -> list[tuple[str, Trial]]:
    """What breaks the budget and is of interest: beside the best, or the nearest miss."""
    if found.keeping:
        return [("breaks the budget: ", trial) for trial in found.beyond]
    return [] if found.nearest is None else [("nearest miss: ", found.nearest)]


def misses(text: str, trial: Trial, width: int | None) -> list[Line]:
    """A combination with the limits that it does not keep."""
    first, *others = pieces_of(text + named(trial.values), width)
    lines: list[Line] = [[(first[: len(text)], "head"), (first[len(text) :], "title")]]
    lines += [[(piece, "title")] for piece in others]
    return [*lines, *(line for message in trial.broken for line in message_lines(message, width))]


def message_lines(message: str, width: int | None) -> list[Line]:
    """A message, set in, on as many lines as it needs."""
    return [[(piece, "")] for piece in pieces_of(printable(message), width, "  ")]


def pieces_of(text: str, width: int | None, indent: str = "") -> list[str]:
    """A text on as many lines as it needs; the later ones are set in further, and no percentage is broken."""
    room = 1000 if width is None else max(width, LEAST_MESSAGE)
    kept = text.replace(" %", f"{_NO_BREAK}%")
    pieces = wrap(kept, room, initial_indent=indent, subsequent_indent=f"{indent}  ", break_on_hyphens=False)
    return [piece.replace(_NO_BREAK, " ") for piece in pieces]


def invalid_groups(found: Fit) -> list[tuple[str, str]]:
    """The combinations for which the spec is wrong, with what is wrong; one is named for all alike."""
    alike: dict[str, list[Trial]] = {}
    for trial in found.invalid:
        alike.setdefault(problem_text(trial), []).append(trial)
    return [
        (named(first.values) + (f" and {len(others):,} more" if others else ""), text)
        for text, (first, *others) in alike.items()
    ]


def invalid_lines(found: Fit, width: int | None) -> list[Line]:
    """The combinations for which the spec is wrong."""
    groups, count = invalid_groups(found), len(found.invalid)
    if not count:
        return []
    lines: list[Line] = [[(f"{count:,} {'gives' if count == 1 else 'give'} no valid network", "warning")]]
    for names, text in groups[:MOST_INVALID]:
        [(first, style)], *others = message_lines(f"{names}: {text}", width)
        split = min(len(first), 2 + len(names))  # the values stand out
        lines += [[(first[:split], "title"), (first[split:], style)], *others]
    return [*lines, [("  …: -f json says why", "dim")]] if len(groups) > MOST_INVALID else lines


def problem_text(trial: Trial) -> str:
    """The first problem of a spec, with its line."""
    assert trial.problem is not None
    line = f"line {trial.problem.span.line}: " if trial.problem.span else ""
    return printable(line + trial.problem.message)


def fit_markdown(found: Fit, rows: int | None) -> str:
    """The same as Markdown."""
    kept, limits = found.keeping, ", ".join(map(limit_text, tightest(found.limits)))
    lines = [f"### {escaped(found.network.name)}: {escaped(limits)}", ""]
    lines += [f"{summary(found)}, {order_text(found)}" if kept else summary(found), ""]
    if kept:
        lines += [*cell_markdown(columns_of(found, kept[:rows])), ""]
        if rows is not None and len(kept) > rows:
            lines += [f"and {len(kept) - rows:,} more", ""]
    lines += [
        f"- {text}**{escaped(named(trial.values))}**: {escaped('; '.join(trial.broken))}"
        for text, trial in outside(found)
    ]
    lines += [f"- not valid: **{escaped(names)}**: {escaped(text)}" for names, text in invalid_groups(found)]
    return "\n".join(lines).rstrip() + "\n"


def fit_csv(found: Fit, rows: int | None) -> str:
    """A line for each that keeps the budget, the best first; exact numbers."""
    import csv
    from io import StringIO

    stream = StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*(param.name for param in found.params), *METRICS])
    for trial in found.keeping[:rows]:
        values = [value_text(trial.values[param.name]) for param in found.params]
        writer.writerow([*values, *(trial.figures or {}).values()])
    return stream.getvalue()


def fit_json(found: Fit, rows: int | None) -> str:
    """All combinations for programs; `fits` has the best first."""
    fits = [{"params": trial.values, "figures": trial.figures} for trial in found.keeping[:rows]]
    answer = {
        "schema": SCHEMA,
        "name": found.network.name,
        "file": found.network.file,
        "by": found.order.metric,
        "best": "smallest" if found.order.smallest else "largest",
        "limits": [limit_dict(limit) for limit in tightest(found.limits)],
        "tried": {param.name: param.values for param in found.params},
        "kept": len(found.keeping),
        "fits": fits,
        "breaks": [breaking(trial) for trial in found.beyond],
        "nearest": None if found.keeping or found.nearest is None else breaking(found.nearest),
        "invalid": [
            {"params": trial.values, "problem": trial.problem and trial.problem.message} for trial in found.invalid
        ],
    }
    return json.dumps(answer, indent=1) + "\n"


def breaking(trial: Trial) -> dict[str, Any]:
    """A combination that breaks the budget, as JSON holds it."""
    return {"params": trial.values, "figures": trial.figures, "problems": list(trial.broken)}


def limit_dict(limit: Limit) -> dict[str, Any]:
    """A limit as JSON holds it, without what it does not say."""
    said = {
        "metric": limit.metric,
        "min": limit.minimum,
        "max": limit.maximum,
        "output": limit.output,
        "layers": limit.pattern,
        "shape": limit.shape,
    }
    return {key: value for key, value in said.items() if value is not None}
