"""Counts the ways from each node of a graph to its end by several additive figures at once, in big integers.

Every figure has slots as in slots.py, and the slots of all figures form a grid, which is stored row by row in one big
integer. For example, with 10 slots of MACs, the slot of the third value of MACs and the second of params is number 12.
"""

from collections.abc import Iterator, Sequence

from convcalc.space.extent import Bound
from convcalc.space.graph import Graph, Step
from convcalc.space.slots import Effort, Slots

Place = tuple[int, ...]  # the index of a slot, per figure


class SlotGrid:
    """The slots of the nodes of a graph, by the figures of `bounds`.

    Figures above their bound are left out. With the smallest divisors, the counts are exact; with larger ones, figures
    are rounded down.
    """

    def __init__(self, graph: Graph, bounds: Sequence[Bound]) -> None:
        self.graph = graph
        self.axes = [Slots(graph, bound, graph.start) for bound in bounds]
        self.width = self.axes[0].width
        self._set_strides()

    def coarsen(self, most: int) -> None:
        """Double divisors until the slots of all nodes need at most `most` bytes, or each node has a single slot."""
        while self.measure_effort().stored > most:
            largest = max(self.axes, key=lambda axis: axis.tops[self.graph.start])
            if largest.tops[self.graph.start] <= 1:
                return
            largest.set_divisor(2 * largest.divisor)
            self._set_strides()

    def _set_strides(self) -> None:
        """Set, per figure, the distance between the numbers of adjacent slots, so that no sum reaches the next row."""
        self.strides = [1]
        for axis in self.axes:
            self.strides.append(self.strides[-1] * axis.find_length())
        self.offsets = [
            [tuple(axis.find_excess(node, step) // axis.divisor for axis in self.axes) for step in steps]
            for node, steps in enumerate(self.graph.steps)
        ]

    def measure_effort(self) -> Effort:
        """Return the bytes that the slots occupy, and that are added to fill them."""
        sizes = [self._count_slots(node) * self.width for node in range(len(self.graph.steps))]
        added = sum((len(steps) + 1) * size for steps, size in zip(self.graph.steps, sizes, strict=True))
        return Effort(max(sizes), sum(sizes), added)

    def _count_slots(self, node: int) -> int:
        """Return the number of slots of a node: all rows up to the last one that is within the bound."""
        return self.axes[-1].tops[node] * self.strides[-2]

    def count(self) -> int:
        """Return the number of networks within the bounds; the figures must not be rounded."""
        *_, (_, slots) = self._fill()
        return self._cut(self.graph.start, slots, is_lowest=True) % ((1 << (self.width * 8)) - 1)

    def fill_all(self) -> list[bytes]:
        """Return the slots of every node as bytes, the smallest figures first."""
        found = [b""] * len(self.graph.steps)
        for node, slots in self._fill():
            kept = self._cut(node, slots, is_lowest=node == self.graph.start)
            found[node] = kept.to_bytes(max(self._count_slots(node), 1) * self.width, "little")
        return found

    def _fill(self) -> Iterator[tuple[int, int]]:
        """Yield each node with its slots, the last node first."""
        steps = self.graph.steps
        last = {step.target: node for node in range(self.graph.end, -1, -1) for step in steps[node]}
        found = {self.graph.end: 1}
        yield self.graph.end, 1
        for node in range(self.graph.end - 1, -1, -1):
            total = 0
            for step, place in zip(steps[node], self.offsets[node], strict=True):
                total += found[step.target] << (self._find_number(place) * self.width * 8)
            found[node] = self._cut(node, total)
            for target in {step.target for step in steps[node]}:
                if last[target] == node:
                    del found[target]
            yield node, found[node]

    def _find_number(self, place: Place) -> int:
        return sum(part * stride for part, stride in zip(place, self.strides, strict=False))

    def _cut(self, node: int, slots: int, is_lowest: bool = False) -> int:
        """Return the slots without those above the bounds and, if `is_lowest`, those certainly below them."""
        low = [axis.find_first_slot() if is_lowest else 0 for axis in self.axes]
        if not any(low) and not any(axis.is_cut(node) for axis in self.axes[:-1]):
            bits = self._count_slots(node) * self.width * 8
            return slots & ((1 << bits) - 1) if slots.bit_length() > bits else slots
        row = b"\xff" * self.width
        for axis, first, stride, longer in zip(self.axes, low, self.strides, self.strides[1:], strict=False):
            first, top = min(first, axis.tops[node]), axis.tops[node]
            length = longer // stride
            row = bytes(len(row) * first) + row * (top - first) + bytes(len(row) * (length - top))
        return slots & int.from_bytes(row, "little")

    # -- the slots of one node as bytes

    def list_counts(self, slots: bytes) -> list[int]:
        """Return the number of networks in each slot."""
        width = self.width
        return [int.from_bytes(slots[start : start + width], "little") for start in range(0, len(slots), width)]

    def find_place(self, number: int) -> Place:
        """Return the place in the grid of the slot with this number."""
        return tuple(number % longer // stride for stride, longer in zip(self.strides, self.strides[1:], strict=False))

    def read(self, slots: bytes, place: Place) -> int:
        """Return the number of networks in the slot at a place; 0 if the place is outside the grid."""
        if min(place) < 0:
            return 0
        start = self._find_number(place) * self.width
        return int.from_bytes(slots[start : start + self.width], "little")

    def follow(self, node: int, place: Place) -> list[tuple[Step, Place]]:
        """Return the steps from a node, each with the place at its target where the way continues."""
        return [
            (step, tuple(map(int.__sub__, place, offset)))
            for step, offset in zip(self.graph.steps[node], self.offsets[node], strict=True)
        ]
