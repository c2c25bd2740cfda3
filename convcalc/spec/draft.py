"""Defines `Draft`: the inputs, layers and groups of a network while its entries are being expanded.

A draft also enforces the limits on the number of entries and layers.
"""

from __future__ import annotations  # the type of recordings is imported only for type checkers

from typing import TYPE_CHECKING

from convcalc.layers.base import Layer
from convcalc.network import MOST_LAYERS, Group, Node
from convcalc.problems import Path
from convcalc.shape import Shape
from convcalc.spec.entries import Entry
from convcalc.spec.problem_list import Problems, TooMuch
from convcalc.spec.scopes import Place, Tensor, Tensors, Use

if TYPE_CHECKING:
    from convcalc.spec.replay import Recording

MOST_ENTRIES = 500_000


class Draft:
    """An unfinished network; `nodes` and `groups` are the layers and groups that have been added to it."""

    def __init__(self, problems: Problems, inputs: dict[str, Shape | None]) -> None:
        self.problems = problems
        self.inputs = tuple(Tensor(number, shape) for number, shape in enumerate(inputs.values()))
        self.nodes: list[Node] = []
        self.groups: list[Group] = []
        self.recordings: dict[object, Recording] = {}  # the uses of blocks that can be copied
        self.entries = 0

    def count_entries(self, entries: int, path: Path) -> None:
        """Count `entries` that are about to be expanded. Raises TooMuch if the total exceeds the limit."""
        self.entries += entries
        if self.entries > MOST_ENTRIES:
            self.stop(path, f"more than {MOST_ENTRIES:,} entries")

    def check_coming_entries(self, entries: int, path: Path) -> None:
        """Raise TooMuch if `entries` more entries would exceed the limit, but do not count them.

        Call it before a list or repeat is expanded, to refuse a spec that is too large without spending time on it.
        """
        if self.entries + entries > MOST_ENTRIES:
            self.count_entries(entries, path)

    def has_room(self, layers: int) -> bool:
        """Whether this many layers can be added without exceeding the limit."""
        return len(self.nodes) + layers <= MOST_LAYERS

    def add_layer(
        self, layer: Layer, name: str, entry: Entry, tensors: Tensors, frozen: bool, owner: int | None, path: Path
    ) -> Place:
        """Add a layer and return the `Place` that its name refers to. Raises TooMuch if there are too many layers.

        `tensors` are the inputs of the layer, and `path` is its path in the spec. If the layer reuses the weights of
        another node, `owner` is the index of that node, otherwise None.
        """
        number = len(self.nodes)
        if number == MOST_LAYERS:
            self.stop(path, f"more than {MOST_LAYERS:,} layers")
        reads = tuple([tensor.number for tensor in tensors])
        place = Place(entry.word, entry.path, (Tensor(len(self.inputs) + number, layer.output),))
        place.node = number
        self.nodes.append(Node(name, layer, reads, path, entry.line, frozen, owner))
        return place

    def add_group(
        self,
        name: str,
        word: str,
        start: int,
        outputs: Tensors,
        line: int | None,
        copies: int | None = None,
        use: Use | None = None,
    ) -> None:
        """Record the layers from index `start` to the last one as a group: a block use, sequence, branch or repeat.

        Nothing is recorded if there are no such layers, or if there is not exactly one output.
        """
        if start < len(self.nodes) and len(outputs) == 1:
            block, parameters = (None, {}) if use is None else (use.block.name, use.variables)
            output = outputs[0].number
            self.groups.append(Group(name, word, start, len(self.nodes), output, line, copies, block, parameters))

    def stop(self, path: Path, message: str) -> None:
        """Report that a limit is exceeded, and raise TooMuch to stop the expansion."""
        hint = "this is the largest network that convcalc accepts"
        self.problems.add(path, message, "CV004", hint, on_key=True, expansion=object())
        raise TooMuch
