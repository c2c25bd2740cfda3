"""Compiles written values: parses the expressions in them, and checks the names that the expressions use.

For example, "$(2 * width)" becomes a `Template`, [8, "$width"] a `Computed` list, and 8 stays 8.
"""

import re
from typing import Any

from convcalc.problems import Path, find_nearest, shorten, show
from convcalc.spec.document import UNKNOWN
from convcalc.spec.entries import MOST_NAME, RESERVED_NAMES, Compiled, Computed, is_parameter_name
from convcalc.spec.expressions import WrongExpression
from convcalc.spec.problem_list import Problems
from convcalc.spec.templates import Template, compile_text

AMBIGUOUS_INDEX = "index of several repeats"  # not a real name: marks that $index is ambiguous


class ValueCompiler:
    """Compiles the expressions in values; a value with a mistake is reported, and becomes UNKNOWN."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems

    def compile_value(self, value: Any, path: Path, names: frozenset[str]) -> Compiled:
        """Return a value with its expressions compiled; `names` are the names that the expressions can use."""
        if isinstance(value, str):
            return self._compile_text(value, path, names) if "$" in value else value
        if isinstance(value, list):
            items = [self.compile_value(item, (*path, index), names) for index, item in enumerate(value)]
            if any(item is UNKNOWN for item in items):
                return UNKNOWN
            return Computed(items) if any(isinstance(item, Template | Computed) for item in items) else items
        return value

    def compile_parameter(self, default: Any, path: Path, names: frozenset[str]) -> Compiled:
        """Return the compiled default of a parameter; None if `default` is None, and UNKNOWN after reporting a mistake.

        A default is a number, true, false, a text or a list.
        """
        if not holds_only_values(default) and default is not None:
            message = f"a parameter must be a number, true, false, text or a list; got {show(default)}"
            self.problems.add(path, message, "CV013")
            return UNKNOWN
        return self.compile_value(default, path, names)

    def check_parameter_name(self, name: str, path: Path, owner: str = "parameter") -> None:
        """Report a name that is invalid or reserved, of a parameter or of the count of a repeat.

        `owner` is the word for it in the message: "parameter" or "count".
        """
        if not is_parameter_name(name) or len(name) > MOST_NAME:
            message, hint = f"{show(name)} is not a valid {owner} name", "use a letter, then letters, digits and _"
            self.problems.add(path, message, "CV015", hint, on_key=True)
        elif name in RESERVED_NAMES:
            self.problems.add(path, f"{name} is reserved and cannot be the name of a {owner}", "CV015", on_key=True)

    def _compile_text(self, text: str, path: Path, names: frozenset[str]) -> Compiled:
        try:
            template = compile_text(text)
        except WrongExpression as flaw:
            self.problems.add_flaw(path, flaw)
            return UNKNOWN
        if isinstance(template, str):
            return template
        unknown = [name for name in template.names if name not in names]
        for name in unknown:
            start, end = template.names[name]
            compared = _is_name_compared(text[:start], text[end:])
            self.problems.add(path, *describe_unknown_name(name, names, compared), within=(start, end))
        return UNKNOWN if unknown else template


def describe_unknown_name(name: str, names: frozenset[str], compared: bool = False) -> tuple[str, str, str]:
    """Return the message, code and hint for an unknown name in an expression; `names` are the available names.

    `compared` is true if the name is compared with == or !=: it may be a text that lacks its quotes.
    """
    if name == "index" and AMBIGUOUS_INDEX in names:
        message = "$index is ambiguous: more than one repeat is around it"
        return message, "CV014", "name the counts, such as repeat: {level: 3}, and write $level"
    if name == "index":
        return "$index is available only inside a repeat", "CV014", ""
    if name == "in_channels":
        return "$in_channels (the channels of an entry's input) is not available here", "CV014", ""
    close = find_nearest(name, names - {AMBIGUOUS_INDEX})
    hint = f"did you mean {close}?" if close else _suggest_for_unknown_name(name, names, compared)
    return f"unknown parameter {show(name)}", "CV014", hint


def _is_name_compared(before: str, after: str) -> bool:
    """Return whether a name is compared with == or !=, and not part of arithmetic.

    `before` and `after` are the texts before and after the name in the expression.
    """
    calculated = re.search(r"[-+*/%]\s*$", before) or re.match(r"\s*[-+*/%]", after)
    return not calculated and bool(re.search(r"[=!]=\s*$", before) or re.match(r"\s*[=!]=", after))


def _suggest_for_unknown_name(name: str, names: frozenset[str], compared: bool) -> str:
    """Return a hint for a name that is not similar to any of `names`, such as `available: width, depth`.

    If it is compared, it may be a text without quotes; in a repeat, it may be the name of the count.
    """
    params = sorted(names - {"in_channels", AMBIGUOUS_INDEX})
    if "index" in names:
        return f"available: {', '.join(params)}; to name the count, use repeat: {{{shorten(name)}: 3}}"
    if compared and not params:
        return f"put text in quotes: '{shorten(name)}'"
    quotes = f"; or put text in quotes: '{shorten(name)}'" if compared else ""
    return f"available: {', '.join(params)}{quotes}" if params else f"declare it, as in params: {{{shorten(name)}: 8}}"


def list_names(compiled: Compiled) -> frozenset[str]:
    """Return the names in the expressions of a compiled value."""
    if isinstance(compiled, Template):
        return frozenset(compiled.names)
    items = compiled.items if isinstance(compiled, Computed) else ()
    return frozenset(name for item in items for name in list_names(item))


def holds_only_values(value: Any) -> bool:
    """Whether a value is a number, true, false, text or a list of these."""
    if isinstance(value, list):
        return all(map(holds_only_values, value))
    return value is not None and not isinstance(value, dict)
