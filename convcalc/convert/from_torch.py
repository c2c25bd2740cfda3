"""Imports a PyTorch module as a network.

The module's operations are traced on the meta device, where tensors have shapes but no values: nothing is computed, and
weights take no memory.
"""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from convcalc.convert.dtypes import FLOAT32, DataTypes
from convcalc.convert.from_operators import build_graph
from convcalc.convert.graph import Graph, NotImported
from convcalc.convert.pytorch.failures import describe_error, error_location
from convcalc.convert.pytorch.fidelity import TraceFacts, account_for, list_shapes, list_unused, measure_totals
from convcalc.convert.pytorch.joining import join_padding
from convcalc.convert.pytorch.layerwise import check_installed
from convcalc.convert.pytorch.module_names import ModuleNames
from convcalc.convert.pytorch.tracing import trace_module
from convcalc.convert.pytorch.translating import translate_trace
from convcalc.problems import show
from convcalc.units import is_integer_type

_Shapes = Sequence[int] | Sequence[Sequence[int]] | Mapping[str, Sequence[int]]


def read_module(module: Any, shapes: _Shapes, name: str | None = None, origin: str = "") -> Graph:
    """Return the network of a module.

    `shapes` is one input shape, a list of shapes in order, or shapes by name; all are channels first, without the
    batch. Shapes by name go to the parameters of the module's forward if every name is such a parameter; otherwise they
    are used in order. In both cases, the network's inputs get these names. The graph gets `name` and `origin`, which by
    default are made from the module's class.

    Raises MissingTorch if PyTorch is not installed; NotImported if the module cannot be traced.
    """
    named = dict(zip(*_order_shapes(module, shapes), strict=True)) if isinstance(shapes, Mapping) else {}
    listed: list[Any] = list(named.values()) if named else list(shapes)
    all_shapes = [listed] if listed and isinstance(listed[0], int) else listed
    _check_shapes(all_shapes)
    _check_number_of_inputs(module, len(all_shapes))
    class_name = type(module).__name__
    check_installed()
    types = _collect_types(module)
    with _use_default_type(types.dtype().get("activations", FLOAT32)):
        trace = trace_module(module, all_shapes)
        whole = measure_totals(module, all_shapes)
    translation = translate_trace(trace, tuple(named))
    names = ModuleNames(translation.places)
    unused = list_unused(trace)
    left = sum(trace.elements.get(name, 0) for name in unused)
    origin = origin or f"the PyTorch module {class_name}"
    origin += f" without the {left:,} params that its forward does not use" if left else ""
    graph = build_graph(translation.program, name or class_name, origin, lambda _: names, types)
    facts = TraceFacts(unused, translation.correction, translation.outputs, list_shapes(graph))
    return account_for(join_padding(graph), whole, facts)


def _collect_types(module: Any) -> DataTypes:
    """Return the data types of a module's params. The most common one is also used for the activations."""
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
    """Make PyTorch create tensors of this data type: a module in half precision needs such inputs."""
    import torch

    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, name))
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _order_shapes(module: Any, shapes: Mapping[str, Sequence[int]]) -> tuple[list[str], list[Sequence[int]]]:
    """Return the names and shapes, in the order of the forward's parameters if every name is one of them."""
    from inspect import signature

    names = list(shapes)
    accepted = list(signature(module.forward).parameters)
    if set(names) <= set(accepted):
        names.sort(key=accepted.index)
    return names, [shapes[name] for name in names]


def _check_shapes(shapes: Sequence[Any]) -> None:
    for shape in shapes:
        sizes = shape if isinstance(shape, Sequence) else ()
        if not sizes or not all(type(size) is int and size > 0 for size in sizes):
            raise NotImported(f"a shape must be a list of positive integers such as 3,224,224; got {show(str(shape))}")


def _check_number_of_inputs(module: Any, count: int) -> None:
    from inspect import signature

    try:
        accepted = signature(module.forward).parameters.values()
    except (TypeError, ValueError):  # a forward that is not written in Python
        return
    listed = [each for each in accepted if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    required = [each.name for each in listed if each.default is each.empty]
    most = count if any(each.kind is each.VAR_POSITIONAL for each in accepted) else len(listed)
    if not len(required) <= count <= most:
        names = ", ".join(each.name for each in listed) or "none"
        got = f"{count} shape{'s' if count > 1 else ''}"
        raise NotImported(f"the module cannot be traced: its forward takes the inputs {names}; got {got}")


def read_factory(factory: str, shapes: _Shapes) -> Graph:
    """Return the network of the module that a factory returns. This runs the code of the factory's package.

    `factory` is `package.module:factory`: a function that is called without arguments on the meta device, or a module.
    For `shapes`, see `read_module`. Raises MissingTorch if PyTorch is not installed; NotImported if the factory does
    not exist, fails, or does not return a module, or if the module cannot be traced.
    """
    name = factory.rpartition(":")[2].rpartition(".")[2]
    return read_module(load_module(factory), shapes, name, f"the PyTorch module {factory}")


def load_module(factory: str) -> Any:
    """Return the PyTorch module that the function `package.module:factory` returns, or that this name refers to.

    Raises MissingTorch if PyTorch is not installed; NotImported if the factory does not exist, fails, or does not
    return a module.
    """
    check_installed()
    package, colon, function = factory.partition(":")
    if not (package and colon and function):
        raise NotImported(f"--torch must be package.module:factory; got {show(factory)}")
    return _call_factory(package, function)


def _call_factory(package: str, function: str) -> Any:
    """Import the factory, call it, and return its module. The current folder is searched first."""
    from importlib import import_module

    import torch

    sys.path.insert(0, os.getcwd())
    try:
        found: Any = import_module(package)
        for part in function.split("."):
            found = getattr(found, part)
        with torch.device("meta"):
            module = found() if not isinstance(found, torch.nn.Module) else found
    except (Exception, SystemExit) as error:  # the package's code may raise anything
        raise NotImported(f"the module cannot be created: {error_location(error)}{describe_error(error)}") from error
    finally:
        sys.path.remove(os.getcwd())
    if not isinstance(module, torch.nn.Module):
        raise NotImported(f"the factory must return a torch.nn.Module; got a {type(module).__name__}")
    return module
