"""The report for programs: JSON and CSV."""

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from convcalc.analysis.report import Report
from convcalc.problems import InvalidSpec, Problem

if TYPE_CHECKING:  # JSON needs no columns: start-up is a feature
    from convcalc.render.grid import Column
    from convcalc.render.rows import Row

_PROBLEMS_SCHEMA = "convcalc/problems/1"


def report_json(report: Report) -> str:
    """The JSON report: a key a line, a layer a line, so that a line-by-line diff says what changed."""
    return "".join(_json_lines(report))


def _json_lines(report: Report) -> Iterator[str]:
    """The lines of the JSON report."""
    encode = json.JSONEncoder().encode
    yield "{"
    for key, value in report.header().items():
        yield f"{encode(key)}: {encode(value)},\n "
    yield '"layers": [\n  '
    yield ",\n  ".join(encode(layer.to_dict()) for layer in report.layers)
    yield f'],\n "totals": {encode(report.totals_dict())}}}\n'


def report_csv(report: Report, columns: "Sequence[Column[Row]]", sort: str | None) -> str:
    """A line a layer, exact numbers, full names."""
    import csv
    from io import StringIO

    from convcalc.render.rows import layer_rows
    from convcalc.render.table import sort_rows

    stream = StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([column.name for column in columns])
    for row in sort_rows(report, sort) if sort else layer_rows(report):
        writer.writerow([column.value(row) for column in columns])
    return stream.getvalue()


def problems_json(errors: Sequence[InvalidSpec]) -> str:
    """The problems of some files as JSON."""
    problems = [_problem_dict(problem, error.file) for error in errors for problem in error.problems]
    return json.dumps({"schema": _PROBLEMS_SCHEMA, "problems": problems}, indent=1) + "\n"


def _problem_dict(problem: Problem, file: str | None) -> dict[str, Any]:
    """One problem as JSON holds it; places are null where the spec came from no text."""
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
