"""Finds layers and scopes that share their weights, so that the exported module uses one module for both.

Such a pair is a "tie": the later layer or scope (`target`) uses the weights of the earlier one (`source`).
"""

from typing import NamedTuple

from convcalc.convert.pytorch.module_scopes import ModulePlaces, ModuleScope, ScopeWiring, has_weights


class WeightTie(NamedTuple):
    """Two layers or scopes, by name, that share their weights: `target` uses the module of `source`."""

    target: str
    source: str


def find_ties(wiring: ScopeWiring, places: ModulePlaces) -> dict[str, list[WeightTie]]:
    """Return the ties of a network, by the name of the scope whose class contains both modules of the tie."""
    found: dict[str, list[WeightTie]] = {}
    nodes = wiring.network.nodes
    done = 0
    for index, node in enumerate(nodes):
        if node.owner is None or index < done:
            continue
        tie, done = _widen_tie(WeightTie(node.name, nodes[node.owner].name), places, index + 1)
        found.setdefault(_find_common_class(tie, places), []).append(tie)
    return found


def _widen_tie(tie: WeightTie, places: ModulePlaces, stop: int) -> tuple[WeightTie, int]:
    """Extend a tie from two layers to the largest scopes around them that share all their weights.

    Also returns the index after the last layer of the new target; `stop` is the index after the target layer.
    """
    while True:
        target, source = places.parents[tie.target], places.parents[tie.source]
        if target.name == source.name or not _shares_all_weights(target, source, places.wiring):
            return tie, stop
        tie, stop = WeightTie(target.name, source.name), target.stop


def _shares_all_weights(target: ModuleScope, source: ModuleScope, wiring: ScopeWiring) -> bool:
    """Whether each layer with weights in `target` shares them with the layer at the same position in `source`.

    Both scopes must have the same number of layers and the same layer kinds.
    """
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


def _find_common_class(tie: WeightTie, places: ModulePlaces) -> str:
    """Return the name of the innermost scope that becomes a class and contains both modules of a tie."""
    around = {scope.name for scope in places.ancestors(tie.source)}
    return next(
        scope.name for scope in places.ancestors(tie.target) if scope.name in around and places.wiring.is_class(scope)
    )
