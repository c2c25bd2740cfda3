"""Writes how long a network takes on a device as JSON and CSV, and as a picture of the roofline."""

import json
from typing import Any

from convcalc.device.latency import Latency, LayerLatency, Range
from convcalc.problems import printable
from convcalc.render.csv_text import write_csv
from convcalc.render.drawing.plot import Axis, Curve, Mark, draw_curves
from convcalc.render.drawing.scene import Scene
from convcalc.render.latency import LatencyPage, choose_layers, format_share, format_time

_SCHEMA = "convcalc/latency/1"
_LAYER_KEYS = ("name", "kind", "macs", "moved", "intensity", "bound", "latency_min", "latency_max", "share")
_MOST_NAMED = 12


def latency_json(latency: Latency, page: LatencyPage) -> str:
    """Return the report as JSON text with the schema convcalc/latency/1: seconds, bytes, operations and joules."""
    total, energy = latency.total, page.energy
    found: dict[str, Any] = {
        "schema": _SCHEMA,
        "name": page.title,
        "file": page.file,
        "device": latency.device.name,
        "mode": latency.mode,
        "dtype": latency.dtype,
        "batch": page.batch,
        "peak": latency.peak and latency.peak.low,
        "bandwidth": latency.bandwidth and latency.bandwidth.low,
        "ridge": latency.ridge,
        "efficiency": {
            "min": latency.efficiency.low,
            "max": latency.efficiency.high,
            "source": latency.efficiency.source,
        },
        "latency_min": total and total.low,
        "latency_max": total and total.high,
        "layers": [dict(zip(_LAYER_KEYS, _list_values(layer, total), strict=True)) for layer in latency.layers],
        "energy": energy and {**energy._asdict(), "total": energy.total},
        "notes": list(page.notes),
    }
    return json.dumps(found, indent=1) + "\n"


def latency_csv(latency: Latency) -> str:
    """Return one line per layer as CSV text, after the names of the columns."""
    return write_csv([_LAYER_KEYS, *(_list_values(layer, latency.total) for layer in latency.layers)])


def _list_values(layer: LayerLatency, total: Range | None) -> list[Any]:
    """Return the values of `_LAYER_KEYS`."""
    time = layer.time
    share = time.high / total.high if time and total and total.high else None
    return [
        layer.name,
        layer.kind,
        layer.macs,
        layer.moved,
        layer.intensity,
        layer.bound or None,
        time and time.low,
        time and time.high,
        share,
    ]


def draw_roofline(latency: Latency, page: LatencyPage) -> Scene:
    """Return the roofline of the device, and the layers of the network below it, at the speed that is estimated.

    Raises ValueError if the device has no roofline, or no layer has an intensity.
    """
    ridge = latency.ridge
    if ridge is None or latency.peak is None or latency.bandwidth is None:
        raise ValueError(f"{printable(latency.device.name)} has no roofline, only cycles per multiply-accumulate")
    layers = [layer for layer in choose_layers(latency, None) if layer.intensity and layer.time]
    if not layers:
        raise ValueError("no layer has multiply-accumulates, so there is nothing to draw")
    largest = sorted(layers, key=lambda layer: -layer.time.high if layer.time else 0)
    named = {layer.name for layer in largest[:_MOST_NAMED]}
    marks = [
        Mark(
            layer.intensity or 0,
            2 * (layer.macs or 0) / layer.time.high if layer.time else 0,
            layer.name if layer.name in named else "",
            f"{layer.bound} bound",
            title=f"{layer.name}: {format_time(layer.time)}, {format_share(layer, latency.total)}",
        )
        for layer in largest
    ]
    low = min(*(mark.x for mark in marks), ridge) / 2
    high = max(*(mark.x for mark in marks), ridge) * 2
    roof = [(low, low * latency.bandwidth.low), (ridge, latency.peak.low), (high, latency.peak.low)]
    reached = [(x, y * latency.efficiency.low) for x, y in roof]
    curves = [Curve(roof, "roofline"), Curve(reached, f"at the efficiency of {latency.efficiency.low:.2f}")]
    facts = f"{latency.device.name} · {latency.dtype} · batch {page.batch} · {latency.mode}"
    facts += f" · about {format_time(latency.total)} · ridge point {ridge:.4g} operations per byte"
    x = Axis("operations per byte", log=True)
    y = Axis("operations per second", "op/s", log=True)
    return draw_curves(f"{printable(page.title)}: roofline", printable(facts), curves, x, y, marks)
