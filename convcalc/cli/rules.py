"""`convcalc rules`: lists the lint rules, or explains one."""

from collections.abc import Iterable

import click

from convcalc.cli import common, completing, writing
from convcalc.problems import did_you_mean, show

_EXAMPLES = """\b
Examples:
  convcalc rules
  convcalc rules CV206"""


def _list_rules() -> Iterable[str]:
    from convcalc.cli.completed_names import RULES

    return RULES


@click.command("rules", epilog=_EXAMPLES)
@click.argument("code", required=False, shell_complete=completing.complete_from(_list_rules))
@common.output_options
def command(code: str | None, where: writing.Output) -> int:
    """List the lint rules, or explain one.

    Without CODE, all rules are listed. With CODE, the page of that rule is shown: what it finds, why that matters, the
    source, and a spec before and after the fix.
    """
    from convcalc.check.rules import RULES
    from convcalc.render.rules import rule_list_lines, rule_page_lines

    code = next((rule.code for rule in RULES.values() if rule.name == code), code)
    if code is not None and code not in RULES:
        raise writing.Failure(f"unknown rule {show(code)}: {did_you_mean(code, RULES) or 'convcalc rules lists them'}")
    width = writing.table_width(where)
    lines = rule_list_lines(list(RULES.values()), width) if code is None else rule_page_lines(RULES[code], width)
    writing.write_text(writing.render_text(lines, where), where, [])
    return 0
