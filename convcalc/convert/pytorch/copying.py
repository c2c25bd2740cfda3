"""Copies a PyTorch module to the meta device, or to the CPU without its values, so that it can be run at no cost."""

import copy
import warnings
from collections.abc import Iterator
from io import BytesIO
from typing import Any

from convcalc.convert.graph import NotImported
from convcalc.convert.pytorch.failures import describe_error


def copy_to_meta(module: Any) -> Any:
    """Return a copy of a module on the meta device, where weights take no memory; shared weights remain shared.

    Raises NotImported if the module cannot be copied.
    """
    return copy_module(module, "meta")


def copy_module(module: Any, device: str) -> Any:
    """Return a copy of a module for inference, with its weights on the device `meta` or `cpu` and without their values.

    Shared weights remain shared, and lazy modules remain lazy. A TorchScript module is copied to the CPU with its
    values, and the copy is wrapped in an nn.Module. Raises NotImported if the module cannot be copied.
    """
    try:
        if needs_cpu(module):
            return module if hasattr(module, "script") else _wrap_script(_copy_script(module).eval())
        memo = {id(tensor): _make_blank(tensor, device) for tensor in _list_tensors(module, device)}
        return copy.deepcopy(module, memo).eval()
    except NotImported:
        raise
    except Exception as error:  # the module's code may raise anything
        raise NotImported(f"the module cannot be copied: {describe_error(error)}") from error


def needs_cpu(module: Any) -> bool:
    """Whether a module must be on the CPU: a TorchScript module, or one that `copy_module` has wrapped."""
    import torch

    return isinstance(getattr(module, "script", module), torch.jit.ScriptModule)


def _make_blank(tensor: Any, device: str) -> Any:
    """Return an uninitialised tensor of the same class, sizes and data type."""
    import torch
    from torch.nn.parameter import is_lazy

    if is_lazy(tensor):
        kind: Any = type(tensor)
        return kind(tensor.requires_grad, device=device, dtype=tensor.dtype)
    blank = torch.empty_like(tensor.detach(), device=device)
    learnt = isinstance(tensor, torch.nn.Parameter)
    return torch.nn.Parameter(blank, tensor.requires_grad) if learnt else blank


def has_lazy_weights(module: Any) -> bool:
    """Whether a module has weights whose shapes are not known before its first call."""
    from torch.nn.parameter import is_lazy

    return any(is_lazy(tensor) for tensor in (*module.parameters(), *module.buffers()))


def _list_tensors(module: Any, device: str) -> Iterator[Any]:
    """Yield the tensors of a module whose values are left out of its copy on `device`.

    These are all parameters, the buffers except single numbers, and some tensors that are plain attributes: results of
    operations with gradients, which cannot be copied; tensors on the meta device; and, for a copy on the meta device,
    floating-point tensors except single numbers. The other tensors keep their values, because a forward may read them.
    """
    import torch
    from torch.nn.parameter import is_lazy

    yield from module.parameters()
    yield from (buffer for buffer in module.buffers() if is_lazy(buffer) or buffer.dim() or buffer.is_meta)
    for inner in module.modules():
        for value in vars(inner).values():
            if not isinstance(value, torch.Tensor):
                continue
            is_map = value.dim() > 0 and value.is_floating_point()
            if value.grad_fn is not None or value.is_meta or (device == "meta" and is_map):
                yield value


def _copy_script(script: Any) -> Any:
    """Copy a TorchScript module by saving and loading it, because a deep copy loses its parameters.

    The loaded parameters are replaced by instances of nn.Parameter. Raises NotImported if a parameter is on the meta
    device.
    """
    import torch

    if any(parameter.is_meta for parameter in script.parameters()):
        raise NotImported("a TorchScript module must be built on the CPU")
    buffer = BytesIO()
    with warnings.catch_warnings():  # hides the warning that TorchScript is deprecated
        warnings.simplefilter("ignore")
        torch.jit.save(script, buffer)
        buffer.seek(0)
        copied = torch.jit.load(buffer, map_location="cpu")
    for inner in copied.modules():
        for name, parameter in list(inner.named_parameters(recurse=False)):
            inner._c.setattr(name, torch.nn.Parameter(parameter.detach(), parameter.requires_grad))
    return copied


def _wrap_script(script: Any) -> Any:
    """Return an nn.Module whose forward calls the TorchScript module."""
    from torch import nn

    class Scripted(nn.Module):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.script = script

        def forward(self, x: Any, *more: Any) -> Any:
            return self.script._c._get_method("forward")(x, *more)  # the call that torch.export does not intercept

    return Scripted()
