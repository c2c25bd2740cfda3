"""Lists in a flat list of layers: the scopes of their names, and what splits and comes together again."""

from itertools import groupby

from convcalc.convert.writing.items import Body, Branches, Group, Item, Leaf, Reference, inner_bodies, tensors_made
from convcalc.convert.writing.leaves import LONGEST_PART
from convcalc.shape import Shape
from convcalc.spec.entries import MERGES

Scoped = tuple[tuple[str, ...], Leaf]

MOST_NESTED = 4  # branches in branches
LONGEST_BRANCH = 200  # entries


class Wiring:
    """What is known of the tensors of a network: who reads a tensor last (its number), and the shapes."""

    def __init__(self, leaves: list[Leaf], shapes: list[Shape], leaving: set[int]) -> None:
        self.shapes = shapes
        self.last = [-1] * len(shapes)
        for leaf in leaves:
            for tensor in leaf.reads:
                self.last[tensor] = leaf.output
            for value in leaf.values:
                if isinstance(value, Reference):
                    self.last[value.tensor] = len(shapes)
            if leaf.share is not None:
                self.last[leaf.share] = self.last[leaf.output] = len(shapes)  # to be named, both of them
        for tensor in leaving:
            self.last[tensor] = len(shapes)
        self.pinned = {leaf.output for leaf in leaves if is_pinned(leaf)} | {
            leaf.share for leaf in leaves if leaf.share is not None
        }


def is_pinned(leaf: Leaf) -> bool:
    """Whether a layer speaks of another by name, so that it cannot be one of many."""
    return leaf.share is not None or any(isinstance(value, Reference) for value in leaf.values)


# -- scopes


def scopes(leaves: list[Scoped], given: int | None, depth: int = 0) -> Body:
    """The layers with a list for every scope of their names whose layers stand together."""
    items: list[Item] = []
    taken: set[str] = set()
    before = given
    for part, run in groupby(leaves, key=lambda found: found[0][depth] if len(found[0]) > depth else None):
        members = list(run)
        if part is None or len(members) == 1:
            items += [renamed(leaf, path[depth:], taken) for path, leaf in members]
        else:
            first = members[0][1]
            start = before if before in first.reads else first.reads[0]
            name = None if part.isdigit() or part in taken else part
            taken |= {part}
            items.append(Group(scopes(members, start, depth + 1), (start,), members[-1][1].output, name))
        before = items[-1].output
    return Body(given, items)


def flat(leaves: list[Scoped], given: int | None, soft: bool = False, nameless: bool = False) -> Body:
    """The layers in one list, under their whole names or without names.

    `soft`: under those that have no scope, which may go where they are folded.
    """
    taken: set[str] = set()
    items: list[Item] = []
    for path, leaf in leaves:
        named = leaf._replace(name=None) if nameless or (soft and path) else renamed(leaf, path, taken)
        items.append(named._replace(soft=soft))
    return Body(given, items)


def renamed(leaf: Leaf, path: tuple[str, ...], taken: set[str]) -> Leaf:
    """A layer with what is left of its scopes in its name, without a name where that is taken."""
    parts = [part for part in (*path, leaf.name) if part is not None and not part.isdigit()]
    name = "_".join(parts)[-LONGEST_PART:].lstrip("_-0123456789") or None
    if name in taken:
        return leaf._replace(name=None)
    if name is not None:
        taken.add(name)
    return leaf._replace(name=name)


def dissolve(body: Body) -> None:
    """Take the entries of scopes that have no name of their own into the lists that hold them."""
    flat: list[Item] = []
    for item in body.items:
        for inner in inner_bodies(item):
            dissolve(inner)
        if isinstance(item, Group) and item.name is None:
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


def branch(body: Body, wiring: Wiring) -> None:
    """Put what splits and comes together again in a list into branches, inner ones first."""
    depth: dict[int, int] = {}  # of branches in each other, by their tensor
    found: list[Item] = []
    for item in body.items:
        for inner in inner_bodies(item):
            branch(inner, wiring)
        made = merged(item, found, wiring) if isinstance(item, Leaf) and item.kind in MERGES else None
        if made is not None:
            inside = [depth.get(entry.output, 0) for inner in made.bodies for entry in inner.items]
            if max(inside, default=0) < MOST_NESTED:
                del found[len(found) - sum(len(inner.items) for inner in made.bodies) :]
                depth[made.output] = 1 + max(inside, default=0)
                item = made
        found.append(item)
    body.items = found


def merged(merge: Leaf, before: list[Item], wiring: Wiring) -> Branches | None:
    """The branches that come together in a layer, None where they are no lists that read one tensor."""
    if not is_free(merge, wiring):
        return None
    stop = len(before)
    bodies: list[list[Item]] = []
    sources: set[int] = set()
    for tensor in reversed(merge.reads):
        start = stop
        if stop and before[stop - 1].output == tensor and tensor not in sources:
            start = chain_start(before, stop, merge.output, wiring)
        bodies.append(before[start:stop])
        sources.update(before[start].reads if start < stop else (tensor,))
        stop = start
        if len(sources) != 1 or not all(is_free(item, wiring) for item in bodies[-1]):
            return None
    [source] = sources
    if not any(bodies) or changes_size(bodies, source, merge, wiring):
        return None
    lists = tuple(Body(source, inner) for inner in reversed(bodies))
    return Branches(lists, merge.kind, (source,), merge.output, merge.name, merge.soft)


def chain_start(before: list[Item], stop: int, merge: int, wiring: Wiring) -> int:
    """Where the chain begins that ends before `stop`: each entry alone reads the one before it. `stop`: there is none.

    What the chain ends in is read by the merge alone.
    """
    if wiring.last[before[stop - 1].output] > merge:
        return stop
    start = stop - 1
    while start and stop - start < LONGEST_BRANCH:
        item, source = before[start], before[start - 1]
        if set(item.reads) != {source.output} or wiring.last[source.output] > item.output:
            break
        start -= 1
    return start


def is_free(item: Item, wiring: Wiring) -> bool:
    """Whether an entry may be put into another list: no name has to be kept, and none speaks of it."""
    if isinstance(item, Group):
        return False
    return (item.name is None or item.soft) and item.output not in wiring.pinned


def changes_size(bodies: list[list[Item]], source: int, merge: Leaf, wiring: Wiring) -> bool:
    """Whether something is passed around layers that make it smaller and larger again, as in a U-Net.

    That is read more easily by a name than as a branch.
    """
    if merge.kind == "multiply" or all(bodies):
        return False
    sizes = {wiring.shapes[tensor].spatial for body in bodies for item in body for tensor in tensors_made(item)}
    return len(sizes | {wiring.shapes[source].spatial}) > 1 and len(sizes) > 1
