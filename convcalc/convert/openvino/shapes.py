"""Computes output shapes for an OpenVINO model whose input shape is open in the file, or replaced by the user.

The operators and attributes are those of ONNX. If the file states all shapes, nothing is computed.
"""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

from convcalc.arithmetic import effective_kernel_size
from convcalc.convert.operators import Sizes

Attributes = Mapping[str, Any]


def infer_sizes(operator: str, attributes: Attributes, inputs: Sequence[Sizes]) -> Sizes | None:
    """Return the sizes of the first output; None if they are unknown or the inputs do not fit."""
    rule = _RULES.get(operator)
    try:
        return None if rule is None else rule(attributes, inputs)
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return None


def resolve_target(dims: Sizes, target: Sequence[int], copies_zeros: bool) -> Sizes:
    """Return the sizes of a reshape. -1 is the size that remains, and 0 the size in the input if `copies_zeros`.

    Raises ValueError if the number of elements differs.
    """
    sizes = [dims[place] if size == 0 and copies_zeros else size for place, size in enumerate(target)]
    known = prod(size for size in sizes if size != -1)
    if sizes.count(-1) == 1 and known:
        sizes[sizes.index(-1)] = prod(dims) // known
    if prod(sizes) != prod(dims) or min(sizes, default=0) < 0:
        raise ValueError("the number of elements differs")
    return tuple(sizes)


def broadcast(*shapes: Sizes) -> Sizes:
    """Return the sizes of an elementwise result. Raises ValueError if the shapes do not fit."""
    rank = max(map(len, shapes))
    padded = [(*(1 for _ in range(rank - len(dims))), *dims) for dims in shapes]
    found = tuple(max(sizes) if min(sizes) else 0 for sizes in zip(*padded, strict=True))
    if any(size not in (1, found[axis]) for dims in padded for axis, size in enumerate(dims)):
        raise ValueError("the shapes do not fit")
    return found


def _keep(attributes: Attributes, inputs: Sequence[Sizes]) -> Sizes:
    return inputs[0]


def _broadcast(attributes: Attributes, inputs: Sequence[Sizes]) -> Sizes:
    return broadcast(*inputs)


def _slide(dims: Sizes, kernel: Sequence[int], attributes: Attributes) -> list[int]:
    """Return the number of positions of a window per spatial axis. Source: onnx.ai/onnx/operators."""
    axes = len(dims)
    strides, dilations, pads = (
        attributes.get(name) or default
        for name, default in (("strides", (1,) * axes), ("dilations", (1,) * axes), ("pads", (0,) * 2 * axes))
    )
    automatic = attributes.get("auto_pad", "NOTSET")
    found = []
    for axis, size in enumerate(dims):
        extent = effective_kernel_size(kernel[axis], dilations[axis])
        stride = strides[axis]
        if automatic.startswith("SAME"):
            found.append(-(-size // stride))
            continue
        before, after = (0, 0) if automatic == "VALID" else (pads[axis], pads[axis + axes])
        room = size + before + after - extent
        if room < 0:
            raise ValueError("the window does not fit")
        windows = (room + (stride - 1 if attributes.get("ceil_mode") else 0)) // stride + 1
        found.append(
            windows - 1 if attributes.get("ceil_mode") and (windows - 1) * stride >= size + before else windows
        )
    return found


def _convolve(attributes: Attributes, inputs: Sequence[Sizes]) -> Sizes:
    return (inputs[0][0], inputs[1][0], *_slide(inputs[0][2:], inputs[1][2:], attributes))


def _pool(attributes: Attributes, inputs: Sequence[Sizes]) -> Sizes:
    return (*inputs[0][:2], *_slide(inputs[0][2:], attributes["kernel_shape"], attributes))


def _multiply_matrices(attributes: Attributes, inputs: Sequence[Sizes]) -> Sizes:
    left, right = inputs[:2]
    return (*broadcast(left[:-2], right[:-2]), left[-2], right[-1]) if len(left) > 1 else (*right[:-2], right[-1])


def _join(attributes: Attributes, inputs: Sequence[Sizes]) -> Sizes:
    axis = attributes["axis"] % len(inputs[0])
    return (*inputs[0][:axis], sum(dims[axis] for dims in inputs), *inputs[0][axis + 1 :])


def _reorder(attributes: Attributes, inputs: Sequence[Sizes]) -> Sizes:
    return tuple(inputs[0][axis] for axis in attributes["perm"])


def _reduce(attributes: Attributes, inputs: Sequence[Sizes]) -> Sizes:
    axes = {axis % len(inputs[0]) for axis in attributes["axes"]}
    kept = attributes.get("keepdims", 1)
    return tuple(1 if axis in axes else size for axis, size in enumerate(inputs[0]) if kept or axis not in axes)


def _pad(attributes: Attributes, inputs: Sequence[Sizes]) -> Sizes:
    pads, axes = attributes["pads"], len(inputs[0])
    return tuple(size + pads[axis] + pads[axis + axes] for axis, size in enumerate(inputs[0]))


def _attend(attributes: Attributes, inputs: Sequence[Sizes]) -> Sizes:
    return (*inputs[0][:-1], inputs[2][-1])


def _divide_into_blocks(attributes: Attributes, inputs: Sequence[Sizes]) -> Sizes:
    block, (batch, channels, *spatial) = attributes["blocksize"], inputs[0]
    return (batch, channels * block ** len(spatial), *(size // block for size in spatial))


def _join_blocks(attributes: Attributes, inputs: Sequence[Sizes]) -> Sizes:
    block, (batch, channels, *spatial) = attributes["blocksize"], inputs[0]
    return (batch, channels // block ** len(spatial), *(size * block for size in spatial))


_Rule = Callable[[Attributes, Sequence[Sizes]], Sizes]
_KEEP = """Abs Acos Acosh Asin Asinh Atan Atanh Cast Ceil Clip Cos Cosh Elu Erf Exp Floor Gelu GroupNormalization
HardSigmoid HardSwish Identity LRN LayerNormalization LeakyRelu Log LogSoftmax LpNormalization
MeanVarianceNormalization Mish Neg Not PRelu QuantizeLinear Relu Round Selu Sigmoid Sign Sin Sinh Softmax Softplus
Softsign Sqrt Swish Tan Tanh BatchNormalization ChannelShuffle"""
_BROADCAST = "Add Sub Mul Div Max Min Pow Mod Equal Greater GreaterOrEqual Less LessOrEqual And Or Xor Where"
_REDUCTIONS = "ReduceMean ReduceMax ReduceMin ReduceSum ReduceProd ReduceL1 ReduceL2"
_RULES: dict[str, _Rule] = {
    **dict.fromkeys(_KEEP.split(), _keep),
    **dict.fromkeys(_BROADCAST.split(), _broadcast),
    "Conv": _convolve,
    **dict.fromkeys(("MaxPool", "AveragePool"), _pool),
    "MatMul": _multiply_matrices,
    "Concat": _join,
    "Transpose": _reorder,
    **dict.fromkeys(_REDUCTIONS.split(), _reduce),
    "Pad": _pad,
    "Attention": _attend,
    "SpaceToDepth": _divide_into_blocks,
    "DepthToSpace": _join_blocks,
}
