"""Defines the cost of an operation, and the shapes and attributes from which a rule computes it."""

from collections.abc import Callable, Mapping
from math import prod
from typing import Any, NamedTuple

from convcalc.layers.base import Sizes


class Cost(NamedTuple):
    """The operations of an operator for the whole batch."""

    multiplications: int = 0
    additions: int = 0
    macs: int = 0


class Shapes(NamedTuple):
    """The sizes of the tensors of an operation; an input or output that is not used has None."""

    inputs: tuple[Sizes | None, ...]
    outputs: tuple[Sizes | None, ...]

    def count_input(self, place: int = 0) -> int:
        """Return the number of elements of an input, 0 if it is absent."""
        return _count_elements(self.inputs, place)

    def count_output(self, place: int = 0) -> int:
        """Return the number of elements of an output, 0 if it is absent."""
        return _count_elements(self.outputs, place)

    def input(self, place: int) -> Sizes:
        """Return the sizes of an input. Raises LookupError if it is absent."""
        sizes = self.inputs[place]
        if sizes is None:
            raise LookupError(f"input {place} is absent")
        return sizes


def _count_elements(tensors: tuple[Sizes | None, ...], place: int) -> int:
    sizes = tensors[place] if place < len(tensors) else None
    return 0 if sizes is None else prod(sizes)


Attributes = Mapping[str, Any]
CostRule = Callable[[Attributes, Shapes], Cost]


def make_macs(macs: int, further_multiplications: int = 0, further_additions: int = 0, *, sums: int) -> Cost:
    """Return the cost of `macs` products, which are added up to `sums` values, and of the further operations."""
    return Cost(macs + further_multiplications, macs - sums + further_additions, macs)
