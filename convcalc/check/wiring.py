"""Tells lint rules which layers of a network read which tensors."""

from convcalc.network import Network


def list_readers(network: Network) -> list[list[int]]:
    """Return, by tensor number, the indexes of the nodes that read the tensor, without duplicates."""
    found: list[list[int]] = [[] for _ in range(len(network.inputs) + len(network.nodes))]
    for index, node in enumerate(network.nodes):
        reads = node.reads
        for tensor in reads if len(reads) == 1 else dict.fromkeys(reads):
            found[tensor].append(index)
    return found


def find_sole_readers(network: Network) -> dict[int, int]:
    """Return {index of reader: index of producer} for each layer output that is read by a single node.

    An output of the network is left out, because it is also used outside the network.
    """
    first, leaving = len(network.inputs), set(network.outputs.values())
    return {
        reading[0]: tensor - first
        for tensor, reading in enumerate(list_readers(network))
        if tensor >= first and len(reading) == 1 and tensor not in leaving
    }
