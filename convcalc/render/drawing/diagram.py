"""Folds a network into a `Diagram`: boxes for layers and scopes, and arrows between them.

A chain such as convolution, batch norm and ReLU is one box, and equal copies of a repeat in a row are one box `× n`.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

from convcalc.analysis.liveness import count_readers
from convcalc.analysis.report import Report, sum_known
from convcalc.intervals import Ratio
from convcalc.network import Group, Network
from convcalc.problems import normalise_word, printable
from convcalc.render.rows import Leaf, RangeSums, Row, count_levels, leaf_rows, list_leaves
from convcalc.shape import Shape
from convcalc.units import format_bytes, format_count, format_duration

MOST_BOXES = 30  # by default, a network is folded to at most this many boxes, if folding can do that
_FEW, _MANY = 6, 120  # a network that folds to fewer boxes is unfolded to at most _MANY
_MOST_NESTED = 2  # limit of frames inside each other
_MOST_OPENED = 400  # a scope that holds most of the layers is open if it has at most this many boxes


class Metric(NamedTuple):
    """A metric that colours boxes: its name in pictures, and how its figures are written."""

    title: str
    format: Callable[[int | None], str]


def _format_nanoseconds(figure: int | None) -> str:
    return format_duration(None if figure is None else figure * 1e-9)


METRICS = {
    "macs": Metric("MACs", format_count),
    "params": Metric("params", format_count),
    "flops": Metric("FLOPs", format_count),
    "activation_memory": Metric("activations", format_bytes),
    "weight_memory": Metric("weights", format_bytes),
}
_LATENCY = Metric("latency", _format_nanoseconds)  # of metrics such as `latency on rtx4090`


class Box(NamedTuple):
    """A layer, a scope, or an input of the network. `words` describe it, one text per line.

    `jump` is the distance in the input, along its last axis, between neighbouring positions; None if unknown.
    `output` says which output of the network it has, such as `output logits`; it is empty if it has none.
    `leaves` are the names of the layers and scopes that it stands for, and `layers` are the indexes of its first layer
    and of the one after its last. `copies` is the number of equal copies; the sums
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
    layers: tuple[int, int] = (0, 0)

    @property
    def is_input(self) -> bool:
        """Whether this is an input of the network."""
        return not self.leaves


class Arrow(NamedTuple):
    """A tensor that one box produces and another box reads; both are indexes of boxes, and `source` < `target`."""

    source: int
    target: int


class Scope(NamedTuple):
    """An open scope, such as a repeat or a use of a block, and the indexes of the boxes of its layers."""

    name: str
    boxes: frozenset[int]


class Diagram(NamedTuple):
    """The boxes of a network in an order of execution, and the arrows between them.

    `depth` is the depth to which scopes are folded, None if all are open. `scopes` are the open scopes of several
    boxes, without branches, those that hold most of the layers, and those inside two others.
    """

    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    depth: int | None
    scopes: tuple[Scope, ...] = ()


def format_figure(metric: str, figure: int | None) -> str:
    """Return a figure with its unit as drawings show it: `1.23 G MACs`, `3.06 MiB activations`."""
    return f"{format_amount(metric, figure)} {METRICS.get(metric, _LATENCY).title}"


def format_amount(metric: str, figure: int | None) -> str:
    """Return a figure without the name of its metric: `1.23 G`, `3.06 MiB`."""
    return METRICS.get(metric, _LATENCY).format(figure)


def add_latency(diagram: Diagram, device: str, latencies: Sequence[int | None]) -> tuple[Diagram, str]:
    """Return the diagram with a metric for the latency on a device, and the name of this metric.

    `latencies` are the nanoseconds of each layer; None means unknown.
    """
    metric = f"{_LATENCY.title} on {printable(device)}"
    boxes = [
        box if box.is_input else box._replace(figures={metric: sum_known(latencies[slice(*box.layers)]), **box.figures})
        for box in diagram.boxes
    ]
    return diagram._replace(boxes=tuple(boxes)), metric


def metric_title(metric: str) -> str:
    """Return the title of a metric, such as `MACs` or `latency on rtx4090`."""
    return METRICS[metric].title if metric in METRICS else metric


def fold_network(report: Report, depth: int | None, opened: Sequence[Group] = ()) -> Diagram:
    """Return the diagram of a network, folded to `depth` levels of scopes (None: all layers have boxes).

    The scopes in `opened`, each inside the one before, are open, and their levels are not counted.
    """
    leaves, rows = list_leaves(report, depth, opened), leaf_rows(report, depth, opened)
    runs = _RunFinder(report).find_runs(leaves)
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
    levels = None if depth is None else depth + (opened[-1].name.count(".") + 1 if opened else 0)
    joined = tuple(sorted(arrow for arrow in arrows if arrow.source != arrow.target))
    return Diagram(tuple(boxes), joined, levels, tuple(_list_scopes(report, box_of_tensor[len(network.inputs) :])))


def _list_scopes(report: Report, box_of_layer: Sequence[int]) -> list[Scope]:
    """Return the open scopes that a graph may show, outer ones first; `box_of_layer` has the box of each layer."""
    count = len(box_of_layer)
    edges = [-1, *box_of_layer, -1]
    found: list[Scope] = []
    around: list[Group] = []
    for group in report.groups:
        is_whole = edges[group.start] != edges[group.start + 1] and edges[group.stop] != edges[group.stop + 1]
        boxes = frozenset(box_of_layer[group.start : group.stop])
        around = [other for other in around if other.stop >= group.stop]
        is_shown = is_whole and len(boxes) > 1 and 4 * (group.stop - group.start) <= 3 * count
        is_new = all(scope.boxes != boxes for scope in found[-_MOST_NESTED:])
        if is_shown and is_new and group.word not in ("branch", "branches") and len(around) < _MOST_NESTED:
            found.append(Scope(printable(group.name), boxes))
            around.append(group)
    return found


def _describe_outputs(network: Network, box_of_tensor: Sequence[int]) -> dict[int, str]:
    """Return the text for the outputs of each box: `output`, with names if the network has several outputs."""
    names: dict[int, list[str]] = {}
    for name, tensor in network.outputs.items():
        names.setdefault(box_of_tensor[tensor], []).append(printable(name))
    several = len(network.outputs) > 1
    return {index: f"output {', '.join(found)}" if several else "output" for index, found in names.items()}


def choose_fold(report: Report, most: int = MOST_BOXES) -> Diagram:
    """Return the diagram with the most open scopes that has at most `most` boxes, or else the one with depth 1.

    A scope that holds most of the layers, such as the whole model in an imported file, is open, not a box.
    """
    finder = _RunFinder(report)
    opened = _choose_opened(report, finder)
    leaves = list_leaves(report, 1, opened)
    chosen, count = 1, finder.count_boxes(leaves)
    for depth in range(2, count_levels(report) + 1):
        before, leaves = leaves, list_leaves(report, depth, opened)
        deeper = count if len(leaves) == len(before) else finder.count_boxes(leaves)
        if deeper > most and not (count < _FEW and deeper <= _MANY):
            leaves = before
            break
        chosen, count = depth, deeper
    is_open = all(leaf.group is None for leaf in leaves)
    return fold_network(report, None if is_open else chosen, opened)


def _choose_opened(report: Report, finder: "_RunFinder") -> tuple[Group, ...]:
    """Return the scopes that hold more than three quarters of the layers, the outermost first.

    Those of too many boxes are left out.
    """
    found = [group for group in report.groups if 4 * (group.stop - group.start) > 3 * len(report.layers)]
    while found and finder.count_boxes(list_leaves(report, 1, found)) > _MOST_OPENED:
        found.pop()
    return tuple(found)


class _RunFinder:
    """Finds the ranges of leaves that become one box: a layer and those that are applied to it, or equal copies."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.readers = count_readers(report.network)
        self.first = len(report.network.inputs)

    @cached_property
    def _sums(self) -> list[RangeSums]:
        return [RangeSums([getattr(layer, metric) for layer in self.report.layers]) for metric in METRICS]

    def count_boxes(self, leaves: Sequence[Leaf]) -> int:
        """Return the number of boxes of a diagram with these leaves, without making them."""
        return self.first + len(self.find_runs(leaves))

    def find_runs(self, leaves: Sequence[Leaf]) -> list[tuple[int, int]]:
        """Return the ranges of leaves that become one box."""
        runs: list[tuple[int, int]] = []
        for index, leaf in enumerate(leaves):
            start = runs[-1][0] if runs else index
            if index and self._joins(leaves[start], leaves[index - 1], leaf):
                runs[-1] = (start, index + 1)
            else:
                runs.append((index, index + 1))
        return runs

    def _joins(self, first: Leaf, before: Leaf, leaf: Leaf) -> bool:
        """Whether a leaf is in the same box as the leaf before it; `first` is the first leaf of that box."""
        applied = _is_applied(self.report, leaf) and _is_layer(first)
        return (applied or (_are_copies(before, leaf) and self._are_equal(before, leaf))) and self._continues(
            before, leaf
        )

    def _are_equal(self, one: Leaf, other: Leaf) -> bool:
        """Whether two folded scopes have the same output shape and figures."""
        shapes = {self.report.network.tensor_shape(leaf.group.output) for leaf in (one, other) if leaf.group}
        ranges = (leaf[:2] for leaf in (one, other))
        before, after = ([column.between(*limits) for column in self._sums] for limits in ranges)
        return len(shapes) == 1 and before == after

    def _continues(self, before: Leaf, leaf: Leaf) -> bool:
        """Whether a leaf reads only the output of the leaf before it, and nothing else reads that output."""
        inside = range(self.first + leaf.start, self.first + leaf.stop)
        nodes = self.report.network.nodes[leaf.start : leaf.stop]
        outside = [tensor for node in nodes for tensor in node.reads if tensor not in inside]
        last = self.first + before.stop - 1
        return set(outside) == {last} and self.readers[last] == len(outside)


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
        layers=(leaves[0].start, leaves[-1].stop),
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
