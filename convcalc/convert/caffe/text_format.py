"""Reads the text format of protocol buffers, in which Caffe's networks are written.

`pad: 1 param { lr_mult: 2 }` becomes a message with two fields; each has its place in the text. Which fields exist is
not checked here. Source: protobuf.dev/reference/protobuf/textformat-spec.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple, Union

from convcalc.convert.text_files import Mistake
from convcalc.problems import show
from convcalc.spec.document import Extent

MOST_NESTED = 32
MOST_FIELDS = 500_000
_TOKEN = re.compile(
    r"""(?P<blank>(?:\s+|\#[^\n]*)+)
    | (?P<name>[A-Za-z_]\w*)
    | (?P<number>[-+]?(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?[fF]?|inf(?:inity)?\b|nan\b))
    | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    | (?P<mark>[{}<>:\[\],;])""",
    re.VERBOSE | re.ASCII,
)
_CLOSING = {"{": "}", "<": ">"}
_ESCAPE = re.compile(r"\\(.)")


class Token(NamedTuple):
    """A word of the text: `kind` is `name`, `number`, `string`, `mark` or, after the last one, `end`."""

    kind: str
    text: str
    extent: Extent


class Scalar(NamedTuple):
    """A number, a text or a word such as MAX or true. `text` is the content of a quoted text."""

    text: str
    quoted: bool
    extent: Extent


class Message(NamedTuple):
    """A list of fields, and the extent of its braces."""

    fields: "tuple[Field, ...]"
    extent: Extent


class Field(NamedTuple):
    """A field of a message: its name, the extent of the name, and its value. A list becomes several fields."""

    name: str
    extent: Extent
    value: Union[Scalar, "Message"]


def parse_message(text: str) -> Message:
    """Return the fields of a text. Raises Mistake if it is malformed, nested too deeply or has too many fields."""
    parser = _Parser(text)
    fields = tuple(parser.read_fields("", (0, 0), 0))
    return Message(fields, (0, len(text)))


def _split_tokens(text: str) -> Iterator[Token]:
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise _describe_character(text, position)
        if found.lastgroup != "blank":
            yield Token(str(found.lastgroup), found[0], found.span())
        position = found.end()
    yield Token("end", "", (len(text), len(text)))


def _describe_character(text: str, position: int) -> Mistake:
    if text[position] in "\"'":
        end = text.find("\n", position)
        return Mistake("the text has no closing quote", (position, len(text) if end < 0 else end), code="CV002")
    return Mistake(f"unexpected character {show(text[position])}", (position, position + 1), code="CV002")


class _Parser:
    """Reads tokens one after the other; `next` is the one that has not been used yet."""

    def __init__(self, text: str) -> None:
        self.tokens = _split_tokens(text)
        self.next = next(self.tokens)
        self.fields = 0

    def take(self) -> Token:
        """Return the next token and go to the one after it."""
        taken = self.next
        if taken.kind != "end":
            self.next = next(self.tokens)
        return taken

    def skip(self, *marks: str) -> bool:
        """Skip the next token if it is one of these marks, and return whether it is."""
        found = self.next.kind == "mark" and self.next.text in marks
        if found:
            self.take()
        return found

    def read_fields(self, closing: str, opened: Extent, depth: int) -> Iterator[Field]:
        """Yield the fields up to the mark `closing`, or up to the end of the text if that is empty."""
        while not (closing and self.next.text == closing and self.next.kind == "mark"):
            name = self.take()
            if name.kind == "end":
                if closing:
                    raise Mistake(f"this {_find_opening(closing)} is not closed", opened, code="CV002")
                return
            if name.kind != "name":
                hint = "" if name.text != "[" else "extensions are not supported"
                raise Mistake(f"expected the name of a field; got {show(name.text)}", name.extent, hint, "CV002")
            yield from self.read_values(name, depth)
            self.skip(",", ";")

    def read_values(self, name: Token, depth: int) -> Iterator[Field]:
        """Yield the field `name`, or one field per item if its value is a list."""
        colon = self.skip(":")
        if colon and self.skip("["):
            while not self.skip("]"):
                yield Field(name.text, name.extent, self.read_value(name, depth))
                if not self.skip(",") and self.next.text != "]":
                    raise Mistake("expected , or ] in the list", self.next.extent, code="CV002")
            return
        if not colon and self.next.text not in _CLOSING:
            message = f"expected : or {{ after {name.text}; got {_describe(self.next)}"
            raise Mistake(message, self.next.extent if self.next.kind != "end" else name.extent, code="CV002")
        yield Field(name.text, name.extent, self.read_value(name, depth))

    def read_value(self, name: Token, depth: int) -> Scalar | Message:
        self.fields += 1
        if self.fields > MOST_FIELDS:
            raise Mistake(f"more than {MOST_FIELDS:,} fields", name.extent, code="CV004")
        token = self.take()
        if token.kind == "mark" and token.text in _CLOSING:
            if depth == MOST_NESTED:
                raise Mistake(f"nested more than {MOST_NESTED} deep", token.extent, code="CV004")
            fields = tuple(self.read_fields(_CLOSING[token.text], token.extent, depth + 1))
            return Message(fields, (token.extent[0], self.take().extent[1]))
        if token.kind == "string":
            parts, end = [token.text], token.extent[1]
            while self.next.kind == "string":
                parts.append(self.next.text)
                end = self.take().extent[1]
            text = "".join(_ESCAPE.sub(r"\1", part[1:-1]) for part in parts)
            return Scalar(text, True, (token.extent[0], end))
        if token.kind not in ("name", "number"):
            where = token.extent if token.kind != "end" else name.extent
            raise Mistake(f"expected a value of {name.text}; got {_describe(token)}", where, code="CV002")
        return Scalar(token.text, False, token.extent)


def _find_opening(closing: str) -> str:
    return next(opening for opening, mark in _CLOSING.items() if mark == closing)


def _describe(token: Token) -> str:
    return "the end of the file" if token.kind == "end" else show(token.text)
