"""The tables of formats in the manual's page on importing, generated from the list of formats."""

import re
from collections.abc import Iterator
from pathlib import Path

import convcalc
from convcalc.convert.formats import FORMATS, Format, bare_name

PAGE = Path(convcalc.__file__).parent / "manual" / "import.md"
SECTION = re.compile(r"(?<=^## Formats\n\n).*?\n(?=\n## )", re.MULTILINE | re.DOTALL)


def with_tables(page: str) -> str:
    """Return the page with everything below its heading "Formats" generated anew."""
    assert len(SECTION.findall(page)) == 1, "the page has no heading for the formats"
    return SECTION.sub(lambda _: "\n".join(lines()) + "\n", page)


def lines() -> Iterator[str]:
    """The table of formats that are read or written, and the table of those that are only recognised."""
    yield "| format | file | | needs | not kept by an import |\n|---|---|---|---|---|"
    for kind in FORMATS:
        if kind.reader or kind.writers:
            needs = f"`convcalc[{kind.extra}]`" if kind.extra else ""
            yield row(title(kind), endings(kind), direction(kind), needs, kind.lost)
    yield "\nThese are recognised, and the message says what to do instead:\n"
    yield "| format | file | instead |\n|---|---|---|"
    for kind in FORMATS:
        if not kind.reader and not kind.writers:
            yield row(title(kind), endings(kind), kind.advice)


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |")


def title(kind: Format) -> str:
    name = bare_name(kind)
    return name[0].upper() + name[1:]


def endings(kind: Format) -> str:
    return ", ".join(f"`{ending}`" for ending in kind.endings)


def direction(kind: Format) -> str:
    """What convcalc does with files of a format: `read by every command, written with export --to onnx`."""
    imported = [f"run by `import {kind.import_option}`"] if kind.import_option else []
    written = [f"written by {' and '.join(f'`export --to {name}`' for name in kind.writers)}"] if kind.writers else []
    return ", ".join(["read by every command"] * bool(kind.reader) + imported + written)
