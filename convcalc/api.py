"""The Python entry points: `load` a network, `summary` to analyse it, `from_torch` for a PyTorch module.

They accept a network in any form (the path of a spec or of a model file such as ONNX, `example:NAME`, a text stream, a
mapping, a PyTorch module or a `Network`) and return a `Network` or a `Report`.

>>> summary("example:lenet5").totals.params
61706
"""

from __future__ import annotations  # help() shows types by their names

import operator
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any, Literal, Protocol

from convcalc import examples
from convcalc.analysis.report import Report, analyse
from convcalc.arguments import LARGEST, MOST_DIGITS
from convcalc.convert.net_files import read_net
from convcalc.gc_pause import defer_garbage_collection
from convcalc.network import Network
from convcalc.problems import InvalidSpec, NotImported, Path, Problem, printable, show
from convcalc.spec import files
from convcalc.spec.blame import read_overridden_network
from convcalc.spec.document import Document
from convcalc.spec.inputs import Overrides
from convcalc.spec.tree import MOST_NESTING


class TorchModule(Protocol):
    """A type that stands for `torch.nn.Module`, so that type checkers accept a module without PyTorch installed."""

    def named_modules(self, *arguments: Any, **named: Any) -> Any:
        """Return pairs of name and module, for the module itself and all modules inside it."""


Spec = str | os.PathLike[str] | IO[str] | Mapping[str, Any]
InputShape = Sequence[int] | Sequence[Sequence[int]] | Mapping[str, Sequence[int]]
InputType = str | Sequence[str] | Mapping[str, str]


def load(
    net: Spec | Network | TorchModule,
    *,
    params: Mapping[str, Any] | None = None,
    input: Sequence[int] | Mapping[str, int] | None = None,
    inputs: Mapping[str, Sequence[int] | Mapping[str, int]] | None = None,
    input_shape: InputShape | None = None,
    batch: int | None = None,
    dtype: str | Mapping[str, str] | None = None,
) -> Network:
    """Return the network of a spec, of a model file or of a PyTorch module; a `Network` is returned unchanged.

    A spec is a path, `example:NAME`, a text stream, or a mapping with the content of the file. `params` (spec
    parameters), `input` (or `inputs` by name), `batch` and `dtype` override the values in the spec. The path may also
    be that of a model file, such as ONNX or Keras, which has no spec parameters. A torch.nn.Module needs `input_shape`,
    as in `from_torch`, and accepts `batch` and `dtype`. Shapes are of one sample, channels first.

    Raises InvalidSpec if the spec or an argument has an invalid value, OSError if a file cannot be read, and
    NotImported if a model file or module cannot be imported. Raises TypeError if `net` or an argument has the wrong
    type, or if an argument cannot be combined with `net`, such as `input_shape` with a spec.

    >>> network = load({"input": [3, 32, 32], "layers": [{"conv": {"out_channels": 8, "kernel_size": 3}}]})
    >>> network.nodes[0].layer.output
    Shape(channels=8, spatial=(30, 30))
    """
    overriding = {"params": params, "input": input, "inputs": inputs, "batch": batch, "dtype": dtype}
    given = {name for name, value in {**overriding, "input_shape": input_shape}.items() if value is not None}
    if isinstance(net, Network):
        if given:
            raise TypeError(f"overrides apply to a spec, not to a network: pass {' and '.join(sorted(given))} to load")
        return net
    if _is_torch_module(net):
        _reject_arguments(given - {"input_shape", "batch", "dtype"}, "a PyTorch module: it takes input_shape")
        net, input_shape = _trace_module(net, input_shape), None
    document, remaining = read_document(net, make_overrides(params, input, inputs, batch, dtype))
    if input_shape is not None:
        _reject_arguments({"input_shape"}, "a spec or a model file: it takes input, or inputs by name")
    return read_overridden_network(document, remaining)


@defer_garbage_collection
def summary(
    net: Spec | Network | TorchModule,
    *,
    params: Mapping[str, Any] | None = None,
    input: Sequence[int] | Mapping[str, int] | None = None,
    inputs: Mapping[str, Sequence[int] | Mapping[str, int]] | None = None,
    input_shape: InputShape | None = None,
    batch: int | None = None,
    dtype: str | Mapping[str, str] | None = None,
    inplace: bool = True,
    fold_batchnorm: bool = False,
    optimizer: Literal["sgd", "momentum", "adam"] = "sgd",
) -> Report:
    """Return the report of a network in any form that `load` accepts; printing the report shows a table.

    `inplace`, `fold_batchnorm` and `optimizer` are passed to `analyse`, all other arguments to `load`; see there for
    the errors that are raised. A `Network` cannot be overridden: pass `params`, `input`, `batch` and `dtype` to `load`
    when you create it.

    >>> summary({"input": [64], "layers": [{"linear": {"out_features": 10}}]}).totals.params
    650
    """
    network = load(net, params=params, input=input, inputs=inputs, input_shape=input_shape, batch=batch, dtype=dtype)
    return analyse(network, inplace=inplace, fold_batchnorm=fold_batchnorm, optimizer=optimizer)


def from_torch(module: TorchModule, input_shape: InputShape, input_dtype: InputType | None = None) -> Network:
    """Return the network of a torch.nn.Module, for example `analyse(from_torch(module, (3, 224, 224)))`.

    The input shape is channels first, without the batch; for several inputs, pass one shape per input, in order or by
    name. The shape () is one number per sample. The input type, such as "int64" for indices, is that of all inputs, or
    one per input in the same way; by default, it is the type of most weights.

    The module is traced on the meta device, so nothing is computed, no memory is allocated for weights, and the
    module's own weights do not change. Unsupported operations become layers of the kind `opaque`. To get the text of a
    spec instead, run `convcalc import --torch`.

    Raises NotImported if PyTorch is not installed (`pip install convcalc[torch]`) or if the module cannot be traced.
    Raises TypeError if `module` is not a torch.nn.Module or `input_shape` is not a shape.
    """
    return load(_trace_module(module, input_shape, input_dtype))


Summary = Report
"""The former name of `Report`."""


def _reject_arguments(refused: Iterable[str], taker: str) -> None:
    names = sorted(refused)
    if names:
        raise TypeError(f"{' and '.join(names)} cannot be combined with {taker}")


def _is_torch_module(value: object) -> bool:
    # if PyTorch has not been imported, the value cannot be one of its modules
    nn = getattr(sys.modules.get("torch"), "nn", None)
    return nn is not None and isinstance(value, nn.Module)


def _trace_module(
    module: object, input_shape: InputShape | None, input_dtype: InputType | None = None
) -> dict[str, Any]:
    from convcalc.convert.from_torch import read_module
    from convcalc.convert.graph import plain_spec

    if not callable(getattr(module, "forward", None)) or isinstance(module, type):
        raise TypeError(f"the module must be a torch.nn.Module; got {_describe_type(module)}")
    if input_shape is None:
        raise TypeError("a PyTorch module needs its input shape, such as input_shape=(3, 224, 224)")
    if isinstance(input_shape, str) or not isinstance(input_shape, Sequence | Mapping):
        raise TypeError(f"input_shape must be a shape such as (3, 224, 224); got {show(input_shape)}")
    return plain_spec(read_module(module, _normalise_value(input_shape), input_dtype=input_dtype))


def make_overrides(params: object, input: object, inputs: object, batch: object, dtype: object) -> Overrides:
    """Return the arguments of `load` as `Overrides`; raise TypeError if `params` or `inputs` is not a mapping."""
    for name, value in (("params", params), ("inputs", inputs)):
        if value is not None and not isinstance(value, Mapping):
            raise TypeError(f"{name} must be a mapping from names to values; got {show(value)}")
    given: dict[str | None, Any] = dict(_normalise_value(inputs or {}))
    if input is not None:
        given[None] = _normalise_value(input)
    return Overrides(_normalise_value(params or {}), given, _normalise_value(batch), _normalise_value(dtype), True)


def read_document(spec: object, overrides: Overrides) -> tuple[Document, Overrides]:
    """Read a mapping, path, `example:NAME` or text stream; raise TypeError for any other type.

    Also return the overrides that still apply.
    """
    if isinstance(spec, Mapping):
        return Document(_normalise_value(spec)), overrides
    if isinstance(spec, str | os.PathLike):
        return _read_file(os.fsdecode(spec), overrides)
    read = getattr(spec, "read", None)
    if not callable(read):
        expected = "a path, example:NAME, a text stream, a mapping, a Network or a torch.nn.Module"
        raise TypeError(f"a network must be {expected}; got {_describe_type(spec)}")
    text = read(files.MOST_BYTES + 1)
    if not isinstance(text, str):
        raise TypeError("the stream must be opened in text mode; it contains bytes")
    file = getattr(spec, "name", None)
    name = file if isinstance(file, str) else "<stream>"
    return files.decode_spec(text.encode("utf-8", "surrogatepass"), name, True), overrides


def _read_file(name: str, overrides: Overrides) -> tuple[Document, Overrides]:
    """Return the document of a file or an example, and the overrides that still apply.

    Raises InvalidSpec if there is no such example; OSError, with a note that says what to do, if the file cannot be
    read; and NotImported if it is a model file that cannot be imported.
    """
    try:
        return read_net(name, overrides)
    except NotImported as error:
        raise NotImported(f"{printable(name)}: {error}") from None
    except examples.NoExample as error:
        raise InvalidSpec([Problem((), str(error), "CV000")], name) from None
    except OSError as error:
        text = "\n" in name
        error.add_note(
            "for the text of a spec, pass io.StringIO(text)" if text else files.explain_unreadable(name, error)
        )
        raise


def _describe_type(value: object) -> str:
    """Return a phrase such as `a value of the type list`, or `the class ResNet: pass an instance`."""
    if isinstance(value, type):
        return f"the class {value.__name__}: pass an instance"
    return f"a value of the type {type(value).__name__}"


def _normalise_value(value: Any, path: Path = ()) -> Any:
    """Convert tuples to lists, keys to text, and the integers of NumPy and PyTorch to Python integers.

    Raises InvalidSpec if the value is nested too deeply or has a number with too many digits.
    """
    if len(path) > MOST_NESTING:
        raise InvalidSpec([Problem(path, f"nested more than {MOST_NESTING} levels deep", "CV004")])
    if isinstance(value, Mapping):
        return {str(key): _normalise_value(item, (*path, str(key))) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_normalise_value(item, (*path, index)) for index, item in enumerate(value)]
    if hasattr(value, "__index__") and not isinstance(value, int):
        value = operator.index(value)  # for example an integer of NumPy or PyTorch
    if isinstance(value, int | float) and not abs(value) <= LARGEST:
        raise InvalidSpec([Problem(path, f"a number can have at most {MOST_DIGITS} digits", "CV004")])
    return value
