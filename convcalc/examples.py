"""The specs that come with the package."""

from pathlib import Path

from convcalc.problems import did_you_mean, shown

PACKAGED = Path(__file__).parent / "example_specs"
CHECKED_OUT = Path(__file__).parent.parent / "examples"
PREFIX = "example:"


class NoExample(ValueError):
    """No example has the name asked for."""


def folder() -> Path:
    """Where the examples are: beside the installed modules, or in the checkout."""
    return PACKAGED if PACKAGED.is_dir() else CHECKED_OUT


def names() -> list[str]:
    """The examples by name."""
    return sorted(path.stem for path in folder().glob("*.yaml"))


def path(name: str) -> Path:
    """The file of an example. Raises NoExample with the nearest name."""
    known = names()
    if name not in known:
        hint = did_you_mean(name, known) or f"there are {', '.join(known)}"
        raise NoExample(f"no example {shown(name)}: {hint}")
    return folder() / f"{name}.yaml"


def resolved(net: str) -> str:
    """The file that NET stands for. Raises NoExample."""
    return str(path(net.removeprefix(PREFIX))) if net.startswith(PREFIX) else net
