"""How a module is made, as data: nothing here knows PyTorch.

`nn.Conv2d` is a class of torch.nn, a name without a dot one of extra_modules.py.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from convcalc.arguments import PerAxisPadding

REQUIRED = object()


class Argument(NamedTuple):
    """An argument with its default: required ones are written without their names."""

    name: str
    value: Any
    default: Any = REQUIRED


class Call(NamedTuple):
    """How a module is made."""

    target: str
    arguments: tuple[Argument, ...] = ()


class Made(NamedTuple):
    """The module of a layer, and the padding before or cutting after it that PyTorch's module has not."""

    module: Call
    before: Call | None = None
    after: Call | None = None


Maker = Callable[[Any], Made]


def simple(values: Any) -> Any:
    """One value where all axes have the same, else a tuple."""
    return values[0] if len(set(values)) == 1 else tuple(values)


def sides(padding: PerAxisPadding) -> Any:
    """Padding as PyTorch's padding modules take it: the last axis first."""
    return simple([side for pair in reversed(padding) for side in pair])


def module(name: str, axes: int, *arguments: Argument) -> Call:
    """A class of torch.nn that is there for one, two and three axes."""
    return Call(f"nn.{name}{axes}d", arguments)


def zero_pad(padding: PerAxisPadding) -> Call:
    """Zeros around."""
    return module("ZeroPad", len(padding), Argument("padding", sides(padding)))


def symmetric(padding: PerAxisPadding) -> bool:
    """Whether every axis has as much before as after."""
    return all(before == after for before, after in padding)


def crop_call(amount: PerAxisPadding) -> Call:
    """Borders cut off."""
    return Call("Crop", (Argument("amount", tuple(amount)),))
