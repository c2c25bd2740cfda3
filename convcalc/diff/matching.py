"""Finds which layers of two networks correspond to each other.

A matching is a list of pairs of an old and a new layer. Among the matchings in which the pairs have the same order in
both networks, the one with the highest total score is chosen: two layers score more, the more of their kind, arguments,
names and output shapes are equal. Unmatched layers with the same name and kind are then paired as moved. Swapping the
two networks gives the same pairs, swapped.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from convcalc.diff.marks import Mark, mark_layers
from convcalc.network import Network, Node

MOST_CELLS = 4_000_000  # limit on the table of scores, which has one cell per pair of layers (2,000 × 2,000)
_WINDOW = 64  # if the table would be larger, this many layers are matched at a time

_KIND, _ARGUMENTS, _SHAPE = 4, 3, 1  # added to the score of two layers for equal kind, arguments and shape
_WRITTEN, _ORDINAL = 6, 1  # added for an equal name that the author chose, and for an equal default name

_SKIP_OLD, _SKIP_NEW, _TAKE = range(3)


class Pair(NamedTuple):
    """The indexes of two corresponding layers; `moved` is true if the order relative to other layers differs."""

    old: int
    new: int
    moved: bool = False


class _LayerRanges(NamedTuple):
    """A range of old layers and a range of new layers, to be matched with each other; the stops are exclusive."""

    old: int
    old_stop: int
    new: int
    new_stop: int

    @property
    def cells(self) -> int:
        return (self.old_stop - self.old) * (self.new_stop - self.new)


def match_layers(old: Network, new: Network) -> list[Pair]:
    """Return the pairs of corresponding layers, in the order of the new network."""
    marks = mark_layers(old), mark_layers(new)
    if [mark.sort_key() for mark in marks[1]] < [mark.sort_key() for mark in marks[0]]:
        # ties are broken by order, so a fixed order of the networks makes the result the same in both directions
        found = [Pair(pair.new, pair.old, pair.moved) for pair in _pair_layers(marks[1], marks[0])]
    else:
        found = _pair_layers(*marks)
    return sorted(found, key=lambda pair: pair.new)


def _pair_layers(old: Sequence[Mark], new: Sequence[Mark]) -> list[Pair]:
    """Return the pairs of layers that come in the same order in both networks, then the pairs of moved layers."""
    kept = _match_in_order(old, new)
    by_name = {new[index].name: index for index in set(range(len(new))) - {pair.new for pair in kept}}
    for index in sorted(set(range(len(old))) - {pair.old for pair in kept}):
        mark, other = old[index], by_name.get(old[index].name)
        if other is None or mark.kind != new[other].kind:
            continue
        if mark.leaf_written or mark.arguments == new[other].arguments:
            kept.append(Pair(index, other, moved=True))
    return kept


def _match_in_order(old: Sequence[Mark], new: Sequence[Mark]) -> list[Pair]:
    """Return the best-scoring pairs of layers, all in the same order in both networks."""
    found: list[Pair] = []
    whole = _trim_ends(old, new, _LayerRanges(0, len(old), 0, len(new)), found)
    all_ranges = [whole] if whole.cells <= MOST_CELLS else _split_at_anchors(old, new, whole, found)
    for ranges in all_ranges:
        rest = _trim_ends(old, new, ranges, found)
        found += _match_best(old, new, rest) if rest.cells <= MOST_CELLS else _match_in_windows(old, new, rest)
    return found


def _trim_ends(old: Sequence[Mark], new: Sequence[Mark], ranges: _LayerRanges, found: list[Pair]) -> _LayerRanges:
    """Pair identical layers at the start and at the end of both ranges; return the ranges between them.

    The pairs are added to `found`.
    """
    i, i_stop, j, j_stop = ranges
    while i < i_stop and j < j_stop and old[i].is_same(new[j]):
        found.append(Pair(i, j))
        i, j = i + 1, j + 1
    while i < i_stop and j < j_stop and old[i_stop - 1].is_same(new[j_stop - 1]):
        i_stop, j_stop = i_stop - 1, j_stop - 1
        found.append(Pair(i_stop, j_stop))
    return _LayerRanges(i, i_stop, j, j_stop)


# -- layers replaced by another kind


def find_replacements(old: Network, new: Network, pairs: Sequence[Pair]) -> list[Pair]:
    """Return pairs of a removed layer and an added layer of another kind that replaces it.

    `pairs` is the result of `match_layers`. Between two neighbouring pairs, a removed and an added layer with equal
    names are paired. If there are as many removed as added layers, the layers that are left are paired in order,
    provided that scope and output shape are equal.
    """
    taken = {pair.old for pair in pairs}, {pair.new for pair in pairs}
    found: list[Pair] = []
    i = j = 0
    for pair in (*sorted(pair for pair in pairs if not pair.moved), Pair(len(old.nodes), len(new.nodes))):
        gone = [index for index in range(i, pair.old) if index not in taken[0]]
        added = [index for index in range(j, pair.new) if index not in taken[1]]
        found += _pair_replacements(old, new, gone, added)
        i, j = pair.old + 1, pair.new + 1
    return found


def _pair_replacements(old: Network, new: Network, gone: Sequence[int], added: Sequence[int]) -> list[Pair]:
    by_name = {new.nodes[index].name: index for index in added}
    found = [Pair(index, by_name[old.nodes[index].name]) for index in gone if old.nodes[index].name in by_name]
    if len(gone) == len(added):
        named = {pair.old for pair in found}, {pair.new for pair in found}
        rest = [index for index in gone if index not in named[0]], [index for index in added if index not in named[1]]
        found += [
            pair for pair in map(Pair, *rest) if _has_same_scope_and_output(old.nodes[pair.old], new.nodes[pair.new])
        ]
    return [pair for pair in found if old.nodes[pair.old].layer.kind != new.nodes[pair.new].layer.kind]


def _has_same_scope_and_output(old: Node, new: Node) -> bool:
    same_scope = old.name.rpartition(".")[0] == new.name.rpartition(".")[0]
    return same_scope and old.layer.output == new.layer.output


# -- networks of usual size: the matching with the highest score


def _match_best(old: Sequence[Mark], new: Sequence[Mark], ranges: _LayerRanges) -> list[Pair]:
    """Return the pairs with the highest total score, by the algorithm of Needleman and Wunsch (1970).

    Leaving a layer unmatched costs nothing.
    """
    columns = new[ranges.new : ranges.new_stop]
    above = [0] * (len(columns) + 1)
    taken = []
    for mark in old[ranges.old : ranges.old_stop]:
        above, choices = _compute_score_row(mark, columns, above)
        taken.append(choices)
    return list(_trace_best_pairs(taken, ranges))


def _compute_score_row(mark: Mark, columns: Sequence[Mark], above: list[int]) -> tuple[list[int], bytearray]:
    """Return the row of the score table for the old layer `mark`, and the best choice for each new layer.

    Item n of the row is the highest total score of the pairs between the old layers up to `mark` and the first n new
    layers. `columns` are the new layers, and `above` is the row of the previous old layer. A choice is to pair `mark`
    with the new layer, or to leave one of the two unpaired.
    """
    kind, row, choices = mark.kind, [0], bytearray(len(columns))
    left = 0
    for index, other in enumerate(columns):
        best, choice = above[index + 1], _SKIP_OLD
        if left > best:
            best, choice = left, _SKIP_NEW
        if other.kind == kind:
            gain = _score_pair(mark, other)
            if gain and above[index] + gain > best:  # on a tie, earlier layers are paired
                best, choice = above[index] + gain, _TAKE
        choices[index] = choice
        row.append(best)
        left = best
    return row, choices


def _score_pair(mark: Mark, other: Mark) -> int:
    """Return the score of two layers of the same kind; 0 if both the arguments and the last part of the name differ."""
    same_leaf = mark.leaf == other.leaf
    gain = _KIND
    if mark.arguments == other.arguments:
        gain += _ARGUMENTS
    elif not same_leaf:
        return 0
    if mark.shape == other.shape:
        gain += _SHAPE
    if same_leaf:
        gain += _WRITTEN if mark.leaf_written else _ORDINAL
    if mark.scope == other.scope:
        gain += _WRITTEN if mark.scope_written else _ORDINAL
    return gain


def _trace_best_pairs(taken: Sequence[bytearray], ranges: _LayerRanges) -> Iterator[Pair]:
    """Yield the pairs with the highest total score, the last pair first.

    `taken` has the best choices of each row of the score table; this function follows them back from the last cell.
    """
    i, j = len(taken), ranges.new_stop - ranges.new
    while i and j:
        choice = taken[i - 1][j - 1]
        if choice == _TAKE:
            yield Pair(ranges.old + i - 1, ranges.new + j - 1)
        i, j = i - (choice != _SKIP_NEW), j - (choice != _SKIP_OLD)


# -- long networks: split at layers that clearly correspond, then match one window at a time


def _split_at_anchors(
    old: Sequence[Mark], new: Sequence[Mark], whole: _LayerRanges, found: list[Pair]
) -> list[_LayerRanges]:
    """Pair layers with the same name, kind and arguments; return the ranges of layers between these pairs.

    The pairs are added to `found`.
    """
    places = {new[j].name: j for j in range(whole.new, whole.new_stop)}
    named = ((i, places.get(old[i].name)) for i in range(whole.old, whole.old_stop))
    anchors = find_longest_rising([Pair(i, j) for i, j in named if j is not None and old[i].is_like(new[j])])
    found += anchors
    all_ranges, i, j = [], whole.old, whole.new
    for anchor in anchors:
        if anchor.old > i and anchor.new > j:
            all_ranges.append(_LayerRanges(i, anchor.old, j, anchor.new))
        i, j = anchor.old + 1, anchor.new + 1
    return [*all_ranges, _LayerRanges(i, whole.old_stop, j, whole.new_stop)]


def find_longest_rising(candidates: Sequence[Pair]) -> list[Pair]:
    """Return the longest subsequence of the candidates in which the new indexes increase.

    The candidates must be sorted by their old index.
    """
    ends: list[int] = []  # for each length, the smallest new index with which a subsequence of that length can end
    last: list[int] = []  # for each length, the number of the candidate with that index
    before: list[int | None] = []
    for number, pair in enumerate(candidates):
        length = bisect_left(ends, pair.new)
        before.append(last[length - 1] if length else None)
        ends[length : length + 1] = [pair.new]
        last[length : length + 1] = [number]
    found, at = [], last[-1] if last else None
    while at is not None:
        found.append(candidates[at])
        at = before[at]
    return found[::-1]


def _match_in_windows(old: Sequence[Mark], new: Sequence[Mark], ranges: _LayerRanges) -> list[Pair]:
    """Return the pairs in ranges that are too long for one table of scores.

    Layers are paired one by one as long as their kinds and arguments are equal. At the first difference, the best pairs
    of the next 64 layers are computed, and those within the first 32 layers are used. The same steps are then repeated
    from the last of these pairs.
    """
    found: list[Pair] = []
    i, i_stop, j, j_stop = ranges
    while i < i_stop and j < j_stop:
        if old[i].is_like(new[j]):
            found.append(Pair(i, j))
            i, j = i + 1, j + 1
            continue
        rest = _LayerRanges(i, i_stop, j, j_stop)
        if rest.cells <= MOST_CELLS:
            return [*found, *_match_best(old, new, rest)]
        window = _LayerRanges(i, min(i + _WINDOW, i_stop), j, min(j + _WINDOW, j_stop))
        i_half, j_half = min(i + _WINDOW // 2, i_stop), min(j + _WINDOW // 2, j_stop)
        near = [pair for pair in _match_best(old, new, window)[::-1] if pair.old < i_half and pair.new < j_half]
        found += near
        if near and near[-1].old - i + near[-1].new - j >= _WINDOW // 2:
            i, j = near[-1].old + 1, near[-1].new + 1
        else:
            i, j = i_half, j_half
    return found
