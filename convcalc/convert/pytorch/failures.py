"""Describes why a module cannot be traced, with the line of its code: `nets.py:12: RuntimeError: …`."""

import os
import re
import traceback
from typing import Any

from convcalc.problems import shorten


def describe_failure(error: BaseException, module: Any = None) -> str:
    """Return a text that says where and why a module failed: `nets.py:12: in body.fc (Linear): RuntimeError: …`.

    `body.fc` is the path within `module` of the innermost module that was running.
    """
    place = f"{error_location(error)}{_failed_module(error, module)}"
    if "DataDependent" in type(error).__name__:
        return f"{place}its forward depends on the values of a tensor"
    return f"{place}{describe_error(error)}"


def describe_error(error: BaseException) -> str:
    """Return the class of an error and the first paragraph of its message."""
    message = shorten(" ".join(str(error).split("\n\n")[0].split()), 300)
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _failed_module(error: BaseException, module: Any) -> str:
    """Return the path and class of the innermost module that was running: `in body.fc (Linear): `."""
    paths = {} if module is None else {id(inner): (path, type(inner)) for path, inner in module.named_modules()}
    found = ""
    frame = error.__traceback__
    while frame is not None:
        path, word = paths.get(id(frame.tb_frame.f_locals.get("self")), ("", None))
        found = f"in {path} ({word.__name__}): " if path and word is not None else found
        frame = frame.tb_next
    return found


def suggest_remedy(error: BaseException) -> str:
    """Return advice after a failure, such as `; check the input shape: …`; empty if there is none."""
    text, word = str(error), type(error).__name__
    if "Long" in text and ("indices" in text or "scalar type" in text):
        return "; if the input has indices, give its data type: --input-dtype int64"
    if "DataDependent" in word or "item() cannot be called" in text:
        return "; replace what depends on values by constants, or import an inner module that does not need them"
    if isinstance(error, RuntimeError) and any(part in text for part in ("size", "shape", "channels", "dim")):
        return "; check the input shape: it is of one sample, channels first"
    return ""


def error_location(error: BaseException) -> str:
    """Return the line of the module's own code that raised an error, such as `nets.py:12: `; empty if unknown.

    If the traceback of the error has no such line, the tracebacks of the errors that caused it are searched.
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
