"""Formats entries as the YAML text of a spec, with their names, inputs and arguments in flow style.

A layer becomes a line such as `- conv: {out_channels: 8, kernel_size: 3, from: stem}`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from convcalc.convert.decompile.items import (
    NO_DEFAULT,
    BranchesItem,
    EntryList,
    FirstElse,
    FoldedBlock,
    FoldedUse,
    Half,
    Item,
    LayerItem,
    ParameterValue,
    Reference,
    SequenceItem,
    Value,
    find_blocks,
    inner_lists,
    with_type,
)
from convcalc.convert.decompile.leaves import find_default
from convcalc.spec.emit import format_item, format_scalar, format_value
from convcalc.spec.entries import make_default_name, shorten_arguments

_INDENT = "  "
_Scope = tuple[str, ...]


class _EntryNames:
    """Chooses the names of all entries, and finds the name by which a scope refers to a tensor.

    A scope is the tuple of the names of the entries around a list; an entry is identified by its scope and its index.
    `written` is true for an entry whose name must be written, because it is not the automatic one.
    """

    def __init__(self, body: EntryList, inputs: Mapping[int, str]) -> None:
        self.inputs = inputs
        self.inputs_read: set[_Scope] = set()  # the scopes that read an input of the network by name
        self.of_items: dict[tuple[_Scope, int], str] = {}
        self.written: dict[tuple[_Scope, int], bool] = {}
        self.homes: dict[int, tuple[_Scope, str]] = {}  # the outermost entry that outputs a tensor
        self.layers: dict[int, tuple[_Scope, str]] = {}  # the innermost entry that outputs a tensor: the layer
        self.name_entries(body, ())

    def name_entries(self, body: EntryList, scope: _Scope) -> None:
        kept = {item.name for item in body.items if item.name is not None}
        taken = set() if scope else set(self.inputs.values())
        counts: Counter[str] = Counter()
        for place, item in enumerate(body.items):
            counts[_get_keyword(item)] += 1
            automatic = make_default_name(_get_keyword(item), counts[_get_keyword(item)])
            name = item.name
            if name is None or name in taken:
                name = _find_unused_name(automatic, kept, taken)
            taken.add(name)
            self.of_items[scope, place] = name
            self.written[scope, place] = name != automatic
            self.homes.setdefault(item.output, (scope, name))
            self.layers[item.output] = (scope, name)
            for number, inner in enumerate(inner_lists(item)):
                own = (name, str(number)) if isinstance(item, BranchesItem) else (name,)
                self.name_entries(inner, (*scope, *own))

    def refer_to_tensor(self, tensor: int, scope: _Scope) -> str:
        if tensor in self.inputs:
            self.inputs_read.add(scope)
            return self.inputs[tensor]
        return self.refer_to_entry(self.homes[tensor], scope)

    def refer_to_entry(self, place: tuple[_Scope, str], scope: _Scope) -> str:
        """Return the dotted name by which `scope` refers to an entry, without the scopes that contain both.

        `place` is the scope and the name of the entry.
        """
        home, name = place
        shared = 0
        while shared < min(len(home), len(scope)) and home[shared] == scope[shared]:
            shared += 1
        return ".".join((*home[shared:], name))


def _find_unused_name(word: str, *taken: set[str]) -> str:
    number, name = 1, word
    while any(name in names for names in taken):
        number += 1
        name = f"{word}_{number}"
    return name


def _get_keyword(item: Item) -> str:
    """Return the key of an entry in YAML: its layer kind, its block's name, `branches` or `sequence`."""
    if isinstance(item, LayerItem):
        return item.kind
    if isinstance(item, FoldedUse):
        return item.block.name
    return "branches" if isinstance(item, BranchesItem) else "sequence"


class EntryWriter:
    """Formats entries as YAML lines. `inputs` are the names of the network's inputs by tensor number."""

    def __init__(self, body: EntryList, inputs: Mapping[int, str]) -> None:
        self.names = _EntryNames(body, inputs)

    def lines(self, body: EntryList, scope: _Scope = ()) -> Iterator[str]:
        """Yield the YAML lines of a list of entries, without indentation."""
        before = body.source
        for place, item in enumerate(body.items):
            options = self.options(body, place, before, scope)
            if isinstance(item, LayerItem | FoldedUse):
                word, arguments = _get_keyword(item), {**self.arguments(item, scope), **options}
                yield f"- {format_item({word: shorten_arguments(word, arguments)} if arguments else word)}"
            else:
                yield from self.list_lines(item, options, (*scope, self.names.of_items[scope, place]))
            before = item.output

    def list_lines(self, item: BranchesItem | SequenceItem, options: dict[str, Any], scope: _Scope) -> Iterator[str]:
        """Yield the YAML lines of branches or of a sequence, followed by the options."""
        yield f"- {_get_keyword(item)}:"
        for number, inner in enumerate(inner_lists(item)):
            if isinstance(item, BranchesItem):
                lines = list(self.lines(inner, (*scope, str(number)))) or ["[]"]
                yield f"{_INDENT * 2}- {lines[0]}"
                yield from (f"{_INDENT * 3}{line}" for line in lines[1:])
            else:
                yield from (f"{_INDENT * 2}{line}" for line in self.lines(inner, scope))
        if isinstance(item, BranchesItem):
            options = {"merge": item.merge, **options}
        yield from (f"{_INDENT}{name}: {format_value(value)}" for name, value in options.items())

    def arguments(self, item: LayerItem | FoldedUse, scope: _Scope) -> dict[str, Any]:
        """Return the arguments of an entry that differ from their defaults, with values in the syntax of a spec."""
        if isinstance(item, FoldedUse):
            pairs = zip(item.block.parameters.items(), item.values, strict=True)
            arguments = {name: value for (name, default), value in pairs if with_type(default) != with_type(value)}
        else:
            both = zip(item.names, item.values, strict=True)
            arguments = {
                name: value for name, value in both if with_type(find_default(item.kind, name)) != with_type(value)
            }
        return {name: self.value(value, scope) for name, value in arguments.items()}

    def options(self, body: EntryList, place: int, before: int | None, scope: _Scope) -> dict[str, Any]:
        """Return the options that an entry needs: `from`, `frozen`, `share`, `repeat`, `when` and `name`."""
        item = body.items[place]
        found: dict[str, Any] = {}
        if item.reads and item.reads != (before,):
            reads = [self.read(tensor, body, before, scope) for tensor in item.reads]
            found["from"] = reads[0] if len(reads) == 1 else reads
        if isinstance(item, LayerItem):
            if item.frozen:
                found["frozen"] = True
            if item.share is not None:
                found["share"] = self.names.refer_to_entry(self.names.layers[item.share], scope)
        elif not isinstance(item, BranchesItem) and item.repeat is not None:
            found["repeat"] = item.repeat
        if item.when is not None:
            found["when"] = self.value(item.when, scope)
        if self.names.written[scope, place]:
            found["name"] = self.names.of_items[scope, place]
        return found

    def read(self, tensor: int, body: EntryList, before: int | None, scope: _Scope) -> str:
        """Return the text for a tensor in `from`: `input`, `previous`, or the name of another entry.

        `before` is the output of the previous entry.
        """
        if tensor == before and tensor != body.source:
            return "previous"
        return "input" if tensor == body.source else self.names.refer_to_tensor(tensor, scope)

    def value(self, value: Value, scope: _Scope) -> Any:
        """Return an argument value in the syntax of a spec. Half of a parameter becomes `$(kernel // 2)`."""
        if isinstance(value, Reference):
            return self.names.refer_to_tensor(value.tensor, scope)
        text = _format_expression(value)
        if text is None:
            return value.replace("$", "$$") if isinstance(value, str) else value
        return f"${text}" if isinstance(value, ParameterValue) else f"$({text})"


def _format_expression(value: Value) -> str | None:
    """Return the expression for a ParameterValue, a Half or a FirstElse, without the `$`; None for any other value."""
    if isinstance(value, ParameterValue):
        return value.name
    if isinstance(value, Half):
        return f"{value.name} // 2"
    if not isinstance(value, FirstElse):
        return None
    if (value.first, value.rest) == (True, False) and value.rest is False:
        return "index == 0"
    first, rest = (_format_expression(part) or format_scalar(part) for part in value)
    return f"{first} if index == 0 else {rest}"


def make_blocks_text(top: EntryList) -> list[str]:
    """Return the lines of the `blocks:` section. Each block comes before the blocks that use it."""
    lines: list[str] = []
    for block in reversed(find_blocks(top)):
        lines += [f"{_INDENT}{block.name}:", *_make_block_lines(block), ""]
    return ["blocks:", *lines] if lines else []


def _make_block_lines(block: FoldedBlock) -> Iterator[str]:
    parameters = (
        f"{name}: {'' if default is NO_DEFAULT else format_value(default)}"
        for name, default in block.parameters.items()
    )
    if block.parameters:
        yield f"{_INDENT * 2}params: {{{', '.join(parameters)}}}"
    yield f"{_INDENT * 2}layers:"
    writer = EntryWriter(block.body, {})
    yield from (f"{_INDENT * 3}{line}" for line in writer.lines(block.body))
