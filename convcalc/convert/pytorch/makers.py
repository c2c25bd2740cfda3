"""Makes the calls that create a layer's PyTorch modules, such as `nn.Conv2d(3, 8, 3)` for a `conv`.

The export writes these calls as code, and `verify` runs them. A "maker" takes a layer and returns its LayerModules. The
table MAKERS has one for each layer kind whose name or arguments differ from those of its class in torch.nn.
"""

from typing import Any

from convcalc.convert.graph import NotImported
from convcalc.convert.pytorch.calls import (
    REQUIRED,
    CallArgument,
    LayerModules,
    Maker,
    ModuleCall,
    call_crop,
    call_nn,
    call_pad,
    collapse_equal,
)
from convcalc.convert.pytorch.torch_windows import (
    make_conv,
    make_conv_transpose,
    make_depthwise_conv,
    make_locally_connected,
    make_lppool,
    make_pointwise_conv,
    make_separable_conv,
    sliding_pool_maker,
)
from convcalc.layers.base import Layer, name_sizes
from convcalc.network import Network, Node

MERGES = {"add": " + ", "multiply": " * ", "concat": ", "}
WITHOUT_MODULE = frozenset({"opaque"})


class NotExported(NotImported):
    """The network has layers that PyTorch has no module for."""


def make_modules(node: Node) -> LayerModules:
    """Return the calls that create the modules of a layer, which must not be an add, multiply or concat."""
    make: Maker = MAKERS.get(node.layer.kind, _make_namesake)
    return make(node.layer)


def is_known(node: Node) -> bool:
    """Whether PyTorch has a module or an operation for a layer."""
    return node.layer.kind not in WITHOUT_MODULE


def check_known(network: Network) -> None:
    """Raise NotExported with the names of the layers that PyTorch has no module for."""
    unknown = [node for node in network.nodes if not is_known(node)]
    if unknown:
        named = ", ".join(f"{node.name} ({node.layer.kind})" for node in unknown[:10])
        more = f" and {len(unknown) - 10} more" if len(unknown) > 10 else ""
        raise NotExported(f"PyTorch has no module for {named}{more}")


def _adaptive_maker(name: str) -> Maker:
    return lambda layer: LayerModules(
        call_nn(name, layer.input.axes, CallArgument("output_size", collapse_equal(layer.output_size)))
    )


def _global_pool_maker(name: str, vector_class: str) -> Maker:
    """Return the maker of a global pooling: torch.nn's adaptive pooling `name` with the output size 1.

    If the layer's `keepdims` is false, `vector_class` in extra_modules.py is used instead, which outputs a vector.
    """

    def make(layer: Any) -> LayerModules:
        if not layer.keepdims:
            return LayerModules(ModuleCall(vector_class))
        return LayerModules(call_nn(name, layer.input.axes, CallArgument("output_size", 1)))

    return make


def _make_max_unpool(layer: Any) -> LayerModules:
    """Use MaxUnpool in extra_modules.py, because nn.MaxUnpool needs the indices from a max pooling."""
    return LayerModules(
        ModuleCall(
            "MaxUnpool",
            (
                CallArgument("kernel_size", layer.kernel_size),
                CallArgument("stride", layer.stride, layer.kernel_size),
                CallArgument("padding", layer.padding, ((0, 0),) * layer.input.axes),
            ),
        )
    )


def _make_blurpool(layer: Any) -> LayerModules:
    return LayerModules(
        ModuleCall(
            "BlurPool",
            (
                CallArgument("channels", layer.input.channels),
                CallArgument("kernel_size", layer.kernel_size, (3, 3)),
                CallArgument("stride", layer.stride, (2, 2)),
            ),
        )
    )


def _make_upsample(layer: Any) -> LayerModules:
    """Use nn.Upsample with the layer's scale factor, or with its output size if it has no scale factor.

    The output size is written as numbers, even if the spec takes it from another layer.
    """
    if layer.scale_factor is not None:
        to = CallArgument("scale_factor", collapse_equal(layer.scale_factor), None)
    else:
        to = CallArgument("size", collapse_equal(layer.output.spatial), None)
    return LayerModules(ModuleCall("nn.Upsample", (to, CallArgument("mode", layer.mode, "nearest"))))


def _shuffle_maker(name: str, key: str) -> Maker:
    """Return a maker of pixel shuffles or unshuffles; `key` is the name of their only argument.

    torch.nn only supports two spatial axes; for one or three axes, a class in extra_modules.py is used.
    """

    def make(layer: Any) -> LayerModules:
        target = f"nn.{name}" if layer.input.axes == 2 else f"{name}Nd"
        return LayerModules(ModuleCall(target, (CallArgument(key, getattr(layer, key)),)))

    return make


def _make_batchnorm(layer: Any) -> LayerModules:
    """Use nn.BatchNorm, or a class of extra_modules.py if the layer learns only a scale or only a bias."""
    learns, tracks = layer.affine, CallArgument("track_running_stats", layer.track_running_stats, True)
    if learns and layer.scale != layer.center:
        half = (CallArgument("scale", layer.scale), CallArgument("center", layer.center))
        return LayerModules(
            ModuleCall("HalfBatchNorm", (CallArgument("num_features", layer.input.channels), *half, tracks))
        )
    return LayerModules(
        call_nn(
            "BatchNorm",
            max(layer.input.axes, 1),
            CallArgument("num_features", layer.input.channels),
            CallArgument("affine", learns and layer.scale, True),
            tracks,
        )
    )


def _make_layernorm(layer: Any) -> LayerModules:
    """Use nn.LayerNorm, or ChannelsLayerNorm in extra_modules.py if each position is normalised separately."""
    affine = CallArgument("elementwise_affine", layer.affine, True)
    if layer.axes == "channels" and layer.input.spatial:
        return LayerModules(
            ModuleCall("ChannelsLayerNorm", (CallArgument("normalized_shape", layer.input.channels), affine))
        )
    shape = layer.input.sizes if layer.input.spatial else layer.input.channels
    return LayerModules(ModuleCall("nn.LayerNorm", (CallArgument("normalized_shape", shape), affine)))


def _make_groupnorm(layer: Any) -> LayerModules:
    return LayerModules(
        ModuleCall(
            "nn.GroupNorm",
            (
                CallArgument("num_groups", layer.num_groups),
                CallArgument("num_channels", layer.input.channels),
                CallArgument("affine", layer.affine, True),
            ),
        )
    )


def _make_instancenorm(layer: Any) -> LayerModules:
    features = CallArgument("num_features", layer.input.channels)
    return LayerModules(
        call_nn("InstanceNorm", layer.input.axes, features, CallArgument("affine", layer.affine, False))
    )


def _make_scale(layer: Any) -> LayerModules:
    if layer.factor is not None:
        return LayerModules(ModuleCall("ScaleBy", (CallArgument("factor", layer.factor),)))
    return LayerModules(ModuleCall("Scale", (CallArgument("channels", layer.input.channels),)))


def _make_shift(layer: Any) -> LayerModules:
    if layer.amount is not None:
        return LayerModules(ModuleCall("ShiftBy", (CallArgument("amount", layer.amount),)))
    return LayerModules(ModuleCall("Shift", (CallArgument("channels", layer.input.channels),)))


def _make_reshape(layer: Any) -> LayerModules:
    """Use nn.Unflatten if the input is a vector, else Reshape in extra_modules.py."""
    shape = layer.output.sizes
    if layer.input.spatial:
        return LayerModules(ModuleCall("Reshape", (CallArgument("shape", shape),)))
    return LayerModules(ModuleCall("nn.Unflatten", (CallArgument("dim", 1), CallArgument("unflattened_size", shape))))


def _make_tokens(layer: Any) -> LayerModules:
    return LayerModules(ModuleCall("nn.Flatten", (CallArgument("start_dim", 2, 1),)))


def _make_map(layer: Any) -> LayerModules:
    size = CallArgument("unflattened_size", layer.output.spatial)
    return LayerModules(ModuleCall("nn.Unflatten", (CallArgument("dim", 2), size)))


def _make_slice(layer: Any) -> LayerModules:
    dim, (start, stop) = layer.find_range()
    bounds = (CallArgument("start", start), CallArgument("stop", stop))
    return LayerModules(
        ModuleCall("Slice", (*bounds, CallArgument("step", layer.step, 1), CallArgument("dim", dim + 1, 1)))
    )


def _reduction_maker(target: str) -> Maker:
    def make(layer: Any) -> LayerModules:
        names = [name for name, _ in name_sizes(layer.input)]
        dims = tuple(sorted(names.index(name) + 1 for name in layer.axes))
        correction = (CallArgument("correction", layer.correction, 1),) if layer.kind == "std" else ()
        keepdim = CallArgument("keepdim", layer.keepdims, True)
        return LayerModules(ModuleCall(target, (CallArgument("dim", dims), *correction, keepdim)))

    return make


def _make_permute(layer: Any) -> LayerModules:
    order = (0, *(place + 1 for place in layer.list_places()))
    return LayerModules(ModuleCall("Permute", (CallArgument("order", order),)))


def _make_unfold(layer: Any) -> LayerModules:
    return LayerModules(ModuleCall("Unfold", tuple(_list_window_arguments(layer))))


def _make_fold(layer: Any) -> LayerModules:
    size = CallArgument("output_size", layer.output_size)
    return LayerModules(ModuleCall("Fold", (size, *_list_window_arguments(layer))))


def _list_window_arguments(layer: Any) -> list[CallArgument]:
    axes = layer.input.axes
    return [
        CallArgument("kernel_size", layer.kernel_size),
        CallArgument("stride", layer.stride, (1,) * axes),
        CallArgument("padding", layer.padding, ((0, 0),) * axes),
        CallArgument("dilation", layer.dilation, (1,) * axes),
    ]


def _make_deform_conv(layer: Any) -> LayerModules:
    """Use DeformConv in extra_modules.py, which needs no torchvision and contains the convolution of the offsets."""
    return LayerModules(
        ModuleCall(
            "DeformConv",
            (
                CallArgument("in_channels", layer.input.channels),
                CallArgument("out_channels", layer.out_channels),
                CallArgument("kernel_size", layer.kernel_size),
                CallArgument("stride", layer.stride, (1, 1)),
                CallArgument("padding", layer.padding, ((0, 0), (0, 0))),
                CallArgument("dilation", layer.dilation, (1, 1)),
                CallArgument("groups", layer.groups, 1),
                CallArgument("offset_groups", layer.offset_groups, 1),
                CallArgument("mask", layer.mask, False),
                CallArgument("bias", layer.bias, True),
            ),
        )
    )


def _make_linear(layer: Any) -> LayerModules:
    """Use nn.Linear, or TokensLinear in extra_modules.py for tokens, because nn.Linear expects the features last."""
    return LayerModules(
        ModuleCall(
            "TokensLinear" if layer.input.axes else "nn.Linear",
            (
                CallArgument("in_features", layer.input.channels),
                CallArgument("out_features", layer.out_features),
                CallArgument("bias", layer.bias, True),
            ),
        )
    )


def _make_attention(layer: Any) -> LayerModules:
    region = "grid" if layer.window is None else "window"
    return LayerModules(
        ModuleCall(
            "Attention",
            (
                CallArgument("channels", layer.input.channels),
                CallArgument("heads", layer.heads),
                CallArgument("key_dim", layer.d_k),
                CallArgument("value_dim", layer.d_v),
                CallArgument("out_channels", layer.output.channels),
                CallArgument("kv_channels", layer.source.channels, layer.input.channels),
                CallArgument(region, getattr(layer, region), None),
                CallArgument("bias", layer.bias, True),
                CallArgument("kv_stride", layer.kv_stride if layer.is_reduced else None, None),
                CallArgument("bias_sizes", layer.bias_sizes() if layer.relative_position_bias else None, None),
            ),
        )
    )


def _make_embedding(layer: Any) -> LayerModules:
    sizes = (CallArgument(name, getattr(layer, name)) for name in ("num_embeddings", "embedding_dim"))
    return LayerModules(ModuleCall("Embedding", tuple(sizes)))


def _recurrent_maker(target: str) -> Maker:
    return lambda layer: LayerModules(
        ModuleCall(
            target,
            (
                CallArgument("input_size", layer.input.channels),
                CallArgument("hidden_size", layer.hidden_size),
                CallArgument("num_layers", layer.num_layers, 1),
                CallArgument("bias", layer.bias, True),
                CallArgument("bidirectional", layer.bidirectional, False),
            ),
        )
    )


def _make_conv_lstm(layer: Any) -> LayerModules:
    return LayerModules(
        ModuleCall(
            "ConvLSTM",
            (
                CallArgument("axes", layer.input.axes - 1),
                CallArgument("in_channels", layer.input.channels),
                CallArgument("hidden_size", layer.hidden_size),
                CallArgument("kernel_size", layer.kernel_size, 3),
                CallArgument("bias", layer.bias, True),
            ),
        )
    )


def _make_matmul(layer: Any) -> LayerModules:
    flags = (CallArgument(name, getattr(layer, name), False) for name in ("transpose_first", "transpose_second"))
    return LayerModules(ModuleCall("MatMul", tuple(flags)))


def _make_namesake(layer: Layer) -> LayerModules:
    """Use the class of torch.nn with the same name and arguments as the layer's class, such as nn.LeakyReLU."""
    defaults = layer.defaults(layer.input.axes)
    arguments = (
        CallArgument(name, getattr(layer, name), REQUIRED if key.required else defaults[name])
        for name, key in layer.keys.items()
    )
    return LayerModules(ModuleCall(f"nn.{type(layer).__name__}", tuple(arguments)))


def _softmax_maker(name: str) -> Maker:
    """Return a maker of nn.Softmax or nn.LogSoftmax, or for several spatial axes of a class in extra_modules.py."""

    def make(layer: Any) -> LayerModules:
        if layer.axes == "positions" and layer.input.axes > 1:
            return LayerModules(ModuleCall(f"Positions{name}"))
        dim = 1 if layer.axes == "channels" else 2
        return LayerModules(ModuleCall(f"nn.{name}", (CallArgument("dim", dim, None),)))

    return make


# every layer kind that is not in this table has a class of the same name and with the same arguments in torch.nn

MAKERS: dict[str, Maker] = {
    "conv": make_conv,
    "conv_transpose": make_conv_transpose,
    "pointwise_conv": make_pointwise_conv,
    "depthwise_conv": make_depthwise_conv,
    "separable_conv": make_separable_conv,
    "locally_connected": make_locally_connected,
    "linear": _make_linear,
    "attention": _make_attention,
    "matmul": _make_matmul,
    "parameter": lambda layer: LayerModules(ModuleCall("Learnt", (CallArgument("shape", layer.shape),))),
    "embedding": _make_embedding,
    "lstm": _recurrent_maker("ChannelsLSTM"),
    "gru": _recurrent_maker("ChannelsGRU"),
    "conv_lstm": _make_conv_lstm,
    "maxpool": sliding_pool_maker("MaxPool", float("-inf")),
    "avgpool": sliding_pool_maker("AvgPool", 0),
    "lppool": make_lppool,
    "adaptive_avgpool": _adaptive_maker("AdaptiveAvgPool"),
    "adaptive_maxpool": _adaptive_maker("AdaptiveMaxPool"),
    "global_avgpool": _global_pool_maker("AdaptiveAvgPool", "GlobalAvgPool"),
    "global_maxpool": _global_pool_maker("AdaptiveMaxPool", "GlobalMaxPool"),
    "max_unpool": _make_max_unpool,
    "blurpool": _make_blurpool,
    "batchnorm": _make_batchnorm,
    "layernorm": _make_layernorm,
    "groupnorm": _make_groupnorm,
    "instancenorm": _make_instancenorm,
    "local_response_norm": lambda layer: LayerModules(
        ModuleCall("nn.LocalResponseNorm", (CallArgument("size", layer.size),))
    ),
    "global_response_norm": lambda layer: LayerModules(
        ModuleCall("GlobalResponseNorm", (CallArgument("channels", layer.input.channels),))
    ),
    "scale": _make_scale,
    "shift": _make_shift,
    "softmax": _softmax_maker("Softmax"),
    "log_softmax": _softmax_maker("LogSoftmax"),
    "drop_path": lambda layer: LayerModules(ModuleCall("DropPath", (CallArgument("p", layer.p, 0.5),))),
    "upsample": _make_upsample,
    "pixel_shuffle": _shuffle_maker("PixelShuffle", "upscale_factor"),
    "pixel_unshuffle": _shuffle_maker("PixelUnshuffle", "downscale_factor"),
    "pad": lambda layer: LayerModules(call_pad(layer.padding, layer.mode)),
    "crop": lambda layer: LayerModules(call_crop(layer.amount)),
    "reshape": _make_reshape,
    "slice": _make_slice,
    "tokens": _make_tokens,
    "map": _make_map,
    "deform_conv": _make_deform_conv,
    "permute": _make_permute,
    "unfold": _make_unfold,
    "fold": _make_fold,
    "mean": _reduction_maker("Mean"),
    "sum": _reduction_maker("Sum"),
    "std": _reduction_maker("Std"),
    "glu": lambda layer: LayerModules(ModuleCall("nn.GLU", (CallArgument("dim", 1, None),))),
}
