"""Configuration files: find the one that applies to a spec, and read its settings.

These are `convcalc.toml`, and `pyproject.toml` with a `[tool.convcalc]` table.
"""

import os
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from convcalc import examples
from convcalc.check.rule import Rule
from convcalc.check.settings import KEYS, Settings, limit_of, read_codes, read_severity, rule_options
from convcalc.problems import Flaw, show
from convcalc.spec.files import STANDARD_INPUT

_FILES = ("convcalc.toml", "pyproject.toml")


class WrongConfiguration(ValueError):
    """A configuration file cannot be read or contains a wrong setting; the message has its place."""


class _Configuration(NamedTuple):
    """The settings of a configuration file: for all files below its folder, and for files that match a pattern."""

    folder: str
    settings: Settings
    patterns: tuple[tuple[str, Settings], ...] = ()

    def of(self, file: str) -> Settings:
        """Return the settings for a file; those of matching patterns win, later ones over earlier ones."""
        relative = os.path.relpath(os.path.abspath(file), self.folder).replace(os.sep, "/")
        settings = self.settings
        for pattern, more in self.patterns:
            if fnmatchcase(relative, pattern):
                settings = settings.then(more)
        return settings


class Configurations:
    """The configurations of many files; each configuration file is found and read once.

    `only` is a configuration file that applies to all; without it, the nearest one above each file applies.
    """

    def __init__(self, rules: Mapping[str, type[Rule]], only: str | None = None) -> None:
        if only is not None and not os.path.isfile(only):
            raise WrongConfiguration(f"{only}: no such file")
        self.rules = rules
        self.only = None if only is None else _read_configuration(only, read_table(only) or {}, rules)
        self.above: dict[str, _Configuration | None] = {}

    def of(self, file: str) -> Settings:
        """Return the settings for a file. Raises WrongConfiguration.

        Standard input and examples are treated as files in the current folder.
        """
        file = "." if file == STANDARD_INPUT or file.startswith(examples.PREFIX) else file
        found = self.only or self.nearest(os.path.dirname(os.path.abspath(file)))
        return Settings() if found is None else found.of(file)

    def nearest(self, folder: str) -> _Configuration | None:
        """Return the nearest configuration in a folder or above it, or None. Raises WrongConfiguration."""
        if folder not in self.above:
            parent = os.path.dirname(folder)
            here = self.inside(folder)
            self.above[folder] = here if here is not None or parent == folder else self.nearest(parent)
        return self.above[folder]

    def inside(self, folder: str) -> _Configuration | None:
        """Return the configuration in a folder, or None. Raises WrongConfiguration."""
        for name in _FILES:
            path = os.path.join(folder, name)
            table = read_table(path) if os.path.isfile(path) else None
            if table is not None:
                return _read_configuration(path, table, self.rules)
        return None


def read_table(path: str) -> dict[str, Any] | None:
    """Return the settings table of a configuration file, as a dict. Raises WrongConfiguration.

    Returns None for a pyproject.toml without [tool.convcalc].
    """
    import tomllib  # only if there is a configuration, because it costs start-up time

    try:
        with open(path, "rb") as stream:
            whole = tomllib.load(stream)
    except (OSError, ValueError, RecursionError) as error:  # an integer of 5000 digits is a plain ValueError
        raise WrongConfiguration(f"{path}: {error}") from None
    if os.path.basename(path) != "pyproject.toml":
        return whole
    tools = whole.get("tool")
    table = tools.get("convcalc") if isinstance(tools, dict) else None
    if table is not None and not isinstance(table, dict):
        raise WrongConfiguration(f"{_locate_key(path)}tool.convcalc must be a table; got {show(table)}")
    return table


def _read_configuration(path: str, table: dict[str, Any], rules: Mapping[str, type[Rule]]) -> _Configuration:
    """Return the configuration that a settings table describes. Raises WrongConfiguration."""
    settings = _read_settings(table, path, rules)
    patterns = table.get("per-path", {})
    if not isinstance(patterns, dict):
        raise WrongConfiguration(_locate_key(path, "per-path") + "per-path must contain one table per pattern")
    for pattern, inner in patterns.items():
        if not isinstance(inner, dict):
            raise WrongConfiguration(
                _locate_key(path, pattern) + f"per-path must have a table for {show(pattern)}; got {show(inner)}"
            )
        if "per-path" in inner:
            raise WrongConfiguration(_locate_key(path, pattern) + "per-path cannot be nested in a per-path table")
    more = tuple((pattern, _read_settings(inner, path, rules, pattern)) for pattern, inner in patterns.items())
    return _Configuration(os.path.dirname(os.path.abspath(path)), settings, more)


def _read_settings(table: dict[str, Any], path: str, rules: Mapping[str, type[Rule]], *above: str) -> Settings:
    """Return the settings of one table; `above` are the keys that lead to it. Raises WrongConfiguration."""
    chosen: dict[str, tuple[str, ...]] = {"select": (), "ignore": ()}
    limits, values, fail_on = [], {}, None
    options = rule_options(rules)
    for key, value in table.items():
        try:
            if key in chosen:
                chosen[key] = read_codes(key, value, rules)
            elif key == "fail-on":
                fail_on = read_severity(value)
            elif key in options:
                values[key] = options[key].read(value)
            elif key != "per-path":
                origin = f"{key} in {os.path.basename(path)}"
                limits.append(limit_of(key, value, origin, (*KEYS, *options)))
        except Flaw as flaw:
            hint = f" ({flaw.hint})" if flaw.hint else ""
            raise WrongConfiguration(f"{_locate_key(path, *above, key)}{flaw.message}{hint}") from None
    return Settings(((chosen["select"], chosen["ignore"]),), tuple(limits), fail_on, values)


def _locate_key(path: str, *keys: str) -> str:
    """Return `file:line: ` of the last of nested keys; `file: ` if a key is not found.

    tomllib reports no positions, so the keys are searched in the text, each from the line of the one before it.
    """
    with open(path, encoding="utf-8") as stream:
        lines = stream.read().split("\n")
    number = 0
    for key in ("tool.convcalc", *keys) if os.path.basename(path) == "pyproject.toml" else keys:
        pattern = re.compile(rf"(?:[^#]*[^\w#-])?{re.escape(key)}[\"']?\s*[\]=.]")
        found = next((at for at in range(number, len(lines)) if pattern.match(lines[at])), None)
        if found is None:
            return f"{path}: "
        number = found
    return f"{path}:{number + 1}: "
