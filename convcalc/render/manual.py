"""The manual of layer kinds, from their declarations."""

import re
from textwrap import dedent
from typing import NamedTuple

from convcalc.keys import Key
from convcalc.layers import FAMILIES
from convcalc.layers.base import Layer
from convcalc.render.lines import Line

SECTION = re.compile(r"(Output|Params|Counted|Source|Example on \[[0-9, ]+\]): ")
ALIASES = {"in_channels", "in_features"}


class Page(NamedTuple):
    """A kind's docstring, taken apart."""

    summary: str
    sections: dict[str, str]
    example: str
    example_input: str


def page(kind: type[Layer]) -> Page:
    """The manual page in a kind's docstring."""
    first, _, rest = (kind.__doc__ or "").partition("\n")
    summary, sections, example, example_input = [first.strip()], dict[str, str](), "", ""
    current = ""
    for line in dedent(rest).strip().splitlines():
        match = SECTION.match(line)
        if match:
            current = match[1]
            sections[current] = line[match.end() :]
        elif current and line.strip():
            sections[current] += " " + line.strip()
        elif line.strip():
            summary.append(line.strip())
    for name in list(sections):
        if name.startswith("Example on "):
            example, example_input = sections.pop(name), name.removeprefix("Example on ")
    return Page(" ".join(summary), sections, example, example_input)


def signature(kind: type[Layer]) -> str:
    """The arguments in one line, required ones first: `out_channels, kernel_size, stride 1`."""
    parts = [
        name if key.required else f"{name} {key.described_default()}"
        for name, key in kind.keys.items()
        if name not in ALIASES
    ]
    return ", ".join(sorted(parts, key=lambda part: " " in part)) or "—"


def kinds_lines() -> list[Line]:
    """All kinds by family, with their arguments."""
    width = max(len(kind.kind) for family in FAMILIES.values() for kind in family)
    lines: list[Line] = []
    for family, kinds in FAMILIES.items():
        lines += [[], [(family, "title")]]
        lines += [[(f"  {kind.kind:<{width}}  ", ""), (signature(kind), "dim")] for kind in kinds]
    return [*lines[1:], [], [("convcalc layers KIND shows a kind's page.", "dim")]]


def kind_lines(kind: type[Layer]) -> list[Line]:
    """The page of one kind."""
    found = page(kind)
    lines: list[Line] = [[(kind.kind, "title")], [], [(found.summary, "")], []]
    if kind.keys:
        width = max(map(len, kind.keys))
        lines.append([("arguments", "title")])
        for name, key in kind.keys.items():
            lines.append([(f"  {name:<{width}}  ", ""), (f"{key.help}; {described(key)}", "dim")])
        lines.append([])
    for name, text in found.sections.items():
        lines.append([(f"{name.lower():<9} ", "title"), (text, "")])
    lines += [[], [("example on input ", "title"), (found.example_input, "")], [(f"  - {found.example}", "")]]
    return lines


def described(key: Key[object]) -> str:
    """What a key takes, and its default."""
    default = "required" if key.required else f"default {key.described_default()}"
    return f"{key.expected}; {default}"
