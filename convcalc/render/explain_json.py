"""Writes explanations as JSON; each formula is given with symbols and with values, both as text and as LaTeX."""

import json
from typing import Any

from convcalc.analysis.report import Report
from convcalc.explain.derived_figures import DerivedFigure, Explanation
from convcalc.explain.totals import list_remarks, sum_by_kind
from convcalc.render.layers import parse_page
from convcalc.symbolic import Latex, Notation

_SCHEMA = "convcalc/explanation/2"


def explanation_json(report: Report, found: list[Explanation]) -> str:
    """Return the explanations of the requested layers as JSON text."""
    return _write_json(report, {"layers": [_layer_dict(explanation) for explanation in found]})


def totals_json(report: Report) -> str:
    """Return the contribution of each layer kind to the totals, the totals, and remarks on them, as JSON text."""
    kinds = [share._asdict() for share in sum_by_kind(report)]
    return _write_json(report, {"kinds": kinds, "totals": report.totals_dict(), "remarks": dict(list_remarks(report))})


def _write_json(report: Report, found: dict[str, Any]) -> str:
    network = report.network
    head = {"schema": _SCHEMA, "name": network.name, "file": network.file, "batch": network.batch}
    return json.dumps({**head, **found}, indent=1) + "\n"


def _layer_dict(explanation: Explanation) -> dict[str, Any]:
    layer, about = explanation.layer, parse_page(type(explanation.layer.layer))
    return {
        "name": layer.name,
        "kind": layer.kind,
        "line": layer.line,
        "summary": about.summary,
        "arguments": layer.layer.arguments(),
        "input_shapes": [list(shape.sizes) for shape in layer.layer.inputs],
        "output_shape": list(layer.output_shape.sizes),
        "notes": list(explanation.notes),
        "figures": [_figure_dict(figure) for figure in explanation.figures],
        "symbols": [{"names": names, "meaning": meaning} for meaning, names in explanation.legend().items()],
        "counted": about.sections.get("Counted"),
        "source": about.sections.get("Source"),
    }


def _figure_dict(figure: DerivedFigure) -> dict[str, Any]:
    """Return a figure as JSON data; its formulas are None if it has none."""
    found: dict[str, Any] = {
        "name": figure.name,
        "axes": list(figure.axes),
        "value": figure.value,
        "unit": figure.unit,
        "words": figure.words,
    }
    for name, notation in (("formula", Notation), ("latex", Latex)):
        for part, numbers in (("", False), ("_numbers", True)):
            text = figure.formula and notation(numbers, figure.one_axis).write(figure.formula)
            found[name + part] = text
    return found
