"""Putting off the search for garbage while much is made that is kept."""

import gc
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def collecting_later(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """The function, with the cyclic garbage collector off while it runs.

    Reading and analysing make many objects, nearly all of which stay: looking through them again and again
    takes a quarter of the time of a large network, and makes it grow faster than the network does.
    """

    @wraps(function)
    def run(*arguments: Parameters.args, **named: Parameters.kwargs) -> Result:
        if not gc.isenabled():
            return function(*arguments, **named)
        gc.disable()
        try:
            return function(*arguments, **named)
        finally:
            gc.enable()

    return run
