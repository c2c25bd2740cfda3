"""Parses conditions on the change of a metric, such as `macs > +5%`, and checks them with exact arithmetic."""

import operator
import re
from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

from convcalc.diff.compared_figures import FigurePair
from convcalc.problems import Flaw, did_you_mean, show
from convcalc.spec.budget import read_quantity
from convcalc.spec.budget_metrics import LIMITED

_OPERATORS: dict[str, Callable[[Fraction, Fraction], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}
_PARTS = re.compile(r"\s*([^\s<>=!+%-]*)\s*([<>=!]*)\s*([+-]?)\s*(.*?)\s*", re.DOTALL)
_PERCENT = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?) ?%")
_EXAMPLE = "for example: macs > +5%, or peak_memory > +64KiB"


class Condition(NamedTuple):
    """A condition on the change of a metric, such as `macs > +5%`; `text` is the condition as written.

    `operator`, one of `> >= < <= == !=`, compares the change with `bound`. The bound is in percent of the old value if
    `relative` is true, otherwise a count or a number of bytes or nanoseconds.
    """

    text: str
    metric: str
    operator: str
    bound: Fraction
    relative: bool

    def holds(self, figure: FigurePair) -> bool | None:
        """Return whether the change from the old to the new value meets the condition; None if the change is unknown.

        If the old value is 0, an unchanged value counts as a change of 0%, and any change exceeds every
        percentage.
        """
        change = figure.change
        if change is None:
            return None
        compare = _OPERATORS[self.operator]
        if not self.relative:
            return compare(Fraction(change), self.bound)
        if figure.relative is None:
            return self.operator in (">", ">=", "!=")
        return compare(figure.relative * 100, self.bound)


def parse_condition(text: str) -> Condition:
    """Parse a condition, which consists of a metric, a comparison and a change with an optional sign.

    Raises Flaw, with the range of the wrong characters, if the text is not a condition.
    """
    match = _PARTS.fullmatch(text)
    assert match is not None  # every text matches: each part may be empty
    metric, compare, sign, amount = match.groups()
    if metric not in LIMITED:
        hint = did_you_mean(metric, LIMITED) or f"available: {', '.join(LIMITED)}"
        message = f"no metric {show(metric)}" if metric else "a condition must start with a metric"
        raise Flaw(message, hint if metric else _EXAMPLE, within=match.span(1))
    if compare not in _OPERATORS:
        message = f"no comparison {show(compare)}" if compare else f"the comparison after {metric} is missing"
        raise Flaw(message, f"available: {' '.join(_OPERATORS)}", within=match.span(2))
    try:
        bound, relative = _read_amount(metric, amount)
    except Flaw as flaw:
        raise Flaw(flaw.message, flaw.hint, within=(match.start(3), match.end(4))) from None
    return Condition(text.strip(), metric, compare, -bound if sign == "-" else bound, relative)


def _read_amount(metric: str, text: str) -> tuple[Fraction, bool]:
    """Return an amount such as `5%` or `64KiB` as a number, and whether it is a percentage.

    Raises Flaw if the text is not an amount of this metric.
    """
    if not text:
        raise Flaw("the change is missing", _EXAMPLE)
    percent = _PERCENT.fullmatch(text)
    if percent:
        return Fraction(percent[1]), True
    if text.endswith("%"):
        raise Flaw(f"{show(text)} is not a percentage", "for example: 5% or 0.5%")
    if text == "0":  # 0 needs no unit, even in bytes
        return Fraction(0), False
    return Fraction(read_quantity(metric, text)), False
