"""`convcalc schema`: prints the JSON Schema of a spec."""

import json

import click

from convcalc.cli import common

_EXAMPLES = """\b
Examples:
  convcalc schema
  convcalc schema -o convcalc.schema.json"""


@click.command("schema", epilog=_EXAMPLES)
@common.output_options
def command(where: common.Output) -> int:
    """Print the JSON Schema of a spec, for editors.

    Editors complete and check a spec whose first line is
    `# yaml-language-server: $schema=convcalc.schema.json`.
    """
    from convcalc.spec.schema import schema

    common.write_text(json.dumps(schema(), indent=1, ensure_ascii=False) + "\n", where, [])
    return 0
