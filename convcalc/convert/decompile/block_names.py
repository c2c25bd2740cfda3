"""Names each block after the common prefix of its uses (`layer`), or else after its contents (`conv_bn_relu`)."""

import re
from itertools import takewhile

from convcalc.convert.decompile.block_folding import iterate_uses
from convcalc.convert.decompile.items import (
    BranchesItem,
    EntryList,
    FoldedBlock,
    FoldedUse,
    Item,
    LayerItem,
    find_blocks,
)
from convcalc.layers import FAMILIES
from convcalc.spec.entries import RESERVED_BLOCKS, RESERVED_NAMES, is_parameter_name

_CONVOLUTIONS = frozenset(kind.kind for kind in FAMILIES["convolution"])
_SHORT_WORDS = {
    "batchnorm": "bn",
    "pointwise_conv": "pointwise",
    "depthwise_conv": "depthwise",
    "global_avgpool": "avgpool",
}
_MAX_NAME_LENGTH = 20  # characters of a name that lists all entries
_MIN_NAME_LENGTH = 3


def name_blocks(top: EntryList) -> None:
    """Give each block a unique name. Inner blocks come first, because the name of an outer block may contain theirs."""
    taken: set[str] = set()
    for block in reversed(find_blocks(top)):
        word = _find_common_name_prefix(top, block) or _name_after_contents(block)
        number, name = 1, word
        while name in taken or name in RESERVED_BLOCKS or name in RESERVED_NAMES:
            number += 1
            name = f"{word}{number}"
        taken.add(name)
        block.name = name


def _find_common_name_prefix(top: EntryList, block: FoldedBlock) -> str:
    """Return the common prefix of the names of a block's uses, without a number at its end: `layer` for `layer1`.

    Returns "" if the prefix is too short or not a valid name, or if a use has no name or is repeated.
    """
    uses = [use for use in iterate_uses(top) if use.block is block]
    if any(use.name is None or use.repeat is not None for use in uses):
        return ""
    letters = takewhile(lambda column: len(set(column)) == 1, zip(*(use.name or "" for use in uses), strict=False))
    common = "".join(column[0] for column in letters)
    word = re.sub(r"([-_]?[0-9]+[a-z]?)?[-_]*$", "", common).replace("-", "_")
    return word if len(word) >= _MIN_NAME_LENGTH and is_parameter_name(word) else ""


def _name_after_contents(block: FoldedBlock) -> str:
    """Return the name of a known design, such as `bottleneck`, or else the joined names of the layer kinds."""
    items = block.body.items
    branches = next((item for item in items if isinstance(item, BranchesItem)), None)
    if branches is not None:
        return _describe_branches(branches)
    merge = next((item for item in items if isinstance(item, LayerItem) and len(item.reads) > 1), None)
    if merge is not None:
        return _describe_merge(merge.kind, _count_convolutions(items))
    words = "_".join(_describe_item(item) for item in items)
    if len(words) <= _MAX_NAME_LENGTH:
        return words
    return "depthwise_block" if "depthwise_conv" in _collect_layer_kinds(items) else "conv_block"


def _collect_layer_kinds(items: list[Item]) -> set[str]:
    """Return the kinds of all layers, including those in used blocks but not those in branches or sequences."""
    leaves = {item.kind for item in items if isinstance(item, LayerItem)}
    return leaves.union(*(_collect_layer_kinds(item.block.body.items) for item in items if isinstance(item, FoldedUse)))


def _describe_item(item: Item) -> str:
    if isinstance(item, LayerItem):
        return _SHORT_WORDS.get(item.kind, item.kind)
    return item.block.name if isinstance(item, FoldedUse) else "group"


def _describe_branches(item: BranchesItem) -> str:
    if len([body for body in item.bodies if body.items]) == 1 or item.merge == "add":
        return _describe_merge(item.merge, max(_count_convolutions(body.items) for body in item.bodies))
    if item.merge == "concat":
        return "inception" if len(item.bodies) > 2 else "parallel"
    return "gate"


def _describe_merge(kind: str, convolutions: int) -> str:
    """Return a name, such as `residual`, for a block whose input and output are merged by a layer of this kind."""
    if kind == "add":
        return "bottleneck" if convolutions > 2 else "residual"
    return "dense_layer" if kind == "concat" else "squeeze_excite"


def _count_convolutions(items: list[Item]) -> int:
    """Count the convolutions, including those in used blocks but not those in branches or sequences."""
    total = 0
    for item in items:
        if isinstance(item, LayerItem):
            total += item.kind in _CONVOLUTIONS
        elif isinstance(item, FoldedUse):
            total += _count_convolutions(item.block.body.items)
    return total
