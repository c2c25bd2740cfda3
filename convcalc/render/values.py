"""Writes single values of tables and CSV files: figures, values of spec parameters, and those of the user's columns."""

import json
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from convcalc.metrics.figures import FIGURES
from convcalc.metrics.target import Target
from convcalc.problems import printable
from convcalc.spec.budget_metrics import DEVICE, LATENCY
from convcalc.units import format_bytes, format_count, format_duration

if TYPE_CHECKING:
    from convcalc.device.device_file import Device  # importing it would slow the start

_LONG = 1e6  # a larger float is written with an exponent


def value_text(value: Any) -> str:
    """Return a value exactly: `true`, `[3,3]`, `0.5`, and an empty text if it is unknown."""
    if isinstance(value, str):
        return printable(value)
    if value is None:
        return ""
    return json.dumps(value, separators=(",", ":")) if isinstance(value, bool | list) else str(value)


def device_title(name: str, target: Target) -> str:
    """Return the header of a figure with its runtime or device: `arena (tflm-reference)` or `latency (rtx4090)`."""
    if name != LATENCY or target.device is None:
        return f"{name} ({target.runtime})"
    return f"{name} ({printable(target.device.name)}{' eager' if target.eager else ''})"


def list_target_facts(target: Target, names: Collection[str], shows_range: bool = False) -> list[str]:
    """Return the runtime and the device of some figures, as `arena in int8 with liveness` and `latency on rtx4090`.

    The arena and the flash are always those of the network in int8, whatever its data type is. Unless `shows_range` is
    true, a table has only the larger bound of a latency that is a range.
    """
    memory = " and ".join(name for name in DEVICE if name in names)
    found = [f"{memory} in int8 with {target.runtime}"] if memory else []
    if LATENCY in names and target.device is not None:
        bound = "" if shows_range or not _has_range(target.device) else ", larger bound"
        found.append(f"latency on {printable(target.device.name)}{' (eager)' if target.eager else ''}{bound}")
    return found


def _has_range(device: "Device") -> bool:
    """Return whether times on a device are ranges, because its cycles per multiply-accumulate are."""
    return any(cycles.low < cycles.high for cycles in device.cycles_per_mac.values())


def describe_target(target: Target, names: Collection[str]) -> dict[str, Any]:
    """Return the runtime and the device of some figures for JSON; empty if none of them depends on these."""
    found: dict[str, Any] = {"runtime": target.runtime} if not set(names).isdisjoint(DEVICE) else {}
    if LATENCY in names and target.device is not None:
        found |= {"device": target.device.name, "mode": "eager" if target.eager else "fused"}
    return found


def device_text(name: str, value: float | None, exact: bool) -> str:
    """Return a figure of a device for a table, such as `96.0 KiB` or `1.23 ms`; "" if unknown."""
    if name != LATENCY:
        return bytes_text(value, exact)
    return "" if value is None else format_duration(value)


def bytes_text(value: Any, exact: bool) -> str:
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
