"""Makes the rows of the layer table, as a tree: layers, and the scopes (blocks, branches, repeats) that contain them.

A scope is folded if one row stands for all its layers, and open if its layers have rows of their own below it.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from convcalc.analysis.receptive_field import FieldReport, field_report, input_size
from convcalc.analysis.report import COUNTS, LayerReport, Report
from convcalc.layers.base import Layer
from convcalc.network import Group
from convcalc.problems import normalise_word
from convcalc.shape import Shape

_SUMMED = (*COUNTS, "weight_memory", "activation_memory")


class Row(NamedTuple):
    """A row of the table: a layer, or a scope with the sums over its layers; unknown values are None.

    `is_group` is true only for an open scope, whose layers follow in rows of their own. `indent` is the number of open
    scopes that contain the row, and `label` is the name without the names of these scopes. `what` describes the layer
    or the folded scope.
    """

    name: str
    label: str
    indent: int
    is_group: bool
    kind: str
    what: str
    line: int | None
    reads: tuple[str, ...]
    input_shapes: tuple[Shape, ...]
    output_shape: Shape
    input_memory: int
    live_memory: int
    receptive_field: FieldReport
    sums: dict[str, int | None]
    share: float | None
    layer: Layer | None = None


class Leaf(NamedTuple):
    """The layers `start` to `stop` - 1 of a row that is not open: those of the folded scope `group`, or one layer."""

    start: int
    stop: int
    group: Group | None


class RangeSums:
    """Computes the sum of a metric over any range of layers in constant time.

    The constructor computes the sum over the first n layers for every n.
    """

    def __init__(self, figures: Sequence[int | None]) -> None:
        self.known = [0, *accumulate([figure or 0 for figure in figures])]
        self.unknown = [0, *accumulate([figure is None for figure in figures])] if None in figures else None

    def between(self, start: int, stop: int) -> int | None:
        """Return the sum over the layers `start` to `stop` - 1; None if the value of any of them is unknown."""
        if self.unknown is not None and self.unknown[start] != self.unknown[stop]:
            return None
        return self.known[stop] - self.known[start]


def _choose_share_figure(report: Report) -> str:
    """Return the metric for the column `share`: `macs`, or `flops` if there are no MACs."""
    return "flops" if report.totals.macs == 0 else "macs"


def _compute_share(part: int | None, whole: int | None) -> float | None:
    return None if part is None or whole is None else part / (whole or 1)


def layer_rows(report: Report) -> list[Row]:
    """Return one row per layer, labelled with its full name, and no rows for scopes."""
    basis = _choose_share_figure(report)
    whole = getattr(report.totals, basis)
    return [layer_row(layer, layer.name, 0, _compute_share(getattr(layer, basis), whole)) for layer in report.layers]


def layer_row(layer: LayerReport, label: str, indent: int, share: float | None) -> Row:
    """Return the row of one layer; `share` is its share of the network's MACs or FLOPs, None if unknown."""
    glance = layer.layer.glance()
    own_word = normalise_word(layer.name.rsplit(".", 1)[-1]).startswith(normalise_word(layer.kind))
    what = glance if own_word else " ".join(filter(None, (layer.kind, glance)))
    return Row(
        name=layer.name,
        label=label,
        indent=indent,
        is_group=False,
        kind=layer.kind,
        what=f"{what}, shares {layer.shares}" if layer.shares else what,
        line=layer.line,
        reads=layer.reads,
        input_shapes=layer.layer.inputs,
        output_shape=layer.output_shape,
        input_memory=layer.input_memory,
        live_memory=layer.live_memory,
        receptive_field=layer.receptive_field,
        sums={name: getattr(layer, name) for name in _SUMMED},
        share=share,
        layer=layer.layer,
    )


def tree_rows(report: Report, depth: int | None = None, opened: Sequence[Group] = ()) -> list[Row]:
    """Return the rows of layers and scopes as a tree.

    Layers more than `depth` levels deep (None: unlimited) are folded: one row stands for all layers of their scope. The
    scopes in `opened`, each inside the one before, are open at any depth, and their levels are not counted.
    """
    basis = _choose_share_figure(report)
    whole = getattr(report.totals, basis)
    sums = {name: RangeSums([getattr(layer, name) for layer in report.layers]) for name in _SUMMED}
    rows: list[Row] = []
    shown: list[Group] = []
    for item in _list_tree_items(report, depth, opened):
        while shown and shown[-1].stop <= (item if isinstance(item, int) else item.start):
            shown.pop()
        if isinstance(item, int):
            layer = report.layers[item]
            share = _compute_share(getattr(layer, basis), whole)
            rows.append(layer_row(layer, _shorten_name(layer.name, shown), len(shown), share))
        else:
            rows.append(_group_row(report, item, shown, sums, _is_folded(item, depth, opened), whole, basis))
            shown.append(item)
    return rows


def leaf_rows(report: Report, depth: int | None = None, opened: Sequence[Group] = ()) -> list[Row]:
    """Return the rows of `tree_rows` without open scopes; each row has its full name and is not indented."""
    if depth is None:
        return layer_rows(report)
    return [row._replace(label=row.name, indent=0) for row in tree_rows(report, depth, opened) if not row.is_group]


def list_leaves(report: Report, depth: int | None = None, opened: Sequence[Group] = ()) -> list[Leaf]:
    """Return the leaf that each row of `leaf_rows` stands for, in the same order."""
    return [
        Leaf(item, item + 1, None) if isinstance(item, int) else Leaf(item.start, item.stop, item)
        for item in _list_tree_items(report, depth, opened)
        if isinstance(item, int) or _is_folded(item, depth, opened)
    ]


def _list_tree_items(report: Report, depth: int | None, opened: Sequence[Group] = ()) -> Iterator[Group | int]:
    """Yield the scopes and the indexes of the layers that have a row of their own, in the order of the rows."""
    groups = iter((*report.groups, None))
    group = next(groups)
    index = 0
    while index < len(report.layers):
        if group is None or group.start > index:
            yield index
            index += 1
            continue
        if group.stop > index:
            folded = _is_folded(group, depth, opened)
            # an open repeat or branch has no row, because it only adds a number to names
            if folded or not is_repeat_or_branch(group):
                yield group
            index = group.stop if folded else index
        group = next(groups)


def _is_folded(group: Group, depth: int | None, opened: Sequence[Group] = ()) -> bool:
    if depth is None or any(group is scope for scope in opened):
        return False
    around = sum(scope.start <= group.start and group.stop <= scope.stop for scope in opened)
    return group.name.count(".") - (opened[around - 1].name.count(".") if around else -1) >= depth


def count_levels(report: Report) -> int:
    """Return the number of levels in the tree of scopes and layers, which is 1 if no layer is in a scope."""
    return max((layer.name.count(".") + 1 for layer in report.layers), default=1)


def choose_depth(report: Report, most: int, nested: bool = True) -> int | None:
    """Return the largest depth (at least 1) at which the tree has at most `most` rows.

    Return None if the whole tree fits, or if folding would not save any rows. Open scopes are counted as rows only if
    `nested` is true.
    """

    def count_rows(depth: int | None) -> int:
        items = _list_tree_items(report, depth)
        return sum(nested or isinstance(item, int) or _is_folded(item, depth) for item in items)

    every = count_rows(None)
    if every <= most:
        return None
    depth = 1
    while count_rows(depth + 1) <= most:  # ends, because the whole tree has more rows than `most`
        depth += 1
    return depth if count_rows(depth) < every else None


def fold_rows(report: Report, most_rows: int) -> tuple[list[Row], str]:
    """Return at most `most_rows` rows, and a note on the layers that are not shown (empty if all are shown)."""
    depth = choose_depth(report, most_rows)
    rows, everything = tree_rows(report, depth), f"print(report) shows all {len(report.layers):,} layers"
    if len(rows) > most_rows:
        return rows[:most_rows], f"{most_rows:,} of {len(rows):,} rows; {everything}"
    return rows, "" if depth is None else describe_fold(report, depth, everything)


def describe_fold(report: Report, depth: int, everything: str) -> str:
    """Return a note such as `folded to depth 2 of 4; print(report) shows all 32 layers`.

    `everything` is the text after the semicolon, which says how to show all layers.
    """
    return f"folded to depth {depth} of {count_levels(report)}; {everything}"


def _shorten_name(name: str, shown: list[Group]) -> str:
    return name[len(shown[-1].name) + 1 :] if shown else name


def _group_row(
    report: Report,
    group: Group,
    shown: list[Group],
    sums: dict[str, RangeSums],
    folded: bool,
    whole: int | None,
    basis: str,
) -> Row:
    """Return the row of a scope, with the sums over its layers.

    `shown` are the open scopes that contain this scope. `basis` is the metric for the column `share`, and `whole` is
    the network's total of that metric.
    """
    total = {name: column.between(group.start, group.stop) for name, column in sums.items()}
    first = report.layers[group.start]
    return Row(
        name=group.name,
        label=_shorten_name(group.name, shown),
        indent=len(shown),
        is_group=not folded,
        kind=group.word,
        what=describe_scope(group, _shorten_name(group.name, shown)) if folded else "",
        line=group.line,
        reads=(),
        input_shapes=first.layer.inputs[:1],
        output_shape=report.network.tensor_shape(group.output),
        input_memory=first.input_memory,
        live_memory=max(layer.live_memory for layer in report.layers[group.start : group.stop]),
        receptive_field=_tensor_field(report, group.output),
        sums=total,
        share=_compute_share(total[basis], whole),
    )


def _tensor_field(report: Report, tensor: int) -> FieldReport:
    whole, shape = input_size(report.network), report.network.tensor_shape(tensor)
    return field_report(report.fields[tensor], shape.spatial, whole)


def is_repeat_or_branch(group: Group) -> bool:
    """Return whether a scope only adds a number to the names of the layers in it."""
    return group.copies is not None or group.word == "branch"


def describe_rows(report: Report, rows: Sequence[Row]) -> Iterator[str]:
    """Yield the text of the column `what` for each row of a page, where open scopes have a text too.

    The reader of a page can fold them.
    """
    groups = {group.name: group for group in report.groups}
    for row in rows:
        yield describe_scope(groups[row.name], row.label) if row.is_group else row.what


def describe_scope(group: Group, label: str) -> str:
    """Return the description of a folded scope, such as `bottleneck × 3, 32 layers`.

    The first word (`bottleneck`) is left out if `label` begins with it.
    """
    layers = group.stop - group.start
    counted = f"{layers} {'layer' if layers == 1 else 'layers'}"
    word = "" if label.startswith(group.word) else group.word
    times = "" if group.copies is None else f"× {group.copies}"
    return ", ".join(filter(None, (f"{word} {times}".strip(), counted)))
