"""How a module is made, as data: nothing here knows PyTorch.

`nn.Conv2d` is a class of torch.nn, a name without a dot one of extra_modules.py.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from convcalc.arguments import PerAxisPadding

REQUIRED = object()


class CallArgument(NamedTuple):
    """An argument with its default: required ones are written without their names."""

    name: str
    value: Any
    default: Any = REQUIRED


class ModuleCall(NamedTuple):
    """How a module is made."""

    target: str
    arguments: tuple[CallArgument, ...] = ()


class LayerModules(NamedTuple):
    """The module of a layer, and the padding before or cutting after it that PyTorch's module has not."""

    module: ModuleCall
    before: ModuleCall | None = None
    after: ModuleCall | None = None


Maker = Callable[[Any], LayerModules]


def collapse_equal(values: Any) -> Any:
    """One value where all axes have the same, else a tuple."""
    return values[0] if len(set(values)) == 1 else tuple(values)


def list_sides(padding: PerAxisPadding) -> Any:
    """Padding as PyTorch's padding modules take it: the last axis first."""
    return collapse_equal([side for pair in reversed(padding) for side in pair])


def call_nn(name: str, axes: int, *arguments: CallArgument) -> ModuleCall:
    """A class of torch.nn that is there for one, two and three axes."""
    return ModuleCall(f"nn.{name}{axes}d", arguments)


def call_zero_pad(padding: PerAxisPadding) -> ModuleCall:
    """Zeros around."""
    return call_nn("ZeroPad", len(padding), CallArgument("padding", list_sides(padding)))


def is_symmetric(padding: PerAxisPadding) -> bool:
    """Whether every axis has as much before as after."""
    return all(before == after for before, after in padding)


def call_crop(amount: PerAxisPadding) -> ModuleCall:
    """Borders cut off."""
    return ModuleCall("Crop", (CallArgument("amount", tuple(amount)),))
