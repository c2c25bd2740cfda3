"""Finds the weights that several layers share, so that the text assigns one module in both places."""

from typing import NamedTuple

from convcalc.convert.pytorch.module_scopes import ModulePlaces, ModuleScope, ScopeWiring, has_weights


class WeightTie(NamedTuple):
    """The module of `target` is the same as that of `source`; both are names of layers or scopes."""

    target: str
    source: str


def find_ties(wiring: ScopeWiring, places: ModulePlaces) -> dict[str, list[WeightTie]]:
    """Return the ties of a network, grouped by the class that contains both modules."""
    found: dict[str, list[WeightTie]] = {}
    nodes = wiring.network.nodes
    done = 0
    for index, node in enumerate(nodes):
        if node.owner is None or index < done:
            continue
        tie, done = _widen_tie(WeightTie(node.name, nodes[node.owner].name), places, index + 1)
        found.setdefault(_common_class(tie, places), []).append(tie)
    return found


def _widen_tie(tie: WeightTie, places: ModulePlaces, stop: int) -> tuple[WeightTie, int]:
    """Return the tie of the largest scopes around both modules that share all their weights.

    Also return the index of the layer after the target scope; `stop` is that index for the given tie.
    """
    while True:
        target, source = places.parents[tie.target], places.parents[tie.source]
        if target.name == source.name or not _mirrors(target, source, places.wiring):
            return tie, stop
        tie, stop = WeightTie(target.name, source.name), target.stop


def _mirrors(target: ModuleScope, source: ModuleScope, wiring: ScopeWiring) -> bool:
    """Whether every layer with weights in a scope uses those of the layer at the same position in another scope."""
    nodes = wiring.network.nodes
    moved = target.start - source.start
    if target.stop - target.start != source.stop - source.start or not target.name or not source.name:
        return False
    for index in range(target.start, target.stop):
        node, other = nodes[index], nodes[index - moved]
        owner = index - moved if other.owner is None else other.owner
        shares = node.owner == owner if node.owner is not None else not has_weights(node)
        if not shares or node.layer.kind != other.layer.kind:
            return False
    return True


def _common_class(tie: WeightTie, places: ModulePlaces) -> str:
    """Return the innermost class that contains both modules."""
    around = {scope.name for scope in places.ancestors(tie.source)}
    return next(
        scope.name for scope in places.ancestors(tie.target) if scope.name in around and places.wiring.is_class(scope)
    )
