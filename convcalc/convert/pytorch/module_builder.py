"""Creates PyTorch modules from ModuleCalls, by looking up their classes in torch.nn and extra_modules.py.

No generated code is executed.
"""

from typing import Any

from convcalc.convert.pytorch.calls import ModuleCall


def build_module(call: ModuleCall) -> Any:
    """Return the module that a call creates. Raises PyTorch's own error if PyTorch rejects the arguments."""
    from torch import nn

    from convcalc.convert.pytorch import extra_modules

    target = getattr(nn, call.target[3:]) if call.target.startswith("nn.") else getattr(extra_modules, call.target)
    return target(
        **{
            argument.name: build_module(argument.value) if isinstance(argument.value, ModuleCall) else argument.value
            for argument in call.arguments
        }
    )
