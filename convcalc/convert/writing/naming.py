"""What blocks are called: by the scopes that they come from, else by what is in them."""

import re
from itertools import takewhile

from convcalc.convert.writing.folding import all_uses
from convcalc.convert.writing.items import Block, Body, Branches, Item, Leaf, Use, used_blocks
from convcalc.layers import FAMILIES
from convcalc.spec.entries import PARAMETER_NAME, RESERVED_BLOCKS, RESERVED_NAMES

CONVOLUTIONS = frozenset(kind.kind for kind in FAMILIES["convolution"])
SHORT = {"batchnorm": "bn", "pointwise_conv": "pointwise", "depthwise_conv": "depthwise", "global_avgpool": "avgpool"}
LONGEST = 20  # letters of a name made of the words of all entries
LEAST_LETTERS = 3


def name_blocks(top: Body) -> None:
    """Give every block a name of its own; inner ones first, since others may be called by them."""
    taken: set[str] = set()
    for block in reversed(used_blocks(top)):
        word = word_of_scopes(top, block) or word_of_content(block)
        number, name = 1, word
        while name in taken or name in RESERVED_BLOCKS or name in RESERVED_NAMES:
            number += 1
            name = f"{word}{number}"
        taken.add(name)
        block.name = name


def word_of_scopes(top: Body, block: Block) -> str:
    """What the names of a block's uses have in common at their beginning, nothing where that is too short."""
    uses = [use for use in all_uses(top) if use.block is block]
    if any(use.name is None or use.repeat is not None for use in uses):
        return ""
    letters = takewhile(lambda column: len(set(column)) == 1, zip(*(use.name or "" for use in uses), strict=False))
    common = "".join(column[0] for column in letters)
    word = re.sub(r"([-_]?[0-9]+[a-z]?)?[-_]*$", "", common).replace("-", "_")
    return word if len(word) >= LEAST_LETTERS and PARAMETER_NAME.fullmatch(word) else ""


def word_of_content(block: Block) -> str:
    """What a block is made of, in a word or some."""
    items = block.body.items
    branches = next((item for item in items if isinstance(item, Branches)), None)
    if branches is not None:
        return word_of_branches(branches)
    merge = next((item for item in items if isinstance(item, Leaf) and len(item.reads) > 1), None)
    if merge is not None:
        return word_of_merge(merge.kind, count_convolutions(items))
    words = "_".join(word_of(item) for item in items)
    if len(words) <= LONGEST:
        return words
    return "depthwise_block" if "depthwise_conv" in kinds_in(items) else "conv_block"


def kinds_in(items: list[Item]) -> set[str]:
    """The kinds of some entries and of those in blocks that they use."""
    leaves = {item.kind for item in items if isinstance(item, Leaf)}
    return leaves.union(*(kinds_in(item.block.body.items) for item in items if isinstance(item, Use)))


def word_of(item: Item) -> str:
    """One entry in a word."""
    if isinstance(item, Leaf):
        return SHORT.get(item.kind, item.kind)
    return item.block.name if isinstance(item, Use) else "group"


def word_of_branches(item: Branches) -> str:
    """What branches that are merged are called."""
    if len([body for body in item.bodies if body.items]) == 1 or item.merge == "add":
        return word_of_merge(item.merge, max(count_convolutions(body.items) for body in item.bodies))
    if item.merge == "concat":
        return "inception" if len(item.bodies) > 2 else "parallel"
    return "gate"


def word_of_merge(kind: str, convolutions: int) -> str:
    """What layers around which their input is led are called."""
    if kind == "add":
        return "bottleneck" if convolutions > 2 else "residual"
    return "dense_layer" if kind == "concat" else "squeeze_excite"


def count_convolutions(items: list[Item]) -> int:
    """The convolutions among some entries and in blocks that they use, beside those in scopes of their own."""
    total = 0
    for item in items:
        if isinstance(item, Leaf):
            total += item.kind in CONVOLUTIONS
        elif isinstance(item, Use):
            total += count_convolutions(item.block.body.items)
    return total
