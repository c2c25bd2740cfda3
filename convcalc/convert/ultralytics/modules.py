"""Lists the supported modules, and says how the arguments in a file become theirs."""

from collections.abc import Callable
from typing import Any, NamedTuple

from convcalc.convert.ultralytics import attention, blocks, convolutions, heads, torch_modules


class Variant(NamedTuple):
    """What modules depend on besides their arguments.

    `scale` is the letter of the scale, or "" if there are no scales; for `bins` and `end2end`, see `heads.HeadStyle`.
    `is_new` is whether an earlier entry has a module of version 10 or later; heads then have depthwise convolutions.
    """

    scale: str
    bins: int
    end2end: bool
    is_new: bool = False


class Module(NamedTuple):
    """A module; the function `add` adds its layers.

    `scaled` is the index of the argument that is multiplied by the width of the network; None if there is none. If
    `repeats` is set, the number of repeats is passed to `add` as the argument `n`; otherwise `add` is called that many
    times. `many` is whether the module reads a list of layers, and `parts` whether these may have several outputs.
    `adjust` changes the arguments. `is_new` marks the modules that version 10 or a later one introduced.
    """

    add: Callable[..., Any]
    scaled: int | None = None
    repeats: bool = False
    many: bool = False
    parts: bool = False
    adjust: Callable[[dict[str, Any], Variant], None] | None = None
    is_new: bool = False


def _use_c3k(arguments: dict[str, Any], variant: Variant) -> None:
    """In the scales m, l and x, and in files without scales, use C3k blocks."""
    if variant.scale in "mlx":
        arguments["c3k"] = True


def _add_residual(arguments: dict[str, Any], variant: Variant) -> None:
    """In the scales l and x, and in files without scales, set `residual` and use a smaller `mlp_ratio`."""
    if variant.scale in "lx":
        arguments.setdefault("residual", True)
        arguments.setdefault("mlp_ratio", 1.2)


def _set_style(arguments: dict[str, Any], variant: Variant) -> None:
    arguments["style"] = heads.HeadStyle(variant.bins, variant.end2end, variant.is_new)


MODULES = {
    "Conv": Module(convolutions.add_conv, scaled=0),
    "Conv2": Module(convolutions.add_stated_conv2),
    "DWConv": Module(convolutions.add_dw_conv, scaled=0),
    "ConvTranspose": Module(convolutions.add_conv_transpose, scaled=0),
    "DWConvTranspose2d": Module(convolutions.add_dw_conv_transpose, scaled=0),
    "Focus": Module(convolutions.add_focus, scaled=0),
    "GhostConv": Module(convolutions.add_ghost_conv, scaled=0),
    "RepConv": Module(convolutions.add_stated_rep_conv),
    "RepVGGDW": Module(blocks.add_stated_rep_vgg_dw),
    "SCDown": Module(convolutions.add_sc_down, scaled=0),
    "AConv": Module(convolutions.add_a_conv, scaled=0),
    "ADown": Module(convolutions.add_a_down, scaled=0),
    "Bottleneck": Module(blocks.add_bottleneck, scaled=0),
    "BottleneckCSP": Module(blocks.add_bottleneck_csp, scaled=0, repeats=True),
    "GhostBottleneck": Module(blocks.add_ghost_bottleneck, scaled=0),
    "C1": Module(blocks.add_c1, scaled=0, repeats=True),
    "C2": Module(blocks.add_c2, scaled=0, repeats=True),
    "C2f": Module(blocks.add_c2f, scaled=0, repeats=True),
    "C2fCIB": Module(blocks.add_c2f_cib, scaled=0, repeats=True, is_new=True),
    "C3": Module(blocks.add_c3, scaled=0, repeats=True),
    "C3x": Module(blocks.add_c3x, scaled=0, repeats=True),
    "C3Ghost": Module(blocks.add_c3_ghost, scaled=0, repeats=True),
    "C3k2": Module(blocks.add_c3k2, scaled=0, repeats=True, adjust=_use_c3k, is_new=True),
    "RepC3": Module(blocks.add_rep_c3, scaled=0, repeats=True),
    "ELAN1": Module(blocks.add_elan1, scaled=0),
    "RepNCSPELAN4": Module(blocks.add_rep_ncsp_elan4, scaled=0),
    "SPP": Module(blocks.add_spp, scaled=0),
    "SPPF": Module(blocks.add_sppf, scaled=0),
    "SPPELAN": Module(blocks.add_spp_elan, scaled=0),
    "PSA": Module(attention.add_psa, scaled=0),
    "C2PSA": Module(attention.add_c2_psa, scaled=0, repeats=True),
    "C2fPSA": Module(blocks.add_c2f_psa, scaled=0, repeats=True),
    "A2C2f": Module(blocks.add_a2c2f, scaled=0, repeats=True, adjust=_add_residual, is_new=True),
    "ResNetLayer": Module(blocks.add_stated_resnet_layer),
    "CBLinear": Module(blocks.add_cb_linear),
    "CBFuse": Module(blocks.add_cb_fuse, many=True, parts=True),
    "Concat": Module(blocks.add_concat, many=True),
    "Classify": Module(heads.add_classify, scaled=0),
    "Detect": Module(heads.add_detect, many=True, adjust=_set_style),
    "v10Detect": Module(heads.add_v10_detect, many=True),
    "Segment": Module(heads.add_segment, scaled=2, many=True, adjust=_set_style),
    "Segment26": Module(heads.add_segment26, scaled=2, many=True, adjust=_set_style),
    "SemanticSegment": Module(heads.add_semantic_segment, many=True),
    "Pose": Module(heads.add_pose, many=True, adjust=_set_style),
    "Pose26": Module(heads.add_pose26, many=True, adjust=_set_style),
    "OBB": Module(heads.add_obb, many=True, adjust=_set_style),
    "OBB26": Module(heads.add_obb26, many=True, adjust=_set_style),
    "Depth": Module(heads.add_depth, many=True),
    "nn.AdaptiveAvgPool2d": Module(torch_modules.add_adaptive_avg_pool),
    "nn.AvgPool2d": Module(torch_modules.add_avg_pool),
    "nn.BatchNorm2d": Module(torch_modules.add_batch_norm),
    "nn.ConvTranspose2d": Module(torch_modules.add_conv_transpose2d, scaled=0),
    "nn.Dropout": Module(torch_modules.add_dropout),
    "nn.Identity": Module(torch_modules.add_identity),
    "nn.LeakyReLU": Module(torch_modules.add_leaky_relu),
    "nn.MaxPool2d": Module(torch_modules.add_max_pool),
    "nn.ReLU": Module(torch_modules.add_relu),
    "nn.Sigmoid": Module(torch_modules.add_sigmoid),
    "nn.SiLU": Module(torch_modules.add_silu),
    "nn.Upsample": Module(torch_modules.add_upsample),
    "nn.ZeroPad2d": Module(torch_modules.add_zero_pad),
}
