"""What is wrong with a spec, as values: where it is (a path, not yet a line), what it is, what would be right."""

import re
from collections.abc import Iterable
from itertools import islice
from typing import Literal, NamedTuple

Path = tuple[str | int, ...]

_MAX_CANDIDATES = 500  # words among which the nearest is sought
_CLEAR_LEAD = 0.1  # by how much the nearest word is nearer than the next, where it is taken without asking

TITLES: dict[str, str] = {
    "CV000": "a file that cannot be checked",
    "CV001": "not readable as text",
    "CV002": "malformed YAML",
    "CV003": "YAML that specs do not use",
    "CV004": "over a limit",
    "CV010": "unknown key",
    "CV011": "unknown layer kind or block",
    "CV012": "something missing",
    "CV013": "wrong value",
    "CV014": "wrong expression",
    "CV015": "wrong name",
    "CV016": "shapes that do not fit",
    "CV017": "wrong override",
    "CV100": "a budget that is not kept",
    "CV199": "a comment that ignores nothing",
}


class Span(NamedTuple):
    """A stretch of a file, lines and columns from 1; the end column is the one after the last character."""

    line: int
    column: int
    end_line: int
    end_column: int


class Related(NamedTuple):
    """Another place that a problem speaks of."""

    path: Path
    label: str
    span: Span | None = None


class Fix(NamedTuple):
    """An exact rewrite that mends a problem, at the problem's own place; `convcalc.spec.edits` carries it out.

    `rename` writes `text` in the place of a key, `quote` puts a value in quotes, `quote_line` the value of a line that
    is no YAML without them, `argument` sets an argument (`text` is its `name: value`) of the layer at the path, as long
    as the layer at the path `relies_on` comes after it whatever the params are.
    """

    action: Literal["rename", "quote", "quote_line", "argument"]
    text: str = ""
    relies_on: Path = ()


class Problem(NamedTuple):
    """One mistake of a spec.

    `path` leads from the root of the spec to the value (or, with `on_key`, to the key) that is wrong;
    `within` narrows it to (start, end) characters of a text; `span` is filled in where the spec came from
    a text. `code` is one of `TITLES`.
    """

    path: Path
    message: str
    code: str
    hint: str = ""
    on_key: bool = False
    within: tuple[int, int] | None = None
    related: tuple[Related, ...] = ()
    span: Span | None = None
    severity: str = "error"
    fix: Fix | None = None


class Flaw(Exception):
    """What is wrong with a value, raised where its place in the file is not known; the caller adds it.

    `key` names the argument at fault, `where` leads further into its value (with `on_key` to a key of it),
    `within` to characters of a text.
    """

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        key: str | None = None,
        where: Path = (),
        within: tuple[int, int] | None = None,
        on_key: bool = False,
        code: str = "CV013",
        fix: Fix | None = None,
    ) -> None:
        super().__init__(message)
        self.fix = fix
        self.on_key = on_key
        self.message = message
        self.hint = hint
        self.key = key
        self.where = where
        self.within = within
        self.code = code


def nearest(word: str, words: Iterable[str]) -> str | None:
    """The one of the words that a mistyped one most likely meant, if any is close."""
    from difflib import get_close_matches  # only where something is wrong: difflib costs start-up time

    by_folded = {fold(known): known for known in islice(words, _MAX_CANDIDATES)}
    close = get_close_matches(fold(word[:100]), list(by_folded), n=1, cutoff=0.7)
    return by_folded[close[0]] if close else None


def fold(word: str) -> str:
    """A word without case, underscores and hyphens, for comparing what was meant."""
    return re.sub(r"[_\-\s]", "", word).lower()


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """A hint with the nearest word, or nothing."""
    close = nearest(word, words)
    return f"did you mean {close}?" if close else ""


def renaming(word: str, words: Iterable[str], hint: str = "", taken: Iterable[str] = ()) -> Fix | None:
    """The fix of a misspelt word, where one word alone is near, the hint speaks of no other, and it is not taken."""
    from difflib import SequenceMatcher, get_close_matches

    by_folded = {fold(known): known for known in islice(words, _MAX_CANDIDATES)}
    meant = fold(word[:100])
    close = get_close_matches(meant, list(by_folded), n=2, cutoff=0.7)
    likeness = [SequenceMatcher(None, candidate, meant).ratio() for candidate in close]
    if not close or (len(close) > 1 and likeness[0] - likeness[1] < _CLEAR_LEAD):
        return None
    near = by_folded[close[0]]
    spoken = re.findall(r"[A-Za-z0-9_]+", hint)
    return None if near in taken or (hint and near not in spoken) else Fix("rename", near)


def printable(text: str) -> str:
    """The text without power over a terminal: what is not printable (controls, escapes, bidi) is spelt out."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _spelt_out(character) for character in text)


def _spelt_out(character: str) -> str:
    number = ord(character)
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}" if number < 65536 else f"\\U{number:08x}"


def shown(value: object) -> str:
    """A value of a spec as an error message shows it, short and printable."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "an empty value"
    if isinstance(value, str):
        return f"'{shortened(value)}'"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return f"the list {shortened(_format_list(value))}" if value else "an empty list"
    return str(value) if not isinstance(value, int) or abs(value) < 10**40 else "an integer of over 40 digits"


def _format_list(value: object) -> str:
    """Nested lists in the flow style of YAML."""
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_format_list(item) for item in value[:20]) + "]"
    return shown(value).strip("'")


def shortened(text: str, most: int = 60) -> str:
    """The text, printable, cut where it is long."""
    return printable(text if len(text) <= most else text[: most - 1] + "…")


def words(names: Iterable[str]) -> str:
    """`a, b or c`."""
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last


class InvalidSpec(ValueError):
    """A spec is wrong. `problems` are all that was found, in the order of the file.

    `file` is the name of the file, `text` what was read from it (None where it came from no text, or may
    not be quoted because it was reached through a symbolic link).
    """

    def __init__(self, problems: Iterable[Problem], file: str | None = None, text: str | None = None) -> None:
        self.problems = tuple(problems)
        self.file = file
        self.text = text
        super().__init__("\n".join(f"{self.place(problem)}: {problem.message}" for problem in self.problems))

    def place(self, problem: Problem) -> str:
        """`file:line:column`, or the path in the spec where it came from no text."""
        file = printable(self.file or "<spec>")
        if problem.span is None:
            return f"{file}:{'.'.join(map(str, problem.path))}" if problem.path else file
        return f"{file}:{problem.span.line}:{problem.span.column}"
