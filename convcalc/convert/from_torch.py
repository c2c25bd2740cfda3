"""Imports a PyTorch module as a network.

The module's operations are traced on the meta device, where tensors have shapes but no values: nothing is computed, and
weights take no memory.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from convcalc.convert.dtypes import FLOAT32, DataTypes
from convcalc.convert.from_operators import build_graph
from convcalc.convert.graph import Graph, NotImported
from convcalc.convert.pytorch.factories import describe_build_difference, load_module, parse_factory
from convcalc.convert.pytorch.fidelity import TraceFacts, account_for, list_shapes, list_unused, measure_totals
from convcalc.convert.pytorch.inputs import InputTypes, ModuleInputs, choose_types, find_inputs
from convcalc.convert.pytorch.joining import join_padding
from convcalc.convert.pytorch.layerwise import check_installed
from convcalc.convert.pytorch.module_names import ModuleNames
from convcalc.convert.pytorch.tracing import trace_module
from convcalc.convert.pytorch.translating import translate_trace
from convcalc.problems import show
from convcalc.units import is_integer_type

__all__ = ["load_module", "read_factory", "read_module"]

_Shapes = Sequence[int] | Sequence[Sequence[int]] | Mapping[str, Sequence[int]]


def read_module(
    module: Any, shapes: _Shapes, name: str | None = None, origin: str = "", input_dtype: InputTypes = None
) -> Graph:
    """Return the network of a module.

    `shapes` is one input shape, a list of shapes in order, or shapes by name; all are channels first, without the
    batch. The shape () is one number per sample. If every name is a parameter of the module's forward, the shapes are
    given to these parameters. Otherwise the shapes are used in order. In both cases, the network's inputs get these
    names. `input_dtype` is the data type of the inputs, such as `int64`, or one per input, in order or by name
    (default: that of most params). `name` and `origin` are those of the graph (default: made from the module's class).

    Raises MissingTorch if PyTorch is not installed; NotImported if the module cannot be traced.
    """
    names, all_shapes = _list_shapes(module, shapes)
    _check_shapes(all_shapes)
    passed = names if _are_parameters(module, names) else ()
    _check_count(module, len(all_shapes), passed)
    class_name = type(module).__name__
    check_installed()
    dtypes = choose_types(module, input_dtype, names, len(all_shapes))
    module, inputs = find_inputs(module, ModuleInputs(tuple(map(tuple, all_shapes)), passed, dtypes))
    types = _collect_types(module)
    trace = trace_module(module, inputs)
    whole = measure_totals(module, inputs._replace(batch=trace.batch))
    translation = translate_trace(trace, names)
    layer_names = ModuleNames(translation.places)
    unused = list_unused(trace)
    left = sum(trace.elements.get(name, 0) for name in unused)
    origin = origin or f"the PyTorch module {class_name}"
    origin += f" without the {left:,} params that its forward does not use" if left else ""
    graph = build_graph(translation.program, name or class_name, origin, lambda _: layer_names, types)
    graph = graph._replace(remarks=(*_describe_inputs(all_shapes, inputs), *graph.remarks))
    facts = TraceFacts(unused, translation.correction, translation.outputs, list_shapes(graph))
    return account_for(join_padding(graph), whole, facts)


def _describe_inputs(shapes: Sequence[Sequence[int]], inputs: ModuleInputs) -> tuple[str, ...]:
    """Return a remark if a batch size was removed from the shapes, and one if all samples share one number."""
    remarks = []
    if inputs.stripped:
        given = " and ".join(",".join(map(str, shape)) for shape in shapes)
        used = " and ".join(",".join(map(str, shape[1:])) for shape in shapes)
        remarks.append(f"the first size of {given} is read as the batch; one sample is {used}")
    if inputs.single:
        remarks.append("the number without a shape is one for all samples; the network does not have this input")
    return tuple(remarks)


def _collect_types(module: Any) -> DataTypes:
    """Return the data types of a module's params; the type with the most params is also used for the activations."""
    from torch import nn

    types = DataTypes()
    for parameter in module.parameters() if isinstance(module, nn.Module) else ():
        if not nn.parameter.is_lazy(parameter):
            name = str(parameter.dtype).removeprefix("torch.")
            types.add("weights", "float8" if name.startswith("float8") else name, parameter.numel())
    computed = types.dtype().get("weights", FLOAT32)
    types.add("activations", FLOAT32 if is_integer_type(computed) else computed, 1)
    return types


def _list_shapes(module: Any, shapes: _Shapes) -> tuple[tuple[str, ...], list[Any]]:
    """Return the names of the inputs, if given, and their shapes.

    If the names are parameters of forward, both results have the order of these parameters.
    """
    if isinstance(shapes, Mapping):
        names = list(shapes)
        if _are_parameters(module, names):
            names.sort(key=list(_parameters(module)).index)
        return tuple(names), [shapes[name] for name in names]
    listed: list[Any] = list(shapes)
    return (), listed if listed and isinstance(listed[0], Sequence) else [listed]


def _parameters(module: Any) -> Mapping[str, Any]:
    """Return the parameters of a module's forward; empty if forward is not written in Python."""
    from inspect import signature

    try:
        return signature(module.forward).parameters
    except (TypeError, ValueError):
        return {}


def _are_parameters(module: Any, names: Sequence[str]) -> bool:
    """Whether the module's forward has parameters with all of these names, which can be passed by name."""
    by_name = [
        each.name
        for each in _parameters(module).values()
        if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
    ]
    return bool(names) and set(names) <= set(by_name)


def _check_shapes(shapes: Sequence[Any]) -> None:
    """Raise NotImported unless every shape is a list of positive integers."""
    for shape in shapes:
        sizes = shape if isinstance(shape, Sequence) else (0,)
        if not all(type(size) is int and size > 0 for size in sizes):
            raise NotImported(f"a shape must be a list of positive integers such as 3,224,224; got {show(str(shape))}")


def _check_count(module: Any, count: int, names: Sequence[str]) -> None:
    """Raise NotImported if forward does not take `count` inputs, or if `names` lacks one of its required parameters.

    Required parameters are checked only if there are names.
    """
    accepted = _parameters(module).values()
    if not accepted:
        return
    listed = [each for each in accepted if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
    required = [each.name for each in listed if each.default is each.empty]
    several = any(each.kind is each.VAR_POSITIONAL for each in accepted)
    most = count if several else sum(each.kind is not each.KEYWORD_ONLY for each in listed)
    missing = [name for name in required if name not in names]
    if missing if names else not len(required) <= count <= most:
        known = ", ".join(each.name for each in listed) or "none"
        got = f"{count} shape{'s' if count > 1 else ''}"
        raise NotImported(f"the module cannot be traced: its forward takes the inputs {known}; got {got}")


def read_factory(factory: str, shapes: _Shapes, input_dtype: InputTypes = None) -> Graph:
    """Return the network of the module that a factory returns. This runs the code of the factory's package.

    `factory` is `package.module:name`, the name of a function or of an nn.Module. A function is called on the meta
    device, without arguments or with literal arguments, as in `nets:small(10, width=0.5)`. If tracing fails, it is
    called on the CPU. The other parameters are those of `read_module`. Raises MissingTorch if PyTorch is not installed;
    NotImported if the factory does not exist, fails, or does not return a module, or if the module cannot be traced.
    """
    parsed = parse_factory(factory)
    given = parsed.path[-1], f"the PyTorch module {factory}", input_dtype
    module = load_module(factory)
    try:
        return read_module(module, shapes, *given)
    except NotImported:
        if not any(parameter.is_meta for parameter in module.parameters()):
            raise
        try:
            rebuilt = load_module(factory, ("cpu",))
            graph = read_module(rebuilt, shapes, *given)
        except NotImported:
            rebuilt = None
        if rebuilt is None:
            raise
    difference = describe_build_difference(module, rebuilt)
    return graph._replace(remarks=(*graph.remarks, difference)) if difference else graph
