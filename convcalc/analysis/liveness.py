"""Computes memory during inference: which tensors are live at each layer, and the peak of their total size.

A tensor is live from the layer that produces it to the last layer that reads it; outputs of the network stay live to
the end. Layers run in the order of the file. A view has no memory of its own and keeps its source alive. If
elementwise layers may work in place, such a layer overwrites its input if nothing else reads that input. Only tensors
are counted: no scratch space of kernels and no alignment.
"""

from collections.abc import Sequence
from typing import NamedTuple

from convcalc.network import Network


class Liveness(NamedTuple):
    """The bytes of all live tensors at each node (`live`), and the largest of these sums (`peak`).

    `peak_at` is the index of the node with the peak; `peak_tensors` are the numbers of the tensors that are live while
    this node runs.
    """

    live: tuple[int, ...]
    peak: int
    peak_at: int
    peak_tensors: tuple[int, ...]


def _find_memory_owners(network: Network, sizes: Sequence[int], inplace: bool) -> list[int]:
    """Return, per tensor, the number of the tensor whose memory it uses: itself, or the one it views or overwrites."""
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
    """Whether the layer with output `number` may overwrite a tensor: nothing else reads it, and the sizes are equal.

    If the tensor is a view, both conditions must also hold for the tensor that it views.
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
    """Return, by tensor number, how many layers read each tensor; a network output counts as one more reader."""
    readers = [0] * (len(network.inputs) + len(network.nodes))
    for node in network.nodes:
        for tensor in node.reads:
            readers[tensor] += 1
    for tensor in network.outputs.values():
        readers[tensor] += 1
    return readers


def _find_last_uses(network: Network, owner: list[int]) -> list[int]:
    """Return, by tensor number, the index of the node after which the memory of the tensor is free.

    It is -1 if no node uses the tensor, or if the tensor uses the memory of another tensor. `owner` is the result
    of `_find_memory_owners`. The memory of the network's outputs is free after the last node.
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


def compute_liveness(network: Network, sizes: Sequence[int], inplace: bool = True) -> Liveness:
    """Return how many bytes are live at each node, and their peak; `sizes` are the bytes of every tensor.

    `inplace` lets elementwise layers overwrite inputs that nothing else reads. The network's input is live until
    its last reader has run.
    """
    first = len(network.inputs)
    owner = _find_memory_owners(network, sizes, inplace)
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
