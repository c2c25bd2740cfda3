"""Chooses which files to check: files given by name, and the specs in folders and among files that match a pattern."""

import os
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from convcalc.convert.formats import model_endings
from convcalc.examples import PREFIX
from convcalc.spec.files import STANDARD_INPUT, find_folder_format
from convcalc.spec.net_argument import join_net, split_net
from convcalc.spec_head import LAYERS

_SUFFIXES = (".yaml", ".yml")
_SPEC_SUFFIXES = tuple(f".convcalc{suffix}" for suffix in _SUFFIXES)
_SKIPPED_FOLDERS = frozenset({".git", ".venv", "venv", "node_modules", "__pycache__", ".tox"})


class _Chosen(NamedTuple):
    """The files to check, in order, without duplicates, and the number of YAML files that are not specs."""

    files: tuple[str, ...]
    skipped_files: int


def choose_files(names: Iterable[str]) -> _Chosen:
    """Return the files to check: every file given by name, and all specs in folders or matched by a pattern.

    Model files, such as ONNX, are included if they are given by name or match a pattern with their ending. An argument
    such as `nets/@width=0.5` adds `@width=0.5` to the name of each file in the folder.
    """
    found: dict[tuple[str, str], str] = {}
    no_specs = set()
    for argument in names:
        name, params = split_net(argument)
        if name == STANDARD_INPUT or name.startswith(PREFIX):
            found.setdefault((name, params), argument)
        elif not (os.path.isdir(name) or _is_pattern(name)):
            found.setdefault((_normalise_name(name), params), argument)
        else:
            paths = list(_find_files(name))
            if not paths and _is_model_folder(name):
                found.setdefault((_normalise_name(name), params), argument)
            for path in paths:
                if path.endswith(model_endings()) or _is_spec(path):
                    found.setdefault((_normalise_name(path), params), join_net(path, params))
                else:
                    no_specs.add(_normalise_name(path))
    return _Chosen(tuple(found.values()), len(no_specs.difference(identity for identity, _ in found)))


def _normalise_name(name: str) -> str:
    """Return a text that is equal for different names of the same file, such as `a.yaml` and `./a.yaml`.

    A name with `..` is returned unchanged: if a symbolic link comes before it, `..` leads to a different folder.
    """
    return name if ".." in name.split(os.sep) else os.path.abspath(name)


def _is_model_folder(name: str) -> bool:
    """Whether a name is that of a folder that is a model, such as a SavedModel, so that checking it reports that."""
    try:
        return os.path.isdir(name) and find_folder_format(name) is not None
    except OSError:
        return False


def _is_pattern(name: str) -> bool:
    """Whether a name is a pattern such as `*.yaml`, and not the name of an existing file."""
    if os.path.exists(name):
        return False
    from glob import has_magic  # imported only if needed, because it slows the start

    return has_magic(name)


def _find_files(name: str) -> Iterator[str]:
    """Yield the YAML files below a folder, sorted; then any unreadable subfolders.

    For a pattern, yield the YAML files that match it, and model files if the pattern has their ending: `*.onnx`.
    """
    if not os.path.isabs(name):
        os.getcwd()  # raises FileNotFoundError if the current folder was deleted, instead of finding nothing
    if not os.path.isdir(name):
        from glob import glob

        endings = (*_SUFFIXES, *(ending for ending in model_endings() if name.endswith(ending)))
        yield from sorted(path for path in glob(name, recursive=True) if path.endswith(endings))
        return
    unreadable: list[str] = []
    for folder, folders, files in os.walk(name, onerror=lambda error: unreadable.append(error.filename)):
        folders[:] = sorted(set(folders) - _SKIPPED_FOLDERS)
        yield from (os.path.normpath(os.path.join(folder, file)) for file in sorted(files) if file.endswith(_SUFFIXES))
    yield from unreadable  # so that checking them reports why they are unreadable


def _is_spec(path: str) -> bool:
    """Whether a file is a spec: its name ends in `.convcalc.yaml`, or it has a top-level key `layers`.

    Also true for a file that cannot be read, so that checking it reports why.
    """
    if path.endswith(_SPEC_SUFFIXES) or not os.path.isfile(path):
        return True
    try:
        with open(path, "rb") as stream:
            return any(re.match(LAYERS, line) for line in stream)
    except OSError:
        return True
