"""Writes the manual of layer kinds for `convcalc layers`, made from the classes of the kinds and their docstrings."""

import re
from collections.abc import Iterable
from textwrap import dedent, wrap
from typing import NamedTuple

from convcalc.arguments import Key
from convcalc.layers import FAMILIES
from convcalc.layers.base import Layer
from convcalc.render.cells import Cells, wrapped_table
from convcalc.render.lines import NO_BREAK, Block, Line

_SECTION = re.compile(r"(Output|Params|Counted|Source|Example on \[[0-9, ]+\]): ")
_PAGE = 100  # characters per line if the width is unlimited
_ALIASES = {"in_channels", "in_features"}


class Page(NamedTuple):
    """The docstring of a layer kind, split into its sections.

    `sections` maps names (Output, Params, Counted, Source) to texts. `example` is a spec entry for the layer, and
    `example_input` the input shape for which the example is written, such as `[3, 32, 32]`.
    """

    summary: str
    sections: dict[str, str]
    example: str
    example_input: str


def parse_page(kind: type[Layer]) -> Page:
    """Split the docstring of a layer kind into its sections."""
    first, _, rest = (kind.__doc__ or "").partition("\n")
    summary, sections, example, example_input = [first.strip()], dict[str, str](), "", ""
    current = ""
    for line in dedent(rest).strip().splitlines():
        match = _SECTION.match(line)
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


def _signature(kind: type[Layer]) -> str:
    """Return the arguments of a layer kind, such as `out_channels, kernel_size, stride 1`.

    Required arguments come first; the others are followed by their defaults. A no-break space keeps an argument and its
    default on the same line.
    """
    parts = [
        name if key.required else f"{name}{NO_BREAK}{key.described_default().replace(' ', NO_BREAK)}"
        for name, key in kind.keys.items()
        if name not in _ALIASES
    ]
    return ", ".join(sorted(parts, key=lambda part: NO_BREAK in part)) or "—"


def kinds_lines(width: int | None) -> list[Block]:
    """Return a table of all layer kinds and their arguments, grouped by family."""
    rows = [row for family, kinds in FAMILIES.items() for row in _family_rows(family, kinds)]
    columns = [
        Cells("kind", [name for name, _ in rows], right=False),
        Cells("arguments", [arguments for _, arguments in rows], right=False),
    ]
    table = wrapped_table(columns, width, lambda row: "group" if rows[row][0] in FAMILIES else "")
    return [table, [], [("convcalc layers KIND shows the page of a kind.", "dim")]]


def _family_rows(family: str, kinds: Iterable[type[Layer]]) -> list[tuple[str, str]]:
    return [(family, ""), *((f"  {kind.kind}", _signature(kind)) for kind in kinds)]


def kind_lines(kind: type[Layer], width: int | None) -> list[Line]:
    """Return the manual page of one layer kind."""
    found = parse_page(kind)
    lines: list[Line] = [[(kind.kind, "title")], [], *hang_text("", found.summary, width), []]
    if kind.keys:
        names = max(map(len, kind.keys))
        lines.append([("arguments", "title")])
        for name, key in kind.keys.items():
            lines += hang_text(f"  {name:<{names}}  ", f"{key.help}; {_describe_key(key)}", width, "", "dim")
        lines.append([])
    if kind.main:
        lines += [*hang_text("short form ", _describe_short_form(kind), width, "title"), []]
    for name, text in found.sections.items():
        lines += hang_text(f"{name.lower():<9} ", text, width, "title")
    lines += [[], [("example on input ", "title"), (found.example_input, "")], [(f"  - {found.example}", "")]]
    return lines


def _describe_short_form(kind: type[Layer]) -> str:
    """Explain the short form of a layer kind, such as `dropout: 0.5`, which has only the value of the main argument."""
    if kind.main == "from":
        return f"- {kind.kind}: [previous, input] is - {kind.kind}: {{from: [previous, input]}}"
    return f"- {kind.kind}: … is - {kind.kind}: {{{kind.main}: …}}"


def hang_text(lead: str, text: str, width: int | None, lead_style: str = "", style: str = "") -> list[Line]:
    """Return `lead` followed by `text`, on lines of at most `width` characters (None: 100).

    The second and later lines are indented to the start of `text`.
    """
    pieces = wrap(text, max((width or _PAGE) - len(lead), 16)) or [""]
    first: Line = [(lead, lead_style), (pieces[0], style)]
    return [first, *([(" " * len(lead), ""), (piece, style)] for piece in pieces[1:])]


def _describe_key(key: Key[object]) -> str:
    default = "required" if key.required else f"default {key.described_default()}"
    return f"{key.expected}; {default}"
