"""Assigns numbers to entries, such that a single block can represent all entries with the same number.

They may differ only in values that a parameter of the block could have: numbers and lists of numbers.
"""

from convcalc.convert.decompile.items import BranchesItem, EntryList, FirstElse, Item, LayerItem, SequenceItem, Value


class ItemTokens:
    """Assigns numbers to entries: equal numbers mean equal structure and equal connections within the list."""

    def __init__(self) -> None:
        self.known: dict[object, int] = {}
        self.lists: dict[int, int] = {}  # by the id() of the list, since lists do not change while they are compared

    def number_entries(self, body: EntryList) -> list[tuple[int, int]]:
        """Return, for each entry of a list, its number and how many entries back the farthest entry is that it reads.

        The distance is 10**9 for a tensor from outside the list, unless it is the input of the list.
        """
        places = {body.source: -1} | {item.output: place for place, item in enumerate(body.items)}
        found = []
        for place, item in enumerate(body.items):
            steps = tuple(place - places[tensor] if tensor in places else tensor - 10**9 for tensor in item.reads)
            far = max((step if step > 0 else 10**9 for step in steps), default=1)
            found.append((self.number((self.list_fixed_properties(item), steps)), far))
        return found

    def number(self, token: object) -> int:
        """Return the number of a hashable value; a value not seen before gets a new number."""
        return self.known.setdefault(token, len(self.known))

    def list_number(self, body: EntryList) -> int:
        """Return the number of a whole list; lists get equal numbers if their entries have equal numbers."""
        if id(body) not in self.lists:
            self.lists[id(body)] = self.number(tuple(number for number, _ in self.number_entries(body)))
        return self.lists[id(body)]

    def list_fixed_properties(self, item: Item) -> object:
        """Return the properties that must be equal in all entries that one block represents.

        These exclude the inputs of an entry and the values that may differ between uses of the block.
        """
        kept = None if item.soft else item.name
        own: object
        if isinstance(item, LayerItem):
            own = (item.kind, item.names, tuple(map(_keep_fixed_part, item.values)), item.frozen)
        elif isinstance(item, BranchesItem):
            own = (item.merge, tuple(map(self.list_number, item.bodies)))
        elif isinstance(item, SequenceItem):
            own = (self.list_number(item.body), item.repeat)
        else:
            # a FirstElse has more values than a plain one, so uses must agree in which of their values are FirstElse
            own = (id(item.block), item.repeat, tuple(map(_keep_fixed_part, item.values)))
        return type(item).__name__, own, kept, item.when is None


def _keep_fixed_part(value: Value) -> object:
    """Return an empty tuple for a value that may differ between uses of a block, else the value with its type."""
    if isinstance(value, FirstElse):
        return _keep_fixed_part(value.first), _keep_fixed_part(value.rest)
    return () if may_differ(value) else (value.__class__, value)


def may_differ(value: Value) -> bool:
    """Whether a value may become a parameter: numbers and lists of numbers may, words and booleans may not."""
    return isinstance(value, int | float | tuple) and value.__class__ is not bool  # ParameterValue, Half, … are tuples
