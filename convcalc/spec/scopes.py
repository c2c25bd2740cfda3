"""Defines the state of an expansion: tensors, the `Place` that each name refers to, scopes, and the current entry.

A scope is the network, one use of a block, a sequence, one branch, or the copies of a repeat. Each entry of a scope has
a name that refers to a `Place`. The name conv1 in the scope stage2 is stage2.conv1 outside of it.
"""

from collections.abc import Callable
from typing import Any

from convcalc.problems import Path
from convcalc.shape import Shape
from convcalc.spec.entries import Block, Body, Entry


class UnknownValue(Exception):
    """Raised if a mistake that has been reported makes a value unknown, to skip all that depends on the value."""


class Tensor:
    """An input of the network or the output of a layer, with its number and its shape (None if unknown).

    The inputs have the first numbers, from 0. The outputs of the layers follow, in the order of the layers.
    """

    __slots__ = ("number", "shape")

    def __init__(self, number: int, shape: Shape | None) -> None:
        self.number = number
        self.shape = shape


UNKNOWN_TENSOR = Tensor(-1, None)
Tensors = tuple[Tensor, ...]
_EMPTY_BODY = Body([])


class Place:
    """The layer, scope, input of a block, or disabled entry that a name refers to.

    `path` is the path of the name in the spec; for a default name, it is the path of the layer kind or block. `outputs`
    are the output tensors. `children` has the `Place`s inside a scope by name, None if this is not a scope.
    """

    __slots__ = ("_children", "disabled_by", "node", "outputs", "path", "use", "word")

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
        self.node: int | None = None  # the number of the layer; None if this is not a layer
        self.use: Use | None = None  # the use of the block; None if this is not a block
        self.disabled_by: Path | None = None  # the path of the option that disables it, None if it is enabled

    @property
    def children(self) -> "dict[str, Place] | None":
        """The `Place`s inside a scope by name, which are computed on first access for a copied block."""
        if callable(self._children):
            self._children = self._children()
        return self._children


class Use:
    """One use of a block: the values of the block's parameters (`variables`), and its inputs."""

    __slots__ = ("block", "inputs", "variables")

    def __init__(self, block: Block, variables: dict[str, Any], inputs: Tensors) -> None:
        self.block = block
        self.variables = variables
        self.inputs = inputs

    def equals(self, other: "Use") -> bool:
        """Return whether two uses can share weights: they have the same block, equal parameters and input channels.

        Raises UnknownValue if an input shape is unknown.
        """
        if any(tensor.shape is None for tensor in (*self.inputs, *other.inputs)):
            raise UnknownValue
        return self.block is other.block and self._list_values() == other._list_values()

    def _list_values(self) -> list[Any]:
        channels = [tensor.shape and tensor.shape.channels for tensor in self.inputs]
        return [*(self.variables[name] for name in self.block.parameters), *channels]


class Scope:
    """The inputs, parameters and names for the entries of one list, such as those of a block or branch.

    `prefix` is the beginning of the full names of its layers ("stage2."). `previous` is the output of the last entry
    that was expanded. `outer` is the surrounding scope, whose names the entries can use; it is None for a block.
    `places` has the `Place` of each entry by name, and `depth` is the number of surrounding scopes.
    """

    __slots__ = (
        "body",
        "copy",
        "depth",
        "frozen",
        "has_named_inputs",
        "index",
        "inputs",
        "outer",
        "places",
        "prefix",
        "previous",
        "twin",
        "use_path",
        "variables",
    )

    def __init__(
        self, prefix: str, outer: "Scope | None", inputs: Tensors, variables: dict[str, Any], depth: int, frozen: bool
    ) -> None:
        self.prefix = prefix
        self.outer = outer
        self.inputs = inputs
        self.previous = inputs
        self.variables = variables
        self.depth = depth
        self.frozen = frozen
        self.places: dict[str, Place] = {}
        self.has_named_inputs = False  # if true, the name `input` is not available
        self.index: int | None = None  # the value of $index, None outside of repeats
        self.copy = ""  # the full name of the innermost copy of a repeat around it; "" outside of repeats
        self.twin: Place | None = None  # the earlier place whose weights the layers in this scope reuse
        self.use_path: Path | None = None  # inside a block, where that block is used
        self.body = _EMPTY_BODY


class Expansion:
    """The expansion of one entry in a scope, or of one copy of a repeated entry.

    `index` is the value of $index. `previous_copy` is the output of the previous copy, None for the first copy.
    `tensors` are the inputs of the entry, None until they are looked up. `copy` is the full name of the innermost copy
    of a repeat that the expansion is, or is in.
    """

    __slots__ = ("copy", "entry", "index", "previous_copy", "scope", "tensors")

    def __init__(
        self,
        entry: Entry,
        scope: Scope,
        index: int | None,
        previous_copy: Tensors | None = None,
        copy: str | None = None,
    ) -> None:
        self.entry = entry
        self.scope = scope
        self.copy = scope.copy if copy is None else copy
        self.index = index
        self.previous_copy = previous_copy
        self.tensors: Tensors | None = None


class Frame:
    """How far the expansion has come in a list of entries, in the copies of a repeat, or in the branches of an entry.

    For a list, `body` has its entries; for a repeat or branches, `entry` is that entry, and `stop` the number of copies
    or branches. `position` is the index of the next entry, copy or branch. `scope` contains what is expanded. In a
    repeat, `previous_copy` is the output of the copy before. If the kinds of entries come from parameters, `ordinals`
    counts the entries of each word.
    """

    __slots__ = ("body", "entry", "is_repeat", "ordinals", "position", "previous_copy", "scope", "stop")

    def __init__(
        self, scope: Scope, body: Body | None, entry: Entry | None, stop: int, is_repeat: bool = False
    ) -> None:
        self.scope = scope
        self.is_repeat = is_repeat
        self.body = body
        self.entry = entry
        self.stop = stop
        self.position = 0
        self.previous_copy: Tensors | None = None
        self.ordinals: dict[str, int] = {}
