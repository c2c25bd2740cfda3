"""Builds the values of a spec from the parts of its YAML text, which are added in the order of the text.

The parts are scalars (single values), the starts and ends of collections (mappings and lists), and aliases. The values
keep their extents in the text. For example, the start of a list, the scalars 3 and 32, and the end of the list
become [3, 32]. Anchors and `<<` are resolved, repeated keys are reported, and the limits on size and nesting are
enforced.
"""

import re
from math import inf
from typing import Any

from convcalc.problems import Fix, Flaw, Problem, shorten, suggest_list
from convcalc.spec.document import UNKNOWN, Document, Extent, Mapping, Sequence
from convcalc.spec.problem_list import MOST_PROBLEMS, TooDeep, TooMuch
from convcalc.spec.scalars import find_closing_parenthesis, fold_lines, read_plain_scalar

MOST_NESTING = 64
_MOST_SHOWN = 200  # characters of an expression that is quoted in a hint
_MOST_NODES = 500_000
# patterns are not compiled on import, so that convcalc starts faster
_BLANKS = r"(?:\s++|#.*+)*+"
_PROPERTIES = r"(?:[&!]\S*\s+(?:#.*\s+)?)+"

_MERGE = object()  # the key <<, as opposed to the quoted text "<<"
_DROPPED = object()  # an invalid key, whose value is skipped


class _OpenCollection:
    """A list or mapping whose end has not been read.

    `key` is the key of the next value, None if a key comes next. `nodes` counts the collection and the keys and values
    in it. `merges` are the mappings that `<<` inserts into the collection.
    """

    __slots__ = ("anchor", "container", "flow", "joined", "key", "key_extent", "merged", "merges", "nodes", "tagged")

    def __init__(self, container: Mapping | Sequence, anchor: str | None, flow: bool) -> None:
        self.container = container
        self.anchor = anchor
        self.flow = flow
        self.key: Any = None
        self.key_extent: Extent = (0, 0)
        self.merged: Extent | None = None  # the extent of the key <<
        self.merges: list[Mapping] = []
        self.nodes = 1
        self.tagged = False
        self.joined: tuple[int, float] = (0, 0)  # start and end of an expression that YAML has split; inf: no end

    @property
    def sign(self) -> str:
        """The bracket that opens the collection, [ or {; without brackets, - for a list and : for a mapping."""
        signs = "{:" if isinstance(self.container, Mapping) else "[-"
        return signs[0] if self.flow else signs[1]

    def has_joined(self, extent: Extent, value: Any) -> bool:
        """Return whether a value is part of an expression or `(3, 3)` that YAML has split, but that was read whole."""
        start, end = self.joined
        if not start < extent[0] < end:
            return False
        return end != inf or value is None or isinstance(self.container, Sequence)


class TreeBuilder:
    """Builds the root of a document from the events of a YAML parser, and adds problems to the document.

    The `extent` of an event is its start and end in the text; for the start of a collection, only its first character.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self.text = document.text or ""
        self.stack: list[_OpenCollection] = []
        self.anchors: dict[str, tuple[Any, int, Extent]] = {}  # value, number of nodes (0 until complete), extent
        self.nodes = 0
        self.closed: _OpenCollection | None = None  # the collection that was completed last
        self.unquoted: Extent = (
            0,
            0,
        )  # the last expression that lacks quotes; a bracket in it stops the parser

    def report(self, extent: Extent, message: str, code: str = "CV003", hint: str = "", fix: Fix | None = None) -> None:
        """Add a problem about the part of the text at `extent`. Raises TooMuch if the limit on problems is reached."""
        span = self.document.span(extent)
        self.document.problems.append(Problem((), message, code, hint, span=span, fix=fix))
        if len(self.document.problems) == MOST_PROBLEMS:
            raise TooMuch

    # -- parts of a text

    def add_scalar(self, text: str, extent: Extent, anchor: str | None, tag: str | None, is_plain: bool) -> None:
        """Add a scalar as a key or value; `is_plain` is true if it has neither quotes nor a tag."""
        self._count_nodes(1, extent)
        collection = self.stack[-1] if self.stack else None
        if collection is not None and collection.key is None and collection.container.__class__ is Mapping:
            if anchor:
                self.anchors[anchor] = (text, 1, extent)
            if tag is not None:
                self._refuse_tag(tag, extent)
            _remember_key(collection, _MERGE if text == "<<" and is_plain else text, extent)
            return
        if not text and collection is not None and collection.flow and is_plain:
            extent = self._find_missing_value(extent)
        value: Any = text
        if tag is not None:
            self._refuse_tag(tag, extent)
            value = UNKNOWN
        elif is_plain:
            value = self._read_plain(text, extent)
            if collection is not None and collection.flow and "(" in text:
                value = self._join_split_value(collection, value, text, extent)
        if anchor:
            self.anchors[anchor] = (value, 1, extent)
        self._add_value(value, extent, 1)

    def open_collection(
        self, container: Mapping | Sequence, anchor: str | None, tag: str | None, is_flow: bool
    ) -> None:
        """Begin a list or mapping, `container`, which is empty; `is_flow` is true if it is written in brackets.

        Raises TooDeep if the nesting limit is exceeded.
        """
        extent = container.extent
        self._count_nodes(1, extent)
        if tag is not None:
            self._refuse_tag(tag, extent)
        if len(self.stack) == MOST_NESTING:
            raise TooDeep(extent[0])
        collection = _OpenCollection(container, anchor, is_flow)
        collection.tagged = tag is not None
        self.stack.append(collection)
        if anchor:
            self.anchors[anchor] = (None, 0, extent)

    def close_collection(self, end: int) -> None:
        """Complete the innermost open collection; if it is written in brackets, `end` is the index after it."""
        collection = self.closed = self.stack.pop()
        container = collection.container
        if collection.flow:
            container.extent = (container.extent[0], end)
        if collection.merges and isinstance(container, Mapping):
            _insert_merged_keys(container, collection.merges)
        value = UNKNOWN if collection.tagged else container
        if collection.anchor:
            self.anchors[collection.anchor] = (value, collection.nodes, container.extent)
        self._add_value(value, container.extent, collection.nodes)

    def add_alias(self, name: str, extent: Extent) -> None:
        """Add the value that an alias refers to; its keys and values count again toward the limit on nodes."""
        anchor = self.anchors.get(name)
        value, nodes, origin = anchor or (UNKNOWN, 1, extent)
        if anchor is None:
            self.report(extent, f"the alias *{shorten(name)} has no anchor above it")
        elif nodes == 0:
            self.report(extent, f"the alias *{shorten(name)} is inside its own anchor")
            value, nodes, origin = UNKNOWN, 1, extent
        self._count_nodes(nodes, extent)
        collection = self.stack[-1] if self.stack else None
        if collection is not None and collection.key is None and isinstance(collection.container, Mapping):
            if not isinstance(value, str) and value is not UNKNOWN:
                self.report(extent, "a key must be a single word, but the alias stands for something else")
            _remember_key(collection, value if isinstance(value, str) else _DROPPED, extent)
            return
        self._add_value(value, origin, nodes)

    # -- where a text ends too early

    def find_openings(self, ended: bool) -> list[tuple[str, int]]:
        """Return the opening character ([ { - or :) of each open collection, outermost first, and its index.

        `ended` is true if the root of the spec is complete, so that no collection is open. If the root is a collection
        without brackets, it is then returned as if it were still open.
        """
        collections = [self.closed] if ended and self.closed and not self.closed.flow else self.stack
        return [opening for collection in collections if (opening := self._find_opening(collection)) is not None]

    def expects_key(self) -> bool:
        """Whether the innermost collection is a mapping that expects a key."""
        return bool(self.stack) and self.stack[-1].key is None and isinstance(self.stack[-1].container, Mapping)

    def _find_opening(self, collection: _OpenCollection) -> tuple[str, int] | None:
        """Return the opening character of a collection ([ { - or :) and its index, after any anchor or tag.

        Return None for the mapping in [a: b], which has no opening character.
        """
        start = collection.container.extent[0]
        properties = re.compile(_PROPERTIES).match(self.text, start)
        after = start if properties is None else properties.end()
        return (collection.sign, after) if not collection.flow or self.text.startswith(collection.sign, after) else None

    # -- scalars

    def _count_nodes(self, nodes: int, extent: Extent) -> None:
        """Add `nodes`, a number of keys and values, to the total. Raises TooMuch if it exceeds the limit."""
        self.nodes += nodes
        if self.nodes > _MOST_NODES:
            message = f"more than {_MOST_NODES:,} YAML nodes (an alias counts as everything it stands for)"
            self.report(extent, message, "CV004")
            raise TooMuch

    def _refuse_tag(self, tag: str, extent: Extent) -> None:
        name = shorten(tag.replace("tag:yaml.org,2002:", "!!"))
        self.report(extent, f"the tag {name} is not supported", hint="remove the tag")

    def _find_missing_value(self, extent: Extent) -> Extent:
        """Return an empty extent right before the next token, for an empty value as in [1, , 2].

        The two parsers of PyYAML report different positions for such a value.
        """
        blanks = re.compile(_BLANKS).match(self.text, extent[0])
        end = extent[0] if blanks is None else blanks.end()
        return end, end

    def _read_plain(self, text: str, extent: Extent) -> Any:
        try:
            return read_plain_scalar(text)
        except Flaw as flaw:
            self.report(extent, flaw.message, flaw.code)
            return UNKNOWN

    def _join_split_value(self, collection: _OpenCollection, value: Any, text: str, extent: Extent) -> Any:
        """Return the value of a scalar in brackets, or the whole expression if the scalar is only its first part.

        YAML splits `$(min(a, b))` and `(3, 3)` at their commas. After reporting a list in parentheses such as `(3, 3)`,
        return UNKNOWN.
        """
        if "$(" in text:
            return self._join_expression(collection, text, extent)
        end = find_closing_parenthesis(self.text, extent[0], len(self.text)) if text.startswith("(") else None
        if end is None or end <= extent[1] or self._is_inside_user_key() or collection.has_joined(extent, None):
            return value
        hint = suggest_list(fold_lines(self.text[extent[0] : end]))
        if not hint:
            return value
        collection.joined = (extent[0], end)
        self.report((extent[0], end), "a list must be in brackets, not in parentheses", "CV013", hint)
        return UNKNOWN

    def _is_inside_user_key(self) -> bool:
        """Return whether the current event is inside a top-level key that begins with x-, such as `x-notes`."""
        return str(self.stack[0].key).startswith("x-")

    def _join_expression(self, collection: _OpenCollection, text: str, extent: Extent) -> Any:
        """Return the whole expression that begins with a scalar; if YAML has split it, report that it needs quotes.

        For YAML, [$(min(a, b))] is a list of the items "$(min(a" and "b))". The caller adds the expression as the first
        item; the other items are skipped. Return UNKNOWN if the expression is never closed.
        """
        start = extent[0] + text.index("$(") + 1
        if collection.has_joined(extent, None) or find_closing_parenthesis(self.text, start, extent[1]) is not None:
            return text
        end = find_closing_parenthesis(self.text, start, len(self.text))
        collection.joined = (extent[0], inf if end is None else end)
        if end is None:
            if isinstance(collection.container, Mapping):
                collection.container.incomplete = True
            rest_of_line = re.compile(".*").match(self.text, extent[1])
            self.unquoted = (extent[0], extent[1] if rest_of_line is None else rest_of_line.end())
            message = "the expression is not closed; an expression with a comma or brackets needs quotes here"
            self.report(extent, message, "CV014", "close the expression and put it in quotes")
            return UNKNOWN
        from convcalc.spec.emit import quote  # few specs need it

        self.unquoted = (extent[0], end)
        whole = fold_lines(self.text[extent[0] : end])
        message = f"an expression with {'brackets' if '[' in whole else 'a comma'} needs quotes here"
        hint = f"write {quote(whole)}" if len(whole) <= _MOST_SHOWN else "put the expression in quotes"
        self.report((extent[0], end), message, "CV014", hint, Fix("quote"))
        return whole

    # -- collections

    def _add_value(self, value: Any, extent: Extent, nodes: int) -> None:
        """Add a value to the innermost open collection; if none is open, the value becomes the root of the document."""
        if not self.stack:
            self.document.root = value
            return
        collection = self.stack[-1]
        collection.nodes += nodes
        container = collection.container
        if isinstance(container, Sequence):
            if not collection.has_joined(extent, value):
                container.append(value)
                container.item_extents.append(extent)
            return
        key, collection.key = collection.key, None
        if key is None:
            self.report(extent, "a key must be a single word, not a list or a mapping")
            collection.key = _DROPPED
        elif key is _MERGE:
            self._remember_merge(collection, value, extent)
        elif key in container:
            self._report_repeated_key(key, container.key_extents[key], collection.key_extent)
        elif key is not _DROPPED and not collection.has_joined(collection.key_extent, value):
            _put(container, key, collection.key_extent, value, extent)

    def _report_repeated_key(self, key: str, first: Extent, second: Extent) -> None:
        """Report a key that is in a mapping twice; the extents are those of the two keys."""
        line = self.document.line_and_column(first[0])[0]
        self.report(second, f"the key {shorten(key)} is written twice, first on line {line}")

    def _remember_merge(self, collection: _OpenCollection, value: Any, extent: Extent) -> None:
        """Store the mappings after `<<`; they are inserted when the end of the surrounding mapping is read."""
        if collection.merged is not None:
            self._report_repeated_key("<<", collection.merged, collection.key_extent)
            return
        collection.merged = collection.key_extent
        for item in value if isinstance(value, Sequence) else [value]:
            if isinstance(item, Mapping):
                collection.merges.append(item)
            elif item is not UNKNOWN:
                self.report(extent, "<< needs a mapping or a list of mappings")


def _remember_key(collection: _OpenCollection, key: Any, extent: Extent) -> None:
    collection.nodes += 1
    collection.key = key
    collection.key_extent = extent


def _put(container: Mapping, key: str, key_extent: Extent, value: Any, extent: Extent) -> None:
    container[key] = value
    container.key_extents[key] = key_extent
    container.value_extents[key] = extent


def _insert_merged_keys(container: Mapping, merges: list[Mapping]) -> None:
    """Insert the keys and values of the mappings `merges` into `container`, before its own keys.

    If a key is in several mappings, the one in `container` has precedence, then that in the first of `merges`.
    """
    own = [(key, container.key_extents[key], value, container.value_extents[key]) for key, value in container.items()]
    taken = set(container)
    container.clear()
    for source in merges:
        for key, value in source.items():
            if key not in taken:
                taken.add(key)
                _put(container, key, source.key_extents[key], value, source.value_extents[key])
    for key, key_extent, value, extent in own:
        _put(container, key, key_extent, value, extent)
