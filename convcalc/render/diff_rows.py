"""Groups the changed layers of a difference into the rows of a table.

If several copies of a repeat, or several uses of a block, have the same change, they share a row.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from convcalc.alternatives.subjects import common_pattern
from convcalc.analysis.report import LayerReport, Report, sum_known
from convcalc.arguments import Flag
from convcalc.diff.difference import Difference, LayerChange, ValueChange
from convcalc.layers.base import Layer
from convcalc.network import Group
from convcalc.problems import printable, shorten

_DIGITS = re.compile(r"\d+")
_MOST_READ = 4  # at most this many items of a list, such as the inputs of a layer, are shown


class DifferenceRow(NamedTuple):
    """A row of the table: an event that happened to several layers.

    `did` is the event, such as `added`; `name` and `what` name and describe the layers. `layers` is the number of
    layers, and `params` and `macs` are the sums of their changes; None if unknown.
    """

    did: str
    name: str
    what: str
    layers: int
    output: str
    params: int | None
    macs: int | None
    layer: Layer | None = None  # the layer whose arguments are shown in `what`, if any: the legend explains them


class _RowBuilder:
    """Collects changes for one row; `what` is a function that takes the changes and returns the row's description."""

    def __init__(self, did: str, what: Callable[[Sequence[LayerChange]], str]) -> None:
        self.did = did
        self.what = what
        self.names: list[str] = []
        self.changes: list[LayerChange] = []

    def row(self) -> DifferenceRow:
        return DifferenceRow(
            self.did,
            self.names[0] if len(self.names) == 1 else common_pattern(self.names),
            self.what(self.changes),
            len(self.changes),
            _output_text(self.changes),
            sum_known([change.figure("params").change for change in self.changes]),
            sum_known([change.figure("macs").change for change in self.changes]),
            self.changes[0].layer.layer
            if self.what is _describe_kind and _format_common_arguments(self.changes)
            else None,
        )


def difference_rows(difference: Difference) -> list[DifferenceRow]:
    """Return the rows of a difference: changed layers in the order of the network, then renamed ones.

    If only the shapes of some layers changed, a last row has the number of these layers.
    """
    builders: dict[tuple[object, ...], _RowBuilder] = {}
    scopes = {
        "removed": _find_scopes_of_one_network(difference, "old"),
        "added": _find_scopes_of_one_network(difference, "new"),
    }
    for change in difference.layers:
        for did, key, name, what in _list_entries(change, scopes):
            builder = builders.setdefault((did, *key), _RowBuilder(did, what))
            if name not in builder.names[-1:]:
                builder.names.append(name)
            builder.changes.append(change)
    return [*(builder.row() for builder in builders.values()), *_renamed_rows(difference), *_reshaped_row(difference)]


Entry = tuple[str, tuple[object, ...], str, Callable[[Sequence[LayerChange]], str]]


def _list_entries(change: LayerChange, scopes: dict[str, dict[str, Group]]) -> Iterator[Entry]:
    """Yield one tuple per event, such as `moved`, that happened to a layer: event, key, name, and a function.

    Layers with the same event and key share a row; the function takes their changes and returns the row's description.
    Nothing is yielded for a renamed layer, or for a layer whose shapes changed but not its cost. `scopes` maps an event
    and a layer name to the scope that was added or removed as a whole.
    """
    old, new = change.old, change.new
    if old is None or new is None:
        did = "added" if old is None else "removed"
        scope = scopes[did].get(change.layer.name)
        if scope is None:
            yield did, _place_key(change.layer), change.layer.name, _describe_kind
        else:
            yield did, (scope.word, scope.line or _strip_numbers(scope.name)), scope.name, lambda changes: scope.word
        return
    if change.moved:
        yield "moved", _place_key(old) + _place_key(new), new.name, _describe_kind
    if change.written:
        names = tuple(written.what for written in change.written)
        yield "changed", (names, _place_key(old), _place_key(new)), new.name, _describe_arguments
    elif _is_costly(change):
        yield "reshaped", _place_key(old) + _place_key(new), new.name, _describe_input


def _is_costly(change: LayerChange) -> bool:
    """Return whether a change of shapes also changes the params or the MACs; an unknown change counts as a change."""
    return bool(change.shapes) and any(change.figure(name).change != 0 for name in ("params", "macs"))


def _place_key(layer: LayerReport) -> tuple[object, ...]:
    """Return a key that is equal for layers of the same kind from the same line of the spec.

    If the line is unknown, the key is equal for layers of the same kind whose names differ only in numbers.
    """
    return layer.kind, layer.line or _strip_numbers(layer.name)


def _strip_numbers(name: str) -> str:
    return _DIGITS.sub("*", name)


# -- scopes added or removed as a whole


def _find_scopes_of_one_network(difference: Difference, side: str) -> dict[str, Group]:
    """Map names of layers to scopes (such as blocks) that exist in only one of the two networks.

    `side` is that network, `old` or `new`. No layer in such a scope exists in the other network. If such scopes are
    nested, the layers are mapped to the outermost one.
    """
    report: Report = getattr(difference, side)
    other = "new" if side == "old" else "old"
    alone = {getattr(change, side).name for change in difference.layers if getattr(change, other) is None}
    found: dict[str, Group] = {}
    for group in sorted(report.groups, key=lambda group: group.start - group.stop):
        names = [layer.name for layer in report.layers[group.start : group.stop]]
        if names and names[0] in alone and names[0] not in found and alone.issuperset(names):
            found.update(dict.fromkeys(names, group))
    return found


# -- texts


def _describe_kind(changes: Sequence[LayerChange]) -> str:
    """Return the layer kind, and the arguments if all layers have the same ones."""
    return " ".join(filter(None, (changes[0].layer.kind, _format_common_arguments(changes))))


def _format_common_arguments(changes: Sequence[LayerChange]) -> str:
    """Return the arguments of the layers in short form; empty if the layers have different arguments."""
    texts = {change.layer.layer.glance() for change in changes}
    return texts.pop() if len(texts) == 1 else ""


def _describe_arguments(changes: Sequence[LayerChange]) -> str:
    """Return the changed arguments, such as `stride 1 → 2, groups 1 → 32`.

    If the layers have different values, a range is shown, such as `64…512 → 128…1024`.
    """
    found = []
    for index, written in enumerate(changes[0].written):
        before = _summarise_texts(_argument_text(change.old, change.written[index], "old") for change in changes)
        after = _summarise_texts(_argument_text(change.new, change.written[index], "new") for change in changes)
        found.append(f"{written.what} {before} → {after}" if before or after else written.what)
    return ", ".join(found)


def _describe_input(changes: Sequence[LayerChange]) -> str:
    """Return the change of the input: `channels 64 → 128` or, with equal channels, `size 32×32 → 16×16`."""
    shapes = [(change.old.layer.input, change.new.layer.input) for change in changes if change.old and change.new]
    if any(old.channels != new.channels for old, new in shapes):
        before, after = (_summarise_texts(str(pair[side].channels) for pair in shapes) for side in (0, 1))
        return f"channels {before} → {after}"
    before, after = (_summarise_texts("×".join(map(str, pair[side].spatial)) for pair in shapes) for side in (0, 1))
    return f"size {before} → {after}" if before != after else "other shapes"


def _output_text(changes: Sequence[LayerChange]) -> str:
    """Return the output shape of the layers, such as `64×32×32`, or `64×32×32 → 64×16×16` if it changed."""
    before = _summarise_texts(str(change.old.output_shape) for change in changes if change.old)
    after = _summarise_texts(str(change.new.output_shape) for change in changes if change.new)
    return after if before in ("", after) else before if not after else f"{before} → {after}"


def _summarise_texts(texts: Iterable[str]) -> str:
    """Return the text if all texts are equal, otherwise the first and the last one, such as `64…512`.

    Numbers are sorted first; other texts keep their order.
    """
    found = list(dict.fromkeys(texts))
    if len(found) < 2:
        return "".join(found)
    if all(text.isdecimal() for text in found):
        found.sort(key=int)
    return f"{found[0]}…{found[-1]}"


def _argument_text(layer: LayerReport | None, change: ValueChange, side: str) -> str:
    """Return the value of an argument before (`side` is `old`) or after the change (`new`).

    The text is that of the layer table, but without the prefix of the argument: `1`, not `p1`.
    """
    value: Any = getattr(change, side)
    key = None if layer is None else layer.layer.keys.get(change.what)
    if key is None or isinstance(key, Flag) or value is None:
        return value_text(value)
    assert layer is not None
    return key.glance(getattr(layer.layer, change.what)).removeprefix(key.sign)


def value_text(value: Any) -> str:
    """Return a value as short printable text: `none` for None, and the items of a list joined by ` + `."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list) or type(value) is tuple:
        more = f" and {len(value) - _MOST_READ} more" if len(value) > _MOST_READ else ""
        return " + ".join(map(value_text, value[:_MOST_READ])) + more
    return shorten(printable(str(value)))


# -- texts of one layer


def describe_layer(change: LayerChange) -> str:
    """Return the kind and the arguments of a layer in short, such as `conv 3×3 64`."""
    return _describe_kind([change])


def describe_change(change: LayerChange) -> str:
    """Return what happened to a layer that both networks have, such as `stride 1 → 2, moved`."""
    parts = [
        _describe_arguments([change]) if change.written else "",
        _describe_input([change]) if change.shapes and not change.written else "",
        "moved" if change.moved else "",
        f"renamed from {change.old.name}" if change.renamed and change.old is not None else "",
    ]
    return ", ".join(filter(None, parts))


# -- names


def _renamed_rows(difference: Difference) -> Iterator[DifferenceRow]:
    """Yield one row per renamed scope or layer; renamings that differ only in numbers share a row.

    A last row has the number of layers in whose names only numbers changed.
    """
    scopes: dict[tuple[str, str], list[tuple[str, str]]] = {}
    numbered = 0
    for change in difference.layers:
        if change.renamed and change.old is not None and change.new is not None:
            names = _replace_common_ending(change.old.name, change.new.name)
            same = _strip_numbers(names[0]), _strip_numbers(names[1])
            if same[0] == same[1]:
                numbered += 1
            else:
                scopes.setdefault(same, []).append(names)
    for starred, found in scopes.items():
        before, after = starred if len(set(found)) > 1 else found[0]
        yield DifferenceRow("renamed", before, f"now {after}", len(found), "", 0, 0)
    if numbered:
        yield DifferenceRow("renamed", _layers_text(numbered), "numbers in names only", numbered, "", 0, 0)


def _replace_common_ending(old: str, new: str) -> tuple[str, str]:
    """Return both names with their common ending replaced by `*`.

    For example, it returns `stage2.*` and `layer2.*` for `stage2.conv1` and `layer2.conv1`.
    """
    before, after = old.split("."), new.split(".")
    while len(before) > 1 and len(after) > 1 and before[-1] == after[-1]:
        before, after = before[:-1], after[:-1]
    star = "" if ".".join(before) == old else ".*"
    return ".".join(before) + star, ".".join(after) + star


def _reshaped_row(difference: Difference) -> Iterator[DifferenceRow]:
    """Yield one row with the number of layers in which only the shapes changed, if there are any."""
    silent = [
        change
        for change in difference.layers
        if change.shapes and not (change.written or change.moved or _is_costly(change))
    ]
    if silent:
        yield DifferenceRow("reshaped", _layers_text(len(silent)), "shapes only", len(silent), "", 0, 0)


def _layers_text(layers: int) -> str:
    return f"{layers:,} {'layer' if layers == 1 else 'layers'}"
