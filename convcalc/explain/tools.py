"""Lists the tools that count operations, and the terms by which their totals differ from convcalc's.

The terms follow from the source code of the tools, or from runs of them. The totals are for one sample in evaluation
mode. The network is assumed to be written in PyTorch with one module per layer (`nn.Conv2d`, `nn.ReLU`, …), numeric
padding, the sum of branches as `+`, their product as `*`, and global average pooling as `nn.AdaptiveAvgPool2d(1)`. A
separable convolution is two modules. Layers without a module in PyTorch (locally connected layers, blur pooling, layer
scale) are not counted by tools that attach hooks to modules. For the TF profiler, the network is one of Keras.
"""

from typing import NamedTuple

from convcalc.explain.amounts import (
    Amount,
    count_axes_of_nearest,
    count_bias_additions,
    count_bias_additions_of_convolution,
    count_biases,
    count_by_mode,
    count_extra_macs_per_output,
    count_extra_operations_of_dilation,
    count_extra_operations_of_strides,
    count_inputs,
    count_inputs_of_interpolate,
    count_macs,
    count_missing_group_operations,
    count_operations_of_adaptive_means,
    count_operations_of_batchnorm,
    count_operations_of_groupnorm,
    count_operations_of_layernorm,
    count_operations_of_lppool,
    count_operations_of_merge,
    count_operations_of_prelu,
    count_operations_of_response_norm,
    count_operations_of_softmax,
    count_outputs,
    count_outputs_of_interpolate,
    count_params,
    count_positions_of_interpolate,
    count_statistics,
    count_sums_of_softmax,
    count_taps_of_pooling,
    count_values_in_adaptive_windows,
    count_values_in_windows,
    multiply_amount,
    only_for_axes,
    scale_by_affine,
    subtract_macs,
    subtract_macs_unknown_to_tensorflow,
)

CONVOLUTIONS = ("conv", "pointwise_conv", "depthwise_conv", "separable_conv")
TRANSPOSED = ("conv_transpose",)
BATCH_NORM = ("batchnorm",)
OTHER_NORMS = ("layernorm", "groupnorm", "instancenorm")
MAX_POOLING = ("maxpool", "adaptive_maxpool", "global_maxpool")
SLIDING_MEANS = ("avgpool",)
ADAPTIVE_MEANS = ("adaptive_avgpool", "global_avgpool")
MODULELESS = ("locally_connected", "blurpool")
# kinds that people write in different ways, such as with nn.MultiheadAttention or with linear layers
COMPOSED = ("attention", "matmul", "lstm", "gru", "conv_lstm", "embedding", "global_response_norm")
PRODUCTS = (*CONVOLUTIONS, *TRANSPOSED, "linear", *COMPOSED, "opaque")


class Term(NamedTuple):
    """One difference between a tool's total and convcalc's MACs (or params): its description, layer kinds and amount.

    `amount` is a function that returns the difference for one layer of these kinds.
    """

    what: str
    kinds: tuple[str, ...]
    amount: Amount


class Tool(NamedTuple):
    """A tool that counts operations or params.

    `call` shows how to run the tool, `prints` is the tool's name for its total, and `terms` are the differences of that
    total from convcalc's MACs (or params).
    """

    name: str
    version: str
    call: str
    prints: str
    terms: tuple[Term, ...]


_NO_MODULE = Term("layers without a module are not counted", MODULELESS, subtract_macs)
_BY_OUTPUT = Term(
    "transposed convolution: counted by output instead of input positions", TRANSPOSED, count_extra_macs_per_output
)

_TORCHINFO = Tool(
    "torchinfo",
    "1.8.0",
    "torchinfo.summary(model, input_size)",
    "Total mult-adds",
    (
        _NO_MODULE,
        _BY_OUTPUT,
        Term("bias of convolutions: 1 per output value", CONVOLUTIONS + TRANSPOSED, count_bias_additions),
        Term("bias of linear layers: 1 per output", ("linear",), count_biases),
        Term("batch norms: their params", BATCH_NORM, count_params),
        Term("other norms: their params", OTHER_NORMS, count_params),
        Term("prelu: its params", ("prelu",), count_params),
    ),
)
_FVCORE = Tool(
    "fvcore",
    "0.1.5.post20221221",
    "fvcore.nn.FlopCountAnalysis(model, input).total()",
    "flops",
    (
        Term("locally connected layers are not counted", ("locally_connected",), subtract_macs),
        Term("batch norm: 2 per value, 1 if not affine", BATCH_NORM, scale_by_affine(2, 1)),
        Term("other norms: 5 per value, 4 if not affine", OTHER_NORMS, scale_by_affine(5, 4)),
        Term("adaptive average pooling, 2-D: 1 per input value", ADAPTIVE_MEANS, only_for_axes(count_inputs, 2)),
        Term(
            "upsampling, 2-D, per output value: nearest 1, bilinear 4",
            ("upsample",),
            only_for_axes(count_by_mode({"nearest": 1, "bilinear": 4}), 2),
        ),
    ),
)
_PTFLOPS = Tool(
    "ptflops",
    "0.7.5",
    "ptflops.get_model_complexity_info(model, input_size)",
    "MACs",
    (
        _NO_MODULE,
        Term("bias: 1 per output value", (*CONVOLUTIONS, *TRANSPOSED, "linear"), count_bias_additions),
        Term("batch norm: 2 per value, 1 if not affine", BATCH_NORM, scale_by_affine(2, 1)),
        Term(
            "group and instance norm: 2 per value, 1 if not affine",
            ("groupnorm", "instancenorm"),
            scale_by_affine(2, 1),
        ),
        Term("layer norm: 1 per value", ("layernorm",), count_inputs),
        Term(
            "local response norm: its products, sums and mean",
            ("local_response_norm",),
            count_operations_of_response_norm,
        ),
        Term(
            "pooling: 1 per input value, counted twice (module and function)",
            MAX_POOLING + SLIDING_MEANS + ADAPTIVE_MEANS,
            multiply_amount(2),
        ),
        Term("lppool: its mean, relu and product", ("lppool",), count_operations_of_lppool),
        Term(
            "relu, prelu, elu, gelu: 1 per value, counted twice (module and function)",
            ("relu", "prelu", "elu", "gelu"),
            multiply_amount(2),
        ),
        Term("relu6, leaky_relu, silu, softmax: 1 per value", ("relu6", "leaky_relu", "silu", "softmax"), count_inputs),
        Term("upsampling: 1 per output value, counted for the module", ("upsample",), count_outputs),
        Term(
            "upsampling: 1 per output value, counted again for the function",
            ("upsample",),
            count_outputs_of_interpolate,
        ),
    ),
)
_THOP = Tool(
    "thop",
    "0.1.1.post2209072238",
    "thop.profile(model, (input,))",
    "total_ops",
    (
        _NO_MODULE,
        _BY_OUTPUT,
        Term("batch norm: 4 per value, 2 if not affine", BATCH_NORM, scale_by_affine(4, 2)),
        Term(
            "layer and instance norm: 4 per value, 2 if not affine",
            ("layernorm", "instancenorm"),
            scale_by_affine(4, 2),
        ),
        Term("average pooling: 1 per output value", SLIDING_MEANS, count_outputs),
        Term(
            "adaptive average pooling: window size + 1 per output value",
            ADAPTIVE_MEANS,
            count_operations_of_adaptive_means,
        ),
        Term("prelu: 1 per value", ("prelu",), count_inputs),
        Term("softmax: 3 per value, minus 1 per position", ("softmax",), count_operations_of_softmax),
        Term(
            "upsampling, per output value: nearest 1, linear 5, bilinear 11, bicubic 259",
            ("upsample",),
            count_by_mode({"nearest": 1, "linear": 5, "bilinear": 11, "bicubic": 259}),
        ),
    ),
)
_FLOP_COUNTER_MODE = Tool(
    "FlopCounterMode",
    "torch 2.13.0",
    "torch.utils.flop_counter.FlopCounterMode().get_total_flops()",
    "FLOPs",
    (
        Term("locally connected layers are not counted", ("locally_connected",), subtract_macs),
        Term("a MAC counts as two FLOPs, so the MACs are added again", (*PRODUCTS, "blurpool"), count_macs),
    ),
)
_MMENGINE = Tool(
    "mmengine",
    "0.10.7",
    "mmengine.analysis.get_model_complexity_info(model, input_size)",
    "flops",
    _FVCORE.terms,
)
_FUNCTIONS_TWICE = Term(
    "a MAC counts as two FLOPs, so the MACs are added again",
    (*CONVOLUTIONS, *TRANSPOSED, "linear", *COMPOSED),
    count_macs,
)
_MMCV = Tool(
    "mmcv",
    "2.2.0",
    "mmcv.cnn.get_model_complexity_info(model, input_size)",
    "Flops",
    (
        _NO_MODULE,
        Term(
            "transposed convolutions in 1-D and 3-D are not counted",
            TRANSPOSED,
            only_for_axes(subtract_macs, 1, 3),
        ),
        Term("bias of convolutions: 1 per output value", CONVOLUTIONS, count_bias_additions),
        Term(
            "bias of transposed convolutions: 1 per output value",
            TRANSPOSED,
            only_for_axes(count_bias_additions, 2),
        ),
        Term("all norms: 2 per value, 1 if not affine", BATCH_NORM + OTHER_NORMS, scale_by_affine(2, 1)),
        Term("pooling: 1 per input value", MAX_POOLING + SLIDING_MEANS + ADAPTIVE_MEANS, count_inputs),
        Term(
            "relu, relu6, leaky_relu, prelu, elu: 1 per value",
            ("relu", "relu6", "leaky_relu", "prelu", "elu"),
            count_inputs,
        ),
        Term("upsampling: 1 per output value", ("upsample",), count_outputs),
    ),
)
_PATCHED_FUNCTIONS = (
    Term("locally connected layers are not counted", ("locally_connected",), subtract_macs),
    Term("a MAC counts as two FLOPs, so the MACs are added again", PRODUCTS, count_macs),
    Term("bias of convolutions: 1 per output value", CONVOLUTIONS, count_bias_additions),
    Term("batch norm: 2 per value, 1 if not affine", BATCH_NORM, scale_by_affine(2, 1)),
    Term("other norms: 5 per value, 4 if not affine", OTHER_NORMS, scale_by_affine(5, 4)),
    Term(
        "local response norm: its products, sums and mean",
        ("local_response_norm",),
        count_operations_of_response_norm,
    ),
    Term("pooling: 1 per input value", MAX_POOLING + SLIDING_MEANS + ADAPTIVE_MEANS, count_inputs),
    Term("lppool: its mean, relu and product", ("lppool",), count_operations_of_lppool),
    Term(
        "relu, leaky_relu, prelu, elu, gelu, silu, softmax: 1 per value",
        ("relu", "leaky_relu", "prelu", "elu", "gelu", "silu", "softmax"),
        count_inputs,
    ),
)
_CALFLOPS = Tool(
    "calflops",
    "0.3.2",
    "calflops.calculate_flops(model, input_shape)",
    "FLOPs",
    (
        *_PATCHED_FUNCTIONS,
        Term(
            "transposed convolution with groups: divided by the groups again",
            TRANSPOSED,
            count_missing_group_operations,
        ),
        Term(
            "bias of transposed convolutions: 1 per value that a convolution would output",
            TRANSPOSED,
            count_bias_additions_of_convolution,
        ),
        Term(
            "upsampling: 1 per input value, or per output position if a size is given",
            ("upsample",),
            count_inputs_of_interpolate,
        ),
    ),
)
_DEEPSPEED = Tool(
    "DeepSpeed",
    "0.19.8",
    "deepspeed.profiling.flops_profiler.get_model_profile(model, input_shape)",
    "FLOPs",
    (
        *_PATCHED_FUNCTIONS,
        Term("bias of transposed convolutions: 1 per output value", TRANSPOSED, count_bias_additions),
        Term(
            "upsampling: 1 per output value, or per output position if a size is given",
            ("upsample",),
            count_positions_of_interpolate,
        ),
    ),
)
_ULTRALYTICS = Tool(
    "Ultralytics",
    "8.4.190",
    "model.info(imgsz=640), which is 2 × thop.profile() of ultralytics-thop 2.2.3",
    "GFLOPs × 10⁹",
    (
        _NO_MODULE,
        Term("everything is doubled, so the MACs are added again", PRODUCTS, count_macs),
        Term(
            "batch, layer, group and instance norm: 8 per value, 4 if not affine",
            BATCH_NORM + OTHER_NORMS,
            scale_by_affine(8, 4),
        ),
        Term("average pooling: 2 per value in its windows", SLIDING_MEANS, multiply_amount(2, count_values_in_windows)),
        Term(
            "adaptive average pooling: 2 per value in its windows",
            ADAPTIVE_MEANS,
            multiply_amount(2, count_values_in_adaptive_windows),
        ),
        Term("average pooling: 2 per output value", SLIDING_MEANS + ADAPTIVE_MEANS, multiply_amount(2, count_outputs)),
        Term("prelu: 2 per value", ("prelu",), multiply_amount(2)),
        Term(
            "softmax: 6 per value, minus 2 per sum",
            ("softmax", "log_softmax"),
            multiply_amount(2, count_operations_of_softmax),
        ),
        Term("log_softmax: 2 per sum", ("log_softmax",), multiply_amount(2, count_sums_of_softmax)),
        Term(
            "upsampling, per output value: linear 10, bilinear 22, bicubic 518, trilinear 62",
            ("upsample",),
            count_by_mode({"linear": 10, "bilinear": 22, "bicubic": 518, "trilinear": 62}),
        ),
    ),
)
TF_PROFILER = Tool(
    "TF profiler",
    "tensorflow 2.21.0",
    "tf.compat.v1.profiler, float_operation, on the frozen graph of a Keras model",
    "total_float_ops",
    (
        Term("kinds without a layer in Keras are not counted", MODULELESS, subtract_macs),
        Term("a MAC counts as two operations, so the MACs are added again", PRODUCTS, count_macs),
        Term(
            "convolutions with groups and transposed 3-D convolutions are not counted",
            ("conv", *TRANSPOSED),
            multiply_amount(2, subtract_macs_unknown_to_tensorflow),
        ),
        Term(
            "dilated convolutions: output sizes rounded up to multiples of the dilation",
            ("conv", "depthwise_conv", "separable_conv"),
            count_extra_operations_of_dilation,
        ),
        Term(
            "transposed convolution: by output positions / strides instead of input positions",
            TRANSPOSED,
            count_extra_operations_of_strides,
        ),
        Term("bias: 1 per output value", (*CONVOLUTIONS, *TRANSPOSED, "linear"), count_bias_additions),
        Term("batch norm: 2 per value, and 6 per channel, 5 without scale", BATCH_NORM, count_operations_of_batchnorm),
        Term("layer norm: 9 per value, and 4 per mean", ("layernorm",), count_operations_of_layernorm),
        Term("group norm: 6 per value, 3 per channel, 4 per group", ("groupnorm",), count_operations_of_groupnorm),
        Term("1-D and 2-D pooling: 1 per value in its windows", ("maxpool", *SLIDING_MEANS), count_taps_of_pooling),
        Term("global average pooling: 1 per input value", ("global_avgpool",), count_inputs),
        Term("softmax: 5 per value", ("softmax",), multiply_amount(5)),
        Term("prelu: 3 per value, and 1 per slope", ("prelu",), count_operations_of_prelu),
        Term("mish: 1 per value", ("mish",), count_inputs),
        Term("silu, hardsigmoid: 2 per value", ("silu", "hardsigmoid"), multiply_amount(2)),
        Term("hardswish: 3 per value", ("hardswish",), multiply_amount(3)),
        Term("gelu: 4 per value", ("gelu",), multiply_amount(4)),
        Term("celu: 5 per value", ("celu",), multiply_amount(5)),
        Term("glu: 1 per output value", ("glu",), count_outputs),
        Term("scale, shift: 1 per value", ("scale", "shift"), count_inputs),
        Term("sums and products: 1 per value and further input", ("add", "multiply"), count_operations_of_merge),
        Term("nearest upsampling: 1 per axis", ("upsample",), count_axes_of_nearest),
    ),
)
KERAS = Tool(
    "Keras",
    "3",
    "model.summary(), which does not count operations",
    "Total params",
    (Term("running statistics of batch norms, not trainable", BATCH_NORM, count_statistics),),
)
TOOLS = (
    _TORCHINFO,
    _FVCORE,
    _PTFLOPS,
    _THOP,
    _FLOP_COUNTER_MODE,
    _MMENGINE,
    _MMCV,
    _CALFLOPS,
    _DEEPSPEED,
    _ULTRALYTICS,
    TF_PROFILER,
)
