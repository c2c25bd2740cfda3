"""Lists the tensors in the output of a module."""

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any


def list_tensors(outputs: Any) -> list[Any]:
    """Return all tensors in a module's output: a nested list, dict or object, which may contain itself."""
    return _search(outputs, ())


def _search(value: Any, outer: tuple[int, ...]) -> list[Any]:
    """Return the tensors in a value. `outer` are the identities of the values around it."""
    import torch

    if isinstance(value, torch.Tensor):
        return [value]
    if id(value) in outer:
        return []
    return [tensor for part in _list_parts(value) for tensor in _search(part, (*outer, id(value)))]


def _list_parts(value: Any) -> Iterable[Any]:
    """Return the values in a container or object.

    Text has none: its characters would again be texts. A number or module of PyTorch has tensors, but not as outputs.
    """
    import torch

    if isinstance(value, str | bytes | torch.SymInt | torch.SymFloat | torch.SymBool | torch.nn.Module):
        return ()
    if isinstance(value, Mapping):
        return value.values()
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    if is_dataclass(value):
        return [getattr(value, field.name, None) for field in fields(value)]
    if hasattr(value, "__dict__"):
        return list(vars(value).values())
    return value if isinstance(value, Iterable) else ()
