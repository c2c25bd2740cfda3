"""Remembers the results of pure functions while networks are read and analysed.

`remember` decorates such a function. `remember_last` keeps a single result.

Results are kept for the next run, which is then faster. If there are too many, `begin_run` forgets them. Within a run,
nothing is forgotten: a least-recently-used cache would be useless for a network with one layer more than its size.

While `is_paused`, nothing is remembered or recalled, because the numbers are then recorded (`convcalc.exact`).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")

_ABSENT = object()
MOST_KEPT = 10_000  # results of one function that are kept for the next run
_results: list[dict[Any, Any]] = []
_paused = False


def remember(function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
    """Return a function that calls `function` once per set of equal positional arguments, which must be hashable."""
    known: dict[Any, _Result] = {}
    _results.append(known)

    call: Callable[..., _Result] = function

    @wraps(function)
    def recall(*arguments: Any) -> _Result:
        if _paused:
            return call(*arguments)
        found: Any = known.get(arguments, _ABSENT)
        if found is _ABSENT:
            found = known[arguments] = call(*arguments)
        return found  # type: ignore[no-any-return]

    return cast(Callable[_Parameters, _Result], recall)


def remember_last(function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
    """Return a function that remembers only its last result, because its results are large."""
    known: dict[Any, _Result] = {}
    _results.append(known)
    call: Callable[..., _Result] = function

    @wraps(function)
    def recall(*arguments: Any) -> _Result:
        if arguments not in known:
            found = call(*arguments)
            known.clear()
            known[arguments] = found
        return known[arguments]

    return cast(Callable[_Parameters, _Result], recall)


def begin_run() -> None:
    """Forget the results of functions with more than MOST_KEPT results."""
    for known in _results:
        if len(known) > MOST_KEPT:
            known.clear()


def forget() -> None:
    """Forget all results."""
    for known in _results:
        known.clear()


def is_paused() -> bool:
    """Whether nothing is remembered or recalled at the moment."""
    return _paused


@contextmanager
def pause() -> Iterator[None]:
    """Remember and recall nothing in a `with` block."""
    global _paused
    before, _paused = _paused, True
    try:
        yield
    finally:
        _paused = before
