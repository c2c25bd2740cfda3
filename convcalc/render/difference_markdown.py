"""A difference as Markdown, for the comment of a pull request: totals, and what became of the layers folded away."""

from collections.abc import Iterable, Sequence

from convcalc.comparing.difference import Difference
from convcalc.problems import shortened
from convcalc.render.cells import Cells, cell_markdown
from convcalc.render.difference import LAYERS, TOTALS, given_text, total_rows
from convcalc.render.difference_rows import DifferenceRow, difference_rows
from convcalc.render.grid import Column, Kind
from convcalc.render.markdown import escaped

_MOST_BYTES = 65_000  # a comment on GitHub has at most 65,535 characters
_MOST_SETTINGS = 20
_WIDEST = 200


def difference_markdown(difference: Difference, failed: Sequence[str]) -> str:
    """The totals, what is given to the networks, and the rows of the table under a fold; never over MOST_BYTES."""
    names = [escaped(report.network.name) for report in (difference.old, difference.new)]
    title = names[0] if names[0] == names[1] else " → ".join(names)
    lines = [f"### {title}", ""]
    for message in failed[:_MOST_SETTINGS]:
        lines += [f"**{escaped(shortened(message, _WIDEST))}**", ""]
    if difference.is_empty:
        return "\n".join([*lines, "No difference.", ""])
    lines += [*_table_lines(TOTALS, total_rows(difference)), ""]
    given = [f"- {escaped(f'{change.what} {given_text(change)}')}" for change in difference.given]
    lines += (
        [*given[:_MOST_SETTINGS], *_left_out_lines(len(given) - _MOST_SETTINGS, "other values"), ""] if given else []
    )
    rows = difference_rows(difference)
    if rows:
        lines += _fold_rows(rows, _MOST_BYTES - _count_bytes(lines))
    return "\n".join([*lines, ""])


def _table_lines(columns: Sequence[Column[Kind]], rows: Sequence[Kind]) -> list[str]:
    """The lines of a table."""
    return cell_markdown(
        [
            Cells(column.title, [shortened(column.text(row, True), _WIDEST) for row in rows], right=column.right)
            for column in columns
        ]
    )


def _fold_rows(rows: Sequence[DifferenceRow], room: int) -> list[str]:
    """The rows under a fold, as many as there is room for, and how many are left out."""
    opening = ["<details>", "<summary>What became of the layers</summary>", ""]
    lines = _table_lines(LAYERS, rows)
    room -= _count_bytes(opening) + 200  # for the end, and what is left out
    kept = 2
    while kept < len(lines) and _count_bytes(lines[: kept + 1]) <= room:
        kept += 1
    return [*opening, *lines[:kept], *_left_out_lines(len(lines) - kept, "rows"), "", "</details>"]


def _left_out_lines(count: int, what: str) -> Iterable[str]:
    """How many are left out, if any."""
    return [] if count <= 0 else ["", f"{count:,} more {what} are left out; `convcalc diff` shows them."]


def _count_bytes(lines: Sequence[str]) -> int:
    """The bytes of lines, with their ends."""
    return sum(len(line.encode("utf-8", "replace")) + 1 for line in lines)
