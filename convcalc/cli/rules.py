"""`convcalc rules`: the manual of the linter."""

import click

from convcalc.check.rules import RULES
from convcalc.cli import common
from convcalc.problems import did_you_mean, shown

EXAMPLES = """\b
Examples:
  convcalc rules
  convcalc rules CV206"""


@click.command("rules", epilog=EXAMPLES)
@click.argument("code", required=False, shell_complete=common.completing(lambda: RULES))
@common.output_options
def command(code: str | None, where: common.Output) -> int:
    """The rules of the linter.

    All of them, or one: what it finds, why that matters, an example wrong and right, where it is known from.
    """
    from convcalc.render.rulebook import rule_lines, rules_lines

    code = next((rule.code for rule in RULES.values() if rule.name == code), code)
    if code is not None and code not in RULES:
        raise common.Failure(f"no rule {shown(code)}: {did_you_mean(code, RULES) or 'convcalc rules lists them'}")
    width = common.width_of(where)
    lines = rules_lines(list(RULES.values()), width) if code is None else rule_lines(RULES[code], width)
    common.write_text(common.as_text(lines, where), where, [])
    return 0
