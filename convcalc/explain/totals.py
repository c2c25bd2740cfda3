"""How the totals of a network come about: what each kind adds to them."""

from math import inf
from typing import NamedTuple

from convcalc.analysis.report import LayerReport, Report, summed


class Share(NamedTuple):
    """What the layers of one kind add up to; None where that is not known."""

    kind: str
    layers: int
    params: int
    multiplications: int | None
    additions: int | None
    macs: int | None


def shares(report: Report) -> list[Share]:
    """A share a kind, the most MACs first, then the most params and operations."""
    kinds: dict[str, list[LayerReport]] = {}
    for layer in report.layers:
        kinds.setdefault(layer.kind, []).append(layer)
    found = [
        Share(
            kind,
            len(layers),
            sum(layer.params for layer in layers),
            summed([layer.multiplications for layer in layers]),
            summed([layer.additions for layer in layers]),
            summed([layer.macs for layer in layers]),
        )
        for kind, layers in kinds.items()
    ]
    return sorted(found, key=_sort_key, reverse=True)


def _sort_key(share: Share) -> tuple[float, ...]:
    """What shares are sorted by; what is not known comes first."""
    operations = summed((share.multiplications, share.additions))
    return tuple(inf if figure is None else figure for figure in (share.macs, share.params, operations))


def remarks(report: Report) -> list[tuple[str, str]]:
    """In words where the other totals come from: what about."""
    network, total = report.network, report.totals
    sharing = [layer for layer in report.layers if layer.shares]
    frozen = sum(layer.params for layer in report.layers if layer.frozen)
    folded = len(report.trained.nodes) - len(network.nodes)
    tensors = " + ".join(network.tensor_name(tensor) for tensor in report.liveness.peak_tensors)
    found = []
    if network.batch > 1:
        found.append(("batch", f"operations and activations are those of {network.batch:,} samples"))
    if total.buffers:
        found.append(("buffers", f"{total.buffers:,} elements of running statistics, not learnt, no params"))
    if sharing:
        found.append(("shared", f"{_count_layers(len(sharing))} the weights of others, which count once"))
    if frozen:
        found.append(("frozen", f"{frozen:,} of the params are kept out of training"))
    if folded:
        found.append(("folded", f"{folded:,} batch norms are folded into the layers before them"))
    found += [
        ("weights", "the elements of params and buffers × the bits of their types / 8"),
        ("peak", f"the most that is live at once, at {total.peak_at}: {tensors}"),
        ("field", "that of the last layer that has positions: field + (extent - 1) × jump, layer by layer"),
    ]
    return found


def _count_layers(layers: int) -> str:
    """`1 layer uses`, `2 layers use`."""
    return "1 layer uses" if layers == 1 else f"{layers:,} layers use"
