"""Putting off the search for garbage while much is made that is kept."""

import gc
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

_Parameters = ParamSpec("Parameters")
_Result = TypeVar("_Result")


def collecting_later(function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
    """The function, with the cyclic garbage collector off while it runs.

    Reading and analysing make many objects, nearly all of which stay: looking through them again and again
    takes a quarter of the time of a large network, and makes it grow faster than the network does.
    """

    @wraps(function)
    def run(*arguments: _Parameters.args, **named: _Parameters.kwargs) -> _Result:
        if not gc.isenabled():
            return function(*arguments, **named)
        gc.disable()
        try:
            return function(*arguments, **named)
        finally:
            gc.enable()

    return run
