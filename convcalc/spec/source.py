"""From the text of a spec to values and their places. The only file that knows PyYAML.

The events of a YAML 1.1 parser are made into mappings, lists and scalars here, without recursion and under
limits; PyYAML's constructors are not used, so that nothing in a file is executed. Plain scalars are decimal
integers and floats, true, false, null and text; everything else that YAML 1.1 knows (octal, hexadecimal,
sexagesimal, dates, yes and no) stays text.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
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

from convcalc.collection import collecting_later
from convcalc.keys import MOST_DIGITS
from convcalc.problems import Fix, InvalidSpec, Problem, Span, printable, shortened
from convcalc.spec.document import UNKNOWN, Document, Extent, Mapping, Sequence
from convcalc.spec.entries import MOST_PROBLEMS, TooMuch

MOST_NESTING = 64
MOST_NODES = 500_000

# compiled where they are first used: start-up is a feature
INTEGER = r"[-+]?(0|[1-9][0-9]*(_[0-9]+)*)"
FLOAT = r"[-+]?((0|[1-9][0-9]*(_[0-9]+)*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?"
CONSTANTS: dict[str, Any] = {"true": True, "false": False, "null": None, "~": None, "": None}
NUMBER_STARTS = frozenset("0123456789+-.")
BARE_WORD_ENTRY = r"\s*(?:-\s+)+([\w$]+)\s*(#.*)?"
DIRECTIVE = "(?:^|[\n\r\x85\u2028\u2029])%"

# libyaml's words, in ours with what helps
PLAIN_WORDS = {
    "did not find expected ',' or '}'": ("a { that is not closed", "a mapping ends with }, commas between its keys"),
    "did not find expected ',' or ']'": ("a [ that is not closed", "a list ends with ], commas between its items"),
    "found unexpected end of stream": ("a text in quotes that is not closed", "it ends as it begins"),
    "could not find expected ':'": ("a key without a colon", "write key: value"),
    "did not find expected key": ("this line does not fit those above", "indent the keys of one mapping alike"),
    "did not find expected '-' indicator": (
        "this line does not fit those above",
        "begin the items of a list with - alike",
    ),
    "found unknown escape character": ("a backslash that escapes nothing", "write it twice in double quotes"),
    "did not find expected <document start>": ("something follows the end of the spec", ""),
    "block sequence entries are not allowed": ("a list item cannot begin here", "begin it on a line of its own"),
    "did not find expected node content": ("a value was expected here", ""),
    "mapping keys are not allowed": ("a key cannot begin here", "begin it on a line of its own"),
}
UNCLOSED = tuple(PLAIN_WORDS)[:4]  # shown where they begin, not where the parser gave up

MERGE = object()  # the key <<, which is told from a text in quotes
DROPPED = object()  # a key that is none; its value is passed over


class Frame:
    """A collection that is being read: where it is in it, and how many nodes it stands for so far."""

    __slots__ = ("anchor", "container", "flow", "key", "key_extent", "merged", "merges", "nodes", "swallowed", "tagged")

    def __init__(self, container: Mapping | Sequence, anchor: str | None, flow: bool) -> None:
        self.container = container
        self.anchor = anchor
        self.flow = flow
        self.key: Any = None
        self.key_extent: Extent = (0, 0)
        self.merged: Extent | None = None  # where the key << stands
        self.merges: list[Mapping] = []
        self.nodes = 1
        self.tagged = False
        self.swallowed: tuple[int, float] = (0, 0)

    def swallows(self, extent: Extent, value: Any) -> bool:
        """Whether an entry that starts here is a piece of an expression that was put together."""
        start, end = self.swallowed
        if not start < extent[0] < end:
            return False
        return end != inf or value is None or isinstance(self.container, Sequence)


class Reader:
    """Makes the events of one document into values."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.text = document.text or ""
        self.stack: list[Frame] = []
        self.anchors: dict[str, tuple[Any, int, Extent]] = {}
        self.nodes = 0
        self.read_one = False

    def problem(
        self, extent: Extent, message: str, code: str = "CV003", hint: str = "", fix: Fix | None = None
    ) -> None:
        """Note what is wrong at a place."""
        span = self.document.span(extent)
        self.document.problems.append(Problem((), message, code, hint, span=span, fix=fix))
        if len(self.document.problems) == MOST_PROBLEMS:
            raise TooMuch

    def read(self, events: Iterator[Event]) -> None:
        """Read all events; what comes of them is the document's root."""
        for event in events:
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
                    self.problem(place(event), "a second document: a spec is one YAML document")
                    return
                self.read_one = True

    def count(self, nodes: int, extent: Extent) -> None:
        """Count nodes against the limit."""
        self.nodes += nodes
        if self.nodes > MOST_NODES:
            self.problem(extent, f"over {MOST_NODES:,} nodes here (an alias counts as all it stands for)", "CV004")
            raise TooMuch

    def refuse_tag(self, event: Any) -> None:
        """Tags are not part of the language."""
        tag = shortened(event.tag.replace("tag:yaml.org,2002:", "!!"))
        self.problem(place(event), f"the tag {tag}: specs have no tags", hint="take the tag away")

    def scalar(self, event: Any) -> None:
        """A scalar: a value, or a key."""
        extent = place(event)
        self.count(1, extent)
        text: str = event.value
        frame = self.stack[-1] if self.stack else None
        if frame is not None and frame.key is None and frame.container.__class__ is Mapping:
            if event.anchor:
                self.anchors[event.anchor] = (text, 1, extent)
            if event.tag is not None:
                self.refuse_tag(event)
            self.take_key(frame, MERGE if text == "<<" and event.implicit[0] else text, extent)
            return
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

    def plain_value(self, text: str, extent: Extent) -> Any:
        """What a plain scalar stands for."""
        if text in CONSTANTS:
            return CONSTANTS[text]
        if text[0] not in NUMBER_STARTS:
            return text
        if text.isdigit() and len(text) < MOST_DIGITS and text[0] != "0" and text.isascii():
            return int(text)
        if re.fullmatch(INTEGER, text, re.ASCII):
            digits = text.replace("_", "")
            if len(digits.lstrip("+-")) > MOST_DIGITS:
                self.problem(extent, f"the integer has more than {MOST_DIGITS} digits", "CV004")
                return UNKNOWN
            return int(digits)
        if re.fullmatch(FLOAT, text, re.ASCII):
            value = float(text.replace("_", ""))
            if abs(value) >= 10**MOST_DIGITS:
                self.problem(extent, f"the number has more than {MOST_DIGITS} digits", "CV004")
                return UNKNOWN
            return value
        return text

    def whole_expression(self, frame: Frame, text: str, extent: Extent) -> Any:
        """An expression that a comma cut in pieces, put together: its quotes are missing.

        The pieces that the parser made of the rest are swallowed, so that this is reported once.
        """
        start = extent[0] + text.index("$(") + 1
        if frame.swallows(extent, None) or closing(self.text, start, extent[1]) is not None:
            return text
        end = closing(self.text, start, len(self.text))
        frame.swallowed = (extent[0], inf if end is None else end)
        if end is None:
            if isinstance(frame.container, Mapping):
                frame.container.incomplete = True
            message = "an expression that is not closed; one with a comma needs quotes here"
            self.problem(extent, message, "CV014", 'write "$(…)"')
            return UNKNOWN
        whole = folded(self.text[extent[0] : end])
        message = "an expression with a comma needs quotes here"
        self.problem((extent[0], end), message, "CV014", f'write "{shortened(whole, 200)}"', Fix("quote"))
        return whole

    def take_key(self, frame: Frame, key: Any, extent: Extent) -> None:
        """Remember a key until its value comes."""
        frame.nodes += 1
        frame.key = key
        frame.key_extent = extent

    def take(self, value: Any, extent: Extent, nodes: int) -> None:
        """Put a value where it belongs."""
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
            self.problem(extent, "a key is one word, not a list or a mapping")
            frame.key = DROPPED
        elif key is MERGE:
            self.merge(frame, value, extent)
        elif key in container:
            self.duplicate(container, key, frame.key_extent)
        elif key is not DROPPED and not frame.swallows(frame.key_extent, value):
            self.put(container, key, frame.key_extent, value, extent)

    @staticmethod
    def put(container: Mapping, key: str, key_extent: Extent, value: Any, extent: Extent) -> None:
        """Set a key of a mapping."""
        container[key] = value
        container.key_extents[key] = key_extent
        container.value_extents[key] = extent

    def duplicate(self, container: Mapping, key: str, extent: Extent) -> None:
        """A key written twice: the first counts, the second is a problem."""
        self.written_twice(key, container.key_extents[key], extent)

    def written_twice(self, key: str, first: Extent, second: Extent) -> None:
        """Report the second place of a key."""
        line = self.document.line_and_column(first[0])[0]
        self.problem(second, f"the key {shortened(key)} is written twice, first on line {line}")

    def merge(self, frame: Frame, value: Any, extent: Extent) -> None:
        """`<<`: keep the mappings until all keys beside it are known."""
        if frame.merged is not None:
            self.written_twice("<<", frame.merged, frame.key_extent)
            return
        frame.merged = frame.key_extent
        for item in value if isinstance(value, Sequence) else [value]:
            if isinstance(item, Mapping):
                frame.merges.append(item)
            elif item is not UNKNOWN:
                self.problem(extent, "<< takes a mapping or a list of mappings")

    def open(self, event: Any) -> None:
        """A collection starts."""
        extent = place(event)
        self.count(1, extent)
        if event.tag is not None:
            self.refuse_tag(event)
        if len(self.stack) == MOST_NESTING:
            self.problem(extent, f"nested more than {MOST_NESTING} deep", "CV004")
            raise TooMuch
        container = Mapping(extent) if event.__class__ is MappingStartEvent else Sequence(extent)
        self.stack.append(Frame(container, event.anchor, bool(event.flow_style)))
        self.stack[-1].tagged = event.tag is not None
        if event.anchor:
            self.anchors[event.anchor] = (None, 0, extent)

    def close(self, event: Any) -> None:
        """A collection ends."""
        frame = self.stack.pop()
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
        """Put merged keys before the mapping's own, which win; of several mappings the first wins."""
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
        """An alias: what its anchor stands for, counted as all of it."""
        extent = place(event)
        anchor = self.anchors.get(event.anchor)
        value, nodes, origin = anchor or (UNKNOWN, 1, extent)
        if anchor is None:
            self.problem(extent, f"the alias *{shortened(event.anchor)} has no anchor above it")
        elif nodes == 0:
            self.problem(extent, f"the alias *{shortened(event.anchor)} stands inside its own anchor")
            value, nodes, origin = UNKNOWN, 1, extent
        self.count(nodes, extent)
        frame = self.stack[-1] if self.stack else None
        if frame is not None and frame.key is None and isinstance(frame.container, Mapping):
            if not isinstance(value, str) and value is not UNKNOWN:
                self.problem(extent, "a key is one word, and the alias stands for something else")
            self.take_key(frame, value if isinstance(value, str) else DROPPED, extent)
            return
        self.take(value, origin, nodes)


def place(event: Any) -> Extent:
    """The characters that an event stands at; of a block collection only the first."""
    start: int = event.start_mark.index
    end: int = event.end_mark.index
    return start, end if event.__class__ is ScalarEvent or event.__class__ is AliasEvent else start + 1


def folded(text: str) -> str:
    """A plain text of several lines as it is read: a blank for each end of a line, all other blanks as they are."""
    return re.sub(r"[ \t]*(?:\r\n|\r|\n)\s*", " ", text.strip())


def closing(text: str, start: int, stop: int) -> int | None:
    """The index after the parenthesis that closes the one at `start`, if it comes before `stop`.

    Brackets and a colon before a blank are no part of an expression: nothing is sought beyond them.
    """
    depth, quote = 0, ""
    for index in range(start, min(stop, start + 2000)):
        character = text[index]
        if quote:
            quote = "" if character == quote else quote
        elif character in "{}[]" or text.startswith(": ", index):
            return None
        elif character in "'\"":
            quote = character
        elif character in "()":
            depth += 1 if character == "(" else -1
            if depth == 0:
                return index + 1
    return None


@collecting_later
def read_text(text: str, file: str | None = None, quotable: bool = True) -> Document:
    """The values of a YAML text. Its `problems` say what was wrong; the root is UNKNOWN where nothing came of it."""
    document = Document(UNKNOWN, file, text, quotable)
    reader = Reader(document)
    if text.startswith("\ufeff"):
        reader.problem((0, 1), "a second byte order mark: one is allowed", "CV001")
        return document
    directive = re.search(DIRECTIVE, text) if "%" in text else None
    if directive is not None:
        reader.problem((directive.end() - 1, directive.end()), "a line that begins with %: specs have no directives")
        return document
    try:
        reader.read(yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except TooMuch:
        document.root = UNKNOWN
    except yaml.MarkedYAMLError as error:
        document.root = UNKNOWN
        report_malformed(reader, error)
    except yaml.reader.ReaderError as error:
        document.root = UNKNOWN
        index = text.find(chr(error.character)) if isinstance(error.character, int) else 0
        reader.problem((max(index, 0), max(index, 0) + 1), "a control character: specs are printable text", "CV001")
    else:
        if not reader.read_one:
            document.problems.append(
                Problem((), "the file is empty: a spec has input and layers", "CV012", span=Span(1, 1, 1, 2))
            )
    return document


def report_malformed(reader: Reader, error: Any) -> None:
    """What the parser could not read, in words, at its place."""
    index = min((error.problem_mark or error.context_mark).index, len(reader.text))
    said = str(error.problem or error.context)
    bare = bare_word_above(reader.text, index)
    if bare is not None and ("mapping values are not allowed" in said or "expected '-' indicator" in said):
        line = reader.text.rfind("\n", 0, index) + 1
        indent = len(reader.text[line:]) - len(reader.text[line:].lstrip(" "))
        index, (message, hint), fix = line + indent, bare, None
    else:
        message, hint, fix = in_plain_words(said, reader.text[index : index + 1])
    if error.context_mark is not None and any(jargon in said for jargon in UNCLOSED):
        index = error.context_mark.index
    reader.problem((index, index + 1), message, "CV002", hint, fix)


def in_plain_words(said: str, character: str) -> tuple[str, str, Fix | None]:
    """What libyaml said, at a character, in our words, what helps, and what mends it."""
    if "cannot start any token" in said:
        if character == "\t":
            return "a tab cannot indent", "indent with spaces", None
        return f"{character} cannot start a value here", "put the value in quotes", Fix("quote_line")
    if "mapping values are not allowed" in said:
        return "a colon that belongs to no key", "put a value that holds ': ' in quotes", Fix("quote_line")
    message, hint = next((words for jargon, words in PLAIN_WORDS.items() if jargon in said), (said, ""))
    return message, hint, None


def bare_word_above(text: str, index: int) -> tuple[str, str] | None:
    """Message and hint for options under an entry that is a bare word, where that is the mistake."""
    start = text.rfind("\n", 0, index) + 1
    above = next((line for line in reversed(text[:start].splitlines()) if line.strip()), "")
    bare = re.fullmatch(BARE_WORD_ENTRY, above, re.ASCII)
    option = text[start:].split("\n", 1)[0].strip()
    if bare is None or option.startswith("-") or ":" not in option:
        return None
    word = shortened(bare[1])
    message = f"options stand inside the entry, not under the bare word {word}"
    return message, f"write - {word}: {{{shortened(option)}}}"


def scalar_extents(text: str) -> list[Extent]:
    """Where the scalars of a well-formed text stand: what looks like a comment inside one is none."""
    events = yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return [place(event) for event in events if event.__class__ is ScalarEvent]


def is_inside(index: int, scalars: list[Extent]) -> bool:
    """Whether a character stands in one of the scalars of a text, which are in its order."""
    before = bisect_right(scalars, (index, inf)) - 1
    return before >= 0 and index < scalars[before][1]


def read_value(text: str) -> Any:
    """A value on the command line, read as in a file. Raises InvalidSpec."""
    broken = re.search("[\ud800-\udfff]", text)  # how Python keeps the bytes of an argument that are not UTF-8
    if broken is not None:
        raise InvalidSpec([Problem((), f"not UTF-8: {printable(broken[0])}", "CV001")])
    document = read_text(text)
    if document.problems:
        if not text.strip():
            return None
        raise document.invalid(document.problems)
    return document.root
