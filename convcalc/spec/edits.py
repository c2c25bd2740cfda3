"""Edits single values in the text of a spec; the comments and layout around them are preserved.

The functions take a document and a change, such as setting the argument bias to false, and return an `Edit`: the
characters to replace, and their replacement. `apply_edits` makes the changes. For example, Edit(0, 4, "silu") turns
`relu: {}` into `silu: {}`.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from convcalc.layers import KINDS
from convcalc.problems import Path, Problem, Span
from convcalc.spec.document import Document, Extent, Mapping
from convcalc.spec.document import Sequence as Items
from convcalc.spec.emit import quote
from convcalc.spec.scalars import fold_lines, is_inside
from convcalc.spec.source import scalar_extents

_ITEM = r"[ ]*(?:-[ ]+)+"
_VALUE_OF_LINE = r"\s*(?:-\s+)*[A-Za-z][\w-]*:[ ]+(?P<value>[^\s'\"\[{&*|>#].*?)(?:\s+#.*)?\s*"
_COMMENT = r"(?:(?<=\s)|^)#.*"


class Edit(NamedTuple):
    """An edit of a text: the characters from `start` to `stop` - 1 are replaced with `text`."""

    start: int
    stop: int
    text: str


class CannotEdit(ValueError):
    """Raised if a value cannot be edited in the text; the message says why."""


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """Return the text with all edits made. Raises CannotEdit if two of them overlap."""
    ordered = sorted(set(edits))
    pieces, position = [], 0
    for edit in ordered:
        if edit.start < position:
            raise CannotEdit("two changes overlap")
        pieces += [text[position : edit.start], edit.text]
        position = edit.stop
    return "".join([*pieces, text[position:]])


def make_edit(document: Document, problem: Problem) -> Edit:
    """Return the edit that applies the fix of a problem. Raises CannotEdit if the problem has no fix or no `span`."""
    if problem.fix is None or problem.span is None or document.text is None:
        raise CannotEdit("there is nothing to change")
    action, text, relies_on = problem.fix
    if action == "argument":
        _check_unconditional(document, problem.path, relies_on)
        return set_argument(document, problem.path, *text.split(": ", 1))
    _check_written_once(document, problem.path)
    start, stop = _find_extent(document, problem.span)
    if action == "rename":
        if document.text[start] in "&*":
            raise CannotEdit("it has an anchor or is an alias")
        return Edit(start, stop, text)
    if action == "quote":
        return Edit(start, stop, quote(fold_lines(document.text[start:stop])))
    return _quote_value_of_line(document.text, start)


def _find_extent(document: Document, span: Span) -> Extent:
    return document.index(span.line, span.column), document.index(span.end_line, span.end_column)


def _quote_value_of_line(text: str, index: int) -> Edit:
    """Return the edit that puts quotes around the value of a line `key: value`; `index` is any index in the line.

    Raises CannotEdit if the line does not have this form.
    """
    start = text.rfind("\n", 0, index) + 1
    line = text[start:].split("\n", 1)[0]
    found = re.fullmatch(_VALUE_OF_LINE, line)
    if found is None:
        raise CannotEdit("the line is not a key with a value")
    begin, end = found.span("value")
    return Edit(start + begin, start + end, quote(fold_lines(line[begin:end])))


def _check_written_once(document: Document, path: Path) -> None:
    """Raise CannotEdit if the text of the value at a path belongs to several values of the spec.

    It does if the value, or a collection that contains it, has an anchor, is an alias, or was inserted by `<<`.
    """
    text = document.text or ""
    for length in range(1, len(path) + 1):
        extent, parent = document.find(path[:length]), _get_value(document.root, path[: length - 1])
        if isinstance(parent, Mapping) and _comes_from_merge(parent, path[length - 1]):
            raise CannotEdit("it comes from another mapping through <<")
        if extent is not None and text[extent[0] : extent[0] + 1] in ("&", "*"):
            raise CannotEdit("an alias also uses it")


def _comes_from_merge(mapping: Mapping, key: str | int) -> bool:
    """Return whether a key of a mapping was inserted by `<<`.

    Inserted keys come first in the dict, but their text is elsewhere: before the mapping, or after one of its own keys.
    """
    names = [name for name in mapping if name in mapping.key_extents]
    later = [mapping.key_extents[name][0] for name in names[names.index(key) :]] if key in names else []
    return bool(later) and (later[0] < mapping.extent[0] or later[0] > min(later))


# -- an argument of a layer


def _check_unconditional(document: Document, path: Path, follower: Path) -> None:
    """Raise CannotEdit if a condition decides whether the layer at `follower` comes right after the layer at `path`.

    An entry has a condition if it has the option `when` or takes its layer kind from a parameter. The entries between
    the two layers are checked, and those that contain the second layer.
    """
    shared = next((place for place, (one, other) in enumerate(zip(path, follower, strict=False)) if one != other), 0)
    inside = [follower[:length] for length in range(shared + 1, len(follower) + 1)]
    first, last = path[shared], follower[shared]
    between: list[Path] = []
    if isinstance(first, int) and isinstance(last, int):
        between = [(*path[:shared], index) for index in range(first + 1, last)]
    if any(_is_conditional(_get_value(document.root, entry)) for entry in (*inside, *between)):
        raise CannotEdit("the layer after it depends on a condition")


def _is_conditional(entry: Any) -> bool:
    """Return whether an entry has the option `when`, or takes its layer kind from a parameter."""
    if not isinstance(entry, Mapping):
        return isinstance(entry, str) and entry.startswith("$")
    inside = [value for value in entry.values() if isinstance(value, Mapping)]
    return any(key == "when" or key.startswith("$") for key in entry) or any("when" in value for value in inside)


def set_argument(document: Document, path: Path, name: str, value: str) -> Edit:
    """Return the edit that adds or changes an argument of a layer. Raises CannotEdit if there is no safe edit.

    `path` is the path of the layer kind in its entry; `value` is the new value as YAML text. For example, there is no
    safe edit of an argument that comes from an alias or is an expression.
    """
    _check_written_once(document, path)
    text, word = document.text or "", document.find(path, on_key=True)
    written = _get_value(document.root, path)
    if word is None:
        raise CannotEdit("the entry is not written out in the file")
    if isinstance(path[-1], int):
        return Edit(word[1], word[1], f": {{{name}: {value}}}")
    extent = document.find(path)
    if written is None:
        colon = text.index(":", word[1]) + 1
        return Edit(colon, max(colon, extent[1] if extent else colon), f" {{{name}: {value}}}")
    main = KINDS[path[-1]].main if path[-1] in KINDS else ""
    if not isinstance(written, Mapping) and main and extent is not None and extent[0] > word[0]:
        return _expand_short_form(document, path, extent, main, name, value)
    if not isinstance(written, Mapping) or extent is None or extent[0] < word[0]:
        raise CannotEdit("its arguments come from an alias or from <<")
    if name in written:
        return _change_argument(written, name, value, text)
    return (
        _add_argument_in_braces(written, name, value)
        if text[extent[0]] == "{"
        else _add_argument_line(written, name, value, text)
    )


def _expand_short_form(document: Document, path: Path, extent: Extent, main: str, name: str, value: str) -> Edit:
    """Return the edit that sets an argument of an entry in the short form, such as `linear: 10`.

    `main` is the argument that the short form sets, here `out_features`. Setting another argument results in the long
    form: `linear: {out_features: 10, bias: false}`.
    """
    text = document.text or ""
    start, stop = extent
    if name == main:
        if "$" in text[start:stop]:
            raise CannotEdit("the argument is an expression")
        return Edit(start, stop, value)
    written = _get_value(document.root, path)
    block_list = isinstance(written, Items) and text[start] != "["
    if block_list or "\n" in text[start:stop] or text[start] in "|>":
        raise CannotEdit("the value of its main argument takes several lines")
    kept = text[start:stop].rstrip()
    needs_quotes = isinstance(written, str) and kept[0] not in "'\"" and any(sign in kept for sign in ",[]{}")
    return Edit(start, start + len(kept), f"{{{main}: {quote(kept) if needs_quotes else kept}, {name}: {value}}}")


def _change_argument(written: Mapping, name: str, value: str, text: str) -> Edit:
    start, stop = written.value_extents[name]
    if start < written.key_extents[name][1] or written.key_extents[name][0] < written.extent[0]:
        raise CannotEdit("the argument comes from an alias or from <<")
    if "$" in text[start:stop]:
        raise CannotEdit("the argument is an expression")
    return Edit(start, stop, value)


def _add_argument_in_braces(written: Mapping, name: str, value: str) -> Edit:
    last = _find_end_of_last_item(written)
    if last is None:
        start = written.extent[0] + 1
        return Edit(start, start, f"{name}: {value}" + (", " if written else ""))
    return Edit(last, last, f", {name}: {value}")


def _add_argument_line(written: Mapping, name: str, value: str, text: str) -> Edit:
    """Return the edit that adds an argument on a line of its own, after the last argument."""
    last = _find_end_of_last_item(written)
    if last is None:
        raise CannotEdit("its arguments come from an alias or from <<")
    start = min(written.key_extents.values())[0]
    indent = start - (text.rfind("\n", 0, start) + 1)
    end = _find_line_end(text, _find_block_end(text, last))
    return Edit(end, end, f"{_find_line_break(text)}{' ' * indent}{name}: {value}")


def _find_end_of_last_item(value: Any) -> int | None:
    """Return the index after the last item of a collection; None if there is no item or one of them is an alias."""
    if isinstance(value, Mapping):
        inside = [(value.value_extents[key], item, value.key_extents[key][1]) for key, item in value.items()]
        if any(before < value.extent[0] for _, _, before in inside):
            inside = [
                part for part in inside if part[2] >= value.extent[0]
            ]  # keys merged through << are written elsewhere
    elif isinstance(value, Items):
        inside = [(extent, item, value.extent[0]) for extent, item in zip(value.item_extents, value, strict=True)]
    else:
        return None
    if not inside or any(extent[0] < before for extent, _, before in inside):
        return None
    extent, item, _ = max(inside, key=lambda part: part[0])
    if isinstance(item, Mapping | Items) and extent[1] == extent[0] + 1:  # a block collection: only its start is known
        return _find_end_of_last_item(item)
    return extent[1]


def _find_block_end(text: str, end: int) -> int:
    """Return the index after the last character before `end` that is not blank.

    The parser reports the end of a block scalar after the blank lines that follow it.
    """
    return len(text[:end].rstrip())


# -- an entry


def replace_entry(document: Document, path: Path, entries: Sequence[Sequence[str]]) -> Edit:
    """Return the edit that replaces the entry at `path`, such as ("layers", 3), with new entries.

    Each new entry is a list of lines: the first line without its dash, the others indented relative to the first.
    Comments inside the old entry are moved above the new entries. Raises CannotEdit if the old entry uses an alias, or
    if it is in a list in brackets and a new entry has several lines.
    """
    _check_written_once(document, path)
    text, extent = document.text or "", document.find(path)
    if extent is None or not isinstance(path[-1], int):
        raise CannotEdit("the entry is not written out in the file")
    start, stop = extent[0], _find_entry_end(document, path, extent)
    before = text[text.rfind("\n", 0, start) + 1 : start]
    if not re.fullmatch(_ITEM, before):
        if any(len(lines) > 1 for lines in entries):
            raise CannotEdit("the entry is in a list in brackets")
        return Edit(start, stop, ", ".join(lines[0] for lines in entries))
    kept = [comment[0].strip() for comment in _find_comments(text, start, stop)]
    dash = before.rindex("-")
    alone = not before[:dash].strip()  # else the line begins with several dashes: the entry is first in a nested list
    lines = _indent_entries(dash, before[dash:], entries, kept if alone else ())
    if alone:
        return Edit(start - len(before), stop, _find_line_break(text).join(lines))
    lines[0] = f"{_find_line_break(text)}{' ' * len(before)}".join([*kept, lines[0][len(before) :]])
    return Edit(start, stop, _find_line_break(text).join(lines))


def _indent_entries(column: int, dash: str, entries: Sequence[Sequence[str]], kept: Sequence[str]) -> list[str]:
    """Return the lines of the comments `kept` and then of the entries, with each dash in the given column.

    `dash` is the dash with the spaces after it.
    """
    indent, below = " " * column, " " * (column + len(dash))
    lines = [indent + comment for comment in kept]
    for first, *rest in entries:
        lines += [indent + dash + first, *(below + line for line in rest)]
    return lines


def _find_entry_end(document: Document, path: Path, extent: Extent) -> int:
    """Return the index after an entry. Raises CannotEdit if an alias in it makes its end unknown."""
    value = _get_value(document.root, path)
    if not isinstance(value, Mapping) or extent[1] > extent[0] + 1:
        return extent[1]
    end = _find_end_of_last_item(value)
    if end is None:
        raise CannotEdit("it contains an alias")
    return _find_block_end(document.text or "", end)


def _find_comments(text: str, start: int, stop: int) -> list[re.Match[str]]:
    if "#" not in text[start:stop]:
        return []
    scalars = scalar_extents(text)
    found = re.compile(_COMMENT, re.MULTILINE).finditer(text, start, stop)
    return [match for match in found if not is_inside(match.start(), scalars)]


def _get_value(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def _find_line_end(text: str, index: int) -> int:
    found = re.compile(r"\r?\n|$").search(text, index)
    return len(text) if found is None else found.start()


def _find_line_break(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"
