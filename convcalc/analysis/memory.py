"""Memory while a network runs: which tensors are live when, and how much that is at the most.

A tensor lives from the layer that makes it to the last layer that reads it; what leaves the network lives to
the end. Layers run in the order of the file. Views own nothing and keep alive what they view. With reuse in
place, an elementwise layer writes into its input where nothing else reads that. Tensors only: no scratch
space of kernels and no alignment.
"""

from collections.abc import Sequence
from typing import NamedTuple

from convcalc.network import Network


class Liveness(NamedTuple):
    """The live bytes along the execution. `peak_at` is the node where they are most, None of no nodes."""

    live: tuple[int, ...]
    peak: int
    peak_at: int
    peak_tensors: tuple[int, ...]


def _find_owners(network: Network, sizes: Sequence[int], inplace: bool) -> list[int]:
    """For each tensor the one in whose memory it lies: its own number, or that of what it views or overwrites."""
    first = len(network.inputs)
    readers = count_readers(network)
    owner = list(range(first))
    for index, node in enumerate(network.nodes):
        number = first + index
        if node.layer.is_view:
            owner.append(owner[node.reads[0]])
        elif inplace and node.layer.in_place:
            target = next(
                (tensor for tensor in node.reads if _can_overwrite(network, tensor, readers, sizes, number)), None
            )
            owner.append(number if target is None else owner[target])
        else:
            owner.append(number)
    return owner


def _can_overwrite(network: Network, tensor: int, readers: list[int], sizes: Sequence[int], number: int) -> bool:
    """Whether a layer may write into a tensor: nothing else reads it or what it views, and the sizes are equal."""
    first = len(network.inputs)
    if sizes[tensor] != sizes[number]:
        return False
    while readers[tensor] == 1:
        if tensor < first or not network.nodes[tensor - first].layer.is_view:
            return True
        tensor = network.nodes[tensor - first].reads[0]
    return False


def count_readers(network: Network) -> list[int]:
    """How often each tensor is read; leaving the network is a reading."""
    readers = [0] * (len(network.inputs) + len(network.nodes))
    for node in network.nodes:
        for tensor in node.reads:
            readers[tensor] += 1
    for tensor in network.outputs.values():
        readers[tensor] += 1
    return readers


def _find_last_uses(network: Network, owner: list[int]) -> list[int]:
    """For each owner the node after which its memory is free; what leaves the network stays to the end."""
    first, end = len(network.inputs), len(network.nodes) - 1
    last = [-1] * len(owner)
    for index, node in enumerate(network.nodes):
        last[owner[first + index]] = index
        for tensor in node.reads:
            last[owner[tensor]] = index
    for tensor in network.outputs.values():
        last[owner[tensor]] = end
    return last


def liveness(network: Network, sizes: Sequence[int], inplace: bool = True) -> Liveness:
    """The live bytes along the execution, given the bytes of every tensor by number.

    The input counts until its last reader.
    """
    first = len(network.inputs)
    owner = _find_owners(network, sizes, inplace)
    last = _find_last_uses(network, owner)
    freed = [0] * len(network.nodes)  # bytes that are free after a node
    for tensor, index in enumerate(last):
        if owner[tensor] == tensor and index >= 0:
            freed[index] += sizes[tensor]
    size = sum(sizes[tensor] for tensor in range(first) if last[tensor] >= 0)
    live: list[int] = []
    for index in range(len(network.nodes)):
        number = first + index
        size += sizes[number] if owner[number] == number else 0
        live.append(size)
        size -= freed[index]
    peak_at = max(range(len(live)), key=live.__getitem__)
    born = range(first + peak_at + 1)
    alive = tuple(tensor for tensor in born if owner[tensor] == tensor and last[tensor] >= peak_at)
    return Liveness(tuple(live), live[peak_at], peak_at, alive)
