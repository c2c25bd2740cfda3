"""Folds a network into a `Diagram`: boxes for layers and scopes, and arrows between them.

A chain such as convolution, batch norm and ReLU is one box, and equal copies of a repeat in a row are one box `× n`.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from convcalc.analysis.liveness import count_readers
from convcalc.analysis.report import Report, sum_known
from convcalc.intervals import Ratio
from convcalc.network import Group, Network
from convcalc.problems import normalise_word, printable
from convcalc.render.rows import Leaf, Row, count_levels, leaf_rows, list_leaves
from convcalc.shape import Shape
from convcalc.units import format_bytes, format_count, format_duration

MOST_BOXES = 30  # by default, a network is folded to at most this many boxes, if folding can do that
_FEW, _MANY = 6, 120  # a network of fewer boxes, such as one scope with all layers, is unfolded to at most _MANY
METRICS = ("macs", "params", "flops", "activation_memory", "weight_memory")
_LATENCY = "latency"  # begins the names of metrics in nanoseconds, such as `latency on rtx4090`
_TITLES = {
    "macs": "MACs",
    "params": "params",
    "flops": "FLOPs",
    "activation_memory": "activations",
    "weight_memory": "weights",
}


class Box(NamedTuple):
    """A layer, a scope, or an input of the network. `words` describe it, one text per line.

    `jump` is the distance in the input, along its last axis, between neighbouring positions; None if unknown.
    `output` says which output of the network it has, such as `output logits`; it is empty if it has none.
    `leaves` are the names of the layers and scopes that it stands for, and `span` is the index of its first layer and
    of the one after its last. `copies` is the number of equal copies; the sums
    of `figures`, by metric, are over all copies, and None if unknown. An input has no figures.
    """

    name: str
    words: tuple[str, ...]
    output_shape: Shape
    figures: dict[str, int | None]
    jump: Ratio | None = (1, 1)
    copies: int = 1
    leaves: tuple[str, ...] = ()
    output: str = ""
    span: tuple[int, int] = (0, 0)

    @property
    def is_input(self) -> bool:
        """Whether this is an input of the network."""
        return not self.leaves


class Arrow(NamedTuple):
    """A tensor that one box produces and another box reads; both are indexes of boxes, and `source` < `target`."""

    source: int
    target: int


class Diagram(NamedTuple):
    """The boxes of a network in an order of execution, and the arrows between them.

    `depth` is the depth to which scopes are folded, None if all are open.
    """

    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    depth: int | None


def format_figure(metric: str, figure: int | None) -> str:
    """Return a figure with its unit as drawings show it: `1.23 G MACs`, `3.06 MiB activations`."""
    return f"{format_amount(metric, figure)} {_TITLES.get(metric, _LATENCY)}"


def format_amount(metric: str, figure: int | None) -> str:
    """Return a figure without the name of its metric: `1.23 G`, `3.06 MiB`."""
    if metric.startswith(_LATENCY):
        return format_duration(None if figure is None else figure * 1e-9)
    return format_bytes(figure) if metric.endswith("memory") else format_count(figure)


def add_latency(diagram: Diagram, device: str, latencies: Sequence[int | None]) -> tuple[Diagram, str]:
    """Return the diagram with a metric for the latency on a device, and the name of this metric.

    `latencies` are the nanoseconds of each layer; None means unknown.
    """
    metric = f"{_LATENCY} on {printable(device)}"
    boxes = [
        box if box.is_input else box._replace(figures={metric: sum_known(latencies[slice(*box.span)]), **box.figures})
        for box in diagram.boxes
    ]
    return diagram._replace(boxes=tuple(boxes)), metric


def metric_title(metric: str) -> str:
    """Return the title of a metric, such as `MACs` or `latency on rtx4090`."""
    return _TITLES.get(metric, metric)


def fold_network(report: Report, depth: int | None) -> Diagram:
    """Return the diagram of a network, folded to `depth` levels of scopes (None: all layers have boxes)."""
    leaves, rows = list_leaves(report, depth), leaf_rows(report, depth)
    runs = _find_runs(report, leaves, rows)
    network = report.network
    boxes = [Box(printable(name), (), shape, {}) for name, shape in network.inputs.items()]
    groups = {(group.start, group.stop): group.name for group in reversed(report.groups)}
    box_of_tensor = list(range(len(boxes)))
    for first, stop in runs:
        box_of_tensor += [len(boxes)] * sum(leaf.stop - leaf.start for leaf in leaves[first:stop])
        boxes.append(_make_box(groups, leaves[first:stop], rows[first:stop]))
    arrows = {
        Arrow(box_of_tensor[tensor], box_of_tensor[len(network.inputs) + index])
        for index, node in enumerate(network.nodes)
        for tensor in node.reads
    }
    for index, output in _describe_outputs(network, box_of_tensor).items():
        boxes[index] = boxes[index]._replace(output=output)
    return Diagram(tuple(boxes), tuple(sorted(arrow for arrow in arrows if arrow.source != arrow.target)), depth)


def _describe_outputs(network: Network, box_of_tensor: Sequence[int]) -> dict[int, str]:
    """Return the text for the outputs of each box: `output`, with names if the network has several outputs."""
    names: dict[int, list[str]] = {}
    for name, tensor in network.outputs.items():
        names.setdefault(box_of_tensor[tensor], []).append(printable(name))
    several = len(network.outputs) > 1
    return {index: f"output {', '.join(found)}" if several else "output" for index, found in names.items()}


def choose_fold(report: Report, most: int = MOST_BOXES) -> Diagram:
    """Return the diagram with the most open scopes that has at most `most` boxes, or else the one with depth 1."""
    levels = count_levels(report)
    chosen = fold_network(report, 1 if levels > 1 else None)
    for depth in range(2, levels + 1):
        deeper = fold_network(report, depth if depth < levels else None)
        if len(deeper.boxes) > most and not (len(chosen.boxes) < _FEW and len(deeper.boxes) <= _MANY):
            break
        chosen = deeper
    return chosen


def _find_runs(report: Report, leaves: Sequence[Leaf], rows: Sequence[Row]) -> list[tuple[int, int]]:
    """Return the ranges of leaves that become one box: a layer and those that are applied to it, or equal copies."""
    readers = count_readers(report.network)
    first = len(report.network.inputs)
    runs: list[tuple[int, int]] = []
    for index, leaf in enumerate(leaves):
        before = leaves[index - 1] if index else None
        if before is not None and _continues(report, before, leaf, readers[first + before.stop - 1]):
            start, _ = runs[-1]
            joined = _is_applied(report, leaf) and _is_layer(leaves[start])
            equal = _are_copies(leaves[index - 1], leaf) and rows[index].sums == rows[index - 1].sums
            if joined or (equal and rows[index].output_shape == rows[index - 1].output_shape):
                runs[-1] = (start, index + 1)
                continue
        runs.append((index, index + 1))
    return runs


def _continues(report: Report, before: Leaf, leaf: Leaf, readers: int) -> bool:
    """Whether a leaf reads only the output of the leaf before it, and nothing else reads that output."""
    first = len(report.network.inputs)
    inside = range(first + leaf.start, first + leaf.stop)
    outside = [
        tensor for node in report.network.nodes[leaf.start : leaf.stop] for tensor in node.reads if tensor not in inside
    ]
    own = set(outside) == {first + before.stop - 1}
    return own and readers == len(outside)


def _is_layer(leaf: Leaf) -> bool:
    return leaf.group is None


def _is_applied(report: Report, leaf: Leaf) -> bool:
    """Whether a leaf is a layer such as a norm or an activation, which changes each value but no shape."""
    layer = report.layers[leaf.start].layer
    return _is_layer(leaf) and not layer.reads_many and (layer.in_place or (layer.is_view and not layer.input.spatial))


def _are_copies(one: Leaf, other: Leaf) -> bool:
    """Whether two leaves are uses of the same block in the same repeat, such as stage1.1 and stage1.2."""
    return (
        one.group is not None
        and other.group is not None
        and one.group.word == other.group.word
        and one.group.name.rpartition(".")[0] == other.group.name.rpartition(".")[0]
        and one.group.copies == other.group.copies
        and _ends_with_number(one.group)
        and _ends_with_number(other.group)
    )


def _ends_with_number(group: Group) -> bool:
    return group.name.rpartition(".")[2].isdecimal()


def _make_box(groups: Mapping[tuple[int, int], str], leaves: Sequence[Leaf], rows: Sequence[Row]) -> Box:
    """Return the box of a run of leaves. `groups` names scopes by their first layer and the one after them."""
    copies = len(leaves) if leaves[0].group is not None else 1
    name = groups.get((leaves[0].start, leaves[-1].stop), rows[0].name)
    if copies > 1:
        name = f"{rows[0].name}–{rows[-1].name.rpartition('.')[2]}"
    jump = rows[-1].receptive_field.jump
    return Box(
        printable(name),
        tuple(map(printable, _list_words(name, leaves, rows))),
        rows[-1].output_shape,
        {metric: sum_known([row.sums[metric] for row in rows]) for metric in METRICS},
        jump[-1] if jump else None,
        copies,
        tuple(printable(row.name) for row in rows),
        span=(leaves[0].start, leaves[-1].stop),
    )


def _list_words(name: str, leaves: Sequence[Leaf], rows: Sequence[Row]) -> list[str]:
    """Return the lines that describe a box: its first layer, and on the next line the layers that are applied to it."""
    first, *others = rows
    group = leaves[0].group
    if others and group is not None:
        return [f"{len(rows)} × {group.word}, {group.stop - group.start} layers each"]
    what = _describe_layer(first)
    applied = " · ".join(map(_describe_layer, others))
    says_nothing = normalise_word(name.rpartition(".")[2]).startswith(normalise_word(what))
    return [text for text in ("" if says_nothing else what, applied) if text]


def _describe_layer(row: Row) -> str:
    """Return the kind and arguments of a layer, or the block and number of layers of a folded scope."""
    return row.what if row.layer is None else f"{row.kind} {row.layer.glance()}".strip()
