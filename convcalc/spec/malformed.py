"""Explains why a text is not YAML, in convcalc's own words.

The input is the text, the index at which the YAML parser gave up, and what it had read before. The result is the index
of the mistake, a message and a hint. The parser's own message is not used: it differs between parsers and versions.

>>> found = explain_malformed("name: net: the second", Stopped(place=9, since=5, room=64))
>>> found.place, found.message
(9, "unexpected ':' in a value")
"""

import re
from typing import NamedTuple

from convcalc.layers import KINDS
from convcalc.problems import Fix, shorten
from convcalc.spec.dialects import is_argument, suggest_split
from convcalc.spec.problem_list import TooDeep
from convcalc.spec.templates import replace_braces

_CLOSERS = {"[": "]", "{": "}"}
_NAMES = {"[": "list", "{": "mapping"}
_MOST_KEY = 1024  # characters; the limit in YAML 1.1
_BARE_WORD_ENTRY = r"\s*(?:-\s+)+([\w$]+)\s*(#.*)?"
_ENTRY_LINE = r"(?P<indent>[ ]*)(?:(?P<dash>-)\s|[\w.-]+:(?:\s|$))"
_DOUBLE_QUOTED = r"\"(?:[^\"\\]++|\\.)*+\""
_SINGLE_QUOTED = r"'(?:[^']++|'')*+'"
_ESCAPE = r"\\(x[0-9A-Fa-f]{2}|u(?![dD][89a-fA-F])[0-9A-Fa-f]{4}|U00(?:0[0-9A-Fa-f]|10)[0-9A-Fa-f]{4}|.)"
_ESCAPED = '0abt\tnvfre "/\\N_LP\r\n\x85\u2028\u2029'
_DOCUMENT_MARK = r"(?:^|(?<=[\r\n]))(?:---|\.\.\.)(?=\s|$)"
_TOKENS = r"(?P<blank>\s+)|(?P<comment>#.*)|(?P<quote>['\"])|(?P<open>[\[{])|(?P<sign>[-?:](?=\s|$))|"
_BLOCK_TOKENS = _TOKENS + r"(?P<property>[&*!]\S*)|(?P<plain>.(?:(?!:(?:\s|$)|\s#).)*)"
_FLOW_TOKENS = (
    _TOKENS
    + r"(?P<close>[\]}])|(?P<comma>,)|(?P<property>[&*!][^\s,\[\]{}]*)|"
    + r"(?P<plain>.(?:(?!:(?:[\s,\[\]{}]|$)|\s#)[^\n\r,\[\]{}])*)"
)
_BEFORE_SPEC = r"(?:\s++|#.*+|---(?=\s))*+"
_QUOTE = "put the value in quotes"
_COLLECTION_NAMES = {"-": "items of the list", ":": "keys of the mapping"}


class Stopped(NamedTuple):
    """The state of the YAML parser when it met a character that it did not accept."""

    place: int  # the index of the character that the parser did not accept
    since: int  # the index after the last part of the text that it had read
    room: int  # how many more levels of nesting are allowed at this index
    collections: tuple[tuple[str, int], ...] = ()  # the sign ([ { - or :) and start of each open collection
    ended: bool = False  # whether the value of the whole spec was complete
    key_due: bool = False  # whether the innermost collection is a mapping that expects a key


class Malformed(NamedTuple):
    """Why a text is not YAML: the index of the mistake, a message, a hint, and a fix if there is one."""

    place: int
    message: str
    hint: str = ""
    fix: Fix | None = None


class _Unread(NamedTuple):
    """A summary of the tokens between the last event of the parser and the character that it did not accept."""

    brackets: list[int]  # the indexes of the open brackets, outermost first
    previous: str  # the kind of the last token: "sign", "comma", "open", "plain", …
    word: int | None  # where the first scalar begins, None if there is none


def explain_malformed(text: str, stopped: Stopped) -> Malformed:
    """Return an explanation of why the parser did not accept the character at `stopped.place`.

    Raises TooDeep if more brackets are open there than the limit on nesting allows.
    """
    unread = _summarise_unread_text(text, stopped)
    if isinstance(unread, Malformed):
        return unread
    before = text[stopped.place - 1 : stopped.place]
    if before in ("&", "*"):
        return Malformed(stopped.place - 1, f"{before} must be followed by a name", _QUOTE, Fix("quote_line"))
    if unread.brackets:
        return _explain_in_brackets(text, stopped.place, unread.brackets[-1], unread.previous)
    return _explain_outside_brackets(text, stopped, unread)


def _summarise_unread_text(text: str, stopped: Stopped) -> _Unread | Malformed:
    """Return a summary of the tokens from `stopped.since` to `stopped.place`, which are not in any event of the parser.

    If there is a wrong escape sequence or a missing quote in them, return an explanation of that mistake instead.
    """
    brackets = [start for sign, start in stopped.collections if sign in _CLOSERS]
    most = len(brackets) + stopped.room
    position, word = stopped.since, None
    previous = "open" if text[position - 1 : position] in ("[", "{") else "value"
    patterns = re.compile(_BLOCK_TOKENS), re.compile(_FLOW_TOKENS)
    while position < stopped.place:
        token = patterns[bool(brackets)].match(text, position)
        kind = "plain" if token is None else token.lastgroup or "plain"
        start, position = position, position + 1 if token is None else token.end()
        if kind == "quote":
            position = _find_end_of_quotes(text, start)
            escape = _find_wrong_escape(text, start, len(text) if position < 0 else position)
            if escape is not None:
                return escape
            if position < 0:
                return Malformed(start, "a quote is never closed", f"end the text with {text[start]}")
        elif kind == "open":
            brackets.append(start)
            if len(brackets) > most:
                raise TooDeep(start)
        elif kind == "close":
            brackets.pop()
        if kind not in ("blank", "comment"):
            previous = kind
        if kind in ("plain", "quote") and word is None:
            word = start
    return _Unread(brackets, previous, word)


def _find_end_of_quotes(text: str, start: int) -> int:
    """Return the index after the closing quote; -1 if there is none before the next --- or ... line."""
    found = re.compile(_DOUBLE_QUOTED if text[start] == '"' else _SINGLE_QUOTED, re.DOTALL).match(text, start)
    mark = re.compile(_DOCUMENT_MARK).search(text, start)
    if found is None or (mark is not None and mark.start() < found.end()):
        return -1
    return found.end()


def _find_wrong_escape(text: str, start: int, stop: int) -> Malformed | None:
    """Return an explanation of the first invalid escape sequence of a text in quotes; None if there is none."""
    for found in re.compile(_ESCAPE, re.DOTALL).finditer(text, start, stop) if text[start] == '"' else ():
        if len(found[1]) == 1 and found[1] not in _ESCAPED:
            message = f"\\{found[1]} is not an escape sequence"
            return Malformed(found.start(), message, "double the backslash, or use single quotes")
    return None


# -- in brackets


def _explain_in_brackets(text: str, index: int, opening: int, previous: str) -> Malformed:
    """Explain a character inside [ ] or { } that the parser did not accept.

    `index` is the index of this character, `opening` that of the innermost open bracket, and `previous` is the kind of
    the token before `index`.
    """
    bracket, character = text[opening], text[index : index + 1]
    closer, name = _CLOSERS[bracket], _NAMES[bracket]
    if _is_unclosed(text, opening, index):
        return Malformed(opening, f"{bracket} is never closed", f"add {closer} at the end of the {name}")
    if character in "]}" and character != closer:
        return Malformed(index, f"{character} cannot close the {name} that begins with {bracket}", f"write {closer}")
    if character == "\t":
        return Malformed(index, "a tab is not allowed between values", "use spaces")
    if previous in ("open", "comma", "sign"):
        return _explain_missing_value(index, character)
    braces = re.match(r"\$\{([^{}$\r\n]{1,60})\}", text[index - 1 :]) if character == "{" else None
    if braces is not None:
        return Malformed(index - 1, "an expression has no braces", f"write {replace_braces(braces[1])}")
    if character == ":" and re.search(r"\n[^\n,\[\]{}]*$", text[opening:index]):
        hint = "end the line above with a comma"
    else:
        hint = "put a value that holds ': ' in quotes" if character == ":" else f"end the {name} with {closer}"
    return Malformed(index, f"expected ',' or '{closer}'; got {character}", hint)


def _is_unclosed(text: str, opening: int, index: int) -> bool:
    """Return whether the bracket at `opening` is never closed.

    This is so if the text ends at `index`, or if a line after the bracket, up to that of `index`, begins with a dash or
    with a key that is not indented further than the line of the bracket.
    """
    if not text[index:].strip() or re.compile(_DOCUMENT_MARK).match(text, index):
        return True
    begin = text.rfind("\n", 0, opening) + 1
    outside = len(text[begin:opening]) - len(text[begin:opening].lstrip(" "))
    stop = text.find("\n", index)
    lines = re.split("[\r\n]+", text[opening : stop if stop >= 0 else len(text)])[1:]
    entries = (entry for line in lines if (entry := re.match(_ENTRY_LINE, line)))
    return any(len(entry["indent"]) <= outside or entry["dash"] for entry in entries)


def _explain_missing_value(index: int, character: str) -> Malformed:
    """Explain a character that the parser did not accept where it expected a value in brackets."""
    if character == ",":
        return Malformed(index, "a value is missing before the comma", "remove the comma or write a value")
    if character == "-":
        return Malformed(index, "a list item cannot begin here", "separate the items with commas")
    if character == ":":
        return Malformed(index, "a key is missing before the colon", "use the form key: value")
    return _explain_wrong_start(index, character)


def _explain_wrong_start(index: int, character: str) -> Malformed:
    return Malformed(index, f"{character} cannot start a value here", _QUOTE, Fix("quote_line"))


# -- outside brackets


def _explain_outside_brackets(text: str, stopped: Stopped, unread: _Unread) -> Malformed:
    index, character = stopped.place, text[stopped.place : stopped.place + 1]
    start = text.rfind("\n", 0, index) + 1
    before = text[start:index]
    at_start = not before.strip()
    options = _explain_options_below_word(text, start) if character == ":" or at_start else None
    if options is not None:
        return options
    if "\t" in before + character and at_start:
        return Malformed(index, "a tab is not allowed as indentation", "indent with spaces")
    if character == "\t":
        return Malformed(index, "a tab is not allowed between values", "use spaces")
    if character and character in "]}":
        return Malformed(index, f"unmatched {character}", f"remove it, or {_QUOTE}", Fix("quote_line"))
    if character and character in "@`%,":
        return _explain_wrong_start(index, character)
    sign = re.search(r"(?:^|\s)([|>&*!])[^\s]*\s*$", before)
    if sign is not None:
        return _explain_after_special_character(start + sign.start(1), sign[1])
    if stopped.ended and not (at_start and stopped.collections):
        return _explain_after_end(text, index)
    if stopped.key_due and unread.word is not None:
        return _explain_missing_colon(text, unread.word)
    if character == ":":
        joined = _explain_joined_key(text, index)
        if joined is not None:
            return joined
        return Malformed(index, "unexpected ':' in a value", "put a value that holds ': ' in quotes", Fix("quote_line"))
    if at_start:
        return _explain_indentation(text, stopped, len(before))
    if character in "-?" and character:
        what = "a list item" if character == "-" else "a key"
        return Malformed(index, f"{what} cannot begin here", "begin it on a line of its own")
    return Malformed(index, "unexpected text after the value", "put the whole value in quotes")


def _explain_options_below_word(text: str, start: int) -> Malformed | None:
    """Explain options below an entry without a colon, such as `name: act` below `- relu`; otherwise, return None.

    `start` is the start of the first line of the options.
    """
    above = next((line for line in reversed(text[:start].splitlines()) if line.strip()), "")
    bare = re.fullmatch(_BARE_WORD_ENTRY, above, re.ASCII)
    line = re.split("[\r\n]", text[start:], maxsplit=1)[0]
    option = line.strip()
    indent = len(line) - len(line.lstrip(" "))
    if bare is None or option.startswith("-") or ":" not in option or indent <= above.index("-"):
        return None
    word = shorten(bare[1])
    message = f"options must be inside the entry, not below the bare word {word}"
    return Malformed(start + indent, message, f"write - {word}: {{{shorten(option)}}}")


def _explain_after_special_character(index: int, sign: str) -> Malformed:
    """Explain wrong text after `sign`, a character with a special meaning in YAML: | > ! & or *."""
    if sign in "|>":
        return Malformed(index, f"only +, - or a digit can follow {sign} here", "begin the text on the next line")
    if sign == "!":
        return Malformed(index, "YAML tags are not supported", "remove the tag, or put the value in quotes")
    what = "an anchor" if sign == "&" else "an alias"
    return Malformed(index, f"{sign} begins {what}, and a value cannot follow its name here", _QUOTE, Fix("quote_line"))


def _explain_after_end(text: str, index: int) -> Malformed:
    """Explain text after the end of the YAML document, for which there are two causes.

    Either the keys of the spec are in brackets, or the first line has no colon, so that YAML reads it as text.
    """
    begin = re.match(_BEFORE_SPEC, text)
    start = begin.end() if begin else 0
    if text[start] in _CLOSERS:
        return Malformed(index, "text after the end of the spec", "remove the brackets around the keys of the spec")
    return Malformed(start, "a key without a colon", "use the form key: value, with a space after the colon")


def _explain_joined_key(text: str, index: int) -> Malformed | None:
    """Explain a key without a space after its colon, such as `stride:2`, which YAML reads as a single text.

    The key is at the start of the line of `index` or of the line above it. Return None if there is no such key.
    """
    start = text.rfind("\n", 0, index) + 1
    above = text.rfind("\n", 0, max(start - 1, 0)) + 1
    for begin in (start, above):
        found = re.compile(r"[ \t]*(?:-[ \t]+)*((\w+):\S[^\r\n]*)", re.ASCII).match(text, begin)
        if found is not None and (found[2] in KINDS or is_argument(found[2])):
            hint = suggest_split(found[1].strip())
            return Malformed(found.start(1), "a key without a space after its colon", hint) if hint else None
    return None


def _explain_missing_colon(text: str, word: int) -> Malformed:
    """Explain a word without a colon, at the index `word`, where the parser expected a key."""
    key = re.split(r":\s|[\r\n]", text[word:], maxsplit=1)[0]
    if len(key) > _MOST_KEY:
        return Malformed(word, f"a key of more than {_MOST_KEY:,} characters", "use a shorter key")
    hint = suggest_split(key.strip()) or "use the form key: value, with a space after the colon"
    return Malformed(word, "a key without a colon", hint)


def _explain_indentation(text: str, stopped: Stopped, indent: int) -> Malformed:
    """Explain a line that does not continue the list or mapping above it; `indent` is the line's indentation."""
    sign, start = [(":", 0), *(each for each in stopped.collections if each[0] in _COLLECTION_NAMES)][-1]
    expected = start - (text.rfind("\n", 0, start) + 1)
    if indent != expected:
        message = f"this line is indented by {indent}, but the {_COLLECTION_NAMES[sign]} above by {expected}"
        return Malformed(stopped.place, message, "indent them equally")
    if sign == "-":
        return Malformed(stopped.place, "expected a list item like the lines above", "begin it with -")
    return Malformed(stopped.place, "expected a key like the lines above", "use the form key: value")
