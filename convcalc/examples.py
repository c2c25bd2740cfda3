"""The specs that come with the package."""

import os

from convcalc import problems

_HERE = os.path.dirname(os.path.abspath(__file__))
_PACKAGED = os.path.join(_HERE, "example_specs")
_CHECKED_OUT = os.path.join(os.path.dirname(_HERE), "examples")
_SUFFIX = ".yaml"
PREFIX = "example:"


class NoExample(ValueError):
    """No example has the name asked for."""


def _find_folder() -> str:
    """Where the examples are: beside the installed modules, or in the checkout."""
    return _PACKAGED if os.path.isdir(_PACKAGED) else _CHECKED_OUT


def names() -> list[str]:
    """The examples by name."""
    return sorted(file.removesuffix(_SUFFIX) for file in os.listdir(_find_folder()) if file.endswith(_SUFFIX))


def path(name: str) -> str:
    """The file of an example. Raises NoExample with the nearest name."""
    known = names()
    if name not in known:
        hint = problems.did_you_mean(name, known) or f"there are {', '.join(known)}"
        raise NoExample(f"no example {problems.shown(name)}: {hint}")
    return os.path.join(_find_folder(), name + _SUFFIX)


def resolved(net: str) -> str:
    """The file that NET stands for. Raises NoExample."""
    return path(net.removeprefix(PREFIX)) if net.startswith(PREFIX) else net


def shown(file: str) -> str:
    """A file as the command line names it: `example:NAME` where it is an example."""
    folder_of, name = os.path.split(file)
    return PREFIX + name.removesuffix(_SUFFIX) if folder_of == _find_folder() else file
