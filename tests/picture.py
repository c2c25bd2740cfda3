"""The picture in the README: the table of MobileNet as rich exports it, in the colours of a terminal."""

import io
import re
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

from rich.console import Console

import convcalc
from convcalc import examples
from convcalc.render.lines import RichBlocks
from convcalc.render.summary import table

FILE = Path(__file__).parent.parent / ".github" / "summary.svg"
COMMAND = "convcalc summary example:mobilenet_v1 --depth 1"
_COLUMNS = 80


def draw() -> str:
    """Return the picture as SVG. Its styles and measures depend on rich's version, its texts do not."""
    report = convcalc.summary(examples.find_file("mobilenet_v1"))
    console = Console(record=True, width=_COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(RichBlocks(lambda width: table(report, width=width, depth=1)), end="")
    console.print()  # rich cuts the descenders off the last line
    return console.export_svg(title=COMMAND, unique_id="convcalc")


def read_lines(svg: str) -> list[str]:
    """Return the texts of a picture, line by line, without blanks, which are placed by coordinates."""
    lines: dict[float, str] = {}
    for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text"):
        if re.search(r"clip-path", " ".join(element.keys())):
            row = float(element.attrib["y"])
            lines[row] = lines.get(row, "") + unescape(element.text or "")
    return ["".join(lines[row].split()) for row in sorted(lines) if lines[row].strip()]
