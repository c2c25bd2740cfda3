"""Suggests changes that lower the tensor arena: each is applied, and the arena is computed again.

For example `ArenaSaving("a smaller input (--input 3,72,72)", 60000)` is a change with an arena of about 60,000 bytes.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from convcalc.device.mcu import McuReport, measure_network
from convcalc.device.offline_plan import plan_offline
from convcalc.device.program import NoOperator
from convcalc.network import Network
from convcalc.problems import InvalidSpec
from convcalc.spec.inputs import Overrides

Load = Callable[[Overrides], Network]


class ArenaSaving(NamedTuple):
    """A suggested change, and the arena in bytes after it."""

    change: str
    arena: int


def suggest_savings(
    report: McuReport, network: Network | None, load: Load | None, overrides: Overrides
) -> list[ArenaSaving]:
    """Return the changes that lower the arena, the change with the smallest new arena first.

    `load` returns the network of the same spec for other overrides; `network` and `load` are None if there is no spec.
    """
    found = [*_place_better(report), *_omit_scratch(report)]
    if network is not None:
        found += _quantise(report, network)
        if network.batch > 1:
            found.append(_measure(report, network._replace(batch=1), "one sample at a time (--batch 1)"))
        if load is not None:
            found += _shrink_inputs(report, network, load, overrides)
    return sorted((one for one in found if one.arena < report.arena), key=lambda one: one.arena)


def _measure(report: McuReport, network: Network, change: str) -> ArenaSaving:
    return ArenaSaving(change, measure_network(network, report.runtime, report.program.dtype).arena)


def _place_better(report: McuReport) -> Iterator[ArenaSaving]:
    """Yield the arena with an offline plan, which places the same buffers with fewer gaps."""
    if report.lower_bound < report.head and report.program.plan is None:
        yield ArenaSaving("an offline plan (--plan)", plan_offline(report).after.arena)


def _omit_scratch(report: McuReport) -> Iterator[ArenaSaving]:
    """Yield the arena without scratch buffers if they raise it; most portable kernels need none."""
    if not any(report.scratch):
        return
    live = [size - scratch for size, scratch in zip(report.live[1:], report.scratch, strict=True)]
    bound = max([report.live[0], *live])
    if bound < report.lower_bound:
        yield ArenaSaving("at best, kernels without scratch buffers", report.arena - report.head + bound)


def _quantise(report: McuReport, network: Network) -> Iterator[ArenaSaving]:
    if report.program.dtype != "int8":
        arena = measure_network(network, report.runtime, "int8").arena
        yield ArenaSaving("int8 weights and activations (without --dtype)", arena)


def _shrink_inputs(report: McuReport, network: Network, load: Load, overrides: Overrides) -> Iterable[ArenaSaving]:
    """Try three quarters and half of every spatial size of the only input; sizes that the spec rejects are skipped."""
    if len(network.inputs) != 1 or any(node.layer.kind == "opaque" for node in network.nodes):
        return
    [(name, shape)] = network.inputs.items()
    for quarters in (3, 2):
        sizes = [shape.channels, *(max(size * quarters // 4, 1) for size in shape.spatial)]
        if not shape.spatial:
            continue
        smaller = Overrides(overrides.params, {name: sizes}, overrides.batch, overrides.dtype)
        text = ",".join(map(str, sizes))
        try:
            yield _measure(report, load(smaller), f"a smaller input (--input {text})")
        except (InvalidSpec, NoOperator):
            continue
