"""Writes limits as texts, such as `peak memory ≤ 256.0 KiB`, for the commands that list a budget."""

from collections.abc import Sequence
from typing import Any

from convcalc.network import Limit
from convcalc.problems import printable
from convcalc.spec.budget_metrics import DEVICE, LATENCY, MEMORY
from convcalc.units import format_bytes, format_count, format_duration

TITLES = {"macs": "MACs", "flops": "FLOPs", **{metric: metric.replace("_", " ") for metric in MEMORY}}


def limit_text(limit: Limit) -> str:
    """Return a limit as text, such as `peak memory ≤ 256.0 KiB` or `latency on rtx4090 ≤ 5.00 ms`."""
    what = TITLES.get(limit.metric, limit.metric.replace("_", " "))
    of = limit.pattern or limit.output
    what = f"{printable(of)}: {what}" if of else what
    if limit.shape is not None:
        return f"{what} = {'×'.join(map(str, limit.shape))}"
    what += (f" on {limit.device}" if limit.device else "") + (f" with {limit.runtime}" if limit.runtime else "")
    ends = (("≥", limit.minimum), ("≤", limit.maximum))
    return ", ".join(f"{what} {sign} {_format_bound(limit.metric, value)}" for sign, value in ends if value is not None)


def _format_bound(metric: str, value: int) -> str:
    if metric == LATENCY:
        return format_duration(value * 1e-9)
    return format_bytes(value) if metric in (*MEMORY, *DEVICE) else format_count(value)


def merge_limits(limits: Sequence[Limit]) -> list[Limit]:
    """Merge limits on the same metric, runtime and device into one with the strictest minimum and maximum."""
    found: dict[tuple[object, ...], Limit] = {}
    for limit in limits:
        key = (limit.metric, limit.output, limit.pattern, limit.shape, limit.runtime, limit.device)
        other = found.get(key, limit)
        least = max((one.minimum for one in (limit, other) if one.minimum is not None), default=None)
        most = min((one.maximum for one in (limit, other) if one.maximum is not None), default=None)
        found[key] = limit._replace(minimum=least, maximum=most)
    return list(found.values())


def limit_dict(limit: Limit) -> dict[str, Any]:
    """Return a limit as a JSON-ready dict; that of latency is in seconds, as the latency is."""
    least, most = (
        value / 1e9 if limit.metric == LATENCY and value is not None else value
        for value in (limit.minimum, limit.maximum)
    )
    settings = {
        "metric": limit.metric,
        "device": limit.device or None,
        "runtime": limit.runtime or None,
        "min": least,
        "max": most,
        "output": limit.output,
        "layers": limit.pattern,
        "shape": limit.shape,
    }
    return {key: value for key, value in settings.items() if value is not None}
