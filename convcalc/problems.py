"""Defines the problems of a spec, and helpers for their messages and hints.

A `Problem` has its path in the spec (line and column are added later), a message, and a hint on how to fix it.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Literal, NamedTuple

from convcalc.exact import fixed

if TYPE_CHECKING:
    from convcalc.render.lines import RichBlocks

Path = tuple[str | int, ...]

_MAX_CANDIDATES = 500  # at most this many words are compared with a misspelt one
_LOG_COMMAND = r"(?:^|(?<=\s)):(?=:)|#(?=#\[)"  # as in ::error::text and ##[error]text of GitHub
_CLEAR_LEAD = 0.1  # a word is renamed only if the closest match beats the second by this much in similarity (0 to 1)

TITLES: dict[str, str] = {
    "CV000": "a file that cannot be checked",
    "CV001": "not readable as text",
    "CV002": "malformed YAML",
    "CV003": "unsupported YAML feature",
    "CV004": "limit exceeded",
    "CV010": "unknown key",
    "CV011": "unknown layer kind or block",
    "CV012": "missing key or argument",
    "CV013": "invalid value",
    "CV014": "invalid expression",
    "CV015": "invalid name",
    "CV016": "shapes that do not fit",
    "CV017": "invalid override",
    "CV100": "budget exceeded",
    "CV199": "unused ignore comment",
}


class Span(NamedTuple):
    """A range of a file. Lines and columns start at 1; the end column is the one after the last character."""

    line: int
    column: int
    end_line: int
    end_column: int


class Related(NamedTuple):
    """Another part of the spec to show with a problem, and its label, such as `first used here`."""

    path: Path
    label: str
    span: Span | None = None


class Fix(NamedTuple):
    """An edit of the spec that fixes a problem; `convcalc.spec.edits` applies it.

    The action `rename` replaces a key by `text`, and `quote` puts a value in quotes. `quote_line` puts quotes around
    the value of a line that is not valid YAML without them. `argument` sets an argument of the problem's layer; its
    `text` is `name: value`. It is applied only if the layer at the path `relies_on` comes next for all values of the
    spec parameters.
    """

    action: Literal["rename", "quote", "quote_line", "argument"]
    text: str = ""
    relies_on: Path = ()


class Problem(NamedTuple):
    """One mistake in a spec.

    `path` is the path of the wrong value or, if `on_key` is true, of its key. If only a part of a text is wrong,
    `within` is the start and end of that part. `span` has the lines and columns; it is None for a spec that is a Python
    mapping. `code` is a key of `TITLES`, or the code of a lint rule.
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
    """Raised for a wrong value by code that does not know the path of the value in the spec; the caller adds the path.

    `key` is the name of the wrong argument. If only one item of its value is wrong, `where` is the path of the item in
    the value. `on_key` is true if the last step of that path is a wrong key. If only a part of a text is wrong,
    `within` is the start and end of that part.
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

    @property
    def text(self) -> str:
        """The message and, after a colon, the hint, if there is one."""
        return f"{self.message}: {self.hint}" if self.hint else self.message


class NotImported(Exception):
    """A model file or module cannot be imported; the message says why."""


def find_nearest(word: str, words: Iterable[str]) -> str | None:
    """Return the word most similar to a misspelt one, or None if no word is similar."""
    by_folded = {normalise_word(known): known for known in islice(words, _MAX_CANDIDATES)}
    close = find_close(normalise_word(word[:100]), tuple(by_folded))
    return by_folded[close[0]] if close else None


@lru_cache(maxsize=1024)
def find_close(word: str, words: tuple[str, ...]) -> tuple[str, ...]:
    """Return the two words most similar to `word`, the closest first, or fewer if no more are similar.

    Recent results are kept, because each fix of a file is tried by reading all of it again, with its other mistakes.
    """
    from difflib import get_close_matches  # imported only for errors: difflib costs start-up time

    return tuple(get_close_matches(word, words, n=2, cutoff=0.7))


def suggest_list(text: str) -> str:
    """Return a hint to write a list instead of a tuple such as `(3, 3)`; "" if the text is not a tuple."""
    if not re.fullmatch(r"\(\s*[\w$.+-]+\s*(,\s*[\w$.+-]+\s*)*,?\s*\)", text):
        return ""
    items = [item.strip() for item in text[1:-1].split(",") if item.strip()]
    if len(items) == 1:
        return f"write {items[0]}" if items[0].isdigit() else ""
    return f"write [{', '.join(items)}]"


@lru_cache(maxsize=1024)
def normalise_word(word: str) -> str:
    """Return a word in lower case without underscores, hyphens and blanks, for comparison."""
    return re.sub(r"[_\-\s]", "", word).lower()


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """Return the hint `did you mean …?` with the closest word, or "" if none is close."""
    close = find_nearest(word, words)
    return f"did you mean {close}?" if close else ""


def suggest_rename(word: str, words: Iterable[str], hint: str = "", taken: Iterable[str] = ()) -> Fix | None:
    """Return the fix that replaces a misspelt word with the most similar of `words`.

    Return None if a second word is nearly as similar, if the most similar word is in `taken`, or if there is a `hint`
    that does not mention it.
    """
    from difflib import SequenceMatcher

    by_folded = {normalise_word(known): known for known in islice(words, _MAX_CANDIDATES)}
    meant = normalise_word(word[:100])
    close = find_close(meant, tuple(by_folded))
    likeness = [SequenceMatcher(None, candidate, meant).ratio() for candidate in close]
    if not close or (len(close) > 1 and likeness[0] - likeness[1] < _CLEAR_LEAD):
        return None
    near = by_folded[close[0]]
    hinted = re.findall(r"[A-Za-z0-9_]+", hint)
    return None if near in taken or (hint and near not in hinted) else Fix("rename", near)


def printable(text: str) -> str:
    """Return the text with control and bidirectional characters escaped, so that it cannot control a terminal.

    The marks `::` at the start of a word and `##[` are escaped too: at the start of a line, a CI log obeys them.
    """
    if not text.isprintable():
        text = "".join(character if character.isprintable() else _escape(character) for character in text)
    if "::" in text or "##[" in text:
        text = re.sub(_LOG_COMMAND, lambda mark: _escape(mark[0]), text)
    return text


def _escape(character: str) -> str:
    number = ord(character)
    if 0xDC80 <= number <= 0xDCFF:
        number -= 0xDC00  # a byte of a file name or an argument that is not UTF-8
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}" if number < 65536 else f"\\U{number:08x}"


def show(value: object) -> str:
    """Return a value of a spec as it appears in error messages: short, with control characters escaped."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "an empty value"
    if isinstance(value, str):
        return f"'{shorten(value)}'"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return f"the list {shorten(_format_list(fixed(value)))}" if value else "an empty list"
    return str(value) if not isinstance(value, int) or abs(value) < 10**40 else "an integer of more than 40 digits"


def _format_list(value: object) -> str:
    """Return nested lists in YAML's flow style: `[1, [2, 3]]`."""
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_format_list(item) for item in value[:20]) + "]"
    return show(value).strip("'")


def shorten(text: str, most: int = 60) -> str:
    """Return the text with control characters escaped, cut to at most `most` characters."""
    return printable(text if len(text) <= most else text[: most - 1] + "…")


def join_words(names: Iterable[str]) -> str:
    """Return the names joined as `a, b or c`."""
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last


def message_with_hint(problem: Problem) -> str:
    """Return the message, and the hint if there is one, on one line."""
    return f"{problem.message} ({problem.hint})" if problem.hint else problem.message


class InvalidSpec(ValueError):
    """Raised if a spec is invalid. `problems` are all problems found, in the order of the file.

    As text, it has one line per problem, with the position, message and hint.

    `file` is the name of the file and `text` its contents. `text` is None if the spec is a Python mapping or could not
    be read, or if the file was reached through a symbolic link: messages do not quote such a file.
    """

    def __init__(self, problems: Iterable[Problem], file: str | None = None, text: str | None = None) -> None:
        self.problems = tuple(problems)
        self.file = file
        self.text = text
        super().__init__("\n".join(f"{self.place(problem)}: {message_with_hint(problem)}" for problem in self.problems))

    def __rich__(self) -> "RichBlocks":
        from convcalc.render.excerpt import problem_lines
        from convcalc.render.lines import RichBlocks

        return RichBlocks(lambda width: problem_lines(self)[:-1])

    def place(self, problem: Problem) -> str:
        """Return `file:line:column` of a problem, or `file:path.in.spec` for a spec that is a Python mapping."""
        file = printable(self.file or "<spec>")
        if problem.span is None:
            return f"{file}:{'.'.join(map(str, problem.path))}" if problem.path else file
        return f"{file}:{problem.span.line}:{problem.span.column}"
