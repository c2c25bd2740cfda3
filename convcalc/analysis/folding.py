"""Batch norms folded into the convolutions before them, as a network is deployed."""

from convcalc.analysis.memory import count_readers
from convcalc.layers.base import Bias
from convcalc.layers.norm import BatchNorm
from convcalc.network import Group, Network, Node


def fold_batchnorm(network: Network) -> Network:
    """The network with each batch norm that directly follows a convolution or linear layer folded into it.

    The batch norm's scale goes into the weights and its shift into the bias, which the layer gains where it has none;
    its own weights and statistics go. One is left alone where something else reads what the layer gives, where the
    layer leaves the network, or where either shares its weights. Source: Jacob et al. 2018, "Quantization and
    training of neural networks for efficient integer-arithmetic-only inference", 3.2.
    """
    folded = foldable(network)
    if not folded:
        return network
    first = len(network.inputs)
    moved = list(range(first))  # the new number of every tensor
    places: list[int] = []  # how many nodes are kept before each old node
    nodes: list[Node] = []
    for index, node in enumerate(network.nodes):
        places.append(len(nodes))
        if index in folded:
            moved.append(moved[node.reads[0]])
            continue
        moved.append(first + len(nodes))
        reads = tuple(moved[tensor] for tensor in node.reads)
        owner = None if node.owner is None else moved[first + node.owner] - first
        nodes.append(node._replace(reads=reads, owner=owner))
    for index in folded:
        place = moved[first + index] - first
        nodes[place] = _add_bias(nodes[place])
    places.append(len(nodes))
    groups = tuple(
        _move_group(group, places, moved) for group in network.groups if places[group.start] < places[group.stop]
    )
    outputs = {name: moved[tensor] for name, tensor in network.outputs.items()}
    return network._replace(nodes=tuple(nodes), groups=groups, outputs=outputs)


def foldable(network: Network) -> set[int]:
    """The batch norms that can be folded, by node."""
    first = len(network.inputs)
    readers = count_readers(network)
    owners = {node.owner for node in network.nodes}
    found = set()
    for index, node in enumerate(network.nodes):
        source = node.reads[0] - first
        fixed = isinstance(node.layer, BatchNorm) and node.layer.track_running_stats  # else it is the batch's own
        if fixed and source >= 0 and readers[node.reads[0]] == 1:
            before = network.nodes[source]
            shared = node.owner is not None or before.owner is not None or {index, source} & owners
            if isinstance(before.layer, Bias) and before.layer.kind != "locally_connected" and not shared:
                found.add(index)
    return found


def _add_bias(node: Node) -> Node:
    """The node with a bias."""
    layer = node.layer
    return node._replace(layer=type(layer)(layer.inputs, {**layer.given, "bias": True}))


def _move_group(group: Group, places: list[int], moved: list[int]) -> Group:
    """The group at its new place."""
    return group._replace(start=places[group.start], stop=places[group.stop], output=moved[group.output])
