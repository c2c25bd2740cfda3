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
_MOST_GROUPS = 200_000
_MOST_NESTING = 64  # of groups
_WEIGHTS = "model.weights.h5"  # in a .keras archive


def count_stored_weights(path: str) -> Mapping[str, int]:
    """Return the number of stored elements by the name of the layer; empty if they cannot be read."""
    try:
        import h5py
    except ImportError:
        return {}
    try:
        with open(path, "rb") as stream:
            begins = stream.read(4)
        if begins == b"\x89HDF":
            with h5py.File(path, "r") as file:
                return dict(_count_of_groups(file["model_weights"]))
        if begins == b"PK\x03\x04":
            with zipfile.ZipFile(path) as archive, archive.open(_WEIGHTS) as inner:
                data = inner.read(_MOST_BYTES + 1)
            if len(data) > _MOST_BYTES:
                return {}
            with h5py.File(io.BytesIO(data), "r") as file:
                return dict(_count_of_archive(file))
    except Exception:  # h5py and zipfile raise errors of any type for a malformed file
        return {}
    return {}


def _count_of_groups(weights: Any) -> Iterator[tuple[str, int]]:
    """Yield the name and number of elements of each layer in an HDF5 file, which has one group per layer."""
    for name, group in weights.items():
        yield str(name), sum(prod(item.shape) for _, item in _walk(group) if hasattr(item, "shape"))


def _count_of_archive(file: Any) -> Iterator[tuple[str, int]]:
    """Yield the name and number of elements of each layer in an archive, whose name is an attribute of its `vars`."""
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
    for start, name in names.items():
        yield name, totals.get(start, 0)


def _walk(group: Any) -> Iterator[tuple[str, Any]]:
    """Yield the path and content of everything in a group. Links to other files are not followed."""
    import h5py

    waiting = [("", group)]
    for _ in range(_MOST_GROUPS):
        if not waiting:
            return
        start, found = waiting.pop()
        for name in found:
            if not isinstance(found.get(name, getlink=True), h5py.HardLink):
                continue
            item = found[name]
            path = f"{start}{name}"
            yield path, item
            if not hasattr(item, "shape") and path.count("/") < _MOST_NESTING:
                waiting.append((f"{path}/", item))
