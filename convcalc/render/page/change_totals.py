"""Writes the top of the page of a difference: what was compared, the conditions that failed, and the totals.

None of it needs a script: a card of `write_change_totals(difference, [])` is `params 2.59 M from 4.23 M -38.9%`.
"""

from collections.abc import Iterator, Sequence

from convcalc.diff.condition import Condition
from convcalc.diff.difference import Difference
from convcalc.problems import shorten
from convcalc.render.diff import TotalRow, change_text, failure_text, given_text, percent_text, side_text, total_rows
from convcalc.render.page.markup import Markup, element, write_section
from convcalc.render.page.network_data import Subject

_MOST_SETTINGS = 40  # limit of listed settings and conditions


def write_change_heading(difference: Difference, subjects: Sequence[Subject]) -> Markup:
    """Return the labels of both networks, and the files and settings in which they differ."""
    old, new = subjects
    files = element("ul", (element("li", fact) for fact in _list_files(subjects)), class_="facts")
    changed = [f"{change.what} {given_text(change)}" for change in difference.given]
    settings = element("ul", (element("li", fact) for fact in changed[:_MOST_SETTINGS]), class_="facts given")
    left_out = len(changed) - _MOST_SETTINGS
    return element(
        "header",
        element("h1", old.label, element("span", " → ", class_="arrow"), new.label),
        files,
        settings if changed else None,
        element("p", f"and {left_out:,} more settings", class_="note") if left_out > 0 else None,
        element("p", "✓ No differences: the networks are the same.", class_="empty") if difference.is_empty else None,
    )


def _list_files(subjects: Sequence[Subject]) -> Iterator[str]:
    for side, subject in zip(("old", "new"), subjects, strict=True):
        name, file = subject.report.network.name, subject.report.network.file
        yield f"{side}: {' · '.join(filter(None, (name, file, subject.source)))}"


def write_conditions(difference: Difference, failed: Sequence[Condition], asked: int) -> Markup | None:
    """Return the conditions of --fail-if that are met or unknown; None if no condition was asked for.

    `asked` is the number of all conditions.
    """
    if not asked:
        return None
    if not failed:
        count = "The condition" if asked == 1 else f"None of the {asked:,} conditions"
        said = f"✓ {count} of --fail-if {'is not met' if asked == 1 else 'is met'}."
        return write_section("Conditions", "", element("p", said, class_="empty"))
    shown = (_write_failure(failure_text(one, difference)) for one in failed[:_MOST_SETTINGS])
    return write_section(
        "Conditions", f"{len(failed):,} of {asked:,} failed", element("ul", shown, class_="findings failed")
    )


def _write_failure(text: str) -> Markup:
    content = element("div", element("p", element("strong", text)))
    return element("li", element("span", "✕ failed", class_="badge"), content, class_="finding is-error")


def write_change_totals(difference: Difference, failed: Sequence[Condition]) -> Markup:
    """Return one card per total: the new value, the old value and the change; failed conditions are marked."""
    return element("ul", (_write_card(row, failed) for row in total_rows(difference)), class_="cards changed")


def _write_card(row: TotalRow, failed: Sequence[Condition]) -> Markup:
    broken = [one.text for one in failed if one.metric == row.name]
    number, _, unit = side_text(row, True, False).partition(" ")
    percent, amount = percent_text(row.figure), change_text(row, True)
    return element(
        "li",
        element("p", row.title, class_="title"),
        element("p", number, element("small", f" {unit}") if unit else None, class_="big"),
        element("p", f"from {side_text(row, False, False)}" if amount else "unchanged", class_="note"),
        element("p", f"{percent} " if percent else None, element("span", amount), class_="change"),
        (element("p", f"✕ {shorten(text, 60)}", class_="bad") for text in broken),
        class_="broken" if broken else None if amount else "same",
    )
