"""Traces a module on the meta device: records its operations in order, with their shapes and modules.

On the meta device, tensors have shapes but no values.
"""

import copy
import logging
import warnings
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr
from io import StringIO
from typing import Any, NamedTuple

from convcalc.convert.graph import NotImported
from convcalc.convert.pytorch.failures import describe_error, describe_failure
from convcalc.convert.pytorch.layerwise import STATISTICS, check_installed

BATCH = 11  # a size that few other axes have, so that the batch axis can be recognised
_PATHS = {"DropPath": "drop_path", "StochasticDepth": "drop_path"}  # classes of timm and torchvision


class TracedWeight(NamedTuple):
    """A learnt tensor, or a value computed from learnt tensors and constants; `sources` are the tensors' names."""

    sources: tuple[str, ...]
    sizes: tuple[int, ...]


class TracedConstant(NamedTuple):
    """A value that depends neither on inputs nor on learnt tensors.

    `statistics` holds its name if it is a running statistic.
    """

    statistics: tuple[str, ...] = ()


class TracedModule(NamedTuple):
    """The operations of a module, as the nodes of a torch.fx graph.

    - `placeholders`: the values of the graph's inputs that are not inputs of the network, by node name
    - `elements`: the number of elements of each learnt tensor, by name
    - `frozen`: the names of the learnt tensors that are not trained
    - `statistics`: the number of elements of each running statistic, by name
    - `marked`: layer kind and arguments of identity and drop-path modules, by path
    - `leaves`: the paths of modules without inner modules
    - `flops`: PyTorch's FLOPs per node; None if they cannot be counted
    - `batch`: the number of samples in the inputs
    """

    nodes: tuple[Any, ...]
    placeholders: Mapping[str, TracedWeight | TracedConstant]
    elements: Mapping[str, int]
    frozen: frozenset[str]
    statistics: Mapping[str, int]
    marked: Mapping[str, tuple[str, Mapping[str, Any]]]
    leaves: frozenset[str]
    flops: Mapping[Any, int] | None
    batch: int = BATCH


def trace_module(module: Any, shapes: Sequence[Sequence[int]]) -> TracedModule:
    """Return the operations of a module, run with inputs of these shapes, which do not include the batch.

    Raises MissingTorch if PyTorch is not installed; NotImported if the module cannot be traced.
    """
    check_installed()
    import torch

    module = copy_to_meta(module).eval()
    learnt = dict(module.named_parameters(remove_duplicate=False))
    first = {id(parameter): name for name, parameter in reversed(learnt.items())}
    elements = {name: parameter.numel() for name, parameter in learnt.items()}
    frozen = frozenset(name for name, parameter in learnt.items() if not parameter.requires_grad)
    leaves = frozenset(path for path, inner in module.named_modules() if not any(inner.children()))
    statistics, aliases = statistic_sizes(module), _map_statistic_names(module)
    marked = _mark_modules(module)
    with torch.device("meta"):
        program = _export_program(module, _make_blank_inputs(shapes), frozenset(marked))
    given: dict[str, TracedWeight | TracedConstant] = {}
    for spec in program.graph_signature.input_specs:
        if spec.kind.name == "PARAMETER":
            parameter = learnt[spec.target]
            given[spec.arg.name] = TracedWeight((first[id(parameter)],), tuple(parameter.shape))
        elif spec.kind.name != "USER_INPUT":
            given[spec.arg.name] = TracedConstant(aliases.get(spec.target, ()))
    flops = _count_flops(program)
    return TracedModule(tuple(program.graph.nodes), given, elements, frozen, statistics, marked, leaves, flops)


def _make_blank_inputs(shapes: Sequence[Sequence[int]]) -> tuple[Any, ...]:
    """Return uninitialised inputs with a batch of BATCH on the current device."""
    import torch

    return tuple(torch.empty(BATCH, *shape) for shape in shapes)


def statistic_sizes(module: Any) -> dict[str, int]:
    """Return the number of elements of each running statistic of a module, by name; shared ones are listed once."""
    buffers = module.named_buffers()
    return {name: buffer.numel() for name, buffer in buffers if name.rpartition(".")[2] in STATISTICS}


def _map_statistic_names(module: Any) -> dict[str, tuple[str, ...]]:
    """Map each name of a running statistic to its name in `statistic_sizes`, as a tuple with one element.

    The names differ if several modules share the statistic.
    """
    first = {id(buffer): name for name, buffer in module.named_buffers() if name.rpartition(".")[2] in STATISTICS}
    return {
        name: (first[id(buffer)],)
        for name, buffer in module.named_buffers(remove_duplicate=False)
        if id(buffer) in first
    }


def copy_to_meta(module: Any) -> Any:
    """Return a copy of a module on the meta device, where weights take no memory; shared weights remain shared.

    Raises NotImported if the module cannot be copied.
    """
    from torch import nn

    memo: dict[int, Any] = {}
    try:
        for parameter in module.parameters():
            memo[id(parameter)] = nn.Parameter(parameter.detach().to("meta"), parameter.requires_grad)
        for buffer in module.buffers():
            memo[id(buffer)] = buffer.detach().to("meta")
        return copy.deepcopy(module, memo)
    except Exception as error:  # the module's code may raise anything
        raise NotImported(f"the module cannot be copied: {describe_error(error)}") from error


def _export_program(module: Any, samples: tuple[Any, ...], whole: frozenset[str]) -> Any:
    """Return the module as a program of torch.export. If that fails, export what torch.fx traces instead.

    torch.fx does not trace into the modules whose paths are in `whole`. The export is not strict: the module runs as
    ordinary Python, and its operations on tensors are recorded. Raises NotImported if both fail.
    """
    import torch

    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), torch.no_grad(), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            try:
                return torch.export.export(module, samples, strict=False)
            except (Exception, SystemExit) as error:  # the module's code and the tracing may raise anything
                try:
                    return torch.export.export(_trace_symbolically(module, whole), samples, strict=False)
                except (Exception, SystemExit):
                    raise NotImported(f"the module cannot be traced: {describe_failure(error)}") from error
    finally:
        logging.disable(logging.NOTSET)


def _trace_symbolically(module: Any, whole: frozenset[str]) -> Any:
    """Return the module as traced by torch.fx, except inside the modules whose paths are in `whole`.

    If the module returns a dataclass object, the traced module returns a tuple of its values.
    """
    import torch

    class Tracer(torch.fx.Tracer):  # type: ignore[misc, unused-ignore]
        def is_leaf_module(self, inner: Any, path: str) -> bool:
            return path in whole or bool(super().is_leaf_module(inner, path))

    graph = Tracer().trace(module)
    [output] = [node for node in graph.nodes if node.op == "output"]
    given = output.args[0]
    if getattr(given, "op", "") == "call_function" and isinstance(given.target, type):
        output.args = ((*given.args, *given.kwargs.values()),)
        graph.erase_node(given)
    return torch.fx.GraphModule(module, graph)


def _count_flops(program: Any) -> dict[Any, int] | None:
    """Return PyTorch's FLOPs for each node of a program; None if it cannot run on the meta device."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    found: dict[Any, int] = {}

    class Counting(torch.fx.Interpreter):  # type: ignore[misc, unused-ignore]
        def run_node(self, node: Any) -> Any:
            before = counter.get_total_flops()
            result = super().run_node(node)
            found[node] = counter.get_total_flops() - before
            return result

    given = [node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder"]
    blank = [
        torch.empty(value.shape, dtype=value.dtype, device="meta") if isinstance(value, torch.Tensor) else value
        for value in given
    ]
    try:
        with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
            Counting(program.graph_module).run(*blank)
    except Exception:  # an operation that needs values
        return None
    return found


def _mark_modules(module: Any) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Add a hook to each identity and drop-path module; return their layer kinds and arguments, by path.

    These modules return their input, so a trace would not show them. The hook adds an `alias` operation to the trace.
    The modules are not replaced, because code may check their class. If a module returns something else, its own
    operations are traced.
    """
    import torch
    from torch import nn

    def mark(inner: Any, given: tuple[Any, ...], result: Any) -> Any:
        return torch.ops.aten.alias(result) if len(given) == 1 and result is given[0] else None

    found: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for path, inner in module.named_modules():
        kind = "identity" if type(inner) is nn.Identity else _PATHS.get(type(inner).__name__)
        if kind is None or not path:
            continue
        dropped = getattr(inner, "p", getattr(inner, "drop_prob", None))
        found[path] = kind, {} if kind == "identity" or not isinstance(dropped, int | float) else {"p": dropped}
        inner.register_forward_hook(mark)
    return found
