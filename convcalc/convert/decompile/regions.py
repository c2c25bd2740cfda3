"""Finds structure in a flat list of layers: sequences, from the prefixes of layer names, and parallel branches.

`layer1.conv1, layer1.relu` become a sequence `layer1`; layers that split and merge again become `branches`.
"""

from itertools import groupby

from convcalc.convert.decompile.items import (
    BranchesItem,
    EntryList,
    Item,
    LayerItem,
    Reference,
    SequenceItem,
    inner_lists,
    iterate_outputs,
)
from convcalc.convert.decompile.leaves import MAX_PART_LENGTH
from convcalc.shape import Shape
from convcalc.spec.entries import MERGES

ScopedItem = tuple[tuple[str, ...], LayerItem]

_MAX_NESTING = 4  # levels of branches inside branches
_MAX_BRANCH_ENTRIES = 200


class TensorUses:
    """The shape of each tensor of a network, and the layer that reads it last.

    `last_reader` has the output number of that layer: -1 if no layer reads the tensor, and a number above all tensor
    numbers if the tensor is an output of the network (`leaving`) or a layer refers to it by name. `pinned` are the
    outputs of layers that must not be moved, because they share weights or refer to another layer by name.
    """

    def __init__(self, leaves: list[LayerItem], shapes: list[Shape], leaving: set[int]) -> None:
        self.shapes = shapes
        self.last_reader = [-1] * len(shapes)
        for leaf in leaves:
            for tensor in leaf.reads:
                self.last_reader[tensor] = leaf.output
            for value in leaf.values:
                if isinstance(value, Reference):
                    self.last_reader[value.tensor] = len(shapes)
            if leaf.share is not None:
                # neither layer may be folded
                self.last_reader[leaf.share] = self.last_reader[leaf.output] = len(shapes)
        for tensor in leaving:
            self.last_reader[tensor] = len(shapes)
        self.pinned = {leaf.output for leaf in leaves if _refers_by_name(leaf)} | {
            leaf.share for leaf in leaves if leaf.share is not None
        }


def _refers_by_name(leaf: LayerItem) -> bool:
    """Whether a layer shares weights or refers to another layer by name. Such a layer cannot be in a repeated block."""
    return leaf.share is not None or any(isinstance(value, Reference) for value in leaf.values)


# -- scopes


def group_by_scope(leaves: list[ScopedItem], source: int | None, depth: int = 0) -> EntryList:
    """Return the layers as nested lists: consecutive layers whose names share a prefix become a sequence.

    `source` is the tensor that the first layer reads by default. `depth` is the number of prefixes already grouped.
    """
    items: list[Item] = []
    taken: set[str] = set()
    before = source
    for part, run in groupby(leaves, key=lambda found: found[0][depth] if len(found[0]) > depth else None):
        members = list(run)
        if part is None or len(members) == 1:
            items += [_add_scopes_to_name(leaf, path[depth:], taken) for path, leaf in members]
        else:
            first = members[0][1]
            start = before if before in first.reads else first.reads[0]
            name = None if part.isdigit() or part in taken else part
            taken |= {part}
            items.append(SequenceItem(group_by_scope(members, start, depth + 1), (start,), members[-1][1].output, name))
        before = items[-1].output
    return EntryList(source, items)


def list_flat(leaves: list[ScopedItem], source: int | None, soft: bool = False, nameless: bool = False) -> EntryList:
    """Return the layers as one list: `layer1.conv1` gets the name `layer1_conv1`, or no name if `nameless` is set.

    If `soft` is set, layers with scopes get no name, and the other names are dropped from layers that become part of a
    block.
    """
    taken: set[str] = set()
    items: list[Item] = []
    for path, leaf in leaves:
        named = leaf._replace(name=None) if nameless or (soft and path) else _add_scopes_to_name(leaf, path, taken)
        items.append(named._replace(soft=soft))
    return EntryList(source, items)


def _add_scopes_to_name(leaf: LayerItem, path: tuple[str, ...], taken: set[str]) -> LayerItem:
    """Return a layer with the scopes in `path` before its name: `layer1_conv1`. It has no name if that is `taken`."""
    parts = [part for part in (*path, leaf.name) if part is not None and not part.isdigit()]
    name = "_".join(parts)[-MAX_PART_LENGTH:].lstrip("_-0123456789") or None
    if name in taken:
        return leaf._replace(name=None)
    if name is not None:
        taken.add(name)
    return leaf._replace(name=name)


def dissolve_unnamed_sequences(body: EntryList) -> None:
    """Replace each sequence without a name, at any depth, by its entries."""
    flat: list[Item] = []
    for item in body.items:
        for inner in inner_lists(item):
            dissolve_unnamed_sequences(inner)
        if isinstance(item, SequenceItem) and item.name is None:
            flat += item.body.items
        else:
            flat.append(item)
    taken: set[str] = set()
    for place, item in enumerate(flat):
        if item.name in taken:
            flat[place] = item._replace(name=None)
        elif item.name is not None:
            taken.add(item.name)
    body.items = flat


# -- branches


def gather_branches(body: EntryList, tensor_uses: TensorUses) -> None:
    """Turn parallel chains of entries into `branches`, first in nested lists, then in the list itself.

    The chains read the same tensor, and a merge layer combines their outputs.
    """
    depth: dict[int, int] = {}  # output tensor of branches → levels of branches inside them
    found: list[Item] = []
    for item in body.items:
        for inner in inner_lists(item):
            gather_branches(inner, tensor_uses)
        made = _make_branches(item, found, tensor_uses) if isinstance(item, LayerItem) and item.kind in MERGES else None
        if made is not None:
            inside = [depth.get(entry.output, 0) for inner in made.bodies for entry in inner.items]
            if max(inside, default=0) < _MAX_NESTING:
                del found[len(found) - sum(len(inner.items) for inner in made.bodies) :]
                depth[made.output] = 1 + max(inside, default=0)
                item = made
        found.append(item)
    body.items = found


def _make_branches(merge: LayerItem, before: list[Item], tensor_uses: TensorUses) -> BranchesItem | None:
    """Return the parallel branches that the layer `merge` combines; `before` are the entries before it.

    None if its inputs are not chains from a single tensor, or if a skip connection crosses a change of size.
    """
    if merge.names or not is_movable(merge, tensor_uses):
        return None
    stop = len(before)
    bodies: list[list[Item]] = []
    sources: set[int] = set()
    for tensor in reversed(merge.reads):
        start = stop
        if stop and before[stop - 1].output == tensor and tensor not in sources:
            start = _find_chain_start(before, stop, merge.output, tensor_uses)
        bodies.append(before[start:stop])
        sources.update(before[start].reads if start < stop else (tensor,))
        stop = start
        if len(sources) != 1 or not all(is_movable(item, tensor_uses) for item in bodies[-1]):
            return None
    [source] = sources
    if not any(bodies) or _is_skip_across_sizes(bodies, source, merge, tensor_uses):
        return None
    lists = tuple(EntryList(source, inner) for inner in reversed(bodies))
    return BranchesItem(lists, merge.kind, (source,), merge.output, merge.name, merge.soft)


def _find_chain_start(before: list[Item], stop: int, merge: int, tensor_uses: TensorUses) -> int:
    """Return the index of the first entry in the chain that ends before `stop`; `stop` if there is no chain.

    In a chain, each output is read only by the next entry, and the last output only by the layer with the output
    `merge`.
    """
    if tensor_uses.last_reader[before[stop - 1].output] > merge:
        return stop
    start = stop - 1
    while start and stop - start < _MAX_BRANCH_ENTRIES:
        item, source = before[start], before[start - 1]
        if set(item.reads) != {source.output} or tensor_uses.last_reader[source.output] > item.output:
            break
        start -= 1
    return start


def is_movable(item: Item, tensor_uses: TensorUses) -> bool:
    """Whether an entry may be moved to another list: its name is optional and it is not in `TensorUses.pinned`."""
    if isinstance(item, SequenceItem):
        return False
    return (item.name is None or item.soft) and item.output not in tensor_uses.pinned


def _is_skip_across_sizes(bodies: list[list[Item]], source: int, merge: LayerItem, tensor_uses: TensorUses) -> bool:
    """Whether branches form a skip connection across a change of feature map size, as in a U-Net.

    Such a connection is easier to read as the name of a layer in `from` than as branches.
    """
    if merge.kind == "multiply" or all(bodies):
        return False
    sizes = {tensor_uses.shapes[tensor].spatial for body in bodies for item in body for tensor in iterate_outputs(item)}
    return len(sizes | {tensor_uses.shapes[source].spatial}) > 1 and len(sizes) > 1
