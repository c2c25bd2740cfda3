"""Computes memory during inference: which tensors are live at each layer, and the peak of their total size.

A tensor is live from the layer that produces it to the last layer that reads it; outputs of the network stay live to
the end. Layers run in the order of the file. A view has no memory of its own and keeps its source alive. If
elementwise layers may work in place, such a layer overwrites its input if nothing else reads that input. Only tensors
are counted: no scratch space of kernels and no alignment.
"""

from collections.abc import Sequence
from typing import NamedTuple

from convcalc.exact import largest
from convcalc.network import Network


class Liveness(NamedTuple):
    """`live[i]` is the sum of the bytes of all tensors that are live while node i runs; `peak` is the largest such sum.

    `peak_at` is the index of the node with the peak; `peak_tensors` are the numbers of the tensors that are live while
    this node runs. `last_uses` has, by tensor number, the index of the last node that needs the memory of the tensor,
    or -1 for a tensor without memory of its own.
    """

    live: tuple[int, ...]
    peak: int
    peak_at: int
    peak_tensors: tuple[int, ...]
    last_uses: tuple[int, ...]


def find_memory_owners(network: Network, sizes: Sequence[int], inplace: bool) -> list[int]:
    """Return, per tensor, the number of the tensor whose memory it uses: itself, or the one it views or overwrites."""
    readers = count_readers(network)
    owner = list(range(len(network.inputs)))
    for number, node in enumerate(network.nodes, len(network.inputs)):
        used = number
        if node.layer.is_view:
            used = owner[node.reads[0]]
        elif inplace and node.layer.in_place:
            for tensor in node.reads:
                if _can_overwrite(network, tensor, readers, sizes, number):
                    used = owner[tensor]
                    break
        owner.append(used)
    return owner


def _can_overwrite(network: Network, tensor: int, readers: list[int], sizes: Sequence[int], number: int) -> bool:
    """Whether the layer with output `number` may overwrite `tensor`: nothing else reads it, and both sizes are equal.

    If `tensor` is a view, nothing else may read the tensor that it views either.
    """
    first = len(network.inputs)
    if sizes[tensor] != sizes[number]:
        return False
    while readers[tensor] == 1:
        if tensor < first or not network.nodes[tensor - first].layer.is_view:
            return True
        tensor = network.nodes[tensor - first].reads[0]
    return False


def count_readers(network: Network) -> list[int]:
    """Return, by tensor number, how many layers read the tensor, plus 1 for an output of the network."""
    readers = [0] * (len(network.inputs) + len(network.nodes))
    for node in network.nodes:
        for tensor in node.reads:
            readers[tensor] += 1
    for tensor in network.outputs.values():
        readers[tensor] += 1
    return readers


def find_last_uses(network: Network, owner: list[int]) -> list[int]:
    """Return, by tensor number, the index of the last node that needs the memory of the tensor.

    It is -1 if there is no such node, and for a tensor that uses the memory of another tensor. For an output of the
    network, it is the index of the last node. `owner` is the result of `find_memory_owners`.
    """
    first, end = len(network.inputs), len(network.nodes) - 1
    last = [-1] * len(owner)
    for index, node in enumerate(network.nodes):
        last[owner[first + index]] = index
        for tensor in node.reads:
            last[owner[tensor]] = index
    for tensor in network.outputs.values():
        last[owner[tensor]] = end
    return last


def measure_live_bytes(network: Network, sizes: Sequence[int], owner: Sequence[int], last: Sequence[int]) -> list[int]:
    """Return the bytes that are live at each node.

    `owner` and `last` are the results of `find_memory_owners` and `find_last_uses`.
    """
    first = len(network.inputs)
    freed = [0] * len(network.nodes)  # bytes that are free after a node
    for tensor, index in enumerate(last):
        if index >= 0:
            freed[index] += sizes[tensor]
    size = sum(sizes[tensor] for tensor in range(first) if last[tensor] >= 0)
    live: list[int] = []
    for number, gone in enumerate(freed, first):
        if owner[number] == number:
            size += sizes[number]
        live.append(size)
        size -= gone
    return live


def compute_peak(network: Network, sizes: Sequence[int], inplace: bool = True) -> int:
    """Return the largest number of bytes that are live at once."""
    owner = find_memory_owners(network, sizes, inplace)
    return largest(*measure_live_bytes(network, sizes, owner, find_last_uses(network, owner)))  # type: ignore[no-any-return]


def compute_liveness(network: Network, sizes: Sequence[int], inplace: bool = True) -> Liveness:
    """Return the bytes that are live at each node, and their peak; `sizes` are the bytes of every tensor.

    With `inplace`, an elementwise layer overwrites its input if nothing else reads that input. An input of the network
    is live until the last layer that reads it has run.
    """
    first = len(network.inputs)
    owner = find_memory_owners(network, sizes, inplace)
    last = find_last_uses(network, owner)
    live = measure_live_bytes(network, sizes, owner, last)
    peak_at = max(range(len(live)), key=live.__getitem__)
    born = range(first + peak_at + 1)
    alive = tuple(tensor for tensor in born if owner[tensor] == tensor and last[tensor] >= peak_at)
    return Liveness(tuple(live), live[peak_at], peak_at, alive, tuple(last))
