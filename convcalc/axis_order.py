"""Detects shapes in the order of another framework: with the batch size in front, or with the channels last.

convcalc takes the shape of one sample, channels first. PyTorch prints (1, 3, 224, 224), Keras (224, 224, 3): both are
valid shapes in convcalc too, but of another network. A shape in such an order is reported, never changed. For both
examples, the report suggests (3, 224, 224).
"""

from collections.abc import Sequence
from typing import NamedTuple

_IMAGE_CHANNELS = (1, 3, 4)


class Misreading(NamedTuple):
    """Why a shape seems to be in the axis order of another framework, and the shape that was probably meant.

    `likely` is that shape, channels first. `is_override` is true for a shape that was given outside the spec, as with
    `--input`.
    """

    why: str
    likely: tuple[int, ...]
    is_override: bool = False


def find_misreading(sizes: Sequence[int], may_hold_batch: bool = True) -> Misreading | None:
    """Return why a shape seems to have a batch size or its channels last; None if it does not.

    A leading 1 before three sizes looks like a batch size. A last size of 1, 3 or 4 after two equal, larger sizes looks
    like the channels. With `may_hold_batch=False`, a leading 1 is not taken for a batch size.
    """
    if len(sizes) == 4 and sizes[0] == 1 and may_hold_batch:
        return Misreading("the leading 1 looks like a batch size", _put_channels_first(sizes[1:]))
    if _has_channels_last(sizes):
        return Misreading("the last size looks like the channels", _put_channels_first(sizes))
    return None


def _has_channels_last(sizes: Sequence[int]) -> bool:
    if len(sizes) < 3 or (len(sizes) > 3 and sizes[0] in _IMAGE_CHANNELS):
        return False
    return sizes[-1] in _IMAGE_CHANNELS and sizes[-3] == sizes[-2] > sizes[-1]


def _put_channels_first(sizes: Sequence[int]) -> tuple[int, ...]:
    """Move the last size to the front if it looks like channels; otherwise return the sizes unchanged."""
    return (sizes[-1], *sizes[:-1]) if _has_channels_last(sizes) else tuple(sizes)
