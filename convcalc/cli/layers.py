"""`convcalc layers`: lists the layer kinds, or shows the manual page of one."""

from collections.abc import Iterable

import click

from convcalc.cli import common, completing, writing
from convcalc.problems import show

_EXAMPLES = """\b
Examples:
  convcalc layers
  convcalc layers conv"""


def _list_kinds() -> Iterable[str]:
    from convcalc.cli.completed_names import KINDS

    return KINDS


@click.command("layers", epilog=_EXAMPLES)
@click.argument("kind", required=False, shell_complete=completing.complete_from(_list_kinds))
@common.output_options
def command(kind: str | None, where: writing.Output) -> int:
    """List the layer kinds, or show the manual page of one.

    Without KIND, all kinds are listed with their arguments. With KIND, its page shows the arguments, the output shape,
    how params and operations are counted, and an example.
    """
    from convcalc.layers import KINDS
    from convcalc.render.layers import kind_lines, kinds_lines
    from convcalc.spec.dialects import kind_hint

    if kind is not None and kind not in KINDS:
        raise writing.Failure(f"no layer kind {show(kind)}: {kind_hint(kind, KINDS)[1]}")
    width = writing.table_width(where)
    lines = kinds_lines(width) if kind is None else kind_lines(KINDS[kind], width)
    writing.write_text(writing.render_text(lines, where), where, [])
    return 0
