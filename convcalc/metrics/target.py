"""Defines `Target`: the runtime and the device on which the arena, the flash and the latency are measured."""

from typing import TYPE_CHECKING, NamedTuple

from convcalc.device.runtime_names import DEFAULT_RUNTIME

if TYPE_CHECKING:
    from convcalc.device.device_file import Device  # importing it would slow the start


class Target(NamedTuple):
    """The runtime for arena and flash, the device for the latency, and the mode of the latency: eager or fused."""

    runtime: str = DEFAULT_RUNTIME
    device: "Device | None" = None
    eager: bool = False


DEFAULT_TARGET = Target()
