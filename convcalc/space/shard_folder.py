"""Describes the folder in which a sweep writes its rows as shards, so that it can be resumed and the shards be merged.

The folder has `sweep.json`, which says what the sweep is, and two files per shard, named by its first row:
`000131072.csv` (or `.parquet`) with the rows, and `000131072.json` with the facts that are known about them. For
example, `open_folder("rows", sweep)` returns the folder of a sweep, which is created if it does not exist.
"""

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from convcalc.problems import Flaw, printable
from convcalc.space.combinations import show_count
from convcalc.space.shard_manifest import (
    MOST_ROWS,
    NAME,
    Manifest,
    find_differences,
    read_json,
    read_manifest,
    replace_file,
    write_manifest,
)

_FEWEST, _MOST = 8_192, 131_072  # rows of a shard
_SHARDS = 32  # of a sweep of medium size, so that several workers have something to do
_MOST_NAMED = 3  # shards in a message
_DATA = re.compile(r"[0-9]+\.(?:csv|parquet)", re.ASCII)


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
            found = read_json(self.name_file(first, "json"))
            facts = Facts(**found)
        except (OSError, ValueError, TypeError):
            return None
        if not all(type(value) is int for value in facts[:-1]):
            return None
        return facts if (facts.first, facts.bytes) == (first, size) else None

    def save(self, facts: Facts, data: bytes) -> None:
        """Write the files of a shard, each under another name until it is complete. Raises OSError."""
        if self.read_facts(facts.first) is not None:
            return  # another process was faster
        try:
            replace_file(self.name_file(facts.first, "json"), json.dumps(facts._asdict()).encode())
            replace_file(self.name_file(facts.first), data)
        except FileNotFoundError:  # another process has removed the partial file: the shard must be complete
            if self.read_facts(facts.first) is None:
                raise

    def remove_parts(self) -> None:
        """Remove the partial files that killed workers have left, if all shards are complete."""
        names = os.listdir(self.path)
        if sum(_DATA.fullmatch(name) is not None for name in names) < len(self.firsts):
            return
        for name in names:
            if name.endswith(".part"):
                with suppress(OSError):
                    os.unlink(os.path.join(self.path, name))


def choose_size(total: int) -> int:
    """Return the number of rows of a shard: 131,072 for a large sweep, fewer for a small one."""
    return min(max(-(-total // _SHARDS), _FEWEST), _MOST)


def open_folder(path: str, manifest: Manifest) -> ShardFolder:
    """Return the folder of a sweep, which is created if it does not exist.

    Raises Flaw if the folder has other contents, such as the shards of another sweep, and OSError if it cannot be
    created.
    """
    if manifest.total > MOST_ROWS:
        raise Flaw(
            f"{show_count(manifest.total)} combinations exceed the limit of 10^18 for a folder", "use --sample N"
        )
    os.makedirs(path, exist_ok=True)
    if not os.path.exists(os.path.join(path, NAME)):
        if any(not name.endswith(".part") and name != NAME for name in os.listdir(path)):
            raise Flaw(f"{printable(path)} is not empty and has no {NAME}", "name a new folder")
        write_manifest(path, manifest)
    before = read_manifest(path)
    different = find_differences(manifest, before)
    if different:
        verb = "differs" if len(different) == 1 else "differ"
        message = f"{printable(path)} has the shards of another sweep: {_join_names(different)} {verb}"
        raise Flaw(message, "name a new folder")
    return _make_folder(path, before)


def _join_names(names: list[str]) -> str:
    return printable(", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else names[0])


def read_folder(path: str) -> ShardFolder:
    """Return a folder of shards. Raises Flaw if it is not one."""
    return _make_folder(path, read_manifest(path))


def _make_folder(path: str, manifest: Manifest) -> ShardFolder:
    return ShardFolder(path, manifest.format, manifest.kinds, manifest.total, manifest.size)


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
        rows += ["more"] if len(missing) > _MOST_NAMED else []
        message = f"{printable(folder.path)}: not all of its {count:,} shards are there: rows {_join_names(rows)}"
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
