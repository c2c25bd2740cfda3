"""Measures a network on devices: the memory on a microcontroller, with a runtime, and the latency.

For example, `device_figure(report, "arena", Target("liveness"))` is a number of bytes, and `device_figure(report,
"latency", Target(device=find_device("rtx4090")))` one of seconds.
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from convcalc.device.device_file import Device, find_device
from convcalc.device.device_names import EXAMPLE_DEVICE
from convcalc.device.latency import EAGER, FUSED, Latency, Measured, Range, check_figures, estimate_latency
from convcalc.device.mcu import McuTotals, measure_totals
from convcalc.device.program import NoOperator
from convcalc.device.runtime_names import DEFAULT_RUNTIME
from convcalc.device.runtimes import find_runtime
from convcalc.metrics.target import Target
from convcalc.network import Limit, Network
from convcalc.problems import Flaw
from convcalc.spec.budget_metrics import DEVICE, LATENCY

if TYPE_CHECKING:
    from convcalc.metrics.budgets import Figures

_MOST_NAMED = 3  # maximum number of layers named in a reason


def device_figure(report: "Figures", metric: str, target: Target) -> Any:
    """Return the bytes of the arena or flash, or the seconds that a batch takes; None if that is unknown.

    Memory is that of the network as written, in int8. If the seconds are a range, the larger bound is returned.
    """
    if metric == LATENCY:
        time = measure_latency(report, target)
        return None if isinstance(time, str) else time.high
    found = _measure_memory(report, target.runtime)
    return None if isinstance(found, str) else found[DEVICE.index(metric)]


def whole_device_figure(report: "Figures", metric: str, target: Target) -> int | None:
    """Return the same as a whole number: the seconds are rounded to nanoseconds, in which limits and changes are."""
    found = device_figure(report, metric, target)
    value: int | None = round(found * 1e9) if metric == LATENCY and found is not None else found
    return value


def explain_unknown(report: "Figures", metric: str, target: Target) -> str:
    """Return why a figure of a device is unknown; "" if it is known."""
    found = measure_latency(report, target) if metric == LATENCY else _measure_memory(report, target.runtime)
    return found if isinstance(found, str) else ""


def find_target(limit: Limit) -> Target:
    """Return the runtime and the device of a limit. The default runtime is that of the device, or `DEFAULT_RUNTIME`."""
    device = _find_named_device(limit.device) if limit.device else None
    return Target(limit.runtime or (device and device.runtime) or DEFAULT_RUNTIME, device)


def complete_limit(limit: Limit) -> Limit:
    """Return a limit with a bound: the maximum of one that only names a board is the RAM or flash of the board."""
    if not limit.device or limit.metric not in DEVICE or (limit.minimum, limit.maximum) != (None, None):
        return limit
    memory = _find_named_device(limit.device).figures["ram" if limit.metric == "arena" else "flash"]
    return limit._replace(maximum=memory and memory.value)


@lru_cache(maxsize=16)
def _find_named_device(name: str) -> Device:
    return find_device(name)  # only devices of convcalc: a user's file may change


def list_added(runtime: str | None, device: Device | None) -> tuple[str, ...]:
    """Return the columns that a runtime and a device add to a table; either may be None.

    They are arena and flash for a runtime or a board, and latency for a device. Raises Flaw if the device has neither
    memory nor the figures from which a time can be computed.
    """
    memory = DEVICE if runtime is not None or (device is not None and device.kind == "microcontroller") else ()
    if device is None:
        return memory
    try:
        check_figures(device)
    except Flaw:
        if memory:
            return memory
        raise
    return (LATENCY, *memory)


def check_timed(target: Target) -> None:
    """Raise Flaw unless a target has a device with the figures from which a time can be computed."""
    if target.device is None:
        raise Flaw("latency needs a device", f"add --device NAME, such as {EXAMPLE_DEVICE}")
    check_figures(target.device)


@lru_cache(maxsize=4)
def _measure_memory(report: Any, runtime: str) -> McuTotals | str:
    """Return the memory on a microcontroller, or why it is unknown.

    Recent results are kept, because a limit, its message and a column need the same one.
    """
    return measure_memory(report.trained, runtime)


def measure_memory(network: Network, runtime: str) -> McuTotals | str:
    """Return the bytes of the arena and of flash of a network on a microcontroller, or why they are unknown."""
    try:
        return measure_totals(network, find_runtime(runtime))
    except NoOperator as error:
        return str(error)


def list_times(report: Measured, target: Target) -> Latency | str:
    """Return the time of each layer on the device of a target, or why it is unknown for all of them."""
    if target.device is None:
        return "no device is given"
    try:
        return estimate_latency(report, target.device, EAGER if target.eager else FUSED)
    except Flaw as flaw:
        return flaw.text


def measure_latency(report: Measured, target: Target) -> Range | str:
    """Return the seconds that a batch takes on the device of a target, or why they are unknown."""
    found = list_times(report, target)
    if isinstance(found, str):
        return found
    if found.total is None:
        return f"no time is known for {', '.join(layer.name for layer in found.unknown[:_MOST_NAMED])}"
    return found.total
