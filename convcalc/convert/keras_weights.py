"""Counts the weights of each layer that a `.keras` archive or a Keras HDF5 file stores.

Only the shapes of the weights are read, and only for layers of unknown classes: their params are then known. The
package h5py is needed; without it, or in a file of another sort, nothing is found.
"""

import io
import zipfile
from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

_MOST_BYTES = 512 * 1024 * 1024  # of weights in an archive
_MOST_ITEMS = 200_000  # groups and tensors
_MOST_NESTING = 64  # of groups
_WEIGHTS = "model.weights.h5"  # in a .keras archive


def count_stored_weights(path: str) -> Mapping[str, int]:
    """Return the number of stored elements by the name of the layer; empty if they cannot be read within the limits."""
    try:
        import h5py
    except ImportError:
        return {}
    try:
        with open(path, "rb") as stream:
            begins = stream.read(4)
        if begins == b"\x89HDF":
            with h5py.File(path, "r") as file:
                return _count_of_groups(file["model_weights"])
        if begins == b"PK\x03\x04":
            with zipfile.ZipFile(path) as archive, archive.open(_WEIGHTS) as inner:
                data = inner.read(_MOST_BYTES + 1)
            if len(data) > _MOST_BYTES:
                return {}
            with h5py.File(io.BytesIO(data), "r") as file:
                return _count_of_archive(file)
    except Exception:  # ValueError beyond a limit; h5py and zipfile raise errors of any type for a malformed file
        return {}
    return {}


def _count_of_groups(weights: Any) -> Mapping[str, int]:
    """Return the number of elements of each layer in an HDF5 file, which has one group per layer."""
    totals: dict[str, int] = {}
    for path, item in _walk(weights):
        if hasattr(item, "shape"):
            name = path.partition("/")[0]
            totals[name] = totals.get(name, 0) + prod(item.shape)
    return totals


def _count_of_archive(file: Any) -> Mapping[str, int]:
    """Return the number of elements of each layer in an archive, where its name is an attribute of its `vars`."""
    totals: dict[str, int] = {}  # by the path of a layer
    names: dict[str, str] = {}
    for path, item in _walk(file):
        parts = path.split("/")
        if hasattr(item, "shape"):
            for end in range(1, len(parts)):
                start = "/".join(parts[:end])
                totals[start] = totals.get(start, 0) + prod(item.shape)
        elif parts[-1] == "vars" and "name" in item.attrs:
            names["/".join(parts[:-1])] = str(item.attrs["name"])
    return {name: totals.get(start, 0) for start, name in names.items()}


def _walk(group: Any) -> Iterator[tuple[str, Any]]:
    """Yield the path and content of everything in a group. Links to other files are not followed.

    Raises ValueError beyond the limits, so that no part of the weights is taken for all of them.
    """
    import h5py

    waiting, count = [("", group)], 0
    while waiting:
        start, found = waiting.pop()
        for name in found:
            count += 1
            path = f"{start}{name}"
            if count > _MOST_ITEMS or path.count("/") > _MOST_NESTING:
                raise ValueError("too many groups")
            if not isinstance(found.get(name, getlink=True), h5py.HardLink):
                continue
            item = found[name]
            yield path, item
            if not hasattr(item, "shape"):
                waiting.append((f"{path}/", item))
