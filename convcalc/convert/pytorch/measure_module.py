"""Runs an unaltered PyTorch module on the meta device and counts its params, running statistics and MACs.

PyTorch does the counting, in total and for each inner module; `comparison` compares a network with the result.
"""

from contextlib import nullcontext
from inspect import signature
from typing import Any, NamedTuple

from convcalc.convert.comparison import MeasuredFigures, Model, ModelPart, order_input_shapes
from convcalc.convert.graph import NotImported
from convcalc.convert.pytorch.copying import copy_module, copy_to_meta
from convcalc.convert.pytorch.failures import describe_failure
from convcalc.convert.pytorch.inputs import InputTypes, ModuleInputs, call_module, choose_types, run_blank
from convcalc.convert.pytorch.tensors import list_tensors
from convcalc.convert.pytorch.tracing import statistic_sizes
from convcalc.network import Network


def run_anyhow(module: Any, inputs: ModuleInputs) -> "_RunResult":
    """Run a copy of a module without computing. Raises NotImported if the module does not run.

    If the module needs the value of a tensor, for example in an `if`, it gets the value 1.
    """
    try:
        return run_whole(copy_module(module, inputs.device), inputs)
    except NotImported:
        try:
            return run_whole(copy_module(module, "cpu"), inputs._replace(device="cpu"), answering=True)
        except NotImported:
            pass
        raise


class _RunResult(NamedTuple):
    """The FLOPs of one run of a module, and the sizes of its outputs, including the batch."""

    flops: int
    outputs: tuple[tuple[int, ...], ...]


def run_whole(module: Any, inputs: ModuleInputs, watch: Any = None, answering: bool = False) -> _RunResult:
    """Run a module with these inputs, without computing. Raises NotImported if the module does not run.

    Before the run, `watch` is called with PyTorch's FLOP counter. With `answering`, which needs inputs on the CPU, the
    module gets the value 1 whenever it reads a number from a tensor.
    """
    from torch.utils.flop_counter import FlopCounterMode

    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    try:
        module.requires_grad_(False)  # because the counter requires gradients of modules that get tuples
        with (
            run_blank(inputs.device),
            _answer_reads() if answering else nullcontext(),
            FlopCounterMode(display=False) as counter,
        ):
            if watch is not None:
                watch(counter)
            outputs = call_module(module, inputs)
    except (Exception, SystemExit) as error:  # the module's code may raise anything
        place = describe_failure(error, module)
        raise NotImported(f"the module does not run on PyTorch's meta device: {place}") from error
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
    return _RunResult(counter.get_total_flops(), tuple(tuple(tensor.shape) for tensor in list_tensors(outputs)))


def _answer_reads() -> Any:
    """Return a context in which reading a number from a tensor, as `tensor.item()` does, returns 1."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    class AnswerReads(TorchDispatchMode):  # type: ignore[misc, unused-ignore]
        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if function is torch.ops.aten._local_scalar_dense.default:
                return 1.0 if args[0].is_floating_point() else 1
            return function(*args, **(kwargs or {}))

    return AnswerReads()


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

        `flops` is the number that PyTorch's FLOP counter shows after the run.
        """
        before, inside = self.started.pop()
        if self.started:
            outer, others = self.started[-1]
            self.started[-1] = (outer, others + flops - before)
        tensors = list_tensors(result)
        params = sum(value.numel() for value in inner.parameters(recurse=False) if self.is_new(value))
        own = (value for name, value in inner.named_buffers(recurse=False) if name in statistic_sizes(inner))
        buffers = sum(value.numel() for value in own if self.is_new(value))
        shape = tuple(tensors[0].shape[1:]) if tensors else ()
        figures = MeasuredFigures(shape, params, buffers, (flops - before - inside) // 2)
        self.parts.append(ModelPart(path, type(inner).__name__, figures))

    def is_new(self, value: Any) -> bool:
        """Add a weight to `seen`, and return whether it was new."""
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


def _choose_inputs(module: Any, network: Network, input_dtype: InputTypes) -> ModuleInputs:
    """Return the inputs for the module. Those of embeddings have no axis of channels, as nn.Embedding expects."""
    parameters = list(signature(module.forward).parameters)
    named = [name for name in parameters if name in network.inputs]
    names = named if len(named) == len(network.inputs) else list(network.inputs)
    shapes = tuple(order_input_shapes(network, parameters))
    tokens = _list_token_inputs(network)
    if input_dtype is None and tokens:
        input_dtype = dict.fromkeys(tokens, "int64")
    dtypes = choose_types(module, input_dtype, names, len(shapes))
    bare = tuple(shape[1:] if name in tokens else shape for name, shape in zip(names, shapes, strict=True))
    return ModuleInputs(bare, (), dtypes, network.batch)


def _list_token_inputs(network: Network) -> list[str]:
    """Return the names of the inputs that only `embedding` layers read."""
    readers = [(tensor, node.layer.kind) for node in network.nodes for tensor in node.reads]
    kinds = [{kind for tensor, kind in readers if tensor == place} for place in range(len(network.inputs))]
    return [name for name, read in zip(network.inputs, kinds, strict=True) if read == {"embedding"}]


def measure_module(module: Any, network: Network, input_dtype: InputTypes = None) -> Model:
    """Return the params, running statistics and MACs of a module, in total and for each inner module.

    The module is run with the network's batch and input shapes. `input_dtype` has the data types of the inputs, as in
    `read_module`; by default, inputs that only `embedding` layers read are integers. Raises NotImported if the
    module does not run.
    """
    module = copy_to_meta(module)
    watch = _ModuleWatch(module)
    ran = run_whole(module, _choose_inputs(module, network, input_dtype), watch)
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
