"""Finds the configuration file that applies to a spec, and reads its settings.

A configuration file is a `convcalc.toml`, or a `pyproject.toml` with a `[tool.convcalc]` table.
"""

import os
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from convcalc import examples
from convcalc.check.rule import Rule
from convcalc.check.settings import KEYS, Settings, read_codes, read_limit, read_severity, rule_options
from convcalc.problems import Flaw, show
from convcalc.spec.files import STANDARD_INPUT

_FILES = ("convcalc.toml", "pyproject.toml")


class WrongConfiguration(ValueError):
    """Raised if a configuration file cannot be read or contains a wrong setting; the message says where."""


class _Configuration(NamedTuple):
    """The settings in a configuration file: for all specs in or below its folder, and for specs that match a pattern.

    Settings for a matching pattern override the settings for all specs. If several patterns match, the last one wins.
    """

    folder: str
    settings: Settings
    patterns: tuple[tuple[str, Settings], ...] = ()

    def of(self, file: str) -> Settings:
        relative = os.path.relpath(os.path.abspath(file), self.folder).replace(os.sep, "/")
        settings = self.settings
        for pattern, more in self.patterns:
            if fnmatchcase(relative, pattern):
                settings = settings.then(more)
        return settings


class Configurations:
    """Looks up the settings for many spec files, and reads each configuration file only once.

    If `only` names a configuration file, that file applies to all specs. Otherwise, the configuration file in the
    folder of a spec applies or, if there is none, the one in the nearest folder above.
    """

    def __init__(self, rules: Mapping[str, type[Rule]], only: str | None = None) -> None:
        if only is not None and not os.path.isfile(only):
            raise WrongConfiguration(f"{only}: no such file")
        self.rules = rules
        self.only = None if only is None else _make_configuration(only, read_table(only) or {}, rules)
        self.above: dict[str, _Configuration | None] = {}

    def of(self, file: str) -> Settings:
        """Return the settings for a spec file.

        Standard input and examples are treated as files in the current folder. Raises WrongConfiguration if the
        configuration file that applies cannot be read or has a wrong setting.
        """
        file = "." if file == STANDARD_INPUT or file.startswith(examples.PREFIX) else file
        found = self.only or self.nearest(os.path.dirname(os.path.abspath(file)))
        return Settings() if found is None else found.of(file)

    def nearest(self, folder: str) -> _Configuration | None:
        """Return the configuration in `folder` or in the nearest folder above that has one; None if there is none.

        Raises WrongConfiguration if the configuration file cannot be read or has a wrong setting.
        """
        if folder not in self.above:
            parent = os.path.dirname(folder)
            here = self.inside(folder)
            self.above[folder] = here if here is not None or parent == folder else self.nearest(parent)
        return self.above[folder]

    def inside(self, folder: str) -> _Configuration | None:
        """Return the configuration in a folder; None if there is none.

        Raises WrongConfiguration if the configuration file cannot be read or has a wrong setting.
        """
        for name in _FILES:
            path = os.path.join(folder, name)
            table = read_table(path) if os.path.isfile(path) else None
            if table is not None:
                return _make_configuration(path, table, self.rules)
        return None


def read_table(path: str) -> dict[str, Any] | None:
    """Return the table of settings in a configuration file; None for a pyproject.toml without [tool.convcalc].

    Raises WrongConfiguration if the file cannot be read, is not TOML, or has a `tool.convcalc` that is not a table.
    """
    import tomllib  # imported only if there is a configuration file, because the import slows the start

    try:
        with open(path, "rb") as stream:
            whole = tomllib.load(stream)
    except (OSError, ValueError, RecursionError) as error:  # ValueError: also raised for an integer of 5000 digits
        raise WrongConfiguration(f"{path}: {error}") from None
    if os.path.basename(path) != "pyproject.toml":
        return whole
    tools = whole.get("tool")
    table = tools.get("convcalc") if isinstance(tools, dict) else None
    if table is not None and not isinstance(table, dict):
        raise WrongConfiguration(f"{_locate_key(path)}tool.convcalc must be a table; got {show(table)}")
    return table


def _make_configuration(path: str, table: dict[str, Any], rules: Mapping[str, type[Rule]]) -> _Configuration:
    settings = _read_settings(table, path, rules)
    patterns = table.get("per-path", {})
    if not isinstance(patterns, dict):
        raise WrongConfiguration(_locate_key(path, "per-path") + "per-path must contain one table per pattern")
    for pattern, inner in patterns.items():
        if not isinstance(inner, dict):
            raise WrongConfiguration(
                _locate_key(path, pattern) + f"per-path settings for {show(pattern)} must be a table; got {show(inner)}"
            )
        if "per-path" in inner:
            raise WrongConfiguration(_locate_key(path, pattern) + "per-path cannot be nested in a per-path table")
    more = tuple((pattern, _read_settings(inner, path, rules, pattern)) for pattern, inner in patterns.items())
    return _Configuration(os.path.dirname(os.path.abspath(path)), settings, more)


def _read_settings(table: dict[str, Any], path: str, rules: Mapping[str, type[Rule]], *above: str) -> Settings:
    """Return the settings in one table. Raises WrongConfiguration for an unknown setting or a wrong value.

    The error message starts with the file `path` and the line of the setting; `above` are the keys that lead to the
    table.
    """
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
                limits.append(read_limit(key, value, origin, (*KEYS, *options)))
        except Flaw as flaw:
            hint = f" ({flaw.hint})" if flaw.hint else ""
            raise WrongConfiguration(f"{_locate_key(path, *above, key)}{flaw.message}{hint}") from None
    return Settings(((chosen["select"], chosen["ignore"]),), tuple(limits), fail_on, values)


def _locate_key(path: str, *keys: str) -> str:
    """Return `file:line: ` for the last of several nested keys; `file: ` if the text does not contain one of them.

    tomllib does not report positions, so each key is searched in the text after the key that contains it.
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
