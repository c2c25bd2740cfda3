"""The pages of the lint rules, from their declarations."""

from collections.abc import Sequence
from inspect import cleandoc

from convcalc.check.rule import IntegerOption, Rule
from convcalc.render.layers import hang_text
from convcalc.render.lines import Line


def rule_list_lines(rules: Sequence[type[Rule]], width: int | None) -> list[Line]:
    """Return the list of all rules: those on by default, then the opt-in ones. `width` None means unlimited."""
    lines: list[Line] = []
    names = max((len(rule.name) for rule in rules), default=0)
    for title, default in (("on by default", True), ("opt-in, with --select", False)):
        lines += [[], [(title, "title")]]
        for rule in rules:
            if rule.default is default:
                lead = f"  {rule.code}  {rule.name:<{names}}  {rule.severity:<7}  "
                lines += hang_text(lead, cleandoc(rule.__doc__ or "").split("\n")[0], width, "", "dim")
    return [*lines[1:], [], [("convcalc rules CODE explains a rule.", "dim")]]


def rule_page_lines(rule: type[Rule], width: int | None) -> list[Line]:
    """Return the page of one rule: what it finds, its options, why that matters, the source, two examples."""
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
    """Return what an option of a rule means and how to set it."""
    return (
        f"{option.name} (default: {option.default}). {option.help}. Set `{option.name} = N` in the configuration file "
        f"(also per path) or use `--{option.name} N`."
    )
