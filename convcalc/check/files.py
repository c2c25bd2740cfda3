"""Which files are checked: those that are named, and the specs below folders."""

import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from convcalc.examples import PREFIX
from convcalc.spec.files import STANDARD_INPUT

SUFFIXES = (".yaml", ".yml")
MARKED = tuple(f".convcalc{suffix}" for suffix in SUFFIXES)
LEFT_ALONE = frozenset({".git", ".venv", "venv", "node_modules", "__pycache__", ".tox"})


class Chosen(NamedTuple):
    """The files to check, in order and once each, and how many YAML files were passed over as no specs."""

    files: tuple[str, ...]
    passed_over: int


def chosen(names: Iterable[str]) -> Chosen:
    """Files by name are always checked; folders and patterns are walked for specs."""
    found: dict[str, None] = {}
    no_specs = set()
    for name in names:
        if name == STANDARD_INPUT or name.startswith(PREFIX) or not (os.path.isdir(name) or is_pattern(name)):
            found[name] = None
            continue
        for path in walked(name):
            if is_spec(path):
                found[path] = None
            else:
                no_specs.add(path)
    return Chosen(tuple(found), len(no_specs.difference(found)))


def is_pattern(name: str) -> bool:
    """Whether a name is a pattern and no file."""
    if os.path.exists(name):
        return False
    from glob import has_magic  # only where it is needed: it costs start-up time

    return has_magic(name)


def walked(name: str) -> Iterator[str]:
    """The YAML files below a folder, or those that a pattern names."""
    if not os.path.isdir(name):
        from glob import glob

        yield from sorted(path for path in glob(name, recursive=True) if path.endswith(SUFFIXES))
        return
    for folder, folders, files in os.walk(name):
        folders[:] = sorted(set(folders) - LEFT_ALONE)
        yield from (os.path.normpath(os.path.join(folder, file)) for file in sorted(files) if file.endswith(SUFFIXES))


def is_spec(path: str) -> bool:
    """Whether a file is a spec by its name, or has a key `layers` at its outermost."""
    if path.endswith(MARKED):
        return True
    try:
        with open(path, "rb") as stream:
            return any(line.startswith((b"layers:", b"'layers':", b'"layers":')) for line in stream)
    except OSError:
        return True  # so that the check says why it cannot be read
