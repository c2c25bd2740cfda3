"""Uses of one block in a row as one entry that repeats."""

from collections.abc import Sequence

from convcalc.convert.writing.items import Body, FirstElse, Group, Item, Use, Value, live_bodies, typed
from convcalc.convert.writing.regions import Wiring

OTHER_FIRST = 0.5  # of a line: what a number that only the first copy has costs the reader
FLAG_FIRST = 0.3  # the same of true and false
LARGE = 8  # a count of channels: where it changes is worth a line
Values = tuple[Value, ...]


def partition(uses: Sequence[Values]) -> list[tuple[int, int]]:
    """Where to cut uses in a row so that every part is one entry: start and stop of each.

    In a part all uses have the same values, but that the first may have others.
    """
    starts = [place for place, use in enumerate(uses) if not place or not same(use, uses[place - 1])]
    stops = [*starts[1:], len(uses)]
    costs, cuts = [0.0], [0]  # of the runs of equal uses up to here: the least cost, and where the last part begins
    for run, start in enumerate(starts):
        cost, cut = costs[run] + 1, run
        if run and starts[run] - starts[run - 1] == 1:
            other = first_differs(uses[start - 1], uses[start])
            if other is not None and costs[run - 1] + 1 + other < cost:
                cost, cut = costs[run - 1] + 1 + other, run - 1
        costs.append(cost)
        cuts.append(cut)
    parts, run = [], len(starts)
    while run:
        parts.append((starts[cuts[run]], stops[run - 1]))
        run = cuts[run]
    return parts[::-1]


def same(one: Values, other: Values) -> bool:
    """Whether all values are equal, and of one type."""
    return one == other and list(map(type, one)) == list(map(type, other))


def first_differs(first: Values, rest: Values) -> float | None:
    """What it costs the reader that a first use differs from the others, None where an expression cannot say it."""
    pairs = {(typed(one), typed(other)) for one, other in zip(first, rest, strict=True) if typed(one) != typed(other)}
    listed = any(isinstance(value, tuple) and not hasattr(value, "_fields") for pair in pairs for _, value in pair)
    large = any(isinstance(value, int) and value >= LARGE for pair in pairs for _, value in pair)
    return None if listed or large else sum(FLAG_FIRST if word is bool else OTHER_FIRST for (word, _), _ in pairs)


def runs(body: Body, wiring: Wiring) -> list[tuple[int, int]]:
    """Where uses of one block stand in a row in a list, each reading the one before it."""
    found, start = [], 0
    for place in range(1, len(body.items) + 1):
        if place == len(body.items) or not follows(body.items[place - 1], body.items[place], wiring):
            found.append((start, place))
            start = place
    return found


def follows(one: Item, other: Item, wiring: Wiring) -> bool:
    """Whether two uses may be copies of one entry."""
    return (
        isinstance(one, Use)
        and isinstance(other, Use)
        and one.block is other.block
        and (one.repeat, one.when, other.repeat, other.when) == (None,) * 4
        and (one.name is None or one.soft)
        and (other.name is None or other.soft)
        and other.reads == (one.output,)
        and one.output < len(wiring.last)
        and wiring.last[one.output] <= other.output
    )


def repeat(top: Body, wiring: Wiring) -> None:
    """Put uses of one block in a row together, in a list, the lists in it and those of the blocks that it uses."""
    for body in live_bodies(top):
        made: list[Item] = []
        for start, stop in runs(body, wiring):
            row = [item for item in body.items[start:stop] if isinstance(item, Use)]
            if len(row) < 2:
                made += body.items[start:stop]
                continue
            made += [together(row[first:last]) for first, last in partition([use.values for use in row])]
        body.items = made
    for body in live_bodies(top):
        body.items = [named_repeat(item) for item in body.items]


def together(row: list[Use]) -> Use:
    """Uses in a row as one."""
    if len(row) == 1:
        return row[0]
    pairs = zip(row[0].values, row[1].values, strict=True)
    values = tuple(one if typed(one) == typed(other) else FirstElse(one, other) for one, other in pairs)
    return row[0]._replace(values=values, output=row[-1].output, repeat=len(row), name=None)


def named_repeat(item: Item) -> Item:
    """A scope that holds one repeat is the repeat: its copies are numbered in the scope's name."""
    if isinstance(item, Group) and len(item.body.items) == 1 and item.repeat is item.when is None:
        [inner] = item.body.items
        alone = isinstance(inner, Use) and inner.name is None and inner.when is None
        if alone and inner.output == item.output and inner.reads == item.reads:
            return inner._replace(name=item.name)
    return item
