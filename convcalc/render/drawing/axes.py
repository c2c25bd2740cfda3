"""Chooses round numbers for the ticks of an axis: in decimal steps, in powers of two, or on a logarithmic scale."""

from fractions import Fraction
from math import ceil, floor, log, log2, log10

_NEAR = 1e-9  # tolerance relative to a step, so that rounding does not lose a tick at the end


def choose_ticks(low: float, high: float, most: int) -> list[int]:
    """Return at most `most` whole numbers in the range, at steps of 1, 2 or 5 times a power of ten."""
    step = _choose_step(max((high - low) / max(most, 1), 1))
    return [int(number * step) for number in range(ceil(low / step), floor(high / step) + 1)]


def choose_steps(low: float, high: float, most: int) -> list[float]:
    """Return at most `most` + 1 numbers in the range, at steps of 1, 2 or 5 times a power of ten, also below 1.

    >>> choose_steps(0.62, 0.81, 5)
    [0.65, 0.7, 0.75, 0.8]
    """
    step = _choose_step((high - low) / max(most, 1))
    first, last = ceil(low / float(step) - _NEAR), floor(high / float(step) + _NEAR)
    return [float(number * step) for number in range(first, last + 1)]


def choose_binary_ticks(high: float, most: int, low: float = 0) -> list[int]:
    """Return at most `most` + 1 numbers of bytes in the range, at steps of a power of two."""
    step: int = 2 ** max(ceil(log2((high - low) / most)), 0) if high - low > most else 1
    return list(range(ceil(low / step) * step, floor(high) + 1, step))


def choose_log_ticks(low: float, high: float, most: int, base: int = 10) -> list[float]:
    """Return at most `most` + 1 numbers for a logarithmic axis: powers of the base, or every n-th of them.

    If the range has fewer than three powers of ten, 2 and 5 times these are added, and if that is not enough either,
    the numbers have equal steps.

    >>> choose_log_ticks(3, 60, 6)
    [5.0, 10.0, 20.0, 50.0]
    """
    first, last = ceil(log(low, base) - _NEAR), floor(log(high, base) + _NEAR)
    powers = [Fraction(base) ** exponent for exponent in range(first, last + 1)]
    if len(powers) < 3 and base == 10:
        multiples = [factor * Fraction(10) ** power for power in range(first - 1, last + 1) for factor in (1, 2, 5)]
        powers = [number for number in multiples if low * (1 - _NEAR) <= number <= high * (1 + _NEAR)]
    if len(powers) < 3:
        return choose_steps(low, high, most) if base == 10 else [*map(float, choose_binary_ticks(high, most, low))]
    every = -(-len(powers) // (most + 1))
    return [float(number) for number in powers[::every]]


def _choose_step(least: float) -> Fraction:
    """Return the smallest 1, 2 or 5 times a power of ten that is at least the given number."""
    power = Fraction(10) ** floor(log10(least))
    return next((factor * power for factor in (1, 2, 5) if factor * power >= least), 10 * power)
