"""The rows of a difference: the same change in every copy of a repeat, or use of a block, is one row."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from convcalc.alternatives.subjects import common_pattern
from convcalc.analysis.report import LayerReport, Report, summed
from convcalc.comparing.difference import Change, Difference, LayerChange
from convcalc.keys import Flag
from convcalc.network import Group
from convcalc.problems import printable, shortened

_DIGITS = re.compile(r"\d+")
_MOST_READ = 4  # names of what a layer reads


class DifferenceRow(NamedTuple):
    """What happened to some layers, and what that adds to params and MACs (None: not known)."""

    did: str
    name: str
    what: str
    layers: int
    output: str
    params: int | None
    macs: int | None


class _Bucket:
    """Changes that make one row."""

    def __init__(self, did: str, what: Callable[[Sequence[LayerChange]], str]) -> None:
        self.did = did
        self.what = what
        self.names: list[str] = []
        self.changes: list[LayerChange] = []

    def row(self) -> DifferenceRow:
        """The row."""
        return DifferenceRow(
            self.did,
            self.names[0] if len(self.names) == 1 else common_pattern(self.names),
            self.what(self.changes),
            len(self.changes),
            _output_text(self.changes),
            *(summed([change.figure(name).change for change in self.changes]) for name in ("params", "macs")),
        )


def difference_rows(difference: Difference) -> list[DifferenceRow]:
    """The rows in the order of the networks; then names that changed, and how many layers changed in shape alone."""
    buckets: dict[tuple[object, ...], _Bucket] = {}
    scopes = {"removed": _find_whole_scopes(difference, "old"), "added": _find_whole_scopes(difference, "new")}
    for change in difference.layers:
        for did, key, name, what in _list_entries(change, scopes):
            bucket = buckets.setdefault((did, *key), _Bucket(did, what))
            if name not in bucket.names[-1:]:
                bucket.names.append(name)
            bucket.changes.append(change)
    return [*(bucket.row() for bucket in buckets.values()), *_renamed_rows(difference), *_reshaped_row(difference)]


Entry = tuple[str, tuple[object, ...], str, Callable[[Sequence[LayerChange]], str]]


def _list_entries(change: LayerChange, scopes: dict[str, dict[str, Group]]) -> Iterator[Entry]:
    """What happened to a layer: what it is, what makes it one with others, the name of it, and its text."""
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
    """Whether params or MACs are others, or not known, for other shapes."""
    return bool(change.shapes) and any(change.figure(name).change != 0 for name in ("params", "macs"))


def _place_key(layer: LayerReport) -> tuple[object, ...]:
    """What layers that one line of a spec lays have in common; without lines, names but for their numbers."""
    return layer.kind, layer.line or _strip_numbers(layer.name)


def _strip_numbers(name: str) -> str:
    """A name without its numbers."""
    return _DIGITS.sub("*", name)


# -- scopes that are new or gone as a whole


def _find_whole_scopes(difference: Difference, side: str) -> dict[str, Group]:
    """Of layers that are only in one network the outermost scope that is, by the name of the layer."""
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
    """The kind and the arguments where they are the same of all."""
    glances = {change.layer.layer.glance() for change in changes}
    return " ".join(filter(None, (changes[0].layer.kind, glances.pop() if len(glances) == 1 else "")))


def _describe_arguments(changes: Sequence[LayerChange]) -> str:
    """`stride 1 → 2, groups 1 → 32`; of several layers `64…512 → 128…1024`."""
    found = []
    for index, written in enumerate(changes[0].written):
        before = _summarise_texts(_argument_text(change.old, change.written[index], "old") for change in changes)
        after = _summarise_texts(_argument_text(change.new, change.written[index], "new") for change in changes)
        found.append(f"{written.what} {before} → {after}" if before or after else written.what)
    return ", ".join(found)


def _describe_input(changes: Sequence[LayerChange]) -> str:
    """The channels of what it reads where they are others, else the positions."""
    shapes = [(change.old.layer.input, change.new.layer.input) for change in changes if change.old and change.new]
    if any(old.channels != new.channels for old, new in shapes):
        before, after = (_summarise_texts(str(pair[side].channels) for pair in shapes) for side in (0, 1))
        return f"channels {before} → {after}"
    before, after = (_summarise_texts("×".join(map(str, pair[side].spatial)) for pair in shapes) for side in (0, 1))
    return f"size {before} → {after}" if before != after else "other shapes"


def _output_text(changes: Sequence[LayerChange]) -> str:
    """The shape that the layers give, and the one that they gave where it was another."""
    before = _summarise_texts(str(change.old.output_shape) for change in changes if change.old)
    after = _summarise_texts(str(change.new.output_shape) for change in changes if change.new)
    return after if before in ("", after) else before if not after else f"{before} → {after}"


def _summarise_texts(texts: Iterable[str]) -> str:
    """One text for all: itself where all agree, from the least to the greatest of numbers, else the first and last."""
    found = list(dict.fromkeys(texts))
    if len(found) < 2:
        return "".join(found)
    if all(text.isdecimal() for text in found):
        found.sort(key=int)
    return f"{found[0]}…{found[-1]}"


def _argument_text(layer: LayerReport | None, change: Change, side: str) -> str:
    """A value of an argument or option as the table of layers shows it, without its sign."""
    value: Any = getattr(change, side)
    key = None if layer is None else layer.layer.keys.get(change.what)
    if key is None or isinstance(key, Flag) or value is None:
        return value_text(value)
    assert layer is not None
    return key.glance(getattr(layer.layer, change.what)).removeprefix(key.sign)


def value_text(value: Any) -> str:
    """A value, short and printable: names side by side, `none` where there is none."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list) or type(value) is tuple:
        more = f" and {len(value) - _MOST_READ} more" if len(value) > _MOST_READ else ""
        return " + ".join(map(value_text, value[:_MOST_READ])) + more
    return shortened(printable(str(value)))


# -- names


def _renamed_rows(difference: Difference) -> Iterator[DifferenceRow]:
    """Renamed scopes and layers, those that differ in numbers as one, and how many layers only count otherwise."""
    scopes: dict[tuple[str, str], list[tuple[str, str]]] = {}
    numbered = 0
    for change in difference.layers:
        if change.renamed and change.old is not None and change.new is not None:
            names = _find_renamed_scope(change.old.name, change.new.name)
            same = _strip_numbers(names[0]), _strip_numbers(names[1])
            if same[0] == same[1]:
                numbered += 1
            else:
                scopes.setdefault(same, []).append(names)
    for starred, found in scopes.items():
        before, after = starred if len(set(found)) > 1 else found[0]
        yield DifferenceRow("renamed", before, f"now {after}", len(found), "", 0, 0)
    if numbered:
        yield DifferenceRow("renamed", _layers_text(numbered), "in numbers alone", numbered, "", 0, 0)


def _find_renamed_scope(old: str, new: str) -> tuple[str, str]:
    """The scopes of two names, without what both end with: `stage2.*` and `layer2.*`."""
    before, after = old.split("."), new.split(".")
    while len(before) > 1 and len(after) > 1 and before[-1] == after[-1]:
        before, after = before[:-1], after[:-1]
    star = "" if ".".join(before) == old else ".*"
    return ".".join(before) + star, ".".join(after) + star


def _reshaped_row(difference: Difference) -> Iterator[DifferenceRow]:
    """How many layers have other shapes, and nothing else that is new."""
    silent = [
        change
        for change in difference.layers
        if change.shapes and not (change.written or change.moved or _is_costly(change))
    ]
    if silent:
        yield DifferenceRow("reshaped", _layers_text(len(silent)), "in shape alone", len(silent), "", 0, 0)


def _layers_text(layers: int) -> str:
    """`1 layer`, `48 layers`."""
    return f"{layers:,} {'layer' if layers == 1 else 'layers'}"
