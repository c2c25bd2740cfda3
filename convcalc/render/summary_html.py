"""Writes a report as HTML for a notebook, where a cell that ends with a `Report` shows a table with foldable scopes.

The HTML is one `<div>` that contains its own style, needs no script and loads nothing. Every text is escaped, because
the names in a network can come from an untrusted file.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import accumulate

from convcalc.analysis.report import Report, analyse
from convcalc.network import Network
from convcalc.problems import printable
from convcalc.render.columns import COLUMNS
from convcalc.render.drawing.diagram import choose_fold
from convcalc.render.drawing.graph import draw_graph
from convcalc.render.drawing.memory import draw_memory
from convcalc.render.drawing.stack import draw_stack
from convcalc.render.drawing.svg import write_svg
from convcalc.render.lines import Line
from convcalc.render.rows import Row, describe_rows, fold_rows, list_leaves
from convcalc.render.shifts import shift_facts
from convcalc.render.summary import format_totals, heading_lines

_MOST_ROWS = 2000  # a limit on the size of the notebook file, which stores about 500 bytes per row
_MOST_BOXES = 200  # graphs with more boxes are left out: a box needs about 1,000 bytes
_MOST_OPEN = 60  # at most this many rows are visible before the reader unfolds any scope
_COLUMNS = tuple(
    COLUMNS[name] for name in ("name", "what", "output_shape", "params", "macs", "receptive_field", "activation_memory")
)
_WIDEST = 48  # characters; longer texts are cut on the screen, and shown in full by a tooltip
_STYLE = """
.convcalc { --text: #1f2328; --faint: #656d76; --line: #d8dee4; --back: #ffffff; --bar: #54aeff;
  color: var(--text); background: var(--back); padding: 8px 12px; overflow-x: auto;
  font: 12px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-variant-numeric: tabular-nums; }
@media (prefers-color-scheme: dark) {
  .convcalc { --text: #e6edf3; --faint: #8d96a0; --line: #30363d; --back: #0d1117; --bar: #1f6feb; } }
.convcalc p { margin: 0; }
.convcalc .faint { color: var(--faint); }
.convcalc .layers { margin: 8px 0; width: max-content; }
.convcalc .row { display: grid; grid-template-columns: var(--columns); column-gap: 2ch; align-items: center;
  border-bottom: 1px solid var(--line); white-space: pre; list-style: none; }
.convcalc .row > span { overflow: hidden; text-overflow: ellipsis; }
.convcalc .head { color: var(--faint); }
.convcalc .right { text-align: right; }
.convcalc summary { cursor: pointer; font-weight: bold; list-style: none; }
.convcalc summary::-webkit-details-marker { display: none; }
.convcalc summary .name::before { content: "▸ "; color: var(--faint); }
.convcalc details[open] > summary .name::before { content: "▾ "; }
.convcalc .name { padding-left: calc(2ch * var(--level)); }
.convcalc .bar { display: inline-block; height: 0.8em; margin-left: 1ch; background: var(--bar); border-radius: 1px; }
.convcalc .totals { display: grid; grid-template-columns: max-content max-content max-content; column-gap: 2ch; }
.convcalc .total { display: contents; }
"""


def html_network(network: Network) -> str:
    """Return the report of a network as HTML, see `html_report`."""
    return html_report(analyse(network))


def html_report(report: Report, pictures: bool = True) -> str:
    """Return the report as HTML: its heading, its layers in nested `<details>` elements, its totals and its pictures.

    The pictures are left out if `pictures` is false. At most 2,000 rows are written. To keep this limit, deep scopes
    become single rows that the reader cannot unfold, and if that is not enough, the last rows are left out.
    """
    title, *facts = heading_lines(report, None)
    rows, note = fold_rows(report, _MOST_ROWS)
    described = [row._replace(what=text) for row, text in zip(rows, describe_rows(report, rows), strict=True)]
    shifts = shift_facts(report.network)
    parts = [
        # keeps the MathJax of a notebook from typesetting names as formulas
        '<div class="convcalc tex2jax_ignore mathjax_ignore">',
        f"<style>{_STYLE}</style>",
        *(f"<p>{_line_html(line)}</p>" for line in (title, *facts)),
        f'<div class="layers" style="--columns: {_measure_columns(described)}">',
        *_table_html(described, _choose_open_indent(rows)),
        "</div>",
        *([f'<p class="faint">{escape(note)}</p>'] if note else []),
        '<div class="totals">',
        *(_total_html(line) for line in format_totals(report, None)),
        "</div>",
        *([f"<p>shifts: {escape(shifts)}</p>"] if shifts else []),
        *(_pictures_html(report) if pictures else ()),
        "</div>",
    ]
    return "\n".join(parts)


def _pictures_html(report: Report) -> Iterator[str]:
    """Yield a folded section per picture: the graph, the feature maps, and the memory in use."""
    scenes = {}
    if len(list_leaves(report, 1)) <= _MOST_BOXES and len((diagram := choose_fold(report)).boxes) <= _MOST_BOXES:
        scenes["graph"] = draw_graph(report, diagram, "macs")
        scenes["feature maps"] = draw_stack(report, diagram, "macs")
    scenes["memory"] = draw_memory(report)
    for title, scene in scenes.items():
        picture = write_svg(scene, standalone=False)
        yield f'<details><summary><span class="name">{title}</span></summary>{picture}</details>'


def _line_html(line: Line) -> str:
    tags = {"title": ("<b>", "</b>"), "dim": ('<span class="faint">', "</span>")}
    return "".join(escape(printable(text)).join(tags.get(style, ("", ""))) for text, style in line)


def _total_html(line: Line) -> str:
    label, number, note = (text.strip() for text, _ in line[::2])
    cells = (f'<span class="faint">{label}</span>', f'<b class="right">{number}</b>', f"<span>{escape(note)}</span>")
    return f'<div class="total">{" ".join(cells)}</div>'


def _texts(row: Row) -> list[str]:
    return [printable(row.label), *(printable(column.text(row, False)) for column in _COLUMNS[1:])]


def _measure_columns(rows: Sequence[Row]) -> str:
    """Return the widths of all columns for the CSS property `grid-template-columns`."""
    table = [[column.title for column in _COLUMNS], *map(_texts, rows)]
    widths = [max(map(len, texts)) for texts in zip(*table, strict=True)]
    widths[0] = max((len(row.label) + 2 * row.indent + 2 * row.is_group for row in rows), default=0)
    return " ".join(f"{min(max(width, 5), _WIDEST)}ch" for width in [*widths, 24])


def _choose_open_indent(rows: Sequence[Row]) -> int:
    """Return the largest indent for which at most 60 rows have that indent or a smaller one; at least 0."""
    visible = accumulate(count for _, count in sorted(Counter(row.indent for row in rows).items()))
    return max(sum(1 for count in visible if count <= _MOST_OPEN) - 1, 0)


def _table_html(rows: Iterable[Row], open_indent: int) -> Iterator[str]:
    """Yield the HTML of the rows, with the rows of each scope in a `<details>` element.

    Scopes with an indent below `open_indent` are unfolded at first.
    """
    titles = [f'<span class="{_side(column.right)}">{column.title}</span>' for column in _COLUMNS]
    yield f'<div class="row head">{" ".join(titles)} <span>share</span></div>'
    open_scopes: list[int] = []
    for row in rows:
        while open_scopes and open_scopes[-1] >= row.indent:
            open_scopes.pop()
            yield "</details>"
        if row.is_group:
            open_scopes.append(row.indent)
            state = " open" if row.indent < open_indent else ""
            yield f'<details{state}><summary class="row">{_cells_html(row)}</summary>'
        else:
            yield f'<div class="row">{_cells_html(row)}</div>'
    yield "</details>" * len(open_scopes)


def _cells_html(row: Row) -> str:
    name, *others = _texts(row)
    full = _tooltip(row.name) if row.indent or len(name) > _WIDEST else ""
    cells = [f'<span class="name" style="--level: {row.indent}"{full}>{escape(name)}</span>']
    for column, text in zip(_COLUMNS[1:], others, strict=True):
        full = _tooltip(text) if len(text) > _WIDEST else ""
        cells.append(f'<span class="{_side(column.right)}"{full}>{escape(text)}</span>')
    return " ".join([*cells, f"<span>{_share_html(row.share)}</span>"])


def _tooltip(text: str) -> str:
    return f' title="{escape(printable(text))}"'


def _side(right: bool) -> str:
    return "right" if right else "left"


def _share_html(share: float | None) -> str:
    """Return a percentage and a bar of at most 16 characters; empty for 0, and `?` if the share is unknown."""
    if share is None:
        return "?"
    return f'{share:6.1%}<i class="bar" style="width: {16 * share:.2f}ch"></i>' if share else ""
