"""The state of an expansion: tensors, what names refer to, scopes, and the expansion of a single entry."""

from collections.abc import Callable
from typing import Any

from convcalc.problems import Path
from convcalc.shape import Shape
from convcalc.spec.entries import Block, Body, Entry


class UnknownValue(Exception):
    """A value depends on a mistake that has already been reported."""


class Tensor:
    """The output of a layer, or an input: its number in the network and its shape, None if unknown."""

    __slots__ = ("number", "shape")

    def __init__(self, number: int, shape: Shape | None) -> None:
        self.number = number
        self.shape = shape


UNKNOWN_TENSOR = Tensor(-1, None)
Tensors = tuple[Tensor, ...]
_EMPTY_BODY = Body([])


class Place:
    """What a name refers to: a layer, a finished scope with its names, an input, or a disabled entry."""

    __slots__ = ("_children", "left_out", "node", "outputs", "path", "signature", "word")

    def __init__(
        self,
        word: str,
        path: Path,
        outputs: Tensors,
        children: "dict[str, Place] | Callable[[], dict[str, Place]] | None" = None,
    ) -> None:
        self.word = word
        self.path = path
        self.outputs = outputs
        self._children = children
        self.node: int | None = None
        self.signature: Use | None = None
        self.left_out: Path | None = None

    @property
    def children(self) -> "dict[str, Place] | None":
        """The names in a finished scope; those of a copied block are computed on first access."""
        if callable(self._children):
            self._children = self._children()
        return self._children


class Use:
    """One use of a block: the values of its parameters and its inputs."""

    __slots__ = ("block", "given", "variables")

    def __init__(self, block: Block, variables: dict[str, Any], given: Tensors) -> None:
        self.block = block
        self.variables = variables
        self.given = given

    def equals(self, other: "Use") -> bool:
        """Whether two uses can share weights: the same block with equal arguments and input channels."""
        if any(tensor.shape is None for tensor in (*self.given, *other.given)):
            raise UnknownValue
        return self.block is other.block and self.values() == other.values()

    def values(self) -> list[Any]:
        """Return the values of the parameters and the channels of the inputs."""
        channels = [tensor.shape and tensor.shape.channels for tensor in self.given]
        return [*(self.variables[name] for name in self.block.parameters), *channels]


class Scope:
    """Where entries are expanded: the inputs, the parameters, and the names they can refer to."""

    __slots__ = (
        "body",
        "depth",
        "frozen",
        "given",
        "index",
        "outer",
        "places",
        "prefix",
        "previous",
        "twin",
        "unnamed",
        "use",
        "variables",
    )

    def __init__(
        self, prefix: str, outer: "Scope | None", given: Tensors, variables: dict[str, Any], depth: int, frozen: bool
    ) -> None:
        self.prefix = prefix
        self.outer = outer
        self.given = given
        self.previous = given
        self.variables = variables
        self.depth = depth
        self.frozen = frozen
        self.places: dict[str, Place] = {}
        self.unnamed = True  # whether the input is called input (named inputs are not)
        self.index: int | None = None
        self.twin: Place | None = None
        self.use: Path | None = None
        self.body = _EMPTY_BODY


class Expansion:
    """The expansion of one entry: its scope, and, in a repeat, which copy it is and what the one before returned."""

    __slots__ = ("entry", "first", "index", "scope", "tensors")

    def __init__(self, entry: Entry, scope: Scope, index: int | None, first: Tensors | None = None) -> None:
        self.entry = entry
        self.scope = scope
        self.index = index
        self.first = first
        self.tensors: Tensors | None = None
