"""Reads the text of a spec into values with their places. The only file that uses PyYAML.

A text such as `input: [3, 32, 32]` becomes a `Document` with the values and the problems of the YAML.
The events of a YAML 1.1 parser are turned into mappings, lists and scalars here, without recursion and within limits.
PyYAML's constructors are not used, so nothing in a file is executed. Plain scalars are decimal integers and floats,
true, false, null and text; everything else that YAML 1.1 knows (octal, hexadecimal and sexagesimal numbers, dates,
yes and no) stays text.
"""

import re
from collections.abc import Iterable, Iterator
from math import inf
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from convcalc.arguments import MOST_DIGITS
from convcalc.gc_pause import defer_garbage_collection
from convcalc.problems import Fix, InvalidSpec, Problem, Span, printable, shorten
from convcalc.spec.document import UNKNOWN, Document, Extent, Mapping, Sequence
from convcalc.spec.malformed import Stopped, explain_malformed
from convcalc.spec.problem_list import MOST_PROBLEMS, TooDeep, TooMuch
from convcalc.spec.scalars import find_closing_parenthesis, fold_lines

MOST_NESTING = 64
_MOST_NODES = 500_000

# compiled when first used, so that convcalc starts faster
_INTEGER = r"[-+]?(0|[1-9][0-9]*(_[0-9]+)*)"
_FLOAT = r"[-+]?((0|[1-9][0-9]*(_[0-9]+)*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?"
_CONSTANTS: dict[str, Any] = {"true": True, "false": False, "null": None, "~": None, "": None}
_NUMBER_STARTS = frozenset("0123456789+-.")
_BLANKS = r"(?:\s++|#.*+)*+"
_PROPERTIES = r"(?:[&!]\S*\s+(?:#.*\s+)?)+"
_NOT_PRINTABLE = "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
_DIRECTIVE = "(?:^|[\n\r\x85\u2028\u2029])%"

_MERGE = object()  # the key <<, as opposed to the quoted text "<<"
_DROPPED = object()  # an invalid key, whose value is skipped


class _Frame:
    """A collection that is being read: its values, the current key, and the number of nodes in it so far."""

    __slots__ = ("anchor", "container", "flow", "key", "key_extent", "merged", "merges", "nodes", "swallowed", "tagged")

    def __init__(self, container: Mapping | Sequence, anchor: str | None, flow: bool) -> None:
        self.container = container
        self.anchor = anchor
        self.flow = flow
        self.key: Any = None
        self.key_extent: Extent = (0, 0)
        self.merged: Extent | None = None  # where the key << is
        self.merges: list[Mapping] = []
        self.nodes = 1
        self.tagged = False
        self.swallowed: tuple[int, float] = (0, 0)

    @property
    def sign(self) -> str:
        """The character that opens the collection: its bracket, or - or : in block style."""
        signs = "{:" if isinstance(self.container, Mapping) else "[-"
        return signs[0] if self.flow else signs[1]

    def swallows(self, extent: Extent, value: Any) -> bool:
        """Whether a value that starts here is a piece of an expression that was already put together."""
        start, end = self.swallowed
        if not start < extent[0] < end:
            return False
        return end != inf or value is None or isinstance(self.container, Sequence)


class _YamlReader:
    """Turns the events of one YAML document into values."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.text = document.text or ""
        self.stack: list[_Frame] = []
        self.anchors: dict[str, tuple[Any, int, Extent]] = {}
        self.nodes = 0
        self.read_one = False
        self.closed: _Frame | None = None  # the collection that was completed last
        self.last: Any = None  # the last event that came before the parser gave up

    def problem(
        self, extent: Extent, message: str, code: str = "CV003", hint: str = "", fix: Fix | None = None
    ) -> None:
        """Add a problem at a place. Raises TooMuch at the limit."""
        span = self.document.span(extent)
        self.document.problems.append(Problem((), message, code, hint, span=span, fix=fix))
        if len(self.document.problems) == MOST_PROBLEMS:
            raise TooMuch

    def read(self, stream: Iterator[Event]) -> None:
        """Read all events; the result is the document's root."""
        event = None
        try:
            for event in stream:
                kind = event.__class__
                if kind is ScalarEvent:
                    self.scalar(event)
                elif kind is MappingStartEvent or kind is SequenceStartEvent:
                    self.open(event)
                elif kind is MappingEndEvent or kind is SequenceEndEvent:
                    self.close(event)
                elif kind is AliasEvent:
                    self.alias(event)
                elif kind is DocumentStartEvent:
                    if self.read_one:
                        self.problem(_find_extent(event), "a second YAML document; a spec must be a single document")
                        return
                    self.read_one = True
        finally:
            self.last = event

    def describe_stop(self, place: int) -> Stopped:
        """Return what had been read when the parser gave up at a character."""
        stack = self.stack
        ended = self.read_one and not stack and self.last.__class__ is not DocumentStartEvent
        frames = [self.closed] if ended and self.closed and not self.closed.flow else stack
        return Stopped(
            place,
            since=0 if self.last is None else self.last.end_mark.index,
            room=MOST_NESTING - len(stack),
            collections=tuple(self.list_openings(frames)),
            ended=ended,
            key_due=bool(stack) and stack[-1].key is None and isinstance(stack[-1].container, Mapping),
        )

    def list_openings(self, frames: Iterable[_Frame]) -> Iterator[tuple[str, int]]:
        """Yield the opening character of each collection and its place, after any anchor; a pair in [a: b] has none."""
        for frame in frames:
            start = frame.container.extent[0]
            properties = re.compile(_PROPERTIES).match(self.text, start)
            after = start if properties is None else properties.end()
            if not frame.flow or self.text.startswith(frame.sign, after):
                yield frame.sign, after

    def too_deep(self, error: TooDeep) -> None:
        """Report the collection that exceeds the nesting limit."""
        self.problem((error.place, error.place + 1), f"nested more than {MOST_NESTING} levels deep", "CV004")

    def count(self, nodes: int, extent: Extent) -> None:
        """Count nodes against the limit. Raises TooMuch."""
        self.nodes += nodes
        if self.nodes > _MOST_NODES:
            self.problem(
                extent, f"more than {_MOST_NODES:,} YAML nodes (an alias counts as everything it stands for)", "CV004"
            )
            raise TooMuch

    def refuse_tag(self, event: Any) -> None:
        """Report a tag; specs cannot have any."""
        tag = shorten(event.tag.replace("tag:yaml.org,2002:", "!!"))
        self.problem(_find_extent(event), f"the tag {tag} is not supported", hint="remove the tag")

    def scalar(self, event: Any) -> None:
        """Read a scalar: a value, or a key."""
        extent = _find_extent(event)
        self.count(1, extent)
        text: str = event.value
        frame = self.stack[-1] if self.stack else None
        if frame is not None and frame.key is None and frame.container.__class__ is Mapping:
            if event.anchor:
                self.anchors[event.anchor] = (text, 1, extent)
            if event.tag is not None:
                self.refuse_tag(event)
            self.take_key(frame, _MERGE if text == "<<" and event.implicit[0] else text, extent)
            return
        if not text and frame is not None and frame.flow and event.implicit[0]:
            extent = self.after_blanks(extent)
        value: Any = text
        if event.tag is not None:
            self.refuse_tag(event)
            value = UNKNOWN
        elif event.implicit[0]:
            value = self.plain_value(text, extent)
            if frame is not None and frame.flow and "$(" in text:
                value = self.whole_expression(frame, text, extent)
        if event.anchor:
            self.anchors[event.anchor] = (value, 1, extent)
        self.take(value, extent, 1)

    def after_blanks(self, extent: Extent) -> Extent:
        """Return the place of a missing value: right before what follows, on which parsers differ."""
        blanks = re.compile(_BLANKS).match(self.text, extent[0])
        end = extent[0] if blanks is None else blanks.end()
        return end, end

    def plain_value(self, text: str, extent: Extent) -> Any:
        """Return the value of a plain scalar."""
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        if text[0] not in _NUMBER_STARTS:
            return text
        if text.isdigit() and len(text) < MOST_DIGITS and text[0] != "0" and text.isascii():
            return int(text)
        if re.fullmatch(_INTEGER, text, re.ASCII):
            digits = text.replace("_", "")
            if len(digits.lstrip("+-")) > MOST_DIGITS:
                self.problem(extent, f"the integer has more than {MOST_DIGITS} digits", "CV004")
                return UNKNOWN
            return int(digits)
        if re.fullmatch(_FLOAT, text, re.ASCII):
            value = float(text.replace("_", ""))
            if abs(value) >= 10**MOST_DIGITS:
                self.problem(extent, f"the number has more than {MOST_DIGITS} digits", "CV004")
                return UNKNOWN
            return value
        return text

    def whole_expression(self, frame: _Frame, text: str, extent: Extent) -> Any:
        """Put together an expression without quotes that its comma split into pieces, and report the missing quotes.

        The pieces that the parser makes of the rest are skipped, so that this is reported once.
        """
        start = extent[0] + text.index("$(") + 1
        if frame.swallows(extent, None) or find_closing_parenthesis(self.text, start, extent[1]) is not None:
            return text
        end = find_closing_parenthesis(self.text, start, len(self.text))
        frame.swallowed = (extent[0], inf if end is None else end)
        if end is None:
            if isinstance(frame.container, Mapping):
                frame.container.incomplete = True
            message = "the expression is not closed; an expression with a comma needs quotes here"
            self.problem(extent, message, "CV014", 'write "$(…)"')
            return UNKNOWN
        whole = fold_lines(self.text[extent[0] : end])
        message = "an expression with a comma needs quotes here"
        self.problem((extent[0], end), message, "CV014", f'write "{shorten(whole, 200)}"', Fix("quote"))
        return whole

    def take_key(self, frame: _Frame, key: Any, extent: Extent) -> None:
        """Remember a key until its value comes."""
        frame.nodes += 1
        frame.key = key
        frame.key_extent = extent

    def take(self, value: Any, extent: Extent, nodes: int) -> None:
        """Add a value to the collection that it belongs to."""
        if not self.stack:
            self.document.root = value
            return
        frame = self.stack[-1]
        frame.nodes += nodes
        container = frame.container
        if isinstance(container, Sequence):
            if not frame.swallows(extent, value):
                container.append(value)
                container.item_extents.append(extent)
            return
        key, frame.key = frame.key, None
        if key is None:
            self.problem(extent, "a key must be a single word, not a list or a mapping")
            frame.key = _DROPPED
        elif key is _MERGE:
            self.merge(frame, value, extent)
        elif key in container:
            self.duplicate(container, key, frame.key_extent)
        elif key is not _DROPPED and not frame.swallows(frame.key_extent, value):
            self.put(container, key, frame.key_extent, value, extent)

    @staticmethod
    def put(container: Mapping, key: str, key_extent: Extent, value: Any, extent: Extent) -> None:
        container[key] = value
        container.key_extents[key] = key_extent
        container.value_extents[key] = extent

    def duplicate(self, container: Mapping, key: str, extent: Extent) -> None:
        """Report a key that is written twice; its first value counts."""
        self.written_twice(key, container.key_extents[key], extent)

    def written_twice(self, key: str, first: Extent, second: Extent) -> None:
        line = self.document.line_and_column(first[0])[0]
        self.problem(second, f"the key {shorten(key)} is written twice, first on line {line}")

    def merge(self, frame: _Frame, value: Any, extent: Extent) -> None:
        """Read `<<`: remember the mappings until all keys next to it are known."""
        if frame.merged is not None:
            self.written_twice("<<", frame.merged, frame.key_extent)
            return
        frame.merged = frame.key_extent
        for item in value if isinstance(value, Sequence) else [value]:
            if isinstance(item, Mapping):
                frame.merges.append(item)
            elif item is not UNKNOWN:
                self.problem(extent, "<< needs a mapping or a list of mappings")

    def open(self, event: Any) -> None:
        """Read the start of a collection."""
        extent = _find_extent(event)
        self.count(1, extent)
        if event.tag is not None:
            self.refuse_tag(event)
        if len(self.stack) == MOST_NESTING:
            raise TooDeep(extent[0])
        container = Mapping(extent) if event.__class__ is MappingStartEvent else Sequence(extent)
        self.stack.append(_Frame(container, event.anchor, bool(event.flow_style)))
        self.stack[-1].tagged = event.tag is not None
        if event.anchor:
            self.anchors[event.anchor] = (None, 0, extent)

    def close(self, event: Any) -> None:
        """Read the end of a collection."""
        frame = self.closed = self.stack.pop()
        container = frame.container
        if frame.flow:
            container.extent = (container.extent[0], event.end_mark.index)
        if frame.merges and isinstance(container, Mapping):
            self.merge_all(container, frame.merges)
        value = UNKNOWN if frame.tagged else container
        if frame.anchor:
            self.anchors[frame.anchor] = (value, frame.nodes, container.extent)
        self.take(value, container.extent, frame.nodes)

    def merge_all(self, container: Mapping, merges: list[Mapping]) -> None:
        """Insert the keys merged with `<<` before the mapping's own.

        If a key occurs more than once, the mapping's own takes precedence, then that of the first merged mapping.
        """
        own = [
            (key, container.key_extents[key], value, container.value_extents[key]) for key, value in container.items()
        ]
        taken = set(container)
        container.clear()
        for source in merges:
            for key, value in source.items():
                if key not in taken:
                    taken.add(key)
                    self.put(container, key, source.key_extents[key], value, source.value_extents[key])
        for key, key_extent, value, extent in own:
            self.put(container, key, key_extent, value, extent)

    def alias(self, event: Any) -> None:
        """Read an alias: the value of its anchor, all of whose nodes count."""
        extent = _find_extent(event)
        anchor = self.anchors.get(event.anchor)
        value, nodes, origin = anchor or (UNKNOWN, 1, extent)
        if anchor is None:
            self.problem(extent, f"the alias *{shorten(event.anchor)} has no anchor above it")
        elif nodes == 0:
            self.problem(extent, f"the alias *{shorten(event.anchor)} is inside its own anchor")
            value, nodes, origin = UNKNOWN, 1, extent
        self.count(nodes, extent)
        frame = self.stack[-1] if self.stack else None
        if frame is not None and frame.key is None and isinstance(frame.container, Mapping):
            if not isinstance(value, str) and value is not UNKNOWN:
                self.problem(extent, "a key must be a single word, but the alias stands for something else")
            self.take_key(frame, value if isinstance(value, str) else _DROPPED, extent)
            return
        self.take(value, origin, nodes)


def _find_extent(event: Any) -> Extent:
    """Return the characters of an event; of a block collection, only the first one."""
    start: int = event.start_mark.index
    end: int = event.end_mark.index
    return start, end if event.__class__ is ScalarEvent or event.__class__ is AliasEvent else start + 1


@defer_garbage_collection
def read_text(text: str, file: str | None = None, quotable: bool = True) -> Document:
    """Return the document of a YAML text, with what is wrong in its `problems`.

    The root is UNKNOWN if the text could not be read.
    """
    document = Document(UNKNOWN, file, text, quotable)
    reader = _YamlReader(document)
    if text.startswith("\ufeff"):
        reader.problem((0, 1), "a second byte order mark; only one is allowed", "CV001")
        return document
    directive = re.search(_DIRECTIVE, text) if "%" in text else None
    if directive is not None:
        reader.problem(
            (directive.end() - 1, directive.end()), "YAML directives (lines that begin with %) are not supported"
        )
        return document
    try:
        _read_events(reader)
    except TooMuch:
        document.root = UNKNOWN
    else:
        if not reader.read_one and not document.problems:
            document.problems.append(
                Problem((), "the file is empty; a spec needs input and layers", "CV012", span=Span(1, 1, 1, 2))
            )
    return document


def _read_events(reader: _YamlReader) -> None:
    """Read the text of a reader, or report why it is malformed. Raises TooMuch."""
    try:
        reader.read(parse_events(reader.text))
    except TooDeep as error:
        reader.document.root = UNKNOWN
        reader.too_deep(error)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: an escape sequence that is not a character
        reader.document.root = UNKNOWN
        _report_malformed(reader, getattr(error, "problem_mark", None) or getattr(error, "context_mark", None))


def parse_events(text: str) -> Iterator[Event]:
    """Return the events of a YAML text. Raises YAMLError or ValueError, with texts that depend on the parser."""
    parsed: Iterator[Event] = yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return parsed


def _report_malformed(reader: _YamlReader, mark: Any) -> None:
    """Report what the parser could not read, in convcalc's own words."""
    text = reader.text
    control = re.search(_NOT_PRINTABLE, text)
    if control is not None:  # one parser finds it first of all, the other only when it gets there
        reader.document.problems.clear()
        reader.problem(control.span(), "a control character; a spec must be printable text", "CV001")
        return
    try:
        found = explain_malformed(text, reader.describe_stop(len(text) if mark is None else min(mark.index, len(text))))
    except TooDeep as error:
        reader.too_deep(error)
    else:
        reader.problem((found.place, found.place + 1), found.message, "CV002", found.hint, found.fix)


def scalar_extents(text: str) -> list[Extent]:
    """Return the places of the scalars in a well-formed text; a # inside one does not begin a comment."""
    return [_find_extent(event) for event in parse_events(text) if event.__class__ is ScalarEvent]


def read_value(text: str) -> Any:
    """Return a value given on the command line, read as in a file. Raises InvalidSpec."""
    broken = re.search("[\ud800-\udfff]", text)  # how Python keeps the bytes of an argument that are not UTF-8
    if broken is not None:
        raise InvalidSpec([Problem((), f"not UTF-8: {printable(broken[0])}", "CV001")])
    document = read_text(text)
    if document.problems:
        if not text.strip():
            return None
        raise document.invalid(document.problems)
    return document.root
