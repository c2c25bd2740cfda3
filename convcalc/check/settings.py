"""What is checked: rules and limits, from a configuration file, the spec and the command line."""

import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from convcalc.check.rule import Rule
from convcalc.network import Limit
from convcalc.problems import Flaw, did_you_mean, shown
from convcalc.spec import budget

SEVERITIES = ("error", "warning", "note")
FILES = ("convcalc.toml", "pyproject.toml")


class WrongConfiguration(ValueError):
    """A configuration file says what it cannot say."""


class Settings(NamedTuple):
    """Rules chosen and left out, in the order in which they are said, and limits set outside of any spec."""

    choices: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = ()  # select and ignore, level by level
    limits: tuple[Limit, ...] = ()
    fail_on: str = "warning"

    def with_choice(self, select: Iterable[str], ignore: Iterable[str]) -> "Settings":
        """The settings with a further level of select and ignore, which wins over those before."""
        return self._replace(choices=(*self.choices, (tuple(select), tuple(ignore))))

    def enabled(self, rules: Mapping[str, type[Rule]]) -> list[type[Rule]]:
        """The rules that are on: those by default, and level by level what is selected, less what is ignored."""
        on = {code: rule.default for code, rule in rules.items()}
        for select, ignore in self.choices:
            for codes, value in ((select, True), (ignore, False)):
                on.update((code, value) for code in on if any(code.startswith(prefix) for prefix in codes))
        return [rules[code] for code in sorted(on) if on[code]]


def limit_of(name: str, value: Any, origin: str) -> Limit:
    """A limit by its option's name, `max-params` or `min-receptive-field`. Raises Flaw."""
    bound, _, metric = name.replace("-", "_").partition("_")
    if bound not in ("max", "min") or metric not in budget.LIMITED:
        names = [f"{side}-{known.replace('_', '-')}" for known in budget.LIMITED for side in ("max", "min")]
        raise Flaw(f"no setting {shown(name)}", did_you_mean(name, [*names, "select", "ignore", "fail-on", "per-path"]))
    number = budget.quantity(metric, value)
    least, most = (number, None) if bound == "min" else (None, number)
    return Limit(metric, least, most, (), origin=origin)


def codes_of(key: str, value: Any, rules: Mapping[str, type[Rule]]) -> tuple[str, ...]:
    """Codes, or the beginnings of codes. Raises Flaw."""
    if not isinstance(value, list) or not all(isinstance(code, str) for code in value):
        raise Flaw(f"{key} takes a list of rule codes, not {shown(value)}", "write [CV201]")
    for code in value:
        if not any(known.startswith(code) for known in rules) or not code.startswith("CV"):
            raise Flaw(f"no rule {shown(code)}", did_you_mean(code, rules) or "convcalc rules lists them")
    return tuple(value)


# -- configuration files


def nearest_configuration(file: str) -> str | None:
    """The configuration nearest to a file, upward: convcalc.toml, or a pyproject.toml with [tool.convcalc]."""
    folder = os.path.dirname(os.path.abspath(file))
    while True:
        for name in FILES:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and table_of(path) is not None:
                return path
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent


def table_of(path: str) -> dict[str, Any] | None:
    """The table of a configuration file, None where a pyproject.toml has none. Raises WrongConfiguration."""
    try:
        with open(path, "rb") as stream:
            whole = tomllib.load(stream)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WrongConfiguration(f"{path}: {error}") from None
    if os.path.basename(path) != "pyproject.toml":
        return whole
    table = whole.get("tool", {}).get("convcalc")
    return table if isinstance(table, dict) else None


def configured(path: str, file: str, rules: Mapping[str, type[Rule]]) -> Settings:
    """The settings of a configuration file for a checked file. Raises WrongConfiguration."""
    table = table_of(path) or {}
    settings = of_table(table, path, rules)
    patterns = table.get("per-path", {})
    if not isinstance(patterns, dict):
        raise WrongConfiguration(place(path, "per-path") + "per-path takes tables by pattern")
    relative = os.path.relpath(os.path.abspath(file), os.path.dirname(os.path.abspath(path))).replace(os.sep, "/")
    for pattern, inner in patterns.items():
        if not isinstance(inner, dict):
            raise WrongConfiguration(place(path, pattern) + f"per-path takes a table for {shown(pattern)}")
        more = of_table(inner, path, rules)
        if fnmatchcase(relative, pattern):
            settings = Settings(settings.choices + more.choices, settings.limits + more.limits, more.fail_on)
    return settings


def of_table(table: dict[str, Any], path: str, rules: Mapping[str, type[Rule]]) -> Settings:
    """The settings of one table. Raises WrongConfiguration."""
    chosen: dict[str, tuple[str, ...]] = {"select": (), "ignore": ()}
    limits, fail_on = [], "warning"
    for key, value in table.items():
        try:
            if key in chosen:
                chosen[key] = codes_of(key, value, rules)
            elif key == "fail-on":
                fail_on = severity(value)
            elif key != "per-path":
                limits.append(limit_of(key, value, f"{key} in {os.path.basename(path)}"))
        except Flaw as flaw:
            hint = f" ({flaw.hint})" if flaw.hint else ""
            raise WrongConfiguration(f"{place(path, key)}{flaw.message}{hint}") from None
    return Settings(((chosen["select"], chosen["ignore"]),), tuple(limits), fail_on)


def severity(value: Any) -> str:
    """A severity. Raises Flaw."""
    if value not in SEVERITIES:
        raise Flaw(f"fail-on takes error, warning or note, not {shown(value)}", did_you_mean(str(value), SEVERITIES))
    return str(value)


def place(path: str, key: str) -> str:
    """`file:line: ` of a key, as far as it is found."""
    with open(path, encoding="utf-8") as stream:
        for number, line in enumerate(stream, 1):
            if re.match(rf"\s*\[?.*[\"']?{re.escape(key)}\b", line):
                return f"{path}:{number}: "
    return f"{path}: "
