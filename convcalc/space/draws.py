"""Draws rows of a design space at random; the same seed gives the same rows on every machine and Python version.

The random integers are SHAKE-256 of the text `convcalc:<seed>:<name of the stream>:<number of the block>`, in blocks of
32,768 bytes. An integer below n is read from the next ⌈bits of n / 8⌉ + 8 bytes, big-endian, modulo n, so that its bias
is below 2⁻⁶⁴. At the end of a block, bytes that are too few for the next integer are skipped.

For example, `draw_rows(10**19, 2, seed=0)` returns the numbers of two rows.
"""

from collections.abc import Sequence
from math import prod

_BLOCK = 32_768  # bytes per block
MOST_DRAWN = 1_000_000  # limit of rows, whose numbers are held in memory


class RandomIntegers:
    """A stream of random integers, which depends only on the seed and the name of the stream."""

    def __init__(self, seed: int, name: str) -> None:
        self.name = f"convcalc:{seed}:{name}"
        self.blocks = 0
        self.bytes = b""
        self.position = 0

    def draw_below(self, limit: int) -> int:
        """Return the next integer from 0 to `limit` - 1."""
        length = (limit.bit_length() + 7) // 8 + 8
        if self.position + length > len(self.bytes):
            self._make_block(length)
        start, self.position = self.position, self.position + length
        return int.from_bytes(self.bytes[start : self.position], "big") % limit

    def _make_block(self, least: int) -> None:
        from hashlib import shake_256  # imported only here: it loads OpenSSL

        name = f"{self.name}:{self.blocks}".encode()
        self.bytes = shake_256(name).digest(max(_BLOCK, least))
        self.blocks, self.position = self.blocks + 1, 0


def draw_rows(count: int, size: int, seed: int) -> list[int]:
    """Return `size` different numbers below `count`, each set of numbers equally likely, in the order of drawing.

    The first rows of a larger sample with the same seed are a smaller sample. All are returned if `size` is at least
    `count`.
    """
    return _shuffle(count, size, RandomIntegers(seed, "sample"))


def _shuffle(count: int, size: int, integers: RandomIntegers) -> list[int]:
    """Return the first `size` of the numbers 0, 1, …, `count` - 1 after a shuffle of Fisher and Yates.

    Only the numbers that were swapped are stored.
    """
    swapped: dict[int, int] = {}
    drawn = []
    for place in range(min(size, count)):
        other = place + integers.draw_below(count - place)
        drawn.append(swapped.get(other, other))
        swapped[other] = swapped.get(place, place)
    return drawn


def draw_latin_hypercube(counts: Sequence[int], size: int, seed: int) -> list[int]:
    """Return the numbers of `size` rows whose values are spread evenly for each parameter.

    `counts` has the number of values of each parameter. The values of a parameter are divided into `size` equal parts,
    and a shuffle gives each row a different part; within the part, the value is drawn at random (McKay, Beckman and
    Conover 1979). If `size` is a multiple of the number of values, every value is drawn equally often. The same row can
    be drawn twice.
    """
    rows = [0] * size
    for index, count in enumerate(counts):
        integers = RandomIntegers(seed, f"lhs {index}")
        period = prod(counts[index + 1 :])
        for row, part in enumerate(_shuffle(size, size, integers)):
            # part ≤ position < part + 1, in units of 2⁻⁶⁴
            position = (part << 64) + integers.draw_below(1 << 64)
            rows[row] += (position * count // (size << 64)) * period
    return rows
