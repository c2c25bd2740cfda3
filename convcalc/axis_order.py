"""Detects shapes in the order of another framework: with the batch size in front, or with the channels last.

convcalc takes the shape of one sample, channels first. PyTorch prints (1, 3, 224, 224), Keras (224, 224, 3): both are
valid shapes in convcalc too, but of another network. A shape in such an order is reported, never changed. For both
examples, the report suggests (3, 224, 224).
"""

from collections.abc import Sequence
from typing import NamedTuple

_IMAGE_CHANNELS = (1, 3, 4)


class Misreading(NamedTuple):
    """Why a shape seems to be in another order, and the sizes that were probably meant, channels first.

    `is_override` is true if the shape was given outside the spec and replaces the shape in it.
    """

    why: str
    likely: tuple[int, ...]
    is_override: bool = False


class SizeCorrection(NamedTuple):
    """The corrected sizes for a shape with a wrong number of sizes, and the batch size if the shape contained one."""

    advice: str
    sizes: tuple[int, ...]
    batch: int | None = None


def find_misreading(sizes: Sequence[int], may_hold_batch: bool = True) -> Misreading | None:
    """Return why a shape seems to be in another order; None if it seems to be channels first and without a batch.

    A leading 1 before three sizes looks like a batch size. A last size of 1, 3 or 4 after two equal, larger sizes
    looks like the channels. Pass `may_hold_batch=False` if the number of sizes is known to be right.
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


def describe_wrong_number_of_sizes(given: Sequence[int], own: Sequence[int], option: str, own_input: str) -> str:
    """Return the message for a shape with more or fewer sizes than the input that it replaces.

    `given` are the sizes given with `option`, such as `--input`. `own` are the sizes of the input in the spec (0:
    unknown). `own_input` is the name of that input in the message.
    """
    known = "×".join(str(size or "?") for size in own)
    return f"{option} has {_count_sizes(given)}, but {own_input} {known} has {len(own)}"


def _count_sizes(sizes: Sequence[int]) -> str:
    return f"{len(sizes)} size{'' if len(sizes) == 1 else 's'}"


def suggest_sizes(given: Sequence[int], own: Sequence[int]) -> SizeCorrection:
    """Return corrected sizes if `given` has more or fewer sizes than `own`, the sizes of the input in the spec."""
    if len(given) == len(own) + 1:
        batch, sample = given[0], tuple(given[1:])
        if sample[0] != own[0] and sample[-1] == own[0]:
            return SizeCorrection("leave out the batch size and put the channels first", (own[0], *sample[:-1]), batch)
        if sample[0] == own[0] or batch == 1:
            return SizeCorrection("leave out the batch size", sample, batch)
    if len(given) == len(own) - 1 and len(given) > 1 and given[0] != own[0]:
        return SizeCorrection("put the channels first", (own[0], *given))
    return SizeCorrection(f"give {len(own)} {'size' if len(own) == 1 else 'sizes, channels first'}", tuple(own))
