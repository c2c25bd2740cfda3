"""Pauses the cyclic garbage collector while many long-lived objects are created."""

import gc
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


def collect_recent_garbage() -> None:
    """Free reference cycles that were created since the last call, even if the garbage collector is off.

    Only recent objects are examined, so the time does not grow with the number of older ones. Call it in a loop that
    reads networks: each leaves cycles of about 60 KB.
    """
    gc.collect(0)


def defer_garbage_collection(function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
    """Return the function, wrapped so that the cyclic garbage collector is off while it runs.

    Reading and analysing a network create many objects that live until the end. Without the pause, the collector scans
    them again and again, which takes a quarter of the run time of a large network.
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
