"""Writes a difference as Markdown for a comment on a pull request: the totals, and a collapsed table of layers."""

from collections.abc import Iterable, Sequence

from convcalc.diff.difference import Difference
from convcalc.problems import shorten
from convcalc.render.cells import Cells, cell_markdown
from convcalc.render.diff import LAYERS, TOTALS, given_text, list_total_signs, total_rows
from convcalc.render.diff_rows import DifferenceRow, difference_rows
from convcalc.render.grid import Column, Kind
from convcalc.render.legend import list_signs
from convcalc.render.markdown import escape, legend_markdown

_MOST_BYTES = 65_000  # a GitHub comment has at most 65,535 characters
_MOST_SETTINGS = 20
_WIDEST = 200


def difference_markdown(difference: Difference, failed: Sequence[str], layers: bool = True) -> str:
    """Return a Markdown comment that GitHub accepts: messages, totals and changed settings.

    `failed` has the messages about conditions of --fail-if that are met or unknown. With `layers`, a collapsed table of
    changed layers follows, with as many rows as fit the maximum length of a comment.
    """
    names = [escape(report.network.name) for report in (difference.old, difference.new)]
    title = names[0] if names[0] == names[1] else " → ".join(names)
    lines = [f"### {title}", ""]
    for message in failed[:_MOST_SETTINGS]:
        lines += [f"**{escape(shorten(message, _WIDEST))}**", ""]
    if difference.is_empty:
        return "\n".join([*lines, "No differences.", ""])
    lines += [*_table_lines(TOTALS, total_rows(difference)), *legend_markdown(list_total_signs(difference)), ""]
    given = [f"- {escape(f'{change.what} {given_text(change)}')}" for change in difference.given]
    lines += (
        [*given[:_MOST_SETTINGS], *_left_out_lines(len(given) - _MOST_SETTINGS, "other values"), ""] if given else []
    )
    rows = difference_rows(difference) if layers else []
    if rows:
        lines += _write_collapsed_table(rows, _MOST_BYTES - _count_bytes(lines))
    return "\n".join([*lines, ""])


def _table_lines(columns: Sequence[Column[Kind]], rows: Sequence[Kind]) -> list[str]:
    return cell_markdown(
        [
            Cells(column.title, [shorten(column.text(row, True), _WIDEST) for row in rows], right=column.right)
            for column in columns
        ]
    )


def _write_collapsed_table(rows: Sequence[DifferenceRow], most_bytes: int) -> list[str]:
    """Return a collapsed table of at most `most_bytes` bytes; its end says how many rows did not fit."""
    opening = ["<details>", "<summary>Changed layers</summary>", ""]
    lines = _table_lines(LAYERS, rows)
    room = most_bytes - _count_bytes(opening) - 400  # room for the legend and the closing lines
    kept = 2
    while kept < len(lines) and _count_bytes(lines[: kept + 1]) <= room:
        kept += 1
    signs = list_signs([row.layer for row in rows[: kept - 2] if row.layer], False)
    return [
        *opening,
        *lines[:kept],
        *legend_markdown(signs),
        *_left_out_lines(len(lines) - kept, "rows"),
        "",
        "</details>",
    ]


def _left_out_lines(count: int, what: str) -> Iterable[str]:
    return [] if count <= 0 else ["", f"{count:,} more {what} are not shown here; run `convcalc diff` to see them."]


def _count_bytes(lines: Sequence[str]) -> int:
    return sum(len(line.encode("utf-8", "replace")) + 1 for line in lines)
