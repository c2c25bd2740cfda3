"""Finds what the entries of a spec can still use: names of parameters, and names of layers above them.

`References(…).find_remaining(body, 3)` returns the `Uses` of the entries of a list from index 3 on. What they cannot
use does not influence the rest of a network.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from convcalc.arguments import LayerName
from convcalc.layers import KINDS
from convcalc.spec.entries import Block, Body, Computed, Entry, make_default_name
from convcalc.spec.templates import Template
from convcalc.spec.values import list_names

_NOTHING: frozenset[str] = frozenset()
# the arguments, of any layer kind, that name another layer
_LAYER_KEYS = {name for kind in KINDS.values() for name, key in kind.keys.items() if isinstance(key, LayerName)}


class Uses(NamedTuple):
    """What some entries can use.

    `names` are the names in their expressions, of parameters and counts. `layers` are the names of layers that they
    can read, or give to layers of their own; of a name such as `stage1.conv2`, it is the first part, which is also in
    `scopes`. `any_layer` is true if such a name contains an expression, and `names_vary` if the name of a layer can
    depend on a parameter.
    """

    names: frozenset[str] = _NOTHING
    layers: frozenset[str] = _NOTHING
    scopes: frozenset[str] = _NOTHING
    any_layer: bool = False
    names_vary: bool = False

    def join(self, other: "Uses") -> "Uses":
        """Return the union of two uses."""
        return Uses(
            self.names | other.names,
            self.layers | other.layers,
            self.scopes | other.scopes,
            self.any_layer or other.any_layer,
            self.names_vary or other.names_vary,
        )


NO_USES = Uses()


def join_uses(parts: Iterable[Uses]) -> Uses:
    """Return the union of several uses."""
    found = NO_USES
    for part in parts:
        found = found.join(part)
    return found


class References:
    """The uses of the entries of one spec, which are found once for each entry.

    `outputs` is the value of the spec's key `outputs`, None without it.
    """

    def __init__(self, body: Body, outputs: Any) -> None:
        self._of_entries: dict[int, Uses] = {}
        self._of_bodies: dict[int, list[Uses]] = {}
        self._of_blocks: dict[int, frozenset[str]] = {}
        self._scopes: set[str] = set()
        self._any_layer = False
        self.outputs = NO_USES if outputs is None else _find_layers(outputs, shared=False)
        self._note(self.outputs)
        self.find_remaining(body, 0)

    def is_entered(self, scope: str) -> bool:
        """Return whether a name anywhere in the spec may lead into a scope whose own name is `scope`."""
        return self._any_layer or scope in self._scopes

    def find_remaining(self, body: Body, position: int) -> Uses:
        """Return the uses of the entries of a list from the index `position` on."""
        found = self._of_bodies.get(id(body))
        if found is None:
            found = [NO_USES]
            for entry in reversed(body.entries):
                found.append(found[-1].join(self.find_uses(entry)))
            found.reverse()
            if body.dynamic:  # the number in a default name depends on the kinds of the entries above
                found = [uses._replace(names_vary=True) for uses in found]
            self._of_bodies[id(body)] = found
        return found[position]

    def find_uses(self, entry: Entry) -> Uses:
        """Return the uses of one entry and of the entries inside it."""
        found = self._of_entries.get(id(entry))
        if found is None:
            found = self._of_entries[id(entry)] = self._find_own_uses(entry).join(self._find_inner_uses(entry))
            self._note(found)
        return found

    def find_merge_uses(self, entry: Entry, position: int) -> Uses:
        """Return the uses of the branches of an entry from the index `position` on, and of their merge."""
        bodies = [self.find_remaining(body, 0) for body in entry.bodies[position:]]
        return join_uses(bodies).join(Uses(list_names(entry.merge)))

    def _note(self, uses: Uses) -> None:
        self._scopes |= uses.scopes
        self._any_layer |= uses.any_layer

    def _find_own_uses(self, entry: Entry) -> Uses:
        """Return the uses of an entry itself: in its arguments, its options, and its kind if that is a parameter."""
        values = [*entry.arguments.values(), *entry.options.values(), entry.merge]
        names = frozenset().union(*map(list_names, values))
        if entry.dynamic:
            names |= {entry.word[1:]}
        references = [_find_layers(entry.arguments[key], False) for key in _LAYER_KEYS if key in entry.arguments]
        references.append(_find_layers(entry.options.get("from"), shared=False))
        references.append(_find_layers(entry.options.get("share"), shared=True))
        name = entry.options.get("name", make_default_name(entry.word, entry.ordinal))
        own = Uses(names_vary=True) if isinstance(name, Template) else Uses(layers=frozenset([str(name)]))
        return join_uses(references).join(own).join(Uses(names))

    def _find_inner_uses(self, entry: Entry) -> Uses:
        """Return the uses of the entries in the lists of an entry, or of the block that it uses.

        A block can use spec parameters, but no layers around it.
        """
        found = join_uses(self.find_remaining(body, 0) for body in entry.bodies)
        blocks = [entry.block] if entry.block is not None else []
        if entry.dynamic:
            blocks = [block for block in entry.blocks.values() if block.number < entry.block_limit]
        return found.join(Uses(frozenset().union(*map(self._find_block_names, blocks))))

    def _find_block_names(self, block: Block) -> frozenset[str]:
        """Return the names of spec parameters that a block can use."""
        if id(block) not in self._of_blocks:
            inside = self.find_remaining(block.body, 0).names - set(block.parameters)
            # a default can use a spec parameter of the same name
            self._of_blocks[id(block)] = inside.union(*map(list_names, block.parameters.values()))
        return self._of_blocks[id(block)]


def _find_layers(value: Any, shared: bool) -> Uses:
    """Return the layers that a value such as that of `from` names; `shared` if all layers in them are needed."""
    if isinstance(value, Template):
        return Uses(any_layer=True)
    items = value.items if isinstance(value, Computed) else value
    if isinstance(items, list):
        return join_uses(_find_layers(item, shared) for item in items)
    if not isinstance(items, str):
        return NO_USES
    first, dot, _ = items.partition(".")
    layers = frozenset([first])
    return Uses(layers=layers, scopes=layers if dot or shared or "*" in first else _NOTHING, any_layer="$" in items)
