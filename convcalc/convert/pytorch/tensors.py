"""Lists the tensors in the output of a module."""

from collections.abc import Iterable, Mapping
from typing import Any


def list_tensors(outputs: Any) -> list[Any]:
    """Return all tensors in a module's output, which may be a nested list, dict or object."""
    import torch

    if isinstance(outputs, torch.Tensor):
        return [outputs]
    if isinstance(outputs, Mapping):
        outputs = outputs.values()
    elif hasattr(outputs, "__dict__"):
        outputs = vars(outputs).values()
    return [tensor for output in outputs for tensor in list_tensors(output)] if isinstance(outputs, Iterable) else []
