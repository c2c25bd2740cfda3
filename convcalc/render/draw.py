"""Writes the pictures of `convcalc draw` as SVG, PNG, TikZ, DOT or Mermaid.

For example, `write_scene(draw_memory(report), "svg")` returns the bytes of an SVG file.
"""

import os
from collections.abc import Callable

from convcalc.analysis.field_region import find_layer, find_region, middle_position
from convcalc.analysis.report import Report, analyse
from convcalc.network import Network
from convcalc.problems import show
from convcalc.render.drawing.diagram import METRICS, Diagram, choose_fold, fold_network
from convcalc.render.drawing.field import draw_field
from convcalc.render.drawing.graph import draw_graph
from convcalc.render.drawing.graph_text import MOST_MERMAID_ARROWS, MOST_MERMAID_CHARACTERS, write_dot, write_mermaid
from convcalc.render.drawing.memory import draw_memory
from convcalc.render.drawing.scene import Scene
from convcalc.render.drawing.stack import draw_stack
from convcalc.render.drawing.svg import write_svg
from convcalc.render.drawing.tikz import write_tikz

MOST_BOXES = 2_000  # a larger graph is unreadable, and placing its boxes takes long
_FOLDED: dict[str, Callable[[Report, Diagram, str], Scene]] = {"graph": draw_graph, "stack": draw_stack}
_PIXELS = 2  # pixels of a PNG picture per unit of the scene, for screens of high resolution
_FORMATS = {".svg": "svg", ".png": "png", ".tex": "tikz"}  # by suffix


class NotDrawn(ValueError):
    """Raised if a picture cannot be drawn; the message says why, and what to do."""


class Picture:
    """A picture that displays itself in a notebook."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    def __repr__(self) -> str:
        scene = self.scene
        return f"<Picture of {scene.title}, {scene.width:.0f}×{scene.height:.0f}: {scene.description}>"

    def _repr_svg_(self) -> str:
        return self.to_svg()

    def to_svg(self) -> str:
        """Return the picture as the text of an SVG file."""
        return write_svg(self.scene)

    def save(self, file: str | os.PathLike[str]) -> None:
        """Write the picture to a file, as SVG, PNG or TikZ (`.tex`) by the suffix of its name.

        Raises ValueError for another suffix, or if a PNG file needs a package that is not installed.
        """
        suffix = os.path.splitext(os.fspath(file))[1].lower()
        if suffix not in _FORMATS:
            raise ValueError(f"the name of the file must end with {', '.join(_FORMATS)}; got {show(os.fspath(file))}")
        format = _FORMATS[suffix]
        content = write_png(self.scene) if format == "png" else write_scene(self.scene, format).encode()
        with open(file, "wb") as stream:
            stream.write(content)


def draw_network(network: Network, kind: str, metric: str, depth: int | str | None) -> Picture:
    """Return the picture of a network; see `Report.draw`."""
    return draw_report(analyse(network), kind, metric, depth)


def draw_report(report: Report, kind: str, metric: str, depth: int | str | None) -> Picture:
    """Return the picture of a report; see `Report.draw`."""
    if kind not in _FOLDED:
        raise ValueError(f"the kind of the picture must be one of {', '.join(_FOLDED)}; got {show(kind)}")
    if metric not in METRICS:
        raise ValueError(f"color must be one of {', '.join(METRICS)}; got {show(metric)}")
    if not (depth in (None, "all") or (isinstance(depth, int) and not isinstance(depth, bool) and depth >= 0)):
        raise ValueError(f"depth must be a whole number or all; got {show(depth)}")
    levels = depth if isinstance(depth, int) else None
    return Picture(draw_folded(report, kind, fold_report(report, levels, depth is None), metric))


def plot_memory(report: Report) -> Picture:
    """Return the picture of the live memory; see `Report.plot_memory`."""
    return Picture(draw_memory(report))


def plot_field(
    report: Report,
    layer: str,
    position: tuple[int, ...] | None,
    image: str | None = None,
    effective: bool = False,
) -> Picture:
    """Return the picture of a receptive field; see `Report.plot_field`. `image` is a `data:` URL.

    Raises NoRegion if the layer or position does not exist, its receptive field is unknown, or the input is a vector.
    """
    index = find_layer(report, layer)
    place = middle_position(report, index) if position is None else position
    region = find_region(report, index, place)
    if not effective:
        return Picture(draw_field(report, index, region, image))
    from convcalc.analysis.effective_field import compute_effective_fields

    found = compute_effective_fields(report.network, report.fields)
    return Picture(draw_field(report, index, region, image, found))


def fold_report(report: Report, depth: int | None, fold: bool) -> Diagram:
    """Return the diagram of a network, folded to `depth` (None: all layers), or, with `fold`, to about 30 boxes.

    Raises NotDrawn if it has more than 2,000 boxes.
    """
    diagram = choose_fold(report) if fold else fold_network(report, depth)
    if len(diagram.boxes) > MOST_BOXES:
        raise NotDrawn(
            f"the picture would have {len(diagram.boxes):,} boxes, and at most {MOST_BOXES:,} are drawn: "
            f"{_suggest_depth(diagram)}"
        )
    return diagram


def _suggest_depth(diagram: Diagram) -> str:
    if diagram.depth == 1 or not any("." in leaf for box in diagram.boxes for leaf in box.leaves):
        return "put layers into blocks, which can be folded"
    return "use a smaller --depth, or leave it out" if diagram.depth else "use --depth N, such as --depth 1"


def draw_folded(report: Report, kind: str, diagram: Diagram, metric: str) -> Scene:
    """Return the scene of a picture of the kind `graph` or `stack`, coloured by a metric."""
    return _FOLDED[kind](report, diagram, metric)


def write_diagram(report: Report, format: str, diagram: Diagram, metric: str) -> str:
    """Return a diagram in the language `dot` or `mermaid`. Raises NotDrawn if Mermaid does not draw graphs so large."""
    if format == "dot":
        return write_dot(report.network.name, diagram, metric)
    text = write_mermaid(report.network.name, diagram, metric)
    if len(text) > MOST_MERMAID_CHARACTERS or len(diagram.arrows) > MOST_MERMAID_ARROWS:
        raise NotDrawn(
            f"Mermaid draws at most {MOST_MERMAID_ARROWS} arrows and {MOST_MERMAID_CHARACTERS:,} characters; this "
            f"graph has {len(diagram.arrows):,} arrows and {len(text):,} characters: {_suggest_depth(diagram)}"
        )
    return text


def write_scene(scene: Scene, format: str) -> str:
    """Return a scene in the format `svg` or `tikz`."""
    return write_tikz(scene) if format == "tikz" else write_svg(scene)


def write_png(scene: Scene) -> bytes:
    """Return a scene as a PNG image of twice its size. Raises NotDrawn if the converter is not installed."""
    try:
        from cairosvg import svg2png
    except ImportError:
        raise NotDrawn("PNG pictures need the package cairosvg: pip install 'convcalc[png]'") from None
    except OSError:  # the package is there, but not the library that it loads
        raise NotDrawn("PNG pictures need the library cairo, which cairosvg did not find: install libcairo2") from None
    found: bytes = svg2png(bytestring=write_svg(scene).encode(), scale=_PIXELS)
    return found
