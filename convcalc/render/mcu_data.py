"""Writes the memory of a network on a microcontroller as JSON, and as a picture of the tensor arena."""

import json
from typing import Any

from convcalc.device.mcu import McuReport
from convcalc.device.sizes import BIAS_BYTES
from convcalc.problems import printable
from convcalc.render.drawing.plot import Axis, Rectangle, draw_rectangles
from convcalc.render.drawing.scene import Scene
from convcalc.render.mcu import McuPage
from convcalc.units import format_bytes

_SCHEMA = "convcalc/mcu/1"


def mcu_json(report: McuReport, page: McuPage) -> str:
    """Return the report as JSON text with the schema convcalc/mcu/1; all sizes are in bytes."""
    flash = report.flash
    found: dict[str, Any] = {
        "schema": _SCHEMA,
        "name": report.program.name,
        "file": page.file,
        "runtime": report.runtime.name,
        "device": page.device,
        "dtype": report.program.dtype,
        "arena": {
            "head": report.head,
            "tail": report.tail,
            "total": report.arena,
            "lower_bound": report.lower_bound,
            "available": page.ram,
        },
        "flash": {
            **flash._asdict(),
            "model": flash.model,
            "total": flash.total,
            "available": page.flash,
        },
        "operators": [
            {
                "name": operator.name,
                "kind": operator.code,
                "live": live,
                "scratch": scratch,
                "weights": operator.weights + BIAS_BYTES * operator.biases,
            }
            for operator, live, scratch in zip(report.program.operators, report.live[1:], report.scratch, strict=True)
        ],
        "buffers": [
            {
                "name": buffer.name,
                "bytes": buffer.size,
                "offset": report.offsets[index] if report.offsets else None,
                "first": buffer.first,
                "last": buffer.last,
                "scratch": buffer.tensor is None,
            }
            for index, buffer in enumerate(report.buffers)
        ],
        "patches": [
            {
                "layer": one.layer,
                "output_shape": list(one.shape.sizes),
                "grid": one.grid,
                "peak": one.peak,
                "patch_peak": one.patch_peak,
                "rest_peak": one.rest_peak,
                "extra_macs": one.extra_macs,
                "macs": one.macs,
                "chosen": one == page.chosen,
            }
            for one in page.patchings
        ],
        "notes": [*report.program.notes, *page.notes],
        "suggestions": [{"change": one.change, "arena": one.arena} for one in page.suggestions],
    }
    return json.dumps(found, indent=1) + "\n"


def draw_arena(report: McuReport, page: McuPage) -> Scene:
    """Return the picture of the arena: one rectangle per buffer, operators from left to right, offsets upwards.

    Raises ValueError if the runtime has no planner.
    """
    if not report.offsets:
        raise ValueError(f"{report.runtime.name} does not place buffers, so there is no map of its arena")
    boxes = [
        Rectangle(
            buffer.first,
            buffer.last + 1,
            offset,
            offset + buffer.size,
            buffer.name,
            "scratch buffers" if buffer.tensor is None else "tensors",
            f"{buffer.size:,} B",
        )
        for buffer, offset in zip(report.buffers, report.offsets, strict=True)
    ]
    facts = f"{report.runtime.name} · {report.program.dtype} · head {report.head:,} B ({format_bytes(report.head)})"
    facts += f" · lower bound {report.lower_bound:,} B"
    return draw_rectangles(
        f"{printable(page.title)}: tensor arena", facts, boxes, Axis("operator", whole=True), Axis("offset", "B")
    )
