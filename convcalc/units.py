"""Reads and formats quantities: counts (`5M`), memory (`4 MiB`) and data types (`int8`)."""

import re
from typing import NamedTuple

BITS: dict[str, int] = {
    "float64": 64,
    "float32": 32,
    "float16": 16,
    "bfloat16": 16,
    "float8": 8,
    **{f"{sign}int{bits}": bits for bits in (32, 16, 8, 4, 2, 1) for sign in ("", "u")},
}
COUNT_SUFFIXES: dict[str, int] = {"": 1, "K": 1000, "M": 1000**2, "G": 1000**3, "T": 1000**4}
MEMORY_SUFFIXES: dict[str, int] = {
    "B": 1,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
}
DURATION_SUFFIXES: dict[str, int] = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9}
DTYPE_ALIASES = {"half": "float16", "fp16": "float16", "fp32": "float32", "f32": "float32", "double": "float64"}
MOST_QUANTITY_DIGITS = 40


class Dtype(NamedTuple):
    """The data types of weights (and buffers), of activations, and of biases."""

    weights: str = "float32"
    activations: str = "float32"
    bias: str = "float32"


def is_integer_type(dtype: str) -> bool:
    """Return whether a data type holds integers."""
    return "int" in dtype


def tensor_bytes(elements: int, dtype: str) -> int:
    """Return the bytes of one tensor, rounded up to an integer."""
    return -(-elements * BITS[dtype] // 8)


def parse_quantity(text: str, suffixes: dict[str, int]) -> int:
    """Return the integer that a text such as `5M`, `0.5 G` or `256 KiB` means.

    Raises ValueError if the text is not a number with one of the suffixes, or not an integer. The message describes a
    valid text, such as `an integer`.
    """
    from fractions import Fraction  # imported only when a budget is read: it costs start-up time

    match = re.fullmatch(r"([0-9]+(?:_[0-9]+)*(?:\.[0-9]+)?) ?([A-Za-z]*)", text, re.ASCII)
    if match is None or match[2] not in suffixes:
        plain = ", plain or" if "" in suffixes else ""
        raise ValueError(f"a number{plain} with one of the suffixes {' '.join(filter(None, suffixes))}")
    if len(match[1]) > MOST_QUANTITY_DIGITS:
        raise ValueError(f"a number of at most {MOST_QUANTITY_DIGITS} digits")
    value = Fraction(match[1].replace("_", "")) * suffixes[match[2]]
    if value.denominator != 1:
        raise ValueError("an integer")
    return int(value)


def suggest_quantity(text: str, suffixes: dict[str, int]) -> str:
    """Return the quantity that a malformed text probably means, in the form that `parse_quantity` reads; otherwise "".

    >>> [suggest_quantity(text, COUNT_SUFFIXES) for text in ("5e6", "5,000,000", "5MB", "5m", "-5M")]
    ['5M', '5M', '5M', '5M', '5M']
    """
    from fractions import Fraction

    number = r"([0-9]{1,3}(?:,[0-9]{3})+|[0-9]+(?:\.[0-9]+)?)(?:[eE]\+?([0-9]|1[0-9]))?"
    match = re.fullmatch(rf"[-+]?{number}( ?)([A-Za-z]*)", text, re.ASCII)
    suffix = None if match is None else _find_suffix(match[4], suffixes)
    if match is None or suffix is None or len(text) > MOST_QUANTITY_DIGITS:
        return ""
    digits = match[1].replace(",", "")
    value = Fraction(digits) * 10 ** int(match[2] or 0) * suffixes[suffix]
    if value.denominator != 1:
        return ""
    is_expanded = match[2] is not None or digits != match[1]
    return _shorten_quantity(int(value), suffixes) if is_expanded else f"{digits}{match[3]}{suffix}"


def _find_suffix(unit: str, suffixes: dict[str, int]) -> str | None:
    """Return the suffix that a malformed unit probably means, such as `M` for `MB` in a count; otherwise None."""
    if unit in suffixes:
        return unit
    if "" not in suffixes:
        meant = next((suffix for suffix in suffixes if suffix.lower() == (unit.lower() or "b")), None)
        return meant.replace("B", "iB") if meant in ("KB", "MB", "GB") else meant  # memory is mostly in powers of 1024
    letter = "G" if unit in ("b", "B") else re.sub("(?<=.)i?b$", "", unit, flags=re.IGNORECASE).upper()  # B: billion
    return letter if letter in suffixes else None


def _shorten_quantity(value: int, suffixes: dict[str, int]) -> str:
    """Return a quantity exactly, with the largest suffix that needs at most two decimals: `5M`, `5.25MB`, `5000001`."""
    from fractions import Fraction

    decimal = [(suffix, factor) for suffix, factor in suffixes.items() if "i" not in suffix]
    for suffix, factor in reversed(decimal):
        hundredths = Fraction(100 * value, factor)
        if hundredths >= 100 and hundredths.denominator == 1:
            whole, decimals = divmod(int(hundredths), 100)
            return f"{whole}.{decimals:02}".rstrip("0").rstrip(".") + suffix
    return f"{value}{decimal[0][0]}"


def format_exact(value: int | None) -> str:
    """Return a number with all digits, in groups of three: `25,557,032`; `?` if the value is unknown."""
    return "?" if value is None else f"{value:,}"


def format_count(value: int | None) -> str:
    """Return a number with three or four digits and K, M, G or T: 25557032 is `25.56 M`; `?` if it is unknown."""
    return "?" if value is None else _scaled(value, 1000, ("", "K", "M", "G", "T", "P"))


def format_bytes(value: int | None) -> str:
    """Return bytes with three or four digits and KiB, MiB or GiB: 102228128 is `97.49 MiB`; `?` if unknown."""
    return "?" if value is None else _scaled(value, 1024, ("B", "KiB", "MiB", "GiB", "TiB", "PiB"))


def format_duration(seconds: float | None) -> str:
    """Return a duration with three digits and s, ms, µs or ns: 0.0123 is `12.3 ms`; `?` if it is unknown."""
    if seconds is None:
        return "?"
    unit, scale = choose_scale(seconds, DURATION_UNITS)
    return f"{format_digits(seconds / scale)} {unit}"


DURATION_UNITS = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9))


def choose_scale(value: float, units: tuple[tuple[str, float], ...]) -> tuple[str, float]:
    """Return the first of the units, largest first, in which a value is at least 1; else the last."""
    return next((pair for pair in units if value >= 0.9995 * pair[1]), units[-1])


def format_digits(value: float) -> str:
    """Return a number with at least three digits: `1.23`, `12.3`, `1,234`; `0` for 0; `1.23e+09` from a million."""
    if value == 0:
        return "0"
    if value >= 1e6:
        return f"{value:.3g}"
    return f"{value:,.{2 if value < 9.995 else 1 if value < 99.95 else 0}f}"


def _scaled(value: int, base: int, suffixes: tuple[str, ...]) -> str:
    scaled: float = value
    for suffix in suffixes:
        if abs(scaled) < 999.95 or suffix == suffixes[-1]:
            break
        scaled /= base
    if scaled == value:
        return f"{value:,} {suffix}".rstrip()
    digits = 2 if abs(scaled) < 99.995 else 1
    return f"{scaled:,.{digits}f} {suffix}"
