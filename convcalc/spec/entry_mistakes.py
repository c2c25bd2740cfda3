"""Reports mistakes in entries (unknown words, misplaced keys, missing arguments), each with a hint on what to write.

For example, `- Conv2d: {filters: 8}` is reported as an unknown layer kind, with the hint "write conv". Imported only
for specs with mistakes, so that convcalc starts faster.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from convcalc.arguments import Key, is_number, list_required
from convcalc.layers import KINDS
from convcalc.problems import Fix, Flaw, Path, shorten, show, suggest_rename
from convcalc.spec.dialects import KIND_KEYS, is_argument, key_hint, kind_hint, suggest_split
from convcalc.spec.document import UNKNOWN
from convcalc.spec.emit import format_value
from convcalc.spec.entries import LISTS, MERGES, OPTIONS, Entry, has_short_form
from convcalc.spec.problem_list import Problems
from convcalc.spec.scalars import read_plain_scalar

_EXAMPLE_VALUES = {"out_channels": "64", "kernel_size": "3"}
_MOST_NUMBERS = 200  # characters of a text that are searched for numbers between commas

if TYPE_CHECKING:
    from convcalc.spec.compile import Visible


class EntryMistakes:
    """Reports the mistakes that EntryCompiler finds in entries."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems

    def report_crowded_entry(self, entry: Entry, written: dict[str, Any], visible: "Visible") -> None:
        """Report an entry with several keys, such as `{conv: 64, stride: 2}`; only one key is allowed, here `conv`.

        The second key is usually a misplaced option, an argument without its indentation, or another layer kind.
        """
        words = (key for key in written if _is_kind_or_block(key, visible))
        kind_key = next((key for key in written if key in KIND_KEYS), None)
        word = next(words, None)
        if word is not None:
            entry.word = word
            self._report_misplaced_keys(entry, written, word)
        elif kind_key is not None:
            meant, _ = kind_hint(str(written[kind_key]), [*KINDS, *visible.blocks])
            entry.word = meant or ""
            message = "the layer kind must be the key of the entry, not a value"
            hint = f"use the layer kind as the key: - {meant or 'conv'}: {{…}}"
            self.problems.add((*entry.path, kind_key), message, "CV010", hint, on_key=True)
        elif (entries := _find_unnamed_sequence(written)) is not None:
            message = f"{shorten(entries)} is not a layer kind or block; a list of entries with options is a sequence"
            hint = "use sequence: - sequence: […] and, on the next line, repeat: 3"
            fix = Fix("rename", "sequence")
            self.problems.add((*entry.path, entries), message, "CV011", hint, on_key=True, fix=fix)
        else:
            word = next(iter(written))
            self.report_unknown_word(entry, word, (*entry.path, word), None, visible)
            self._report_misplaced_keys(entry, written, word)

    def _report_misplaced_keys(self, entry: Entry, written: dict[str, Any], word: str) -> None:
        """Report all keys of an entry except `word`, as they belong among the arguments of `word`."""
        misplaced = [key for key in written if key != word]
        if written[word] is None and not any(key in OPTIONS or key in KINDS for key in misplaced):
            message = f"the arguments of {shorten(word)} are not indented under it"
            self.problems.add((*entry.path, misplaced[0]), message, "CV010", f"indent them under {word}", on_key=True)
            return
        for key in misplaced:
            subject = f"option {key}" if key in OPTIONS else shorten(key)
            message = f"{subject} must be inside the entry {shorten(word)}, not next to it"
            hint = f"move it inside, as in - {shorten(word)}: {{{shorten(key)}: …}}, or indent it under {shorten(word)}"
            self.problems.add((*entry.path, key), message, "CV010", hint, on_key=True)

    def report_unknown_word(self, entry: Entry, word: str, path: Path, arguments: Any, visible: "Visible") -> None:
        """Report a word that is neither a layer kind nor a block above the entry.

        If the word is misspelt, `entry.word` is set to the right one. If it were not, `- rleu` would not be counted,
        and the default names of later entries (relu1, relu2) would be wrong.
        """
        if word in visible.all_blocks:
            inside = entry.path[:2] == ("blocks", word)
            what = "uses itself" if inside else "is defined below"
            message = f"block {word} {what}; a block can use only blocks defined above it"
            self.problems.add(path, message, "CV011", on_key=True)
            return
        meant, hint = kind_hint(word, [*KINDS, *visible.blocks, *LISTS])
        if word in OPTIONS:
            hint = "an option belongs in the arguments of an entry: - conv: {…}"
            if word == "repeat":
                hint += "; entries are repeated by - sequence: […] and, on the next line, repeat: 3"
        elif word in KIND_KEYS:
            hint = "use the layer kind as the key of the entry: - conv: {…}"
        joined = suggest_split(word)
        hint = joined or hint
        fix = None if joined else suggest_rename(word, [*KINDS, *visible.blocks], hint)
        entry.word = meant or word
        if hint.startswith("write "):
            entry.kind = KINDS.get(meant or "")  # the meaning is clear, so its arguments are checked as well
            if _needs_argument_name(entry, arguments):
                hint, fix = _suggest_argument_names(entry, arguments), None
        self.problems.add(path, f"unknown layer kind or block {show(word)}", "CV011", hint, on_key=True, fix=fix)

    def report_unknown_key(
        self, path: Path, message: str, known: Collection[str], written: dict[str, Any], kind: str = ""
    ) -> None:
        """Report an argument or option that does not exist.

        `path` is the path of the unknown key, `written` is the mapping that contains it, `known` are the valid keys,
        and `kind` is the layer kind. There is a fix only if no other layer kind has an argument with this name.
        """
        key = str(path[-1])
        hint = key_hint(key, known, kind, written[key])
        foreign = is_argument(key)
        if foreign and not hint:
            hint = f"available: {', '.join(name for name in known if name not in OPTIONS)}"
        renamed = not foreign and (not hint or hint.startswith(("write ", "did you mean ")))
        fix = suggest_rename(key, known, hint, taken=written) if renamed else None
        self.problems.add(path, message, "CV010", hint, on_key=True, fix=fix)

    def report_missing_arguments(self, entry: Entry, absent: list[str], arguments: dict[str, Any]) -> None:
        """Report required arguments that are not given, except those that are given under a misspelt name.

        `absent` are the names of the required arguments that are not given, and `arguments` are the given ones.
        """
        # a missing argument may be there but misspelt: then it has already been reported, with the right name
        known = entry.list_argument_names() or ()
        strangers = [key for key in arguments if key not in OPTIONS and key not in known]
        absent = [
            name for name in absent if not any(name in key_hint(key, [name], value=arguments[key]) for key in strangers)
        ]
        if absent:
            message = f"{entry.word} needs {' and '.join(absent)}"
            example = f"- {entry.word}: {{{', '.join(f'{name}: …' for name in absent)}}}"
            hint = f"add {'it' if len(absent) == 1 else 'them'}, as in {example}"
            self.problems.add(entry.word_path, message, "CV012", hint, on_key=True)
            entry.broken = True

    def report_wrong_arguments(self, entry: Entry, arguments: Any) -> None:
        """Report a value or list in place of a mapping of arguments, such as `conv: [8, 3]`."""
        hint = _suggest_argument_names(entry, arguments)
        word = entry.word
        message = f"the arguments of {word} must be a mapping; got {show(arguments)}"
        self.problems.add(entry.word_path, message, "CV013", hint)

    def report_wrong_merge(self, entry: Entry) -> None:
        """Report a `merge` that is not add, multiply or concat."""
        # `sum` is a layer kind, which adds the values along an axis, so it has no hint as a word of another tool
        hint = "write add" if entry.merge == "sum" else kind_hint(str(entry.merge), MERGES)[1]
        message = f"merge must be add, multiply or concat; got {show(entry.merge)}"
        self.problems.add((*entry.path, "merge"), message, "CV013", hint if "layers" not in hint else "")


def _suggest_argument_names(entry: Entry, written: Any) -> str:
    """Return a hint with the argument names for an entry such as `conv: [8, 3]`, which lacks them."""
    word = entry.word
    if word.startswith("$"):
        return "name the argument, because the layer kind comes from a parameter"
    if entry.block is not None:
        required = [name for name, default in entry.block.parameters.items() if default is None]
        names = required or list(entry.block.parameters)[:1]
    elif entry.kind is not None and entry.kind.reads_many:
        return f"write - {word}: [previous, {written}]" if isinstance(written, str) else "name the inputs in a list"
    else:
        names = [] if entry.kind is None else list_required(entry.kind.keys)
        if entry.kind is not None and entry.kind.main and not names:
            names = [entry.kind.main]
    if not names:
        return f"write - {word}"
    values = _split_numbers(written) if isinstance(written, str) else written
    if not isinstance(values, list) or len(values) < len(names):
        values = [written]
    given = _assign_values(entry, names, values)
    if not given:
        example = ", ".join(f"{name}: {_EXAMPLE_VALUES.get(name, '…')}" for name in names)
        return f"give the arguments by name, as in - {word}: {{{example}}}"
    due = {name: _EXAMPLE_VALUES.get(name, "…") for name in names[len(given) :]}
    example = f"- {word}: {{{', '.join(f'{name}: {value}' for name, value in {**given, **due}.items())}}}"
    return f"give the arguments by name, as in {example}" if "…" in due.values() else f"write {example}"


def _needs_argument_name(entry: Entry, written: Any) -> bool:
    """Return whether `written` lacks the name of its argument, as in `conv: 8`; `linear: 8` is a valid short form."""
    mapped = written is None or written is UNKNOWN or isinstance(written, dict)
    return entry.kind is not None and not mapped and not has_short_form(entry.kind, written)


def _split_numbers(written: str) -> list[Any] | None:
    """Return the numbers of a text such as "16, 3" as a list; None if the text has any other characters."""
    numbers = [read_plain_scalar(item.strip()) for item in written[:_MOST_NUMBERS].split(",")]
    return numbers if all(map(is_number, numbers)) else None


def _assign_values(entry: Entry, required: list[str], values: list[Any]) -> dict[str, str]:
    """Return argument names with values as YAML text: [8, 3] of a conv is {"out_channels": "8", "kernel_size": "3"}.

    The required arguments get the first values. Return {} if there are too many values, or if one is invalid for its
    argument.
    """
    if entry.kind is None:
        names = list(required) if entry.block is None else [*dict.fromkeys([*required, *entry.block.parameters])]
    else:
        names = list(dict.fromkeys([*required, *entry.kind.keys]))
    if len(values) > len(names):
        return {}
    for name, value in zip(names, values, strict=False):
        if entry.kind is not None and not _is_valid_argument(entry.kind.keys[name], value):
            return {}
    return dict(zip(names, map(format_value, values), strict=False))


def _is_valid_argument(key: Key[Any], value: Any) -> bool:
    """Return whether a value is valid for an argument; an expression such as $width always is."""
    try:
        key.read(value, None)
    except Flaw:
        return isinstance(value, str) and value.startswith("$")
    return True


def _find_unnamed_sequence(written: dict[str, Any]) -> str | None:
    """Return the key that must be `sequence` in an entry such as `{repeat: 3, layers: […]}`: "layers".

    Return None if the entry does not have the option `repeat` and a single list of entries.
    """
    others = [key for key in written if key not in OPTIONS]
    if "repeat" not in written or len(others) != 1 or not isinstance(written[others[0]], list):
        return None
    return others[0] if kind_hint(others[0], [*KINDS, *LISTS])[0] in (None, "sequence") else None


def _is_kind_or_block(key: str, visible: "Visible") -> bool:
    """Return whether a key is a layer kind, a block, or a parameter such as $act that can name either."""
    return key in KINDS or key in visible.blocks or key.startswith("$")
