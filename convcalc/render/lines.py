"""Writes lines and tables of styled text: as plain text, with escape sequences for colours, or for a console of rich.

rich is imported only to print a result with `rich.print` or in a console, where tables are written as
`rich.table.Table`. Tables of more than 200 rows, for which rich would take too long, are aligned by this module, and so
are all other tables.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO, TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment, Segments
    from rich.style import Style
    from rich.table import Table as RichTable

Styled = tuple[str, str]  # text and the name of its style
Line = list[Styled]
GAP = "  "
SEPARATOR = " · "  # between facts on one line
NO_BREAK = "\u00a0"  # a blank at which lines are not broken
MOST_RICH_ROWS = 200
_UNLIMITED = 1_000_000  # so wide that rich never cuts a table, which `grid` has already made fit

_STYLES = {
    "": "",
    "title": "bold",
    "head": "dim",
    "dim": "dim",
    "group": "bold",
    "bar": "cyan",
    "added": "green",
    "removed": "red",
    "error": "bold red",
    "warning": "bold yellow",
    "note": "bold cyan",
    "place": "bold",
    "caret": "red",
    "hint": "cyan",
}
_GRAPHIC_RENDITIONS = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_FIRST_COMBINING = "\u0300"  # all printable characters before it are one column wide
_OWN_SIGNS = frozenset("–—…→−√≈≤≥∞─━│├└▁▂▃▄▅▆▇█▉▊▋▌▍▎▏░▒▓▲▸▾◀")  # more such characters: rich is not needed


def wrap_facts(facts: Sequence[str], width: int | None, style: str = "") -> list[Line]:
    """Return the facts joined by ` · `, on as many lines as are needed to fit `width` characters (None: unlimited)."""
    lines, line = [], ""
    for fact in facts:
        longer = f"{line}{SEPARATOR}{fact}" if line else fact
        if width is not None and line and len(longer) > width:
            lines.append(line)
            longer = fact
        line = longer
    return [[(text, style)] for text in [*lines, line]]


class Table(NamedTuple):
    """A table ready to be written: titles, whether each column is aligned to the right, and the cells of each row."""

    titles: Sequence[str]
    right: Sequence[bool]
    rows: Sequence[Sequence[Styled]]

    def lines(self) -> list[Line]:
        """Return the table as lines with aligned columns: the titles, then one line per row."""
        texts = [[title, *(row[index][0] for row in self.rows)] for index, title in enumerate(self.titles)]
        aligned = [_align_texts(column, right) for column, right in zip(texts, self.right, strict=True)]
        titles, *others = zip(*aligned, strict=True)
        lines: list[Line] = [[(GAP.join(titles), "head")]]
        for row, cells in zip(self.rows, others, strict=True):
            line: Line = []
            for text, (_, style) in zip(cells, row, strict=True):
                line += [(text, style), (GAP, "")]
            lines.append(line[:-1])
        return lines

    @property
    def width(self) -> int:
        """The number of characters in the longest line."""
        return max(sum(len(text) for text, _ in line) for line in self.lines())


def _align_texts(texts: Sequence[str], right: bool) -> list[str]:
    """Pad the texts to the width of the widest, in columns of a terminal, on their left side if `right` is true."""
    widths = [_measure_width(text) for text in texts]
    widest = max(widths)
    padded = zip(texts, (" " * (widest - width) for width in widths), strict=True)
    return [blanks + text if right else text + blanks for text, blanks in padded]


def _measure_width(text: str) -> int:
    """Return how many columns of a terminal a text takes: two for each Chinese character, for example."""
    if text.isascii() or all(sign < _FIRST_COMBINING or sign in _OWN_SIGNS for sign in text):
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


Block = Line | Table


def split_tables(blocks: Iterable[Block]) -> Iterator[Line]:
    """Yield the lines of all blocks; a table is split into its lines."""
    for block in blocks:
        if isinstance(block, Table):
            yield from block.lines()
        else:
            yield block


def plain_text(blocks: Iterable[Block], cut: bool = True) -> str:
    """Return the blocks as text without styles; if `cut` is true, without trailing blanks."""
    texts = ("".join(text for text, _ in line) for line in split_tables(blocks))
    return "".join((text.rstrip() if cut else text) + "\n" for text in texts)


def styled_text(blocks: Iterable[Block]) -> str:
    """Return the blocks as text with ANSI escape sequences for their styles.

    A console of rich would write the same, but importing rich takes as long as the rest of a short run.
    """
    starts = {name: _start_style(style) for name, style in _STYLES.items()}
    lines = ("".join(_style_text(text, starts[style]) for text, style in line) for line in split_tables(blocks))
    return "".join(f"{line}\n" for line in lines)


def _start_style(style: str) -> str:
    """Return the escape sequence that starts a style such as `bold red`; empty for no style.

    Source: ECMA-48, "Select graphic rendition".
    """
    codes = ";".join(_GRAPHIC_RENDITIONS[word] for word in style.split())
    return f"\x1b[{codes}m" if codes else ""


def _style_text(text: str, start: str) -> str:
    return f"{start}{text}\x1b[0m" if start and text else text


class RichBlocks:
    """Blocks that rich can print; `make_blocks` takes the width of the console and returns the blocks.

    Reports and differences return an instance from their method `__rich__`.
    """

    def __init__(self, make_blocks: Callable[[int], Sequence[Block]]) -> None:
        self.make_blocks = make_blocks

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "Iterator[Segment]":
        unlimited = options.update(max_width=_UNLIMITED)
        for part in _convert_blocks(self.make_blocks(options.max_width)):
            yield from console.render(part, unlimited)


def _convert_blocks(blocks: Sequence[Block]) -> "Iterator[Segments | RichTable]":
    """Convert tables of at most 200 rows to rich tables, and all other blocks to segments of styled text."""
    from rich.segment import Segment, Segments

    styles = _rich_styles()
    segments: list[Segment] = []
    for block in blocks:
        if isinstance(block, Table) and len(block.rows) <= MOST_RICH_ROWS:
            yield Segments(segments)
            yield _convert_table(block)
            segments = []
            continue
        for line in split_tables([block]):
            segments += [Segment(text, styles[style]) for text, style in line]
            segments.append(Segment.line())
    yield Segments(segments)


def _convert_table(table: Table) -> "RichTable":
    """Convert a table to a rich table that shows every cell unchanged.

    Cells are not wrapped. Text that looks like markup, an emoji code or a link is not interpreted.
    """
    from rich.padding import Padding
    from rich.table import Table as RichTable
    from rich.text import Text

    styles = _rich_styles()

    def cell(styled: Styled, right: bool) -> "RenderableType":
        text, style = styled[0], styles[styled[1]] or ""
        if right and text.endswith(" "):
            # padding replaces the trailing blanks, because rich strips them before it aligns text to the right
            stripped = text.rstrip()
            return Padding(Text(stripped, style), (0, len(text) - len(stripped), 0, 0))
        return Text(text, style)

    result = RichTable(box=None, pad_edge=False, padding=(0, len(GAP), 0, 0), header_style="")
    for title, right in zip(table.titles, table.right, strict=True):
        justify: Literal["left", "right"] = "right" if right else "left"
        result.add_column(cell((title, "head"), right), justify=justify, no_wrap=True, overflow="crop")
    for row in table.rows:
        result.add_row(*map(cell, row, table.right))
    return result


def _rich_styles() -> "dict[str, Style | None]":
    from rich.style import Style

    return {name: Style.parse(style) if style else None for name, style in _STYLES.items()}


def write(blocks: Sequence[Block], stream: IO[str], color: bool) -> None:
    """Write the blocks to a stream, with or without colours."""
    stream.write(styled_text(blocks) if color else plain_text(blocks))
