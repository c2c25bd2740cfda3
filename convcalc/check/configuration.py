"""Configuration files: which one holds for a checked file, and the settings that it says."""

import os
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from convcalc import examples
from convcalc.check.rule import Rule
from convcalc.check.settings import Settings, codes_of, limit_of, multiple, severity
from convcalc.problems import Flaw, shown
from convcalc.spec.files import STANDARD_INPUT

FILES = ("convcalc.toml", "pyproject.toml")


class WrongConfiguration(ValueError):
    """A configuration file says what it cannot say."""


class Configuration(NamedTuple):
    """What a configuration file says: for all files below it, and for those that match a pattern."""

    folder: str
    settings: Settings
    patterns: tuple[tuple[str, Settings], ...] = ()

    def of(self, file: str) -> Settings:
        """The settings for a file."""
        relative = os.path.relpath(os.path.abspath(file), self.folder).replace(os.sep, "/")
        settings = self.settings
        for pattern, more in self.patterns:
            if fnmatchcase(relative, pattern):
                settings = settings.then(more)
        return settings


class Configurations:
    """The configurations of many files, each looked for and read once.

    `only` is the one file that holds for all; without it, the nearest above each file does.
    """

    def __init__(self, rules: Mapping[str, type[Rule]], only: str | None = None) -> None:
        if only is not None and not os.path.isfile(only):
            raise WrongConfiguration(f"{only}: no such file")
        self.rules = rules
        self.only = None if only is None else read(only, table_of(only) or {}, rules)
        self.above: dict[str, Configuration | None] = {}

    def of(self, file: str) -> Settings:
        """The settings for a file; standard input and examples are as if they lay here. Raises WrongConfiguration."""
        file = "." if file == STANDARD_INPUT or file.startswith(examples.PREFIX) else file
        found = self.only or self.nearest(os.path.dirname(os.path.abspath(file)))
        return Settings() if found is None else found.of(file)

    def nearest(self, folder: str) -> Configuration | None:
        """The nearest, upward: convcalc.toml, or a pyproject.toml with [tool.convcalc]. Raises WrongConfiguration."""
        if folder not in self.above:
            parent = os.path.dirname(folder)
            here = self.inside(folder)
            self.above[folder] = here if here is not None or parent == folder else self.nearest(parent)
        return self.above[folder]

    def inside(self, folder: str) -> Configuration | None:
        """The configuration in a folder. Raises WrongConfiguration."""
        for name in FILES:
            path = os.path.join(folder, name)
            table = table_of(path) if os.path.isfile(path) else None
            if table is not None:
                return read(path, table, self.rules)
        return None


def table_of(path: str) -> dict[str, Any] | None:
    """The table of a configuration file, None where a pyproject.toml has none. Raises WrongConfiguration."""
    import tomllib  # only where there is a configuration: it costs start-up time

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
        raise WrongConfiguration(f"{place(path)}tool.convcalc is a table, not {shown(table)}")
    return table


def read(path: str, table: dict[str, Any], rules: Mapping[str, type[Rule]]) -> Configuration:
    """What a configuration file says by its table. Raises WrongConfiguration."""
    settings = of_table(table, path, rules)
    patterns = table.get("per-path", {})
    if not isinstance(patterns, dict):
        raise WrongConfiguration(place(path, "per-path") + "per-path takes tables by pattern")
    for pattern, inner in patterns.items():
        if not isinstance(inner, dict):
            raise WrongConfiguration(place(path, pattern) + f"per-path takes a table for {shown(pattern)}")
        if "per-path" in inner:
            raise WrongConfiguration(place(path, pattern) + "per-path does not stand in a per-path table")
    more = tuple((pattern, of_table(inner, path, rules, pattern)) for pattern, inner in patterns.items())
    return Configuration(os.path.dirname(os.path.abspath(path)), settings, more)


def of_table(table: dict[str, Any], path: str, rules: Mapping[str, type[Rule]], *above: str) -> Settings:
    """The settings of one table, which stands below some keys. Raises WrongConfiguration."""
    chosen: dict[str, tuple[str, ...]] = {"select": (), "ignore": ()}
    limits, single = [], Settings()
    for key, value in table.items():
        try:
            if key in chosen:
                chosen[key] = codes_of(key, value, rules)
            elif key == "fail-on":
                single = single._replace(fail_on=severity(value))
            elif key == "channel-multiple":
                single = single._replace(channel_multiple=multiple(value))
            elif key != "per-path":
                limits.append(limit_of(key, value, f"{key} in {os.path.basename(path)}"))
        except Flaw as flaw:
            hint = f" ({flaw.hint})" if flaw.hint else ""
            raise WrongConfiguration(f"{place(path, *above, key)}{flaw.message}{hint}") from None
    return single._replace(choices=((chosen["select"], chosen["ignore"]),), limits=tuple(limits))


def place(path: str, *keys: str) -> str:
    """`file:line: ` of the last of some keys, each sought from where the one before stands, as far as it is found."""
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
