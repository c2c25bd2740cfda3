"""Measures a network on devices: the memory on a microcontroller, with a runtime, and the latency.

For example, `device_figure(report, "arena", "liveness")` is a number of bytes, and `device_figure(report, "latency",
"rtx4090")` one of nanoseconds.
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from convcalc.analysis.report import Report
from convcalc.device.device_file import find_device
from convcalc.device.latency import estimate_latency
from convcalc.device.mcu import measure_network
from convcalc.device.program import NoOperator
from convcalc.device.runtime_names import DEFAULT_RUNTIME
from convcalc.device.runtimes import find_runtime
from convcalc.network import Network
from convcalc.problems import Flaw
from convcalc.spec.budget_metrics import DEVICE, LATENCY

if TYPE_CHECKING:
    from convcalc.metrics.budgets import Figures

_MOST_NAMED = 3  # maximum number of layers named in a reason


def device_figure(report: "Figures", metric: str, name: str) -> int | None:
    """Return the arena or flash with the runtime `name`, or the latency on the device `name`; None if it is unknown."""
    if metric == LATENCY:
        time = _measure_latency(report, name)
        return None if isinstance(time, str) else time
    found = _measure_memory(report, name)
    return None if isinstance(found, str) else found[DEVICE.index(metric)]


def explain_unknown_memory(report: "Figures", runtime: str) -> str:
    """Return why the memory on a microcontroller is unknown; "" if it is known."""
    found = _measure_memory(report, runtime)
    return found if isinstance(found, str) else ""


def explain_unknown_latency(report: "Figures", device: str) -> str:
    """Return why the latency is unknown; "" if it is known."""
    found = _measure_latency(report, device)
    return found if isinstance(found, str) else ""


@lru_cache(maxsize=4)
def _measure_memory(report: Any, runtime: str) -> tuple[int, int] | str:
    """Return the bytes of the arena and of flash on a microcontroller, or why they are unknown.

    The last results are kept, because a limit, its message, its miss and a column need the same one.
    """
    return measure_memory(report.trained, runtime)


def measure_memory(network: Network, runtime: str) -> tuple[int, int] | str:
    """Return the bytes of the arena and of flash of a network on a microcontroller, or why they are unknown."""
    try:
        found = measure_network(network, find_runtime(runtime or DEFAULT_RUNTIME))
    except NoOperator as error:
        return str(error)
    return found.arena, found.flash.total


def _measure_latency(report: "Figures", device: str) -> int | str:
    """Return the nanoseconds that a batch takes on a device, fused, or why they are unknown.

    Raises TypeError unless the figures are those of a whole report.
    """
    if not isinstance(report, Report):
        raise TypeError("the latency needs a whole report")
    try:
        found = estimate_latency(report, find_device(device))
    except Flaw as flaw:
        return f"{flaw.message}: {flaw.hint}"
    if found.total is None:
        return f"unknown for: {', '.join(layer.name for layer in found.unknown[:_MOST_NAMED])}"
    return round(found.total.high * 1e9)
