"""Writes the difference between two specs line by line: removed, added and unchanged lines, with their numbers.

`write_line_diff(old, new)` returns a section. A line of the old spec has `data-old="12"`, one of the new spec
`data-new="13"`, and an unchanged line has both.
"""

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from convcalc.render.page.findings import explain_missing_spec, list_lines
from convcalc.render.page.markup import Markup, element, join, write_section
from convcalc.render.page.network_data import Subject

_MOST_LINES = 20_000  # limit of lines per spec
_MOST_PAIRS = 4_000_000  # limit of old × new changed lines: matching more takes too long
_CONTEXT = 3  # unchanged lines around a change; others are folded
_SIGNS = {"same": " ", "removed": "−", "added": "+"}


class _Line(NamedTuple):
    """A line: `what` is `same`, `removed` or `added`; a number is None if that spec does not have the line."""

    what: str
    old: int | None
    new: int | None
    text: str


def write_line_diff(old: Subject, new: Subject) -> Markup:
    """Return the lines of both specs, or a note that says why they are not shown."""
    missing = [subject for subject in (old, new) if subject.text is None]
    if old.text is None or new.text is None:
        said = (element("p", f"{one.label}: {explain_missing_spec(one)}", class_="empty") for one in missing)
        return write_section("Specs", "", said)
    if old.text == new.text:
        return write_section("Specs", "", element("p", "Both specs have the same text.", class_="empty"))
    before, after = list_lines(old.text), list_lines(new.text)
    if max(len(before), len(after)) > _MOST_LINES:
        said_long = f"A spec has more than {_MOST_LINES:,} lines; they are not compared here."
        return write_section("Specs", "", element("p", said_long, class_="empty"))
    lines = list(compare_lines(before, after))
    counts = [sum(line.what == what for line in lines) for what in ("added", "removed")]
    return write_section(
        "Specs",
        f"+{counts[0]:,} −{counts[1]:,} lines",
        element("div", _write_runs(lines), class_="lines", tabindex=0, role="group", aria_label="Changed lines"),
    )


def compare_lines(old: Sequence[str], new: Sequence[str]) -> Iterator[_Line]:
    """Yield the lines of both texts in order; of each change, the removed lines come first."""
    start = _count_equal(old, new)
    rest = min(len(old), len(new)) - start
    end = min(_count_equal(old[::-1], new[::-1]), rest)
    stops = len(old) - end, len(new) - end
    yield from (_Line("same", place + 1, place + 1, old[place]) for place in range(start))
    for what, i, i_stop, j, j_stop in _match_lines(old[start : stops[0]], new[start : stops[1]]):
        if what == "equal":
            pairs = zip(range(i, i_stop), range(j, j_stop), strict=True)
            yield from (_Line("same", start + a + 1, start + b + 1, old[start + a]) for a, b in pairs)
            continue
        yield from (_Line("removed", start + place + 1, None, old[start + place]) for place in range(i, i_stop))
        yield from (_Line("added", None, start + place + 1, new[start + place]) for place in range(j, j_stop))
    yield from (
        _Line("same", stops[0] + place + 1, stops[1] + place + 1, old[stops[0] + place]) for place in range(end)
    )


def _count_equal(old: Sequence[str], new: Sequence[str]) -> int:
    pairs = zip(old, new, strict=False)
    return next((count for count, (one, other) in enumerate(pairs) if one != other), min(len(old), len(new)))


def _match_lines(old: Sequence[str], new: Sequence[str]) -> Sequence[tuple[str, int, int, int, int]]:
    """Return the steps of `SequenceMatcher.get_opcodes`; a single replacement if there are too many lines to match."""
    if len(old) * len(new) > _MOST_PAIRS:
        return [("replace", 0, len(old), 0, len(new))]
    return SequenceMatcher(None, old, new).get_opcodes()


# -- writing


def _write_runs(lines: Sequence[_Line]) -> Iterator[Markup]:
    """Yield the lines in runs; unchanged lines that are far from a change are folded."""
    changed = [place for place, line in enumerate(lines) if line.what != "same"]
    near = {place + step for place in changed for step in range(-_CONTEXT, _CONTEXT + 1)}
    begin = 0
    for place in range(1, len(lines) + 1):
        if place == len(lines) or (place in near) != (begin in near):
            yield _write_run(lines[begin:place], begin in near)
            begin = place


def _write_run(lines: Sequence[_Line], is_open: bool) -> Markup:
    shown = element("pre", map(_write_line, lines))
    if is_open:
        return shown
    count = f"{len(lines):,} unchanged {'line' if len(lines) == 1 else 'lines'}"
    return element("details", element("summary", count), shown)


def _write_line(line: _Line) -> Markup:
    numbers = (element("i", "" if number is None else str(number)) for number in (line.old, line.new))
    content = join(numbers, element("b", _SIGNS[line.what]), line.text)
    return element("span", content, class_=f"is-{line.what}", data_old=line.old, data_new=line.new)
