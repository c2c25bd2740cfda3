"""Merges two blocks if one of them is the other with some entries missing.

The larger block replaces the smaller one and gets a parameter that decides whether the missing entries exist, such as
`downsample` of a residual block. A hole is a placeholder in a block for a value that each use of the block supplies.
"""

from typing import NamedTuple

from convcalc.convert.decompile.block_folding import iterate_uses
from convcalc.convert.decompile.items import (
    BranchesItem,
    EntryList,
    FirstElse,
    FoldedBlock,
    FoldedUse,
    Hole,
    Item,
    LayerItem,
    SequenceItem,
    Value,
    count_lines,
    find_blocks,
    find_lists,
    inner_lists,
    with_type,
)

_MAX_COMPARED = 24  # blocks


class _Alignment(NamedTuple):
    """How a smaller block corresponds to a larger one: the common holes, and the entries that it lacks."""

    holes: dict[int, int]  # number of a hole in the larger block → number of the same hole in the smaller block
    lacking: list[int]  # the entries missing from the smaller block, by their output tensors in the larger one


class _NotMergeable(Exception):
    """Raised if the smaller block is not the larger block with some entries missing."""


def merge_blocks(top: EntryList) -> None:
    """Merge pairs of blocks until no block is another one with some entries missing."""
    while _merge_pair(top):
        pass


def _merge_pair(top: EntryList) -> bool:
    """Merge the first pair of blocks that can be merged, large blocks first. Return whether there was one."""
    blocks = sorted(find_blocks(top)[:_MAX_COMPARED], key=lambda block: -count_lines(block.body.items))
    for place, larger in enumerate(blocks):
        for smaller in blocks[place + 1 :]:
            if _uses_block(larger, smaller) or _uses_block(smaller, larger):
                continue
            try:
                found = _align_blocks(larger, smaller)
            except _NotMergeable:
                continue
            if found.lacking:
                _replace_smaller(top, larger, smaller, found)
                return True
    return False


def _uses_block(block: FoldedBlock, other: FoldedBlock) -> bool:
    """Whether a block uses another, directly or indirectly."""
    return any(inner is other for inner in find_blocks(block.body))


# -- aligning two blocks


def _align_blocks(larger: FoldedBlock, smaller: FoldedBlock) -> _Alignment:
    """Return how the smaller block corresponds to the larger one.

    Raises _NotMergeable if it does not, lacks more than half of the lines, or lacks entries in more than one place.
    """
    aligner = _Aligner()
    aligner.match_lists(larger.body, smaller.body)
    if aligner.lacking_lines * 2 > count_lines(larger.body.items) or aligner.places > 1:
        raise _NotMergeable
    return _Alignment(aligner.holes, aligner.lacking)


class _Aligner:
    """Compares the lists of two blocks entry by entry.

    `tensors` maps each tensor of the larger block to the corresponding tensor of the smaller one; the other attributes
    describe the entries missing from the smaller block.
    """

    def __init__(self) -> None:
        self.tensors: dict[int | None, int | None] = {}
        self.holes: dict[int, int] = {}
        self.lacking: list[int] = []
        self.lacking_lines = 0
        self.places = 0  # number of groups of consecutive entries missing from the smaller block

    def match_lists(self, larger: EntryList, smaller: EntryList) -> None:
        """Match the entries of two lists. Raises _NotMergeable if an entry of the smaller list has no match."""
        self.tensors[larger.source] = smaller.source
        before, place, lacking = larger.source, 0, False
        for item in larger.items:
            if place < len(smaller.items) and self.is_like(item, smaller.items[place]):
                self.match_items(item, smaller.items[place])
                self.tensors[item.output] = smaller.items[place].output
                place, lacking = place + 1, False
            else:
                self.skip_item(item, before)
                self.places += not lacking
                lacking = True
            before = item.output
        if place < len(smaller.items):
            raise _NotMergeable
        if smaller.items and self.tensors[before] != smaller.items[-1].output:
            raise _NotMergeable

    def is_like(self, item: Item, other: Item) -> bool:
        """Whether entries of the larger and the smaller block may match. Values and nested entries are ignored."""
        if type(item) is not type(other) or item.name != other.name or item.when is not None or other.when is not None:
            return False
        if [self.tensors.get(tensor, -1) for tensor in item.reads] != list(other.reads):
            return False
        if isinstance(item, LayerItem) and isinstance(other, LayerItem):
            return (item.kind, item.names, item.frozen) == (other.kind, other.names, other.frozen)
        if isinstance(item, FoldedUse) and isinstance(other, FoldedUse):
            return item.block is other.block and item.repeat == other.repeat
        if isinstance(item, BranchesItem) and isinstance(other, BranchesItem):
            return item.merge == other.merge and len(item.bodies) == len(other.bodies)
        return isinstance(item, SequenceItem) and isinstance(other, SequenceItem) and item.repeat == other.repeat

    def match_items(self, item: Item, other: Item) -> None:
        """Match the values and the nested lists of two corresponding entries. Raises _NotMergeable if they differ."""
        if isinstance(item, LayerItem | FoldedUse) and isinstance(other, LayerItem | FoldedUse):
            for value, another in zip(item.values, other.values, strict=True):
                self.match_values(value, another)
        for inner, counterpart in zip(inner_lists(item), inner_lists(other), strict=True):
            self.match_lists(inner, counterpart)

    def match_values(self, value: Value, other: Value) -> None:
        """Match two corresponding values. Raises _NotMergeable unless they are equal or both are holes."""
        if isinstance(value, Hole) and isinstance(other, Hole):
            self.holes[value.number] = other.number
        elif with_type(value) != with_type(other):
            raise _NotMergeable

    def skip_item(self, item: Item, before: int | None) -> None:
        """Record that an entry is missing from the smaller list: its readers there read the tensor `before` instead.

        Raises _NotMergeable if the entry is already optional, or `before` has no counterpart in the smaller list.
        """
        if item.when is not None or any(inner.when is not None for body in inner_lists(item) for inner in body.items):
            raise _NotMergeable
        source = before
        if isinstance(item, SequenceItem):  # an empty sequence passes its input on
            source = item.reads[0]
            self.lacking += [inner.output for inner in item.body.items]
        else:
            self.lacking.append(item.output)
        self.lacking_lines += count_lines([item])
        if source not in self.tensors:
            raise _NotMergeable
        self.tensors[item.output] = self.tensors[source]


# -- merging two blocks


def _replace_smaller(top: EntryList, larger: FoldedBlock, smaller: FoldedBlock, found: _Alignment) -> None:
    """Replace the smaller block by the larger one, whose new last hole says whether the missing entries exist."""
    vectors = [use.values for use in iterate_uses(top) if use.block is larger]
    flag = Hole(larger.holes)
    for body in find_lists(top):
        body.items = [_update_use(item, larger, smaller, found, vectors) for item in body.items]
    _make_optional(larger.body, set(found.lacking), flag)
    larger.holes += 1


def _update_use(
    item: Item, larger: FoldedBlock, smaller: FoldedBlock, found: _Alignment, vectors: list[tuple[Value, ...]]
) -> Item:
    """Return an entry with a use of either block changed to a use of the merged one. Other entries are unchanged.

    `vectors` has the values of each use of the larger block.
    """
    if isinstance(item, FoldedUse) and item.block is larger:
        return item._replace(values=(*item.values, True))
    if isinstance(item, FoldedUse) and item.block is smaller:
        values = [item.values[found.holes[hole]] if hole in found.holes else None for hole in range(larger.holes)]
        filled = tuple(_fill_hole(hole, values, vectors) for hole in range(larger.holes))
        return item._replace(block=larger, values=(*filled, False))
    return item


def _fill_hole(hole: int, values: list[Value], vectors: list[tuple[Value, ...]]) -> Value:
    """Return the value that a former use of the smaller block supplies for a hole of the larger one.

    If the hole is only in the missing entries, any value will do; one that needs no additional parameter is preferred.
    """
    if values[hole] is not None:
        return values[hole]
    column = [with_type(vector[hole]) for vector in vectors]
    for other, value in enumerate(values):
        if value is not None and [with_type(vector[other]) for vector in vectors] == column:
            return value
    plain = (vector[hole] for vector in vectors if not isinstance(vector[hole], Hole | FirstElse))
    return next(plain, 1)


def _make_optional(body: EntryList, lacking: set[int], flag: Hole) -> None:
    """Make the entries whose outputs are in `lacking` conditional on the hole `flag`."""
    for inner in (inner for item in body.items for inner in inner_lists(item)):
        _make_optional(inner, lacking, flag)
    body.items = [
        item._replace(when=flag) if item.output in lacking and not isinstance(item, SequenceItem) else item
        for item in body.items
    ]
