"""Represents calls that create PyTorch modules as data, so that this file does not need PyTorch.

The target `nn.Conv2d` is a class of torch.nn; a target without a dot, such as `BlurPool`, is a class of
extra_modules.py.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from convcalc.arguments import PerAxisPadding

REQUIRED = object()


class CallArgument(NamedTuple):
    """An argument with its default; required arguments are written without their names."""

    name: str
    value: Any
    default: Any = REQUIRED


class ModuleCall(NamedTuple):
    """A call that creates a module: its class and arguments."""

    target: str
    arguments: tuple[CallArgument, ...] = ()


class LayerModules(NamedTuple):
    """The modules of a layer: the main one, and any padding before or cropping after it that it cannot do itself."""

    module: ModuleCall
    before: ModuleCall | None = None
    after: ModuleCall | None = None


Maker = Callable[[Any], LayerModules]


def collapse_equal(values: Any) -> Any:
    """Return a single value if all axes have the same one, else a tuple."""
    return values[0] if len(set(values)) == 1 else tuple(values)


def list_sides(padding: PerAxisPadding) -> Any:
    """Return padding in the order of PyTorch's padding modules: the last axis first."""
    return collapse_equal([side for pair in reversed(padding) for side in pair])


def call_nn(name: str, axes: int, *arguments: CallArgument) -> ModuleCall:
    """Return a call of a torch.nn class that exists for one, two and three axes: `Conv` and 2 is `nn.Conv2d`."""
    return ModuleCall(f"nn.{name}{axes}d", arguments)


_PADDINGS = {"zeros": "ZeroPad", "reflect": "ReflectionPad", "replicate": "ReplicationPad", "circular": "CircularPad"}


def call_pad(padding: PerAxisPadding, mode: str = "zeros") -> ModuleCall:
    """Return a call that pads in one of the modes of PyTorch's convolutions."""
    return call_nn(_PADDINGS[mode], len(padding), CallArgument("padding", list_sides(padding)))


def is_symmetric(padding: PerAxisPadding) -> bool:
    """Whether every axis has the same padding before and after."""
    return all(before == after for before, after in padding)


def call_crop(amount: PerAxisPadding) -> ModuleCall:
    """Return a call that crops each axis before and after."""
    return ModuleCall("Crop", (CallArgument("amount", tuple(amount)),))
