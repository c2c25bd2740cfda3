"""Corrects input shapes with too many or too few sizes: (2, 3, 32, 32) with a batch size becomes (3, 32, 32)."""

from collections.abc import Sequence
from typing import NamedTuple


class SizeCorrection(NamedTuple):
    """A corrected shape for an override with too many or too few sizes: (3, 32, 32) for (2, 3, 32, 32).

    `advice` says what was changed. `batch` is the batch size that the given shape contained, None if it had none.
    """

    advice: str
    sizes: tuple[int, ...]
    batch: int | None = None


def describe_wrong_number_of_sizes(given: Sequence[int], own: Sequence[int], option: str, own_input: str) -> str:
    """Return a message such as `--input has 4 sizes, but the input 3×32×32 has 3`.

    `given` are the sizes given with `option`, here `--input`. `own` are the sizes of the input in the spec (0:
    unknown), and `own_input` is the name of that input in the message.
    """
    known = "×".join(str(size or "?") for size in own)
    return f"{option} has {_count_sizes(given)}, but {own_input} {known} has {len(own)}"


def _count_sizes(sizes: Sequence[int]) -> str:
    return f"{len(sizes)} size{'' if len(sizes) == 1 else 's'}"


def suggest_sizes(given: Sequence[int], own: Sequence[int]) -> SizeCorrection:
    """Return a correction of `given`, which has more or fewer sizes than `own`, the input's sizes in the spec."""
    if len(given) == len(own) + 1:
        batch, sample = given[0], tuple(given[1:])
        if sample[0] != own[0] and sample[-1] == own[0]:
            return SizeCorrection("leave out the batch size and put the channels first", (own[0], *sample[:-1]), batch)
        if sample[0] == own[0] or batch == 1:
            return SizeCorrection("leave out the batch size", sample, batch)
    if len(given) == len(own) - 1 and len(given) > 1 and given[0] != own[0]:
        return SizeCorrection("put the channels first", (own[0], *given))
    return SizeCorrection(f"give {len(own)} {'size' if len(own) == 1 else 'sizes, channels first'}", tuple(own))
