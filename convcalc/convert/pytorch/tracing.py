"""Traces a module on the meta device: records its operations in order, with their shapes and modules.

On the meta device, tensors have shapes but no values.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from convcalc.convert.pytorch.exporting import Exported, export_module
from convcalc.convert.pytorch.inputs import ModuleInputs, run_blank
from convcalc.convert.pytorch.layerwise import STATISTICS


class TracedWeight(NamedTuple):
    """A learnt tensor, or a value computed from learnt tensors and constants.

    `sources` are the names of these learnt tensors.
    """

    sources: tuple[str, ...]
    sizes: tuple[int, ...]


class TracedConstant(NamedTuple):
    """A value that depends neither on inputs nor on learnt tensors.

    If it is a running statistic, `statistics` contains its name.
    """

    statistics: tuple[str, ...] = ()


class TracedModule(NamedTuple):
    """The operations of a module, as the nodes of a torch.fx graph.

    - `placeholders`: the learnt tensors and constants that are inputs of the graph but not of the network, by node name
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
    batch: int


def trace_module(module: Any, inputs: ModuleInputs) -> TracedModule:
    """Return the operations of a module, run with these inputs. Raises NotImported if it cannot be traced."""
    exported = export_module(module, inputs)
    program, copied = exported.program, exported.module
    numbers = _shape_numbers(program)
    learnt = dict(copied.named_parameters(remove_duplicate=False))
    first = {id(parameter): name for name, parameter in reversed(learnt.items())}
    elements = {name: parameter.numel() for name, parameter in learnt.items()}
    frozen = frozenset(name for name, parameter in learnt.items() if not parameter.requires_grad)
    leaves = frozenset(path for path, inner in copied.named_modules() if not any(inner.children()))
    aliases = _map_statistic_names(copied)
    given: dict[str, TracedWeight | TracedConstant] = {}
    for spec in program.graph_signature.input_specs:
        if spec.kind.name == "PARAMETER":
            parameter = learnt[spec.target]
            given[spec.arg.name] = TracedWeight((first[id(parameter)],), tuple(parameter.shape))
        elif spec.kind.name != "USER_INPUT" or spec.arg.name in numbers:
            given[spec.arg.name] = TracedConstant(aliases.get(spec.target, ()))
    return TracedModule(
        tuple(program.graph.nodes),
        given,
        elements,
        frozen,
        statistic_sizes(copied),
        exported.marked,
        leaves,
        _count_flops(exported),
        inputs.batch,
    )


def _shape_numbers(program: Any) -> set[str]:
    """Turn each input of one number per sample into a vector of one element, because a network has no scalar inputs.

    Returns the names of the inputs that are one number for all samples.
    """
    import torch

    given = {spec.arg.name for spec in program.graph_signature.input_specs if spec.kind.name == "USER_INPUT"}
    found: set[str] = set()
    for node in list(program.graph.nodes):
        value = node.meta.get("val")
        if node.op != "placeholder" or node.name not in given or not isinstance(value, torch.Tensor):
            continue
        if value.dim() == 0:
            found.add(node.name)
        if value.dim() != 1:
            continue
        with program.graph.inserting_after(node):
            number = program.graph.call_function(torch.ops.aten.squeeze.dim, (node, 1))
        node.replace_all_uses_with(number, delete_user_cb=lambda user, number=number: user is not number)
        number.meta["val"] = value
        node.meta["val"] = torch.empty((*value.shape, 1), dtype=value.dtype, device="meta")
    return found


def statistic_sizes(module: Any) -> dict[str, int]:
    """Return the number of elements of each running statistic of a module, by name; shared ones are listed once."""
    buffers = module.named_buffers()
    return {name: buffer.numel() for name, buffer in buffers if name.rpartition(".")[2] in STATISTICS}


def _map_statistic_names(module: Any) -> dict[str, tuple[str, ...]]:
    """Map each name of a running statistic to a tuple with its name in `statistic_sizes`.

    A statistic that several modules share has several names, of which `statistic_sizes` has only the first.
    """
    first = {id(buffer): name for name, buffer in module.named_buffers() if name.rpartition(".")[2] in STATISTICS}
    return {
        name: (first[id(buffer)],)
        for name, buffer in module.named_buffers(remove_duplicate=False)
        if id(buffer) in first
    }


def _count_flops(exported: Exported) -> dict[Any, int] | None:
    """Return PyTorch's FLOPs for each node of a program; None if it cannot run without values."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    found: dict[Any, int] = {}

    class Counting(torch.fx.Interpreter):  # type: ignore[misc, unused-ignore]
        def run_node(self, node: Any) -> Any:
            before = counter.get_total_flops()
            result = super().run_node(node)
            found[node] = counter.get_total_flops() - before
            return result

    program, device = exported.program, exported.inputs.device
    given = [node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder"]
    try:
        with run_blank(device), FlopCounterMode(display=False) as counter:
            blank = [
                torch.empty(value.shape, dtype=value.dtype, device=device) if isinstance(value, torch.Tensor) else value
                for value in given
            ]
            Counting(program.graph_module).run(*blank)
    except Exception:  # an operation that needs values
        return None
    return found
