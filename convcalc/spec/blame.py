"""Decides whether a wrong value of a spec parameter, and not the spec, is why a network cannot be read.

`blame_params` takes an error, the document and the overrides, and returns the error to report. A parameter may be used
in many places, and each of them reports a wrong value. If the spec is valid without the values given from outside,
there is only one mistake, and it is reported where the value was given: `--set width=abc`.
"""

from collections.abc import Iterable, Sequence

from convcalc.network import Network
from convcalc.problems import InvalidSpec
from convcalc.spec.document import Document
from convcalc.spec.inputs import Overrides, WrongOverride, make_override_problem
from convcalc.spec.reader import read_network

# without the codes of shapes and limits
_WRONG_VALUE_CODES = frozenset({"CV010", "CV011", "CV012", "CV013", "CV014", "CV015"})


def read_overridden_network(document: Document, overrides: Overrides) -> Network:
    """Return the network of a document; a wrong spec parameter is reported once, where it was given.

    Raises InvalidSpec if the spec is wrong, WrongOverride if an override is.
    """
    try:
        return read_network(document, overrides)
    except InvalidSpec as error:
        raise blame_params(error, document, overrides, tuple(overrides.params)) from None


def blame_params(error: InvalidSpec, document: Document, overrides: Overrides, names: tuple[str, ...]) -> InvalidSpec:
    """Return the error about the values of the named spec parameters if they are the cause, else the error itself."""
    if isinstance(error, WrongOverride):
        return error
    wrong = _find_wrong_params(error, document, overrides, names)
    return _describe_wrong_values(error, wrong, document, overrides) if wrong else error


def _find_wrong_params(
    error: InvalidSpec, document: Document, overrides: Overrides, names: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the spec parameters whose given values make the spec invalid.

    This is a single one if the spec is valid without its value, otherwise all of them if it is valid without all their
    values, otherwise (). Shapes that do not fit are not blamed on a value: that is a mistake in the network.
    """
    if not names or not all(problem.code in _WRONG_VALUE_CODES for problem in error.problems):
        return ()
    candidates = [(name,) for name in names] + [names]
    return next((wrong for wrong in candidates if _is_valid_without(wrong, document, overrides)), ())


def _is_valid_without(names: Iterable[str], document: Document, overrides: Overrides) -> bool:
    """Whether the spec has no mistake without the given values, except that these spec parameters need a value."""
    kept = {name: value for name, value in overrides.params.items() if name not in names}
    try:
        read_network(document, overrides.with_params(kept))
    except InvalidSpec as error:
        required = [("params", name) for name in names]
        return all(problem.code == "CV012" and problem.path in required for problem in error.problems)
    return True


def _describe_wrong_values(
    error: InvalidSpec, names: Sequence[str], document: Document, overrides: Overrides
) -> WrongOverride:
    """Return one error for wrong values: what was given, and what was expected at their first use."""
    problem = error.problems[0]
    given = ", ".join(overrides.param_option(name) for name in names)
    message = f"{given}: {problem.message} (first used at {error.place(problem)})"
    hint = next(filter(None, map(overrides.list_advice, names)), problem.hint)
    return WrongOverride([make_override_problem(message, hint)], document.file)
