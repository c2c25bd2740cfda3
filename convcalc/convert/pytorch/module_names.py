"""Names the layers of an imported module after the paths of its modules."""

from collections.abc import Mapping
from typing import NamedTuple

from convcalc.convert.pytorch.names import first_free_name

# of steps that the builder adds before or after the layer of an operation
_SUFFIXES = ("_permute", "_reshape", "_slice", "_weights", "_scale", "_bias")


class ModulePlace(NamedTuple):
    """The path of the innermost module that an operation is part of.

    `alone` is true if the module becomes a single layer, whose name is then the path.
    """

    path: str
    alone: bool


class ModuleNames:
    """Assigns each layer a unique name. `places` maps the name of each operation to its module.

    If the module becomes a single layer, its path is the name of the layer, such as `stage1.conv`. Otherwise the name
    is the path with the layer's kind and a number, such as `stage1.add1`. A parameter has its own path.
    """

    def __init__(self, places: Mapping[str, ModulePlace]) -> None:
        self.places = places
        self.taken: set[str] = set()
        self.numbers: dict[str, int] = {}
        self.assigned: dict[str, str] = {}

    def reserve(self, name: str) -> None:
        """Keep a name from being assigned to a layer."""
        self.taken.add(name)

    def release(self, name: str) -> None:
        """Allow a name to be assigned again."""
        self.taken.discard(name)
        word = self.assigned.pop(name, None)
        if word is not None:
            self.numbers[word] -= 1

    def assign(self, node: str, kind: str, roots: tuple[str, ...]) -> str:
        """Return an unused name for a layer of the kind `kind`; `node` is the name of its operation."""
        if kind == "parameter":
            name = first_free_name(roots[0], self.taken)
            self.taken.add(name)
            return name
        suffix = next((suffix for suffix in _SUFFIXES if node.endswith(suffix)), "")
        place = self.places.get(node.removesuffix(suffix), ModulePlace("", False))
        if place.alone and place.path:
            name = first_free_name(f"{place.path}{suffix}", self.taken)
        else:
            word = f"{place.path}.{kind}" if place.path else kind
            self.numbers[word] = self.numbers.get(word, 0) + 1
            name = first_free_name(f"{word}{self.numbers[word]}", self.taken)
            self.assigned[name] = word
        self.taken.add(name)
        return name
