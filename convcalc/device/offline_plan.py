"""Plans the offsets of tensors before a program runs, as the metadata `OfflineMemoryAllocation` of a TFLite file does.

Scratch buffers cannot be planned: TensorFlow Lite Micro places them between the planned tensors when it starts.
Source: github.com/tensorflow/tflite-micro at 90b983c, tensorflow/lite/micro/docs/memory_management.md and
memory_planner/greedy_memory_planner.cc.
"""

from collections.abc import Sequence
from typing import NamedTuple

from convcalc.device.arena import Buffer, measure_extent, place_around
from convcalc.device.mcu import McuReport, measure
from convcalc.device.placement import improve


class OfflinePlan(NamedTuple):
    """A plan for a program, and the head without it.

    `offsets` has the offset of each tensor of the program, -1 if it is not planned. `after` is the report of the
    program with this plan. If `optimal` is true, no placement has a smaller head.
    """

    offsets: tuple[int, ...]
    before: int
    after: McuReport
    optimal: bool


def plan_offline(report: McuReport) -> OfflinePlan:
    """Return the best plan found for the program of a report, whose runtime must have a planner."""
    program, runtime = report.program, report.runtime
    buffers = report.buffers
    tensors = [buffer for buffer in buffers if buffer.tensor is not None]
    with_scratch, without = improve(buffers), improve(tensors)
    candidates = [
        _take_offsets(buffers, with_scratch.offsets),
        _take_offsets(tensors, without.offsets),
        _take_offsets(buffers, report.offsets),
    ]
    planned = min(candidates, key=lambda offsets: measure_extent(buffers, place_around(buffers, offsets)))
    offsets = tuple(planned.get(tensor, -1) for tensor in range(len(program.tensors)))
    after = measure(program._replace(plan=offsets), runtime, report.flash.code)
    optimal = after.head == report.lower_bound or (with_scratch.optimal and after.head == with_scratch.extent)
    return OfflinePlan(offsets, measure(program._replace(plan=None), runtime).head, after, optimal)


def _take_offsets(buffers: Sequence[Buffer], offsets: Sequence[int]) -> dict[int, int]:
    """Return the offsets of the buffers that hold tensors, by tensor."""
    pairs = zip(buffers, offsets, strict=True)
    return {buffer.tensor: offset for buffer, offset in pairs if buffer.tensor is not None}
