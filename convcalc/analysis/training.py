"""Computes the memory for training: activations saved for backward, weights, gradients and the optimizer's state.

The memory is that of one training step at its peak, between the forward and the backward pass. Only tensors are
counted: no scratch space of kernels and no gradients of activations.
"""

from collections.abc import Sequence
from typing import NamedTuple

from convcalc.analysis.optimizers import OPTIMIZERS
from convcalc.caching import remember
from convcalc.layers.base import Layer, SavedForBackward
from convcalc.network import Network, Node
from convcalc.units import Dtype, tensor_bytes

_NOTHING = SavedForBackward()


class Training(NamedTuple):
    """The bytes needed for training, by purpose.

    `saved_for_backward` are activations, `weights` are params and buffers. If it is unknown which tensors a layer
    saves, `saved_for_backward` and `total` are None. For a network with learnt integers, which have no gradients, all
    except `weights` are None.
    """

    saved_for_backward: int | None
    gradients: int | None
    optimizer: int | None
    weights: int
    total: int | None


def compute_training_memory(network: Network, sizes: Sequence[int], weight_memory: int, optimizer: str) -> Training:
    """Return the bytes needed for training, by purpose.

    `sizes` are the bytes of every tensor, `weight_memory` the bytes of all weights and buffers, and `optimizer` is
    a key of OPTIMIZERS.

    The result is unknown for a network with integer data types. Such a network is trained in floating point with
    simulated rounding (quantisation-aware training, Jacob et al. 2018), that is, with other data types. PyTorch: "only
    Tensors of floating point and complex dtype can require gradients".
    """
    if not _is_trainable(network):
        return Training(None, None, None, weight_memory, None)
    saved, gradients = count_saved_bytes(network, sizes), _count_gradient_bytes(network)
    states = OPTIMIZERS[optimizer] * gradients
    total = None if saved is None else weight_memory + gradients + states + saved
    return Training(saved, gradients, states, weight_memory, total)


def _is_trainable(network: Network) -> bool:
    """Whether all data types are floating-point types; also true for a network without learnt elements."""
    learns = any(_is_learnt(network, node) for node in network.nodes)
    return not learns or not any("int" in dtype for dtype in network.dtype)


def _count_gradient_bytes(network: Network) -> int:
    """Return the bytes of all gradients: one value per learnt element, in the data type of the weight or bias.

    Frozen layers have no gradients; shared weights have one gradient.
    """
    return sum(
        _learnt_bytes(node.layer, network.dtype) for node in network.nodes if node.owner is None and not node.frozen
    )


@remember
def _learnt_bytes(layer: Layer, dtype: Dtype) -> int:
    weights = sum(tensor_bytes(elements, dtype.weights) for elements in layer.weight_tensors())
    return weights + sum(tensor_bytes(elements, dtype.bias) for elements in layer.bias_tensors())


def count_saved_bytes(network: Network, sizes: Sequence[int]) -> int | None:
    """Return the bytes that are saved for the backward pass, None if unknown; `sizes` are the bytes of every tensor.

    A tensor that several layers save counts once, and so do several tensors that share memory. Nothing is saved for a
    layer if neither it nor any layer before it is learnt. A frozen layer after a learnt one is treated as if it were
    learnt (PyTorch does not save the input of a frozen linear layer or scale).
    """
    learns, memory = _find_dependence_on_learnt(network), _find_memory_owners(network)
    first = len(network.inputs)
    tensors: set[int] = set()
    own = 0
    for number, node in enumerate(network.nodes, first):
        if not learns[number]:
            continue
        saved = _find_saved(node.layer, network.dtype.activations, network.batch)
        if saved is None:
            return None
        inputs, output, more = saved
        own += more
        if inputs:
            tensors.update([memory[tensor] for tensor in node.reads])
        if output:
            tensors.add(memory[number])
    return own + sum([sizes[tensor] for tensor in tensors])


@remember
def _find_saved(layer: Layer, dtype: str, batch: int) -> tuple[bool, bool, int] | None:
    """Return whether a layer saves its inputs, whether its output, and the bytes that it saves in addition.

    The result is None if this is unknown. `dtype` is the data type of activations.
    """
    saved = layer.saved_for_backward()
    if saved is None:
        return None
    more = tensor_bytes(batch * saved.values, dtype) + tensor_bytes(saved.batch_values, dtype)
    return saved.inputs, saved.output, more + batch * saved.mask_bytes


def _find_dependence_on_learnt(network: Network) -> list[bool]:
    """Return, by tensor number, whether a tensor depends on learnt weights."""
    learns = [False] * len(network.inputs)
    for node in network.nodes:
        learns.append(any(map(learns.__getitem__, node.reads)) or _is_learnt(network, node))
    return learns


def _is_learnt(network: Network, node: Node) -> bool:
    owner = node if node.owner is None else network.nodes[node.owner]
    return not owner.frozen and _has_weights(node.layer)


@remember
def _has_weights(layer: Layer) -> bool:
    return bool(layer.weight_tensors() or layer.bias_tensors())


def _find_memory_owners(network: Network) -> list[int]:
    """Return, per tensor, the number of the tensor whose memory it uses in training: itself, or one that it views.

    As in PyTorch, a slice of the channels keeps the memory of all channels alive. A layer such as dropout, which is a
    view only at inference, has its own memory in training. Such a layer is recognised by the tensors that it saves for
    backward.
    """
    owner = list(range(len(network.inputs)))
    for number, node in enumerate(network.nodes, len(owner)):
        layer = node.layer
        shares = layer.is_part or (layer.is_view and layer.saved_for_backward() == _NOTHING)
        owner.append(owner[node.reads[0]] if shares else number)
    return owner
