"""Modules made from calls: classes of torch.nn and of extra_modules.py by their names, nothing executed from text."""

from typing import Any

from convcalc.convert.pytorch.calls import ModuleCall


def build_module(call: ModuleCall) -> Any:
    """The module that a call makes. Raises what PyTorch raises where it refuses the arguments."""
    from torch import nn

    from convcalc.convert.pytorch import extra_modules

    target = getattr(nn, call.target[3:]) if call.target.startswith("nn.") else getattr(extra_modules, call.target)
    return target(
        **{
            argument.name: build_module(argument.value) if isinstance(argument.value, ModuleCall) else argument.value
            for argument in call.arguments
        }
    )
