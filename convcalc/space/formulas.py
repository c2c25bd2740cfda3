"""Reads the expressions of `--where` and `--derive`, which are those of a spec with column names and quantities.

For example, `macs < 300M and peak_memory <= 256KiB` is true or false for a row, and `top1 / macs` is a number.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from convcalc.metrics.figures import find_figure
from convcalc.problems import Flaw, did_you_mean, printable, show
from convcalc.spec.expressions import Evaluate, Parser, Undefined, WrongExpression
from convcalc.units import COUNT_SUFFIXES, DURATION_SUFFIXES, MEMORY_SUFFIXES

_MOST_CHARACTERS = 1000
_SECONDS = {suffix: factor / 10**9 for suffix, factor in DURATION_SUFFIXES.items()}
_SUFFIXES = {suffix: factor for suffix, factor in {**COUNT_SUFFIXES, **MEMORY_SUFFIXES, **_SECONDS}.items() if suffix}
_NUMBER = r"[0-9][0-9_]*(?:\.[0-9]*)?"
_AMBIGUOUS = re.compile(
    rf"\w+_memory\s*(?:[<>]=?|==|!=)\s*(?P<after>{_NUMBER})\s*(?P<unit_after>[KMG])\b"
    rf"|(?P<before>{_NUMBER})\s*(?P<unit_before>[KMG])\s*(?:[<>]=?|==|!=)\s*\w+_memory\b",
    re.ASCII,
)


class WrongFormula(Flaw):
    """Raised for an expression that is malformed; the message shows the expression with carets under the mistake."""


class Formula:
    """An expression; `columns` maps the names in it to the columns that they mean.

    `option` is the option with which it was given, such as `--where`. `paths` has the traced paths of formula_paths.py.
    """

    def __init__(self, option: str, text: str, columns: dict[str, str], evaluate: Evaluate) -> None:
        self.option = option
        self.text = text
        self.columns = columns
        self.evaluate = evaluate
        self.paths: dict[str, list[Any]] = {}

    def evaluate_rows(self, columns: Mapping[str, Sequence[Any]], count: int) -> tuple[list[Any], dict[int, str]]:
        """Return the value of the expression in every row, and the messages of the rows without a result.

        A value is None if the expression has no result, as in a division by zero, or if a value that it needs is None
        (unknown). Raises WrongFormula if a value has the wrong type.
        """
        values: list[Any] = []
        failures: dict[int, str] = {}
        lookup = _Row({name: columns[column] for name, column in self.columns.items()})
        for lookup.index in range(count):
            try:
                values.append(self.evaluate(lookup.find))
            except UnknownValue:
                values.append(None)
            except Undefined as error:
                failures[lookup.index] = error.message
                values.append(None)
            except WrongExpression as error:
                raise show_mistake(self.option, self.text, error) from None
        return values, failures


class UnknownValue(Exception):
    """Raised if an expression needs a value that is None."""


class _Row:
    """Looks up the values of one row after the other."""

    __slots__ = ("columns", "index")

    def __init__(self, columns: Mapping[str, Sequence[Any]]) -> None:
        self.columns = columns
        self.index = 0

    def find(self, name: str) -> Any:
        value = self.columns[name][self.index]
        if value is None:
            raise UnknownValue
        return value


def read_formula(
    option: str, text: str, known: Collection[str], explain: Callable[[str], str] = lambda name: ""
) -> Formula:
    """Return the formula of an expression; `known` are the names of the columns that it can use.

    A name is a column, a column with characters such as `-` replaced by `_`, or a printed header. `explain` returns a
    hint on an unknown name, or "". Raises WrongFormula.
    """
    try:
        if len(text) > _MOST_CHARACTERS:
            raise WrongExpression(f"the expression has more than {_MOST_CHARACTERS:,} characters", 0, 1)
        parser = Parser(text, 0, len(text), _SUFFIXES)
        evaluate = parser.parse()
        _refuse_ambiguous_memory(text)
        names = {}
        for name, (start, end) in parser.names.items():
            found = find_column(name, known)
            if found is None:
                hint = explain(name) or did_you_mean(name, map(make_identifier, known))
                hint = hint or f"available: {', '.join(map(make_identifier, known))}"
                raise WrongExpression(f"no column {show(name)}", start, end, hint)
            names[name] = found
        return Formula(option, text, names, evaluate)
    except WrongExpression as error:
        raise show_mistake(option, text, error) from None


def _refuse_ambiguous_memory(text: str) -> None:
    """Raise WrongExpression if a memory is compared with a quantity such as 256K; budgets refuse it, too."""
    match = _AMBIGUOUS.search(text)
    if match is not None:
        side = "after" if match["after"] else "before"
        digits, unit = match[side], match[f"unit_{side}"]
        message = f"{digits}{unit} is ambiguous: {unit} can mean {unit}B (powers of 1000) or {unit}iB (powers of 1024)"
        start, end = match.start(side), match.end(f"unit_{side}")
        raise WrongExpression(message, start, end, f"use {digits}{unit}iB or {digits}{unit}B")


def find_column(name: str, known: Iterable[str]) -> str | None:
    """Return the column that a name means: the column itself, its form as an identifier, or its printed header."""
    names = list(known)
    if name in names:
        return name
    by_identifier = {make_identifier(column): column for column in reversed(names)}
    figure = find_figure(name)
    return by_identifier.get(name) or (figure if figure in names else None)


def make_identifier(name: str) -> str:
    """Return a name as it is written in an expression: `x_task` for the column `x-task`."""
    return re.sub(r"\W", "_", name, flags=re.ASCII)


def show_mistake(option: str, text: str, error: WrongExpression) -> WrongFormula:
    """Return an error with the expression, and carets under the mistake, on the next lines of its message."""
    hint = f": {error.hint}" if error.hint else ""
    start, end = error.within or (0, 1)
    before = printable(text[:start])
    carets = "^" * max(1, len(printable(text[start:end])))
    return WrongFormula(f"{option}: {error.message}{hint}\n  {printable(text)}\n  {' ' * len(before)}{carets}")
