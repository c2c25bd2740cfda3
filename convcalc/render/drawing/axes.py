"""Chooses round numbers for the ticks of an axis, in decimal steps or in powers of two."""

from math import ceil, floor, log2, log10


def choose_ticks(low: float, high: float, most: int) -> list[int]:
    """Return at most `most` whole numbers in the range, at steps of 1, 2 or 5 times a power of ten."""
    step = _round_step((high - low) / max(most, 1), (1, 2, 5, 10), 10)
    return list(range(ceil(low / step) * step, floor(high) + 1, step))


def choose_binary_ticks(high: int, most: int) -> list[int]:
    """Return at most `most` + 1 numbers of bytes from 0 to `high`, at steps of a power of two."""
    step = 2 ** max(ceil(log2(high / most)), 0) if high > most else 1
    return list(range(0, high + 1, step))


def _round_step(least: float, factors: tuple[int, ...], base: int) -> int:
    power = base ** max(floor(log10(least)), 0) if least > 1 else 1
    return next(factor * power for factor in factors if factor * power >= least)
