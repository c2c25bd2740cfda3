"""Memory for training: what the layers keep for the backward pass, weights, gradients and the optimizer's states.

Of one step, at its height between forward and backward: tensors only, no scratch space of kernels and none of the
gradients of activations.
"""

from collections.abc import Sequence
from typing import NamedTuple

from convcalc.layers.base import Kept, Layer
from convcalc.network import Dtype, Network, Node
from convcalc.units import tensor_bytes

OPTIMIZERS = {"sgd": 0, "momentum": 1, "adam": 2}
"""States that an optimizer keeps of each learnt weight: none, the momentum, the mean and the mean square."""

_NOTHING = Kept()


class Training(NamedTuple):
    """Bytes of training. `kept` is kept for the backward pass, `weights` are params and buffers.

    What is kept, and the total with it, are None where a layer does not say what it keeps. All but the weights are
    None where integers would have to be learnt: they have no gradients.
    """

    kept: int | None
    gradients: int | None
    optimizer: int | None
    weights: int
    total: int | None


def training_bytes(network: Network, sizes: Sequence[int], weight_bytes: int, optimizer: str) -> Training:
    """The bytes of training, given those of every tensor by number, those of all weights, and one of OPTIMIZERS.

    A network of integers is trained in floating point, with rounding inside (quantisation-aware training: Jacob et
    al. 2018): that is another network, of other data types. PyTorch: "only Tensors of floating point and complex dtype
    can require gradients".
    """
    if not _is_trainable(network):
        return Training(None, None, None, weight_bytes, None)
    kept, gradients = kept_bytes(network, sizes), _gradient_bytes(network)
    states = OPTIMIZERS[optimizer] * gradients
    total = None if kept is None else weight_bytes + gradients + states + kept
    return Training(kept, gradients, states, weight_bytes, total)


def _is_trainable(network: Network) -> bool:
    """Whether no integer would have to be learnt, or to pass a gradient on."""
    learns = any(_is_learnt(network, node) for node in network.nodes)
    return not learns or not any("int" in dtype for dtype in network.dtype)


def _gradient_bytes(network: Network) -> int:
    """Bytes of all params that are learnt, in the data types of the weights and of the biases.

    Frozen layers have no gradients; weights that several layers use have one.
    """
    return sum(
        _learnt_bytes(node.layer, network.dtype) for node in network.nodes if node.owner is None and not node.frozen
    )


def _learnt_bytes(layer: Layer, dtype: Dtype) -> int:
    """Bytes of the weights and biases of a layer."""
    weights = sum(tensor_bytes(elements, dtype.weights) for elements in layer.weight_tensors())
    return weights + sum(tensor_bytes(elements, dtype.bias) for elements in layer.bias_tensors())


def kept_bytes(network: Network, sizes: Sequence[int]) -> int | None:
    """Bytes of all that is kept for the backward pass, given the bytes of every tensor by number; None: not known.

    A tensor that several layers keep counts once, in the memory in which it lies. Where neither a layer nor anything
    before it learns, nothing is kept. A frozen layer after one that learns is taken to keep what it keeps when it
    learns (PyTorch spares the input of a frozen linear layer or scale).
    """
    learns, memory = _find_learning(network), _find_training_owners(network)
    first = len(network.inputs)
    tensors: set[int] = set()
    own = 0
    for number, node in enumerate(network.nodes, first):
        if not learns[number]:
            continue
        kept = node.layer.kept()
        if kept is None:
            return None
        own += _own_bytes(kept, network)
        if kept.inputs:
            tensors.update(memory[tensor] for tensor in node.reads)
        if kept.output:
            tensors.add(memory[number])
    return own + sum(sizes[tensor] for tensor in tensors)


def _own_bytes(kept: Kept, network: Network) -> int:
    """Bytes of what a layer keeps beside what it reads and gives."""
    values, batch = network.dtype.activations, network.batch
    return tensor_bytes(batch * kept.values, values) + tensor_bytes(kept.batch_values, values) + batch * kept.mask_bytes


def _find_learning(network: Network) -> list[bool]:
    """For each tensor whether it depends on weights that are learnt."""
    learns = [False] * len(network.inputs)
    for node in network.nodes:
        learns.append(_is_learnt(network, node) or any(learns[tensor] for tensor in node.reads))
    return learns


def _is_learnt(network: Network, node: Node) -> bool:
    """Whether a layer has weights, its own or another's, that are learnt."""
    owner = node if node.owner is None else network.nodes[node.owner]
    return not owner.frozen and bool(node.layer.weight_tensors() or node.layer.bias_tensors())


def _find_training_owners(network: Network) -> list[int]:
    """For each tensor the one in whose memory it lies in training: its own number, or that of what it is a view of.

    As in PyTorch a part of the channels holds the memory of all. What computes in training is no view of its input,
    such as dropout: it shows in that it keeps something.
    """
    owner = list(range(len(network.inputs)))
    for number, node in enumerate(network.nodes, len(owner)):
        layer = node.layer
        shares = layer.is_part or (layer.is_view and layer.kept() == _NOTHING)
        owner.append(owner[node.reads[0]] if shares else number)
    return owner
