"""Computes exact sets of positions along an axis. A set is an integer: bit i is 1 if position i is in the set.

With a kernel of 3, stride 2 and padding 1, the outputs 0 and 1 read the inputs 0 to 3:

>>> from convcalc.intervals import sliding_window
>>> find_read_positions(sliding_window(3, 2, 1, 1), outputs=0b11, size=8) == 0b1111
True

A receptive field (`convcalc.intervals`) is an interval on an axis without ends. A set respects the ends of every
tensor, so it contains no positions in padding and none that were cropped before.
"""

from collections.abc import Iterable
from itertools import pairwise
from math import prod

from convcalc.caching import remember
from convcalc.intervals import Reads

ALL = -1  # the set of all positions, whatever the size of the axis: every bit is 1
MOST_BITS = 1 << 24  # most positions in one set, which then takes 2 MiB
Sets = tuple[int, ...]  # one set per axis; a set of features for a vector


class TooLarge(ValueError):
    """Raised if a set would have more than MOST_BITS positions."""


def full_set(count: int) -> int:
    """Return the set of the positions 0 to count - 1. Raises TooLarge if `count` exceeds MOST_BITS."""
    if count > MOST_BITS:
        raise TooLarge
    return (1 << count) - 1


def bound_set(positions: int, count: int) -> int:
    """Return the set, or the positions 0 to count - 1 for ALL. Raises TooLarge if these exceed MOST_BITS."""
    return full_set(count) if positions == ALL else positions


def find_ends(positions: int, count: int) -> tuple[int, int] | None:
    """Return the first and the last position of a set on an axis of `count` positions; None if it is empty."""
    if positions == ALL:
        return 0, count - 1
    return ((positions & -positions).bit_length() - 1, positions.bit_length() - 1) if positions else None


def find_read_positions(reads: Reads, outputs: int, size: int) -> int:
    """Return the set of input positions that the output positions `outputs` read.

    `size` is the number of positions of the input. Raises TooLarge if a set needs more than MOST_BITS bits.
    """
    inside = full_set(size)
    if reads.period == reads.shift == 1:
        return _find_inputs_of_residue(reads, 0, outputs) & inside
    digits = bin(outputs)[:1:-1]  # digit i is 1 if position i is in the set
    found = 0
    for residue, low, high in zip(range(len(digits)), reads.low, reads.high, strict=False):
        if low is None or high is None:
            continue
        first, last = 0, len(digits)
        if reads.shift:  # only the periods whose window touches the input
            first, last = max(-(high // reads.shift), 0), (size - 1 - low) // reads.shift
        starts = _place_digits(digits[residue :: reads.period][first : last + 1], reads.shift)
        found |= _find_inputs_of_residue(reads, residue, starts, first * reads.shift) & inside
    return found


def _find_inputs_of_residue(reads: Reads, residue: int, starts: int, offset: int = 0) -> int:
    """Return the input positions that are read by outputs with the remainder `residue` modulo the period.

    Each s in the set `starts` stands for one of these outputs: it reads the interval of output `residue`, moved by s +
    `offset`. Raises TooLarge if that interval is longer than MOST_BITS.
    """
    low, high = reads.low[residue], reads.high[residue]
    if low is None or high is None:
        return 0
    if high - low > MOST_BITS:
        raise TooLarge
    taps = _repeat_positions(starts, reads.step, (high - low) // reads.step + 1)
    low += offset
    return taps << low if low >= 0 else taps >> -low


def _place_digits(digits: str, step: int) -> int:
    """Return the set that has index × step for every digit 1: `101` with step 2 is the set {0, 4}."""
    if "1" not in digits:
        return 0
    return int(("0" * (step - 1)).join(digits)[::-1], 2) if step else 1


def _repeat_positions(positions: int, step: int, count: int) -> int:
    """Return the set in which each position p becomes p, p + step, …, p + (count - 1) × step."""
    done = 1
    while done < count and positions:
        more = min(done, count - done)
        positions |= positions << step * more
        done += more
    return positions


@remember
def reads_every_position(reads: Reads, outputs: int, size: int) -> bool:
    """Whether all outputs together read every input; also False if the sets to compare would exceed MOST_BITS."""
    if _is_gapless(reads, outputs):
        first, last = reads.at(0), reads.at(outputs - 1)
        if first is not None and last is not None and first[0] <= 0 and last[1] >= size - 1:
            return True
    if _skips_position(reads, size):
        return False
    try:
        return find_read_positions(reads, full_set(outputs), size) == full_set(size)
    except TooLarge:
        return False


def _skips_position(reads: Reads, size: int) -> bool:
    """Whether the input after the interval of output 0 exists and is before that of output 1; False if uncertain.

    This handles 1×1 convolutions with a stride without computing sets.
    """
    first, second = reads.at(0), reads.at(1)
    if reads.period > 1 or first is None or second is None:
        return False
    return 0 <= first[1] + 1 < size and first[1] + 1 < second[0]


def _is_gapless(reads: Reads, outputs: int) -> bool:
    """Whether neighbouring outputs read intervals with no input position between them; False if this is uncertain."""
    if reads.step > 1:
        return reads.period == reads.shift == 1 and outputs >= reads.step
    spans = [reads.at(position) for position in range(min(reads.period + 1, outputs))]
    known = [span for span in spans if span is not None]
    return all(low <= high + 1 for (_, high), (low, _) in pairwise(known))


# -- flattened tensors, channels first


def flatten_sets(sets: Sets, spatial: Iterable[int], channels: int) -> int:
    """Return the set of features into which a flatten layer turns some positions of a tensor, in all channels.

    `sets` holds the positions along each axis, and `spatial` the size of each axis. Raises TooLarge if the set of
    features would need more than MOST_BITS bits.
    """
    block, count = 1, 1
    for axis, size in reversed(list(zip(sets, spatial, strict=True))):
        block, count = _repeat_block(block, count, axis), count * size
    return _repeat_block(block, count, full_set(channels))


def _repeat_block(block: int, count: int, places: int) -> int:
    """Return the set {p + n × count} for all p in the set `block` and all n in the set `places`.

    Raises TooLarge if it could contain a position above MOST_BITS.
    """
    if (places.bit_length() + 1) * count > MOST_BITS:
        raise TooLarge
    if places & (places + 1) == 0:  # all positions from 0 to a last one
        return _repeat_positions(block, count, places.bit_length()) if places else 0
    return sum(block << count * place for place, digit in enumerate(bin(places)[:1:-1]) if digit == "1")


def unflatten_features(features: int, spatial: tuple[int, ...], channels: int) -> Sets:
    """Return, per axis, the positions of a tensor that a flatten layer turns into `features`.

    Raises TooLarge if the tensor has more than MOST_BITS elements.
    """
    count = prod(spatial)
    if channels * count > MOST_BITS:
        raise TooLarge
    positions = _reduce_modulo(features, count)
    sets = []
    for size in spatial:
        count //= size
        digits = bin(positions)[:1:-1]
        rows = [place for place in range(size) if "1" in digits[place * count : (place + 1) * count]]
        sets.append(sum(1 << row for row in rows))
        positions = _reduce_modulo(positions, count)
    return tuple(sets)


def _reduce_modulo(positions: int, count: int) -> int:
    folded, part = 0, full_set(count)
    while positions:
        folded |= positions & part
        positions >>= count
    return folded
