"""What makes entries alike: all but the values that may differ from one use of a block to the next."""

from convcalc.convert.writing.items import Body, Branches, FirstElse, Group, Item, Leaf, Value


class Tokens:
    """Numbers for entries: equal ones are alike in all but their values, and are wired alike within their list."""

    def __init__(self) -> None:
        self.known: dict[object, int] = {}
        self.lists: dict[int, int] = {}  # by the id of a list: lists are not changed while they are compared

    def of(self, body: Body) -> list[tuple[int, int]]:
        """For each entry of a list its number, and how many entries up the farthest that it reads stands.

        What it reads from outside of the list, the list's own input excepted, is taken to be out of all reach.
        """
        places = {body.given: -1} | {item.output: place for place, item in enumerate(body.items)}
        found = []
        for place, item in enumerate(body.items):
            steps = tuple(place - places[tensor] if tensor in places else tensor - 10**9 for tensor in item.reads)
            far = max((step if step > 0 else 10**9 for step in steps), default=1)
            found.append((self.number((self.shape(item), steps)), far))
        return found

    def number(self, token: object) -> int:
        """The number of a token."""
        return self.known.setdefault(token, len(self.known))

    def list_number(self, body: Body) -> int:
        """The number of a whole list."""
        if id(body) not in self.lists:
            self.lists[id(body)] = self.number(tuple(number for number, _ in self.of(body)))
        return self.lists[id(body)]

    def shape(self, item: Item) -> object:
        """All of an entry but its values and what it reads."""
        kept = None if item.soft else item.name
        own: object
        if isinstance(item, Leaf):
            own = (item.kind, item.names, tuple(map(fixed, item.values)), item.frozen)
        elif isinstance(item, Branches):
            own = (item.merge, tuple(map(self.list_number, item.bodies)))
        elif isinstance(item, Group):
            own = (self.list_number(item.body), item.repeat)
        else:
            # of two repeats, one may give its first copy other values and so hold more of them
            own = (id(item.block), item.repeat, tuple(map(fixed, item.values)))
        return type(item).__name__, own, kept, item.when is None


def fixed(value: Value) -> object:
    """A value that is the same in all uses of a block, an empty tuple for one that may differ."""
    if isinstance(value, FirstElse):
        return fixed(value.first), fixed(value.rest)
    return () if may_differ(value) else (value.__class__, value)


def may_differ(value: Value) -> bool:
    """Whether a value may be that of a parameter: numbers and lists of them are, words and choices are not."""
    return isinstance(value, int | float | tuple) and value.__class__ is not bool  # what stands for a value is a tuple
