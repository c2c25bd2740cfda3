"""Computes the memory that a network needs on a microcontroller: `measure(program, runtime)` returns an `McuReport`.

For person detection on `tflm-reference`, for example, the head of the tensor arena is 73,728 bytes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from convcalc.device.arena import (
    Buffer,
    align,
    find_lifetimes,
    list_buffers,
    measure_extent,
    measure_head,
    measure_live_bytes,
    place_around,
)
from convcalc.device.lowering import list_layers, lower
from convcalc.device.program import Operator, Program
from convcalc.device.runtimes import Runtime, check_kernels
from convcalc.device.sizes import CORE_CODE, Flash, estimate_flash, estimate_tail
from convcalc.exact import largest, least
from convcalc.network import Network


class McuReport(NamedTuple):
    """The memory of a program on a runtime, in bytes.

    `head` is the part of the arena that tensors and scratch buffers share. If the runtime has no planner, it is the
    largest sum of live bytes, `offsets` is empty and `tail` is None. `live` has the live bytes at each time: 0 is
    before the first operator, n while operator n runs. `scratch` are the scratch bytes of each operator.
    """

    program: Program
    runtime: Runtime
    buffers: tuple[Buffer, ...]
    offsets: tuple[int, ...]
    head: int
    live: tuple[int, ...]
    scratch: tuple[int, ...]
    tail: int | None
    flash: Flash

    @property
    def arena(self) -> int:
        """Bytes of the tensor arena: head plus tail."""
        return self.head + (self.tail or 0)

    @property
    def lower_bound(self) -> int:
        """The largest sum of live bytes: no placement of the same buffers has a smaller head."""
        return max(self.live, default=0)

    @property
    def peak_time(self) -> int:
        """The time at which the most bytes are live."""
        return max(range(len(self.live)), key=self.live.__getitem__)

    def name_time(self, time: int) -> str:
        """Return the name of the operator that runs at a time; `input` before the first operator."""
        return self.program.operators[time - 1].name if time else "input"


def measure_network(network: Network, runtime: Runtime, dtype: str = "int8", code: int | None = None) -> McuReport:
    """Return the memory of a network with weights and activations in `dtype`; see `measure`."""
    program = lower(network, dtype) if runtime.plans else list_layers(network, dtype)
    return measure(program, runtime, code)


class McuTotals(NamedTuple):
    """The bytes of the tensor arena and of flash."""

    arena: int
    flash: int


def measure_totals(network: Network, runtime: Runtime) -> McuTotals:
    """Return the totals that `measure_network` returns for a network in int8, without their parts.

    The sizes in the network may be recorded (`convcalc.exact`). Raises NoOperator as `measure` does.
    """
    program = lower(network) if runtime.plans else list_layers(network)
    check_kernels(program, runtime)
    flash = estimate_flash(program, _count_core_code(runtime)).total
    if not runtime.plans:
        _, live = measure_live(program, runtime)
        return McuTotals(largest(*live), flash)
    buffers = list_buffers(program, _request_scratch(program, runtime))
    return McuTotals(measure_head(buffers) + _estimate_tail(program, runtime), flash)


def _request_scratch(program: Program, runtime: Runtime) -> list[tuple[int, ...]]:
    return [runtime.request_scratch(operator, operator.dtype or program.dtype) for operator in program.operators]


def _count_core_code(runtime: Runtime) -> int:
    return CORE_CODE if runtime.plans else 0


def _estimate_tail(program: Program, runtime: Runtime) -> int:
    return estimate_tail(program, mve=runtime.name == "tflm-cmsis-mve")


def convert_to_int8(program: Program) -> Program:
    """Return a float32 program converted to int8: a quarter of the bytes, except for biases."""
    tensors = tuple(tensor._replace(bytes=-(-tensor.bytes // 4)) for tensor in program.tensors)
    operators = tuple(
        operator._replace(
            weights=-(-operator.weights // 4), dtype="int8" if operator.dtype == "float32" else operator.dtype
        )
        for operator in program.operators
    )
    return program._replace(dtype="int8", tensors=tensors, operators=operators, file_bytes=None)


def measure(program: Program, runtime: Runtime, code: int | None = None) -> McuReport:
    """Return the memory of a program on a runtime; `code` are the bytes of code (default: those of the runtime's core).

    Raises NoOperator if the runtime lacks an operator, or if the program has too many buffers.
    """
    check_kernels(program, runtime)
    requested = _request_scratch(program, runtime)
    flash = estimate_flash(program, _count_core_code(runtime) if code is None else code)
    if not runtime.plans:
        return _measure_live(program, runtime, flash)
    buffers = list_buffers(program, requested)
    planned = {tensor: offset for tensor, offset in enumerate(program.plan or ()) if offset >= 0}
    offsets = place_around(buffers, planned)
    return McuReport(
        program,
        runtime,
        tuple(buffers),
        offsets,
        measure_extent(buffers, offsets),
        tuple(measure_live_bytes(buffers, len(program.operators))),
        tuple(sum(map(align, sizes)) for sizes in requested),
        _estimate_tail(program, runtime),
        flash,
    )


def _measure_live(program: Program, runtime: Runtime, flash: Flash) -> McuReport:
    """Return the report of a runtime without a planner, whose arena is the largest sum of live bytes."""
    buffers, live = measure_live(program, runtime)
    nothing = (0,) * len(program.operators)
    return McuReport(program, runtime, tuple(buffers), (), max(live), tuple(live), nothing, None, flash)


def measure_live(program: Program, runtime: Runtime) -> tuple[list[Buffer], list[int]]:
    """Return the tensors of a program, and the live bytes at each time if operators work in place where they can."""
    viewed = _merge_views(program, _find_accumulators(program) if runtime.adds_in_place else {})
    buffers = list_buffers(viewed, [()] * len(viewed.operators), alignment=1)
    return buffers, _overwrite_inputs(viewed, runtime, buffers, measure_live_bytes(buffers, len(viewed.operators)))


def _find_accumulators(program: Program) -> dict[int, int]:
    """Map each output of a convolution that is only added to another tensor to that tensor, which takes the sum.

    Nothing else may read the other tensor later, and both must have the same size.
    """
    _, last = find_lifetimes(program)
    readers = Counter(tensor for operator in program.operators for tensor in operator.reads)
    written = {operator.writes[0]: operator for operator in program.operators}
    found = {}
    for time, operator in enumerate(program.operators, 1):
        if operator.code != "ADD" or len(operator.reads) != 2:
            continue
        for added, kept in (operator.reads, operator.reads[::-1]):
            alike = program.tensors[added].bytes == program.tensors[kept].bytes and added != kept
            convolved = added in written and written[added].code in ("CONV", "POINTWISE_CONV")
            free = last.get(kept) == time and kept not in program.outputs and added not in program.outputs
            if alike and convolved and free and readers[added] == 1:
                found[added] = kept
                break
    return found


def _merge_views(program: Program, accumulators: Mapping[int, int]) -> Program:
    """Return the program in which a view shares a tensor with its input, and a convolution with what it adds to."""
    owner = list(range(len(program.tensors)))
    operators: list[Operator] = []
    for operator in program.operators:
        reads = tuple(owner[tensor] for tensor in operator.reads)
        target = accumulators.get(operator.writes[0])
        if operator.code == "VIEW":
            owner[operator.writes[0]] = reads[0]
        elif target is not None:
            owner[operator.writes[0]] = owner[target]
            reads = (*reads, owner[target])
        operators.append(operator._replace(reads=reads, writes=tuple(owner[tensor] for tensor in operator.writes)))
    outputs = tuple(owner[tensor] for tensor in program.outputs)
    return program._replace(operators=tuple(operators), outputs=outputs)


def _overwrite_inputs(program: Program, runtime: Runtime, buffers: Sequence[Buffer], live: list[int]) -> list[int]:
    """Return the live bytes if operators overwrite an input that nothing else needs, where they can."""
    by_tensor = {buffer.tensor: buffer for buffer in buffers if buffer.tensor not in program.outputs}
    sizes = {buffer.tensor: buffer.size for buffer in buffers}
    for time, operator in enumerate(program.operators, 1):
        size = sizes.get(operator.writes[0], 0)
        depthwise = operator.code == "DEPTHWISE_CONV" and runtime.adds_in_place
        read = [by_tensor[tensor] for tensor in operator.reads if tensor in by_tensor]
        ended = [buffer.size for buffer in read if buffer.last == time and buffer.tensor not in operator.writes]
        if depthwise and ended:
            live[time] -= least(size, largest(*ended))
        elif operator.in_place and size in ended:
            live[time] -= size
    return live
