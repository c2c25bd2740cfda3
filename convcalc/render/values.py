"""Writes single values of tables and CSV files: figures, values of spec parameters, and those of the user's columns."""

import json
from typing import Any

from convcalc.analysis.figures import FIGURES
from convcalc.problems import printable
from convcalc.units import format_bytes, format_count

_LONG = 1e6  # a larger float is written with an exponent


def value_text(value: Any) -> str:
    """Return a value exactly: `true`, `[3,3]`, `0.5`, and an empty text if it is unknown."""
    if isinstance(value, str):
        return printable(value)
    if value is None:
        return ""
    return json.dumps(value, separators=(",", ":")) if isinstance(value, bool | list) else str(value)


def cell_text(name: str, value: Any, exact: bool) -> str:
    """Return the value of the column `name` for a table, with few digits unless it must be `exact`."""
    if value is None:
        return ""
    if name in FIGURES and isinstance(value, int) and not isinstance(value, bool):
        if exact:
            return f"{value:,}"
        return format_bytes(value) if name.endswith("_memory") else format_count(value)
    if isinstance(value, float) and not exact:
        short = f"{value:.6g}"
        return value_text(value) if float(short) == value and abs(value) < _LONG else short
    return value_text(value)
