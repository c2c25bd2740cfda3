"""Writes effective receptive fields: as a column, as facts of one layer, and for JSON.

For example, the column of resnet50 ends with `42.9`, the standard deviation of its last stage in pixels.
"""

from collections.abc import Iterable, Sequence
from textwrap import wrap
from typing import Any

from convcalc.analysis import effective_field
from convcalc.analysis.effective_field import NoSpread, Spread, State
from convcalc.analysis.energy_map import Widths, measure_widths
from convcalc.analysis.report import Report
from convcalc.problems import printable
from convcalc.render.columns import per_axis_text
from convcalc.render.lines import Line

_SIGMA = "sigma standard deviation of the effective receptive field at initialisation, in input positions"
_MOST_REASONS = 2
_INDENT = " " * 8


class EffectiveFacts:
    """What is written about the effective receptive fields of a report. `texts` has that of every tensor."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.found = effective_field.compute_effective_fields(report.network, report.fields)
        self.texts = [format_spread(state) for state in self.found.states]

    def _find_tensor(self, index: int) -> int:
        return len(self.report.network.inputs) + index

    def find_state(self, index: int) -> State:
        """Return the effective receptive field of the layer number `index`."""
        return self.found.states[self._find_tensor(index)]

    def list_ignored(self, index: int | None) -> list[str]:
        """Return the names of the tensors that are ignored for a layer, or for any layer if `index` is None."""
        tensor = None if index is None else self._find_tensor(index)
        return effective_field.list_ignored(self.report.network, self.found, tensor)

    def make_column(self, shown: Sequence[int]) -> list[str]:
        """Return the title and the texts of the column `sigma` for the layers with the indexes `shown`."""
        return ["sigma", *(self.texts[self._find_tensor(index)] for index in shown)]

    def explain(self, shown: Sequence[int], width: int | None) -> list[Line]:
        """Return the legend: what sigma is, why it is unknown, and what is ignored."""
        states = map(self.find_state, shown)
        reasons = [state.reason for state in states if isinstance(state, NoSpread) and _is_unknown(state)]
        unknown = [f"? {printable(reason)}" for reason in dict.fromkeys(reasons)]
        notes = [_SIGMA, *unknown[:_MOST_REASONS], *_explain_ignored(self.list_ignored(None))]
        return [[], *_wrap_notes(notes, width)]

    def describe(self, index: int, position: tuple[int, ...], width: int | None) -> list[Line]:
        """Return the facts about a position of the output of the layer number `index`."""
        state = self.find_state(index)
        if isinstance(state, NoSpread):
            return [[("sigma   ", "head"), ("?", "")], *_wrap_notes([printable(state.reason)], width, _INDENT)]
        note = f"  the square root of {per_axis_text(_list_exact_variances(state))}" if state.is_exact else ""
        lines: list[Line] = [[("sigma   ", "head"), (format_spread(state), "title"), (note, "dim")]]
        widths = measure_widths(self.report, self.found, index, position)
        if widths is not None:
            is_fixed = self.report.fields[self._find_tensor(index)].is_fixed  # then it is cut at the input's border
            lines += _describe_widths(widths, None if is_fixed else self.report.layers[index].receptive_field.size)
        return [*lines, *_wrap_notes(_explain_ignored(self.list_ignored(index)), width, _INDENT)]

    def layer_dict(self, index: int) -> dict[str, Any]:
        """Return the effective receptive field of the layer number `index` as a JSON-ready dict."""
        state = self.find_state(index)
        if isinstance(state, NoSpread):
            return {"sigma": None, "variance": None, "reason": state.reason}
        least, most = zip(*state.deviations(), strict=True)
        found: dict[str, Any] = {"sigma": list(most)} | ({"sigma_min": list(least)} if least != most else {})
        variances = [str(largest) for _, largest in state.variances()] if state.is_exact else None
        return {**found, "variance": variances, "reason": None}

    def region_dict(self, index: int, position: tuple[int, ...]) -> dict[str, Any] | None:
        """Return where the energy of a position arrives as a JSON-ready dict; None if it is unknown."""
        if isinstance(self.find_state(index), NoSpread):
            return None
        widths = measure_widths(self.report, self.found, index, position)
        if widths is None:
            return None
        return {"width_50": list(widths.half), "width_95": list(widths.most), "inside": widths.inside}


def format_spread(state: State) -> str:
    """Return the standard deviation per axis as text: `42.9`, a range such as `20.1–21.4`, or `?` if it is unknown.

    The text is empty if all positions of the network's input matter, or none.
    """
    if isinstance(state, NoSpread):
        return "?" if _is_unknown(state) else ""
    least, most = zip(*state.deviations(), strict=True)
    texts = [per_axis_text(map(_format_sigma, figures)) for figures in (least, most)]
    return texts[0] if texts[0] == texts[1] else "–".join(texts)


def _wrap_notes(notes: Iterable[str], width: int | None, indent: str = "") -> list[Line]:
    """Return notes on lines of their own, each wrapped to `width` (None: unlimited)."""
    found = [
        [indent + note] if width is None else wrap(note, width, initial_indent=indent, subsequent_indent=indent)
        for note in notes
    ]
    return [[(line, "dim")] for lines in found for line in lines]


def _is_unknown(state: NoSpread) -> bool:
    return not (state.everywhere or state.nowhere)


def _format_sigma(figure: float) -> str:
    return f"{figure:.1f}" if figure >= 10 else f"{figure:.2f}"


def _explain_ignored(names: list[str]) -> list[str]:
    if not names:
        return []
    more, verb = (f" and {len(names) - 1:,} more", "depend") if len(names) > 1 else ("", "depends")
    return [f"ignored: {printable(names[0])}{more}, which {verb} on all positions"]


def _list_exact_variances(state: Spread) -> list[str]:
    return [str(most) if least == most else f"{least}–{most}" for least, most in state.variances()]


def _describe_widths(widths: Widths, size: tuple[int, ...] | None) -> list[Line]:
    of_field = "" if size is None else f" of {per_axis_text(size)}"
    return [
        [("energy  ", "head"), (f"50% within {per_axis_text(widths.half)}", ""), (of_field, "dim")],
        [(_INDENT, ""), (f"95% within {per_axis_text(widths.most)}", ""), (of_field, "dim")],
        [(_INDENT, ""), (f"{widths.inside:.1%}", ""), (" within the input", "dim")],
    ]
