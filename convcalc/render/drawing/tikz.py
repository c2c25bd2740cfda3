r"""Writes a scene as a LaTeX document with one TikZ picture, which pdflatex turns into a PDF of the picture's size.

The document needs the class `standalone` and the packages `tikz` and `helvet`.
"""

from convcalc.render.drawing.palette import TONES
from convcalc.render.drawing.scene import Image, Line, Polygon, Scene, Shape, Text
from convcalc.render.latex import escape

_PIXEL = 0.75  # points (1/72 inch) per pixel, as browsers print
_ANCHORS = {"start": "base west", "middle": "base", "end": "base east"}


def write_tikz(scene: Scene) -> str:
    """Return the LaTeX document. Every text is escaped; characters that pdflatex may not have become `?`."""
    colors = [rf"\definecolor{{{tone}}}{{HTML}}{{{light[1:].upper()}}}" for tone, (light, _) in TONES.items()]
    shapes = [line for part in scene.parts for shape in part.shapes for line in _write_shape(shape)]
    title = escape(scene.title)
    parts = [
        f"% {title}: {escape(scene.description)}".replace("\n", " "),
        r"\documentclass[tikz]{standalone}",
        r"\usepackage[T1]{fontenc}",
        r"\usepackage[scaled]{helvet}",
        r"\usetikzlibrary{arrows.meta}",
        *colors,
        r"\begin{document}",
        rf"\begin{{tikzpicture}}[x={_PIXEL}bp, y=-{_PIXEL}bp, every node/.style={{inner sep=0pt, outer sep=0pt}}]",
        r"\useasboundingbox (0,0) rectangle " + f"({_number(scene.width)},{_number(scene.height)});",
        *shapes,
        r"\end{tikzpicture}",
        r"\end{document}",
    ]
    return "\n".join(parts) + "\n"


def _write_shape(shape: Shape) -> list[str]:
    if isinstance(shape, Text):
        return [_write_text(shape)]
    if isinstance(shape, Polygon):
        return [_write_polygon(shape)]
    if isinstance(shape, Image):
        return []  # only the box of the input, drawn below the image, remains
    return [_write_line(shape)]


def _write_text(text: Text) -> str:
    size = text.size * _PIXEL
    series = r"\bfseries" if text.bold else ""
    font = rf"\fontfamily{{phv}}{series}\fontsize{{{_number(size)}bp}}{{{_number(size)}bp}}"
    options = f"anchor={_ANCHORS[text.anchor]}, text={text.tone}"
    return rf"\node[{options}] at ({_number(text.x)},{_number(text.y)}) {{{font}\selectfont {escape(text.text)}}};"


def _write_polygon(polygon: Polygon) -> str:
    options = [f"fill={polygon.fill}"]
    options += [f"draw={polygon.edge}", f"line width={_number(_PIXEL)}bp"] if polygon.edge else []
    options += [f"rounded corners={_number(polygon.radius * _PIXEL)}bp"] if polygon.radius else []
    options += ["fill opacity=0.45"] if polygon.clear else []
    corners = " -- ".join(f"({_number(x)},{_number(y)})" for x, y in polygon.points)
    return rf"\path[{', '.join(options)}] {corners} -- cycle;"


def _write_line(line: Line) -> str:
    options = [f"draw={line.tone}", f"line width={_number(line.width * _PIXEL)}bp"]
    options += ["rounded corners=3bp"] if line.round else []
    options += ["-{Latex[length=5bp, width=4bp]}"] if line.arrow else []
    points = " -- ".join(f"({_number(x)},{_number(y)})" for x, y in line.points)
    return rf"\path[{', '.join(options)}] {points};"


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").removesuffix(".")
