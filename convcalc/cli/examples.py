"""`convcalc examples`: lists the example specs or prints one."""

import click

from convcalc import examples
from convcalc.cli import common, completing, writing

_EXAMPLES = """\b
Examples:
  convcalc examples
  convcalc examples resnet50 > net.yaml"""


@click.command("examples", epilog=_EXAMPLES)
@click.argument("name", required=False, shell_complete=completing.complete_from(examples.list_names))
@common.output_options
def command(name: str | None, where: writing.Output) -> int:
    """List the example specs that come with convcalc, or print one.

    Without NAME, all examples are listed with their cost. With NAME, its spec is printed, as a starting point for your
    own. Every command that takes a NET accepts example:NAME.
    """
    if name is None:
        from convcalc.analysis.report import analyse
        from convcalc.render.compare import gallery_lines
        from convcalc.spec.inputs import Overrides

        reports = [
            (found, analyse(common.load(f"example:{found}", Overrides(), where))) for found in examples.list_names()
        ]
        writing.write_text(writing.render_text(gallery_lines(reports, writing.table_width(where)), where), where, [])
        return 0
    try:
        path = examples.find_file(name.removeprefix(examples.PREFIX))
    except examples.NoExample as error:
        raise writing.Failure(str(error)) from None
    with open(path, encoding="utf-8") as stream:
        writing.write_text(stream.read(), where, [path])
    return 0
