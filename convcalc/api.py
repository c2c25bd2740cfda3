"""The Python entry points: `load` a spec, `summary` to analyse it, `from_torch` for a PyTorch module."""

import os
from collections.abc import Mapping, Sequence
from typing import IO, Any

from convcalc.analysis.report import Report, analyse
from convcalc.arguments import LARGEST, MOST_DIGITS
from convcalc.gc_pause import defer_garbage_collection
from convcalc.network import Network
from convcalc.problems import InvalidSpec, Path, Problem
from convcalc.spec import files
from convcalc.spec.blame import read_overridden_network
from convcalc.spec.document import Document
from convcalc.spec.inputs import Overrides
from convcalc.spec.tree import MOST_NESTING

Source = str | os.PathLike[str] | IO[str] | Mapping[str, Any]


def load(
    spec: Source,
    *,
    params: Mapping[str, Any] | None = None,
    input: Sequence[int] | Mapping[str, Any] | None = None,
    inputs: Mapping[str, Sequence[int]] | None = None,
    batch: int | None = None,
    dtype: str | Mapping[str, str] | None = None,
) -> Network:
    """Return the network of a spec, given as a path, a text stream, or a mapping with the content of the file.

    `params` (spec parameters), `input` (or `inputs` by name), `batch` and `dtype` override the values in the spec.
    Shapes are of one sample, channels first. Raises InvalidSpec if the spec is invalid, OSError if its file cannot be
    read.

    >>> network = load({"input": [3, 32, 32], "layers": [{"conv": {"out_channels": 8, "kernel_size": 3}}]})
    >>> network.nodes[0].layer.output
    Shape(channels=8, spatial=(30, 30))
    """
    given: dict[str | None, Any] = {name: _normalise_optional(shape) for name, shape in (inputs or {}).items()}
    if input is not None:
        given[None] = _normalise_optional(input)
    overrides = Overrides(_normalise_value(params or {}), given, batch, _normalise_optional(dtype), from_python=True)
    return read_overridden_network(_read_document(spec), overrides)


def from_torch(
    module: Any, input_shape: Sequence[int] | Sequence[Sequence[int]] | Mapping[str, Sequence[int]]
) -> Network:
    """Return the network of a torch.nn.Module, for example `analyse(from_torch(module, (3, 224, 224)))`.

    The input shape is channels first, without the batch; for several inputs, pass one shape per input, in order or by
    name. The module is traced on the meta device, so nothing is computed, no memory is allocated for weights, and the
    module's own weights do not change. Unsupported operations become layers of the kind `opaque`. To get the text of a
    spec instead, run `convcalc import --torch`. Raises NotImported (from convcalc.convert.graph) if PyTorch (the extra
    convcalc[torch]) is not installed or the module cannot be traced.
    """
    from convcalc.convert.from_torch import read_module
    from convcalc.convert.graph import plain_spec

    return load(plain_spec(read_module(module, input_shape)))


@defer_garbage_collection
def summary(spec: Source | Network, **overrides: Any) -> Report:
    """Return the report of a spec or a network; `print` shows it as a table.

    Accepts the arguments of `load` and raises the same errors. Raises TypeError if a network is combined with
    overrides, which apply only to a spec.

    >>> summary({"input": [64], "layers": [{"linear": {"out_features": 10}}]}).totals.params
    650
    """
    if not isinstance(spec, Network):
        return analyse(load(spec, **overrides))
    if overrides:
        raise TypeError(f"overrides apply to a spec, not to a network: pass {' and '.join(overrides)} to load")
    return analyse(spec)


Summary = Report
"""The former name of `Report`."""


def _read_document(spec: Source) -> Document:
    if isinstance(spec, Mapping):
        return Document(_normalise_value(spec))
    if isinstance(spec, str | os.PathLike):
        return files.read_file(os.fspath(spec))
    text = spec.read(files.MOST_BYTES + 1)
    if not isinstance(text, str):
        raise TypeError("load expects a path, a text stream or a mapping")
    file = getattr(spec, "name", None)
    return files.decode_spec(text.encode("utf-8", "surrogatepass"), file if isinstance(file, str) else "<stream>", True)


def _normalise_value(value: Any, path: Path = ()) -> Any:
    """Convert a Python value to what a YAML file would contain: lists, dicts, and keys that are text."""
    if len(path) > MOST_NESTING:
        raise InvalidSpec([Problem(path, f"nested more than {MOST_NESTING} deep", "CV004")])
    if isinstance(value, Mapping):
        return {str(key): _normalise_value(item, (*path, str(key))) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_normalise_value(item, (*path, index)) for index, item in enumerate(value)]
    if isinstance(value, int | float) and not abs(value) <= LARGEST:
        raise InvalidSpec([Problem(path, f"a number has at most {MOST_DIGITS} digits", "CV004")])
    return value


def _normalise_optional(value: Any) -> Any:
    return None if value is None else _normalise_value(value)
