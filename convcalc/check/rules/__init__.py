"""Lists all lint rules. To add a rule, write its file in this folder and add its class to the list."""

from collections.abc import Iterable

from convcalc.check.rule import Rule
from convcalc.check.rules.aliasing import Aliasing
from convcalc.check.rules.batch_norm_of_a_point import BatchNormOfAPoint
from convcalc.check.rules.bias_before_norm import BiasBeforeNorm
from convcalc.check.rules.channel_multiple import ChannelMultiple
from convcalc.check.rules.checkerboard import Checkerboard
from convcalc.check.rules.dropout_before_batchnorm import DropoutBeforeBatchnorm
from convcalc.check.rules.even_kernel_same import EvenKernelSame
from convcalc.check.rules.field_under_input import FieldUnderInput
from convcalc.check.rules.gridding import Gridding
from convcalc.check.rules.heavy_head import HeavyHead
from convcalc.check.rules.instance_norm_of_a_point import InstanceNormOfAPoint
from convcalc.check.rules.late_pooling import LatePooling
from convcalc.check.rules.misaligned_merge import MisalignedMerge
from convcalc.check.rules.misread_input import MisreadInput
from convcalc.check.rules.padding_only_window import PaddingOnlyWindow
from convcalc.check.rules.repeated_activation import RepeatedActivation
from convcalc.check.rules.stacked_linear import StackedLinear
from convcalc.check.rules.uneven_padding import UnevenPadding
from convcalc.check.rules.unproductive_layers import UnproductiveLayers
from convcalc.check.rules.unread_input import UnreadInput
from convcalc.check.rules.unread_output import UnreadOutput

LIST: tuple[type[Rule], ...] = (
    UnreadInput,
    PaddingOnlyWindow,
    Checkerboard,
    Gridding,
    MisalignedMerge,
    BiasBeforeNorm,
    UnreadOutput,
    StackedLinear,
    InstanceNormOfAPoint,
    DropoutBeforeBatchnorm,
    LatePooling,
    RepeatedActivation,
    MisreadInput,
    Aliasing,
    UnproductiveLayers,
    FieldUnderInput,
    UnevenPadding,
    EvenKernelSame,
    BatchNormOfAPoint,
    ChannelMultiple,
    HeavyHead,
)


def index_by_code(rules: Iterable[type[Rule]]) -> dict[str, type[Rule]]:
    """Return the rules as a dict by code. Raises ValueError if two rules have the same code or name."""
    found: dict[str, type[Rule]] = {}
    for rule in rules:
        for other in found.values():
            if rule.code == other.code or rule.name == other.name:
                raise ValueError(f"{rule.__name__} and {other.__name__} share a code or name: {rule.code} {rule.name}")
        found[rule.code] = rule
    return found


RULES = index_by_code(LIST)
