"""Writes a report as JSON or CSV, and problems as JSON, for programs."""

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from convcalc.analysis.report import Report
from convcalc.problems import InvalidSpec, Problem

if TYPE_CHECKING:  # importing these modules would slow the start, and JSON does not need them
    from convcalc.render.grid import Column
    from convcalc.render.rows import Row

_PROBLEMS_SCHEMA = "convcalc/problems/1"


def report_json(report: Report) -> str:
    """Return a report as JSON text, with one line per key and per layer so that line-based diffs are readable."""
    return "".join(_json_lines(report))


def _json_lines(report: Report) -> Iterator[str]:
    encode = json.JSONEncoder(check_circular=False).encode  # a report has no cycles
    yield "{"
    for key, value in report.header().items():
        yield f"{encode(key)}: {encode(value)},\n "
    yield '"layers": ['
    for number, layer in enumerate(report.layers):
        yield (",\n  " if number else "\n  ") + encode(layer.to_dict())
    yield f'],\n "totals": {encode(report.totals_dict())}'
    yield f',\n "shift_equivariance": {encode(report.shifts_dict())}}}\n'


def report_csv(report: Report, columns: "Sequence[Column[Row]]", sort: str | None) -> str:
    """Return the report as CSV text with exact numbers: the names of the columns, then one line per layer.

    `sort` is the name of the column by which the lines are sorted, or None for the order of the network.
    """
    from convcalc.render.csv_text import write_csv
    from convcalc.render.rows import layer_rows
    from convcalc.render.summary import sort_rows

    rows = sort_rows(report, sort) if sort else layer_rows(report)
    return write_csv(
        [[column.name for column in columns], *([column.value(row) for column in columns] for row in rows)]
    )


def problems_json(errors: Sequence[InvalidSpec]) -> str:
    """Return the problems in several files as JSON text, with the schema convcalc/problems/1."""
    problems = [_problem_dict(problem, error.file) for error in errors for problem in error.problems]
    return json.dumps({"schema": _PROBLEMS_SCHEMA, "problems": problems}, indent=1) + "\n"


def _problem_dict(problem: Problem, file: str | None) -> dict[str, Any]:
    span = problem.span
    return {
        "file": file,
        "line": span.line if span else None,
        "column": span.column if span else None,
        "end_line": span.end_line if span else None,
        "end_column": span.end_column if span else None,
        "path": list(problem.path),
        "code": problem.code,
        "message": problem.message,
        "hint": problem.hint,
        "severity": problem.severity,
    }
