"""The text of a spec: its entries with their names, what they read, and their arguments in the flow style."""

from collections import Counter
from collections.abc import Iterator, Mapping

from convcalc.convert.writing.items import (
    NOTHING,
    Block,
    Body,
    Branches,
    FirstElse,
    Group,
    Half,
    Item,
    Leaf,
    Reference,
    Symbol,
    Use,
    Value,
    inner_bodies,
    typed,
    used_blocks,
)
from convcalc.convert.writing.leaves import default_of
from convcalc.convert.writing.scalars import flow, scalar

INDENT = "  "
Scope = tuple[str, ...]


class Names:
    """The names of all entries of a list and the lists in it, and how one scope speaks of a tensor to another."""

    def __init__(self, body: Body, inputs: Mapping[int, str]) -> None:
        self.inputs = inputs
        self.inputs_read: set[Scope] = set()  # the scopes that read an input of the network by its name
        self.of_items: dict[tuple[Scope, int], str] = {}
        self.written: dict[tuple[Scope, int], bool] = {}
        self.homes: dict[int, tuple[Scope, str]] = {}  # the outermost entry that gives a tensor
        self.layers: dict[int, tuple[Scope, str]] = {}  # the layer itself, which is the innermost
        self.give(body, ())

    def give(self, body: Body, scope: Scope) -> None:
        """Name the entries of a list."""
        kept = {item.name for item in body.items if item.name is not None}
        taken = set() if scope else set(self.inputs.values())
        counts: Counter[str] = Counter()
        for place, item in enumerate(body.items):
            counts[word_of(item)] += 1
            automatic = f"{word_of(item)}{counts[word_of(item)]}"
            name = item.name
            if name is None or name in taken:
                name = unused(automatic, kept, taken)
            taken.add(name)
            self.of_items[scope, place] = name
            self.written[scope, place] = name != automatic
            self.homes.setdefault(item.output, (scope, name))
            self.layers[item.output] = (scope, name)
            for number, inner in enumerate(inner_bodies(item)):
                own = (name, str(number)) if isinstance(item, Branches) else (name,)
                self.give(inner, (*scope, *own))

    def reference(self, tensor: int, scope: Scope) -> str:
        """The name of a tensor where it is read."""
        if tensor in self.inputs:
            self.inputs_read.add(scope)
            return self.inputs[tensor]
        return self.path(self.homes[tensor], scope)

    def path(self, place: tuple[Scope, str], scope: Scope) -> str:
        """The name of an entry as another scope speaks of it."""
        home, name = place
        shared = 0
        while shared < min(len(home), len(scope)) and home[shared] == scope[shared]:
            shared += 1
        return ".".join((*home[shared:], name))


def unused(word: str, *taken: set[str]) -> str:
    """A name that is not taken: the word, or one with a number."""
    number, name = 1, word
    while any(name in names for names in taken):
        number += 1
        name = f"{word}_{number}"
    return name


def word_of(item: Item) -> str:
    """The word that an entry stands under."""
    if isinstance(item, Leaf):
        return item.kind
    if isinstance(item, Use):
        return item.block.name
    return "branches" if isinstance(item, Branches) else "sequence"


class Writer:
    """Writes the entries of a list and of the lists in it; `inputs` are the names of the tensors it is given."""

    def __init__(self, body: Body, inputs: Mapping[int, str]) -> None:
        self.names = Names(body, inputs)

    def lines(self, body: Body, scope: Scope = ()) -> Iterator[str]:
        """The lines of a list."""
        before = body.given
        for place, item in enumerate(body.items):
            options = self.options(body, place, before, scope)
            if isinstance(item, Leaf | Use):
                yield f"- {entry(word_of(item), {**self.arguments(item, scope), **options})}"
            else:
                yield from self.list_lines(item, options, (*scope, self.names.of_items[scope, place]))
            before = item.output

    def list_lines(self, item: Branches | Group, options: dict[str, str], scope: Scope) -> Iterator[str]:
        """The lines of branches or of a sequence, with their options."""
        yield f"- {word_of(item)}:"
        for number, inner in enumerate(inner_bodies(item)):
            if isinstance(item, Branches):
                lines = list(self.lines(inner, (*scope, str(number)))) or ["[]"]
                yield f"{INDENT * 2}- {lines[0]}"
                yield from (f"{INDENT * 3}{line}" for line in lines[1:])
            else:
                yield from (f"{INDENT * 2}{line}" for line in self.lines(inner, scope))
        if isinstance(item, Branches):
            options = {"merge": item.merge, **options}
        yield from (f"{INDENT}{name}: {value}" for name, value in options.items())

    def arguments(self, item: Leaf | Use, scope: Scope) -> dict[str, str]:
        """The arguments of an entry that are not at their default."""
        if isinstance(item, Use):
            pairs = zip(item.block.parameters.items(), item.values, strict=True)
            given = {name: value for (name, default), value in pairs if typed(default) != typed(value)}
        else:
            both = zip(item.names, item.values, strict=True)
            given = {name: value for name, value in both if typed(default_of(item.kind, name)) != typed(value)}
        return {name: self.value(value, scope) for name, value in given.items()}

    def options(self, body: Body, place: int, before: int | None, scope: Scope) -> dict[str, str]:
        """The options of an entry."""
        item = body.items[place]
        found: dict[str, str] = {}
        if item.reads != (before,):
            reads = [self.read(tensor, body, before, scope) for tensor in item.reads]
            found["from"] = reads[0] if len(reads) == 1 else f"[{', '.join(reads)}]"
        if isinstance(item, Leaf):
            found |= {"frozen": "true"} if item.frozen else {}
            found |= (
                {} if item.share is None else {"share": scalar(self.names.path(self.names.layers[item.share], scope))}
            )
        elif not isinstance(item, Branches) and item.repeat is not None:
            found["repeat"] = str(item.repeat)
        if item.when is not None:
            found["when"] = self.value(item.when, scope)
        if self.names.written[scope, place]:
            found["name"] = scalar(self.names.of_items[scope, place])
        return found

    def read(self, tensor: int, body: Body, before: int | None, scope: Scope) -> str:
        """The name of a tensor that an entry reads."""
        if tensor == before and tensor != body.given:
            return "previous"
        return "input" if tensor == body.given else scalar(self.names.reference(tensor, scope))

    def value(self, value: Value, scope: Scope) -> str:
        """A value as it is written."""
        if isinstance(value, Reference):
            return scalar(self.names.reference(value.tensor, scope))
        text = expression(value)
        if text is None:
            return flow(value.replace("$", "$$") if isinstance(value, str) else value)
        return f"${text}" if isinstance(value, Symbol) else f"$({text})"


def expression(value: Value) -> str | None:
    """What stands for a value in an expression, None of a value that is plain."""
    if isinstance(value, Symbol):
        return value.name
    if isinstance(value, Half):
        return f"{value.name} // 2"
    if not isinstance(value, FirstElse):
        return None
    if (value.first, value.rest) == (True, False) and value.rest is False:
        return "index == 0"
    first, rest = (expression(part) or scalar(part) for part in value)
    return f"{first} if index == 0 else {rest}"


def entry(word: str, arguments: Mapping[str, str]) -> str:
    """`relu`, `conv: {out_channels: 8}`."""
    if not arguments:
        return word
    return f"{word}: {{{', '.join(f'{name}: {value}' for name, value in arguments.items())}}}"


def blocks_text(top: Body) -> list[str]:
    """The lines of the blocks, each above those that use it."""
    lines: list[str] = []
    for block in reversed(used_blocks(top)):
        lines += [*lines[:0], f"{INDENT}{block.name}:", *block_lines(block), ""]
    return ["blocks:", *lines] if lines else []


def block_lines(block: Block) -> Iterator[str]:
    """The parameters and the entries of a block."""
    given = (f"{name}: {'' if default is NOTHING else flow(default)}" for name, default in block.parameters.items())
    if block.parameters:
        yield f"{INDENT * 2}params: {{{', '.join(given)}}}"
    yield f"{INDENT * 2}layers:"
    writer = Writer(block.body, {})
    yield from (f"{INDENT * 3}{line}" for line in writer.lines(block.body))
