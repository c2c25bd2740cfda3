"""Which layers read which tensors of a network, for lint rules."""

from convcalc.network import Network


def list_readers(network: Network) -> list[list[int]]:
    """Return the indexes of the nodes that read each tensor, without duplicates, indexed by tensor number."""
    found: list[list[int]] = [[] for _ in range(len(network.inputs) + len(network.nodes))]
    for index, node in enumerate(network.nodes):
        reads = node.reads
        for tensor in reads if len(reads) == 1 else dict.fromkeys(reads):
            found[tensor].append(index)
    return found


def find_sole_readers(network: Network) -> dict[int, int]:
    """Map each node that is the only reader of another node's output to that node: reader → producer.

    Outputs of the network are left out, because they are also used outside.
    """
    first, leaving = len(network.inputs), set(network.outputs.values())
    return {
        reading[0]: tensor - first
        for tensor, reading in enumerate(list_readers(network))
        if tensor >= first and len(reading) == 1 and tensor not in leaving
    }
