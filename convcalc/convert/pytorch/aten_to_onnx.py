"""Translates the operations of PyTorch to ONNX operators: one rule per operation, listed in `RULES`.

A rule takes a `translating.Call` and emits one or more operations. UNCHANGED are the operations that return their
input, CONSTANT those whose result depends on no values. Any other operation keeps its name, such as `aten.cdist`;
`operator_costs` counts these too.
Source of the operations: docs.pytorch.org/docs/stable/torch.compiler_ir.html; of the operators: onnx.ai/onnx/operators.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from convcalc.convert.operators import Sizes

if TYPE_CHECKING:
    from convcalc.convert.pytorch.translating import Call

Rule = Callable[["Call"], None]

_UNCHANGED = """alias clone contiguous detach to _to_copy lift_fresh lift_fresh_copy lift type_as float half bfloat16
double requires_grad positive conj resolve_conj resolve_neg to_dense"""
_CONSTANT = """arange bartlett_window blackman_window empty empty_like empty_permuted empty_strided eye fill full
full_like hamming_window hann_window kaiser_window linspace logspace new_empty new_empty_strided new_full new_ones
new_zeros ones ones_like rand rand_like randint randint_like randn randn_like randperm scalar_tensor tril_indices
triu_indices zero zeros zeros_like"""
UNCHANGED = frozenset(_UNCHANGED.split())
CONSTANT = frozenset(_CONSTANT.split())


def _per_axis(value: Any, axes: int) -> Sizes:
    """Return one integer per spatial axis: (3, 3) if `value` is 3 or [3] and there are two axes."""
    values = list(value) if isinstance(value, Iterable) else [value]
    return tuple(values * axes if len(values) == 1 else values)


def _both_sides(padding: Any, axes: int) -> Sizes:
    return _per_axis(padding, axes) * 2


def _axes(given: Any, rank: int) -> Sizes:
    """Return axes counted from 0: (3,) for -1 and rank 4; all `rank` axes if `given` is None or empty."""
    if given is None or (isinstance(given, Iterable) and not list(given)):
        return tuple(range(rank))
    return tuple(axis % max(rank, 1) for axis in (given if isinstance(given, Iterable) else [given]))


# -- convolutions and matrix products


def _translate_conv(call: "Call") -> None:
    given = call.given
    axes = len(call.dims(given["weight"])) - 2
    inputs = [given["input"], given["weight"], given.get("bias")]
    attributes: dict[str, Any] = {
        "strides": _per_axis(given["stride"], axes),
        "dilations": _per_axis(given["dilation"], axes),
        "group": given["groups"],
    }
    padding = given["padding"]
    if isinstance(padding, str):
        attributes["auto_pad"] = "SAME_UPPER" if padding == "same" else "VALID"
    else:
        attributes["pads"] = _both_sides(padding, axes)
    if given.get("transposed") or "transpose" in call.name:
        attributes["output_padding"] = _per_axis(given["output_padding"], axes)
        call.emit("ConvTranspose", inputs, **attributes)
    else:
        call.emit("Conv", inputs, **attributes)


def _translate_linear(call: "Call") -> None:
    """Translate `linear`: PyTorch's weights are (outputs, inputs), but ONNX's MatMul expects (inputs, outputs)."""
    given = call.given
    data, weight, bias = given["input"], given["weight"], given.get("bias")
    if not call.is_constant(weight) or len(call.dims(weight)) != 2:
        call.emit("MatMul", [data, weight, bias])
    elif len(call.dims(data)) == 2:
        call.emit("Gemm", [data, weight, bias], transB=1)
    else:
        turned = call.reshape_constant(weight, call.dims(weight)[::-1])
        call.emit("MatMul", [data, turned, bias])


def _translate_addmm(call: "Call") -> None:
    given = call.given
    first, second = (given[name] for name in given if name in ("mat1", "mat2", "batch1", "batch2"))
    attributes = {name: given[name] for name in ("alpha", "beta") if given.get(name, 1) != 1}
    call.emit("Gemm", [first, second, given["self"]], **attributes)


def _translate_einsum(call: "Call") -> None:
    call.emit("Einsum", list(call.given["tensors"]), equation=call.given["equation"])


def _translate_attention(call: "Call") -> None:
    given = call.given
    heads = {"q_num_heads": 1, "kv_num_heads": 1} if len(call.sizes) == 3 else {}
    call.emit("Attention", [given["query"], given["key"], given["value"], given.get("attn_mask")], **heads)


def _translate_deform_conv(call: "Call") -> None:
    given = call.given
    mask = given["mask"] if given.get("use_mask", True) else None
    call.emit("DeformConv", [given["input"], given["weight"], given["offset"], given["bias"], mask])


def _recurrent_rule(operator: str) -> Rule:
    """Return the rule for an LSTM, GRU or RNN, with the sizes of its weight matrices in the attribute `matrices`."""

    def rule(call: "Call") -> None:
        given = call.given
        weights = [given[name] for name in given if name.startswith(("w_", "b_"))]
        weights = [weight for weight in given.get("params", weights) if weight is not None]
        sizes = [call.dims(weight) for weight in weights]
        matrices = tuple(dims for dims in sizes if len(dims) == 2)
        data = given.get("input", given.get("data"))
        state = given.get("hx")
        states = state if isinstance(state, list | tuple) else [state]
        biased = any(len(dims) == 1 for dims in sizes)
        shape = {"layers": given.get("num_layers", 1), "bidirectional": given.get("bidirectional", False)}
        call.emit(
            operator,
            [data, *states, *weights],
            matrices=matrices,
            biased=biased,
            batch_first=given.get("batch_first", False),
            **shape,
        )

    return rule


# -- pooling and resizing


def _pool_rule(operator: str) -> Rule:
    def rule(call: "Call") -> None:
        given = call.given
        axes = len(_per_axis(given["kernel_size"], int(call.name.partition("pool")[2][:1])))
        kernel = _per_axis(given["kernel_size"], axes)
        call.emit(
            operator,
            [given["self"]],
            kernel_shape=kernel,
            strides=_per_axis(given["stride"], axes) if given["stride"] else kernel,
            pads=_both_sides(given["padding"], axes),
            dilations=_per_axis(given.get("dilation", 1), axes),
            ceil_mode=int(given["ceil_mode"]),
        )

    return rule


def _adaptive_rule(operator: str, whole: str) -> Rule:
    """Return the rule for an adaptive pooling; the operator is `whole` if the output size is 1 on every axis."""

    def rule(call: "Call") -> None:
        data = call.given["self"]
        call.emit(whole if set(call.sizes[2:]) == {1} else operator, [data])

    return rule


def _reduction_rule(operator: str) -> Rule:
    def rule(call: "Call") -> None:
        given = call.given
        axes = _axes(given.get("dim"), len(call.dims(given["self"])))
        call.emit(operator, [given["self"]], axes=axes, keepdims=int(bool(given.get("keepdim"))))

    return rule


def _translate_std(call: "Call") -> None:
    given = call.given
    axes = _axes(given.get("dim"), len(call.dims(given["self"])))
    correction = given["correction"] if "correction" in given else int(given.get("unbiased", True))
    correction = 1 if correction is None else correction
    call.emit("aten.std", [given["self"]], axes=axes, keepdims=int(bool(given.get("keepdim"))), correction=correction)


def _resize_rule(mode: str) -> Rule:
    def rule(call: "Call") -> None:
        data = call.given.get("input", call.given.get("self"))
        call.emit("Resize", [data], mode=mode, antialias=int(call.name.endswith("_aa")))

    return rule


def _translate_grid_sampler(call: "Call") -> None:
    modes = ("linear", "nearest", "cubic")
    call.emit("GridSample", [call.given["input"], call.given["grid"]], mode=modes[call.given["interpolation_mode"]])


# -- norms and activations


def _translate_batch_norm(call: "Call") -> None:
    given = call.given
    inputs = [given[name] for name in ("input", "weight", "bias", "running_mean", "running_var")]
    call.emit("BatchNormalization", inputs)


def _translate_layer_norm(call: "Call") -> None:
    given = call.given
    axis = -len(given["normalized_shape"])
    operator = "RMSNormalization" if "rms" in call.name else "LayerNormalization"
    call.emit(operator, [given["input"], given["weight"], given.get("bias")], axis=axis)


def _translate_group_norm(call: "Call") -> None:
    given = call.given
    groups = given.get("num_groups", given.get("group"))
    call.emit("GroupNormalization", [given["input"], given["weight"], given["bias"]], num_groups=groups)


def _translate_instance_norm(call: "Call") -> None:
    given = call.given
    inputs = [given["input"], given["weight"], given["bias"]]
    if given["use_input_stats"] and given["running_mean"] is None:
        call.emit("InstanceNormalization", inputs)
    else:
        call.emit("aten.instance_norm", [*inputs, given["running_mean"], given["running_var"]])


def _activation_rule(operator: str, **attributes: str) -> Rule:
    """Return the rule for an operation on one tensor; `attributes` maps ONNX attributes to PyTorch's arguments."""

    def rule(call: "Call") -> None:
        given = {name: call.given[key] for name, key in attributes.items() if call.given.get(key) is not None}
        call.emit(operator, call.node.args[:1], **given)

    return rule


def _translate_clamp(call: "Call") -> None:
    given = call.given
    ends = {"min": given.get("min", given.get("min_val")), "max": given.get("max", given.get("max_val"))}
    if call.name == "relu6":
        ends = {"min": 0, "max": 6}
    numbers = {name: float(end) for name, end in ends.items() if isinstance(end, int | float)}
    tensors = [end for end in ends.values() if hasattr(end, "users")]
    call.emit("aten.clamp" if tensors else "Clip", [call.node.args[0], *tensors], **numbers)


def _translate_hardsigmoid(call: "Call") -> None:
    call.emit("HardSigmoid", call.node.args[:1], alpha=1 / 6, beta=0.5)


def _translate_prelu(call: "Call") -> None:
    """Translate PReLU: PyTorch's slopes belong to the channels, but ONNX would align them with the last axis."""
    data, slopes = call.given["self"], call.given["weight"]
    sizes = call.dims(slopes)
    rank = len(call.dims(data))
    if rank > 2 and sizes and call.is_constant(slopes):
        slopes = call.reshape_constant(slopes, (*sizes, *(1,) * (rank - 2)))
    call.emit("PRelu", [data, slopes])


def _softmax_rule(operator: str) -> Rule:
    def rule(call: "Call") -> None:
        call.emit(operator, [call.given["self"]], axis=call.given["dim"])

    return rule


def _translate_glu(call: "Call") -> None:
    """Translate a gated linear unit: the first half of the input times the sigmoid of its second half."""
    halves = call.emit_inner("Split", [call.given["self"]], call.sizes, call.sizes, axis=call.given["dim"])
    [gate] = call.emit_inner("Sigmoid", [halves[1]], call.sizes)
    call.emit("Mul", [halves[0], gate])


def _translate_dropout(call: "Call") -> None:
    call.emit("Dropout", call.node.args[:1], ratio=float(call.given["p"]))


# -- arithmetic


def _arithmetic_rule(operator: str, turned: bool = False) -> Rule:
    """Return the rule for a sum, difference, product or quotient; `turned` swaps the operands."""

    def rule(call: "Call") -> None:
        one, other = call.node.args[0], call.given["other"]
        factor = call.given.get("alpha", 1)
        if factor != 1:
            [other] = call.emit_inner("Mul", [other, factor], call.dims(other))
        operands = [other, one] if turned else [one, other]
        if call.given.get("rounding_mode") is None:
            call.emit(operator, operands)
        else:
            [result] = call.emit_inner(operator, operands, call.sizes)
            call.emit("Floor", [result])

    return rule


def _translate_add_product(call: "Call") -> None:
    """Translate `addcmul` (a + value × b × c) and `addcdiv` (a + value × b / c)."""
    given = call.given
    operator = "Mul" if call.name == "addcmul" else "Div"
    [product] = call.emit_inner(operator, [given["tensor1"], given["tensor2"]], call.sizes)
    if given.get("value", 1) != 1:
        [product] = call.emit_inner("Mul", [product, given["value"]], call.sizes)
    call.emit("Add", [given["self"], product])


def _translate_max(call: "Call") -> None:
    """Translate the maximum or minimum: of two tensors, or over axes."""
    word = "Max" if call.name == "max" else "Min"
    if "other" in call.given:
        call.emit(word, [call.given["self"], call.given["other"]])
    elif "dim" in call.given:
        call.emit(f"aten.{call.name}", [call.given["self"]])
    else:
        _reduction_rule(f"Reduce{word}")(call)


# -- rearranging


def _translate_reshape(call: "Call") -> None:
    call.emit("Reshape", call.node.args[:1])


def _translate_permute(call: "Call") -> None:
    given, rank = call.given, len(call.sizes)
    if "dims" in given:
        order = [axis % rank for axis in given["dims"]]
    elif "source" in given:
        order = _order_of_movedim(given["source"], given["destination"], rank)
    else:
        order = list(range(rank))
        one, other = (given.get(f"dim{end}", given.get(f"axis{end}", end - 2)) for end in (0, 1))  # `t` has no axes
        if rank > 1:
            order[one], order[other] = order[other], order[one]
    call.emit("Transpose", call.node.args[:1], perm=tuple(order))


def _order_of_movedim(source: Any, destination: Any, axes: int) -> list[int]:
    """Return the order of axes after `movedim`: [1, 2, 0] if axis 0 of 3 moves to the end."""
    listed = [[axis] if isinstance(axis, int) else axis for axis in (source, destination)]
    pairs = {to % axes: of % axes for of, to in zip(*listed, strict=True)}
    others = iter([axis for axis in range(axes) if axis not in pairs.values()])
    return [pairs[axis] if axis in pairs else next(others) for axis in range(axes)]


def _translate_expand(call: "Call") -> None:
    data = call.node.args[0]
    if call.dims(data) == call.sizes:
        call.translator.current[call.node] = call.translator.tensor(data)
    else:
        call.emit("Expand", [data])


def _translate_copy(call: "Call") -> None:
    """Translate `copy_`, which replaces the values of a tensor by those of `src`."""
    source = call.given["src"]
    if call.dims(source) == call.sizes:
        call.translator.current[call.node] = call.translator.tensor(source)
    else:
        call.emit("Expand", [source])


def _translate_concat(call: "Call") -> None:
    call.emit("Concat", list(call.node.args[0]), axis=call.given["dim"])


def _translate_stack(call: "Call") -> None:
    call.emit("aten.stack", list(call.node.args[0]))


def _translate_select(call: "Call") -> None:
    """Translate `select` and `unbind`, which take one or all indices of an axis and remove the axis."""
    index = {} if call.name == "unbind" else {"index": call.given["index"]}
    call.emit(f"aten.{call.name}", call.node.args[:1], axis=call.given["dim"], **index)


def _translate_slice(call: "Call") -> None:
    given = call.given
    attributes = {"axes": (given["dim"],), "starts": (given.get("start") or 0,)}
    if given.get("step", 1) != 1:
        attributes["steps"] = (given["step"],)
    call.emit("Slice", call.node.args[:1], **attributes)


def _translate_split(call: "Call") -> None:
    call.emit("Split", call.node.args[:1], axis=call.given["dim"])


_PAD_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def _translate_pad(call: "Call") -> None:
    """Translate padding: PyTorch lists before and after for each axis, ONNX all befores and then all afters."""
    given = call.given
    words = {"reflection": "reflect", "replication": "replicate", "constant": "constant"}
    mode = given.get("mode") or words[call.name.partition("_")[0]]
    amounts = list(given.get("pad", given.get("padding", ())))
    rank = len(call.sizes)
    axes = tuple(rank - 1 - place for place in range(len(amounts) // 2))
    pads = (*amounts[::2], *amounts[1::2])
    call.emit("Pad", call.node.args[:1], mode=_PAD_MODES[mode], axes=axes, pads=pads)


def _translate_pixel_shuffle(call: "Call") -> None:
    if call.name == "pixel_shuffle":
        call.emit("DepthToSpace", call.node.args[:1], blocksize=call.given["upscale_factor"])
    else:
        call.emit("SpaceToDepth", call.node.args[:1], blocksize=call.given["downscale_factor"])


def _translate_channel_shuffle(call: "Call") -> None:
    call.emit("ChannelShuffle", call.node.args[:1], groups=call.given["groups"])


def _translate_embedding(call: "Call") -> None:
    call.emit("Gather", [call.given["weight"], call.given["indices"]])


def _translate_condition(call: "Call") -> None:
    """Translate `where` and `masked_fill`, which choose between two values by a condition."""
    given = call.given
    if call.name == "masked_fill":
        call.emit("Where", [given["mask"], given["value"], given["self"]])
    else:
        call.emit("Where", [given["condition"], given.get("self"), given.get("other")])


def _by_axes(names: str, rule: Rule) -> dict[str, Rule]:
    """Map each of the names, separated by spaces, to `rule`; `conv#d` means `conv1d`, `conv2d` and `conv3d`."""
    return {word.replace("#", axes): rule for word in names.split() for axes in ("123" if "#" in word else "0")}


def _same_inputs(names: str) -> dict[str, Rule]:
    """Return a rule for each pair such as `abs:Abs`, which translates `abs` to `Abs` with the same inputs."""
    pairs = [word.split(":") for word in names.split()]
    return {name: _simple_rule(operator) for name, operator in pairs}


def _simple_rule(operator: str) -> Rule:
    def rule(call: "Call") -> None:
        call.emit(
            operator, [given for given in call.node.args if hasattr(given, "users") or isinstance(given, float | int)]
        )

    return rule


RULES: dict[str, Rule] = {
    **_by_axes("conv#d conv_transpose#d convolution", _translate_conv),
    "linear": _translate_linear,
    **_same_inputs("matmul:MatMul mm:MatMul bmm:MatMul mv:MatMul dot:MatMul vdot:MatMul inner:MatMul"),
    **_by_axes("addmm baddbmm", _translate_addmm),
    "einsum": _translate_einsum,
    "scaled_dot_product_attention": _translate_attention,
    "deform_conv2d": _translate_deform_conv,
    **{name: _recurrent_rule(f"aten.{name}") for name in ("lstm", "gru", "rnn_tanh", "rnn_relu")},
    **{f"{name}_cell": _recurrent_rule(f"aten.{name}") for name in ("lstm", "gru", "rnn_tanh", "rnn_relu")},
    **_by_axes("max_pool#d max_pool#d_with_indices", _pool_rule("MaxPool")),
    **_by_axes("avg_pool#d", _pool_rule("AveragePool")),
    **_by_axes(
        "adaptive_avg_pool#d _adaptive_avg_pool#d", _adaptive_rule("AdaptiveAveragePool", "GlobalAveragePool")
    ),
    **_by_axes("adaptive_max_pool#d", _adaptive_rule("AdaptiveMaxPool", "GlobalMaxPool")),
    "mean": _reduction_rule("ReduceMean"),
    "amax": _reduction_rule("ReduceMax"),
    "amin": _reduction_rule("ReduceMin"),
    **_by_axes("sum nansum", _reduction_rule("ReduceSum")),
    "prod": _reduction_rule("ReduceProd"),
    "std": _translate_std,
    "logsumexp": _reduction_rule("ReduceLogSumExp"),
    **_by_axes("norm linalg_vector_norm frobenius_norm", _reduction_rule("ReduceL2")),
    **_by_axes("max min", _translate_max),
    **_by_axes("upsample_nearest#d _upsample_nearest_exact#d", _resize_rule("nearest")),
    **_by_axes(
        "upsample_linear1d upsample_bilinear2d upsample_trilinear3d _upsample_bilinear2d_aa", _resize_rule("linear")
    ),
    **_by_axes("upsample_bicubic2d _upsample_bicubic2d_aa", _resize_rule("cubic")),
    **_by_axes("grid_sampler grid_sampler_2d grid_sampler_3d", _translate_grid_sampler),
    **_by_axes(
        "batch_norm native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training",
        _translate_batch_norm,
    ),
    **_by_axes("layer_norm native_layer_norm rms_norm", _translate_layer_norm),
    **_by_axes("group_norm native_group_norm", _translate_group_norm),
    "instance_norm": _translate_instance_norm,
    **{
        name: _activation_rule(operator)
        for name, operator in (
            ("relu", "Relu"), ("elu", "Elu"), ("celu", "Celu"), ("selu", "Selu"), ("gelu", "Gelu"), ("silu", "Swish"),
            ("mish", "Mish"), ("sigmoid", "Sigmoid"), ("tanh", "Tanh"), ("softplus", "Softplus"),
            ("hardswish", "HardSwish"),
        )
    },
    "leaky_relu": _activation_rule("LeakyRelu", alpha="negative_slope"),
    "hardsigmoid": _translate_hardsigmoid,
    **_by_axes("hardtanh clamp clamp_min clamp_max clip relu6", _translate_clamp),
    **_by_axes("softmax _softmax", _softmax_rule("Softmax")),
    **_by_axes("log_softmax _log_softmax", _softmax_rule("LogSoftmax")),
    "prelu": _translate_prelu,
    "glu": _translate_glu,
    **_by_axes(
        "dropout feature_dropout alpha_dropout feature_alpha_dropout native_dropout", _translate_dropout
    ),
    "add": _arithmetic_rule("Add"),
    **_by_axes("sub subtract", _arithmetic_rule("Sub")),
    "rsub": _arithmetic_rule("Sub", turned=True),
    **_by_axes("mul multiply", _arithmetic_rule("Mul")),
    **_by_axes("div divide true_divide", _arithmetic_rule("Div")),
    **_by_axes("addcmul addcdiv", _translate_add_product),
    **_same_inputs(
        "abs:Abs acos:Acos acosh:Acosh asin:Asin asinh:Asinh atan:Atan atanh:Atanh ceil:Ceil cos:Cos cosh:Cosh erf:Erf "
        "exp:Exp floor:Floor isinf:IsInf isnan:IsNaN log:Log logical_not:Not neg:Neg pow:Pow reciprocal:Reciprocal "
        "round:Round sign:Sign sin:Sin sinh:Sinh sqrt:Sqrt tan:Tan eq:Equal ge:GreaterOrEqual gt:Greater "
        "le:LessOrEqual lt:Less logical_and:And logical_or:Or logical_xor:Xor maximum:Max minimum:Min fmod:Mod "
        "remainder:Mod bitwise_not:BitwiseNot bitwise_and:BitwiseAnd bitwise_or:BitwiseOr bitwise_xor:BitwiseXor "
        "argmax:ArgMax argmin:ArgMin topk:TopK nonzero:NonZero cumsum:CumSum cumprod:CumProd repeat:Tile tile:Tile "
        "tril:Trilu triu:Trilu gather:GatherElements index_select:Gather col2im:Col2Im"
    ),
    **_by_axes("view reshape flatten unflatten squeeze unsqueeze _unsafe_view view_as reshape_as", _translate_reshape),
    **_by_axes("permute transpose movedim moveaxis swapaxes swapdims t mT adjoint", _translate_permute),
    **_by_axes("expand expand_as broadcast_to", _translate_expand),
    "copy": _translate_copy,
    **_by_axes("cat concat concatenate", _translate_concat),
    "stack": _translate_stack,
    **_by_axes("select unbind", _translate_select),
    **_by_axes("slice narrow", _translate_slice),
    **_by_axes("chunk split split_with_sizes tensor_split unsafe_chunk unsafe_split", _translate_split),
    **_by_axes("pad constant_pad_nd reflection_pad#d replication_pad#d", _translate_pad),
    **_by_axes("pixel_shuffle pixel_unshuffle", _translate_pixel_shuffle),
    **_by_axes("channel_shuffle native_channel_shuffle", _translate_channel_shuffle),
    "embedding": _translate_embedding,
    **_by_axes("where masked_fill", _translate_condition),
}  # fmt: skip
