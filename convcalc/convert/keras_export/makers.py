"""Makes the Keras calls that express a layer, such as `layers.Dense(8)` for a `linear`.

A "maker" takes a layer and what is known about its tensors, and returns a list of KerasCalls, each of which reads the
output of the call before. Keras has the channels last. The table MAKERS has a maker for each supported layer kind.
"""

from collections.abc import Sequence
from typing import Any

from convcalc.convert.keras_export.calls import (
    Inexpressible,
    KerasCall,
    KerasCalls,
    Maker,
    bias_argument,
    call_for_axes,
    call_layer,
    crop,
    pad,
    positional,
    to_keras_shape,
)
from convcalc.convert.keras_export.tensors import TensorFacts
from convcalc.convert.keras_export.windows import WINDOW_MAKERS
from convcalc.convert.pytorch.calls import CallArgument, ModuleCall, collapse_equal
from convcalc.layers.base import name_sizes
from convcalc.network import Node
from convcalc.shape import Shape

_EPSILON = 1e-5  # of norms, as in PyTorch; the default of Keras is 1e-3


def make_calls(node: Node, facts: TensorFacts) -> KerasCalls:
    """Return the calls that express a layer. Raises Inexpressible if Keras cannot express it exactly."""
    make = MAKERS.get(node.layer.kind)
    if make is None:
        raise Inexpressible(node.layer.kind)
    return make(node.layer, facts)


# -- dense, attention and recurrent layers


def _make_linear(layer: Any, facts: TensorFacts) -> KerasCalls:
    return [KerasCall(call_layer("Dense", positional("units", layer.out_features), bias_argument(layer)), learns=True)]


def _make_parameter(layer: Any, facts: TensorFacts) -> KerasCalls:
    shape = positional("shape", to_keras_shape(layer.output))
    return [KerasCall(ModuleCall("Learnt", (shape,)), learns=True)]


def _make_attention(layer: Any, facts: TensorFacts) -> KerasCalls:
    if layer.window is not None or layer.grid is not None:
        raise Inexpressible("attention with a window or grid")
    if layer.is_reduced:
        raise Inexpressible("attention with a kv_stride")
    if layer.relative_position_bias:
        raise Inexpressible("attention with a relative position bias")
    if len({shape.axes for shape in layer.inputs}) > 1:
        raise Inexpressible("attention between inputs with different numbers of axes")
    own = layer.output.channels == layer.input.channels
    call = call_layer(
        "MultiHeadAttention",
        positional("num_heads", layer.heads),
        positional("key_dim", layer.d_k),
        CallArgument("value_dim", layer.d_v, layer.d_k),
        bias_argument(layer),
        CallArgument("output_shape", None if own else layer.output.channels, None),
        CallArgument("attention_axes", tuple(range(1, layer.input.axes + 1)) if layer.input.axes > 1 else None, None),
    )
    return [KerasCall(call, form="arguments", learns=True)]


def _make_matmul(layer: Any, facts: TensorFacts) -> KerasCalls:
    """Use Dot with the inputs exchanged: with the channels last, a matrix C×N is N×C, and (A B)ᵀ = Bᵀ Aᵀ."""
    axes = (1 if layer.transpose_second else 2, 2 if layer.transpose_first else 1)
    return [KerasCall(call_layer("Dot", CallArgument("axes", axes, None)), form="reversed")]


def _make_embedding(layer: Any, facts: TensorFacts) -> KerasCalls:
    if not facts.reads_integers:
        raise Inexpressible("embedding of another layer's output")
    sizes = (positional(name, getattr(layer, name)) for name in ("num_embeddings", "embedding_dim"))
    return [KerasCall(call_layer("Embedding", *sizes), learns=True)]


def _recurrent_maker(name: str) -> Maker:
    def make(layer: Any, facts: TensorFacts) -> KerasCalls:
        if name == "LSTM" and layer.bias:
            raise Inexpressible("lstm with two biases per gate, of which Keras has one (write bias: false)")
        units, every = positional("units", layer.hidden_size), CallArgument("return_sequences", True, False)
        cell = call_layer(name, units, bias_argument(layer), every)
        if layer.bidirectional:
            cell = call_layer("Bidirectional", positional("layer", cell))
        count = layer.num_layers
        return [KerasCall(cell, f"_{number}" if number > 1 else "", learns=True) for number in range(1, count + 1)]

    return make


def _make_conv_lstm(layer: Any, facts: TensorFacts) -> KerasCalls:
    call = call_for_axes(
        "ConvLSTM#",
        layer.input.axes - 1,
        positional("filters", layer.hidden_size),
        positional("kernel_size", layer.kernel_size),
        CallArgument("padding", "same", "valid"),
        bias_argument(layer),
        CallArgument("return_sequences", True, False),
    )
    return [KerasCall(call, learns=True)]


# -- norms


def _make_batchnorm(layer: Any, facts: TensorFacts) -> KerasCalls:
    if not layer.track_running_stats:
        raise Inexpressible("batchnorm without running statistics")
    call = call_layer(
        "BatchNormalization",
        CallArgument("epsilon", _EPSILON, None),
        CallArgument("center", layer.affine and layer.center, True),
        CallArgument("scale", layer.affine and layer.scale, True),
    )
    return [KerasCall(call, learns=True)]


def _make_layernorm(layer: Any, facts: TensorFacts) -> KerasCalls:
    whole = layer.axes == "all" and layer.input.axes > 0
    axis = tuple(range(1, layer.input.axes + 2)) if whole else -1
    call = call_layer("LayerNormalization", CallArgument("axis", axis, -1), *_norm_arguments(layer))
    return [KerasCall(call, learns=True)]


def _norm_arguments(layer: Any) -> tuple[CallArgument, ...]:
    return (
        CallArgument("epsilon", _EPSILON, None),
        CallArgument("center", layer.affine, True),
        CallArgument("scale", layer.affine, True),
    )


def _make_groupnorm(layer: Any, facts: TensorFacts) -> KerasCalls:
    groups = positional("groups", layer.num_groups)
    return [KerasCall(call_layer("GroupNormalization", groups, *_norm_arguments(layer)), learns=True)]


def _make_instancenorm(layer: Any, facts: TensorFacts) -> KerasCalls:
    groups = positional("groups", layer.input.channels)
    return [KerasCall(call_layer("GroupNormalization", groups, *_norm_arguments(layer)), learns=True)]


def _make_scale(layer: Any, facts: TensorFacts) -> KerasCalls:
    if layer.factor is None:
        return [KerasCall(ModuleCall("Scale"), learns=True)]
    return [KerasCall(call_layer("Rescaling", positional("scale", layer.factor)))]


def _make_shift(layer: Any, facts: TensorFacts) -> KerasCalls:
    if layer.amount is None:
        return [KerasCall(ModuleCall("Shift"), learns=True)]
    return [KerasCall(call_layer("Rescaling", positional("scale", 1.0), CallArgument("offset", layer.amount, None)))]


# -- activations


def _activation_maker(name: str) -> Maker:
    return lambda layer, facts: [KerasCall(call_layer("Activation", positional("activation", name)))]


def _make_leaky_relu(layer: Any, facts: TensorFacts) -> KerasCalls:
    return [KerasCall(call_layer("LeakyReLU", CallArgument("negative_slope", layer.negative_slope, 0.3)))]


def _make_prelu(layer: Any, facts: TensorFacts) -> KerasCalls:
    axes = list(range(1, layer.input.axes + 1))
    shared = axes if layer.num_parameters == layer.input.channels else [*axes, layer.input.axes + 1]
    return [KerasCall(call_layer("PReLU", CallArgument("shared_axes", shared or None, None)), learns=True)]


def _make_softmax(layer: Any, facts: TensorFacts) -> KerasCalls:
    axis = -1 if layer.axes == "channels" else _number_axes(layer.input.axes)
    return [KerasCall(call_layer("Softmax", CallArgument("axis", axis, -1)))]


def _number_axes(axes: int) -> int | list[int]:
    """Return the spatial axes as Keras numbers them: 1 for one axis, otherwise a list such as [1, 2]."""
    return 1 if axes == 1 else list(range(1, axes + 1))


def _make_log_softmax(layer: Any, facts: TensorFacts) -> KerasCalls:
    if layer.axes == "positions":
        raise Inexpressible("log_softmax over positions")
    return [KerasCall(call_layer("Activation", positional("activation", "log_softmax")))]


def _make_drop_path(layer: Any, facts: TensorFacts) -> KerasCalls:
    shape = CallArgument("noise_shape", (None, *(1 for _ in layer.input.sizes)), None)
    return [KerasCall(call_layer("Dropout", positional("rate", layer.p), shape))]


# -- resizing and rearranging


def _make_upsample(layer: Any, facts: TensorFacts) -> KerasCalls:
    sizes = list(zip(layer.input.spatial, layer.output.spatial, strict=True))
    whole = all(after % before == 0 for before, after in sizes)
    mode = CallArgument("interpolation", layer.mode, "nearest")
    if layer.mode not in ("nearest", "bilinear") or (layer.mode == "nearest" and not whole):
        size = "" if whole else " to a size that is not a multiple of the input's"
        raise Inexpressible(f"upsample with the mode {layer.mode}{size}")
    if whole:
        factors = collapse_equal([after // before for before, after in sizes])
        interpolation = (mode,) if layer.input.axes == 2 else ()
        return [KerasCall(call_for_axes("UpSampling#", layer.input.axes, positional("size", factors), *interpolation))]
    given = (positional(name, size) for name, size in zip(("height", "width"), layer.output.spatial, strict=True))
    return [KerasCall(call_layer("Resizing", *given, mode._replace(default="bilinear")))]


def _make_pad(layer: Any, facts: TensorFacts) -> KerasCalls:
    return [pad(layer.padding, layer.mode)]


def _make_crop(layer: Any, facts: TensorFacts) -> KerasCalls:
    return [crop(layer.amount)]


def _reshape(sizes: Sequence[int], suffix: str = "") -> KerasCall:
    return KerasCall(call_layer("Reshape", positional("target_shape", tuple(sizes))), suffix)


def _permute(dims: Sequence[int], suffix: str = "") -> KerasCall:
    return KerasCall(call_layer("Permute", positional("dims", tuple(dims))), suffix)


def _move_channels_first(axes: int, suffix: str) -> KerasCalls:
    return [_permute((axes + 1, *range(1, axes + 1)), suffix)] if axes else []


def _make_flatten(layer: Any, facts: TensorFacts) -> KerasCalls:
    """Use Flatten, after a Permute if the order of values matters: Keras has the channels of a position together.

    It does not matter before a linear layer, whose weights can be in any order.
    """
    first = layer.input.positions == 1 or layer.input.channels == 1 or facts.feeds_linear
    before = [] if first else _move_channels_first(layer.input.axes, "_permute")
    return [*before, KerasCall(call_layer("Flatten"))]


def _make_reshape(layer: Any, facts: TensorFacts) -> KerasCalls:
    """Use Reshape, between Permutes if the order of the values matters: Keras has the channels of a position together.

    It does not matter if either shape has only one position or channel, or if a linear layer computes the input.
    """
    output = layer.output
    same_order = _has_one_order(layer.input) and (_has_one_order(output) or facts.reads_learnt_order)
    if same_order or output.channels == layer.input.channels:
        return [_reshape(to_keras_shape(output))]
    axes = output.axes
    after = [] if _has_one_order(output) else [_permute((*range(2, axes + 2), 1), "_last")]
    sizes = output.sizes if after else to_keras_shape(output)
    before = [] if _has_one_order(layer.input) else _move_channels_first(layer.input.axes, "_first")
    return [*before, _reshape(sizes), *after]


def _has_one_order(shape: Shape) -> bool:
    """Whether the values have the same order with the channels first and last."""
    return shape.positions == 1 or shape.channels == 1


def _make_tokens(layer: Any, facts: TensorFacts) -> KerasCalls:
    return [_reshape(to_keras_shape(layer.output))]


def _make_permute(layer: Any, facts: TensorFacts) -> KerasCalls:
    """Use Permute: axis i of the Keras layer's input, from 1, is the spatial axis i - 1, and the last the channels."""
    axes = layer.input.axes
    places = [place or axes + 1 for place in layer.list_places()]
    return [_permute((*places[1:], places[0]))]


def _make_slice(layer: Any, facts: TensorFacts) -> KerasCalls:
    axis, (start, stop) = layer.find_range()
    if axis and layer.step == 1:
        spatial = enumerate(layer.input.spatial, start=1)
        return [crop(tuple((start, size - stop) if place == axis else (0, 0) for place, size in spatial))]
    rank = layer.input.axes + 2
    arguments = {"axis": axis or rank - 1, "rank": rank, "start": start, "stop": stop, "step": layer.step}
    call = ModuleCall("range", tuple(CallArgument(name, value) for name, value in arguments.items()))
    return [KerasCall(call, form="range")]


def _make_channel_shuffle(layer: Any, facts: TensorFacts) -> KerasCalls:
    spatial, groups = layer.input.spatial, layer.groups
    axes = layer.input.axes
    order = (*range(1, axes + 1), axes + 2, axes + 1)
    return [
        _reshape((*spatial, groups, layer.input.channels // groups), "_split"),
        _permute(order, "_swap"),
        _reshape((*spatial, layer.input.channels)),
    ]


def _make_pixel_shuffle(layer: Any, facts: TensorFacts) -> KerasCalls:
    """Use ops.depth_to_space if a convolution computes the channels: Keras expects them in another order.

    Otherwise a Permute reorders them; the channel of PyTorch is c × r² + i × r + j.
    """
    factor, axes, channels = layer.upscale_factor, layer.input.axes, layer.output.channels
    if axes == 2 and factor > 1 and (channels == 1 or facts.reads_learnt_order):
        call = ModuleCall("ops.depth_to_space", (positional("block_size", factor),))
        return [KerasCall(call, form="function")]
    order = [place for axis in range(axes) for place in (axis + 1, axes + 2 + axis)]
    return [
        _reshape((*layer.input.spatial, channels, *(factor,) * axes), "_split"),
        _permute((*order, axes + 1), "_order"),
        _reshape(to_keras_shape(layer.output)),
    ]


def _make_pixel_unshuffle(layer: Any, facts: TensorFacts) -> KerasCalls:
    """Split each axis in two, and move the inner parts behind the channels, as PyTorch orders them."""
    factor, axes = layer.downscale_factor, layer.input.axes
    if axes == 2 and factor > 1 and layer.input.channels == 1:
        call = ModuleCall("ops.space_to_depth", (positional("block_size", factor),))
        return [KerasCall(call, form="function")]
    split = [size for spatial in layer.output.spatial for size in (spatial, factor)]
    order = (*range(1, 2 * axes, 2), 2 * axes + 1, *range(2, 2 * axes + 1, 2))
    return [
        _reshape((*split, layer.input.channels), "_split"),
        _permute(order, "_order"),
        _reshape(to_keras_shape(layer.output)),
    ]


def _make_glu(layer: Any, facts: TensorFacts) -> KerasCalls:
    return [KerasCall(ModuleCall("ops.glu"), form="function")]


def _reduction_maker(name: str) -> Maker:
    def make(layer: Any, facts: TensorFacts) -> KerasCalls:
        if layer.kind == "std" and layer.correction:
            raise Inexpressible("std with a correction (write correction: 0)")
        names = [name for name, _ in name_sizes(layer.input)]
        places = sorted(names.index(word) or layer.input.axes + 1 for word in layer.axes)
        keep = layer.keepdims or "channels" in layer.axes
        call = ModuleCall(
            f"ops.{name}", (CallArgument("axis", tuple(places), None), CallArgument("keepdims", keep, False))
        )
        after = [] if keep == layer.keepdims else [_reshape(to_keras_shape(layer.output))]
        return [KerasCall(call, form="function"), *after]

    return make


# -- merges


def _make_concat(layer: Any, facts: TensorFacts) -> KerasCalls:
    return [KerasCall(call_layer("Concatenate", CallArgument("axis", layer.place or -1, -1)), form="list")]


def _merge_maker(name: str) -> Maker:
    return lambda layer, facts: [KerasCall(call_layer(name), form="list")]


def _plain_maker(name: str, *arguments: CallArgument) -> Maker:
    return lambda layer, facts: [KerasCall(call_layer(name, *arguments))]


_ACTIVATIONS = {
    "selu": "selu",
    "celu": "celu",
    "gelu": "gelu",
    "silu": "silu",
    "mish": "mish",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "softplus": "softplus",
    "softsign": "softsign",
    "hardsigmoid": "hard_sigmoid",
    "hardswish": "hard_silu",
    "hardtanh": "hard_tanh",
}

MAKERS: dict[str, Maker] = {
    **WINDOW_MAKERS,
    "linear": _make_linear,
    "parameter": _make_parameter,
    "attention": _make_attention,
    "matmul": _make_matmul,
    "embedding": _make_embedding,
    "lstm": _recurrent_maker("LSTM"),
    "gru": _recurrent_maker("GRU"),
    "conv_lstm": _make_conv_lstm,
    "batchnorm": _make_batchnorm,
    "layernorm": _make_layernorm,
    "groupnorm": _make_groupnorm,
    "instancenorm": _make_instancenorm,
    "local_response_norm": lambda layer, facts: [
        KerasCall(ModuleCall("LocalResponseNorm", (positional("size", layer.size),)))
    ],
    "global_response_norm": lambda layer, facts: [KerasCall(ModuleCall("GlobalResponseNorm"), learns=True)],
    "scale": _make_scale,
    "shift": _make_shift,
    "relu": _plain_maker("ReLU"),
    "relu6": _plain_maker("ReLU", CallArgument("max_value", 6, None)),
    "elu": _plain_maker("ELU"),
    "leaky_relu": _make_leaky_relu,
    "prelu": _make_prelu,
    "softmax": _make_softmax,
    "log_softmax": _make_log_softmax,
    **{kind: _activation_maker(name) for kind, name in _ACTIVATIONS.items()},
    "glu": _make_glu,
    "dropout": lambda layer, facts: [KerasCall(call_layer("Dropout", positional("rate", layer.p)))],
    "drop_path": _make_drop_path,
    "identity": _plain_maker("Identity"),
    "upsample": _make_upsample,
    "pad": _make_pad,
    "crop": _make_crop,
    "flatten": _make_flatten,
    "reshape": _make_reshape,
    "tokens": _make_tokens,
    "map": _make_tokens,
    "permute": _make_permute,
    "slice": _make_slice,
    "channel_shuffle": _make_channel_shuffle,
    "pixel_shuffle": _make_pixel_shuffle,
    "pixel_unshuffle": _make_pixel_unshuffle,
    "mean": _reduction_maker("mean"),
    "sum": _reduction_maker("sum"),
    "std": _reduction_maker("std"),
    "add": _merge_maker("Add"),
    "multiply": _merge_maker("Multiply"),
    "concat": _make_concat,
}
