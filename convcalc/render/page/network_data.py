"""Makes the data of one network in a page: its report, and the data of the page's other views.

`network_data(subject)` returns a dict with the key `report`, a document of the schema convcalc/report, and keys for the
rows of the table, the graphs, the memory, the receptive fields, the findings and the budgets.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from convcalc.analysis.receptive_field import Field, input_size
from convcalc.analysis.report import Report, field_dict
from convcalc.metrics.budgets import LimitUse
from convcalc.metrics.target import DEFAULT_TARGET, Target
from convcalc.problems import Problem
from convcalc.render.page.graph_data import list_graphs
from convcalc.render.rows import Row, describe_rows, tree_rows

_MOST_NUMBERS = 2_000  # limit of numbers for one receptive field whose size varies from position to position


class Subject(NamedTuple):
    """A network to show: its label, its report, and the problems and limits that `convcalc check` finds.

    `text` is the text of its spec; None if it must not be quoted or there is none. `source` says in words what the
    network was read from, such as `an ONNX model`; empty for a spec. `rules` is the number of lint rules that ran.
    `measured` are the figures to show that depend on the `target`: some of arena, flash and latency.
    """

    label: str
    report: Report
    problems: tuple[Problem, ...] = ()
    limits: tuple[LimitUse, ...] = ()
    text: str | None = None
    source: str = ""
    rules: int = 0
    target: Target = DEFAULT_TARGET
    measured: tuple[str, ...] = ()


def network_data(subject: Subject) -> dict[str, Any]:
    """Return the data of one network, as the schema convcalc/page/1 describes it."""
    report = subject.report
    fields, field_of_layer = _list_fields(report)
    return {
        "label": subject.label,
        "report": report.to_dict(),
        "rows": _list_rows(report),
        "graphs": list_graphs(report),
        "memory": {
            "tensor_bytes": list(report.tensor_bytes),
            "last_uses": list(report.liveness.last_uses),
            "peak_at": report.liveness.peak_at,
        },
        "fields": {"input_size": list(input_size(report.network)), "fields": fields, "of_layer": field_of_layer},
        "findings": [_finding_dict(problem) for problem in subject.problems],
        "budgets": [_limit_dict(use) for use in subject.limits],
    }


def _list_rows(report: Report) -> list[dict[str, Any]]:
    """Return the rows of the table in the order of a tree: layers by their index, and scopes with their figures."""
    rows = tree_rows(report)
    indexes = iter(range(len(report.layers)))
    first = len(report.network.inputs)
    outputs = {group.name: group.output - first for group in report.groups if group.output >= first}
    found = []
    for row, what in zip(rows, describe_rows(report, rows), strict=True):
        shared: dict[str, Any] = {"level": row.indent, "label": row.label, "what": what}
        found.append(
            {**shared, **(_scope_dict(row, outputs.get(row.name)) if row.is_group else {"layer": next(indexes)})}
        )
    return found


def _scope_dict(row: Row, output_layer: int | None) -> dict[str, Any]:
    """Return the figures of a scope, named as those of a layer in a report.

    `output_layer` is the index of the layer whose output is that of the scope.
    """
    return {
        "name": row.name,
        "kind": row.kind,
        "line": row.line,
        "output_layer": output_layer,
        "input_shapes": [list(shape.sizes) for shape in row.input_shapes],
        "output_shape": list(row.output_shape.sizes),
        **row.sums,
        "input_memory": row.input_memory,
        "live_memory": row.live_memory,
        "receptive_field": field_dict(row.receptive_field),
    }


def _list_fields(report: Report) -> tuple[list[dict[str, Any]], list[int]]:
    """Return the distinct receptive fields, and for each layer the index of its field in that list."""
    found: list[dict[str, Any]] = []
    known: dict[Field, int] = {}
    of_layer = []
    for field in report.fields[len(report.network.inputs) :]:
        if field not in known:
            known[field] = len(found)
            found.append(_field_dict(field))
        of_layer.append(known[field])
    return found, of_layer


def _field_dict(field: Field) -> dict[str, Any]:
    """Return how each output position maps to an interval of the input.

    Per axis and path it is [period, shift, low, high]: output i + n × period reads the inputs from low[i] + n × shift
    to high[i] + n × shift; null if it reads none. Tokens made from a map have its `layout`; tokens whose positions are
    unknown are `scattered`.
    """
    if field.whole:
        return {"whole": True}
    if field.axes is None:
        return {"unknown": "its receptive field is unknown"}
    if sum(path.period for paths in field.axes for path in paths) > _MOST_NUMBERS:
        return {"unknown": "its receptive field varies too much to be stored in a page; convcalc rf shows it"}
    axes = [[[path.period, path.shift, path.low, path.high] for path in paths] for paths in field.axes]
    if field.layout:
        return {"axes": axes, "layout": list(field.layout)}
    return {"axes": axes, **({"scattered": True} if field.flat and not field.is_fixed else {})}


def _finding_dict(problem: Problem) -> dict[str, Any]:
    return {
        "code": problem.code,
        "severity": problem.severity,
        "message": problem.message,
        "hint": problem.hint,
        "line": None if problem.span is None else problem.span.line,
        "end_line": None if problem.span is None else problem.span.end_line,
        "path": list(problem.path),
    }


def _limit_dict(use: LimitUse) -> dict[str, Any]:
    return {
        "name": use.name,
        "metric": use.metric,
        "used": _list_value(use.used),
        "limit": _list_value(use.limit),
        "is_minimum": use.is_minimum,
        "is_kept": use.is_kept,
    }


def _list_value(value: int | Sequence[int] | None) -> int | list[int] | None:
    return list(value) if isinstance(value, Sequence) else value
