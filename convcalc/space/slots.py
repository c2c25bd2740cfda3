"""Counts the ways from each node of a graph to its end by an additive figure, in big integers with slots of equal size.

The figures of independent choices add up, so their numbers of networks multiply as polynomials do. A polynomial is one
big integer, with a slot of equal bits for each multiple of a divisor: the product by a power of x is a shift, and
Python adds and shifts millions of digits at once. For example, the slots 1, 0, 2 mean: one network with the smallest
figure, and two with a figure that is larger by twice the divisor.
"""

from collections.abc import Iterator
from itertools import accumulate
from math import ceil, gcd, inf
from typing import NamedTuple

from convcalc.metrics.figures import ADDITIVE
from convcalc.space.extent import Bound, Extent, count_networks, find_extent
from convcalc.space.graph import Graph, Step

_MOST_BITS = 1 << 31


class TooManyFigures(Exception):
    """Raised if the networks of a space have too many different figures to count them; the message says which."""


class Effort(NamedTuple):
    """Bytes of the slots of a graph: of the largest node, of all nodes together, and of all additions."""

    largest: int
    stored: int
    added: int


class Slots:
    """The slots of the nodes of a graph, from the node `first` on.

    A step counts with its excess over the cheapest way to the end, divided by `divisor`; if `divisor` does not divide
    them all, these numbers are rounded down. Figures above the bound are left out.
    """

    def __init__(self, graph: Graph, bound: Bound, first: int, extent: Extent | None = None) -> None:
        self.graph, self.bound, self.first = graph, bound, first
        self.place = ADDITIVE.index(bound.figure)
        self.extent = extent or find_extent(graph, bound.figure)
        nodes = range(first, len(graph.steps))
        self.divisor = gcd(*(self.find_excess(node, step) for node in nodes for step in graph.steps[node])) or 1
        # bytes of a slot; the sum of all slots is smaller than the largest number of a slot
        self.width = count_networks(graph)[first].bit_length() // 8 + 1
        self.tops = [0] * len(graph.steps)
        self._find_tops()

    def coarsen(self, most: int) -> None:
        """Double the divisor until the slots of all nodes need at most `most` bytes, or each node has a single slot."""
        while self.measure_effort().stored > most and max(self.tops) > 1:
            self.set_divisor(2 * self.divisor)

    def set_divisor(self, divisor: int) -> None:
        """Set the divisor, and find the number of slots of each node for it."""
        self.divisor = divisor
        self._find_tops()

    def _find_tops(self) -> None:
        """Find the number of slots of each node: up to its largest figure, or the largest within the bound."""
        for node in range(self.first, len(self.graph.steps)):
            top = min(self.extent.most[node], self.bound.most - self.extent.least_before[node])
            self.tops[node] = max(int(top - self.extent.least[node]) // self.divisor + 1, 0)

    def find_error(self) -> int:
        """Return by how much the figure of a network is at most rounded down."""
        rounded = [0] * len(self.graph.steps)
        for node in range(self.graph.end - 1, self.first - 1, -1):
            steps = self.graph.steps[node]
            rounded[node] = max(
                (self.find_excess(node, step) % self.divisor + rounded[step.target] for step in steps), default=0
            )
        return rounded[self.first]

    def is_cut(self, node: int) -> bool:
        """Return whether the bound leaves out some of the largest figures of a node."""
        return self.tops[node] <= (self.extent.most[node] - self.extent.least[node]) // self.divisor

    def find_length(self) -> int:
        """Return a number of slots that is enough for every node, even before figures above the bound are left out."""
        reached = [
            self.tops[step.target] + self.find_excess(node, step) // self.divisor
            for node, steps in enumerate(self.graph.steps)
            for step in steps
        ]
        return max(1, *self.tops, *reached)

    def find_first_slot(self) -> int:
        """Return the first slot of the node `first` whose networks may reach the smallest value of the bound."""
        if self.bound.least == -inf:
            return 0
        missing = int(self.bound.least) - self.extent.least[self.first] - self.find_error()
        return max(-(-missing // self.divisor), 0)

    def measure_effort(self) -> Effort:
        """Return the bytes that the slots occupy, and that are added to fill them."""
        sizes = [top * self.width for top in self.tops]
        added = sum(len(steps) * size for steps, size in zip(self.graph.steps, sizes, strict=True))
        return Effort(max(sizes), sum(sizes), added)

    def find_excess(self, node: int, step: Step) -> int:
        """Return how much a step costs beyond the cheapest way from its node to the end."""
        return step.figures[self.place] + self.extent.least[step.target] - self.extent.least[node]

    def fill(self) -> int:
        """Return the slots of the node `first` as one big integer."""
        found: dict[int, int] = {self.graph.end: 1}
        last = {step.target: node for node in range(self.graph.end, -1, -1) for step in self.graph.steps[node]}
        for node in range(self.graph.end - 1, self.first - 1, -1):
            found[node] = self._add_steps(node, found)
            for target in {step.target for step in self.graph.steps[node]}:
                if last[target] == node:
                    del found[target]
        return found[self.first]

    def _add_steps(self, node: int, found: dict[int, int]) -> int:
        total = 0
        for step in self.graph.steps[node]:
            total += found[step.target] << (self.find_excess(node, step) // self.divisor * self.width * 8)
        return self.cut(total, self.tops[node])

    def cut(self, slots: int, number: int) -> int:
        """Return the first `number` slots of a big integer."""
        bits = number * self.width * 8
        return slots & ((1 << bits) - 1) if slots.bit_length() > bits else slots


class Reachable:
    """The figures that occur on the ways from each node to the end: like `Slots`, but with one bit per figure."""

    def __init__(self, graph: Graph, bound: Bound) -> None:
        self.graph, self.bound = graph, bound
        self.slots = slots = Slots(graph, bound, graph.start)
        if sum(slots.tops) > _MOST_BITS:
            raise TooManyFigures(f"the networks have too many different values of {bound.figure} to compare them")
        bits = [0] * len(graph.steps)
        bits[-1] = 1
        for node in range(graph.end - 1, -1, -1):
            for step in graph.steps[node]:
                bits[node] |= bits[step.target] << self.find_offset(node, step)
            bits[node] &= (1 << slots.tops[node]) - 1
        self._of_start = bits[graph.start]
        self._bits = [found.to_bytes(found.bit_length() // 8 + 1, "little") for found in bits]

    def find_offset(self, node: int, step: Step) -> int:
        """Return the excess of a step in slots: the place of a way is that of its continuation plus this number."""
        return self.slots.find_excess(node, step) // self.slots.divisor

    def contains(self, node: int, place: int) -> bool:
        """Return whether any way from a node to the end has the figure at a place, the index of a slot."""
        bits = self._bits[node]
        return 0 <= place < 8 * len(bits) and bool(bits[place >> 3] >> (place & 7) & 1)

    def get_figure(self, place: int) -> int:
        """Return the figure of the networks at a place of the first node."""
        return self.slots.extent.least[self.graph.start] + place * self.slots.divisor

    def list_places(self, smallest: bool) -> Iterator[int]:
        """Yield the places of the figures of all networks within the bound, the smallest or the largest first."""
        low, high = self._find_first_place(), self._of_start.bit_length()
        for place in range(low, high) if smallest else range(high - 1, low - 1, -1):
            if self.contains(self.graph.start, place):
                yield place

    def _find_first_place(self) -> int:
        if self.bound.least == -inf:
            return 0
        return max(ceil((self.bound.least - self.slots.extent.least[self.graph.start]) / self.slots.divisor), 0)

    def find_extreme(self, smallest: bool) -> list[Step] | None:
        """Return the steps of the network with the smallest or largest figure within the bound; None without one."""
        place = next(self.list_places(smallest), None)
        if place is None:
            return None
        node, path = self.graph.start, []
        while node != self.graph.end:
            for step in self.graph.steps[node]:
                rest = place - self.find_offset(node, step)
                if self.contains(step.target, rest):
                    break
            path.append(step)
            node, place = step.target, rest
        return path


class SlotSums:
    """Adds up the slots of a node: `add_first(3)` is the sum of the first three.

    A big integer leaves the sum of its slots as the remainder of a division by the largest number of a slot, as the sum
    of decimal digits is the remainder of a division by 9; no slot is large enough to make a difference.
    """

    _CHUNK = 64  # slots per block whose sum is computed in advance

    def __init__(self, slots: int, number: int, width: int) -> None:
        self.width = width
        self.number = number
        self._modulus = (1 << (width * 8)) - 1
        self._slots = slots.to_bytes(number * width, "little")
        step = self._CHUNK * width
        chunks = (self._add(start, start + step) for start in range(0, number * width, step))
        self._sums = list(accumulate(chunks, initial=0))

    def add_first(self, number: int) -> int:
        """Return the sum of the first `number` slots, or of all if there are fewer."""
        number = min(number, self.number)
        chunk = number // self._CHUNK
        return self._sums[chunk] + self._add(chunk * self._CHUNK * self.width, number * self.width)

    def _add(self, start: int, stop: int) -> int:
        return int.from_bytes(self._slots[start:stop], "little") % self._modulus
