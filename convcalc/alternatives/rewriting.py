"""A spec with other entries in the place of some: its values for counting, its text for writing.

The rest of the network must stay what it is. An entry without a name is called by its kind and its ordinal, so that
another kind in its place may rename those below it: where anything speaks of them, they get the names that they had.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from convcalc.alternatives.factorings import CannotChange, Convolution, Entry
from convcalc.alternatives.subjects import value_at
from convcalc.network import Network, Node
from convcalc.problems import InvalidSpec, Path
from convcalc.spec.document import Document
from convcalc.spec.edits import CannotEdit, Edit, applied, argument, replaced_entry
from convcalc.spec.entries import LISTS
from convcalc.spec.inputs import Overrides
from convcalc.spec.reader import read_network
from convcalc.spec.source import read_text

PLAIN_TEXT = re.compile(r"[A-Za-z$][^,:#\[\]{}\"'\\&*!|>%@`\n]*(?<! )")
NO_TEXT = ("true", "false", "null")


class Change(NamedTuple):
    """A convolution, and the entries that take its place."""

    conv: Convolution
    entries: list[Entry]


class Rewritten(NamedTuple):
    """A spec with changes: its values, and the network that they describe.

    `tensors` is the number in it of every tensor of the network before, `names` the names that other entries got.
    """

    root: Any
    network: Network
    tensors: tuple[int, ...]
    items: dict[Path, list[Any]]
    names: dict[Path, str]


def rewritten(document: Document, network: Network, overrides: Overrides, changes: Sequence[Change]) -> Rewritten:
    """The spec with changes. Raises CannotChange where it is then wrong, or where other layers are not what they were.

    The names of other entries are written down only where they would else come to stand for something else.
    """
    reason = ""
    limits = document.root.get("budget")
    for naming in (True,) if isinstance(limits, Mapping) and "per_layer" in limits else (False, True):
        try:
            return attempt(document, network, overrides, changes, naming)
        except InvalidSpec as error:
            reason = reason or error.problems[0].message
        except CannotChange as error:
            reason = reason or str(error)
    raise CannotChange(reason)


def attempt(
    document: Document, network: Network, overrides: Overrides, changes: Sequence[Change], naming: bool
) -> Rewritten:
    """The spec with changes, the names of entries kept or not. Raises CannotChange and InvalidSpec."""
    items = {
        change.conv.path: written(change, default_name(document, change.conv.path) if naming else None)
        for change in changes
    }
    names = kept_names(document, items) if naming else {}
    root = rebuilt(document.root, (), items, names)
    found = read_network(Document(root, document.file), overrides)
    sizes = {(*change.conv.path, change.conv.word): len(change.entries) for change in changes}
    return Rewritten(root, found, moved(network, found, sizes), items, names)


# -- values


def written(change: Change, name: str | None) -> list[Any]:
    """What is written in the place of an entry; several entries that have options between them are a sequence."""
    options = dict(change.conv.options)
    if name is not None:
        options.setdefault("name", name)
    if len(change.entries) == 1:
        [(word, arguments)] = change.entries
        return [{word: {**arguments, **options}}]
    entries = [{word: arguments} if arguments else word for word, arguments in change.entries]
    return [{"sequence": entries, **options}] if options else entries


def word_of(entry: Any) -> str:
    """The word by which an entry is counted."""
    if isinstance(entry, dict) and entry:
        return next((word for word in LISTS if word in entry), next(iter(entry)))
    return entry if isinstance(entry, str) else ""


def default_name(document: Document, path: Path) -> str:
    """What an entry without a name is called: its word and its ordinal among the entries of its list."""
    *body, index = path
    assert isinstance(index, int)
    words = [word_of(entry) for entry in value_at(document.root, tuple(body))[: index + 1]]
    return f"{words[-1]}{words.count(words[-1])}"


def kept_names(document: Document, items: Mapping[Path, Sequence[Any]]) -> dict[Path, str]:
    """The names of the entries below changed ones that are counted with them and have no name of their own."""
    found: dict[Path, str] = {}
    for path, replacing in items.items():
        *body, index = path
        assert isinstance(index, int)
        before, after = word_of(value_at(document.root, path)), [word_of(item) for item in replacing]
        if after == [before]:
            continue
        for place, entry in enumerate(value_at(document.root, tuple(body))):
            other, word = (*body, place), word_of(entry)
            if place > index and word in {before, *after} and other not in items and not has_name(entry, word):
                found[other] = default_name(document, other)
    return found


def has_name(entry: Any, word: str) -> bool:
    """Whether an entry has a name of its own."""
    options = entry if word in LISTS else entry.get(word) if isinstance(entry, dict) else None
    return isinstance(options, dict) and "name" in options


def rebuilt(value: Any, path: Path, items: Mapping[Path, Sequence[Any]], names: Mapping[Path, str]) -> Any:
    """A copy of a value in which entries are changed or named; what is in it and stays is not copied."""
    if path in names:
        return with_name(value, names[path])
    if not any(other[: len(path)] == path for other in (*items, *names)):
        return value
    if isinstance(value, dict):
        return {key: rebuilt(item, (*path, key), items, names) for key, item in value.items()}
    found: list[Any] = []
    for index, item in enumerate(value):
        inside = (*path, index)
        found += items[inside] if inside in items else [rebuilt(item, inside, items, names)]
    return found


def with_name(entry: Any, name: str) -> Any:
    """An entry with a name."""
    word = word_of(entry)
    if word in LISTS:
        return {**entry, "name": name}
    arguments = entry[word] if isinstance(entry, dict) else None
    return {word: {**(arguments or {}), "name": name}}


# -- the network


def moved(network: Network, found: Network, sizes: Mapping[Path, int]) -> tuple[int, ...]:
    """The number in the changed network of every tensor of the network before.

    `sizes` is how many layers stand in the place of those of a path. Raises CannotChange where any other layer is not
    what it was, or reads something else.
    """
    first = len(network.inputs)
    tensors = list(range(first))
    place = 0
    for node in network.nodes:
        laid = found.nodes[place : place + sizes.get(node.path, 1)]
        reads = tuple(tensors[tensor] for tensor in node.reads)
        if len(laid) < sizes.get(node.path, 1) or laid[0].reads != reads:
            raise CannotChange("other layers would read something else")
        if node.path not in sizes and not same_layer(node, laid[0]):
            raise CannotChange(f"{node.name} would change too")
        place += len(laid)
        tensors.append(first + place - 1)
    outputs = [tensors[tensor] for tensor in network.outputs.values()]
    if place != len(found.nodes) or outputs != list(found.outputs.values()):
        raise CannotChange("other layers would leave the network")
    return tuple(tensors)


def same_layer(one: Node, other: Node) -> bool:
    """Whether two nodes are the same layer."""
    layer, twin = one.layer, other.layer
    same = (layer.kind, layer.inputs, layer.output) == (twin.kind, twin.inputs, twin.output)
    return layer is twin or (same and layer.arguments() == twin.arguments())


# -- the text


def rewritten_text(document: Document, overrides: Overrides, found: Rewritten) -> str:
    """The text of the changed spec, all else in it kept. Raises CannotChange."""
    if document.text is None or not document.quotable:
        raise CannotChange("nothing is written of a file behind a symbolic link")
    try:
        edits = [replacement(document, path, items) for path, items in found.items.items()]
        edits += [naming(document, path, name) for path, name in found.names.items()]
        text = applied(document.text, edits)
        network = read_network(read_text(text, document.file, True), overrides)
    except CannotEdit as error:
        raise CannotChange(str(error)) from None
    except InvalidSpec as error:
        raise CannotChange(error.problems[0].message) from None
    if len(network.nodes) != len(found.network.nodes) or not all(map(same_layer, network.nodes, found.network.nodes)):
        raise CannotChange("the entry cannot be written there")
    return text


def replacement(document: Document, path: Path, items: Sequence[Any]) -> Edit:
    """The edit that puts entries in the place of one. Raises CannotEdit."""
    try:
        return replaced_entry(document, path, [block_lines(item) for item in items])
    except CannotEdit:
        return replaced_entry(document, path, [[flow(item, in_list=True)] for item in items])


def naming(document: Document, path: Path, name: str) -> Edit:
    """The edit that names an entry. Raises CannotEdit."""
    entry = value_at(document.root, path)
    if word_of(entry) in LISTS:
        raise CannotEdit(f"{name} below it would be called something else: give it a name")
    return argument(document, path if isinstance(entry, str) else (*path, word_of(entry)), "name", name)


def block_lines(item: Any) -> list[str]:
    """An entry as lines: a sequence has an entry a line."""
    if not isinstance(item, dict) or "sequence" not in item:
        return [flow(item, in_list=True)]
    inside = [f"  - {flow(entry, in_list=True)}" for entry in item["sequence"]]
    return ["sequence:", *inside, *(f"{name}: {flow(value)}" for name, value in item.items() if name != "sequence")]


def flow(value: Any, in_list: bool = False) -> str:
    """A value on one line; a mapping of one key in a list needs no braces."""
    if isinstance(value, dict):
        inside = ", ".join(f"{key}: {flow(item)}" for key, item in value.items())
        return inside if in_list and len(value) == 1 else f"{{{inside}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(flow(item, in_list=True) for item in value)}]"
    if isinstance(value, str):
        return value if PLAIN_TEXT.fullmatch(value) and value not in NO_TEXT else json.dumps(value, ensure_ascii=False)
    return json.dumps(value)
