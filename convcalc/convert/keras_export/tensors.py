"""Finds the facts about the tensors around each layer that the export to Keras needs.

Keras has the channels last, so that a flattened map has its values in another order. This does not matter if a layer
with learnt weights reads or computes them, because its weights can be in that order too.
"""

from typing import NamedTuple

from convcalc.network import Network

_NONNEGATIVE = frozenset({"relu", "relu6", "sigmoid", "hardsigmoid", "softmax"})
# kinds whose output is nonnegative if all their inputs are
_KEEP_SIGN = frozenset(
    {"maxpool", "avgpool", "adaptive_avgpool", "adaptive_maxpool", "global_avgpool", "global_maxpool", "add"}
    | {"multiply", "concat", "dropout", "drop_path", "identity", "pad", "crop", "slice", "flatten", "reshape", "tokens"}
    | {"map", "permute", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle"}
)
# kinds that treat all channels alike, so that these can be in any order
_KEEP_ORDER = frozenset(
    {"relu", "relu6", "leaky_relu", "prelu", "elu", "selu", "celu", "gelu", "silu", "mish", "sigmoid", "tanh"}
    | {"softplus", "softsign", "hardswish", "hardsigmoid", "hardtanh", "dropout", "identity", "batchnorm"}
)
_LEARN_ORDER = frozenset({"linear", "conv", "pointwise_conv", "conv_transpose"})


class TensorFacts(NamedTuple):
    """Facts about the tensors that a layer reads and computes.

    - `reads_nonnegative`: no value of its inputs can be negative
    - `reads_learnt_order`: learnt weights determine the order of the channels of its input, and nothing else reads them
    - `feeds_linear`: only linear layers read its output, possibly after layers that treat all values alike
    - `reads_integers`: it reads an input of the network that only embeddings read
    - `shares`: another layer has the same weights
    """

    reads_nonnegative: bool
    reads_learnt_order: bool
    feeds_linear: bool
    reads_integers: bool
    shares: bool


def find_facts(network: Network) -> list[TensorFacts]:
    """Return the facts about the tensors around each layer of a network, in the order of its layers."""
    count = len(network.inputs)
    readers = _list_readers(network)
    owners = {node.owner for node in network.nodes}
    alone = [node.owner is None and index not in owners for index, node in enumerate(network.nodes)]
    nonnegative = _find_nonnegative(network)
    learnt = _find_learnt_order(network, readers, alone)
    feeding = _find_feeding_linear(network, readers, alone)
    integers = set(list_integer_inputs(network))
    return [
        TensorFacts(
            all(nonnegative[tensor] for tensor in node.reads),
            all(learnt[tensor] for tensor in node.reads),
            feeding[count + index],
            bool(node.reads) and set(node.reads) <= integers,
            not alone[index],
        )
        for index, node in enumerate(network.nodes)
    ]


def list_integer_inputs(network: Network) -> list[int]:
    """Return the numbers of the inputs that only embeddings read; Keras has these without an axis for the channels."""
    readers = _list_readers(network)[: len(network.inputs)]
    return [
        tensor
        for tensor, indices in enumerate(readers)
        if indices and all(index >= 0 and network.nodes[index].layer.kind == "embedding" for index in indices)
    ]


def _list_readers(network: Network) -> list[list[int]]:
    """Return the indices of the layers that read each tensor; -1 if it is an output of the network."""
    readers: list[list[int]] = [[] for _ in range(len(network.inputs) + len(network.nodes))]
    for index, node in enumerate(network.nodes):
        for tensor in node.reads:
            readers[tensor].append(index)
    for tensor in network.outputs.values():
        readers[tensor].append(-1)
    return readers


def _find_nonnegative(network: Network) -> list[bool]:
    found = [False] * len(network.inputs)
    for node in network.nodes:
        kept = node.layer.kind in _KEEP_SIGN and all(found[tensor] for tensor in node.reads)
        found.append(node.layer.kind in _NONNEGATIVE or kept)
    return found


def _find_learnt_order(network: Network, readers: list[list[int]], alone: list[bool]) -> list[bool]:
    found = [False] * len(network.inputs)
    for index, node in enumerate(network.nodes):
        learns = node.layer.kind in _LEARN_ORDER and getattr(node.layer, "groups", 1) == 1
        keeps = node.layer.kind in _KEEP_ORDER and found[node.reads[0]]
        found.append(alone[index] and len(readers[len(found)]) == 1 and (learns or keeps))
    return found


def _find_feeding_linear(network: Network, readers: list[list[int]], alone: list[bool]) -> list[bool]:
    count = len(network.inputs)
    found = [False] * len(readers)

    def accepts(index: int) -> bool:
        if index < 0 or not alone[index]:
            return False
        kind = network.nodes[index].layer.kind
        return kind == "linear" or (kind in _KEEP_ORDER and found[count + index])

    for tensor in reversed(range(len(readers))):
        found[tensor] = bool(readers[tensor]) and all(map(accepts, readers[tensor]))
    return found
