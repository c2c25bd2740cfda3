"""Replaces convolutions in a spec: in the parsed spec, to analyse the changed network, and in its text, to print it.

All other layers must stay the same. The default name of an entry is its kind and a number (`conv2`), so replacing an
entry by one of another kind can change the default names of later entries. If the spec refers to such a name, the later
entry gets it as an explicit name.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from convcalc.alternatives.factorings import CannotChange, Convolution, Entry
from convcalc.alternatives.subjects import value_at
from convcalc.network import Network, Node
from convcalc.problems import InvalidSpec, Path
from convcalc.spec.document import Document
from convcalc.spec.edits import CannotEdit, Edit, apply_edits, replace_entry, set_argument
from convcalc.spec.emit import format_item, format_value
from convcalc.spec.entries import LISTS, name_arguments
from convcalc.spec.inputs import Overrides
from convcalc.spec.reader import read_network
from convcalc.spec.source import read_text


class ConvReplacement(NamedTuple):
    """A convolution, and the entries that are to replace it."""

    conv: Convolution
    entries: list[Entry]


class RewrittenSpec(NamedTuple):
    """A changed spec: its parsed content (`root`), and the network that it describes.

    `tensors[i]` is the number that tensor i of the original network has in the changed network. `items` maps the path
    of each replaced entry to the new entries. `names` maps the path of each entry that was given an explicit name to
    that name.
    """

    root: Any
    network: Network
    tensors: tuple[int, ...]
    items: dict[Path, list[Any]]
    names: dict[Path, str]


def rewrite_spec(
    document: Document, network: Network, overrides: Overrides, changes: Sequence[ConvReplacement]
) -> RewrittenSpec:
    """Return the spec with `changes` applied.

    An entry that is not replaced gets an explicit name only if its default name would change and the spec refers to it.
    Raises CannotChange if the changed spec is invalid, or if a layer that is not replaced would change.
    """
    reason = ""
    limits = document.root.get("budget")
    for naming in (True,) if isinstance(limits, Mapping) and "per_layer" in limits else (False, True):
        try:
            return _try_changes(document, network, overrides, changes, naming)
        except InvalidSpec as error:
            reason = reason or error.problems[0].message
        except CannotChange as error:
            reason = reason or str(error)
    raise CannotChange(reason)


def _try_changes(
    document: Document, network: Network, overrides: Overrides, changes: Sequence[ConvReplacement], naming: bool
) -> RewrittenSpec:
    """Return the spec with `changes` applied.

    With `naming`, each entry that is not replaced but would get another default name receives its old name explicitly.
    Raises InvalidSpec if the changed spec is invalid, and CannotChange if a layer that is not replaced would change.
    """
    items = {
        change.conv.path: _write_entries(change, _make_default_name(document, change.conv.path) if naming else None)
        for change in changes
    }
    names = _list_names_to_keep(document, items) if naming else {}
    root = _replace_and_name_entries(document.root, (), items, names)
    found = read_network(Document(root, document.file), overrides)
    sizes = {(*change.conv.path, change.conv.word): len(change.entries) for change in changes}
    return RewrittenSpec(root, found, _map_tensors(network, found, sizes), items, names)


# -- the parsed spec


def _write_entries(change: ConvReplacement, name: str | None) -> list[Any]:
    """Return the new entries of the spec, with the options of the replaced entry.

    If that entry has no option `name`, the option is added with the value `name`. Several new entries that need options
    are put in one `sequence`, which gets the options.
    """
    options = dict(change.conv.options)
    if name is not None:
        options.setdefault("name", name)
    if len(change.entries) == 1:
        [(word, arguments)] = change.entries
        return [{word: {**arguments, **options}}]
    entries = [{word: arguments} if arguments else word for word, arguments in change.entries]
    return [{"sequence": entries, **options}] if options else entries


def _get_default_name_word(entry: Any) -> str:
    """Return the word with which the default name of an entry starts: its layer kind, `branches` or `sequence`."""
    if isinstance(entry, dict) and entry:
        return next((word for word in LISTS if word in entry), next(iter(entry)))
    return entry if isinstance(entry, str) else ""


def _make_default_name(document: Document, path: Path) -> str:
    """Return the default name of an entry, such as `conv2` for the second `conv` of its list."""
    *body, index = path
    assert isinstance(index, int)
    words = [_get_default_name_word(entry) for entry in value_at(document.root, tuple(body))[: index + 1]]
    return f"{words[-1]}{words.count(words[-1])}"


def _list_names_to_keep(document: Document, items: Mapping[Path, Sequence[Any]]) -> dict[Path, str]:
    """Return {path: default name} of the unnamed entries whose default name would change if `items` were inserted."""
    found: dict[Path, str] = {}
    for path, replacing in items.items():
        *body, index = path
        assert isinstance(index, int)
        before, after = (
            _get_default_name_word(value_at(document.root, path)),
            [_get_default_name_word(item) for item in replacing],
        )
        if after == [before]:
            continue
        for place, entry in enumerate(value_at(document.root, tuple(body))):
            other, word = (*body, place), _get_default_name_word(entry)
            if place > index and word in {before, *after} and other not in items and not _has_name(entry, word):
                found[other] = _make_default_name(document, other)
    return found


def _has_name(entry: Any, word: str) -> bool:
    """Whether an entry has the option `name`; `word` is its layer kind, `branches` or `sequence`."""
    options = entry if word in LISTS else entry.get(word) if isinstance(entry, dict) else None
    return isinstance(options, dict) and "name" in options


def _replace_and_name_entries(
    value: Any, path: Path, items: Mapping[Path, Sequence[Any]], names: Mapping[Path, str]
) -> Any:
    if path in names:
        return _add_name(value, names[path])
    if not any(other[: len(path)] == path for other in (*items, *names)):
        return value
    if isinstance(value, dict):
        return {key: _replace_and_name_entries(item, (*path, key), items, names) for key, item in value.items()}
    found: list[Any] = []
    for index, item in enumerate(value):
        inside = (*path, index)
        found += items[inside] if inside in items else [_replace_and_name_entries(item, inside, items, names)]
    return found


def _add_name(entry: Any, name: str) -> Any:
    word = _get_default_name_word(entry)
    if word in LISTS:
        return {**entry, "name": name}
    arguments = name_arguments(word, entry[word]) if isinstance(entry, dict) else {}
    return {word: {**arguments, "name": name}}


# -- the network


def _map_tensors(network: Network, found: Network, sizes: Mapping[Path, int]) -> tuple[int, ...]:
    """Return, for each tensor of the original `network`, its number in the changed network `found`.

    The output of a replaced layer becomes the output of the last layer that replaces it. `sizes` maps the path of a
    replaced layer to the number of layers that replace it. Raises CannotChange if a layer that is not replaced, its
    inputs, or the outputs of the network would change.
    """
    first = len(network.inputs)
    tensors = list(range(first))
    place = 0
    for node in network.nodes:
        replacing = found.nodes[place : place + sizes.get(node.path, 1)]
        reads = tuple(tensors[tensor] for tensor in node.reads)
        if len(replacing) < sizes.get(node.path, 1) or replacing[0].reads != reads:
            raise CannotChange("it would change the inputs of other layers")
        if node.path not in sizes and not _is_same_layer(node, replacing[0]):
            raise CannotChange(f"it would also change {node.name}")
        place += len(replacing)
        tensors.append(first + place - 1)
    outputs = [tensors[tensor] for tensor in network.outputs.values()]
    if place != len(found.nodes) or outputs != list(found.outputs.values()):
        raise CannotChange("it would change the outputs of the network")
    return tuple(tensors)


def _is_same_layer(one: Node, other: Node) -> bool:
    """Whether the layers of two nodes have the same kind, arguments, input shapes and output shape."""
    layer, twin = one.layer, other.layer
    same = (layer.kind, layer.inputs, layer.output) == (twin.kind, twin.inputs, twin.output)
    return layer is twin or (same and layer.arguments() == twin.arguments())


# -- the text


def rewrite_text(document: Document, overrides: Overrides, found: RewrittenSpec) -> str:
    """Return the text of the spec with the changes in `found`; comments and layout are preserved.

    Raises CannotChange if the spec was read through a symbolic link (its text is then never printed), or if no edit of
    the text leads to the changed network.
    """
    if document.text is None or not document.quotable:
        raise CannotChange("the spec is behind a symbolic link, so its text is not shown")
    try:
        edits = [_make_replacing_edit(document, path, items) for path, items in found.items.items()]
        edits += [_make_naming_edit(document, path, name) for path, name in found.names.items()]
        text = apply_edits(document.text, edits)
        network = read_network(read_text(text, document.file, True), overrides)
    except CannotEdit as error:
        raise CannotChange(str(error)) from None
    except InvalidSpec as error:
        raise CannotChange(error.problems[0].message) from None
    if len(network.nodes) != len(found.network.nodes) or not all(
        map(_is_same_layer, network.nodes, found.network.nodes)
    ):
        raise CannotChange("replacing the entry in the text would give a different network")
    return text


def _make_replacing_edit(document: Document, path: Path, items: Sequence[Any]) -> Edit:
    """Return the edit that replaces the entry at `path` by `items`. Raises CannotEdit if the text does not allow it."""
    try:
        return replace_entry(document, path, [_format_entry(item) for item in items])
    except CannotEdit:
        return replace_entry(document, path, [[format_item(item)] for item in items])


def _make_naming_edit(document: Document, path: Path, name: str) -> Edit:
    """Return the edit that gives the entry at `path` the option `name`.

    Raises CannotEdit for branches and sequences, and if the arguments of the entry cannot be edited.
    """
    entry = value_at(document.root, path)
    if _get_default_name_word(entry) in LISTS:
        raise CannotEdit(f"the default name of {name}, a later entry, would change: give {name} a name")
    return set_argument(
        document, path if isinstance(entry, str) else (*path, _get_default_name_word(entry)), "name", name
    )


def _format_entry(item: Any) -> list[str]:
    """Return an entry as YAML: a `sequence` with one line per inner entry, any other entry on one line."""
    if not isinstance(item, dict) or "sequence" not in item:
        return [format_item(item)]
    inside = [f"  - {format_item(entry)}" for entry in item["sequence"]]
    return [
        "sequence:",
        *inside,
        *(f"{name}: {format_value(value)}" for name, value in item.items() if name != "sequence"),
    ]
