"""Reads the arguments in the configuration of a Keras layer, and checks their types.

For example, `read_per_axis` turns the kernel size 3 of a Conv2D into `[3, 3]`. A value that layer kinds do not support
raises `UnsupportedArgument`.
"""

from collections.abc import Mapping
from typing import Any

from convcalc.arguments import LARGEST
from convcalc.problems import show

KerasConfig = Mapping[str, Any]


class UnsupportedArgument(Exception):
    """Raised for an argument that no layer kind supports. The message completes a text such as "Conv2D with"."""


def has_channels_first(config: KerasConfig) -> bool:
    """Whether a layer's configuration says that its channels are first; by default they are last."""
    return config.get("data_format") == "channels_first"


def read_flag(config: KerasConfig, name: str, default: bool = False) -> bool:
    """Return a boolean argument. Raises UnsupportedArgument if it is not a boolean."""
    value = config.get(name, default)
    if type(value) is not bool:
        raise UnsupportedArgument(f"{name} {show(value)}, which is neither true nor false")
    return value


def read_number(config: KerasConfig, name: str, default: float) -> float:
    """Return a numeric argument, or the default if it is missing or null.

    Raises UnsupportedArgument if it is not a number or too large for a spec.
    """
    value = config.get(name)
    value = default if value is None else value
    if type(value) not in (int, float) or not abs(value) < LARGEST:
        raise UnsupportedArgument(f"{name} {show(value)}, which is not a number that a spec can hold")
    return float(value) if isinstance(value, float) else int(value)


def read_padding(config: KerasConfig, *others: str) -> str:
    """Return the padding of a layer: `valid`, `same`, or one of `others`. Raises UnsupportedArgument otherwise."""
    value = config.get("padding", "valid")
    if value not in ("valid", "same", *others):
        raise UnsupportedArgument(f"padding {show(value)}")
    return str(value)


def read_per_axis(value: Any, axes: int) -> list[int]:
    """Return one integer per axis. The value is a list of them, or one integer for all axes.

    Raises UnsupportedArgument for any other value.
    """
    items = list(value) if isinstance(value, list) else [value] * axes
    if len(items) != axes or not all(type(item) is int for item in items):
        raise UnsupportedArgument(f"{show(value)} instead of {axes} integers")
    return items


def read_pairs(value: Any, axes: int) -> list[list[int]]:
    """Return a pair of integers (before and after) for each axis.

    `value` is an integer for all sides, or a list with one integer or pair per axis. For a single axis, it may also be
    the pair. Raises UnsupportedArgument if it is none of these.
    """
    if axes == 1 and isinstance(value, list) and len(value) == 2:
        value = [value]
    items = value if isinstance(value, list) else [value] * axes
    if len(items) != axes:
        raise UnsupportedArgument(f"{show(value)} instead of {axes} pairs of integers")
    return [read_per_axis(item, 2) for item in items]
