"""Writes single values of tables and CSV files: figures, values of spec parameters, and those of the user's columns."""

import json
from typing import Any

from convcalc.metrics.figures import FIGURES
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


def device_title(name: str, runtime: str) -> str:
    """Return the header of a figure of microcontrollers, with its runtime: `arena (tflm-reference)`."""
    return f"{name} ({runtime})"


def bytes_text(value: int | None, exact: bool) -> str:
    """Return bytes for a table, such as `96.0 KiB`; with all digits if they must be `exact`; "" if unknown."""
    if value is None:
        return ""
    return f"{value:,}" if exact else format_bytes(value)


def cell_text(name: str, value: Any, exact: bool) -> str:
    """Return the value of the column `name` for a table, with few digits unless it must be `exact`."""
    if value is None:
        return ""
    if name in FIGURES and isinstance(value, int) and not isinstance(value, bool):
        return bytes_text(value, exact) if exact or name.endswith("_memory") else format_count(value)
    if isinstance(value, float) and not exact:
        short = f"{value:.6g}"
        return value_text(value) if float(short) == value and abs(value) < _LONG else short
    return value_text(value)
