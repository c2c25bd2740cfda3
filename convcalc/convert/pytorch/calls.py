"""Describes calls that create PyTorch modules, such as `nn.Conv2d(3, 8, 1)`, as data that do not need PyTorch.

The target of a call is the class: `nn.Conv2d` is a class of torch.nn, and a target without a dot, such as `BlurPool`,
is a class of extra_modules.py.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from convcalc.arguments import PerAxisPadding

REQUIRED = object()


class CallArgument(NamedTuple):
    """An argument of a call; `default` is REQUIRED if the parameter has no default.

    A required argument is written without its name. Any other argument is written with its name, such as `stride=2`,
    and only if it differs from the default.
    """

    name: str
    value: Any
    default: Any = REQUIRED


class ModuleCall(NamedTuple):
    """A call that creates a module: its class and arguments."""

    target: str
    arguments: tuple[CallArgument, ...] = ()


class LayerModules(NamedTuple):
    """The calls that create a layer's modules: the main module, a padding before it and a crop after it.

    `before` and `after` are None if the main module supports the layer's padding.
    """

    module: ModuleCall
    before: ModuleCall | None = None
    after: ModuleCall | None = None


Maker = Callable[[Any], LayerModules]


def collapse_equal(values: Any) -> Any:
    """Return a single value if all values are equal, else a tuple of them: 3 for (3, 3)."""
    return values[0] if len(set(values)) == 1 else tuple(values)


def list_sides(padding: PerAxisPadding) -> Any:
    """Return padding as PyTorch's padding modules expect it: (left, right, top, bottom) for two axes.

    If all of these are equal, a single number is returned.
    """
    return collapse_equal([side for pair in reversed(padding) for side in pair])


def call_nn(name: str, axes: int, *arguments: CallArgument) -> ModuleCall:
    """Return a call of a torch.nn class for a number of spatial axes, such as `nn.Conv2d` for `Conv` and 2 axes."""
    return ModuleCall(f"nn.{name}{axes}d", arguments)


_PADDINGS = {"zeros": "ZeroPad", "reflect": "ReflectionPad", "replicate": "ReplicationPad", "circular": "CircularPad"}


def call_pad(padding: PerAxisPadding, mode: str = "zeros") -> ModuleCall:
    """Return a call of a padding module; `mode` is a padding mode of PyTorch's convolutions, such as `reflect`."""
    return call_nn(_PADDINGS[mode], len(padding), CallArgument("padding", list_sides(padding)))


def is_symmetric(padding: PerAxisPadding) -> bool:
    """Whether every axis has the same padding before and after."""
    return all(before == after for before, after in padding)


def call_crop(amount: PerAxisPadding) -> ModuleCall:
    """Return a call of `Crop`, which removes `amount` positions before and after each spatial axis."""
    return ModuleCall("Crop", (CallArgument("amount", tuple(amount)),))
