"""Writes the manual for `convcalc help`: the list of topics, or one page rendered for a terminal."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from convcalc.render.layers import hang_text
from convcalc.render.lines import Line

if TYPE_CHECKING:
    from rich.markdown import Markdown

_WIDEST_PAGE = 100  # characters; longer lines are hard to read
_LINK_TO_PAGE = re.compile(r"\[([^\]]+)\]\((?!http)[^)]*\)")
_INDENT = "  "
_FURTHER = {
    "convcalc help TOPIC": "shows a page, convcalc COMMAND --help the options of a command.",
    "convcalc layers": "lists the layer kinds.",
    "convcalc rules": "lists the lint rules.",
}


def topic_lines(topics: Mapping[str, str], width: int | None, only_names: bool = False) -> list[Line]:
    """Return a line per topic with its description, then lines on related commands such as `convcalc layers`.

    `topics` maps each topic to its description. With `only_names`, only the names of the topics are returned.
    """
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
    """Return a Markdown page rendered for a terminal, with or without colours and other styles.

    A link to another page is replaced by its text, which contains the name of the topic.
    """
    from io import StringIO

    from rich.console import Console
    from rich.theme import Theme

    columns = min(width or _WIDEST_PAGE, _WIDEST_PAGE)
    theme = Theme({"markdown.code": "cyan"})  # the default style of rich has a black background
    console = Console(file=StringIO(), width=columns, theme=theme, force_terminal=color, legacy_windows=False)
    with console.capture() as capture:
        console.print(_parse_markdown(_LINK_TO_PAGE.sub(r"\1", markdown)), crop=False)
    return "".join(line.rstrip() + "\n" for line in capture.get().splitlines())


def _parse_markdown(text: str) -> "Markdown":
    """Parse Markdown for rich; code blocks are not wrapped or highlighted, and are indented if they fit.

    By default, rich adds padding around code blocks and wraps them. Many code blocks are 80 columns wide, so padding
    would break their lines in many terminals.
    """
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.markdown import CodeBlock, Markdown
    from rich.text import Text

    class PlainBlock(CodeBlock):
        def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
            lines = str(self.text).rstrip().split("\n")
            widest = max((len(line) for line in lines if not line.startswith("$ ")), default=0)
            indent = _INDENT if widest + len(_INDENT) <= options.max_width else ""
            for line in lines:
                style = "bold" if line.startswith("$ ") else ""
                yield Text(indent + line, style, no_wrap=True, overflow="ignore")

    page = Markdown(text, hyperlinks=False)
    page.elements = {**Markdown.elements, "fence": PlainBlock, "code_block": PlainBlock}  # type: ignore[misc]
    return page
