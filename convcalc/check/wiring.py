"""Tells lint rules which layers of a network read which tensors."""

from convcalc.network import Network


def list_readers(network: Network) -> list[list[int]]:
    """Return, for each tensor by its number, the indexes of the nodes that read it, without duplicates."""
    found: list[list[int]] = [[] for _ in range(len(network.inputs) + len(network.nodes))]
    for index, node in enumerate(network.nodes):
        reads = node.reads
        for tensor in reads if len(reads) == 1 else dict.fromkeys(reads):
            found[tensor].append(index)
    return found


def find_sole_readers(network: Network) -> dict[int, int]:
    """Return a dict {reader: producer} of node indexes, in which the reader alone uses the producer's output.

    A producer of a network output is left out, because that output is also used outside the network.
    """
    first, leaving = len(network.inputs), set(network.outputs.values())
    return {
        reading[0]: tensor - first
        for tensor, reading in enumerate(list_readers(network))
        if tensor >= first and len(reading) == 1 and tensor not in leaving
    }
