"""Holds the network while it is being expanded: its inputs, layers and groups so far, within the limits on its size."""

from convcalc.layers.base import Layer
from convcalc.network import MOST_LAYERS, Group, Node
from convcalc.problems import Path
from convcalc.shape import Shape
from convcalc.spec.entries import Entry
from convcalc.spec.problem_list import Problems, TooMuch
from convcalc.spec.scopes import Place, Tensor, Tensors, Use

MOST_ENTRIES = 500_000


class Draft:
    """A network that is being expanded; the results are in `nodes` and `groups`."""

    def __init__(self, problems: Problems, inputs: dict[str, Shape | None]) -> None:
        self.problems = problems
        self.inputs = tuple(Tensor(number, shape) for number, shape in enumerate(inputs.values()))
        self.nodes: list[Node] = []
        self.groups: list[Group] = []
        self.entries = 0

    def count_entries(self, entries: int, path: Path) -> None:
        """Count entries before they are expanded. Raises TooMuch if they are too many in all."""
        self.entries += entries
        if self.entries > MOST_ENTRIES:
            self.stop(path, f"more than {MOST_ENTRIES:,} entries")

    def check_coming_entries(self, entries: int, path: Path) -> None:
        """Raise TooMuch if `entries`, the least number still to come, would exceed the limit; counts nothing."""
        if self.entries + entries > MOST_ENTRIES:
            self.count_entries(entries, path)

    def has_room(self, layers: int) -> bool:
        """Whether this many layers can be added."""
        return len(self.nodes) + layers <= MOST_LAYERS

    def add_layer(
        self, layer: Layer, name: str, entry: Entry, tensors: Tensors, frozen: bool, owner: int | None, path: Path
    ) -> Place:
        """Add a layer to the network and return its place. Raises TooMuch at the limit.

        `path` is where the layer is written, `owner` the node whose weights it reuses.
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
        """Record that the layers from number `start` on belong to one scope, if there are any."""
        if start < len(self.nodes) and len(outputs) == 1:
            block, parameters = (None, {}) if use is None else (use.block.name, use.variables)
            output = outputs[0].number
            self.groups.append(Group(name, word, start, len(self.nodes), output, line, copies, block, parameters))

    def stop(self, path: Path, message: str) -> None:
        """Report that a limit is exceeded and stop. Raises TooMuch."""
        hint = "this is the largest network that convcalc accepts"
        self.problems.add(path, message, "CV004", hint, on_key=True, expansion=object())
        raise TooMuch
