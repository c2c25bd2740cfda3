"""Explains the totals of a network: the contribution of each layer kind, and remarks such as on peak memory."""

from math import inf
from typing import NamedTuple

from convcalc.analysis.report import LayerReport, Report, add_known, sum_known


class Share(NamedTuple):
    """The number of layers of one kind, and the sums of their params, MACs and other operations; None if unknown."""

    kind: str
    layers: int
    params: int
    multiplications: int | None
    additions: int | None
    macs: int | None


def sum_by_kind(report: Report) -> list[Share]:
    """Return the sums for each layer kind, sorted by MACs, then params, then operations, the largest first."""
    kinds: dict[str, list[LayerReport]] = {}
    for layer in report.layers:
        kinds.setdefault(layer.kind, []).append(layer)
    found = [
        Share(
            kind,
            len(layers),
            sum(layer.params for layer in layers),
            sum_known([layer.multiplications for layer in layers]),
            sum_known([layer.additions for layer in layers]),
            sum_known([layer.macs for layer in layers]),
        )
        for kind, layers in kinds.items()
    ]
    return sorted(found, key=_sort_key, reverse=True)


def _sort_key(share: Share) -> tuple[float, ...]:
    # unknown values come first
    operations = add_known(share.multiplications, share.additions)
    return tuple(inf if figure is None else figure for figure in (share.macs, share.params, operations))


def list_remarks(report: Report) -> list[tuple[str, str]]:
    """Return (name, text) pairs of remarks, such as what `peak_memory` consists of and how many params are frozen."""
    network, total = report.network, report.totals
    sharing = [layer for layer in report.layers if layer.shares]
    frozen = sum(layer.params for layer in report.layers if layer.frozen)
    folded = len(report.trained.nodes) - len(network.nodes)
    tensors = " + ".join(network.tensor_name(tensor) for tensor in report.liveness.peak_tensors)
    found = []
    if network.batch > 1:
        found.append(("batch", f"operations and activations are for {network.batch:,} samples"))
    if total.buffers:
        found.append(("buffers", f"{total.buffers:,} elements of running statistics; not learnt, so not params"))
    if sharing:
        found.append(("shared", f"{_count_layers(len(sharing))} the weights of another layer, which count once"))
    if frozen:
        found.append(("frozen", f"{frozen:,} of the params are not trained"))
    if folded:
        found.append(("folded", f"{folded:,} batch norms are folded into the layers before them"))
    found += [
        ("weight_memory", "elements of params and buffers × bits of their data types / 8"),
        ("peak_memory", f"the most memory live at once, at {total.peak_at}: {tensors}"),
        ("receptive_field", "that of the last layer with spatial axes: field + (k_eff - 1) × jump, layer by layer"),
    ]
    return found


def _count_layers(layers: int) -> str:
    """Return a number of layers followed by `shares` or `share`: `1 layer shares`, `2 layers share`."""
    return "1 layer shares" if layers == 1 else f"{layers:,} layers share"
