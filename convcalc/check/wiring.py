"""How the layers of a network are wired, as rules ask it."""

from convcalc.network import Network


def readers(network: Network) -> list[list[int]]:
    """For every tensor, by its number, the nodes that read it, each once."""
    found: list[list[int]] = [[] for _ in range(len(network.inputs) + len(network.nodes))]
    for index, node in enumerate(network.nodes):
        reads = node.reads
        for tensor in reads if len(reads) == 1 else dict.fromkeys(reads):
            found[tensor].append(index)
    return found


def sole_reads(network: Network) -> dict[int, int]:
    """The nodes that alone read what another node gives and do not see it leave the network: reader → giver."""
    first, leaving = len(network.inputs), set(network.outputs.values())
    return {
        reading[0]: tensor - first
        for tensor, reading in enumerate(readers(network))
        if tensor >= first and len(reading) == 1 and tensor not in leaving
    }
