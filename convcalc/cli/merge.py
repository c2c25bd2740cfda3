"""`convcalc merge`: joins the shards of a sweep, after checking that nothing is missing or there twice."""

import sys

import click

from convcalc.cli import writing
from convcalc.cli.streaming import open_result
from convcalc.problems import Flaw, printable

_EXAMPLES = """\b
Examples:
  convcalc sweep example:mobilenet_v1 -p width=0.25:1:0.001 -p size=96:224:32 -j 2 -o rows/
  convcalc merge rows/ -o rows.csv"""


@click.command("merge", epilog=_EXAMPLES)
@click.argument("folder", type=click.Path(file_okay=False))
@click.option("-o", "--output", metavar="FILE", help="Write the result to FILE; an error leaves FILE unchanged.")
def command(folder: str, output: str | None) -> int:
    """Join the shards that convcalc sweep -o FOLDER/ has written.

    Nothing is written if a shard is missing, incomplete, changed, or there twice. The result has the format of the
    shards, CSV or Parquet.
    """
    from convcalc.render.shard_files import merge_shards
    from convcalc.space.shard_folder import check_complete, read_folder

    where = writing.Output(output, "never", False)
    try:
        found = read_folder(folder)
        suffix = (output or "").lower().rpartition(".")[2]
        if suffix in ("csv", "parquet", "json", "jsonl") and suffix != found.format:
            raise Flaw(f"-o {printable(str(output))}: the shards are {found.format}", f"name a file *.{found.format}")
        if found.format == "parquet" and output is None and sys.stdout.isatty():
            raise Flaw("the shards are Parquet, which is binary", "write them to a file with -o FILE.parquet")
        for _ in check_complete(found):
            pass
        with open_result(where, map(found.name_file, found.firsts)) as target:
            merge_shards(found, target.stream)
    except Flaw as flaw:
        raise writing.Failure(flaw.text) from None
    return 0
