"""Writes the list of lint rules and the page of one rule for `convcalc rules`, made from the rule classes."""

from collections.abc import Sequence
from inspect import cleandoc

from convcalc.check.options import IntegerOption
from convcalc.check.rule import Rule
from convcalc.render.cells import Cells, wrapped_table
from convcalc.render.layers import hang_text
from convcalc.render.lines import Block, Line


def rule_list_lines(rules: Sequence[type[Rule]], width: int | None) -> list[Block]:
    """Return a table of the rules that are on by default, and one of the opt-in rules, fitted to `width`."""
    lines: list[Block] = []
    names = max((len(rule.name) for rule in rules), default=0)  # both tables have columns of the same width
    for title, default in (("on by default", True), ("opt-in, with --select", False)):
        shown = [rule for rule in rules if rule.default is default]
        columns = [
            Cells("code", [rule.code for rule in shown], right=False),
            Cells("name", [f"{rule.name:<{names}}" for rule in shown], 8, right=False),
            Cells("severity", [rule.severity for rule in shown], 1, right=False),
            Cells("finds", [cleandoc(rule.__doc__ or "").split("\n")[0] for rule in shown], right=False),
        ]
        lines += [[], [(title, "title")], wrapped_table(columns, width)]
    return [*lines[1:], [], [("convcalc rules CODE explains a rule.", "dim")]]


def rule_page_lines(rule: type[Rule], width: int | None) -> list[Line]:
    """Return the page of a rule: what it finds, its options, why the finding matters, its source, and two examples."""
    state = "on by default" if rule.default else "opt-in: --select " + rule.code
    text = " ".join(cleandoc(rule.__doc__ or "").split())
    lines: list[Line] = [[(f"{rule.code} {rule.name}", "title"), (f"  {rule.severity}, {state}", "dim")], []]
    lines += [*hang_text("", text, width), []]
    for option in rule.options:
        lines += hang_text("option  ", describe_option(option), width, "title")
    lines += [*hang_text("why     ", " ".join(rule.why.split()), width, "title")]
    lines += [*hang_text("source  ", " ".join(rule.source.split()), width, "title")]
    for title, spec in (("wrong", rule.wrong), ("right", rule.right)):
        lines += [[], [(title, "title")], *([("  " + line, "")] for line in cleandoc(spec).splitlines())]
    return lines


def describe_option(option: IntegerOption) -> str:
    """Return a text on one option of a rule: its default, its meaning, and how to set it."""
    return (
        f"{option.name} (default: {option.default}). {option.help}. Set `{option.name} = N` in the configuration file "
        f"(also per path) or use `--{option.name} N`."
    )
