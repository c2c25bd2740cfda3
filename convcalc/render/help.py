"""The manual as shown by `convcalc help`: the list of topics, and a page rendered for a terminal."""

from collections.abc import Mapping

from convcalc.render.layers import hang_text
from convcalc.render.lines import Line

_WIDEST_PAGE = 100  # longer lines are hard to read
_FURTHER = {
    "convcalc help TOPIC": "shows a page, convcalc COMMAND --help the options of a command.",
    "convcalc layers": "lists the layer kinds.",
    "convcalc rules": "lists the lint rules.",
}


def topic_lines(topics: Mapping[str, str], width: int | None, only_names: bool = False) -> list[Line]:
    """Return the topics, each with what it is about."""
    if only_names:
        return [[(topic, "")] for topic in topics]
    names = max(map(len, topics))
    lines: list[Line] = [[("topics", "title")]]
    for topic, about in topics.items():
        lines += hang_text(f"  {topic:<{names}}  ", about, width, "", "dim")
    lines.append([])
    for command, what in _FURTHER.items():
        lines += hang_text("", f"{command} {what}", width, "", "dim")
    return lines


def render_page(markdown: str, width: int | None, color: bool) -> str:
    """Return a Markdown page rendered for a terminal; without colour, only its layout remains."""
    from io import StringIO

    from rich.console import Console
    from rich.markdown import Markdown

    columns = min(width or _WIDEST_PAGE, _WIDEST_PAGE)
    console = Console(file=StringIO(), width=columns, force_terminal=color, legacy_windows=False)
    with console.capture() as capture:
        console.print(Markdown(markdown))
    return capture.get()
