"""Suggests convcalc's layer kinds and arguments for names from PyTorch, Keras, Caffe and other tools.

>>> kind_hint("Conv2d", ["conv", "relu"])
('conv', 'write conv')
"""

import re
from collections.abc import Iterable
from typing import Any

from convcalc.layers import KINDS
from convcalc.problems import did_you_mean, normalise_word, shorten, show

_FOREIGN_KINDS: dict[str, str] = {
    "convolution": "conv",
    "convtranspose": "conv_transpose",
    "convolutiontranspose": "conv_transpose",
    "transposedconv": "conv_transpose",
    "deconv": "conv_transpose",
    "deconvolution": "conv_transpose",
    "upconv": "conv_transpose",
    "dwconv": "depthwise_conv",
    "deformableconv": "deform_conv",
    "pwconv": "pointwise_conv",
    "dense": "linear",
    "fc": "linear",
    "fullyconnected": "linear",
    "innerproduct": "linear",
    "gemm": "linear",
    "maxpooling": "maxpool",
    "averagepool": "avgpool",
    "averagepooling": "avgpool",
    "avgpooling": "avgpool",
    "globalaveragepool": "global_avgpool",
    "globalaveragepooling": "global_avgpool",
    "globalmaxpooling": "global_maxpool",
    "adaptiveaveragepool": "adaptive_avgpool",
    "unpool": "max_unpool",
    "bn": "batchnorm",
    "batchnormalization": "batchnorm",
    "layernormalization": "layernorm",
    "groupnormalization": "groupnorm",
    "instancenormalization": "instancenorm",
    "lrn": "local_response_norm",
    "layerscale": "scale",
    "swish": "silu",
    "hswish": "hardswish",
    "hsigmoid": "hardsigmoid",
    "leakyrelu": "leaky_relu",
    "lrelu": "leaky_relu",
    "upsampling": "upsample",
    "interpolate": "upsample",
    "resize": "upsample",
    "depthtospace": "pixel_shuffle",
    "spacetodepth": "pixel_unshuffle",
    "zeropad": "pad",
    "zeropadding": "pad",
    "constantpad": "pad",
    "reflectionpad": "pad",
    "replicationpad": "pad",
    "circularpad": "pad",
    "cropping": "crop",
    "centercrop": "crop",
    "cat": "concat",
    "concatenate": "concat",
    "concatenation": "concat",
    "route": "concat",
    "shortcut": "add",
    "mul": "multiply",
    "sum": "add",  # where only merges are allowed; elsewhere it is a kind
    "view": "reshape",
    "im2col": "unfold",
    "col2im": "fold",
    "transpose": "permute",
    "reducemean": "mean",
    "reducesum": "sum",
    "stochasticdepth": "drop_path",
    "noop": "identity",
    "sequential": "sequence",
    "multiheadattention": "attention",
    "selfattention": "attention",
    "crossattention": "attention",
    "mha": "attention",
    "mhsa": "attention",
    "bmm": "matmul",
    "dot": "matmul",
    "grn": "global_response_norm",
    "bilstm": "lstm",
    "bigru": "gru",
    "patchify": "tokens",
    "positionembedding": "parameter",
    "positionalembedding": "parameter",
    "classtoken": "parameter",
    "clstoken": "parameter",
    "stack": "sequence",
    "parallel": "branches",
}
_FOREIGN_KEYS: dict[str, str] = {
    "filters": "out_channels",
    "nfilters": "out_channels",
    "numfilters": "out_channels",
    "channels": "out_channels",
    "outplanes": "out_channels",
    "outputchannels": "out_channels",
    "numoutput": "out_channels",
    "out": "out_channels",
    "units": "out_features",
    "outputsize": "output_size",
    "numheads": "heads",
    "nheads": "heads",
    "nhead": "heads",
    "headdim": "key_dim",
    "dimhead": "key_dim",
    "windowsize": "window",
    "gridsize": "grid",
    "hiddendim": "hidden_size",
    "hidden": "hidden_size",
    "layers": "num_layers",
    "vocabsize": "num_embeddings",
    "inputdim": "num_embeddings",
    "embeddim": "embedding_dim",
    "outputdim": "embedding_dim",
    "axis": "axes",
    "inplanes": "in_channels",
    "numfeatures": "in_channels",
    "numchannels": "in_channels",
    "kernel": "kernel_size",
    "ksize": "kernel_size",
    "k": "kernel_size",
    "poolsize": "kernel_size",
    "filtersize": "kernel_size",
    "strides": "stride",
    "s": "stride",
    "pad": "padding",
    "pads": "padding",
    "p": "padding",
    "amount": "padding",
    "cropping": "amount",
    "dilations": "dilation",
    "dilationrate": "dilation",
    "atrous": "dilation",
    "group": "groups",
    "usebias": "bias",
    "biasterm": "bias",
    "depthmultiplier": "multiplier",
    "channelmultiplier": "multiplier",
    "rate": "p",
    "prob": "p",
    "dropprob": "p",
    "factor": "scale_factor",
    "scale": "scale_factor",
    "interpolation": "mode",
    "blocksize": "upscale_factor",
    "alpha": "negative_slope",
    "targetshape": "shape",
    "inputs": "from",
    "input": "from",
    "bottom": "from",
    "source": "from",
    "count": "repeat",
    "times": "repeat",
    "n": "repeat",
    "repeats": "repeat",
    "number": "repeat",
    "if": "when",
    "condition": "when",
    "id": "name",
    "label": "name",
    "trainable": "frozen",
    "freeze": "frozen",
    "weights": "share",
    "tie": "share",
}
_UNSUPPORTED_KINDS = frozenset({"rnn", "transformer"})
KIND_KEYS = frozenset({"type", "kind", "layer", "class", "module", "op", "class_name"})
_WITHOUT_EFFECT = frozenset({"inplace", "device", "padding_mode", "momentum", "eps", "align_corners", "return_indices"})
_ACTIVATION_KEYS = frozenset({"activation", "act", "nonlinearity"})
_NO_ACTIVATION = frozenset({None, False, "none", "None", "linear", "identity", ""})
_INSTEAD: dict[tuple[str, str], str] = {
    ("depthwise_conv", "out_channels"): (
        "use multiplier: depthwise_conv has in_channels × multiplier output channels; or use conv with groups"
    ),
    **{
        (merge, "branches"): f"branches is an entry: - branches: […] and, on the next line, merge: {merge}"
        for merge in ("add", "multiply", "concat")
    },
}
_INFERRED = frozenset(
    {"embed_dim", "input_size", "num_features", "normalized_shape", "in_channels", "in_features", "num_channels"}
)


def kind_hint(word: str, known: Iterable[str]) -> tuple[str | None, str]:
    """Return the layer kind or block that a wrong word probably means (None if unclear), and a hint.

    `known` are the names of the available layer kinds and blocks.
    """
    known = list(known)
    bare = re.sub(r"^((torch|nn|functional|F|tf|keras|layers|tensorflow)\.)+", "", word.strip())
    folded = re.sub(r"[123]d$", "", normalise_word(bare))
    by_folded = {normalise_word(name): name for name in known}
    meant = by_folded.get(folded) or _FOREIGN_KINDS.get(folded)
    if meant is not None:
        return meant, f"write {meant}"
    if folded in _UNSUPPORTED_KINDS and "opaque" in known:
        return None, f"with the shape of its output, write - opaque: {{output_shape: [64, 8, 8], what: {folded}}}"
    hint = did_you_mean(folded, known)
    close = hint.removeprefix("did you mean ").removesuffix("?")
    return (close if hint else None), hint or "convcalc layers lists the layer kinds"


def key_hint(word: str, known: Iterable[str], kind: str = "", value: Any = None) -> str:
    """Return a hint for a wrong argument name, such as `write out_channels` for filters; "" if there is no hint.

    `known` are the valid names, `kind` is the layer kind, and `value` is the value of the argument.
    """
    known = list(known)
    joined = suggest_split(word) if value is None else ""
    if joined:
        return joined
    by_folded = {normalise_word(name): name for name in known}
    meant = by_folded.get(normalise_word(word)) or _FOREIGN_KEYS.get(normalise_word(word))
    if meant in known:
        return f"write {meant}"
    if (kind, meant or word) in _INSTEAD:
        return _INSTEAD[kind, meant or word]
    for output in ("out_features", "out_channels", "hidden_size"):
        if normalise_word(word) in {"units", "filters", "outchannels", "outfeatures"} and output in known:
            return f"write {output}"
    if word in _INFERRED:
        return "remove it: it is inferred from the input"
    if word in _WITHOUT_EFFECT:
        return "remove it: it does not affect any result"
    if word in _ACTIVATION_KEYS:
        return _suggest_activation(value)
    return "" if is_argument(word) else did_you_mean(word, known)


def suggest_split(word: str) -> str:
    """Return the hint for a key that is joined to its value, as in `stride:2` or `stride=2`; "" for any other text."""
    joined = re.fullmatch(r"([A-Za-z_]\w*)\s*([:=])\s*([^\s/=].*)", word)
    if joined is None:
        return ""
    what = "a space must follow the colon" if joined[2] == ":" else "use a colon in place of ="
    value = "{…}" if joined[3].startswith("{") and "}" not in joined[3] else shorten(joined[3])
    return f"{what}: {joined[1]}: {value}"


def is_argument(word: str) -> bool:
    """Return whether any layer kind has an argument with this name."""
    return any(word in kind.keys for kind in KINDS.values())


def _suggest_activation(value: Any) -> str:
    """Return the hint for an argument such as `activation: relu`: make the activation an entry of its own."""
    if not isinstance(value, list | dict) and value in _NO_ACTIVATION:
        return "remove it: no activation is applied by default"
    if isinstance(value, str) and value.startswith("$"):
        return f"make the activation an entry of its own: - {shorten(value)}"
    meant = kind_hint(value, KINDS)[0] if isinstance(value, str) else None
    if meant is None:
        unclear = f"; {show(value)} is not a layer kind" if isinstance(value, str) else ""
        return f"make the activation an entry of its own, such as - relu{unclear}"
    return f"make the activation an entry of its own: - {meant}"
