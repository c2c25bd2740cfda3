"""Finds the example specs that are installed with the package and called `example:NAME` on the command line."""

import os

from convcalc import problems

_HERE = os.path.dirname(os.path.abspath(__file__))
_PACKAGED = os.path.join(_HERE, "example_specs")
_CHECKED_OUT = os.path.join(os.path.dirname(_HERE), "examples")
_SUFFIX = ".yaml"
PREFIX = "example:"


class NoExample(ValueError):
    """Raised if no example has the requested name."""


def _find_folder() -> str:
    # in an installed package the examples are next to the modules, in a checkout at the top level
    return _PACKAGED if os.path.isdir(_PACKAGED) else _CHECKED_OUT


def list_names() -> list[str]:
    """Return the names of all examples, sorted."""
    return sorted(file.removesuffix(_SUFFIX) for file in os.listdir(_find_folder()) if file.endswith(_SUFFIX))


def find_file(name: str) -> str:
    """Return the path of an example's file; for an unknown name, raise `NoExample` with the closest name."""
    known = list_names()
    if name not in known:
        hint = problems.did_you_mean(name, known) or f"available: {', '.join(known)}"
        raise NoExample(f"unknown example {problems.show(name)}: {hint}")
    return os.path.join(_find_folder(), name + _SUFFIX)


def resolve_net(net: str) -> str:
    """Return the path of the file to read: for `example:NAME` the file of that example, otherwise `net` itself.

    Raises `NoExample` if there is no such example.
    """
    return find_file(net.removeprefix(PREFIX)) if net.startswith(PREFIX) else net
