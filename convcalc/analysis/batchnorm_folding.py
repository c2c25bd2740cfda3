"""Folds batch norms into the layers before them, as is usual when a network is deployed."""

from convcalc.analysis.liveness import count_readers
from convcalc.layers.mixins import Bias
from convcalc.layers.norm import BatchNorm
from convcalc.network import Group, Network, Node


def fold_batchnorm(network: Network) -> Network:
    """Return the network with each batch norm folded into the convolution or linear layer directly before it.

    The scale of the batch norm is merged into the weights of that layer, and the bias of the batch norm into the bias
    of that layer. A layer without a bias gets one. The batch norm's own weights and statistics disappear.

    A batch norm without running statistics is not folded, nor is one whose input is read by another layer or is an
    output of the network. Nothing is folded if one of the two layers shares weights, or if the first one is locally
    connected.

    Source: Jacob et al. 2018, "Quantization and training of neural networks for efficient integer-arithmetic-only
    inference", 3.2.
    """
    folded = find_foldable_norms(network)
    if not folded:
        return network
    first = len(network.inputs)
    moved = list(range(first))  # the new number of every tensor, by its old number
    places: list[int] = []  # by the old index of a node: how many nodes before it remain
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


def find_foldable_norms(network: Network) -> set[int]:
    """Return the indexes of the batch norms that can be folded into the layer before them (see `fold_batchnorm`)."""
    first = len(network.inputs)
    readers = count_readers(network)
    owners = {node.owner for node in network.nodes}
    found = set()
    for index, node in enumerate(network.nodes):
        source = node.reads[0] - first if node.reads else -1
        # without running statistics, the norm uses those of each batch, which are not constant
        fixed = isinstance(node.layer, BatchNorm) and node.layer.track_running_stats
        if fixed and source >= 0 and readers[node.reads[0]] == 1:
            before = network.nodes[source]
            shared = node.owner is not None or before.owner is not None or {index, source} & owners
            if isinstance(before.layer, Bias) and before.layer.kind != "locally_connected" and not shared:
                found.add(index)
    return found


def _add_bias(node: Node) -> Node:
    layer = node.layer
    return node._replace(layer=type(layer)(layer.inputs, {**layer.given, "bias": True}))


def _move_group(group: Group, places: list[int], moved: list[int]) -> Group:
    return group._replace(start=places[group.start], stop=places[group.stop], output=moved[group.output])
