"""Records which inner modules a module calls, as a torch.fx graph, when its code cannot be traced.

For example, `self.fc(self.conv(x))` becomes a graph that calls `conv` and then `fc`.
"""

from typing import Any

from convcalc.convert.graph import NotImported
from convcalc.convert.pytorch.inputs import ModuleInputs
from convcalc.convert.pytorch.tensors import list_tensors


def record_calls(module: Any, inputs: ModuleInputs, whole: frozenset[str] = frozenset()) -> Any:
    """Run a module once, and return a torch.fx module that makes the same calls of the innermost modules.

    Raises NotImported if an argument of a call, or the result of the module, is a tensor that is neither an input nor
    the result of a recorded call: an operation outside these calls must have computed it.
    """
    import torch

    positional, named = inputs.make_blank()
    graph = torch.fx.Graph()
    nodes: dict[int, Any] = {}
    kept: list[Any] = []  # keeps tensors alive, so that each `id` remains unique
    names = inputs.names or _name_inputs(module, len(positional))
    for name, tensor in zip(names, (*positional, *named.values()), strict=True):
        nodes[id(tensor)] = graph.placeholder(name)
        kept.append(tensor)

    def find(path: str, value: Any) -> Any:
        if isinstance(value, torch.Tensor) and id(value) not in nodes:
            raise NotImported(f"an operation before {path or 'the result'} is not a module")
        return nodes[id(value)] if isinstance(value, torch.Tensor) else value

    def record(path: str, given: tuple[Any, ...], named: dict[str, Any], result: Any) -> None:
        arguments = tuple(find(path, value) for value in given)
        options = {key: find(path, value) for key, value in named.items()}
        call = graph.call_module(path, arguments, options)
        if not isinstance(result, torch.Tensor):
            raise NotImported(f"{path} does not return a tensor")
        nodes[id(result)] = call
        kept.append(result)

    hooks = [
        inner.register_forward_hook(
            lambda inner, given, named, result, path=path: record(path, given, named, result), with_kwargs=True
        )
        for path, inner in module.named_modules()
        if path and not any(inner.children())
    ]
    result = module(*positional, **named)  # not within `run_blank`, so that tensors made of sizes have values
    graph.output(tuple(find("", tensor) for tensor in list_tensors(result)))
    for hook in hooks:
        hook.remove()
    return torch.fx.GraphModule(module, graph)


def _name_inputs(module: Any, count: int) -> tuple[str, ...]:
    """Return the first `count` parameter names of a module's forward, or `x1`, `x2` and so on if it has fewer."""
    from inspect import signature

    names = tuple(signature(module.forward).parameters)[:count]
    return names if len(names) == count else tuple(f"x{number}" for number in range(1, count + 1))
