"""`convcalc schema`: prints the JSON Schema of a spec, or of a JSON document that commands write."""

from functools import partial

import click

from convcalc.cli import common, completing, writing
from convcalc.json_schemas import DOCUMENTS, document_schema
from convcalc.problems import did_you_mean, show

_EXAMPLES = """\b
Examples:
  convcalc schema -o convcalc.schema.json
  convcalc schema report"""
SPEC = "spec"
NAMES = (SPEC, *DOCUMENTS)


@click.command("schema", epilog=_EXAMPLES)
@click.argument("document", default=SPEC, shell_complete=completing.complete_from(lambda: NAMES))
@partial(common.output_options, only="json")
def command(document: str, where: writing.Output) -> int:
    """Print the JSON Schema of specs, or of the JSON that a command writes.

    DOCUMENT is spec (the default), or the kind of document that a command writes with -f json: report, problems,
    receptive_field, memory, mcu, latency, explanation, conventions, algorithms, alternatives, fit, sweep, space, diff,
    compare, verify or page. The document shards is the file sweep.json in a folder of convcalc sweep -o FOLDER/.

    Editors can complete and check a spec that begins with this line:

    \b
      # yaml-language-server: $schema=convcalc.schema.json
    """  # noqa: D301 (click preserves the line breaks of a paragraph after this backspace character)
    import json  # importing it at the top would slow the start of --help

    if document not in NAMES:
        raise writing.Failure(f"unknown document {show(document)}: {_suggest_document(document)}")
    if document == SPEC:
        from convcalc.spec.spec_schema import make_spec_schema

        found = make_spec_schema()
    else:
        found = document_schema(document)
    writing.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", where, [])
    return 0


def _suggest_document(name: str) -> str:
    """Return a hint for an unknown document name.

    If it is the name of a command, the hint names the document that this command writes.
    """
    written = next((document for document, command in DOCUMENTS.items() if command == name), None)
    if written is not None:
        return f"convcalc {name} writes {written}"
    return did_you_mean(name, NAMES) or f"available: {', '.join(NAMES)}"
