"""Finds inputs with which a module runs: the number of samples, the data types, and the sizes of each input.

For example, code written for a single image does not run with 11 samples, but with 1.
"""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from typing import Any, NamedTuple

from convcalc.convert.graph import NotImported
from convcalc.convert.pytorch.copying import copy_module, has_lazy_weights, needs_cpu
from convcalc.problems import did_you_mean, show

# in the order in which they are tried: few other axes have 11 elements, so that the batch axis is easily recognised;
# some code folds frames into the batch and needs a multiple; some is written for one image, or for a pair
BATCHES = (11, 8, 1, 2, 16)
_TYPES = ("float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")
DEVICES = ("meta", "cpu")  # on the CPU, PyTorch's fake tensors are used: they have shapes but no values either
InputTypes = str | Sequence[str] | Mapping[str, str] | None


class ModuleInputs(NamedTuple):
    """The inputs with which a module is called.

    - `shapes`: the shape of each input without the batch; () is one number per sample
    - `names`: the parameters of the forward that the inputs are passed to; if empty, they are passed by position
    - `dtypes`: PyTorch's data type of each input; if empty, PyTorch's default
    - `batch`: the number of samples
    - `device`: `meta` or `cpu`
    - `single`: whether a shape of () is one number for all samples, not one per sample
    - `stripped`: whether each given shape began with the batch, which `shapes` leaves out
    """

    shapes: tuple[tuple[int, ...], ...]
    names: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ()
    batch: int = BATCHES[0]
    device: str = "meta"
    single: bool = False
    stripped: bool = False

    def make_blank(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return uninitialised tensors as the positional and the keyword arguments of a call."""
        import torch

        tensors = []
        for index, shape in enumerate(self.shapes):
            sizes = () if self.single and not shape else (self.batch, *shape)
            dtype = getattr(torch, self.dtypes[index]) if self.dtypes else None
            tensors.append(torch.empty(sizes, dtype=dtype, device=self.device))
        return ((), dict(zip(self.names, tensors, strict=True))) if self.names else (tuple(tensors), {})


@contextmanager
def silence() -> Iterator[None]:
    """Suppress everything that code prints, logs or warns of."""
    logging.disable(logging.CRITICAL)
    try:
        with ExitStack() as stack:
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
            stack.enter_context(redirect_stderr(StringIO()))
            stack.enter_context(redirect_stdout(StringIO()))
            yield
    finally:
        logging.disable(logging.NOTSET)


@contextmanager
def run_blank(device: str) -> Iterator[None]:
    """Run code silently and on tensors without values: on the meta device, or on the CPU with fake tensors."""
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    with ExitStack() as stack:
        stack.enter_context(silence())
        stack.enter_context(torch.device(device))
        stack.enter_context(torch.no_grad())
        if device == "cpu":
            stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
        yield


def call_module(module: Any, inputs: ModuleInputs) -> Any:
    """Call a module with blank inputs and return its result; use it only within `run_blank`."""
    positional, named = inputs.make_blank()
    return module(*positional, **named)


def find_inputs(module: Any, given: ModuleInputs) -> tuple[Any, ModuleInputs]:
    """Return a copy of the module, and the first inputs of `_list_candidates` with which it runs.

    Lazy weights in this copy have shapes. If the module runs with no candidate, the inputs are returned as given.
    """
    devices = DEVICES[1:] if needs_cpu(module) else DEVICES
    for device in devices:
        for inputs in _list_candidates(module, given._replace(device=device)):
            found = copy_module(module, device)
            if _runs(found, inputs):
                return (found if has_lazy_weights(module) else copy_module(module, device)), inputs
    return copy_module(module, devices[0]), given._replace(device=devices[0])


def _list_candidates(module: Any, given: ModuleInputs) -> Iterator[ModuleInputs]:
    """Yield inputs that `given` may mean, with each batch size in BATCHES.

    The data types are as given or those of the weights; a shape of () is one number per sample or one for all samples.
    If the first size of each shape may be the batch, the shapes without it come last.
    """
    readings = [given]
    dtypes = dict.fromkeys(_name_type(tensor) for tensor in module.parameters() if tensor.is_floating_point())
    for dtype in dtypes:
        changed = tuple(dtype if is_float(own) else own for own in given.dtypes)
        if changed != given.dtypes:
            readings.append(given._replace(dtypes=changed))
    if () in given.shapes:
        readings += [reading._replace(single=True) for reading in readings]
    yield from (reading._replace(batch=batch) for batch in BATCHES for reading in readings)
    if all(len(shape) == 4 or (len(shape) > 1 and shape[0] == 1) for shape in given.shapes):
        shapes = tuple(shape[1:] for shape in given.shapes)
        readings = [reading._replace(shapes=shapes, stripped=True) for reading in readings]
        yield from (reading._replace(batch=batch) for batch in BATCHES for reading in readings)


def _name_type(tensor: Any) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def is_float(dtype: str) -> bool:
    """Whether a PyTorch data type is a floating-point type."""
    import torch

    return bool(getattr(torch, dtype).is_floating_point)


def choose_types(module: Any, given: InputTypes, names: Sequence[str], count: int) -> tuple[str, ...]:
    """Return the data type of each of `count` inputs: the given type, or else the type that most params have.

    `names` are the names of the inputs, if they have any. Raises NotImported if a given data type is unknown or belongs
    to no input.
    """
    from torch.nn import parameter

    counts: dict[str, int] = {}
    for tensor in module.parameters():
        if not parameter.is_lazy(tensor) and tensor.is_floating_point():
            counts[_name_type(tensor)] = counts.get(_name_type(tensor), 0) + tensor.numel()
    usual = max(counts, key=lambda name: counts[name], default="float32")
    types = _list_types(given, names, count)
    return tuple(types.get(index, usual) for index in range(count))


def _list_types(given: InputTypes, names: Sequence[str], count: int) -> dict[int, str]:
    """Return the given data types by the index of their input.

    Raises NotImported if a data type is unknown or belongs to no input.
    """
    if given is None:
        return {}
    if isinstance(given, str):
        types: dict[int, str] = dict.fromkeys(range(count), given)
    elif isinstance(given, Mapping):
        unknown = [name for name in given if name not in names]
        if unknown:
            raise NotImported(f"a data type is given for {show(unknown[0])}, but no shape")
        types = {names.index(name): dtype for name, dtype in given.items()}
    else:
        types = dict(enumerate(given))
        if len(types) > count:
            raise NotImported(f"{len(types)} data types for {count} inputs")
    for dtype in types.values():
        if dtype not in _TYPES:
            hint = did_you_mean(dtype, _TYPES) or f"available: {', '.join(_TYPES)}"
            raise NotImported(f"no data type {show(dtype)} of inputs: {hint}")
    return types


def _runs(module: Any, inputs: ModuleInputs) -> bool:
    """Whether a module runs with these inputs.

    If a shape lacks the channels, such as 28×28, a convolution would use the batch as the channels. Unless the batch
    size is BATCHES[0], this counts as a failure.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    names = (f"conv{transposed}{axes}d" for transposed in ("", "_transpose") for axes in (1, 2, 3))
    convolutions = {getattr(torch, name) for name in names}

    class RefuseSingleMaps(TorchFunctionMode):  # type: ignore[misc, unused-ignore]
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if function in convolutions and args[0].dim() < args[1].dim():
                raise ValueError("a map without a batch axis")
            return function(*args, **(kwargs or {}))

    try:
        with run_blank(inputs.device), ExitStack() as stack:
            if inputs.batch != BATCHES[0]:
                stack.enter_context(RefuseSingleMaps())
            call_module(module, inputs)
    except (Exception, SystemExit):  # the module's code may raise anything
        return False
    return True
