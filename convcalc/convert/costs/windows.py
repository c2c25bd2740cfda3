"""Counts pooling and interpolation."""

from math import prod

from convcalc.convert.costs.cost import Attributes, Cost, Shapes


def average_windows(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count the sum of each window, and a division per output value."""
    taps = prod(attributes["kernel_shape"])
    return Cost(shapes.count_output(), shapes.count_output() * (taps - 1))


def average_regions(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count adaptive pooling as one addition per input value and one division per output."""
    return Cost(shapes.count_output(), shapes.count_input())


def pool_norms(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count an Lp norm of each window."""
    taps = prod(attributes["kernel_shape"])
    return Cost(shapes.count_output() * taps * _squares(attributes), shapes.count_output() * (taps - 1))


def pool_norms_globally(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count an Lp norm of all positions of each channel."""
    values = shapes.count_input()
    return Cost(values * _squares(attributes), values - shapes.count_output())


def divide_by_norm(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count an Lp norm, and a division of each value by it."""
    values = shapes.count_input()
    return Cost(values * (1 + _squares(attributes)), values)


def _squares(attributes: Attributes) -> int:
    """Return the multiplications per value of an Lp norm: 0 for p = 1, 1 for p = 2. Raises ValueError for others."""
    order = attributes.get("p", 2)
    if order not in (1, 2):
        raise ValueError("the powers are not products")
    return int(order) - 1


_TAPS = {"linear": 2, "bilinear": 2, "cubic": 4, "bicubic": 4}


def interpolate(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count one product per tap of each output value, and the additions that sum the taps.

    With k resized axes, an output value has 2^k taps if the interpolation is linear, and 4^k if it is cubic.
    """
    taps = _TAPS.get(str(attributes.get("mode", "nearest")), 0)
    output = shapes.outputs[0] or ()
    pairs = list(zip(shapes.input(0), output, strict=True))
    if attributes.get("antialias") and any(after < before for before, after in pairs):
        raise ValueError("the number of taps depends on the factor")
    axes = sum(before != after for before, after in pairs)
    products = taps**axes if taps and axes else 0
    return Cost(shapes.count_output() * products, shapes.count_output() * max(products - 1, 0))


def sample_grid(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count the taps of each output value as `interpolate` does: 2^k or 4^k for k spatial axes."""
    taps = _TAPS.get(str(attributes.get("mode", "linear")), 0) ** (len(shapes.input(0)) - 2)
    return Cost(shapes.count_output() * taps, shapes.count_output() * max(taps - 1, 0))


def align_regions(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count RoiAlign: `sampling_ratio`² bilinear interpolations per output value, and their average or maximum.

    Raises ValueError if the file does not state `sampling_ratio`.
    """
    ratio = int(attributes.get("sampling_ratio", 0))
    if ratio < 1:
        raise ValueError("the number of samples depends on the regions")
    samples = ratio * ratio
    averaged = attributes.get("mode", "avg") == "avg"
    per_output = 4 * samples + averaged, 3 * samples + averaged * (samples - 1)
    return Cost(shapes.count_output() * per_output[0], shapes.count_output() * per_output[1])
