"""Reads YAML text, such as `input: [3, 32, 32]`, into a `Document`: values, their extents, and problems in the YAML.

This is the only file that uses PyYAML, which splits the text into events (a scalar, the start or end of a collection,
an alias). `tree.py` builds the values from the events. PyYAML's own constructors are not used, so nothing in a file is
executed.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from convcalc.gc_pause import defer_garbage_collection
from convcalc.problems import InvalidSpec, Problem, Span, printable
from convcalc.spec.document import UNKNOWN, Document, Extent, Mapping, Sequence
from convcalc.spec.lazy_patterns import postpone_patterns
from convcalc.spec.problem_list import TooDeep, TooMuch
from convcalc.spec.tree import MOST_NESTING, TreeBuilder

with postpone_patterns():
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

if TYPE_CHECKING:
    from convcalc.spec.malformed import Stopped

# patterns are not compiled on import, so that convcalc starts faster
_NOT_PRINTABLE = "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
_DIRECTIVE = "(?:^|[\n\r\x85\u2028\u2029])%"


class _EventReader:
    """Passes the events of a YAML text to a `TreeBuilder`; if the parser gives up, reports where and why."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.tree = TreeBuilder(document)
        self.read_one = False  # whether a document has begun
        self.last: Any = None  # the last event before the parser gave up

    def read_events(self, stream: Iterator[Event]) -> None:
        event: Any = None
        tree = self.tree
        try:
            for event in stream:
                kind = event.__class__
                if kind is ScalarEvent:
                    extent = event.start_mark.index, event.end_mark.index
                    tree.add_scalar(event.value, extent, event.anchor, event.tag, event.implicit[0])
                elif kind is MappingStartEvent:
                    tree.open_collection(Mapping(_find_extent(event)), event.anchor, event.tag, event.flow_style)
                elif kind is SequenceStartEvent:
                    tree.open_collection(Sequence(_find_extent(event)), event.anchor, event.tag, event.flow_style)
                elif kind is MappingEndEvent or kind is SequenceEndEvent:
                    tree.close_collection(event.end_mark.index)
                elif kind is AliasEvent:
                    tree.add_alias(event.anchor, _find_extent(event))
                elif kind is DocumentStartEvent:
                    if self.read_one:
                        tree.report(_find_extent(event), "a second YAML document; a spec must be a single document")
                        return
                    self.read_one = True
        finally:
            self.last = event

    def report_too_deep(self, error: TooDeep) -> None:
        self.tree.report((error.place, error.place + 1), f"nested more than {MOST_NESTING} levels deep", "CV004")

    def report_malformed(self, mark: Any) -> None:
        """Report why the parser did not accept the character at `mark` (None: the end of the text)."""
        from convcalc.spec.malformed import explain_malformed  # few specs are malformed

        text = self.tree.text
        control = re.search(_NOT_PRINTABLE, text)
        if control is not None:  # libyaml reaches it late, PyYAML's own parser refuses it at once
            self.document.problems.clear()
            self.tree.report(control.span(), "a control character; a spec must be printable text", "CV001")
            return
        place = len(text) if mark is None else min(mark.index, len(text))
        if self.tree.unquoted[0] <= place < self.tree.unquoted[1]:
            return  # already reported
        try:
            found = explain_malformed(text, self._describe_stopped_parser(place))
        except TooDeep as error:
            self.report_too_deep(error)
        else:
            self.tree.report((found.place, found.place + 1), found.message, "CV002", found.hint, found.fix)

    def _describe_stopped_parser(self, place: int) -> "Stopped":
        from convcalc.spec.malformed import Stopped

        ended = self.read_one and not self.tree.stack and self.last.__class__ is not DocumentStartEvent
        return Stopped(
            place,
            since=0 if self.last is None else self.last.end_mark.index,
            room=MOST_NESTING - len(self.tree.stack),
            collections=tuple(self.tree.find_openings(ended)),
            ended=ended,
            key_due=self.tree.expects_key(),
        )


def _find_extent(event: Any) -> Extent:
    """Return the start and end of an event in the text; for the start of a collection, only its first character."""
    start: int = event.start_mark.index
    end: int = event.end_mark.index
    return start, end if event.__class__ is ScalarEvent or event.__class__ is AliasEvent else start + 1


@defer_garbage_collection
def read_text(text: str, file: str | None = None, quotable: bool = True) -> Document:
    """Read a YAML text into a `Document`, whose `problems` are the mistakes in the YAML.

    If the text cannot be read, the document's root is UNKNOWN. `file` is the name of the text in messages, and
    `quotable` is true if messages may quote the text.
    """
    document = Document(UNKNOWN, file, text, quotable)
    reader = _EventReader(document)
    if text.startswith("\ufeff"):
        reader.tree.report((0, 1), "a second byte order mark; only one is allowed", "CV001")
        return document
    directive = re.search(_DIRECTIVE, text) if "%" in text else None
    if directive is not None:
        reader.tree.report(
            (directive.end() - 1, directive.end()), "YAML directives (lines that begin with %) are not supported"
        )
        return document
    try:
        _read_events(reader, text)
    except TooMuch:
        document.root = UNKNOWN
    else:
        if not reader.read_one and not document.problems:
            document.problems.append(
                Problem((), "the file is empty; a spec needs input and layers", "CV012", span=Span(1, 1, 1, 2))
            )
    return document


def _read_events(reader: _EventReader, text: str) -> None:
    """Read a text, and report a mistake in its YAML. Raises TooMuch if there are too many problems or values."""
    try:
        reader.read_events(parse_events(text))
    except TooDeep as error:
        reader.document.root = UNKNOWN
        reader.report_too_deep(error)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: an escape sequence that is not a character
        reader.document.root = UNKNOWN
        reader.report_malformed(getattr(error, "problem_mark", None) or getattr(error, "context_mark", None))


def parse_events(text: str) -> Iterator[Event]:
    """Return the events of a YAML text. Raises YAMLError or ValueError if it is not valid YAML."""
    parsed: Iterator[Event] = yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return parsed


def scalar_extents(text: str) -> list[Extent]:
    """Return the extents (start and end) of all scalars (texts, numbers and other single values) in a valid YAML text.

    With them, a # that begins a comment can be distinguished from a # inside a scalar.
    """
    return [_find_extent(event) for event in parse_events(text) if event.__class__ is ScalarEvent]


def read_value(text: str) -> Any:
    """Return the value of a text from the command line, with the same rules as for a value in a file: `8` is a number.

    Raises InvalidSpec if the text is not valid YAML.
    """
    broken = re.search("[\ud800-\udfff]", text)  # how Python keeps the bytes of an argument that are not UTF-8
    if broken is not None:
        raise InvalidSpec([Problem((), f"not UTF-8: {printable(broken[0])}", "CV001")])
    document = read_text(text)
    if document.problems:
        if not text.strip():
            return None
        raise document.invalid(document.problems)
    return document.root
