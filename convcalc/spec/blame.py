"""Decides whether an error is caused by the spec itself or by a spec parameter set from outside, as with `--set`.

`blame_params` takes an error, the document and the overrides, and returns the error to report. A wrong value is found
at every place that uses the parameter. If the spec is valid without the values given from outside, all these problems
are replaced by a single one, which names the option: `--set width=abc`.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from convcalc.network import Network
from convcalc.problems import InvalidSpec, Problem, printable
from convcalc.spec.document import Document
from convcalc.spec.inputs import Overrides, WrongOverride, make_override_problem
from convcalc.spec.reader import read_network

if TYPE_CHECKING:
    from convcalc.spec.model_file import ModelFile

# without the codes for shapes that do not fit and for exceeded limits, which are mistakes in the network itself
_WRONG_VALUE_CODES = frozenset({"CV010", "CV011", "CV012", "CV013", "CV014", "CV015"})


def read_overridden_network(document: Document, overrides: Overrides) -> Network:
    """Return the network of a document; if an override makes the spec invalid, report only the override.

    Raises InvalidSpec if the spec itself is wrong, and WrongOverride if an override such as `--set width=0` is wrong or
    sets a spec parameter of a model file.
    """
    overrides = remove_used(document, overrides)
    if document.model and overrides.params:
        raise WrongOverride([_describe_unknown_params(document, document.model, overrides)], document.file)
    try:
        return read_network(document, overrides)
    except InvalidSpec as error:
        raise blame_params(error, document, overrides, tuple(overrides.params)) from None


def remove_used(document: Document, overrides: Overrides) -> Overrides:
    """Return the overrides without the parameters with which a model file was read."""
    used = document.model.parameters if document.model else ()
    return overrides.with_params({name: value for name, value in overrides.params.items() if name not in used})


def _describe_unknown_params(document: Document, model: "ModelFile", overrides: Overrides) -> Problem:
    given = ", ".join(map(overrides.param_option, overrides.params))
    if model.parameters:
        available = f"available: {', '.join(model.parameters)}"
        return make_override_problem(f"{given}: {model.format} has no such parameter", available)
    advice = advise_import(document, "and add params: to it")
    return make_override_problem(f"{given}: {model.format} has no spec parameters", advice)


def advise_import(document: Document, then: str) -> str:
    """Return the advice to write the spec of a model file and `then` to do what is possible only with a spec."""
    return f"run convcalc import {printable(document.file or 'FILE')} -o net.yaml, {then}"


def blame_params(error: InvalidSpec, document: Document, overrides: Overrides, names: tuple[str, ...]) -> InvalidSpec:
    """Return a WrongOverride if overridden spec parameters cause `error`, otherwise `error` itself.

    `names` are the overridden spec parameters.
    """
    if isinstance(error, WrongOverride):
        return error
    wrong = _find_wrong_params(error, document, overrides, names)
    return _describe_wrong_values(error, wrong, document, overrides) if wrong else error


def _find_wrong_params(
    error: InvalidSpec, document: Document, overrides: Overrides, names: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the overridden spec parameters (of those in `names`) that make the spec invalid.

    If the spec is valid without one of the overrides, return that parameter. Otherwise, return all of `names` if the
    spec is valid without all of them, and () if it is not. Shapes that do not fit are never blamed on an override.
    """
    if not names or not all(problem.code in _WRONG_VALUE_CODES for problem in error.problems):
        return ()
    candidates = [(name,) for name in names] + [names]
    return next((wrong for wrong in candidates if _is_valid_without(wrong, document, overrides)), ())


def _is_valid_without(names: Iterable[str], document: Document, overrides: Overrides) -> bool:
    """Return whether the spec is valid without the overrides of the spec parameters `names`.

    A parameter in `names` without a default then has no value; this is not counted as a mistake.
    """
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
    """Return an error such as `--set width=0: <first problem> (first used at net.yaml:4:5)`."""
    problem = error.problems[0]
    given = ", ".join(overrides.param_option(name) for name in names)
    message = f"{given}: {problem.message} (first used at {error.place(problem)})"
    hint = next(filter(None, map(overrides.list_advice, names)), problem.hint)
    return WrongOverride([make_override_problem(message, hint)], document.file)
