"""Compiles the entries of a spec to `Entry` objects, with all checks that do not need shapes.

Each entry of the text is compiled once, however often it is expanded. Its layer kind or block, the names of its
arguments and options, and the syntax and names of its expressions are checked here; the values of its arguments are
checked when it is expanded. For example, the misspelt name in `conv: {out_channel: 8}` is reported here, but the wrong
value in `conv: {out_channels: -8}` when a layer is made from the entry.
"""

from collections.abc import Container
from typing import TYPE_CHECKING, Any

from convcalc.arguments import list_required
from convcalc.layers import KINDS
from convcalc.problems import Path, shorten, show
from convcalc.spec.document import UNKNOWN, Document
from convcalc.spec.entries import (
    LISTS,
    MERGES,
    MOST_NAME,
    OPTIONS,
    RESERVED_LAYERS,
    Block,
    Body,
    Compiled,
    Computed,
    Entry,
    has_short_form,
    is_layer_name,
    is_parameter_name,
)
from convcalc.spec.problem_list import Problems
from convcalc.spec.templates import Template
from convcalc.spec.values import AMBIGUOUS_INDEX, ValueCompiler, describe_unknown_name

if TYPE_CHECKING:
    from convcalc.spec.entry_mistakes import EntryMistakes


class Visible:
    """The names that an entry can refer to.

    `names` are parameters. `blocks` are the blocks above the entry by name, and `all_blocks` has the names of all
    blocks. Inside repeats, `counts` are the names of their counts, outermost first: `level` for `repeat: {level: 3}`,
    "index" for `repeat: 3`. `reading` are the names that the entry's expressions can use: the parameters, $in_channels
    and the counts. $index is one of them only inside a single repeat, because it would be ambiguous inside two.
    """

    __slots__ = ("all_blocks", "blocks", "counts", "names", "reading")

    def __init__(
        self,
        names: frozenset[str],
        blocks: dict[str, Block],
        all_blocks: Container[str],
        counts: tuple[str, ...] = (),
    ) -> None:
        self.names = names
        self.blocks = blocks
        self.all_blocks = all_blocks
        self.counts = counts
        own = {"in_channels", *(count for count in counts if count != "index")}
        if counts:
            own.add("index" if len(counts) == 1 else AMBIGUOUS_INDEX)
        self.reading = names | own

    def inside_repeat(self, count: str | None) -> "Visible":
        """Return a copy with one more count, for the entries inside a repeat.

        `count` is the name of the count, None if it has no name and is only available as $index.
        """
        return Visible(self.names, self.blocks, self.all_blocks, (*self.counts, count or "index"))


class EntryCompiler:
    """Compiles the entries of one document."""

    def __init__(self, document: Document, problems: Problems, values: ValueCompiler) -> None:
        self.document = document
        self.problems = problems
        self.values = values

    def compile_body(self, entries: Any, path: Path, visible: Visible, hint: str = "begin each entry with -") -> Body:
        """Return the compiled entries of a list; if `entries` is not a list, report that with `hint`."""
        if not isinstance(entries, list):
            if entries is not UNKNOWN:
                message = f"expected a list of entries; got {show(entries)}"
                on_key = isinstance(entries, dict) or entries is None
                self.problems.add(path, message, "CV013", hint, on_key=on_key)
            return Body([])
        compiled = [self.compile_entry(entry, (*path, index), visible) for index, entry in enumerate(entries)]
        ordinals: dict[str, int] = {}
        for entry in compiled:
            ordinals[entry.word] = entry.ordinal = ordinals.get(entry.word, 0) + 1
        return Body(compiled)

    def compile_entry(self, written: Any, path: Path, visible: Visible) -> Entry:
        """Return one compiled entry; mistakes are reported.

        An entry is a word (`relu`), a word with arguments (`conv: {…}`), or a mapping with branches or a sequence.
        """
        line = self.document.line(path)
        if isinstance(written, str):
            entry = Entry(path, written, path, line)
            self._compile_kind_or_block(entry, {}, visible)
            return entry
        if isinstance(written, dict) and written:
            for word in LISTS:
                if word in written:
                    return self._compile_list_entry(written, word, path, line, visible)
            if len(written) == 1:
                [(word, arguments)] = written.items()
                entry = Entry(path, word, (*path, word), line)
                self._compile_kind_or_block(entry, arguments, visible)
                return entry
            entry = _make_broken_entry(path, line)
            self._import_mistake_reporter().report_crowded_entry(entry, written, visible)
            return entry
        if written is not UNKNOWN:
            example = "for example: - relu, or - conv: {out_channels: 64, kernel_size: 3}"
            self.problems.add(
                path, f"an entry must be a layer kind with its arguments; got {show(written)}", "CV013", example
            )
        return _make_broken_entry(path, line)

    def _compile_kind_or_block(self, entry: Entry, arguments: Any, visible: Visible) -> None:
        word = entry.word
        if word in visible.blocks:
            entry.block = visible.blocks[word]
        elif word in KINDS:
            entry.kind = KINDS[word]
        elif word.startswith("$"):
            self._compile_dynamic_word(entry, visible)
        else:
            entry.broken = True
            self._import_mistake_reporter().report_unknown_word(entry, word, entry.word_path, arguments, visible)
        by_name = self._read_arguments(entry, arguments)
        if by_name is None:
            entry.broken = True
        else:
            self._compile_arguments(entry, by_name, visible)

    def _read_arguments(self, entry: Entry, written: Any) -> dict[str, Any] | None:
        """Return the arguments and options of an entry by name; None if its value is not valid.

        Valid are a mapping, no value, and the short form, such as `linear: 10`.
        """
        if isinstance(written, dict):
            return written
        if written is None:
            return {}
        if written is UNKNOWN:
            return None
        if has_short_form(entry.kind, written) and not _is_text_of_numbers(written):
            assert entry.kind is not None
            entry.short = entry.kind.main
            return {entry.short: written}
        if not entry.broken:
            self._import_mistake_reporter().report_wrong_arguments(entry, written)
        return None

    def _compile_dynamic_word(self, entry: Entry, visible: Visible) -> None:
        """Compile an entry with a parameter as its layer kind, such as `- $act`."""
        name = entry.word[1:]
        if not is_parameter_name(name):
            message = f"{shorten(entry.word)} is not a layer kind"
            inner = name.strip("() ")
            hint = f"write ${inner}" if inner in visible.names else "a parameter that is a layer kind is written $name"
            self.problems.add(entry.word_path, message, "CV011", hint, on_key=True)
            entry.broken = True
        elif name not in visible.names:
            self.problems.add(entry.word_path, *describe_unknown_name(name, visible.names), on_key=True)
            entry.broken = True
        else:
            entry.blocks, entry.block_limit = visible.blocks, len(visible.blocks)

    def _compile_arguments(self, entry: Entry, arguments: dict[str, Any], visible: Visible) -> None:
        """Compile the options and arguments of an entry; report unknown and missing arguments."""
        known = entry.list_argument_names()
        names = self._compile_repeat(entry, arguments, visible).reading
        guessed = entry.broken  # for a wrong word, the kind is only the most likely one
        given = {}
        for key, value in arguments.items():
            if key in OPTIONS:
                self._compile_option(entry, key, value, visible, names)
            elif known is not None and key not in known:
                message = f"{entry.word} has no argument {show(key)}"
                place = entry.argument_path(key)
                self._import_mistake_reporter().report_unknown_key(
                    place, message, [*known, *OPTIONS], arguments, entry.word
                )
                entry.broken = True
            elif value is None:
                self.problems.add(entry.argument_path(key), f"{key} has no value", "CV012", on_key=True)
                given[key] = UNKNOWN
            else:
                given[key] = self.values.compile_value(value, entry.argument_path(key), names)
        entry.arguments = given
        entry.literal = all(_has_no_expression(value) for value in given.values())
        if not guessed:
            self._check_required_arguments(entry, arguments)

    def _check_required_arguments(self, entry: Entry, arguments: dict[str, Any]) -> None:
        if entry.kind is not None:
            required = list_required(entry.kind.keys)
        elif entry.block is not None:
            required = [name for name, default in entry.block.parameters.items() if default is None]
        else:
            return
        if getattr(arguments, "incomplete", False):
            entry.broken = True
            return
        absent = [name for name in required if name not in arguments]
        if absent:
            self._import_mistake_reporter().report_missing_arguments(entry, absent, arguments)

    def _compile_option(self, entry: Entry, key: str, value: Any, visible: Visible, names: frozenset[str]) -> None:
        """Compile an option other than `repeat`; `names` are the names that its expressions can use."""
        if key == "repeat":
            return  # already compiled: it decides which names the other options can use
        path = entry.option_path(key)
        if value is None:
            self.problems.add(path, f"{key} has no value", "CV012", on_key=True)
            entry.options[key] = UNKNOWN
            return
        if key == "name":
            names = visible.reading
        elif key == "from":
            names = names - {"in_channels"}
        entry.options[key] = self.values.compile_value(value, path, names)

    def _compile_repeat(self, entry: Entry, written: dict[str, Any], visible: Visible) -> Visible:
        """Compile the option `repeat`, and return the names that the entry's arguments and inner entries can refer to.

        Without this option, these are the names in `visible`.
        """
        if "repeat" not in written:
            return visible
        value, path = written["repeat"], entry.option_path("repeat")
        if isinstance(value, dict):
            if len(value) != 1:
                message = f"repeat must be a count, or one name with its count; got {show(value)}"
                self.problems.add(path, message, "CV013", "write {level: 3}")
                entry.options["repeat"] = UNKNOWN
                return visible.inside_repeat(None)
            [(name, value)] = value.items()
            path = (*path, name)
            self._check_count_name(name, path, visible)
            entry.counter = name
        if value is None:
            self.problems.add(path, f"{path[-1]} has no value", "CV012", on_key=True)
            value = UNKNOWN
        entry.options["repeat"] = self.values.compile_value(value, path, visible.reading)
        return visible.inside_repeat(entry.counter)

    def _check_count_name(self, name: str, path: Path, visible: Visible) -> None:
        """Report the name of a repeat's count if it is invalid, reserved, or already a parameter or outer count."""
        self.values.check_parameter_name(name, path, "count")
        if name in visible.names or name in visible.counts:
            other = "a parameter" if name in visible.names else "the count of a repeat around this one"
            self.problems.add(path, f"{show(name)} is already {other}", "CV015", "choose another name", on_key=True)

    def _compile_list_entry(
        self, written: dict[str, Any], word: str, path: Path, line: int | None, visible: Visible
    ) -> Entry:
        entry = Entry(path, word, (*path, word), line)
        allowed = [word, *OPTIONS, *(["merge"] if word == "branches" else [])]
        inside = self._compile_repeat(entry, written, visible)
        names = inside.reading
        for key, value in written.items():
            if key in OPTIONS:
                self._compile_option(entry, key, value, visible, names)
            elif key not in allowed:
                message = f"{word} has no option {show(key)}"
                self._import_mistake_reporter().report_unknown_key((*path, key), message, allowed, written)
        if word == "sequence":
            entry.bodies = [self.compile_body(written[word], (*path, word), inside)]
            entry.broken = not isinstance(written[word], list)
        else:
            self._compile_branches(entry, written, names, inside)
        return entry

    def _compile_branches(self, entry: Entry, written: dict[str, Any], names: frozenset[str], visible: Visible) -> None:
        path, branches = (*entry.path, "branches"), written["branches"]
        misplaced = isinstance(branches, dict) and any(key in (*OPTIONS, "merge") for key in branches)
        if misplaced:
            message = "branches holds only branches; merge and the options are keys next to branches"
            self.problems.add(
                path, message, "CV013", "move them: - branches: […] and, on the next line, merge: add", on_key=True
            )
            entry.broken = True
            return
        if not isinstance(branches, list | dict) or len(branches) < 2:
            entry.broken = True
            if branches is not UNKNOWN:
                single = isinstance(branches, list | dict) and len(branches) == 1
                found = "one" if single else show(branches)
                hint = "use sequence for a single branch" if single else ""
                message = f"branches must be a list or mapping of at least two branches; got {found}"
                self.problems.add(path, message, "CV013", hint, on_key=True)
        else:
            by_step = branches if isinstance(branches, dict) else dict(enumerate(branches))
            entry.branches = list(by_step)
            entry.bodies = [
                self.compile_body(branch, (*path, step), visible, *_suggest_list_of_entries(step, branch))
                for step, branch in by_step.items()
            ]
            entry.broken = not all(isinstance(branch, list) for branch in by_step.values())
            for name in branches if isinstance(branches, dict) else ():
                self._check_branch_name(name, (*path, name))
        entry.merge = self.values.compile_value(written.get("merge"), (*entry.path, "merge"), names)
        if entry.merge is None:
            self.problems.add(path, "branches needs merge", "CV012", "add merge: add, multiply or concat", on_key=True)
            entry.broken = True
        elif _has_no_expression(entry.merge) and entry.merge not in MERGES:
            self._import_mistake_reporter().report_wrong_merge(entry)
            entry.broken = True

    def _check_branch_name(self, name: str, path: Path) -> None:
        if not is_layer_name(name) or len(name) > MOST_NAME:
            too_long = len(name) > MOST_NAME
            hint = f"use at most {MOST_NAME} characters" if too_long else "use a letter, then letters, digits, _ and -"
            self.problems.add(path, f"{show(name)} is not a valid name of a branch", "CV015", hint, on_key=True)
        elif name in RESERVED_LAYERS or name in MERGES:
            message = f"{name} is reserved and cannot be the name of a branch"
            self.problems.add(path, message, "CV015", on_key=True)

    def _import_mistake_reporter(self) -> "EntryMistakes":
        from convcalc.spec.entry_mistakes import EntryMistakes

        return EntryMistakes(self.problems)


def _is_text_of_numbers(written: Any) -> bool:
    """Return whether a value is a text of numbers separated by commas, such as "2, 2"."""
    return isinstance(written, str) and "," in written and not written.strip("0123456789., +-")


def _suggest_list_of_entries(step: str | int, branch: Any) -> tuple[str, ...]:
    """Return a hint as `(hint,)` if a branch without a name is not a list of entries; otherwise ()."""
    if isinstance(step, str) or not isinstance(branch, dict | str) or not branch:
        return ()
    begin = f"- - {branch}" if isinstance(branch, str) else f"- - {shorten(next(iter(branch)))}: …"
    return (f"each branch is a list of entries: begin it with {begin}, or name the branches",)


def _make_broken_entry(path: Path, line: int | None) -> Entry:
    """Return a placeholder for an entry that could not be read; its output is unknown."""
    entry = Entry(path, "", path, line)
    entry.broken = True
    return entry


def _has_no_expression(value: Compiled) -> bool:
    return not isinstance(value, Template | Computed) and value is not UNKNOWN
