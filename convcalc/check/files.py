"""Which files are checked: those that are named, and the specs below folders."""

import os
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from convcalc.examples import PREFIX
from convcalc.formats import LAYERS
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
    found: dict[str, str] = {}
    no_specs = set()
    for name in names:
        if name == STANDARD_INPUT or name.startswith(PREFIX):
            found.setdefault(name, name)
        elif not (os.path.isdir(name) or is_pattern(name)):
            found.setdefault(same(name), name)
        else:
            for path in walked(name):
                if is_spec(path):
                    found.setdefault(same(path), path)
                else:
                    no_specs.add(same(path))
    return Chosen(tuple(found.values()), len(no_specs.difference(found)))


def same(name: str) -> str:
    """What several names of one file have in common, as far as names tell: behind a link, `..` is elsewhere."""
    return name if ".." in name.split(os.sep) else os.path.abspath(name)


def is_pattern(name: str) -> bool:
    """Whether a name is a pattern and no file."""
    if os.path.exists(name):
        return False
    from glob import has_magic  # only where it is needed: it costs start-up time

    return has_magic(name)


def walked(name: str) -> Iterator[str]:
    """The YAML files below a folder, or those that a pattern names."""
    if not os.path.isabs(name):
        os.getcwd()  # raises FileNotFoundError in a folder that was deleted, in which nothing would be found
    if not os.path.isdir(name):
        from glob import glob

        yield from sorted(path for path in glob(name, recursive=True) if path.endswith(SUFFIXES))
        return
    unreadable: list[str] = []
    for folder, folders, files in os.walk(name, onerror=lambda error: unreadable.append(error.filename)):
        folders[:] = sorted(set(folders) - LEFT_ALONE)
        yield from (os.path.normpath(os.path.join(folder, file)) for file in sorted(files) if file.endswith(SUFFIXES))
    yield from unreadable  # so that the check says why


def is_spec(path: str) -> bool:
    """Whether a file is a spec by its name, or has a key `layers` at its outermost, or is none that can be read."""
    if path.endswith(MARKED) or not os.path.isfile(path):
        return True
    try:
        with open(path, "rb") as stream:
            return any(re.match(LAYERS, line) for line in stream)
    except OSError:
        return True  # so that the check says why it cannot be read
