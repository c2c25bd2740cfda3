"""Describes the folder in which a sweep writes its rows as shards, so that it can be resumed and the shards be merged.

The folder has `sweep.json`, which says what the sweep is, and two files per shard, named by its first row:
`000131072.csv` (or `.parquet`) with the rows, and `000131072.json` with the facts that are known about them. For
example, `open_folder("rows", sweep)` returns the folder of a sweep, which is created if it does not exist.
"""

import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from convcalc.problems import Flaw, printable
from convcalc.space.combinations import show_count

_MANIFEST = "sweep.json"
_VERSION = 1  # of the folder's layout
_FORMATS = ("csv", "parquet")
_FEWEST, _MOST = 32_768, 131_072  # rows of a shard; fewer than 20,000 would be calculated without numpy
_SHARDS = 32  # of a sweep of medium size, so that several workers have something to do
_MOST_BYTES = 64 * 2**20  # of a JSON file
_MOST_ROWS = 10**18  # of all shards together
_MOST_NAMED = 3  # shards in a message
_DATA = re.compile(r"[0-9]+\.(?:csv|parquet)", re.ASCII)
_KINDS = {"int": int, "float": float, "bool": bool, "str": str}


class Facts(NamedTuple):
    """What is known about a shard: its first row, how many rows were tried, and the size and hash of its file."""

    first: int
    tried: int
    kept: int
    invalid: int
    exceeding: int
    filtered: int
    bytes: int
    sha256: str


class ShardFolder(NamedTuple):
    """A folder of shards of `size` rows, of which there are `total`.

    `format` is csv or parquet. `kinds` maps the columns to their types in Parquet.
    """

    path: str
    format: str
    kinds: dict[str, type]
    total: int
    size: int

    @property
    def firsts(self) -> range:
        """The number of the first row of each shard."""
        return range(0, self.total, self.size)

    def find_stop(self, first: int) -> int:
        """Return the row after the last one of a shard."""
        return min(first + self.size, self.total)

    def name_file(self, first: int, ending: str | None = None) -> str:
        """Return the path of the file of a shard: that with its rows, unless another ending is given."""
        width = max(len(str(self.total)), 9)
        return os.path.join(self.path, f"{first:0{width}}.{ending or self.format}")

    def read_facts(self, first: int) -> Facts | None:
        """Return the facts of a complete shard; None if it is missing, or has another size."""
        try:
            size = os.path.getsize(self.name_file(first))
            found = _read_json(self.name_file(first, "json"))
            facts = Facts(**found)
        except (OSError, ValueError, TypeError):
            return None
        if not all(type(value) is int for value in facts[:-1]):
            return None
        return facts if (facts.first, facts.bytes) == (first, size) else None

    def save(self, facts: Facts, data: bytes) -> None:
        """Write the files of a shard, each under another name until it is complete. Raises OSError."""
        replace_file(self.name_file(facts.first, "json"), json.dumps(facts._asdict()).encode())
        replace_file(self.name_file(facts.first), data)
        stem = os.path.basename(self.name_file(facts.first))
        for name in os.listdir(self.path):  # what workers that ended have left
            if name.startswith(f"{stem}.") and name.endswith(".part"):
                with suppress(OSError):
                    os.unlink(os.path.join(self.path, name))


def replace_file(target: str, data: bytes) -> None:
    """Write a file under a name with the ending `.part`, then rename it. Raises OSError, and leaves nothing."""
    handle, partial = tempfile.mkstemp(
        dir=os.path.dirname(target), prefix=f"{os.path.basename(target)}.", suffix=".part"
    )
    try:
        with open(handle, "wb") as stream:
            stream.write(data)
        os.chmod(partial, 0o644)
        os.replace(partial, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(partial)
        raise


def choose_size(total: int) -> int:
    """Return the number of rows of a shard: 131,072 for a large sweep, fewer for a small one."""
    return min(max(-(-total // _SHARDS), _FEWEST), _MOST)


def open_folder(path: str, sweep: Mapping[str, Any], format: str, kinds: Mapping[str, type], total: int) -> ShardFolder:
    """Return the folder of a sweep, which is created if it does not exist.

    `sweep` describes the sweep by its options. Raises Flaw if the folder has something else, such as the shards of
    another sweep, and OSError if it cannot be created.
    """
    if total > _MOST_ROWS:
        raise Flaw(f"{show_count(total)} combinations exceed the limit of 10^18 for a folder", "use --sample N")
    names = {name: kind.__name__ for name, kind in kinds.items()}
    made = {"version": _VERSION, "format": format, "kinds": names, "total": total, "size": choose_size(total)}
    sweep = json.loads(json.dumps(sweep))
    os.makedirs(path, exist_ok=True)
    manifest = os.path.join(path, _MANIFEST)
    if not os.path.exists(manifest):
        if any(not name.endswith(".part") and name != _MANIFEST for name in os.listdir(path)):
            raise Flaw(f"{printable(path)} is not empty and has no {_MANIFEST}", "name a new folder")
        replace_file(manifest, json.dumps({**made, "sweep": sweep}, indent=1).encode())
    folder, before = _read_manifest(path)
    different = [str(key) for key in {**sweep, **before} if sweep.get(key) != before.get(key)]
    if different:
        verb = "differs" if len(different) == 1 else "differ"
        message = f"{printable(path)} has the shards of another sweep: {_join_names(different)} {verb}"
        raise Flaw(message, "name a new folder")
    return folder


def _join_names(names: list[str]) -> str:
    return printable(", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else names[0])


def read_folder(path: str) -> ShardFolder:
    """Return a folder of shards. Raises Flaw if it is not one."""
    return _read_manifest(path)[0]


def _read_manifest(path: str) -> tuple[ShardFolder, dict[str, Any]]:
    name = printable(os.path.join(path, _MANIFEST))
    try:
        found = _read_json(os.path.join(path, _MANIFEST))
    except FileNotFoundError:
        hint = "name a folder that convcalc sweep -o FOLDER/ has written"
        raise Flaw(f"{printable(path)} has no {_MANIFEST}, so it is not a folder of shards", hint) from None
    except ValueError:
        raise Flaw(f"{name} is damaged") from None
    if isinstance(found, dict) and found.get("version") not in (_VERSION, None):
        raise Flaw(f"{name} was written by another version of convcalc")
    try:
        kinds = {str(column): _KINDS[kind] for column, kind in found["kinds"].items()}
        folder = ShardFolder(path, found["format"], kinds, found["total"], found["size"])
        sweep = dict(found["sweep"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Flaw(f"{name} is damaged") from None
    sizes = (folder.total, folder.size)
    if (
        folder.format not in _FORMATS
        or not all(type(size) is int and 0 <= size <= _MOST_ROWS for size in sizes)
        or not folder.size
    ):
        raise Flaw(f"{name} is damaged")
    return folder, sweep


def _read_json(name: str) -> Any:
    """Return the contents of a JSON file. Raises OSError, and ValueError if it is malformed or too large."""
    with open(name, "rb") as stream:
        data = stream.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise ValueError
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError from None


def check_complete(folder: ShardFolder) -> Iterator[Facts]:
    """Yield the facts of all shards in order. Raises Flaw if one is missing, incomplete, changed, or there twice."""
    present = {name for name in os.listdir(folder.path) if _DATA.fullmatch(name)}
    expected = (os.path.basename(folder.name_file(first)) for first in folder.firsts)
    count = len(folder.firsts)
    missing: list[int] = []
    for first, name in zip(folder.firsts, expected, strict=True):
        if name in present:
            present.discard(name)
        elif len(missing) <= _MOST_NAMED:
            missing.append(first)
        else:
            break  # of a damaged or huge folder, not every number is tried
    if missing:
        rows = [f"{first:,} to {folder.find_stop(first) - 1:,}" for first in missing[:_MOST_NAMED]]
        more = ", …" if len(missing) > _MOST_NAMED else ""
        message = f"{printable(folder.path)}: not all of its {count:,} shards are there: rows {_join_names(rows)}{more}"
        raise Flaw(f"{message} are missing", "run the sweep with the same -o again")
    if present:
        name = printable(os.path.join(folder.path, min(present)))
        raise Flaw(f"{name} is not one of the {count:,} shards: its rows would be there twice", "remove it")
    for first in folder.firsts:
        yield _check_shard(folder, first)


def _check_shard(folder: ShardFolder, first: int) -> Facts:
    """Return the facts of a shard. Raises Flaw if its file is not the one that was written."""
    name = printable(folder.name_file(first))
    facts = folder.read_facts(first)
    if facts is None or facts.sha256 != hash_file(folder.name_file(first)):
        raise Flaw(f"{name} is incomplete or was changed", "remove it, and run the sweep with the same -o again")
    if facts.tried != folder.find_stop(first) - first:
        raise Flaw(f"{name} has {facts.tried:,} rows in place of {folder.find_stop(first) - first:,}", "remove it")
    return facts


def hash_file(name: str) -> str:
    """Return the SHA-256 of a file."""
    from hashlib import file_digest  # imported only here: it loads OpenSSL

    with open(name, "rb") as stream:
        return file_digest(stream, "sha256").hexdigest()
