"""Defines the compiled form of entries and blocks, and which names are valid or reserved.

An `Entry` is compiled once. It is expanded into layers once for each repetition and each use of its block.
"""

from collections.abc import Collection, Mapping
from typing import Any

from convcalc.layers import KINDS
from convcalc.layers.base import Layer
from convcalc.problems import Path
from convcalc.shape import Shape
from convcalc.spec.expressions import RESERVED

OPTIONS = ("name", "from", "repeat", "when", "frozen", "share")
LISTS = ("branches", "sequence")
MERGES = ("add", "multiply", "concat")
MOST_NAME = 200
LAYER_NAME = "[A-Za-z][A-Za-z0-9_-]*"  # for the schema; is_layer_name is faster
PARAMETER_NAME = "[A-Za-z][A-Za-z0-9_]*"
RESERVED_LAYERS = ("input", "previous")
RESERVED_NAMES = frozenset({*OPTIONS, *RESERVED})
RESERVED_BLOCKS = frozenset({*KINDS, *LISTS, "merge"})


def is_layer_name(text: str) -> bool:
    """Whether a text is a letter followed by letters, digits, _ and -."""
    return is_parameter_name(text.replace("-", "_"))


def is_parameter_name(text: str) -> bool:
    """Whether a text is a letter followed by letters, digits and _."""
    return text.isascii() and text.isidentifier() and not text.startswith("_")


def name_arguments(word: str, written: Any) -> dict[str, Any]:
    """Return the arguments of an entry by name: for the short form `linear: 10`, {"out_features": 10}.

    `word` is the layer kind (`linear`), and `written` is the value after the colon (10).
    """
    if isinstance(written, dict) or written is None:
        return written or {}
    return {KINDS[word].main: written}


def shorten_arguments(word: str, arguments: Mapping[str, Any]) -> Any:
    """Return the value for the short form if `arguments` has only the main argument, otherwise `arguments`.

    For example, {"out_features": 10} becomes 10 in `linear: 10`. The inputs of add, multiply and concat are shortened
    only if they are a list.
    """
    main = KINDS[word].main if word in KINDS else ""
    if list(arguments) != [main] or (main in OPTIONS and not isinstance(arguments[main], list | tuple)):
        return arguments
    return arguments[main]


def has_short_form(kind: type[Layer] | None, written: Any) -> bool:
    """Whether an entry such as `linear: 10`, with a value instead of a mapping of arguments, is valid.

    `written` is the value. For add, multiply and concat, it must be the list of the inputs.
    """
    return kind is not None and kind.main != "" and (kind.main not in OPTIONS or isinstance(written, list))


class Computed:
    """A list with an expression in at least one of its items."""

    __slots__ = ("items",)

    def __init__(self, items: list[Any]) -> None:
        self.items = items


def make_default_name(word: str, ordinal: int) -> str:
    """Return the default name of an entry: its word and number, such as relu5.

    relu6 is a layer kind, so the sixth relu is named relu_6:

    >>> make_default_name("relu", 5), make_default_name("relu", 6)
    ('relu5', 'relu_6')
    """
    name = f"{word}{ordinal}"
    return f"{word}_{ordinal}" if name in KINDS else name


Compiled = Any  # a literal value, a Template, a Computed list, or UNKNOWN


class Block:
    """A compiled block: its parameters with their defaults (None if required), its inputs, and its entries (`body`).

    `number` is the index of the block in the file. `input_names` is None if the block has a single input without a
    name. `broken` is true if a mistake makes the block unusable.
    """

    __slots__ = ("body", "broken", "input_names", "name", "number", "parameters", "path")

    def __init__(self, name: str, path: Path, number: int) -> None:
        self.number = number
        self.name = name
        self.path = path
        self.parameters: dict[str, Compiled] = {}
        self.input_names: tuple[str, ...] | None = None
        self.body = Body([])
        self.broken = False


class Body:
    """A list of compiled entries, such as the entries of a block or branch.

    `dynamic` is true if any entry takes its layer kind or block from a parameter. `least` is the minimum number of
    entries that the list expands to.
    """

    __slots__ = ("dynamic", "entries", "least")

    def __init__(self, entries: "list[Entry]") -> None:
        self.entries = entries
        self.dynamic = any(entry.dynamic for entry in entries)
        self.least = sum(entry.count_least() for entry in entries)


class Entry:
    """A compiled entry: a layer kind or block with its arguments, or branches or a sequence with their `bodies`.

    `word` is the layer kind, the name of the block, "branches" or "sequence"; for `- $act`, it is "$act" and `dynamic`
    is true. `broken` is true if a mistake makes the output of the entry unknown, and `literal` if no argument contains
    an expression. `ordinal` counts the entries with the same word in a list, from 1: the second relu is named relu2.
    """

    __slots__ = (
        "arguments",
        "arguments_path",
        "block",
        "block_limit",
        "blocks",
        "bodies",
        "branches",
        "broken",
        "counter",
        "dynamic",
        "kind",
        "line",
        "literal",
        "made",
        "merge",
        "options",
        "ordinal",
        "path",
        "short",
        "word",
        "word_path",
    )

    def __init__(self, path: Path, word: str, word_path: Path, line: int | None) -> None:
        self.path = path
        self.word = word
        self.word_path = word_path
        self.line = line
        self.kind: type[Layer] | None = None
        self.block: Block | None = None
        self.blocks: dict[str, Block] = {}  # if dynamic, the blocks by name; see `find_block_above`
        self.block_limit = 0
        self.arguments: dict[str, Compiled] = {}
        self.arguments_path = word_path
        self.short = ""  # the argument (or `from`) that a short form such as `linear: 10` sets
        self.options: dict[str, Compiled] = {}
        self.bodies: list[Body] = []
        self.counter: str | None = None  # the name of its repeat count; None if it is only $index
        self.branches: list[str | int] = []  # the name or index of each branch
        self.merge: Compiled = None
        self.broken = False
        self.literal = True
        self.ordinal = 0
        self.made: dict[tuple[Shape | None, ...], Layer] = {}  # if `literal`, the layers by input shapes
        self.dynamic = word.startswith("$")  # whether a parameter names the layer kind or block

    def find_block_above(self, word: object) -> Block | None:
        """Return the block with this name; None if there is none or if it is defined below the entry."""
        block = self.blocks.get(word) if isinstance(word, str) else None
        return block if block is not None and block.number < self.block_limit else None

    def list_argument_names(self) -> Collection[str] | None:
        """Return the names of all arguments of the entry's layer kind or block; None if that is unknown."""
        if self.kind is not None:
            return self.kind.keys
        return None if self.block is None else self.block.parameters

    def count_least(self) -> int:
        """Return the minimum number of entries that this entry expands to: itself and all entries inside it."""
        repeat = self.options.get("repeat", 1)
        return 1 + repeat * self.count_least_inside() if isinstance(repeat, int) else 1

    def count_least_inside(self) -> int:
        """Return the minimum number of entries inside one copy of this entry; 0 if the option `when` may disable it."""
        if self.options.get("when", True) is not True:
            return 0
        return self.block.body.least if self.block is not None else sum(body.least for body in self.bodies)

    def argument_path(self, name: str) -> Path:
        """Return the path of an argument; for `linear: 10`, which does not name its argument, the path of the 10."""
        return self.arguments_path if name == self.short else (*self.arguments_path, name)

    def option_path(self, option: str) -> Path:
        """Return the path of an option, such as ("layers", 3, "conv", "when") or ("layers", 3, "repeat").

        An option of a sequence or of branches is a key of the entry. For any other entry, it is among the arguments.
        """
        if option == self.short:
            return self.arguments_path
        path = (*(self.path if self.bodies or self.word in LISTS else self.arguments_path), option)
        return (*path, self.counter) if option == "repeat" and self.counter is not None else path
