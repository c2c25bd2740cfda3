"""`convcalc schema`: the JSON Schema of a spec."""

import json

import click

from convcalc.cli import common

EXAMPLES = """\b
Examples:
  convcalc schema
  convcalc schema -o convcalc.schema.json"""


@click.command("schema", epilog=EXAMPLES)
@common.output_options
def command(where: common.Output) -> int:
    """The JSON Schema of a spec, for editors.

    The first line `# yaml-language-server: $schema=convcalc.schema.json` of a spec makes an editor complete it.
    """
    from convcalc.spec.schema import schema

    common.write_text(json.dumps(schema(), indent=1, ensure_ascii=False) + "\n", where, [])
    return 0
