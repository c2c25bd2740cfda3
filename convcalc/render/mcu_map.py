"""Draws the tensor arena over time as text: one column per operator, one letter per buffer, offsets upwards."""

from convcalc.device.arena import Buffer
from convcalc.device.mcu import McuReport
from convcalc.problems import shorten
from convcalc.render.cells import Cells, cell_table
from convcalc.render.lines import Block, Line, wrap_facts
from convcalc.units import format_bytes

_ROWS, _WIDEST = 12, 64  # height and largest width of the map, in characters
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_OTHER, _FREE = "#", "·"
MOST_LISTED = 12
_MOST_NAME = 40


def map_lines(report: McuReport, width: int | None) -> list[Block]:
    """Return a map of the arena: one column per operator, one row per part of the arena, one letter per buffer."""
    if not report.offsets:
        return _peak_lines(report, width)
    letters = _assign_letters(report)
    label = max(len(format_bytes(report.head)), 3)
    across = min(len(report.live), (width or _WIDEST + label + 3) - label - 3)
    cells = _fill_map(report, letters, across)
    facts = [
        f"head over time: offset upwards, operators 0 to {len(report.live) - 1} across",
        f"at most {report.lower_bound:,} B are live at once",
    ]
    lines: list[Block] = list(wrap_facts(facts, width, "head"))
    for row in range(_ROWS - 1, -1, -1):
        axis = format_bytes(report.head) if row == _ROWS - 1 else "0 B" if row == 0 else ""
        lines.append([(f"{axis:>{label}} ", "head"), ("│ ", "dim"), ("".join(cells[row]), "bar")])
    return [*lines, [], *_list_buffers(report, letters, width)]


def _assign_letters(report: McuReport) -> dict[int, str]:
    """Return a letter for each of the largest buffers, by index, in the order of time."""
    largest = sorted(range(len(report.buffers)), key=lambda index: -report.buffers[index].size)[: len(_LETTERS)]
    ordered = sorted(largest, key=lambda index: (report.buffers[index].first, index))
    return {index: letter for letter, index in zip(_LETTERS, ordered, strict=False)}


def _fill_map(report: McuReport, letters: dict[int, str], across: int) -> list[list[str]]:
    """Return the characters of the map, the lowest row first; a cell shows the buffer in its middle, if any."""
    cells = [[_FREE] * across for _ in range(_ROWS)]
    times = len(report.live)
    for index in sorted(range(len(report.buffers)), key=lambda index: report.buffers[index].size):
        buffer, offset = report.buffers[index], report.offsets[index]
        first, last = (time * across // times for time in (buffer.first, buffer.last))
        low = -(-(offset * 2 * _ROWS - report.head) // (2 * report.head)) if report.head else 0
        high = ((offset + buffer.size) * 2 * _ROWS - report.head - 1) // (2 * report.head) if report.head else 0
        for row in range(max(low, 0), min(high, _ROWS - 1) + 1):
            cells[row][first : last + 1] = letters.get(index, _OTHER) * (last + 1 - first)
    return cells


def _list_buffers(report: McuReport, letters: dict[int, str], width: int | None) -> list[Block]:
    """Return the buffers that are live when the most bytes are, the largest first."""
    peak = report.peak_time
    live = [index for index, buffer in enumerate(report.buffers) if buffer.first <= peak <= buffer.last]
    live.sort(key=lambda index: -report.buffers[index].size)
    shown = live[:MOST_LISTED]
    columns = [
        Cells("", [letters.get(index, _OTHER) for index in shown], right=False),
        Cells("buffer", [_describe_buffer(report.buffers[index]) for index in shown], right=False),
        Cells("bytes", [f"{report.buffers[index].size:,}" for index in shown]),
        Cells("offset", [f"{report.offsets[index]:,}" for index in shown], 3),
        Cells("operators", [_describe_times(report.buffers[index]) for index in shown], 2),
    ]
    title: Line = [("live while ", "head"), (shorten_name(report.name_time(peak)), "title"), (" runs", "head")]
    return [title, cell_table(columns, width, ""), *count_others(len(live) - len(shown))]


def _peak_lines(report: McuReport, width: int | None) -> list[Block]:
    """Return the tensors that are live at the peak of a runtime without a planner."""
    peak = report.peak_time
    live = [buffer for buffer in report.buffers if buffer.first <= peak <= buffer.last]
    live.sort(key=lambda buffer: -buffer.size)
    shown = live[:MOST_LISTED]
    columns = [
        Cells("tensor", [_describe_buffer(buffer) for buffer in shown], right=False),
        Cells("bytes", [f"{buffer.size:,}" for buffer in shown]),
    ]
    title: Line = [("live while ", "head"), (shorten_name(report.name_time(peak)), "title"), (" runs", "head")]
    return [title, cell_table(columns, width, ""), *count_others(len(live) - len(shown))]


def _describe_buffer(buffer: Buffer) -> str:
    return shorten_name(buffer.name) + (" (scratch)" if buffer.tensor is None else "")


def shorten_name(name: str) -> str:
    """Return the name of a layer or tensor as tables show it."""
    return shorten(name, _MOST_NAME) or "(no name)"


def _describe_times(buffer: Buffer) -> str:
    return str(buffer.first) if buffer.first == buffer.last else f"{buffer.first} to {buffer.last}"


def count_others(count: int) -> list[Block]:
    """Return a line for the rows that a table leaves out; no line if there are none."""
    return [[(f"and {count:,} more", "dim")]] if count > 0 else []
