"""Writes the page of `convcalc diff -f html`: the totals, every layer, both graphs, and the lines of both specs.

`difference_html(difference, [old, new], [], 0)` returns the text of an HTML file that loads nothing.
"""

from collections.abc import Sequence
from typing import Any

from convcalc.diff.condition import Condition
from convcalc.diff.difference import Difference
from convcalc.render.diff import difference_dict
from convcalc.render.page.change_list import write_change_list
from convcalc.render.page.change_rows import list_change_rows
from convcalc.render.page.change_totals import write_change_heading, write_change_totals, write_conditions
from convcalc.render.page.document import VIEW_SCRIPTS, write_document
from convcalc.render.page.graph_data import list_graphs
from convcalc.render.page.line_diff import write_line_diff
from convcalc.render.page.markup import element, join
from convcalc.render.page.network_data import Subject
from convcalc.version import __version__

_SCRIPTS = (
    *VIEW_SCRIPTS,
    "layer.js",
    "theme.js",
    "changes.js",
    "change_columns.js",
    "change_details.js",
    "diff.js",
)


def difference_html(
    difference: Difference, subjects: Sequence[Subject], failed: Sequence[Condition], asked: int
) -> str:
    """Return the page of a difference as the text of an HTML file.

    `subjects` are the old and the new network. `failed` are the conditions of --fail-if that are met or unknown, of
    `asked` ones.
    """
    old, new = subjects
    layers = element("section", element("h2", "Changes"), write_change_list(difference), class_="changes")
    content = join(
        write_change_heading(difference, subjects),
        write_conditions(difference, failed, asked),
        write_change_totals(difference, failed),
        layers,
        write_line_diff(old, new),
    )
    body = join(element("main", element("article", content)), element("footer", f"convcalc {__version__}"))
    data = _make_data(difference, subjects, failed)
    title = f"{old.label} → {new.label} · convcalc"
    return write_document(title, body, data, _SCRIPTS, ("page.css", "diff.css"))


def _make_data(difference: Difference, subjects: Sequence[Subject], failed: Sequence[Condition]) -> dict[str, Any]:
    """Return the data: what `-f json` writes, the report and the graphs of each network, and the rows of the table."""
    networks = [
        {"label": subject.label, "report": subject.report.to_dict(), "graphs": list_graphs(subject.report)}
        for subject in subjects
    ]
    return {
        "difference": difference_dict(difference, [one.text for one in failed]),
        "networks": networks,
        "rows": list_change_rows(difference),
    }
