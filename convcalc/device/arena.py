"""Places buffers in the tensor arena as TensorFlow Lite Micro does: when each is needed, and at which offset.

For example, `place_greedily([Buffer("a", 32, 0, 1), Buffer("b", 16, 1, 2)])` returns the offsets (0, 32).

Sources: github.com/tensorflow/tflite-micro at 90b983c, tensorflow/lite/micro: micro_allocation_info.cc (when a buffer
is first and last used), micro_allocator.cc and micro_arena_constants.h (sizes are rounded up to 16 bytes), and
memory_planner/greedy_memory_planner.cc (offsets).
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from operator import or_
from typing import NamedTuple

from convcalc.device.program import NoOperator, Program
from convcalc.exact import apply

ALIGNMENT = 16
MOST_BUFFERS = 5_000  # the time to place them grows with the square of their number


class Buffer(NamedTuple):
    """Memory needed from time `first` to `last`: 0 is before the first operator, n while operator n runs.

    `tensor` is the number of the tensor that it holds; None for a scratch buffer of the operator that runs.
    """

    name: str
    size: int
    first: int
    last: int
    tensor: int | None = None


def align(size: int, alignment: int = ALIGNMENT) -> int:
    """Return a size rounded up to a multiple of `alignment`.

    >>> align(17)
    32
    """
    return -(-size // alignment) * alignment


def list_buffers(program: Program, scratch: Sequence[Sequence[int]], alignment: int = ALIGNMENT) -> list[Buffer]:
    """Return the buffers of all tensors, and of all scratch space; `scratch` has the bytes of each operator's buffers.

    A tensor is needed from the operator that writes it to the last one that reads it, an input from the start, and an
    output until the end. Variables and empty tensors have no buffer here. Raises NoOperator if there are too many.
    """
    first, last = find_lifetimes(program)
    found = [
        Buffer(tensor.name, align(tensor.bytes, alignment), first[number], last[number], number)
        for number, tensor in enumerate(program.tensors)
        if number in first and tensor.bytes and not tensor.variable
    ]
    for time, (operator, sizes) in enumerate(zip(program.operators, scratch, strict=True), 1):
        found += [Buffer(operator.name, align(size, alignment), time, time) for size in sizes if size]
    if len(found) > MOST_BUFFERS:
        raise NoOperator(f"the network has {len(found):,} buffers; at most {MOST_BUFFERS:,} are placed")
    return found


def find_lifetimes(program: Program) -> tuple[dict[int, int], dict[int, int]]:
    """Return the times at which each tensor is first and last needed, by the tensor's number."""
    first = dict.fromkeys(program.inputs, 0)
    last = dict(first)
    for time, operator in enumerate(program.operators, 1):
        for tensor in operator.writes:
            first.setdefault(tensor, time)
        last.update(dict.fromkeys((*operator.reads, *operator.writes), time))
    for tensor in program.outputs:
        first.setdefault(tensor, len(program.operators))
        last[tensor] = len(program.operators)
    return first, last


def place_greedily(buffers: Sequence[Buffer]) -> tuple[int, ...]:
    """Return the offset of each buffer, as TensorFlow Lite Micro's planner chooses it.

    The largest buffer is placed first, and the last of equally large ones. Each gets the lowest offset at which it fits
    between the placed buffers that are needed at the same time.
    """
    sizes = [buffer.size for buffer in buffers]
    return _place(find_overlaps(buffers), sizes, _sort_by_size(sizes), {})


def place_around(buffers: Sequence[Buffer], planned: Mapping[int, int]) -> tuple[int, ...]:
    """Return the offset of each buffer if some are planned: `planned` has offsets by tensor, and the others fit around.

    These are placed like those of `place_greedily`.
    """
    tensors = [(index, buffer.tensor) for index, buffer in enumerate(buffers)]
    fixed = {index: planned[tensor] for index, tensor in tensors if tensor is not None and tensor in planned}
    sizes = [buffer.size for buffer in buffers]
    order = [*fixed, *(index for index in _sort_by_size(sizes) if index not in fixed)]
    return _place(find_overlaps(buffers), sizes, order, fixed)


def place_in_order(buffers: Sequence[Buffer], order: Sequence[int]) -> tuple[int, ...]:
    """Return the offset of each buffer if they are placed in this order, each at the lowest offset that is free."""
    return _place(find_overlaps(buffers), [buffer.size for buffer in buffers], order, {})


def measure_head(buffers: Sequence[Buffer]) -> int:
    """Return the bytes that greedily placed buffers span; their sizes may be recorded (`convcalc.exact`)."""
    found: int = apply("arena_head", find_head, (find_overlaps(buffers), *(buffer.size for buffer in buffers)))
    return found


def find_head(overlaps: Sequence[int], *sizes: int) -> int:
    """Return the bytes that greedily placed buffers of these sizes span; for `overlaps`, see `find_overlaps`."""
    offsets = _place(overlaps, sizes, _sort_by_size(sizes), {})
    return max((offset + size for offset, size in zip(offsets, sizes, strict=True)), default=0)


def find_overlaps(buffers: Sequence[Buffer]) -> tuple[int, ...]:
    """Return, for each buffer, the set of the others that are needed at the same time: bit n stands for buffer n."""
    times = max((buffer.last for buffer in buffers), default=0) + 1
    begins, ends = [0] * times, [0] * times
    for index, buffer in enumerate(buffers):
        begins[buffer.first] |= 1 << index
        ends[buffer.last] |= 1 << index
    begun, ended = list(accumulate(begins, or_)), [0, *accumulate(ends, or_)]
    return tuple(begun[buffer.last] & ~ended[buffer.first] & ~(1 << index) for index, buffer in enumerate(buffers))


def _sort_by_size(sizes: Sequence[int]) -> list[int]:
    """Return the indexes of the sizes, the largest first; of equal sizes, the last one comes first."""
    return sorted(range(len(sizes) - 1, -1, -1), key=sizes.__getitem__, reverse=True)


def _place(
    overlaps: Sequence[int], sizes: Sequence[int], order: Sequence[int], fixed: Mapping[int, int]
) -> tuple[int, ...]:
    """Return the offset of each buffer, placed in this order; `fixed` has offsets that are given, by index."""
    offsets = [0] * len(sizes)
    placed = 0
    for index in order:
        offsets[index] = (
            fixed[index] if index in fixed else _find_gap(sizes[index], overlaps[index] & placed, offsets, sizes)
        )
        placed |= 1 << index
    return tuple(offsets)


def _find_gap(size: int, others: int, offsets: Sequence[int], sizes: Sequence[int]) -> int:
    """Return the lowest offset at which a buffer fits between the others; bit n of `others` stands for buffer n."""
    taken = []
    while others:
        lowest = others & -others
        index = lowest.bit_length() - 1
        taken.append((offsets[index], sizes[index]))
        others ^= lowest
    offset = 0
    for start, length in sorted(taken):
        if start - offset >= size:
            break
        offset = max(offset, start + length)
    return offset


def measure_extent(buffers: Sequence[Buffer], offsets: Sequence[int]) -> int:
    """Return the bytes from the start of the arena to the end of its last buffer."""
    return max((offset + buffer.size for buffer, offset in zip(buffers, offsets, strict=True)), default=0)


def measure_live_bytes(buffers: Sequence[Buffer], times: int) -> list[int]:
    """Return the bytes of all buffers needed at each time from 0 to `times`; no plan needs less than the largest."""
    change = [0] * (times + 2)
    for buffer in buffers:
        change[buffer.first] += buffer.size
        change[buffer.last + 1] -= buffer.size
    live, total = [], 0
    for step in change[:-1]:
        total += step
        live.append(total)
    return live
