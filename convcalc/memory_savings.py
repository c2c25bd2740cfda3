"""Suggests changes that lower the peak of activation memory: each is applied, and the peak is computed again.

For example `MemorySaving("one sample at a time (--batch 1)", 1048576)` is a change with a peak of 1 MiB.
"""

from collections.abc import Callable, Iterable
from itertools import permutations
from typing import NamedTuple

from convcalc.analysis.liveness import compute_peak
from convcalc.analysis.report import Report, analyse, list_tensor_bytes
from convcalc.network import Group, Network, Node
from convcalc.problems import InvalidSpec
from convcalc.spec.inputs import Overrides

_MOST_ORDERS = 24  # orders tried per set of branches
_MOST_SETS = 20  # sets of branches tried
Load = Callable[[Overrides], Network]


class MemorySaving(NamedTuple):
    """A suggested change, and the peak of activation memory in bytes after it."""

    change: str
    peak: int


def suggest_savings(report: Report, load: Load, overrides: Overrides, inplace: bool, fold: bool) -> list[MemorySaving]:
    """Return the changes that lower the peak of activation memory, the change with the lowest new peak first.

    `load` returns the network of the same spec for other overrides. `overrides`, `inplace` and `fold` (whether batch
    norms are folded) are the settings with which the report was made.
    """
    found = [
        *_try_settings(report.network, inplace, fold),
        *_try_branch_orders(report.network, inplace),
        *_try_dtypes(report.network, inplace),
        *(
            []
            if any(layer.kind == "opaque" for layer in report.layers)
            else _try_smaller_inputs(report.network, load, overrides, inplace)
        ),  # the shapes of opaque layers are given, so they would be wrong for another input
    ]
    lower = [suggestion for suggestion in found if suggestion.peak < report.totals.peak_memory]
    return sorted(lower, key=lambda suggestion: suggestion.peak)


def _compute_peak(network: Network, inplace: bool) -> int:
    return compute_peak(network, list_tensor_bytes(network), inplace)


def _try_settings(network: Network, inplace: bool, fold: bool) -> Iterable[MemorySaving]:
    if not inplace:
        yield MemorySaving("elementwise layers in place (without --no-inplace)", _compute_peak(network, True))
    if not fold:
        folded = analyse(network, inplace=inplace, fold_batchnorm=True)
        yield MemorySaving("batch norms folded into convolutions (--fold-batchnorm)", folded.totals.peak_memory)
    if network.batch > 1:
        yield MemorySaving("one sample at a time (--batch 1)", _compute_peak(network._replace(batch=1), inplace))


def _try_dtypes(network: Network, inplace: bool) -> Iterable[MemorySaving]:
    for dtype in ("float16", "int8"):
        narrow = network._replace(dtype=network.dtype._replace(activations=dtype))
        yield MemorySaving(f"{dtype} activations (--dtype activations={dtype})", _compute_peak(narrow, inplace))


def _try_smaller_inputs(network: Network, load: Load, overrides: Overrides, inplace: bool) -> Iterable[MemorySaving]:
    """Try three quarters and half of every spatial size of the only input; sizes that the spec rejects are skipped."""
    if len(network.inputs) != 1:
        return
    [(name, shape)] = network.inputs.items()
    for share in (3, 2):
        spatial = [max(size * share // 4, 1) for size in shape.spatial]
        if not spatial:
            continue
        smaller = Overrides(overrides.params, {name: [shape.channels, *spatial]}, overrides.batch, overrides.dtype)
        try:
            found = load(smaller)
        except InvalidSpec:
            continue
        text = ",".join(map(str, (shape.channels, *spatial)))
        yield MemorySaving(f"a smaller input (--input {text})", _compute_peak(found, inplace))


def _try_branch_orders(network: Network, inplace: bool) -> Iterable[MemorySaving]:
    sets = [group for group in network.groups if group.word == "branches"]
    for group in sets[:_MOST_SETS]:
        found = _find_best_order(network, group, inplace)
        if found is not None:
            yield found


def _find_best_order(network: Network, group: Group, inplace: bool) -> MemorySaving | None:
    """Return the execution order of the branches in `group` with the lowest peak; None if there is only one branch."""
    branches = _list_branches(network, group)
    best: MemorySaving | None = None
    for count, order in enumerate(permutations(range(len(branches)))):
        if count == _MOST_ORDERS:
            break
        found = _compute_peak(_reorder_branches(network, [branches[place] for place in order], branches), inplace)
        if best is None or found < best.peak:
            named = ", ".join(branches[place].name.rsplit(".", 1)[-1] for place in order)
            best = MemorySaving(f"the branches of {group.name} in the order {named}", found)
    return best if len(branches) > 1 else None


def _list_branches(network: Network, group: Group) -> list[Group]:
    depth = group.name.count(".") + 1
    return [
        inner
        for inner in network.groups
        if inner.word == "branch" and inner.name.startswith(group.name + ".") and inner.name.count(".") == depth
    ]


def _reorder_branches(network: Network, order: list[Group], branches: list[Group]) -> Network:
    start, stop = branches[0].start, branches[-1].stop
    old = [*range(start), *(index for branch in order for index in range(branch.start, branch.stop))]
    old += range(stop, len(network.nodes))
    first = len(network.inputs)
    moved = {first + index: first + place for place, index in enumerate(old)}
    nodes = tuple(_renumber_tensors(network.nodes[index], moved, first) for index in old)
    outputs = {name: moved.get(tensor, tensor) for name, tensor in network.outputs.items()}
    return network._replace(nodes=nodes, groups=(), outputs=outputs)


def _renumber_tensors(node: Node, moved: dict[int, int], first: int) -> Node:
    owner = None if node.owner is None else moved[first + node.owner] - first
    return node._replace(reads=tuple(moved.get(tensor, tensor) for tensor in node.reads), owner=owner)
