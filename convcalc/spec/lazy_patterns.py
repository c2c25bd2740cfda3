"""Postpones the compilation of regular expressions that a module creates while it is imported.

>>> with postpone_patterns():
...     digits = re.compile("[0-9]+")
>>> digits.match("28×28").group()
'28'
"""

import re
from _thread import get_ident
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class _LazyPattern:
    """A regular expression that is compiled when it is first used."""

    def __init__(self, compile: Callable[[], Any]) -> None:
        self._compile = compile

    def __getattr__(self, name: str) -> Any:
        return getattr(self._compile(), name)  # `re` keeps the compiled pattern


@contextmanager
def postpone_patterns() -> Iterator[None]:
    """Within this context, patterns that this thread passes to `re.compile` are compiled only when they are used.

    When imported, PyYAML compiles patterns that its C parser never uses, which took an eighth of the time of a short
    run.
    """
    compile, thread = re.compile, get_ident()

    def postpone(pattern: Any, flags: Any = 0) -> Any:
        if get_ident() != thread:
            return compile(pattern, flags)
        return _LazyPattern(lambda: compile(pattern, flags))

    re.compile = postpone
    try:
        yield
    finally:
        re.compile = compile
