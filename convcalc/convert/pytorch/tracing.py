"""A module traced on the meta device: its operations in their order, with shapes and the modules that they are in."""

import copy
import logging
import warnings
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr
from io import StringIO
from typing import Any, NamedTuple

from convcalc.convert.graph import NotImported
from convcalc.convert.pytorch.verify import check_installed
from convcalc.problems import shortened

BATCH = 11  # a size that few axes have, by which the batch is known among them
PATHS = {"DropPath": "drop_path", "StochasticDepth": "drop_path"}  # classes of timm and torchvision, by their names


class Weight(NamedTuple):
    """A learnt tensor, or what was made of learnt tensors alone; `sources` are their names."""

    sources: tuple[str, ...]
    sizes: tuple[int, ...]


class Constant(NamedTuple):
    """Anything that depends neither on the input nor on weights."""


class Traced(NamedTuple):
    """The operations of a module: nodes of a torch.fx graph, and what its placeholders stand for.

    `elements` are the sizes of learnt tensors, `frozen` those out of training, `kept` modules that leave no
    operation behind: their kind and arguments by their path. `leaves` are the paths of modules without inner ones.
    """

    nodes: tuple[Any, ...]
    given: Mapping[str, Weight | Constant]
    elements: Mapping[str, int]
    frozen: frozenset[str]
    kept: Mapping[str, tuple[str, Mapping[str, Any]]]
    leaves: frozenset[str]


def traced(module: Any, shapes: Sequence[Sequence[int]]) -> Traced:
    """Trace a module with inputs of shapes without the batch. Raises NoTorch, and NotImported where it cannot be."""
    check_installed()
    import torch

    module = without_values(module).eval()
    learnt = dict(module.named_parameters(remove_duplicate=False))
    first = {id(parameter): name for name, parameter in reversed(learnt.items())}
    elements = {name: parameter.numel() for name, parameter in learnt.items()}
    frozen = frozenset(name for name, parameter in learnt.items() if not parameter.requires_grad)
    leaves = frozenset(path for path, inner in module.named_modules() if not any(inner.children()))
    kept = keep_modules(module)
    with torch.device("meta"):
        samples = tuple(torch.empty(BATCH, *shape) for shape in shapes)
        program = exported(module, samples)
    given: dict[str, Weight | Constant] = {}
    for spec in program.graph_signature.input_specs:
        if spec.kind.name == "PARAMETER":
            parameter = learnt[spec.target]
            given[spec.arg.name] = Weight((first[id(parameter)],), tuple(parameter.shape))
        elif spec.kind.name != "USER_INPUT":
            given[spec.arg.name] = Constant()
    return Traced(tuple(program.graph.nodes), given, elements, frozen, kept, leaves)


def without_values(module: Any) -> Any:
    """A copy of a module on the meta device, where its weights take no memory; what is shared stays shared."""
    from torch import nn

    memo: dict[int, Any] = {}
    try:
        for parameter in module.parameters():
            memo[id(parameter)] = nn.Parameter(parameter.detach().to("meta"), parameter.requires_grad)
        for buffer in module.buffers():
            memo[id(buffer)] = buffer.detach().to("meta")
        return copy.deepcopy(module, memo)
    except Exception as error:  # whatever the code of the module raises
        raise NotImported(
            f"the module cannot be copied: {type(error).__name__}: {shortened(str(error), 300)}"
        ) from error


def exported(module: Any, samples: tuple[Any, ...]) -> Any:
    """The program of torch.export; where that fails, of what torch.fx makes of the module.

    It is not strict: the module runs as it is, and what it does to tensors is written down.
    """
    import torch

    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), torch.no_grad(), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            try:
                return torch.export.export(module, samples, strict=False)
            except Exception as error:  # whatever the code of the module and the tracing raise
                try:
                    return torch.export.export(symbolic(module), samples, strict=False)
                except Exception:
                    raise NotImported(f"the module cannot be traced: {why(error)}") from error
    finally:
        logging.disable(logging.NOTSET)


def symbolic(module: Any) -> Any:
    """What torch.fx makes of a module: an object that it gives (a dataclass) is the tensors in it."""
    import torch

    class Tracer(torch.fx.Tracer):  # type: ignore[misc, unused-ignore]
        def is_leaf_module(self, inner: Any, path: str) -> bool:
            return hasattr(inner, "leaves_no_operation") or bool(super().is_leaf_module(inner, path))

    graph = Tracer().trace(module)
    [output] = [node for node in graph.nodes if node.op == "output"]
    given = output.args[0]
    if getattr(given, "op", "") == "call_function" and isinstance(given.target, type):
        output.args = ((*given.args, *given.kwargs.values()),)
        graph.erase_node(given)
    return torch.fx.GraphModule(module, graph)


def why(error: Exception) -> str:
    """In words why a module cannot be traced."""
    if "DataDependent" in type(error).__name__:
        return "what its forward does depends on the values of a tensor"
    said = str(error).split("\n\n")[0]
    return f"{type(error).__name__}: {shortened(' '.join(said.split()), 300)}"


def keep_modules(module: Any) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Put a trace of themselves into modules that leave no operation behind: identities and dropped paths."""
    import torch
    from torch import nn

    class Kept(nn.Module):  # type: ignore[misc, unused-ignore]
        leaves_no_operation = True

        def forward(self, x: Any) -> Any:
            return torch.ops.aten.alias(x)

    found: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for path, inner in list(module.named_modules()):
        kind = "identity" if type(inner) is nn.Identity else PATHS.get(type(inner).__name__)
        if kind is None or not path:
            continue
        dropped = getattr(inner, "p", getattr(inner, "drop_prob", None))
        found[path] = kind, {} if kind == "identity" or not isinstance(dropped, int | float) else {"p": dropped}
        parent, _, name = path.rpartition(".")
        setattr(module.get_submodule(parent), name, Kept())
    return found
