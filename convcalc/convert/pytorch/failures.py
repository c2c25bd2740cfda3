"""Describes why a module cannot be traced, with the line of its code: `nets.py:12: RuntimeError: …`."""

import os
import re
import traceback
from typing import Any

from convcalc.problems import shorten


def describe_failure(error: BaseException) -> str:
    """Return a text that says where and why the tracing of a module failed: `nets.py:12: RuntimeError: …`."""
    place = error_location(error)
    if "DataDependent" in type(error).__name__:
        return f"{place}its forward depends on the values of a tensor"
    return f"{place}{describe_error(error)}"


def describe_error(error: BaseException) -> str:
    """Return the class of an error and the first paragraph of its message."""
    message = shorten(" ".join(str(error).split("\n\n")[0].split()), 300)
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def error_location(error: BaseException) -> str:
    """Return the line of the module's own code that raised an error, such as `nets.py:12: `.

    If the traceback has no such line, the tracebacks of the errors that caused it are searched. Empty if none has one.
    """
    while error is not None:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_own_code(frame.filename)]
        if frames:
            return f"{frames[-1].filename}:{frames[-1].lineno}: "
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return ""


def _is_own_code(file: str) -> bool:
    """Whether a file belongs neither to PyTorch, nor to convcalc, nor to the standard library."""
    import torch

    homes = (torch.__path__[0], __file__.partition("convert")[0], os.path.dirname(os.__file__))
    return (
        os.path.isfile(file)
        and ("site-packages" in file or not file.startswith(homes[2]))
        and not file.startswith(homes[:2])
    )


def node_location(node: Any) -> str:
    """Return the line of the module's own code that calls an operation, such as `nets.py:12: `; empty if unknown."""
    places = re.findall(r'File "([^"\n]+)", line (\d+)', node.meta.get("stack_trace") or "")
    own = [f"{file}:{line}: " for file, line in places if _is_own_code(file)]
    return own[-1] if own else ""
