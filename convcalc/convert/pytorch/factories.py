"""Creates the module that `--torch` names: `package.module:factory`, or a call such as `nets:small(10, width=0.5)`.

Importing the package and calling the factory run code. The arguments do not: they must be literals, and are parsed.
"""

import ast
import os
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import Any, NamedTuple

from convcalc.convert.graph import NotImported
from convcalc.convert.pytorch.failures import describe_error, error_location
from convcalc.convert.pytorch.layerwise import check_installed
from convcalc.problems import show

_MOST_CHARACTERS = 4000


class Factory(NamedTuple):
    """A parsed `--torch` value: the package to import, the path of the factory in it, and the arguments of the call.

    `positional` is None if the text has no call.
    """

    package: str
    path: tuple[str, ...]
    positional: tuple[Any, ...] | None = None
    named: Mapping[str, Any] = {}


def parse_factory(text: str) -> Factory:
    """Parse a `--torch` value. Raises NotImported, with the position of the mistake, if it is malformed."""
    package, colon, call = text.partition(":")
    if not (package and colon and call) or len(text) > _MOST_CHARACTERS:
        raise NotImported(f"--torch must be package.module:factory; got {show(text)}")
    start = len(package) + 2 + len(call) - len(call.lstrip())
    try:
        node = ast.parse(call.strip(), mode="eval").body
    except SyntaxError as error:
        place = start + (error.offset or 1) - 1
        raise NotImported(f"--torch: character {place} of {show(text)}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError):
        raise NotImported(f"--torch must be package.module:factory; got {show(text)}") from None
    if not isinstance(node, ast.Call):
        return Factory(package, _read_path(node, text, start))
    positional = tuple(_read_literal(value, call.strip(), text, start) for value in node.args)
    named: dict[str, Any] = {}
    for keyword in node.keywords:
        if keyword.arg is None:
            place = start + keyword.value.col_offset
            raise NotImported(f"--torch: character {place} of {show(text)}: ** is not supported")
        named[keyword.arg] = _read_literal(keyword.value, call.strip(), text, start)
    return Factory(package, _read_path(node.func, text, start), positional, named)


def _read_path(node: ast.expr, text: str, start: int) -> tuple[str, ...]:
    """Return the names in an expression such as `models.small`. Raises NotImported for any other expression."""
    if isinstance(node, ast.Attribute):
        return (*_read_path(node.value, text, start), node.attr)
    if isinstance(node, ast.Name):
        return (node.id,)
    place = start + node.col_offset
    raise NotImported(f"--torch: character {place} of {show(text)}: after the colon must be a name or one call of it")


def _read_literal(node: ast.expr, call: str, text: str, start: int) -> Any:
    """Return the value of an argument such as `width=0.5`. Raises NotImported if it is not a literal."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        written = ast.get_source_segment(call, node) or "the argument"
        hint = ": put text in quotes" if isinstance(node, ast.Name) else ""
        place = f"--torch: character {start + node.col_offset} of {show(text)}"
        raise NotImported(
            f"{place}: {show(written)} is not a literal such as 10, 0.5, 'text' or [1, 2]{hint}"
        ) from None


def load_module(text: str, devices: tuple[str, ...] = ("meta", "cpu")) -> Any:
    """Build the PyTorch module that `--torch` names, on the first of the devices on which this succeeds.

    On the meta device, weights take no memory, but code that reads the values of a tensor fails. Raises MissingTorch if
    PyTorch is not installed; NotImported if the factory does not exist, fails, or does not return a module.
    """
    check_installed()
    import torch

    factory = parse_factory(text)
    sys.path.insert(0, os.getcwd())
    try:
        with redirect_stdout(sys.stderr):  # standard output is for the spec
            found = _find_factory(factory)
            module = found if isinstance(found, torch.nn.Module) else _call_factory(found, factory, devices)
    except (Exception, SystemExit) as error:  # the package's code may raise anything
        raise NotImported(f"the module cannot be created: {error_location(error)}{describe_error(error)}") from error
    finally:
        sys.path.remove(os.getcwd())
    if not isinstance(module, torch.nn.Module):
        raise NotImported(f"the factory must return a torch.nn.Module; got an object of type {type(module).__name__}")
    if module is found and factory.positional is not None:
        raise NotImported(f"{'.'.join(factory.path)} is a module already: leave out the arguments")
    return module


def _find_factory(factory: Factory) -> Any:
    from importlib import import_module

    found: Any = import_module(factory.package)
    for part in factory.path:
        found = getattr(found, part)
    return found


def _call_factory(found: Any, factory: Factory, devices: tuple[str, ...]) -> Any:
    """Call the factory on one device after another until a call succeeds, and return its result."""
    import torch

    for device in devices:
        try:
            with torch.device(device):
                return found(*(factory.positional or ()), **factory.named)
        except (Exception, SystemExit):  # the factory may raise anything
            if device == devices[-1]:
                raise
    return None


def describe_build_difference(module: Any, other: Any) -> str:
    """Describe how the params of `module`, built on the meta device, differ from those of `other`; empty if equal."""
    sizes, others = (
        {name: tuple(parameter.shape) for name, parameter in each.named_parameters()} for each in (module, other)
    )
    different = [name for name in {**sizes, **others} if sizes.get(name) != others.get(name)]
    if not different:
        return ""
    return f"{len(different)} params differ if it is built on the meta device, the first of them {different[0]}"
