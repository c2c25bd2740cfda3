"""Runs an unaltered PyTorch module on the meta device and counts its params, running statistics and MACs.

PyTorch does the counting, in total and for each inner module; `comparison` compares a network with the result.
"""

from collections.abc import Iterable, Mapping, Sequence
from inspect import signature
from typing import Any, NamedTuple

from convcalc.convert.comparison import MeasuredFigures, Model, ModelPart, order_input_shapes
from convcalc.convert.graph import NotImported
from convcalc.convert.pytorch.failures import describe_failure
from convcalc.convert.pytorch.tracing import copy_to_meta, statistic_sizes
from convcalc.network import Network


class _RunResult(NamedTuple):
    """The FLOPs of one run of a module, and the sizes of its outputs, including the batch."""

    flops: int
    outputs: tuple[tuple[int, ...], ...]


def run_whole(module: Any, shapes: Sequence[Sequence[int]], watch: Any = None) -> _RunResult:
    """Run a module on the meta device with inputs of these shapes, which include the batch.

    `watch` is called with PyTorch's FLOP counter before the run. Raises NotImported if the module does not run.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    trained = [value for value in module.parameters() if value.requires_grad]
    for value in trained:  # PyTorch's counter fails if a module is called with a trained parameter
        value.requires_grad_(False)
    try:
        with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
            if watch is not None:
                watch(counter)
            outputs = module(*(torch.empty(*shape) for shape in shapes))
    except (Exception, SystemExit) as error:  # the module's code may raise anything
        raise NotImported(f"the module does not run on PyTorch's meta device: {describe_failure(error)}") from error
    finally:
        for value in trained:
            value.requires_grad_(True)
    return _RunResult(counter.get_total_flops(), tuple(tuple(tensor.shape) for tensor in _list_tensors(outputs)))


def _list_tensors(outputs: Any) -> list[Any]:
    """Return all tensors in a module's output, which may be a nested list, dict or object."""
    import torch

    if isinstance(outputs, torch.Tensor):
        return [outputs]
    if isinstance(outputs, Mapping):
        outputs = outputs.values()
    elif hasattr(outputs, "__dict__"):
        outputs = vars(outputs).values()
    return [tensor for output in outputs for tensor in _list_tensors(output)] if isinstance(outputs, Iterable) else []


class _ModuleWatch:
    """Records the output shape, params and MACs of modules each time they run.

    A module is recorded if it has weights of its own or no inner modules. `seen` has the ids of the weights counted so
    far, so that shared weights count once.
    """

    def __init__(self, module: Any) -> None:
        self.module = module
        self.parts: list[ModelPart] = []
        self.started: list[tuple[int, int]] = []  # per running module: FLOPs before it, and FLOPs of its inner modules
        self.seen: set[int] = set()

    def __call__(self, counter: Any) -> None:
        """Register the hooks that record each module when it runs."""
        for path, inner in self.module.named_modules():
            if any(True for _ in inner.parameters(recurse=False)) or not any(True for _ in inner.children()):
                inner.register_forward_pre_hook(lambda *_: self.started.append((counter.get_total_flops(), 0)))
                inner.register_forward_hook(
                    lambda inner, given, result, path=path: self.record(path, inner, result, counter.get_total_flops())
                )

    def record(self, path: str, inner: Any, result: Any, flops: int) -> None:
        """Record a module that has just run, without the params and MACs of its recorded inner modules.

        `flops` is the total of the FLOP counter after the run.
        """
        before, inside = self.started.pop()
        if self.started:
            outer, others = self.started[-1]
            self.started[-1] = (outer, others + flops - before)
        tensors = _list_tensors(result)
        params = sum(value.numel() for value in inner.parameters(recurse=False) if self.is_new(value))
        own = (value for name, value in inner.named_buffers(recurse=False) if name in statistic_sizes(inner))
        buffers = sum(value.numel() for value in own if self.is_new(value))
        shape = tuple(tensors[0].shape[1:]) if tensors else ()
        figures = MeasuredFigures(shape, params, buffers, (flops - before - inside) // 2)
        self.parts.append(ModelPart(path, type(inner).__name__, figures))

    def is_new(self, value: Any) -> bool:
        """Return whether a weight was not seen before, and mark it as seen."""
        known = id(value) in self.seen
        self.seen.add(id(value))
        return not known


def _list_modules_not_run(module: Any, watch: _ModuleWatch) -> list[ModelPart]:
    """Return the modules with weights that were not counted, because the forward never runs these modules."""
    found = []
    for path, inner in module.named_modules():
        params = sum(value.numel() for value in inner.parameters(recurse=False) if watch.is_new(value))
        if params:
            found.append(ModelPart(path, f"{type(inner).__name__}, not run", MeasuredFigures((), params, 0, 0)))
    return found


def measure_module(module: Any, network: Network) -> Model:
    """Return the params, running statistics and MACs of a module, in total and for each inner module.

    The module is run with the network's batch and input shapes. Raises NotImported if it does not run with them.
    """
    module = copy_to_meta(module).eval()
    shapes = order_input_shapes(network, signature(module.forward).parameters)
    watch = _ModuleWatch(module)
    ran = run_whole(module, [(network.batch, *shape) for shape in shapes], watch)
    learnt = list(module.parameters())
    return Model(
        "PyTorch",
        (*watch.parts, *_list_modules_not_run(module, watch)),
        sum(value.numel() for value in learnt),
        sum(value.numel() for value in learnt if value.requires_grad),
        sum(statistic_sizes(module).values()),
        ran.flops // 2,
        tuple(sizes[1:] for sizes in ran.outputs),
    )
