"""Lines of styled text, and writing them: plainly, or through rich where there are colours."""

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
    """The lines without styles, trailing blanks cut."""
    texts = ("".join(text for text, _ in line) for line in lines)
    return "".join((text.rstrip() if cut else text) + "\n" for text in texts)


def styled_text(lines: Iterable[Line]) -> str:
    """The lines with the escape sequences of their styles. Needs rich, which is imported here."""
    from io import StringIO

    from rich.console import Console
    from rich.segment import Segments

    # rich decides by the environment which colours there are, so that NO_COLOR and TERM hold
    console = Console(file=StringIO(), force_terminal=True, width=10_000, legacy_windows=False)
    with console.capture() as capture:
        console.print(Segments(rich_segments(lines)), end="")
    return capture.get()


def rich_segments(lines: Iterable[Line]) -> "list[Segment]":
    """The lines as rich prints them. Needs rich, which is imported here."""
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
