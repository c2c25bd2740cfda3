"""Reads the key `space` of a spec: the values that a search may choose for its spec parameters.

For example, `kernel: {choices: [3, 5, 7], per: copy}` becomes Choices((3, 5, 7), True, …). Such a parameter has one
value for all copies of a repeat, or a list with one value for each copy, in the order in which the copies use it.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from convcalc.problems import Path, did_you_mean, shorten, show, suggest_rename
from convcalc.spec.document import UNKNOWN
from convcalc.spec.problem_list import Problems
from convcalc.spec.resolve import ChosenValues
from convcalc.spec.values import ValueCompiler, holds_only_values

_KEYS = ("choices", "per")
MOST_CHOICES = 1000
_EXAMPLE = "for example: depth: [2, 3, 4]"


class Choices(NamedTuple):
    """The values that a search may choose for a spec parameter, all different; `path` is their path in the spec.

    If `per_copy` is true, each copy of a repeat has a value of its own.
    """

    values: tuple[Any, ...]
    per_copy: bool
    path: Path

    def allows(self, value: Any) -> bool:
        """Return whether a value is one of the choices or, with `per_copy`, a list of them."""
        if self.per_copy and isinstance(value, list):
            return all(map(self._includes, value))
        return self._includes(value)

    def _includes(self, value: Any) -> bool:
        return any(is_same(value, choice) for choice in self.values)


def is_same(one: Any, other: Any) -> bool:
    """Return whether two values are equal; true and 1 are not."""
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


class SpaceReader:
    """Reads the choices of a spec; a mistake is reported, and the choices with the mistake are left out."""

    def __init__(self, problems: Problems, values: ValueCompiler) -> None:
        self.problems = problems
        self.values = values

    def read_space(self, root: Mapping[str, Any]) -> dict[str, Choices]:
        """Return the choices under the key `space`, by spec parameter."""
        written = root.get("space", {})
        if not isinstance(written, dict):
            if written is not UNKNOWN:
                message = f"space must be a mapping from spec parameters to their choices; got {show(written)}"
                self.problems.add(("space",), message, "CV013", _EXAMPLE)
            return {}
        found = {}
        for name, value in written.items():
            self.values.check_parameter_name(name, ("space", name))
            choices = self._read_choices(value, ("space", name))
            if choices is not None:
                found[name] = choices
        return found

    def _read_choices(self, written: Any, path: Path) -> Choices | None:
        """Return the choices of one spec parameter; None after reporting a mistake."""
        if written is None:
            self.problems.add(path, f"{path[-1]} has no choices", "CV012", _EXAMPLE, on_key=True)
            return None
        if not isinstance(written, dict):
            return self._check_values(written, path, per_copy=False)
        if not self._check_keys(written, path):
            return None
        per = written.get("per")
        if "per" in written and per != "copy":
            if per is not UNKNOWN:
                message = f"per must be copy; got {show(per)}"
                self.problems.add((*path, "per"), message, "CV013", "remove it for one value in the whole network")
            return None
        return self._check_values(written["choices"], (*path, "choices"), per_copy="per" in written)

    def _check_keys(self, written: dict[str, Any], path: Path) -> bool:
        """Return whether a mapping has only known keys, and `choices` among them; report its mistakes."""
        unknown = [key for key in written if key not in _KEYS]
        for key in unknown:
            hint = did_you_mean(key, _KEYS) or f"available: {', '.join(_KEYS)}"
            fix = suggest_rename(key, _KEYS, taken=written)
            message = f"unknown key {show(key)} in the choices of {shorten(str(path[-1]))}"
            self.problems.add((*path, key), message, "CV010", hint, on_key=True, fix=fix)
        if not unknown and "choices" not in written:
            message = f"{shorten(str(path[-1]))} needs choices"
            self.problems.add(path, message, "CV012", "for example: {choices: [3, 5, 7], per: copy}", on_key=True)
        return not unknown and "choices" in written

    def _check_values(self, written: Any, path: Path, per_copy: bool) -> Choices | None:
        """Return the choices in a list; None after reporting that it is not a list of different values."""
        if written is UNKNOWN:
            return None
        if not isinstance(written, list) or not written:
            hint = f"write [{written}]" if holds_only_values(written) and not isinstance(written, list) else _EXAMPLE
            message = f"choices must be a list of at least one value; got {show(written)}"
            self.problems.add(path, message, "CV013", hint)
            return None
        if len(written) > MOST_CHOICES:
            message = f"{len(written):,} choices; at most {MOST_CHOICES:,} are allowed"
            self.problems.add(path, message, "CV004", on_key=True)
            return None
        is_valid = [
            self._check_value(value, written[:index], (*path, index), per_copy) for index, value in enumerate(written)
        ]
        return Choices(tuple(written), per_copy, path) if all(is_valid) else None

    def _check_value(self, value: Any, above: list[Any], path: Path, per_copy: bool) -> bool:
        """Return whether one choice is valid, and differs from those above it; report a mistake."""
        if value is UNKNOWN:
            return False
        if not holds_only_values(value) or (per_copy and isinstance(value, list)):
            also = "" if per_copy else ", or a list of these"
            message = f"a choice must be a number, true, false or text{also}; got {show(value)}"
            self.problems.add(path, message, "CV013")
        elif _holds_expression(value):
            message = f"a choice cannot contain an expression; got {show(value)}"
            self.problems.add(path, message, "CV013", "write the values themselves")
        elif any(is_same(value, other) for other in above):
            self.problems.add(path, f"the choice {show(value)} is listed twice", "CV015")
        else:
            return True
        return False


def _holds_expression(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_holds_expression, value))
    return isinstance(value, str) and "$" in value


class CopyValues(ChosenValues):
    """The values of the spec parameters that have one value per copy, while a network is expanded.

    `lists` are the parameters that are given as lists; the copies take the values of a list in the order in which they
    use them. `per_copy` are the names of all parameters with a value per copy. `lookups` counts the values looked up.
    """

    def __init__(self, lists: dict[str, list[Any]], per_copy: frozenset[str]) -> None:
        self.lists = lists
        self.per_copy = per_copy
        self.lookups = 0
        self.copies: dict[str, dict[str, int]] = {name: {} for name in lists}  # the position of each copy

    def __contains__(self, name: str) -> bool:
        return name in self.lists

    def find(self, name: str, copy: str) -> Any:
        """Return the value of a parameter in one copy of a repeat; UNKNOWN if its list is too short.

        `copy` is the full name of the copy, such as `stage1.conv1.0`; outside of repeats it is "".
        """
        self.lookups += 1
        position = self.copies[name].setdefault(copy, len(self.copies[name]))
        values = self.lists[name]
        return values[position] if position < len(values) else UNKNOWN

    def report_lengths(self, problems: Problems, paths: Mapping[str, Path]) -> None:
        """Report each list whose number of values differs from the number of copies that use it."""
        for name, values in self.lists.items():
            used = len(self.copies[name])
            if used != len(values):
                given = f"{len(values):,} value{'' if len(values) == 1 else 's'}"
                message = f"{shorten(name)} has {given}, but {used:,} {'copy uses' if used == 1 else 'copies use'} it"
                hint = "give one value per copy, in the order of the network, or a single value for all"
                problems.add(paths[name], message, "CV013", hint)
