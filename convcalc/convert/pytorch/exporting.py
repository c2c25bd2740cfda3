"""Exports a PyTorch module with torch.export; if that fails, tries other ways to trace it."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from convcalc.convert.graph import NotImported
from convcalc.convert.pytorch.copying import copy_module, needs_cpu
from convcalc.convert.pytorch.failures import describe_failure, suggest_remedy
from convcalc.convert.pytorch.inputs import ModuleInputs, silence
from convcalc.convert.pytorch.recorded_calls import record_calls
from convcalc.convert.pytorch.tensors import list_tensors

_PATHS = frozenset({"DropPath", "StochasticDepth", "DropConnect"})
_RATES = ("p", "drop_prob", "drop_rate", "prob")
# the operators of torch.export that run a region of the trace
_REGIONS = frozenset({"wrap_with_autocast", "wrap_with_set_grad_enabled", "tag_activation_checkpoint"})
Marked = Mapping[str, tuple[str, Mapping[str, Any]]]


class Exported(NamedTuple):
    """A module as exported.

    - `program`: the program of torch.export
    - `module`: the copy of the module that was exported
    - `marked`: layer kind and arguments of the identity and drop-path modules, by path
    - `inputs`: the inputs with which the module was exported
    """

    program: Any
    module: Any
    marked: Marked
    inputs: ModuleInputs


def export_module(module: Any, inputs: ModuleInputs) -> Exported:
    """Return the program of a module for these inputs. Raises NotImported if every way of exporting it fails.

    The ways are tried in this order: torch.export; torch.export without the hooks of `_mark_modules`; torch.export on
    the other device, because some code only works on the CPU; torch.fx; and a record of the calls of inner modules.
    """
    import torch

    other = inputs._replace(device="cpu" if needs_cpu(module) or inputs.device != "cpu" else "meta")
    ways: list[tuple[Callable[..., Any], ModuleInputs, bool]] = [
        (_keep_module, inputs, True),
        (_keep_module, inputs, False),
        (_keep_module, other, True),
        (_trace_symbolically, inputs, True),
        (record_calls, inputs, False),
    ]
    messages: list[str] = []
    for prepare, given, mark in ways:
        copied = copy_module(module, given.device)
        marked = _mark_modules(copied) if mark else {}
        try:
            with torch.no_grad(), silence():
                return Exported(_export(prepare(copied, given, frozenset(marked)), given), copied, marked, given)
        except NotImported as error:
            messages.append(f"; its calls cannot be recorded either: {error}")
        except (Exception, SystemExit) as error:  # the module's code and the tracing may raise anything
            messages.append(f"{describe_failure(error, copied)}{suggest_remedy(error)}")
    unrecorded = messages[-1] if messages[-1].startswith(";") else ""
    raise NotImported(f"the module cannot be traced: {messages[0]}{unrecorded}")


def _keep_module(module: Any, inputs: ModuleInputs, whole: frozenset[str]) -> Any:
    """Return the module itself, with a hook that makes it return a tuple of all tensors in its result."""
    module.register_forward_hook(lambda inner, given, result: tuple(list_tensors(result)))
    return module


def _export(module: Any, inputs: ModuleInputs) -> Any:
    """Return a module as a program of torch.export.

    The export is not strict: the module runs as ordinary Python, and its operations on tensors are recorded.
    """
    import torch

    positional, named = inputs.make_blank()
    with torch.device(inputs.device):
        program = torch.export.export(module, positional, named, strict=False)
    _inline_regions(program.graph_module)
    _name_convolutions(program.graph)
    return program


def _trace_symbolically(module: Any, inputs: ModuleInputs, whole: frozenset[str]) -> Any:
    """Trace a module with torch.fx; each module whose path is in `whole` remains a single call.

    If the module returns a dataclass object, the traced module returns a tuple of its values.
    """
    import torch

    class Tracer(torch.fx.Tracer):  # type: ignore[misc, unused-ignore]
        def is_leaf_module(self, inner: Any, path: str) -> bool:
            return path in whole or bool(super().is_leaf_module(inner, path))

    graph = Tracer(param_shapes_constant=True).trace(module)
    [output] = [node for node in graph.nodes if node.op == "output"]
    given = output.args[0]
    if getattr(given, "op", "") == "call_function" and isinstance(given.target, type):
        output.args = ((*given.args, *given.kwargs.values()),)
        graph.erase_node(given)
    return torch.fx.GraphModule(module, graph)


def _inline_regions(traced: Any) -> None:
    """Move the operations of each nested graph, such as those under autocast, into the graph around it."""
    submodules = dict(traced.named_children())
    for node in list(traced.graph.nodes):
        places = [
            index
            for index, given in enumerate(node.args)
            if getattr(given, "op", "") == "get_attr" and given.target in submodules
        ]
        if getattr(node.target, "__name__", "") not in _REGIONS or len(places) != 1:
            continue
        region = submodules[node.args[places[0]].target]
        _inline_regions(region)
        operands = [inner for inner in region.graph.nodes if inner.op == "placeholder"]
        with traced.graph.inserting_before(node):
            known = dict(zip(operands, node.args[places[0] + 1 :], strict=True))
            results = traced.graph.graph_copy(region.graph, known)
        for user in list(node.users):
            user.replace_all_uses_with(results[user.args[1]])
            traced.graph.erase_node(user)
        traced.graph.erase_node(node)


def _name_convolutions(graph: Any) -> None:
    """Replace `aten._convolution`, which occurs in TorchScript, by `aten.conv2d`, `aten.conv_transpose1d` and so on."""
    import torch

    aten = torch.ops.aten
    for node in graph.nodes:
        if node.target is not aten._convolution.default:
            continue
        *tensors, stride, padding, dilation, transposed, output_padding, groups = node.args[:9]
        axes = len(stride)
        if transposed:
            node.target = getattr(aten, f"conv_transpose{axes}d").input
            node.args = (*tensors, stride, padding, output_padding, groups, dilation)
        else:
            node.target = getattr(aten, f"conv{axes}d").default
            node.args = (*tensors, stride, padding, dilation, groups)


def _mark_modules(module: Any) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Add a hook to each identity and drop-path module; return their layer kinds and arguments, by path.

    These modules return their input, so a trace would not show them. The hook adds an `alias` operation to the trace,
    unless the module returns something else. The modules are not replaced, because code may check their class.
    """
    import torch
    from torch import nn

    def mark(inner: Any, given: tuple[Any, ...], result: Any) -> Any:
        return torch.ops.aten.alias(result) if len(given) == 1 and result is given[0] else None

    found: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for path, inner in module.named_modules():
        kind = "identity" if type(inner) is nn.Identity else "drop_path" if type(inner).__name__ in _PATHS else None
        if kind is None or not path:
            continue
        rates = [getattr(inner, name, None) for name in _RATES]
        rate = next((rate for rate in rates if isinstance(rate, int | float)), None)
        found[path] = kind, {} if kind == "identity" or rate is None else {"p": rate}
        inner.register_forward_hook(mark)
    return found
