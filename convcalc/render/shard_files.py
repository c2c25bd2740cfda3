"""Writes rows in the process that evaluates them: as a file of a shard, or as text that is sent back.

`write_shard(recipe, folder, 131072, range(131072, 262144))` evaluates a shard, unless it is there, and returns what is
known about it.
"""

from collections.abc import Sequence
from io import BytesIO
from typing import IO

from convcalc.problems import Flaw
from convcalc.render.sweep_rows import CsvRows, make_writer
from convcalc.space.chunk import Chunk
from convcalc.space.recipes import Part, Recipe, evaluate_part
from convcalc.space.shard_folder import Facts, ShardFolder
from convcalc.space.sweeping import Numbers


class Written:
    """A shard that has been written now or earlier; its length is the number of its combinations.

    `facts` describe its file. `part` has the counts of a shard that was written now, without its rows; otherwise None.
    """

    def __init__(self, facts: Facts, part: Part | None) -> None:
        self.facts = facts
        self.part = part

    def __len__(self) -> int:
        return self.facts.tried


def write_shard(recipe: Recipe, folder: ShardFolder, first: int, numbers: Numbers) -> Written | Flaw | OSError:
    """Return the shard with these rows, or the error if it cannot be evaluated or written."""
    found = folder.read_facts(first)
    if found is not None:
        return Written(found, None)
    part = evaluate_part(recipe, numbers)
    if isinstance(part, Flaw):
        return part
    try:
        data = format_shard(folder, part.rows)
        facts = _describe_shard(first, part, data)
        folder.save(facts, data)
    except (Flaw, OSError) as error:
        return error
    part.rows = Chunk([], 0)
    return Written(facts, part)


def format_part(recipe: Recipe, numbers: Numbers, format: str, names: Sequence[str]) -> Part | Flaw:
    """Return a part with its rows as text in a format; only the first columns, those in `names`, are written."""
    part = evaluate_part(recipe, numbers)
    if isinstance(part, Part):
        part.text = make_writer(format, names).format_chunk(part.rows.take_columns(len(names)))
        part.rows = Chunk([], 0)
    return part


def format_header(folder: ShardFolder) -> bytes:
    """Return the first line of a shard in CSV."""
    return CsvRows(tuple(folder.kinds)).begin().encode("utf-8", "replace")


def format_shard(folder: ShardFolder, rows: Chunk) -> bytes:
    """Return the contents of the file of a shard. Raises Flaw if pyarrow is missing, or a value does not fit."""
    if folder.format == "csv":
        return format_header(folder) + CsvRows(tuple(folder.kinds)).format_chunk(rows).encode("utf-8", "replace")
    from convcalc.render.parquet import ParquetRows

    stream = BytesIO()
    file = ParquetRows(folder.kinds, stream)
    file.write(rows)
    file.close()
    return stream.getvalue()


def _describe_shard(first: int, part: Part, data: bytes) -> Facts:
    from hashlib import sha256  # imported only here: it loads OpenSSL

    tally = part.tally
    counts = (tally.tried, tally.kept, tally.invalid, tally.exceeding, tally.filtered)
    return Facts(first, *counts, len(data), sha256(data).hexdigest())


def merge_shards(folder: ShardFolder, stream: IO[bytes]) -> None:
    """Write the rows of all shards to a stream. Raises Flaw if pyarrow is missing, and OSError."""
    names = map(folder.name_file, folder.firsts)
    if folder.format == "parquet":
        from convcalc.render.parquet import merge_files

        merge_files(names, folder.kinds, stream)
        return
    import shutil

    header = format_header(folder)
    stream.write(header)
    for name in names:
        with open(name, "rb") as shard:
            shard.seek(len(header))
            shutil.copyfileobj(shard, stream, 1 << 20)
