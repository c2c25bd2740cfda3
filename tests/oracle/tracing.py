"""Measures the peak memory of a network's tensors as PyTorch runs it.

Every operation is intercepted before it runs. An operation allocates the memory of its output, and the memory is freed
after the last operation that reads it. A view shares the memory of its tensor. The input is freed like any other
tensor, the network's outputs are never freed, and weights are not counted. If an operation has several outputs, only
the first is counted: the others are for the backward pass. Nothing is computed: the networks run on the meta device.
"""

# PyTorch is not a test requirement: without it, mypy does not know its classes.

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Tracing(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records the bytes of each tensor, and the operations that allocated it and last read it.

    Tensors are identified by the address of their memory.
    """

    def __init__(self, weights: list[Tensor], sample: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.weights = {address(weight) for weight in weights}
        self.bytes: dict[int, int] = {}
        self.born: dict[int, int] = {}
        self.last: dict[int, int] = {}
        self.kept: list[Tensor] = []  # so that no address is reused
        self.count = 0
        self.note(sample, 0)

    def note(self, value: Tensor, at: int) -> None:
        place = address(value)
        if place in self.weights:
            return
        self.kept.append(value)
        self.bytes.setdefault(place, value.untyped_storage().nbytes())
        self.born.setdefault(place, at)
        self.last[place] = at

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in tree_leaves((args, kwargs)):
            if isinstance(value, Tensor) and address(value) in self.bytes:
                self.last[address(value)] = self.count
        self.note(result if isinstance(result, Tensor) else result[0], self.count)
        self.count += 1
        return result

    def peak(self, outputs: list[Tensor]) -> int:
        for output in outputs:
            self.last[address(output)] = self.count
        return max(
            sum(size for place, size in self.bytes.items() if self.born[place] <= at <= self.last[place])
            for at in range(self.count)
        )


def address(value: Tensor) -> int:
    return int(value.untyped_storage()._cdata)


def traced_peak(build: Callable[[], tuple[nn.Module, tuple[int, ...]]]) -> int:
    """Return the peak memory in bytes of the network that `build` returns, with an input of the shape it returns."""
    with torch.device("meta"):
        module, shape = build()
        sample = torch.empty(1, *shape)
    tracing = Tracing([*module.parameters(), *module.buffers()], sample)
    with torch.no_grad(), tracing:
        result = module.eval()(sample)
    return tracing.peak(list(result) if isinstance(result, tuple) else [result])
