"""Binds the arguments in a file to the parameters of a module, such as [64, 3, 2] to c2, k and s of Conv.

The parameters are those of the Python function that adds the module, after its scope and its input; their annotations
say which values are accepted.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from convcalc.convert.ultralytics.convolutions import Sizes
from convcalc.problems import Flaw, show

MOST_SIZES = 64  # items in the list of one argument
_LARGEST = 10**9
_FLAGS = {"True": True, "true": True, "TRUE": True, "False": False, "false": False, "FALSE": False}


def list_parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Return, by name, the parameters of a module that a file may set.

    These are all but the first two (the scope and the input) and those that must be given by keyword.
    """
    found = list(inspect.signature(function).parameters.items())[2:]
    return {name: parameter for name, parameter in found if parameter.kind is parameter.POSITIONAL_OR_KEYWORD}


def bind(name: str, parameters: dict[str, inspect.Parameter], given: Sequence[Any]) -> dict[str, Any]:
    """Return the arguments in a file by parameter name; parameters without an argument are left out.

    Raises Flaw, whose `where` is the index of the wrong argument.
    """
    required = [key for key, parameter in parameters.items() if parameter.default is inspect.Parameter.empty]
    if not len(required) <= len(given) <= len(parameters):
        raise Flaw(
            f"{name} takes {_describe_count(len(required), len(parameters))}; got {len(given)}", _usage(parameters)
        )
    bound = {}
    for place, (parameter, value) in enumerate(zip(parameters.values(), given, strict=False)):
        try:
            bound[parameter.name] = read_value(parameter.annotation, value)
        except ValueError as error:
            message = f"{parameter.name} of {name} must be {error}; got {show(value)}"
            raise Flaw(message, _usage(parameters), where=(place,)) from None
    return bound


def _describe_count(least: int, most: int) -> str:
    count = str(most) if least == most else f"{least} to {most}"
    return f"{count} argument{'' if count == '1' else 's'}" if most else "no arguments"


def _usage(parameters: dict[str, inspect.Parameter]) -> str:
    """Return the form of the arguments, as error messages show it: `its arguments are [c2, k=1, s=1]`."""
    empty = inspect.Parameter.empty
    texts = [key if value.default is empty else f"{key}={value.default}" for key, value in parameters.items()]
    return f"its arguments are [{', '.join(texts)}]" if texts else ""


def read_value(annotation: Any, value: Any) -> Any:
    """Convert a value from a file to the type that the annotation of a parameter requires.

    Raises ValueError, whose message names the accepted values.
    """
    if annotation in _OPTIONAL:
        return None if value in (None, "None") else read_value(_OPTIONAL[annotation], value)
    if annotation is bool:
        found = _FLAGS.get(value) if isinstance(value, str) else value
        if not isinstance(found, bool):
            raise ValueError("True or False")
        return found
    if annotation is int:
        return _read_integer(value)
    if annotation is float:
        return _read_number(value)
    if annotation is str:
        if not isinstance(value, str):
            raise ValueError("a word")
        return value
    if annotation == Sizes and not isinstance(value, list):
        return _read_integer(value, "an integer or a list of integers")
    return _read_list(value, 2 if annotation == tuple[Sizes, Sizes] else None)


_OPTIONAL = {Sizes | None: Sizes, float | None: float}


def _read_integer(value: Any, expected: str = "an integer") -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _LARGEST:
        raise ValueError(expected)
    return value


def _read_number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > _LARGEST:
        raise ValueError("a number")
    return value


def _read_list(value: Any, length: int | None = None) -> tuple[int, ...]:
    expected = f"a list of {length or f'1 to {MOST_SIZES}'} integers"
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_SIZES or (length and len(value) != length):
        raise ValueError(expected)
    return tuple(_read_integer(item, expected) for item in value)
