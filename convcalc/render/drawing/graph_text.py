"""Writes a diagram in the languages of Graphviz (DOT) and Mermaid, which place the boxes themselves."""

import json
import re

from convcalc.problems import printable
from convcalc.render.drawing.diagram import Box, Diagram, format_figure, metric_title
from convcalc.render.drawing.palette import TONES
from convcalc.render.drawing.scale import choose_tone

# Mermaid refuses larger texts by default: mermaid.js.org/config/schema-docs/config.html, maxTextSize and maxEdges
MOST_MERMAID_CHARACTERS, MOST_MERMAID_ARROWS = 50_000, 500


def write_dot(name: str, diagram: Diagram, metric: str) -> str:
    """Return the diagram as a directed graph in the DOT language, with the colours of the graph for light mode."""
    title = f"{name}, coloured by {metric_title(metric)}"
    lines = [
        f"digraph {_quote_dot([name])} {{",
        f'  graph [rankdir=TB, fontname="Helvetica", labelloc=t, label={_quote_dot([title])}];',
        '  node [shape=box, style="rounded,filled", fontname="Helvetica", fontsize=11];',
        *(
            f'  n{number} [label={_quote_dot(_list_lines(box, metric))}, fillcolor="{TONES[tone][0]}"];'
            for number, (box, tone) in enumerate(zip(diagram.boxes, _choose_tones(diagram, metric), strict=True))
        ),
        *(f"  n{arrow.source} -> n{arrow.target};" for arrow in diagram.arrows),
        "}",
    ]
    return "\n".join(lines) + "\n"


def write_mermaid(name: str, diagram: Diagram, metric: str) -> str:
    """Return the diagram as a flowchart in the language of Mermaid, with a title and the colours of the graph.

    Boxes have the colours for light mode, with dark text, so that they are also readable in dark mode.
    """
    tones = _choose_tones(diagram, metric)
    lines = [
        "---",
        f"title: {_quote_title(f'{name}, coloured by {metric_title(metric)}')}",
        "---",
        "flowchart TB",
        *(
            f'  n{number}["{"<br/>".join(map(_escape_mermaid, _list_lines(box, metric)))}"]:::{tone}'
            for number, (box, tone) in enumerate(zip(diagram.boxes, tones, strict=True))
        ),
        *(f"  n{arrow.source} --> n{arrow.target}" for arrow in diagram.arrows),
        *(
            f"  classDef {tone} fill:{TONES[tone][0]},stroke:{TONES['line'][0]},color:{TONES['text'][0]}"
            for tone in sorted(set(tones))
        ),
    ]
    return "\n".join(lines) + "\n"


def _choose_tones(diagram: Diagram, metric: str) -> list[str]:
    most = max((box.figures.get(metric) or 0 for box in diagram.boxes), default=0)
    return ["input" if box.is_input else choose_tone(box.figures[metric], most) for box in diagram.boxes]


def _list_lines(box: Box, metric: str) -> list[str]:
    figure = box.figures.get(metric, 0)
    figures = [] if figure == 0 else [format_figure(metric, figure)]
    output = [f"→ {box.output}"] if box.output else []
    return [box.name, *box.words, str(box.output_shape), *figures, *output]


def _quote_dot(lines: list[str]) -> str:
    """Return lines as a quoted string of DOT."""
    escaped = (printable(line).replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    return '"' + "\\n".join(escaped) + '"'


def _escape_mermaid(text: str) -> str:
    """Return text in which every character with a meaning in Mermaid, HTML or Markdown is a character reference."""
    return re.sub(r"[^\w .,:/()×·…–→+=-]", lambda found: f"#{ord(found[0])};", printable(text))


def _quote_title(text: str) -> str:
    """Return text as a quoted string of YAML, in which signs with a meaning in Mermaid or HTML are escaped."""
    quoted = json.dumps(printable(text), ensure_ascii=False)
    return re.sub(r"[<>&%{}#;`$]", lambda found: f"\\u{ord(found[0]):04x}", quoted)
