"""Makes the rows of the table of changes: one tree with the layers and scopes of both networks.

`list_change_rows(difference)` returns `[{"level": 0, "label": "conv1", "what": "conv 3×3 64", "layers": [0, 0]}, …]`.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from convcalc.analysis.report import Report
from convcalc.diff.difference import Difference, LayerChange
from convcalc.render.diff_rows import describe_change, describe_layer
from convcalc.render.rows import tree_rows


class _Scope(NamedTuple):
    """A scope of the new network; or of the old one, if the layers in it do not belong to a scope of the new one."""

    name: str
    label: str
    kind: str
    is_old: bool


_Chain = tuple[_Scope, ...]  # the scopes around a layer, the outermost first


class _Layer(NamedTuple):
    """A layer in its own network: its index, its name without the scopes around it, and these scopes."""

    number: int
    label: str
    scopes: _Chain


def list_change_rows(difference: Difference) -> list[dict[str, Any]]:
    """Return the rows of both networks in the order of a tree.

    The row of a layer has its index in the old and in the new network (null if it is missing there). If the layer
    differs, `differs` is its index among the layers of the difference; if both networks have it, `change` describes the
    change. The row of a scope has the name of the scope.
    """
    old, new = dict(_list_layers(difference.old, True)), dict(_list_layers(difference.new, False))
    chains = _place_layers(difference, old, new)
    rows: list[dict[str, Any]] = []
    around: _Chain = ()
    differing = 0
    for change, chain in zip(difference.aligned, chains, strict=True):
        for level in range(_count_common(around, chain), len(chain)):
            scope = chain[level]
            rows.append({"level": level, "label": scope.label, "what": scope.kind, "name": scope.name})
        around = chain
        before = None if change.old is None else old[change.old.name]
        after = None if change.new is None else new[change.new.name]
        row = {"level": len(chain), **_describe_row(change, before, after)}
        rows.append(row if change.is_empty else {**row, "differs": differing})
        differing += not change.is_empty
    return rows


def _describe_row(change: LayerChange, old: _Layer | None, new: _Layer | None) -> dict[str, Any]:
    layer = new or old
    assert layer is not None
    found = {
        "label": layer.label,
        "what": describe_layer(change),
        "layers": [None if side is None else side.number for side in (old, new)],
    }
    return found if change.is_empty or None in (old, new) else {**found, "change": describe_change(change)}


def _list_layers(report: Report, is_old: bool) -> Iterator[tuple[str, _Layer]]:
    around: list[_Scope] = []
    indexes = iter(range(len(report.layers)))
    for row in tree_rows(report):
        del around[row.indent :]
        if row.is_group:
            around.append(_Scope(row.name, row.label, row.kind, is_old))
        else:
            yield row.name, _Layer(next(indexes), row.label, tuple(around))


# -- scopes


def _place_layers(difference: Difference, old: dict[str, _Layer], new: dict[str, _Layer]) -> list[_Chain]:
    """Return the scopes around each layer of `difference.aligned`, so that every scope of the new network is one row.

    A removed layer is put into the new scope that corresponds to its old one, if that scope is open at that row.
    """
    partners = _pair_scopes(difference, old, new)
    chains: list[_Chain] = []
    following = _list_following(difference, new)
    before: _Chain = ()
    for change, after in zip(difference.aligned, following, strict=True):
        if change.new is not None:
            before = new[change.new.name].scopes
        else:
            assert change.old is not None
            own = old[change.old.name].scopes
            before = _fit_chain(own, tuple(partners.get(scope.name, scope) for scope in own), before, after)
        chains.append(before)
    return chains


def _pair_scopes(difference: Difference, old: dict[str, _Layer], new: dict[str, _Layer]) -> dict[str, _Scope]:
    """Return the scope of the new network that corresponds to each scope of the old network, by name.

    It is the scope with the same name, or else the one at the same depth around the first layer that both have.
    """
    named = {scope.name: scope for layer in new.values() for scope in layer.scopes}
    found: dict[str, _Scope] = {}
    for change in difference.aligned:
        if change.old is not None and change.new is not None and not change.moved:
            for scope, other in zip(old[change.old.name].scopes, new[change.new.name].scopes, strict=False):
                found.setdefault(scope.name, named.get(scope.name, other))
    return found


def _list_following(difference: Difference, new: dict[str, _Layer]) -> list[_Chain]:
    """Return, for each layer, the scopes around the next layer that exists in the new network."""
    found: list[_Chain] = []
    after: _Chain = ()
    for change in reversed(difference.aligned):
        found.append(after)
        if change.new is not None:
            after = new[change.new.name].scopes
    return found[::-1]


def _fit_chain(own: _Chain, wanted: _Chain, before: _Chain, after: _Chain) -> _Chain:
    """Return the scopes around a removed layer between two others: the wanted scopes that are open at that place.

    `own` are its scopes in the old network, `wanted` the corresponding ones in the new network.
    """
    shared = _count_common(before, after)
    if wanted[:shared] != before[:shared]:
        return (*before[:shared], *own)
    fitting = max(_count_common(wanted, before), _count_common(wanted, after))
    return (*wanted[:fitting], *own[fitting:])


def _count_common(one: _Chain, other: _Chain) -> int:
    """Return how many of the outermost scopes are the same."""
    pairs = zip(one, other, strict=False)
    return next((count for count, (left, right) in enumerate(pairs) if left != right), min(len(one), len(other)))
