"""Replaces consecutive uses of one block by a single entry with `repeat`.

If only the first use differs, the value that differs becomes an expression: `stride: $(2 if index == 0 else 1)`.
"""

from collections.abc import Sequence

from convcalc.convert.decompile.items import (
    EntryList,
    FirstElse,
    FoldedUse,
    Item,
    SequenceItem,
    Value,
    find_lists,
    with_type,
)
from convcalc.convert.decompile.regions import TensorUses

_COST_OF_FIRST_VALUE = 0.5  # lines; an expression with another number for the first copy is harder to read
_COST_OF_FIRST_FLAG = 0.3  # lines; the same for an expression with true and false
_MIN_LARGE_VALUE = 8  # from here on, a value is probably a number of channels, whose change deserves a line of its own
_Values = tuple[Value, ...]


def partition_uses(uses: Sequence[_Values]) -> list[tuple[int, int]]:
    """Split consecutive uses of a block into ranges that can be one entry each; return their (start, stop).

    `uses` has the values of each use. All uses in a range have the same values, except that the first use may differ.
    The split is the one that costs the fewest lines.
    """
    starts = [place for place, use in enumerate(uses) if not place or not _are_equal_with_types(use, uses[place - 1])]
    stops = [*starts[1:], len(uses)]
    costs = [0.0]  # costs[n]: the lowest cost of the first n groups of equal uses
    cuts = [0]  # cuts[n]: the group that begins the last of their ranges
    for run, start in enumerate(starts):
        cost, cut = costs[run] + 1, run
        if run and starts[run] - starts[run - 1] == 1:
            other = _count_expression_cost(uses[start - 1], uses[start])
            if other is not None and costs[run - 1] + 1 + other < cost:
                cost, cut = costs[run - 1] + 1 + other, run - 1
        costs.append(cost)
        cuts.append(cut)
    parts, run = [], len(starts)
    while run:
        parts.append((starts[cuts[run]], stops[run - 1]))
        run = cuts[run]
    return parts[::-1]


def _are_equal_with_types(one: _Values, other: _Values) -> bool:
    return one == other and list(map(type, one)) == list(map(type, other))


def _count_expression_cost(first: _Values, rest: _Values) -> float | None:
    """Return the cost, in lines, of a repeated entry that has the values `first` in its first copy, then `rest`.

    Each argument that differs becomes an expression, `2 if index == 0 else 1`. None if an expression would contain a
    list or a large number.
    """
    pairs = {
        (with_type(one), with_type(other))
        for one, other in zip(first, rest, strict=True)
        if with_type(one) != with_type(other)
    }
    listed = any(isinstance(value, tuple) and not hasattr(value, "_fields") for pair in pairs for _, value in pair)
    large = any(isinstance(value, int) and value >= _MIN_LARGE_VALUE for pair in pairs for _, value in pair)
    return (
        None
        if listed or large
        else sum(_COST_OF_FIRST_FLAG if word is bool else _COST_OF_FIRST_VALUE for (word, _), _ in pairs)
    )


def _find_repeatable_runs(body: EntryList, tensor_uses: TensorUses) -> list[tuple[int, int]]:
    """Return the (start, stop) of each series of uses that may become one repeated entry.

    Any other entry is returned as a range of length 1.
    """
    found, start = [], 0
    for place in range(1, len(body.items) + 1):
        if place == len(body.items) or not _may_be_copies(body.items[place - 1], body.items[place], tensor_uses):
            found.append((start, place))
            start = place
    return found


def _may_be_copies(one: Item, other: Item, tensor_uses: TensorUses) -> bool:
    return (
        isinstance(one, FoldedUse)
        and isinstance(other, FoldedUse)
        and one.block is other.block
        and (one.repeat, one.when, other.repeat, other.when) == (None,) * 4
        and (one.name is None or one.soft)
        and (other.name is None or other.soft)
        and other.reads == (one.output,)
        and one.output < len(tensor_uses.last_reader)
        and tensor_uses.last_reader[one.output] <= other.output
    )


def merge_repeats(top: EntryList, tensor_uses: TensorUses) -> None:
    """Merge consecutive uses of a block into one entry with `repeat`, also in nested lists and in blocks."""
    for body in find_lists(top):
        made: list[Item] = []
        for start, stop in _find_repeatable_runs(body, tensor_uses):
            row = [item for item in body.items[start:stop] if isinstance(item, FoldedUse)]
            if len(row) < 2:
                made += body.items[start:stop]
                continue
            made += [_join_uses(row[first:last]) for first, last in partition_uses([use.values for use in row])]
        body.items = made
    for body in find_lists(top):
        body.items = [_unwrap_single_use(item) for item in body.items]


def _join_uses(row: list[FoldedUse]) -> FoldedUse:
    if len(row) == 1:
        return row[0]
    pairs = zip(row[0].values, row[1].values, strict=True)
    values = tuple(one if with_type(one) == with_type(other) else FirstElse(one, other) for one, other in pairs)
    return row[0]._replace(values=values, output=row[-1].output, repeat=len(row), name=None)


def _unwrap_single_use(item: Item) -> Item:
    """If a sequence contains only an unnamed use of a block, return that use with the name of the sequence.

    Any other entry is returned unchanged.
    """
    if isinstance(item, SequenceItem) and len(item.body.items) == 1 and item.repeat is item.when is None:
        [inner] = item.body.items
        alone = isinstance(inner, FoldedUse) and inner.name is None and inner.when is None
        if alone and inner.output == item.output and inner.reads == item.reads:
            return inner._replace(name=item.name)
    return item
