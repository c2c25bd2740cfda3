"""A PyTorch module as a network of ours: traced on the meta device, where nothing is computed and weights are none."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from convcalc.convert.checking import make_loadable
from convcalc.convert.dtypes import FLOAT32, DataTypes
from convcalc.convert.graph import Graph, NotImported, use_pointwise_kind
from convcalc.convert.pytorch.aten_operators import OPERATORS
from convcalc.convert.pytorch.failures import describe_error, error_location
from convcalc.convert.pytorch.fidelity import account_for, measure_totals
from convcalc.convert.pytorch.joining import join_padding
from convcalc.convert.pytorch.layerwise import check_installed
from convcalc.convert.pytorch.reading import TraceReader
from convcalc.convert.pytorch.tracing import trace_module
from convcalc.problems import show
from convcalc.units import is_integer_type

_Shapes = Sequence[int] | Sequence[Sequence[int]] | Mapping[str, Sequence[int]]


def read_module(module: Any, shapes: _Shapes, name: str | None = None, origin: str = "") -> Graph:
    """The network of a module; shapes are channels first, without the batch: one, several in order, or by name.

    Names of parameters of its forward are those; by other names, which the inputs get, shapes are in order.

    Raises NoTorch where PyTorch is not installed, NotImported where the module cannot be traced.
    """
    named = dict(zip(*_order_shapes(module, shapes), strict=True)) if isinstance(shapes, Mapping) else {}
    listed: list[Any] = list(named.values()) if named else list(shapes)
    each = [listed] if listed and isinstance(listed[0], int) else listed
    _check_shapes(each)
    _check_count(module, len(each))
    word = type(module).__name__
    check_installed()
    types = _collect_types(module)
    with _use_default_type(types.dtype().get("activations", FLOAT32)):
        reader = TraceReader(trace_module(module, each), OPERATORS, tuple(named))
        whole = measure_totals(module, each)
    graph = join_padding(reader.graph(name or word, origin or f"the PyTorch module {word}"))
    graph = make_loadable(use_pointwise_kind(types.apply_to(graph)))
    return account_for(graph, whole, reader.beside_layers())


def _collect_types(module: Any) -> DataTypes:
    """The data types of a module: those of its parameters, in the most common of which it computes."""
    from torch import nn

    types = DataTypes()
    for parameter in module.parameters() if isinstance(module, nn.Module) else ():
        if not nn.parameter.is_lazy(parameter):
            types.add("weights", str(parameter.dtype).removeprefix("torch."), parameter.numel())
    computed = types.dtype().get("weights", FLOAT32)
    types.add("activations", FLOAT32 if is_integer_type(computed) else computed, 1)
    return types


@contextmanager
def _use_default_type(name: str) -> Iterator[None]:
    """Let PyTorch make tensors of a data type, as a module in half precision needs its input."""
    import torch

    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, name))
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _order_shapes(module: Any, shapes: Mapping[str, Sequence[int]]) -> tuple[list[str], list[Sequence[int]]]:
    """Shapes by name as the module takes them: in the order of its parameters where all names are some of those."""
    from inspect import signature

    names = list(shapes)
    taken = list(signature(module.forward).parameters)
    if set(names) <= set(taken):
        names.sort(key=taken.index)
    return names, [shapes[name] for name in names]


def _check_shapes(shapes: Sequence[Any]) -> None:
    """Shapes are lists of integers from 1. Raises NotImported."""
    for shape in shapes:
        sizes = shape if isinstance(shape, Sequence) else ()
        if not sizes or not all(type(size) is int and size > 0 for size in sizes):
            raise NotImported(f"a shape must be a list of positive integers such as 3,224,224; got {show(str(shape))}")


def _check_count(module: Any, count: int) -> None:
    """A module is given as many shapes as its forward takes inputs. Raises NotImported."""
    from inspect import signature

    try:
        taken = signature(module.forward).parameters.values()
    except (TypeError, ValueError):  # a forward that is not of Python
        return
    listed = [each for each in taken if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    required = [each.name for each in listed if each.default is each.empty]
    most = count if any(each.kind is each.VAR_POSITIONAL for each in taken) else len(listed)
    if not len(required) <= count <= most:
        names = ", ".join(each.name for each in listed) or "none"
        got = f"{count} shape{'s' if count > 1 else ''}"
        raise NotImported(f"the module cannot be traced: its forward takes the inputs {names}; got {got}")


def read_factory(factory: str, shapes: _Shapes) -> Graph:
    """The network of what `package.module:factory` makes: the code of the package is run.

    The factory is called without arguments on the meta device, where weights take no memory. Raises NoTorch, and
    NotImported where there is no such factory, it fails, or its module cannot be traced.
    """
    name = factory.rpartition(":")[2].rpartition(".")[2]
    return read_module(load_module(factory), shapes, name, f"the PyTorch module {factory}")


def load_module(factory: str) -> Any:
    """The module that `package.module:factory` makes. Raises NoTorch, and NotImported if there is none."""
    check_installed()
    package, colon, function = factory.partition(":")
    if not (package and colon and function):
        raise NotImported(f"--torch must be package.module:factory; got {show(factory)}")
    return _make_module(package, function)


def _make_module(package: str, function: str) -> Any:
    """The module that a factory makes; its package is sought in the current folder first."""
    from importlib import import_module

    import torch

    sys.path.insert(0, os.getcwd())
    try:
        found: Any = import_module(package)
        for part in function.split("."):
            found = getattr(found, part)
        with torch.device("meta"):
            module = found() if not isinstance(found, torch.nn.Module) else found
    except (Exception, SystemExit) as error:  # whatever the code of the package raises
        raise NotImported(f"the module cannot be created: {error_location(error)}{describe_error(error)}") from error
    finally:
        sys.path.remove(os.getcwd())
    if not isinstance(module, torch.nn.Module):
        raise NotImported(f"the factory must return a torch.nn.Module; got a {type(module).__name__}")
    return module
