"""Lines of styled text, written plainly or, with colours, through rich."""

from collections.abc import Iterable
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from rich.segment import Segment

Styled = tuple[str, str]  # text and the name of its style
Line = list[Styled]

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


def plain_text(lines: Iterable[Line], cut: bool = True) -> str:
    """Return the lines without styles; `cut` removes trailing blanks."""
    texts = ("".join(text for text, _ in line) for line in lines)
    return "".join((text.rstrip() if cut else text) + "\n" for text in texts)


def styled_text(lines: Iterable[Line]) -> str:
    """Return the lines with the escape sequences of their styles; imports rich."""
    from io import StringIO

    from rich.console import Console
    from rich.segment import Segments

    # rich chooses the colours by the environment, so NO_COLOR and TERM apply
    console = Console(file=StringIO(), force_terminal=True, width=10_000, legacy_windows=False)
    with console.capture() as capture:
        console.print(Segments(rich_segments(lines)), end="")
    return capture.get()


def rich_segments(lines: Iterable[Line]) -> "list[Segment]":
    """Return the lines as segments that rich prints; imports rich."""
    from rich.segment import Segment
    from rich.style import Style

    styles = {name: Style.parse(style) if style else None for name, style in _STYLES.items()}
    segments = []
    for line in lines:
        segments += [Segment(text, styles[style]) for text, style in line]
        segments.append(Segment.line())
    return segments


def write(lines: Iterable[Line], stream: IO[str], color: bool) -> None:
    """Write the lines to a stream."""
    stream.write(styled_text(lines) if color else plain_text(lines))
